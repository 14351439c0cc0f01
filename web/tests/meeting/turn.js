// A real TURN server for a test: coturn, with the shared secret from which a node makes its participants' credentials.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ended, freePort, record, until } from './node.js';

/** @returns {Promise<{port: number, secret: string, dir: string, stop: () => Promise<void>}>} */
export async function startTurn() {
  const dir = await mkdtemp(join(tmpdir(), 'mcu-turn-'));
  const secret = randomBytes(24).toString('hex');
  const port = await freePort();
  const child = spawn(
    'turnserver',
    ['-n', '--listening-ip=127.0.0.1', '--relay-ip=127.0.0.1', '--allow-loopback-peers', `--listening-port=${port}`]
      .concat(['--use-auth-secret', `--static-auth-secret=${secret}`, '--realm=mcu.test', '--fingerprint', '--no-cli'])
      .concat(['--no-tls', '--no-dtls', '--log-file=stdout', `--pidfile=${join(dir, 'pid')}`, `--userdb=${join(dir, 'users.db')}`]),
    { stdio: ['ignore', 'pipe', 'pipe'], cwd: dir },
  );
  const log = record(child);
  const exit = ended(child);
  await until('the TURN server listens', () => answers(port), log);
  return {
    port,
    secret,
    dir,
    async stop() {
      child.kill('SIGTERM');
      await exit;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Whether somebody takes connections on `port`. */
function answers(port) {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.end();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}
