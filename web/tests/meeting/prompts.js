// Which of the node's prompts is being said: a recording's spectrum over time, laid over that of each prompt.

import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROMPTS = fileURLToPath(new URL('../../../mcu-server/prompts/en', import.meta.url));
const RATE = 8_000;
const STEP = RATE / 50;
/** What a telephone carries of a voice. */
const BANDS_HZ = [300, 400, 530, 700, 920, 1_200, 1_500, 1_900, 2_400, 3_000];
/** How alike a recording and what was said have to be, 1 being the same; other prompts stay below half of it. */
const ALIKE = 0.7;

/** A sound file, or samples of any rate, as samples of 8 kHz. */
async function at8kHz(input, stdin) {
  const words = ['-loglevel', 'error', ...input, '-ac', '1', '-ar', `${RATE}`, '-f', 's16le', 'pipe:1'];
  const child = spawn('ffmpeg', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(stdin);
  const parts = [];
  for await (const part of child.stdout) parts.push(part);
  const bytes = Buffer.concat(parts);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, at) => bytes.readInt16LE(at * 2) / 32_768);
}

/** Loudness of each band every 20 ms (Goertzel), as a list of rows, each about its mean. */
function spectrum(samples) {
  const rows = [];
  for (let start = 0; start + STEP <= samples.length; start += STEP) {
    rows.push(
      BANDS_HZ.map((hz) => {
        const turn = 2 * Math.cos((2 * Math.PI * hz) / RATE);
        let [before, last] = [0, 0];
        for (let at = start; at < start + STEP; at += 1) [before, last] = [last, samples[at] + turn * last - before];
        const power = before ** 2 + last ** 2 - turn * before * last;
        return Math.log10(Math.max(power / STEP ** 2, 1e-7)) + 7;
      }),
    );
  }
  return rows;
}

/** The largest correlation of `said` with any stretch of `heard`, and where that stretch ends, in rows. */
function found(heard, said) {
  const flat = (rows) => {
    const all = rows.flat();
    const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
    return all.map((value) => value - mean);
  };
  const norm = (values) => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0)) || 1;
  const wanted = flat(said);
  const size = norm(wanted);
  let best = { alike: 0, end: 0 };
  for (let first = 0; first + said.length <= heard.length; first += 1) {
    const stretch = flat(heard.slice(first, first + said.length));
    const alike = stretch.reduce((sum, value, at) => sum + value * wanted[at], 0) / norm(stretch) / size;
    if (alike > best.alike) best = { alike, end: first + said.length };
  }
  return best;
}

let known;
async function prompts() {
  const names = (await readdir(PROMPTS)).filter((name) => name.endsWith('.opus')).map((name) => name.slice(0, -5));
  return Promise.all(names.map(async (name) => ({ name, said: spectrum(await at8kHz(['-i', join(PROMPTS, `${name}.opus`)])) })));
}

/** Somebody who listens to what a client of `call` is told, one prompt after the other. */
export function listener(client) {
  /** In seconds of the recording. */
  let from = 0;
  return {
    /** Whether what was heard since the prompt found last is this one, rather than any other. */
    async hears(prompt) {
      known ??= prompts();
      const { bytes, rate, channels, from: start } = await client.recording(from);
      const format = ['-f', 's16le', '-ar', `${rate}`, '-ac', `${channels}`, '-i', 'pipe:0'];
      const heard = spectrum(await at8kHz(format, bytes));
      const wanted = (await known).find(({ name }) => name === prompt);
      const best = found(heard, wanted.said);
      if (best.alike < ALIKE) return false;
      // Another that is more like the same stretch was said instead.
      const stretch = heard.slice(Math.max(0, best.end - wanted.said.length - 5), best.end + 5);
      const others = (await known).filter(({ name }) => name !== prompt);
      if (others.some(({ said }) => found(stretch, said).alike > best.alike)) return false;
      from = start + best.end / 50;
      return true;
    },
  };
}
