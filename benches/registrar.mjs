// What a registrar of 5 000 devices costs, and what floods of REGISTERs do to it: memory and pace of the real node, by this driver.
//
//   node benches/registrar.mjs udp | tls | connections | flood      rows for RESULTS.md on standard output
//
// The node that CARGO_TARGET_DIR has in `debug`. Devices come from many addresses of 127.0.0.0/8, as one address may say only so much.

import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { freePort, metrics, startNode } from '../web/tests/meeting/node.js';

const DEVICES = 5_000;
/** Devices of one address. */
const NEIGHBOURS = 20;
/** Under way at a time. */
const WINDOW = 64;
const REALM = 'mcu';

const sha = (text) => createHash('sha256').update(text).digest('hex');
const user = (n) => `device-${n}`;
const address = (n) => `127.${1 + (n >> 14)}.${(n >> 7) & 127}.${1 + (n & 127)}`;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function startRegistrar() {
  const dir = await mkdtemp(join(tmpdir(), 'mcu-registrar-'));
  const file = join(dir, 'devices');
  const line = (_, n) => `${user(n)}:SHA-256=${sha(`${user(n)}:${REALM}:password ${n}`)}:Device ${n}\n`;
  await writeFile(file, Array.from({ length: DEVICES }, line).join(''), { mode: 0o600 });
  const [tls, udp] = [await freePort(), await freePort()];
  const ports = `tls_port = ${tls}\ndangerous_unverified_peers = true\ndangerous_udp_port = ${udp}\n`;
  const node = await startNode([], `[sip]\n${ports}devices_file = "${file}"\n`);
  const stop = async () => {
    await node.stop();
    await rm(dir, { recursive: true, force: true });
  };
  await pause(2_000);
  return { node, tls, udp, stop, idle: await resident(node) };
}

