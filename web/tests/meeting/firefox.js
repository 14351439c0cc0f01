/**
 * A Firefox, driven over WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/) as Debian ships it: the few commands
 * that a smoke test needs, over one WebSocket. Elements are found by role and accessible name, clicked and typed into as
 * a person would.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import { until } from './node.js';

const BINARY = process.env.FIREFOX ?? 'firefox-esr';
const START_MS_MAX = 60_000;

/** Why there is no Firefox here; false where there is one. */
export const missing = spawnSync(BINARY, ['--version']).status !== 0 && `${BINARY} is not installed`;

/**
 * A loopback meeting with made-up devices, without questions, and without calls home. Firefox comes to 127.0.0.1 only from
 * a loopback candidate of its own, and has one only with `ice.loopback` and where devices are allowed for good; fake
 * devices are no reason.
 */
const PREFERENCES = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'media.autoplay.default': 0,
  'media.gmp-manager.updateEnabled': false,
  'media.navigator.permission.disabled': true,
  'media.navigator.streams.fake': true,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'permissions.default.camera': 1,
  'permissions.default.microphone': 1,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'toolkit.telemetry.reportingpolicy.firstRun': false,
};

/** @typedef {{role?: string, name: string}} Wanted An element, by its accessibility. */

export class Firefox {
  #child;
  #profile;
  #socket;
  #context;
  #waiting = new Map();
  #lastId = 0;
  /** Errors on the console, uncaught exceptions, requests elsewhere. */
  faults = [];

  /** @param {{width: number, height: number, preferences?: Record<string, unknown>}} options */
  static async launch({ width, height, preferences = {} }) {
    const firefox = new Firefox();
    firefox.#profile = await mkdtemp(join(tmpdir(), 'mcu-firefox-'));
    const lines = Object.entries({ ...PREFERENCES, ...preferences }).map((pair) => `user_pref(${pair.map((one) => JSON.stringify(one)).join(', ')});\n`);
    await writeFile(join(firefox.#profile, 'user.js'), lines.join(''));
    try {
      await firefox.#connect(await firefox.#start());
      await firefox.#command('session.new', { capabilities: {} });
      const { contexts } = await firefox.#command('browsingContext.getTree', {});
      firefox.#context = contexts[0].context;
      await firefox.#command('session.subscribe', { events: ['log.entryAdded', 'network.beforeRequestSent'] });
      await firefox.#command('browsingContext.setViewport', { context: firefox.#context, viewport: { width, height } });
    } catch (error) {
      await firefox.close();
      throw error;
    }
    return firefox;
  }

  /** Starts the process; resolves with the address of its BiDi server. */
  #start() {
    const arguments_ = ['--headless', '--no-remote', '--profile', this.#profile, '--remote-debugging-port', '0', 'about:blank'];
    this.#child = spawn(BINARY, arguments_, { stdio: ['ignore', 'ignore', 'pipe'] });
    return new Promise((resolve, reject) => {
      let said = '';
      const timer = setTimeout(() => reject(new Error(`Firefox does not answer:\n${said}`)), START_MS_MAX);
      this.#child.once('error', reject);
      this.#child.once('exit', (code) => reject(new Error(`Firefox ended with ${code}:\n${said}`)));
      this.#child.stderr.setEncoding('utf8').on('data', (text) => {
        said = (said + text).slice(-8_000);
        const address = said.match(/WebDriver BiDi listening on (ws:\S+)/)?.[1];
        if (address === undefined) return;
        clearTimeout(timer);
        resolve(address);
      });
    });
  }

  async #connect(address) {
    this.#socket = new WebSocket(`${address}/session`, { maxPayload: 64 * 1024 * 1024 });
    this.#socket.on('message', (text) => this.#take(JSON.parse(text)));
    await new Promise((resolve, reject) => this.#socket.once('open', resolve).once('error', reject));
    this.#socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('Firefox has closed its socket'));
    });
  }

  /** @param {{type: string} & Record<string, any>} message */
  #take({ type, id, result, error, message, method, params }) {
    if (type === 'event') {
      if (method === 'log.entryAdded' && params.level === 'error') this.faults.push(`console: ${params.text}`);
      if (method === 'network.beforeRequestSent') this.#judge(params.request.url);
      return;
    }
    const { resolve, reject } = this.#waiting.get(id) ?? {};
    this.#waiting.delete(id);
    if (type === 'success') resolve?.(result);
    else reject?.(new Error(`${error}: ${message}`));
  }

  /** @param {string} url */
  #judge(url) {
    if (this.origin !== undefined && !url.startsWith(this.origin) && !/^(data|blob|about):/.test(url)) {
      this.faults.push(`left the origin: ${url}`);
    }
  }

  #command(method, params) {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  /** Runs a script in every page before its own. @param {string} source */
  preload(source) {
    return this.#command('script.addPreloadScript', { functionDeclaration: `() => { ${source} }` });
  }

  /** @param {string} url */
  async open(url) {
    this.origin = new URL(url).origin;
    await this.#command('browsingContext.navigate', { context: this.#context, url, wait: 'complete' });
  }

  /** Runs a function in the page with one argument; both it and what it resolves with are JSON. */
  async evaluate(task, argument = null) {
    const { type, result, exceptionDetails } = await this.#command('script.callFunction', {
      functionDeclaration: `async (argument) => JSON.stringify((await (${task})(JSON.parse(argument))) ?? null)`,
      arguments: [{ type: 'string', value: JSON.stringify(argument) }],
      awaitPromise: true,
      target: { context: this.#context },
    });
    if (type !== 'success') throw new Error(exceptionDetails.text);
    return JSON.parse(result.value);
  }

  /** The first element of that role and name, once there is one. @param {Wanted} wanted */
  #find(wanted) {
    const locator = { type: 'accessibility', value: wanted };
    return until(`Firefox shows ${JSON.stringify(wanted)}`, async () => {
      const { nodes } = await this.#command('browsingContext.locateNodes', { context: this.#context, locator, maxNodeCount: 1 });
      return nodes[0];
    });
  }

  /** @param {Wanted} wanted */
  async waitFor(wanted) {
    await this.#find(wanted);
  }

  /** @param {Wanted} wanted */
  async click(wanted) {
    const { sharedId } = await this.#find(wanted);
    const origin = { type: 'element', element: { sharedId } };
    await this.#perform({
      type: 'pointer',
      id: 'mouse',
      actions: [{ type: 'pointerMove', x: 0, y: 0, origin }, { type: 'pointerDown', button: 0 }, { type: 'pointerUp', button: 0 }],
    });
  }

  /** @param {Wanted} wanted @param {string} text */
  async fill(wanted, text) {
    await this.click(wanted);
    const strokes = [...text].flatMap((value) => [{ type: 'keyDown', value }, { type: 'keyUp', value }]);
    await this.#perform({ type: 'key', id: 'keyboard', actions: strokes });
  }

  #perform(source) {
    return this.#command('input.performActions', { context: this.#context, actions: [source] });
  }

  /** @param {string} path PNG. */
  async screenshot(path) {
    const { data } = await this.#command('browsingContext.captureScreenshot', { context: this.#context });
    await writeFile(path, Buffer.from(data, 'base64'));
  }

  async close() {
    this.#socket?.close();
    if (this.#child?.pid !== undefined && this.#child.exitCode === null) {
      const gone = new Promise((done) => this.#child.once('exit', done));
      this.#child.removeAllListeners('error').kill('SIGTERM');
      await gone;
    }
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
