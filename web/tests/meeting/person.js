/** A person in a real browser, and what it sees and hears of the meeting. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { load } from './node.js';

const BARCODE = resolve(import.meta.dirname, '../../../loadtest/js/barcode.mjs');

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

/** Runs in the page: reads bar codes out of every `every`-th shown frame, and tones out of the sound. */
function observe() {
  const state = { frames: [], every: 5, seen: 0 };
  window.__observed = state;
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const newer = (a, b) => ((a - b) | 0) >= 0;
  /** The layout that holds for a frame: the last one whose first frame is not after it. */
  const layoutAt = (timestamp) =>
    window.__mcu.layouts.filter((layout) => layout.line === 'main' && newer(timestamp, layout.rtp_timestamp)).at(-1);
  const watch = (video) => {
    const frame = (_now, { rtpTimestamp, width, height }) => {
      video.requestVideoFrameCallback(frame);
      state.seen += 1;
      if (state.seen % state.every !== 0) return;
      const layout = layoutAt(rtpTimestamp);
      if (!layout) return;
      Object.assign(canvas, { width, height });
      context.drawImage(video, 0, 0, width, height);
      const image = context.getImageData(0, 0, width, height);
      const scale = width / layout.canvas.width;
      const tiles = layout.tiles.map((tile) => {
        const rect = Object.fromEntries(['x', 'y', 'width', 'height'].map((key) => [key, tile[key] * scale]));
        const code = window.readBarCode(image, rect, tile.kind === 'content');
        return { participant: tile.participant_id, kind: tile.kind, self: tile.self, code };
      });
      state.frames.push({ rtpTimestamp, width, tiles });
      if (state.frames.length > 2000) state.frames.shift();
    };
    video.requestVideoFrameCallback(frame);
  };
  const wait = setInterval(() => {
    const video = document.querySelector('.pane-mix video.picture');
    if (!video || !window.__mcu?.layouts) return;
    clearInterval(wait);
    watch(video);
  }, 50);
}

/**
 * Runs in the page: the level of each frequency in the received sound, in dB of full scale: the median of `looks`
 * windows of a third of a second (Goertzel, Hann window: 30 Hz away it is 60 dB down).
 */
async function listen({ frequencies, looks }) {
  const size = 16_384;
  const receiver = window.__mcu.pc.getReceivers().find(({ track }) => track.kind === 'audio');
  const context = new AudioContext({ sampleRate: 48_000 });
  await context.resume();
  const analyser = new AnalyserNode(context, { fftSize: size });
  context.createMediaStreamSource(new MediaStream([receiver.track])).connect(analyser);
  const samples = new Float32Array(size);
  const levels = frequencies.map(() => []);
  for (let look = 0; look < looks; look += 1) {
    await new Promise((done) => setTimeout(done, 400));
    analyser.getFloatTimeDomainData(samples);
    frequencies.forEach((hz, at) => {
      const turn = 2 * Math.cos((2 * Math.PI * hz) / 48_000);
      let [before, last] = [0, 0];
      for (let n = 0; n < size; n += 1) {
        const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size);
        [before, last] = [last, samples[n] * hann + turn * last - before];
      }
      const power = before * before + last * last - turn * before * last;
      levels[at].push(10 * Math.log10((power * 16) / (size * size) + 1e-20));
    });
  }
  await context.close();
  return levels.map((values) => values.sort((one, other) => one - other)[Math.floor(values.length / 2)]);
}

/** One person: a browser of its own, since the camera file is a flag of the process. */
export class Person {
  #browser;
  #faults = [];

  /**
   * @param {import('./node.js').RunningNode} node
   * @param {{sender: number, name: string, query?: string}} who
   */
  static async arrive(node, { sender, name, query = '' }) {
    const person = new Person();
    const { code, output } = await load(['devices', '--dir', node.dir, '--sender', String(sender)]).done;
    if (code !== 0) throw new Error(`mcu-load devices: ${output}`);
    const devices = JSON.parse(output.trim());
    Object.assign(person, { node, sender, name, toneHz: devices.tone_hz });
    person.#browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        ...ARGUMENTS,
        `--use-file-for-fake-video-capture=${devices.video}`,
        `--use-file-for-fake-audio-capture=${devices.audio}`,
      ],
    });
    const context = await person.#browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    person.page = page;
    const origin = new URL(node.announced.join_url).origin;
    page.on('request', (request) => {
      if (!request.url().startsWith(origin) && !/^(data|blob):/.test(request.url())) {
        person.#faults.push(`left the origin: ${request.url()}`);
      }
    });
    page.on('pageerror', (error) => person.#faults.push(`error: ${error.stack}`));
    page.on('console', (message) => {
      if (message.type() === 'error') person.#faults.push(`console: ${message.text()}`);
    });
    const source = (await readFile(BARCODE, 'utf8')).replaceAll(/^export /gm, '');
    await context.addInitScript(`${source}\nwindow.readBarCode = readImageData;`);
    await page.addInitScript(observe);
    await page.goto(`${node.announced.join_url}?debug${query}`);
    return person;
  }

  /** Through the door as a person would: name, PIN (the echo test has none), camera, microphone, Join. */
  async join(pin) {
    const { page } = this;
    await page.getByLabel('Your name').fill(this.name);
    if (pin !== undefined) await page.getByLabel('PIN').fill(pin);
    for (const name of ['Camera', 'Microphone']) {
      await page.getByRole('button', { name, exact: true }).click();
      await page.getByRole('button', { name, exact: true, pressed: true }).waitFor();
    }
    await page.getByRole('button', { name: 'Join', exact: true }).click();
    await page.getByRole('button', { name: 'Leave' }).waitFor();
  }

  /** What was read in the frames so far, and the overlay's log. */
  observed() {
    return this.page.evaluate(() => ({
      frames: window.__observed.frames,
      seen: window.__observed.seen,
      overlay: window.__mcu.overlayLog,
      layouts: window.__mcu.layouts,
    }));
  }

  /** Reads every shown frame from now on, and forgets those before. */
  readEveryFrame() {
    return this.page.evaluate(() => {
      Object.assign(window.__observed, { every: 1, frames: [] });
    });
  }

  /** Which senders were read in others' tiles: sender -> set of participants. */
  async others() {
    const { frames } = await this.observed();
    const found = new Map();
    for (const tile of frames.flatMap((frame) => frame.tiles)) {
      if (tile.self || !tile.code) continue;
      found.set(tile.code.sender, (found.get(tile.code.sender) ?? new Set()).add(tile.participant));
    }
    return found;
  }

  /** Level of each frequency in what it hears, in dB. */
  hears(frequencies, looks = 25) {
    return this.page.evaluate(listen, { frequencies, looks });
  }

  /** Figures of the browser's own receiver of the mixed picture. */
  stats() {
    return this.page.evaluate(async () => {
      const stats = [...(await window.__mcu.pc.getStats()).values()];
      const inbound = stats.filter((entry) => entry.type === 'inbound-rtp');
      const pick = ({ kind, framesDecoded, framesPerSecond, frameWidth, freezeCount, concealedSamples, totalSamplesReceived, packetsLost, decoderImplementation }) =>
        ({ kind, framesDecoded, framesPerSecond, frameWidth, freezeCount, concealedSamples, totalSamplesReceived, packetsLost, decoderImplementation });
      return inbound.map(pick);
    });
  }

  /** What must never happen in the page. */
  faults() {
    return this.#faults;
  }

  async goAway() {
    await this.#browser?.close();
  }
}
