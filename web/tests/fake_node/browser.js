/** Chromium for the browser tests, and the three things every one of them holds: axe, CSP, same origin. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { FakeNode, GUEST_PIN } from './server.js';
import { createMediaNode } from './media.js';
import { gridWithSelfAt, PEOPLE } from './scene.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const OUTPUT = fileURLToPath(new URL('../output/', import.meta.url));

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  // Both ends live in this browser; names that only a resolver on the network knows would keep them apart.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
];

/** One browser and one fake node for a test file. */
export class Bench {
  /** @type {import('playwright-core').Browser} */
  #browser;
  /** @type {string[]} Requests that left the origin, and violations of the policy. */
  #faults = [];

  async start() {
    await mkdir(OUTPUT, { recursive: true });
    this.node = new FakeNode();
    this.origin = await this.node.start();
    this.#browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ARGUMENTS,
    });
  }

  async stop() {
    await this.#browser?.close();
    await this.node.stop();
  }

  /**
   * A fresh page of a fresh visitor.
   *
   * @param {string} path
   * @param {import('playwright-core').BrowserContextOptions & {init?: () => void}} [options] `init` runs in the page
   *   before the client does.
   */
  async open(path, { init, ...options } = {}) {
    this.node.refuse.clear();
    this.node.forget();
    this.node.people = PEOPLE;
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const page = await context.newPage();
    page.on('request', (request) => {
      const address = request.url();
      const own = address.startsWith(this.origin) || /^(data|blob):/.test(address);
      if (!own) this.#faults.push(`left the origin: ${address}`);
    });
    page.on('websocket', (socket) => {
      if (new URL(socket.url()).host !== new URL(this.origin).host) this.#faults.push(`left the origin: ${socket.url()}`);
    });
    page.on('console', (message) => {
      if (message.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(message.text())) {
        this.#faults.push(`console: ${message.text()}`);
      }
    });
    page.on('pageerror', (error) => this.#faults.push(`error: ${error.stack}`));
    await page.exposeFunction('reportViolation', (what) => this.#faults.push(`policy: ${what}`));
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => window.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    });
    if (init !== undefined) await page.addInitScript(init);
    await page.goto(this.origin + path);
    return { page, context };
  }

  /**
   * Opens the meeting and joins it, with media.
   *
   * @param {{path?: string, pin?: string, camera?: boolean, microphone?: boolean} &
   *   import('playwright-core').BrowserContextOptions} [options]
   */
  async join({ path = '/m/weekly?debug', pin = GUEST_PIN, camera = false, microphone = false, ...options } = {}) {
    const { page, context } = await this.open(path, options);
    const media = await createMediaNode(context);
    await media.draw({ tiles: gridWithSelfAt(5) });
    this.node.answer = media.answer;
    if (camera) await page.getByRole('button', { name: 'Camera', exact: true }).click();
    if (microphone) await page.getByRole('button', { name: 'Microphone', exact: true }).click();
    if (camera) await page.locator('.preview video').waitFor();
    await page.bringToFront();
    await page.getByLabel('Your name').fill('Ada Lovelace');
    if (path.startsWith('/m/weekly')) await page.getByLabel('PIN').fill(pin);
    await page.getByRole('button', { name: 'Join', exact: true }).click();
    await page.getByRole('button', { name: 'Leave' }).waitFor();
    await page.waitForFunction(() => (window.__mcu?.overlayLog.length ?? 1) > 0);
    return { page, context, media };
  }

  /** @param {import('playwright-core').Page} page @param {string} state For the message. */
  async accessible(page, state) {
    // Evaluated by the debugger, which the page's policy does not bind: the policy stays on while axe looks.
    const { readFile } = await import('node:fs/promises');
    await page.evaluate(await readFile(AXE, 'utf8'));
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join('\n')}`);
    assert.deepEqual(told, [], `axe in state "${state}"`);
  }

  /** @param {import('playwright-core').Page} page @param {string} name */
  async picture(page, name) {
    await page.screenshot({ path: `${OUTPUT}${name}.png` });
  }

  /** @returns {string[]} And forgets them. */
  faults() {
    return this.#faults.splice(0);
  }
}
