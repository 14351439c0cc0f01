// Runs sipp (Debian's sip-tester) with a scenario of `sipp/` against the node, by TLS.

import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { ended, freePort, record } from './node.js';

const SCENARIOS = fileURLToPath(new URL('sipp', import.meta.url));
/** Whatever takes longer hangs: the longest scenario waits 60 s for a session to run out. */
const HANG_S = 120;

let played = 0;

/** Below the ports that the system gives away, and not those of a file of tests beside this one: sipp takes four, of which none may be taken. */
const mediaPort = () => 26_000 + (process.pid % 40) * 160 + 4 * (played % 40);

/** Debian builds sipp without TLS: what connects here is carried to `port` by TLS. */
export async function tlsTo(port) {
  const open = new Set();
  const server = createServer((plain) => {
    // The node's certificate is its own; who the node is, is not what is tested here.
    const secret = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    const close = () => [plain, secret].forEach((socket) => open.delete(socket) && socket.destroy());
    for (const socket of [plain, secret]) open.add(socket) && socket.on('error', close).on('close', close);
    plain.pipe(secret).pipe(plain);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const close = () => {
    open.forEach((socket) => socket.destroy());
    return new Promise((done) => server.close(done));
  };
  return { port: server.address().port, close };
}

/** A scenario that expects something else in the end: a control, which has to fail. */
export function spoiled(scenario) {
  const last = scenario.lastIndexOf('<recv ');
  const wrong = scenario.slice(last).replace(/response="\d+"/, 'response="299"').replace(/request="\w+"/, 'request="REFER"');
  return scenario.slice(0, last) + wrong;
}

export const scenario = (name) => readFile(join(SCENARIOS, `${name}.xml`), 'utf8');

/**
 * Plays one call. Resolves with sipp's exit code (0: as expected, 1: not) and what it says of it.
 * @param {{dir: string, name: string, text: string, port: number, user: string, messages?: string, hangS?: number}} call
 *   `text` is a scenario, `port` where it is told to; `messages` a file for what is said both ways.
 */
export async function play({ dir, name, text, port, user, messages, hangS = HANG_S }) {
  const [file, errors] = ['xml', 'errors'].map((ending) => join(dir, `${name}.${ending}`));
  await writeFile(file, text);
  played += 1;
  // Each listens on port 5060, whether it needs to or not: of an address of its own, as many play at a time.
  const words = ['-sf', file, '-t', 't1', '-m', '1', '-i', `127.0.1.${played}`, '-mi', '127.0.0.1', '-mp', String(mediaPort())];
  words.push('-s', user, '-nostdin', '-timeout', String(hangS), '-timeout_error', '-trace_err', '-error_file', errors, `127.0.0.1:${port}`);
  if (messages) words.unshift('-trace_msg', '-message_file', messages);
  const child = spawn('sipp', words, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
  record(child);
  const code = await ended(child);
  return { code, said: await readFile(errors, 'utf8').catch(() => '') };
}

/**
 * Plays a device or trunk that is called once, by TCP. `ended` resolves with sipp's exit code and what it says.
 * @param {{dir: string, name: string, text: string}} called
 */
export async function listen({ dir, name, text }) {
  const [file, errors] = ['xml', 'errors'].map((ending) => join(dir, `${name}.${ending}`));
  await writeFile(file, text);
  played += 1;
  const [host, port] = [`127.0.2.${played}`, await freePort()];
  const words = ['-sf', file, '-t', 't1', '-m', '1', '-i', host, '-p', String(port), '-mi', '127.0.0.1', '-mp', String(mediaPort())];
  words.push('-nostdin', '-timeout', String(HANG_S), '-timeout_error', '-trace_err', '-error_file', errors);
  const child = spawn('sipp', words, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
  record(child);
  const finished = ended(child).then(async (code) => ({ code, said: await readFile(errors, 'utf8').catch(() => '') }));
  return {
    host,
    port,
    ended: finished,
    async stop() {
      child.kill('SIGTERM');
      await finished;
    },
  };
}
