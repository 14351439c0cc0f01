// A real SIP client for tests: Debian's baresip, without a screen and without a sound card.

import { spawn } from 'node:child_process';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ended, freePort, load, record, until } from './node.js';

const MODULES = '/usr/lib/baresip/modules';
const KEY_SOURCE = fileURLToPath(new URL('baresip_key.c', import.meta.url));

/** Of a sender of mcu-load, in Hz, below its 24th: there they begin again. */
export const tone = (sender) => 700 + 30 * sender;

/** What `mcu-load devices` makes of a sender, as baresip can read it: a quarter of an hour. */
async function devices(dir, sender) {
  const { code, output } = await load(['devices', '--dir', dir, '--sender', String(sender)]).done;
  if (code !== 0) throw new Error(`mcu-load devices ended with ${code}:\n${output}`);
  const { video, audio } = JSON.parse(output);
  // At the end of pictures it sends none any more, at the end of sound it hangs up.
  const [scene, film, speech] = ['.mkv', '-long.mkv', '-long.wav'].map((ending) => join(dir, `${sender}${ending}`));
  const quick = '-c:v libx264 -preset ultrafast -crf 12 -g 30'.split(' ');
  await made('ffmpeg', ['-loglevel', 'error', '-i', video, ...quick, scene]);
  await made('ffmpeg', ['-loglevel', 'error', '-stream_loop', '89', '-i', scene, '-c', 'copy', film]);
  await made('sox', [audio, speech, 'repeat', '89']);
  return { film, speech };
}

