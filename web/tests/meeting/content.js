// A room system that shares content, of parts that are not ours: sipp for its words, libre for its floor, ffmpeg for its pictures.

import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ended, freePort, load, record, until } from './node.js';
import { play } from './sipp.js';

const FOLDER = fileURLToPath(new URL('content', import.meta.url));
/** The device's SRTP key, as `device.xml` says it. */
const KEY = 'd0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj';

/** Runs a tool to its end; resolves with what it says. */
async function run(tool, words) {
  const child = spawn(tool, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const log = record(child);
  if ((await ended(child)) !== 0) throw new Error(`${tool}: ${log()}`);
  return log();
}

/** Compiles a program on libre, `floor` or `messages`, into `dir`. */
export async function build(name, dir) {
  const program = join(dir, name);
  const re = ['-I/usr/include/re', '-lre'];
  await run('cc', ['-std=gnu11', '-DHAVE_INET6', '-Wall', '-Wextra', '-Werror', '-o', program, join(FOLDER, `${name}.c`), ...re]);
  return program;
}

/** What libre would say, and have said to it: the lines of `messages.c`. */
export const conversation = async (dir) => run(await build('messages', dir), []);

/** What a device says of the floor by BFCP, and what it is told. */
class Floor {
  #child;
  #heard = [];
  #read = 0;

  constructor(program, transport, { port, conference, user, floor }) {
    this.#child = spawn(program, [transport, '127.0.0.1', port, conference, user, floor], { stdio: ['pipe', 'pipe', 'inherit'] });
    let rest = '';
    this.#child.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      this.#heard.push(...lines);
    });
    this.#child.stdin.on('error', () => {});
  }

  say(words) {
    this.#child.stdin.write(`${words}\n`);
  }

  /** Waits for a line that has not been waited for yet; what came before it is passed over. */
  async hears(line) {
    const comes = until(`the device hears ${line}`, () => this.#heard.indexOf(line, this.#read) >= 0);
    await comes.catch((error) => Promise.reject(new Error(`${error.message}, of ${this.#heard.join('; ')}`)));
    this.#read = this.#heard.indexOf(line, this.#read) + 1;
  }

  async end() {
    this.#child.stdin.end();
    await ended(this.#child);
  }
}

/** Sends what `words` have ffmpeg make to a port of the node, under the key of the device, until what it returns is called. */
function seal(words, to) {
  const key = ['-srtp_out_suite', 'AES_CM_128_HMAC_SHA1_80', '-srtp_out_params', KEY];
  const child = spawn('ffmpeg', ['-loglevel', 'error', '-re', ...words.split(' '), ...key, `srtp://127.0.0.1:${to}`], { stdio: 'ignore' });
  const exit = ended(child);
  return () => {
    child.kill('SIGKILL');
    return exit;
  };
}

/** One call of such a room system. */
export class ContentDevice {
  #call;
  #humming;
  #showing;

  /**
   * Calls, and is in the meeting when this resolves. `transport`: of its floor, `udp` or `tcp`.
   * @param {{dir: string, name: string, program: string, port: number, user: string, transport: string, sender: number}} how
   */
  static async arrive({ dir, name, program, port, user, transport, sender }) {
    const device = new ContentDevice();
    const contentPort = await freePort();
    const messages = join(dir, `${name}.messages`);
    const text = (await readFile(join(FOLDER, 'device.xml'), 'utf8'))
      .replace('CONTENT_PORT', String(contentPort))
      .replaceAll('UDP/BFCP', `${transport.toUpperCase()}/BFCP`);
    device.#call = play({ dir, name, text, port, user, messages, hangS: 600 });
    const answer = await until('the call is answered', async () => {
      const said = await readFile(messages, 'utf8').catch(() => '');
      return /SIP\/2\.0 200 OK[\s\S]*?\r?\n\r?\n([\s\S]*?m=application[\s\S]*?floorid:[^\r\n]*)/.exec(said)?.[1];
    });
    const [, sound, , content, floor] = answer.split(/^m=/m);
    const value = (section, pattern) => pattern.exec(section)[1];
    const numbers = {
      port: value(floor, /^application (\d+)/),
      conference: value(floor, /^a=confid:(\d+)/m),
      user: value(floor, /^a=userid:(\d+)/m),
      floor: value(floor, /^a=floorid:(\d+)/m),
    };
    Object.assign(device, { dir, name, sender, contentPort });
    // A device that says nothing for a minute has gone.
    device.#humming = seal('-f lavfi -i anullsrc=r=8000:cl=mono -c:a pcm_alaw -f rtp', value(sound, /^audio (\d+)/));
    device.nodePort = value(content, /^video (\d+)/);
    device.nodeKey = value(content, /inline:([^\s|]+)/);
    device.floor = new Floor(program, transport, numbers);
    return device;
  }

  /** Sends its sender's picture as content, until it is told to stop. */
  async show() {
    const { code, output } = await load(['devices', '--dir', this.dir, '--sender', String(this.sender)]).done;
    if (code !== 0) throw new Error(`mcu-load devices ended with ${code}:\n${output}`);
    const { video } = JSON.parse(output);
    const coded = `-stream_loop -1 -i ${video} -c:v libvpx -deadline realtime -cpu-used 8 -b:v 900k -g 30 -auto-alt-ref 0 -payload_type 96 -f rtp`;
    this.#showing = seal(coded, `${this.nodePort}?localrtpport=${this.contentPort}&pkt_size=1200`);
  }

  async stopShowing() {
    await this.#showing?.();
    this.#showing = undefined;
  }

  /** Keeps a content picture as the PNG `picture`, the 60th that comes whole: the first may be of before the first one was shared. Resolves with its size, as `1920x1080`. */
  async watch(picture) {
    const sdp = join(this.dir, `${this.name}-content.sdp`);
    const lines = ['v=0', 'o=- 0 0 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', `m=video ${this.contentPort} RTP/SAVP 96`];
    lines.push('a=rtpmap:96 VP8/90000', `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${this.nodeKey}`, '');
    await writeFile(sdp, lines.join('\r\n'));
    const words = ['-loglevel', 'error', '-protocol_whitelist', 'file,udp,rtp,srtp,crypto', '-i', sdp, '-frames:v', '60', '-update', '1', '-y', picture];
    await run('ffmpeg', words);
    const size = '-v error -select_streams v -show_entries stream=width,height -of csv=p=0:s=x'.split(' ');
    return (await run('ffprobe', [...size, picture])).trim();
  }

  /** Its call is over; resolves with sipp's exit code and what it says of it. */
  async over() {
    await Promise.all([this.stopShowing(), this.#humming(), this.floor.end()]);
    return this.#call;
  }
}
