/** A person in a real browser, and what it sees and hears of the meeting. */
import { chromium } from 'playwright-core';
import { barCodeReader, listen, observe, sendersSeen } from './eyes.js';
import { HANG_MS, load } from './node.js';

/** Flags of a Chromium with made-up devices, that asks nobody and calls nowhere. */
export const ARGUMENTS = [
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

/** One person: a browser of its own, since the camera file is a flag of the process. */
export class Person {
  #browser;
  #faults = [];

  /**
   * @param {import('./node.js').RunningNode} node
   * @param {{sender: number, name: string, query?: string, flags?: string[], screen?: object, prepare?: () => void}} who
   *   `flags` of the browser; `screen` as Playwright's context options; `prepare` runs in the page before its own scripts.
   */
  static async arrive(node, who) {
    const { sender, name, query = '', flags = [], screen = { viewport: { width: 1280, height: 800 } }, prepare } = who;
    const person = new Person();
    const { code, output } = await load(['devices', '--dir', node.dir, '--sender', String(sender)]).done;
    if (code !== 0) throw new Error(`mcu-load devices: ${output}`);
    const devices = JSON.parse(output.trim());
    Object.assign(person, { node, sender, name, toneHz: devices.tone_hz });
    person.#browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        ...ARGUMENTS,
        ...flags,
        `--use-file-for-fake-video-capture=${devices.video}`,
        `--use-file-for-fake-audio-capture=${devices.audio}`,
      ],
    });
    const context = await person.#browser.newContext(screen);
    const page = await context.newPage();
    page.setDefaultTimeout(HANG_MS);
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
    await context.addInitScript(await barCodeReader());
    await page.addInitScript(observe);
    if (prepare) await page.addInitScript(prepare);
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
    this.joinedUnixMs = Date.now();
    await page.getByRole('button', { name: 'Join', exact: true }).click();
    await page.getByRole('button', { name: 'Leave' }).waitFor();
  }

  /** What was read in the frames so far, and the overlay's log. */
  observed() {
    return this.page.evaluate(() => ({
      frames: window.__observed.frames,
      own: window.__observed.own,
      overtaken: window.__observed.overtaken,
      firstUnixMs: window.__observed.firstUnixMs,
      overlay: window.__mcu.overlayLog,
      layouts: window.__mcu.layouts,
    }));
  }

  /** Reads every shown frame from now on, and forgets those before. */
  readEveryFrame() {
    return this.page.evaluate(() => {
      Object.assign(window.__observed, { every: 1, frames: [], overtaken: 0 });
    });
  }

  /** How many frames of the mix have been read since `readEveryFrame`. */
  framesRead() {
    return this.page.evaluate(() => window.__observed.frames.length);
  }

  /** How often the place has changed in which a participant was read in the mix. */
  moves(participant) {
    return this.page.evaluate((id) => window.__observed.moves[id]?.times ?? 0, participant);
  }

  /** Which senders were read in others' tiles: sender -> set of participants. */
  async others() {
    const { frames } = await this.observed();
    return sendersSeen(frames);
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

  /** The way that media takes: `{protocol, local, remote}`, addresses as the browser tells them. */
  path() {
    return this.page.evaluate(async () => {
      const stats = await window.__mcu.pc.getStats();
      const transport = [...stats.values()].find(({ type }) => type === 'transport');
      const pair = stats.get(transport.selectedCandidatePairId);
      const [local, remote] = [stats.get(pair.localCandidateId), stats.get(pair.remoteCandidateId)];
      const { candidateType: kind, relayProtocol } = local;
      return { protocol: local.protocol, local: local.address, remote: remote.address, kind, relayProtocol };
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
