/**
 * A node for tests of the client: the HTTP API and the events WebSocket of docs/API.md, without a meeting behind them.
 * What it answers is set by the test (`refuse`, `answer`); what it is told is kept for the test to read.
 */
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';

const WEB = fileURLToPath(new URL('../..', import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** What the node sends with the page; the README of the client asks for exactly this. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

export const GUEST_PIN = '123456';
export const HOST_PIN = '654321';
const ME = 1;

export class FakeNode {
  /** @type {{method: string, path: string, body: any, token: string | null}[]} */
  requests = [];
  /** @type {object[]} Messages that arrived on the events sockets. */
  messages = [];
  /** @type {Map<string, {status: number, code: string, retryAfterS?: number, detail?: string}>} By the path's last word. */
  refuse = new Map();
  /** @type {(sdp: string) => Promise<string>} */
  answer = async () => '';
  people = [];
  #sockets = new Set();
  #waiters = new Set();
  #http = createServer((request, response) => void this.#serve(request, response));
  #ws = new WebSocketServer({ noServer: true, handleProtocols: () => 'mcu.v1' });

  /** @returns {Promise<string>} The origin. */
  async start() {
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    await new Promise((resolve) => this.#http.listen(0, '127.0.0.1', resolve));
    return `http://localhost:${this.#http.address().port}`;
  }

  async stop() {
    this.dropSockets();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  /** @param {object} event To every client. */
  send(event) {
    for (const socket of this.#sockets) socket.send(JSON.stringify(event));
  }

  /** @param {object[]} others Everybody but the client under test. */
  roster(others) {
    this.people = others;
    const self = { id: ME, name: 'Ada Lovelace', role: this.role, via: 'browser', muted: true, camera: false };
    const fill = { via: 'browser', role: 'guest', muted: false, camera: true, sharing: false, speaking: false, layout: 'auto', secured: true };
    const participants = [self, ...others].map((person) => ({ ...fill, joined_at: '2026-01-01T00:00:00Z', ...person }));
    this.send({ type: 'roster', participants });
  }

  /** Cuts every events socket without a word. */
  dropSockets() {
    for (const socket of this.#sockets) socket.terminate();
    this.#sockets.clear();
  }

  /** @param {(message: any) => boolean} fits @returns {Promise<any>} A message that fits, past or to come. */
  message(fits) {
    const past = this.messages.find(fits);
    if (past !== undefined) return Promise.resolve(past);
    return new Promise((resolve) => this.#waiters.add({ fits, resolve }));
  }

  forget() {
    this.requests = [];
    this.messages = [];
  }

  async #serve(request, response) {
    const { pathname } = new URL(request.url, 'http://localhost');
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    if (pathname.startsWith('/api/v1/')) {
      const body = text === '' ? null : JSON.parse(text);
      const token = request.headers.authorization?.replace('Bearer ', '') ?? null;
      const path = pathname.slice('/api/v1'.length);
      this.requests.push({ method: request.method, path, body, token });
      await this.#api(path, body, response);
    } else {
      await this.#file(pathname, response);
    }
  }

  async #file(pathname, response) {
    const page = pathname === '/' || pathname.startsWith('/m/');
    const below = page ? 'index.html' : normalize(pathname.replace(/^\/assets\//, ''));
    if (!page && (!pathname.startsWith('/assets/') || below.startsWith('..') || below.startsWith('tests'))) {
      response.writeHead(404).end();
      return;
    }
    try {
      const content = await readFile(join(WEB, below));
      response.writeHead(200, {
        'content-type': TYPES[extname(below)] ?? 'application/octet-stream',
        'content-security-policy': CONTENT_SECURITY_POLICY,
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
      });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  }

  async #api(path, body, response) {
    const word = path.split('/').at(-1);
    const refusal = this.refuse.get(word);
    if (refusal !== undefined) return problem(response, refusal);
    const json = (value) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    switch (word) {
      case 'join': {
        const echo = path === '/rooms/echo/join';
        if (!echo && body.pin !== GUEST_PIN && body.pin !== HOST_PIN) {
          return problem(response, { status: 403, code: 'join-refused' });
        }
        this.role = body.pin === HOST_PIN ? 'host' : 'guest';
        return json({
          token: 'token-1',
          participant_id: ME,
          role: this.role,
          room: { name: echo ? 'Echo test' : 'Weekly planning', alias: echo ? 'echo' : 'weekly' },
          ice_servers: [],
          expires_s: 3600,
          access: 'node-decrypted',
        });
      }
      case 'offer':
        return json({ sdp: await this.answer(body.sdp) });
      case 'refresh':
        return json({ token: 'token-2', expires_s: 3600 });
      default:
        return json({});
    }
  }

  #upgrade(request, socket, head) {
    const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(/,\s*/);
    const fine = request.url === '/api/v1/events' && protocols[0] === 'mcu.v1' && /^token\.token-\d$/.test(protocols[1] ?? '');
    if (!fine || this.refuse.has('events')) {
      socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
      return;
    }
    this.#ws.handleUpgrade(request, socket, head, (ws) => {
      this.#sockets.add(ws);
      ws.on('close', () => this.#sockets.delete(ws));
      ws.on('message', (data) => this.#heard(JSON.parse(data)));
      ws.send(JSON.stringify({ type: 'welcome', participant_id: ME, role: this.role, access: 'node-decrypted', locked: false }));
      this.roster(this.people);
    });
  }

  #heard(message) {
    this.messages.push(message);
    for (const waiter of this.#waiters) {
      if (!waiter.fits(message)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(message);
    }
  }
}

/** @param {import('node:http').ServerResponse} response @param {{status: number, code: string, retryAfterS?: number, detail?: string}} refusal */
function problem(response, { status, code, retryAfterS, detail = '' }) {
  const headers = { 'content-type': 'application/problem+json' };
  if (retryAfterS !== undefined) headers['retry-after'] = String(retryAfterS);
  response.writeHead(status, headers);
  response.end(JSON.stringify({ type: 'about:blank', title: code, status, code, detail }));
}
