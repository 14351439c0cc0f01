// Starts the real node and the real load bots for a test, and ends them with it.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the binaries lie. */
export const BUILT = resolve(fileURLToPath(new URL('../../..', import.meta.url)), process.env.CARGO_TARGET_DIR ?? 'target', 'debug');
/** Whatever takes longer hangs. */
export const HANG_MS = 180_000;

/** Below what a system gives by chance, so that nobody comes in between; each process begins elsewhere. */
const PORTS = { first: 12_000, count: 8_000 };
let nextPort = (process.pid * 64) % PORTS.count;

/** A port that is free by TCP and UDP, as is the one after it, which some devices take for TLS. Never the same twice. */
export async function freePort() {
  for (let tries = 0; tries < PORTS.count / 2; tries += 1) {
    const port = PORTS.first + nextPort;
    nextPort = (nextPort + 2) % PORTS.count;
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
  throw new Error('loopback has no free port');
}

async function isFree(port) {
  const [tcp, udp] = [createServer(), createSocket('udp4')];
  const bound = await Promise.allSettled([once(tcp.listen(port), 'listening'), once(udp.bind(port), 'listening')]);
  await Promise.all(bound.map(({ status }, n) => status === 'fulfilled' && new Promise((done) => [tcp, udp][n].close(done))));
  return bound.every(({ status }) => status === 'fulfilled');
}

/** Collects what a child prints, for the message of a failed test. */
export function record(child) {
  const lines = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => lines.push(text));
  }
  return () => lines.join('').slice(-8_000);
}

/** Resolves with the exit code (or signal name), when all that it printed has been read. */
export function ended(child) {
  return new Promise((done) => child.once('close', (code, signal) => done(code ?? signal)));
}

/**
 * A running node.
 * @typedef {{announced: Record<string, string>, dir: string, log: () => string, stop: () => Promise<number|string>}} RunningNode
 */

/**
 * Starts `mcu serve --dev` on free ports; resolves when it has announced its meeting.
 * @param {string[]} flags
 * @param {string} [config] TOML
 * @returns {Promise<RunningNode>}
 */
export async function startNode(flags = [], config = '') {
  const dir = await mkdtemp(join(tmpdir(), 'mcu-meeting-'));
  const file = join(dir, 'mcu.toml');
  const configured = config ? ['--config', file] : [];
  await writeFile(file, config);
  const announce = join(dir, 'announce.json');
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()];
  const [http, https, metrics, media] = ports.map(String);
  const child = spawn(
    join(BUILT, 'mcu'),
    ['serve', '--dev', '--data', join(dir, 'data'), '--announce', announce, '--http-port', http]
      .concat(['--https-port', https, '--metrics-port', metrics, '--media-port', media], configured, flags),
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const log = record(child);
  const exit = ended(child);
  let announced;
  const deadline = performance.now() + HANG_MS;
  while (!announced) {
    const gone = await Promise.race([exit, new Promise((done) => setTimeout(() => done(undefined), 50))]);
    if (gone !== undefined) throw new Error(`the node ended with ${gone}:\n${log()}`);
    if (performance.now() > deadline) throw new Error(`the node announced nothing:\n${log()}`);
    announced = await readFile(announce, 'utf8').then(JSON.parse, () => undefined);
  }
  return {
    announced,
    announce,
    dir,
    log,
    pid: child.pid,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const code = await exit;
      await rm(dir, { recursive: true, force: true });
      return code;
    },
  };
}

/** Runs `mcu-load` with `words` to its end; resolves with its exit code and output. */
export function load(words) {
  const child = spawn(join(BUILT, 'mcu-load'), words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const log = record(child);
  return { child, log, done: ended(child).then((code) => ({ code, output: log() })) };
}

/**
 * Sends bots into the node's ready meeting, where they stay until told to leave.
 * `sees` says how far they are; `leave` resolves with their reports, and with what they sent and saw when: `{unix_ms, sender, number, by}`.
 * @param {RunningNode} node
 */
export function bots(node, { count, firstSender = 1, flags = [] }) {
  const [report, pictures] = ['json', 'lines'].map((ending) => join(node.dir, `bots-${firstSender}.${ending}`));
  const { child, log, done } = load(
    ['join', '--announce', node.announce, '--count', String(count), '--first-sender', String(firstSender), '--measure']
      .concat(['--report', report, '--pictures', pictures, '--cache', join(BUILT, 'load-loops')], flags),
  );
  return {
    /** How many others the bot that sees fewest has seen move so far. */
    sees: () => Number([...log().matchAll(/each sees >= (\d+)/g)].at(-1)?.[1] ?? 0),
    async leave() {
      child.kill('SIGINT');
      const { code, output } = await done;
      if (code !== 0) throw new Error(`mcu-load ended with ${code}:\n${output}\nthe node said:\n${node.log()}`);
      const sightings = (await readFile(pictures, 'utf8')).trim().split('\n').map((line) => JSON.parse(line));
      return { reports: JSON.parse(await readFile(report, 'utf8')), sightings };
    },
  };
}

/** One sample of the node's `/metrics`, by name (labels and all). */
export async function metrics(node) {
  const text = await fetch(`http://${node.announced.metrics_addr}/metrics`).then((answer) => answer.text());
  const samples = text.split('\n').filter((line) => line && !line.startsWith('#'));
  return Object.fromEntries(samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

/** Asks the API; resolves with status and body. */
export async function api(node, method, path, { token, body } = {}) {
  const answer = await fetch(`http://${node.announced.http_addr}/api/v1${path}`, {
    method,
    headers: { ...(token && { authorization: `Bearer ${token}` }), ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : undefined };
}

/** Everybody in the node's ready meeting, as the administrator sees them. */
export async function roster(node) {
  return (await api(node, 'GET', '/rooms/demo/participants', { token: node.announced.admin_token })).body.participants;
}

/**
 * Polls `look` until it returns something truthy. The bound catches hangs and measures nothing: machines are lent on which
 * everything takes ten times as long.
 * @param {string} what
 * @param {() => unknown} look
 * @param {() => string} [log] What is told of it besides where it was in vain.
 */
export async function until(what, look, log = () => '') {
  const deadline = performance.now() + HANG_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`waited ${HANG_MS} ms in vain: ${what}\n${log()}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