/** Runs a tool to its end. */
async function made(tool, words) {
  const child = spawn(tool, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const log = record(child);
  if ((await ended(child)) !== 0) throw new Error(`${tool}: ${log()}`);
}

/** A certificate that the node's DTLS takes, and what makes baresip take it: its environment. */
async function dtlsKey(folder) {
  const [pem, certificate, library] = ['dtls.pem', 'dtls-certificate.pem', 'key.so'].map((name) => join(folder, name));
  const curve = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=device'.split(' ');
  await made('openssl', [...curve, '-keyout', pem, '-out', certificate]);
  await writeFile(pem, Buffer.concat([await readFile(certificate), await readFile(pem)]));
  await made('cc', ['-shared', '-fPIC', '-O1', '-o', library, KEY_SOURCE]);
  return { LD_PRELOAD: library, BARESIP_DTLS_PEM: pem };
}

/** The answer to a command, by the module `ctrl_tcp`: JSON in netstrings. */
async function command(port, words, params = '') {
  const text = JSON.stringify({ command: words, params, token: 't' });
  const socket = connect(port, '127.0.0.1');
  socket.setEncoding('utf8');
  const answer = new Promise((done, failed) => {
    let came = '';
    socket.on('data', (part) => {
      came += part;
      // Events come the same way.
      const found = /\{"response":true.*?"token":"t"\}/s.exec(came);
      if (found) done(JSON.parse(found[0]));
    });
    socket.on('error', failed);
    socket.on('close', () => failed(new Error(`baresip closed after ${came}`)));
  });
  socket.write(`${Buffer.byteLength(text)}:${text},`);
  return answer.finally(() => socket.destroy());
}

/**
 * Starts a client that calls `uri`.
 * @param {{dir: string, sender: number, name: string, uri: string, audio: string, video?: string, media?: string, nat?: string, rsa?: boolean}} who
 *   `media`, `nat`: baresip's names of the media encryption and of NAT traversal; without them there is none. `rsa`: its handshakes are by the key that it makes itself, which we do not take.
 */
export const call = (who) => start({ ...who, transport: /transport=(\w+)/.exec(who.uri)[1] });

/**
 * Starts a client that answers whoever calls `sip:SENDER@` at its `port`.
 * @param {{dir: string, sender: number, name: string, transport: string, audio: string, video?: string, media?: string, certificate?: string}} who
 *   `certificate`: for TLS, a file with its key and certificate.
 */
export const answering = (who) => start(who);

async function start({ dir, sender, name, uri, transport, audio, video, media, nat, rsa, certificate }) {
  const folder = join(dir, `baresip-${sender}`);
  await mkdir(folder);
  const { film, speech } = await devices(folder, sender);
  const [sip, control] = [await freePort(), await freePort()];
  const modules = ['opus', 'g711', 'g722', 'aufile', 'sndfile', 'srtp', 'ctrl_tcp'];
  if (video) modules.push('avcodec', 'avformat', 'fakevideo', 'vp8', 'snapshot');
  const dtls = media === 'dtls_srtp';
  if (dtls) modules.push(media);
  if (nat) modules.push(nat);
  await writeFile(
    join(folder, 'config'),
    [
      `sip_listen 127.0.0.1:${sip}`,
      ...(certificate ? [`sip_certificate ${certificate}`] : []),
      `snd_path ${folder}`,
      `audio_source aufile,${speech}`,
      `audio_alert aufile,${join(folder, 'alert.wav')}`,
      ...['ausrc_srate 48000', 'auplay_srate 48000', 'ausrc_channels 1', 'auplay_channels 1'],
      `video_source avformat,${film}`,
      ...['video_display fakevideo,nil', 'video_size 640x360', 'video_bitrate 800000', 'video_fps 30'],
      ...['rtp_ports 20000-21999', 'rtp_bandwidth 512-2048', `rtcp_mux ${dtls ? 'yes' : 'no'}`, 'jitter_buffer_type fixed', 'jitter_buffer_delay 5-10'],
      `module_path ${MODULES}`,
      ...modules.map((module) => `module ${module}.so`),
      ...['module_tmp uuid.so', 'module_tmp account.so', 'module_app menu.so'],
      `ctrl_tcp_listen 127.0.0.1:${control}`,
      '',
    ].join('\n'),
  );
  const account = [
    `"${name}" <sip:${sender}@127.0.0.1;transport=${transport}>`,
    ...['regint=0', ...(uri ? [] : ['answermode=auto']), ...(media ? [`mediaenc=${media}`] : []), ...(nat ? [`medianat=${nat}`] : [])],
    ...[`audio_codecs=${audio}`, ...(video ? [`video_codecs=${video}`] : [])],
  ];
  await writeFile(join(folder, 'accounts'), `${account.join(';')}\n`);
  await writeFile(join(folder, 'contacts'), '');
  const env = dtls && !rsa ? { ...process.env, ...(await dtlsKey(folder)) } : process.env;
  const child = spawn('baresip', ['-f', folder, '-v', ...(uri ? ['-e', `/dial ${uri}`] : [])], { stdio: ['ignore', 'pipe', 'pipe'], env });
  const [log, exit] = [record(child), ended(child)];
  const printed = [];
  [child.stdout, child.stderr].forEach((stream) => stream.on('data', (text) => printed.push(text)));
  let pictures = 0;
  const client = {
    log,
    /** How often it has printed what matches. */
    said: (pattern) => [...printed.join('').matchAll(pattern)].length,
    /** Bits a second of sound that reach it, as it says itself. */
    hearsAt: () => Number([...printed.join('').matchAll(/ audio=\d+\/(\d+) /g)].at(-1)?.[1] ?? 0),
    /** Where it listens: TLS is one further. */
    port: transport === 'tls' ? sip + 1 : sip,
    /** Does what is typed on a console: `hangup`, `mute`, ... */
    tell: (words, params) => command(control, words, params),
    /** Presses keys, as a person does: the next when the one before is over. */
    async press(keys) {
      for (const key of keys) await client.tell('sndcode', key);
    },
    /** Whether a sender is loud and alone in what it hears: the tone, and not a dead band beside it. */
    async hears(sender) {
      const sound = await client.sound();
      const said = sound.samples.length > 0 ? level(sound, tone(sender)) : -120;
      return said > -50 && level(sound, tone(sender) + 137) < said - 15;
    },
    /** What it is shown, as PNG. */
    async picture() {
      pictures += 1;
      const file = join(folder, `seen-${pictures}.png`);
      await command(control, 'snapshot_recv', file);
      // Taken of the next picture that comes; whole when PNG's last chunk is there.
      return until('baresip keeps a picture', async () => {
        const png = await readFile(file).catch(() => Buffer.alloc(0));
        return png.includes('IEND') && png;
      });
    },
    /** What it has heard from a second of its recording on: 16 bits a sample, at most the last 20 s; nothing until there is something. */
    async recording(from) {
      const file = (await readdir(folder)).find((name) => name.endsWith('-dec.wav'));
      const wav = file ? await readFile(join(folder, file)) : Buffer.alloc(0);
      if (wav.length < 44) return { bytes: Buffer.alloc(0), rate: 8_000, channels: 1, from };
      const [channels, rate] = [wav.readUInt16LE(22), wav.readUInt32LE(24)];
      const frame = 2 * channels;
      const seconds = (wav.length - 44) / frame / rate;
      const start = Math.max(from, seconds - 20);
      return { bytes: wav.subarray(44 + Math.floor(start * rate) * frame), rate, channels, from: start };
    },
    /** The last second that it has heard, as samples, and how many there are in a second; none until there is one. */
    async sound() {
      const file = (await readdir(folder)).find((name) => name.endsWith('-dec.wav'));
      if (!file) return { samples: [], rate: 48_000 };
      const wav = await readFile(join(folder, file));
      const [channels, rate] = [wav.readUInt16LE(22), wav.readUInt32LE(24)];
      const frames = Math.floor((wav.length - 44) / 2 / channels);
      const first = Math.max(0, frames - rate);
      const samples = Array.from({ length: frames - first }, (_, at) => wav.readInt16LE(44 + (first + at) * 2 * channels));
      return { samples: samples.length === rate ? samples : [], rate };
    },
    /** Everything that it has heard so far, as samples, `wanted` a second: a divisor of its own rate. */
    async heard(wanted) {
      const file = (await readdir(folder)).find((name) => name.endsWith('-dec.wav'));
      if (!file) return [];
      const wav = await readFile(join(folder, file));
      const [channels, rate] = [wav.readUInt16LE(22), wav.readUInt32LE(24)];
      const [step, frames] = [rate / wanted, Math.floor((wav.length - 44) / 2 / channels)];
      const mean = (at) => {
        let sum = 0;
        for (let n = at * step; n < (at + 1) * step; n += 1) sum += wav.readInt16LE(44 + n * 2 * channels);
        return sum / step;
      };
      return Array.from({ length: Math.floor(frames / step) }, (_, at) => mean(at));
    },
    async stop() {
      child.kill('SIGTERM');
      return exit;
    },
  };
  return client;
}

/** How loud a tone is in `samples`, `rate` a second, in dB of full scale (Goertzel). */
export function level({ samples, rate }, hz) {
  const turn = 2 * Math.cos((2 * Math.PI * hz) / rate);
  let [before, last] = [0, 0];
  for (const sample of samples) [before, last] = [last, sample / 32_768 + turn * last - before];
  const power = before ** 2 + last ** 2 - turn * before * last;
  return 10 * Math.log10(Math.max((4 * power) / samples.length ** 2, 1e-12));
}
