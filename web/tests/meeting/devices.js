// Real SIP devices for tests, which register, call nobody, and answer whoever calls: Debian's baresip and linphonec.

import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BUILT, ended, freePort, record } from './node.js';

const BARESIP_MODULES = '/usr/lib/baresip/modules';

/**
 * The line of a device, as an operator makes it.
 * @param {{dir: string, user: string, name: string, password: string, config: string}} device `config`: TOML
 */
export async function line({ dir, user, name, password, config }) {
  const file = join(dir, 'line.toml');
  await writeFile(file, config);
  const child = spawn(join(BUILT, 'mcu'), ['sip-device', user, '--name', name, '--password-stdin', '--config', file]);
  const log = record(child);
  child.stdin.end(`${password}\n`);
  if ((await ended(child)) !== 0) throw new Error(`mcu sip-device: ${log()}`);
  return log();
}

/**
 * @typedef {{log: () => string, stop: () => Promise<number|string>, kill: () => Promise<number|string>}} Device `stop` lets it say goodbye.
 * @typedef {{dir: string, user: string, password: string, port: number, transport: string}} Account They speak SRTP by keys in SDP, and G.711.
 */

/** @param {Account} account @returns {Promise<Device>} */
export async function baresip({ dir, user, password, port, transport }) {
  const folder = join(dir, `baresip-${user}-${transport}`);
  await mkdir(folder, { recursive: true });
  const quiet = join(folder, 'quiet.wav');
  await made('sox', ['-n', '-r', '8000', '-b', '16', '-c', '1', quiet, 'synth', '300', 'sine', '440']);
  const config = [
    `sip_listen 127.0.0.1:${await freePort()}`,
    `module_path ${BARESIP_MODULES}`,
    ...[`snd_path ${folder}`, `audio_source aufile,${quiet}`, 'ausrc_srate 8000', 'auplay_srate 8000', 'rtp_ports 22000-22999'],
    ...['module g711.so', 'module aufile.so', 'module sndfile.so', 'module srtp.so', 'module_tmp uuid.so', 'module_tmp account.so', 'module_app menu.so'],
  ];
  await writeFile(join(folder, 'config'), `${config.join('\n')}\n`);
  const account = `<sip:${user}@127.0.0.1:${port};transport=${transport}>;auth_user=${user};auth_pass=${password};regint=60;mediaenc=srtp-mand;answermode=auto`;
  await writeFile(join(folder, 'accounts'), `${account}\n`);
  await writeFile(join(folder, 'contacts'), '');
  const child = spawn('baresip', ['-f', folder, '-v'], { stdio: ['ignore', 'pipe', 'pipe'] });
  return device(child, () => child.kill('SIGTERM'));
}

/** @param {Account} account @returns {Promise<Device>} */
export async function linphone({ dir, user, password, port, transport }) {
  const folder = join(dir, `linphone-${user}-${transport}`);
  // Without a place for its database it does nothing.
  await mkdir(join(folder, '.local/share/linphone'), { recursive: true });
  const file = join(folder, 'linphonerc');
  const config = [
    ...['[sip]', 'sip_port=0', 'sip_tcp_port=0', 'sip_tls_port=-1', 'default_proxy=0', 'verify_server_certs=0', 'verify_server_cn=0', 'media_encryption=srtp'],
    ...['[auth_info_0]', `username=${user}`, `passwd=${password}`, 'realm=mcu'],
    ...['[proxy_0]', `reg_proxy=<sip:127.0.0.1:${port};transport=${transport}>`, `reg_identity=sip:${user}@127.0.0.1`],
    ...['reg_expires=120', 'reg_sendregister=1', 'publish=0'],
  ];
  await writeFile(file, `${config.join('\n')}\n`);
  const child = spawn('linphonec', ['-a', '-c', file, '-d', '6'], { env: { ...process.env, HOME: folder }, stdio: ['pipe', 'pipe', 'pipe'] });
  return device(child, () => child.stdin.end('quit\n'));
}

/** Runs a tool to its end. */
async function made(tool, words) {
  const child = spawn(tool, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const log = record(child);
  if ((await ended(child)) !== 0) throw new Error(`${tool}: ${log()}`);
}

/** @returns {Device} */
function device(child, goodbye) {
  const [log, exit] = [record(child), ended(child)];
  return {
    log,
    stop() {
      goodbye();
      return exit;
    },
    /** linphonec that was refused asks for another password, and for nothing else. */
    kill() {
      child.kill('SIGKILL');
      return exit;
    },
  };
}
