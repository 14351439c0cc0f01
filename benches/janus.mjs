// What Janus AudioBridge takes for the work of `benches/sip.sh`: callers of one room of sound alone, one of them speaks at a time, the others send silence.
//
//   node benches/janus.mjs [--callers N]... [--seconds N]       rows for RESULTS.md on standard output; 50 and 100 callers, 15 s that count
//
// Needs `janus` and `ffmpeg` (Debian's). Its participants come by plain RTP (Janus 1.x: `allow_rtp_participants`), so that neither ICE nor SRTP is in its figure,
// while both SDES and TLS are in the node's. Janus is kept to the core NODE_CORE (0), this driver to BOTS_CORE (1). On a virtual machine run it by benches/awake.sh.

import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort, until } from '../web/tests/meeting/node.js';

const { NODE_CORE = '0', BOTS_CORE = '1' } = process.env;
const { values } = parseArgs({ options: { callers: { type: 'string', multiple: true, default: ['50', '100'] }, seconds: { type: 'string', default: '15' } } });
const PLUGINS = '/usr/lib/x86_64-linux-gnu/janus';
const [PACKET_MS, TURN_MS, SETTLE_MS] = [20, 4_000, 8_000];
const TICKS_PER_S = 100;
const ROOM = 1;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Packets of Opus, 20 ms each, of what ffmpeg's source makes; read out of Ogg pages (RFC 3533), the two headers left out (RFC 7845). */
function packets(source) {
  const words = ['-loglevel', 'error', '-f', 'lavfi', '-i', source, '-t', '10', '-ac', '1', '-ar', '48000', '-c:a', 'libopus', '-b:a', '32k', '-frame_duration', `${PACKET_MS}`];
  const ogg = execFileSync('ffmpeg', [...words, '-f', 'ogg', 'pipe:1'], { maxBuffer: 1 << 24 });
  const found = [];
  let part = [];
  for (let at = 0; at < ogg.length; ) {
    const lacing = ogg.subarray(at + 27, at + 27 + ogg[at + 26]);
    at += 27 + lacing.length;
    for (const bytes of lacing) {
      part.push(ogg.subarray(at, at + bytes));
      at += bytes;
      if (bytes === 255) continue;
      found.push(Buffer.concat(part));
      part = [];
    }
  }
  return found.slice(2);
}