/** Resident memory in KiB, after what was given back has been. */
async function resident(node) {
  const status = await readFile(`/proc/${node.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)[1]);
}

/** A REGISTER; with a `nonce`, one that proves it is device `n`, or with another `password` that it is not. */
function register(n, transport, { seq, nonce, password = `password ${n}`, headers = '' }) {
  const uri = 'sip:127.0.0.1';
  const lines = [
    `REGISTER ${uri} SIP/2.0`,
    `Via: SIP/2.0/${transport} ${address(n)};rport;branch=z9hG4bK${n}.${seq}.${Math.random().toString(36).slice(2)}`,
    'Max-Forwards: 70',
    `From: "Device ${n}" <sip:${user(n)}@127.0.0.1>;tag=${n}`,
    `To: <sip:${user(n)}@127.0.0.1>`,
    `Call-ID: ${n}@device`,
    `CSeq: ${seq} REGISTER`,
    `Contact: <sip:${user(n)}@${address(n)}:5060;transport=${transport.toLowerCase()}>`,
    'User-Agent: driver of a bench, as long as a name',
  ];
  if (nonce) {
    const [ha1, ha2] = [sha(`${user(n)}:${REALM}:${password}`), sha(`REGISTER:${uri}`)];
    const response = sha(`${ha1}:${nonce}:00000001:c:auth:${ha2}`);
    const said = `username="${user(n)}", realm="${REALM}", nonce="${nonce}", uri="${uri}", response="${response}"`;
    lines.push(`Authorization: Digest ${said}, algorithm=SHA-256, qop=auth, nc=00000001, cnonce="c"`);
  }
  return `${lines.join('\r\n')}\r\n${headers}Expires: 3600\r\nContent-Length: 0\r\n\r\n`;
}

const nonceOf = (answer) => /nonce="([^"]+)"/.exec(answer)?.[1];
const statusOf = (answer) => Number(answer.slice(8, 11));

/** Does `work` for each of `count`, `WINDOW` at a time. */
async function each(count, work) {
  let next = 0;
  const one = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: WINDOW }, one));
}

/** Sockets by UDP, one for `NEIGHBOURS` devices, which tell answers apart by Call-ID. */
async function sockets(port) {
  const all = await Promise.all(
    Array.from({ length: Math.ceil(DEVICES / NEIGHBOURS) }, async (_, at) => {
      const socket = createSocket('udp4');
      const waiting = new Map();
      socket.on('message', (bytes) => {
        const text = bytes.toString();
        const id = /^Call-ID: (\d+)@/im.exec(text)?.[1];
        waiting.get(id)?.(text);
        waiting.delete(id);
      });
      await new Promise((done) => socket.bind(0, address(at), done));
      return { socket, waiting };
    }),
  );
  const ask = (n, text) =>
    new Promise((done, failed) => {
      const { socket, waiting } = all[Math.floor(n / NEIGHBOURS)];
      waiting.set(String(n), done);
      setTimeout(() => failed(new Error(`device ${n} hears nothing`)), 20_000).unref();
      socket.send(text, port, '127.0.0.1');
    });
  return { ask, tell: (at, text) => all[at % all.length].socket.send(text, port, '127.0.0.1'), close: () => all.forEach(({ socket }) => socket.close()) };
}

/** A connection that asks and hears. */
async function connection(port, from) {
  const socket = connectTls({ host: '127.0.0.1', port, localAddress: from, rejectUnauthorized: false });
  let came = '';
  let heard = () => {};
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    came += bytes;
    if (!came.endsWith('\r\n\r\n')) return;
    heard(came);
    came = '';
  });
  await new Promise((done, failed) => socket.once('secureConnect', done).once('error', failed));
  const ask = (text) =>
    new Promise((done) => {
      heard = done;
      socket.write(text);
    });
  return { ask, socket };
}

const row = (cells) => console.log(`| ${cells.join(' | ')} |`);
const load = () => loadavg()[0].toFixed(1);

/** Registers every device; says the pace, and what memory it took. */
async function devices(transport) {
  const { node, tls, udp, idle, stop } = await startRegistrar();
  const before = load();
  const by = transport === 'udp' ? await sockets(udp) : undefined;
  const open = [];
  const start = performance.now();
  await each(DEVICES, async (n) => {
    const ask = by ? (text) => by.ask(n, text) : await connection(tls, address(Math.floor(n / NEIGHBOURS))).then((one) => open.push(one) && one.ask);
    const nonce = nonceOf(await ask(register(n, transport.toUpperCase(), { seq: 1 })));
    const answer = await ask(register(n, transport.toUpperCase(), { seq: 2, nonce }));
    if (statusOf(answer) !== 200) throw new Error(answer);
  });
  const seconds = (performance.now() - start) / 1_000;
  const after = await resident(node);
  // What is remembered of transactions has gone.
  await pause(40_000);
  const settled = await resident(node);
  const registered = (await metrics(node)).mcu_sip_devices;
  const cpu = (await metrics(node)).process_cpu_seconds_total;
  row([transport, registered, Math.round(DEVICES / seconds), idle, after, settled, ((settled - idle) / DEVICES).toFixed(1), cpu.toFixed(1), before]);
  open.forEach(({ socket }) => socket.destroy());
  by?.close();
  await stop();
}

/** Strangers' connections: by TLS, silent, and half-open. */
async function connections() {
  for (const [kind, count] of [['TLS, silent', 2_000], ['TCP to the port of TLS, no handshake', 4_000]]) {
    const { node, tls, idle, stop } = await startRegistrar();
    const open = [];
    let most = 0;
    await each(count, async (n) => {
      const from = address(Math.floor(n / NEIGHBOURS));
      if (kind.startsWith('TLS')) open.push((await connection(tls, from)).socket);
      else {
        const socket = connectTcp({ host: '127.0.0.1', port: tls, localAddress: from });
        socket.on('error', () => {});
        await new Promise((done) => socket.once('connect', done).once('close', done));
        open.push(socket);
      }
      if (n % 100 === 0) most = Math.max(most, await resident(node));
    });
    most = Math.max(most, await resident(node));
    row([kind, count, idle, most, ((most - idle) / 1_024).toFixed(1), load()]);
    open.forEach((socket) => socket.destroy());
    await stop();
  }
}

/** REGISTERs for 10 s, as fast as they can be sent; the most memory that the node had. */
async function flood() {
  const kinds = {
    'without proof': async (by, n) => by.tell(n, register(n % DEVICES, 'UDP', { seq: n })),
    'a forged nonce': async (by, n) => by.tell(n, register(n % DEVICES, 'UDP', { seq: n, nonce: '1.1.forged' })),
    'wrong passwords': async (by, n) => {
      const nonce = nonceOf(await by.ask(n % DEVICES, register(n % DEVICES, 'UDP', { seq: 2 * n })).catch(() => ''));
      if (nonce) by.tell(Math.floor((n % DEVICES) / NEIGHBOURS), register(n % DEVICES, 'UDP', { seq: 2 * n + 1, nonce, password: 'wrong' }));
    },
  };
  for (const [kind, send] of Object.entries(kinds)) {
    const { node, udp, idle, stop } = await startRegistrar();
    const by = await sockets(udp);
    const end = performance.now() + 10_000;
    let [sent, most] = [0, 0];
    while (performance.now() < end) {
      await Promise.all(Array.from({ length: WINDOW }, () => send(by, sent++)));
      if (sent % (WINDOW * 16) === 0) most = Math.max(most, await resident(node));
      await new Promise((done) => setImmediate(done));
    }
    await pause(1_000);
    most = Math.max(most, await resident(node));
    const { mcu_sip_messages_dropped_total: dropped, mcu_sip_registrations_refused_total: refused } = await metrics(node);
    row([kind, sent, dropped, refused, idle, most, ((most - idle) / 1_024).toFixed(1), load()]);
    by.close();
    await stop();
  }
}

const parts = { udp: () => devices('udp'), tls: () => devices('tls'), connections, flood };
const wanted = parts[process.argv[2]];
if (!wanted) throw new Error(`one of ${Object.keys(parts).join(', ')}`);
await wanted();
