/** A telephone that is a web page: JsSIP in a real Chromium, on a page of its own origin; and what it sees and hears of its call. */
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';
import { barCodeReader, listen } from './eyes.js';
import { jssip } from './jssip.js';
import { HANG_MS, load } from './node.js';
import { ARGUMENTS } from './person.js';

const PAGE = '<!doctype html><meta charset="utf-8"><title>Telephone</title><video autoplay muted playsinline></video><script src="/jssip.js"></script>';

/** Runs in the page before it: what is sent, what is shown of a call, and what becomes of it; who calls is answered. */
function prepare() {
  const sound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const picture = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  window.__media = { mediaConstraints: { audio: sound, video: picture }, pcConfig: { iceServers: [] } };
  // Chromium decodes what is played: the sound, too, goes to the element.
  const show = (pc) => {
    window.__mcu = { pc };
    const stream = new MediaStream();
    document.querySelector('video').srcObject = stream;
    pc.addEventListener('track', ({ track }) => stream.addTrack(track));
  };
  window.__attend = (session) => {
    window.__session = session;
    const end = ({ cause, message }) => (window.__ended = `${cause}: ${message?.status_code} ${message?.reason_phrase}`);
    for (const event of ['failed', 'ended']) session.on(event, end);
    if (session.connection) show(session.connection);
    else session.on('peerconnection', ({ peerconnection }) => show(peerconnection));
    if (session.direction === 'incoming') session.answer(window.__media);
  };
}

/** Runs in the page: connects, and registers where there is a password; resolves with what became of it. */
function connect({ server, uri, password }) {
  const ua = new window.JsSIP.UA({
    sockets: [new window.JsSIP.WebSocketInterface(server)],
    ...{ uri, password, display_name: 'Web phone', register: Boolean(password), register_expires: 120 },
  });
  window.__ua = ua;
  ua.on('newRTCSession', ({ session }) => window.__attend(session));
  return new Promise((done) => {
    ua.on(password ? 'registered' : 'connected', () => done('there'));
    ua.on('registrationFailed', ({ cause }) => done(`registration: ${cause}`));
    ua.on('disconnected', ({ code, reason }) => done(`disconnected: ${code} ${reason}`));
    ua.start();
  });
}

/** Runs in the page: calls; resolves with what became of it. */
function dial(target) {
  return new Promise((done) => {
    const eventHandlers = { confirmed: () => done('confirmed'), failed: ({ cause }) => done(cause) };
    window.__ua.call(target, { ...window.__media, eventHandlers });
  });
}

/** Runs in the page: whose bar code the picture is of, if it has one over its whole size. */
function look() {
  const video = document.querySelector('video');
  const [width, height] = [video.videoWidth, video.videoHeight];
  if (width === 0) return null;
  const context = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d');
  context.drawImage(video, 0, 0);
  return window.readBarCode(context.getImageData(0, 0, width, height), { x: 0, y: 0, width, height })?.sender ?? null;
}

export class WebPhone {
  #browser;
  #server;

  /** @param {import('./node.js').RunningNode} node @param {{sender: number, port: number}} who `port` is where its page is served. */
  static async open(node, { sender, port }) {
    const phone = new WebPhone();
    const { code, output } = await load(['devices', '--dir', node.dir, '--sender', String(sender)]).done;
    if (code !== 0) throw new Error(`mcu-load devices: ${output}`);
    const devices = JSON.parse(output.trim());
    Object.assign(phone, { sender, toneHz: devices.tone_hz });
    const script = await jssip();
    phone.#server = createServer((request, answer) => {
      const isScript = request.url === '/jssip.js';
      answer.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
      answer.end(isScript ? script : PAGE);
    });
    await new Promise((done) => phone.#server.listen(port, '127.0.0.1', done));
    phone.#browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        ...ARGUMENTS,
        // The node's certificate is of its development CA.
        '--ignore-certificate-errors',
        `--use-file-for-fake-video-capture=${devices.video}`,
        `--use-file-for-fake-audio-capture=${devices.audio}`,
      ],
    });
    phone.page = await phone.#browser.newPage();
    phone.page.setDefaultTimeout(HANG_MS);
    await phone.page.addInitScript(await barCodeReader());
    await phone.page.addInitScript(prepare);
    await phone.page.goto(`http://127.0.0.1:${port}/`);
    return phone;
  }

  /** `there`, or why not. */
  connect(account) {
    return this.page.evaluate(connect, account);
  }

  /** `confirmed`, or why not. */
  call(target) {
    return this.page.evaluate(dial, target);
  }

  /** Who is in the picture, when that is one person. */
  sees() {
    return this.page.evaluate(look);
  }

  /** Level of each frequency in what it hears, in dB. */
  hears(frequencies, looks = 3) {
    return this.page.evaluate(listen, { frequencies, looks });
  }

  /** Which suite protects each of its paths. */
  ciphers() {
    return this.page.evaluate(async () => {
      const stats = [...(await window.__mcu.pc.getStats()).values()];
      return stats.filter(({ type }) => type === 'transport').map(({ srtpCipher, dtlsState }) => `${dtlsState} ${srtpCipher}`);
    });
  }

  /** Why its call ended, once it has. */
  ended() {
    return this.page.evaluate(() => window.__ended);
  }

  async goAway() {
    await this.#browser?.close();
    await new Promise((done) => (this.#server ? this.#server.close(done) : done()));
  }
}