/** CPU seconds that a process has taken (proc(5)). */
async function cpu(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

async function startJanus() {
  const dir = await mkdtemp(join(tmpdir(), 'mcu-janus-'));
  const port = await freePort();
  await writeFile(join(dir, 'janus.jcfg'), `general: { configs_folder = "${dir}"\n plugins_folder = "${PLUGINS}/plugins"\n transports_folder = "${PLUGINS}/transports"\n interface = "127.0.0.1"\n debug_level = 2 }
plugins: { disable = "${['echotest', 'nosip', 'recordplay', 'sip', 'streaming', 'textroom', 'videocall', 'videoroom', 'voicemail', 'lua', 'duktape'].map((name) => `libjanus_${name}.so`).join()}" }
transports: { disable = "libjanus_rabbitmq.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_websockets.so" }\n`);
  await writeFile(join(dir, 'janus.transport.http.jcfg'), `general: { json = "compact"\n base_path = "/janus"\n http = true\n port = ${port}\n ip = "127.0.0.1" }\n`);
  await writeFile(join(dir, 'janus.plugin.audiobridge.jcfg'), `general: { local_ip = "127.0.0.1"\n rtp_port_range = "47000-48999" }\nroom-${ROOM}: { description = "callers"\n sampling_rate = 48000\n allow_rtp_participants = true\n record = false\n audiolevel_event = false }\n`);
  const child = spawn('taskset', ['-c', NODE_CORE, 'janus', '-F', dir, '-C', join(dir, 'janus.jcfg')], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  [child.stdout, child.stderr].forEach((stream) => stream.on('data', (text) => said.push(text)));
  const ask = async (path, body) => {
    const options = body && { method: 'POST', body: JSON.stringify({ ...body, transaction: 't' }) };
    return (await fetch(`http://127.0.0.1:${port}/janus${path}`, options)).json();
  };
  await until(`janus answers\n${said.join('').slice(-2_000)}`, () => ask('/info').catch(() => false));
  const stop = async () => {
    child.kill('SIGTERM');
    await new Promise((done) => child.once('exit', done));
    await rm(dir, { recursive: true, force: true });
  };
  return { ask, stop, pid: child.pid };
}

/** A participant by plain RTP: its socket, and where Janus takes its packets. */
async function comes(ask, session, n) {
  const socket = createSocket('udp4');
  await new Promise((done) => socket.bind(0, '127.0.0.1', done));
  const { data: handle } = await ask(`/${session}`, { janus: 'attach', plugin: 'janus.plugin.audiobridge' });
  const rtp = { ip: '127.0.0.1', port: socket.address().port, payload_type: 111 };
  await ask(`/${session}/${handle.id}`, { janus: 'message', body: { request: 'join', room: ROOM, display: `${n}`, codec: 'opus', rtp } });
  const caller = { socket, heard: 0, seq: 0, time: 0, ssrc: 1_000 + n };
  socket.on('message', () => (caller.heard += 1));
  for (;;) {
    const event = await ask(`/${session}?maxev=1`);
    const { audiobridge, rtp: way, error } = event.plugindata?.data ?? {};
    if (error) throw new Error(JSON.stringify(event));

    if (audiobridge === 'joined' && way) return Object.assign(caller, { port: way.port });
  }
}

function send(caller, payload) {
  const packet = Buffer.alloc(12 + payload.length);
  packet.set([0x80, 111]);
  packet.writeUInt16BE((caller.seq += 1) & 0xffff, 2);
  packet.writeUInt32BE((caller.time += 48 * PACKET_MS) >>> 0, 4);
  packet.writeUInt32BE(caller.ssrc, 8);
  payload.copy(packet, 12);
  caller.socket.send(packet, caller.port, '127.0.0.1');
}

/** One row: `count` callers, the figures of `seconds`. */
async function row(count, seconds, { speech, silence }) {
  const janus = await startJanus();
  try {
    const { data: session } = await janus.ask('', { janus: 'create' });
    const callers = [];
    for (let n = 0; n < count; n += 1) callers.push(await comes(janus.ask, session.id, n));
    const began = performance.now();
    let [sent, from, heardFrom, lateMax] = [0, undefined, 0, 0];
    const heard = () => callers.reduce((sum, caller) => sum + caller.heard, 0);
    for (;;) {
      const due = began + sent * PACKET_MS;
      const now = performance.now();
      if (now < due) {
        await pause(due - now);
        continue;
      }
      if (from) lateMax = Math.max(lateMax, now - due);
      const speaker = Math.floor((sent * PACKET_MS) / TURN_MS) % count;
      callers.forEach((caller, n) => send(caller, (n === speaker ? speech : silence)[sent % speech.length]));
      sent += 1;
      const ms = sent * PACKET_MS;
      if (!from && ms >= SETTLE_MS) [from, heardFrom] = [{ cpu: await cpu(janus.pid), at: now }, heard()];
      if (from && ms >= SETTLE_MS + seconds * 1_000) break;
    }
    const elapsed = (performance.now() - from.at) / 1_000;
    const cores = ((await cpu(janus.pid)) - from.cpu) / elapsed;
    const perCaller = (heard() - heardFrom) / elapsed / count;
    const cells = [count, cores.toFixed(3), (cores / count).toFixed(4), perCaller.toFixed(1), Math.round(lateMax), loadavg()[0].toFixed(1)];
    console.log(`| ${cells.join(' | ')} |`);
    callers.forEach(({ socket }) => socket.close());
  } finally {
    await janus.stop();
  }
}

execFileSync('taskset', ['-acp', BOTS_CORE, `${process.pid}`]);
const sounds = { speech: packets('sine=frequency=700:sample_rate=48000,volume=0.5'), silence: packets('anullsrc=r=48000:cl=mono') };
sounds.silence.length = sounds.speech.length = Math.min(sounds.silence.length, sounds.speech.length);
console.log('| callers | Janus, cores | cores a caller | packets a second to each | driver late at most, ms | load average |');
console.log('|---|---|---|---|---|---|');
for (const callers of values.callers) await row(Number(callers), Number(values.seconds), sounds);
