/**
 * The link to the node: token, events socket and media connection of one session, kept up through losses.
 *
 * Whatever is lost, the way back is one: renew the token (that tells whether the session still stands), reopen what is
 * not open, wait longer after each failure. The media connection is replaced on the same session.
 */
import { signal } from '../view.js';
import * as api from '../net/api.js';
import { backoffMs } from '../net/backoff.js';
import { EventSocket } from '../net/events.js';
import { Peer } from '../net/peer.js';

/** How long a media connection may take, in ms. */
const MEDIA_TIMEOUT_MS = 12_000;
/** When a token is renewed: at this part of its life. */
const REFRESH_AT = 0.7;

/**
 * @typedef {{phase: 'connecting'|'live'|'trying'} | {phase: 'waiting', retryAtMs: number}} LinkStatus `retryAtMs` is
 *   on `performance.now()`'s clock.
 */

export class Link {
  /** @type {import('../view.js').signal<LinkStatus>} */
  status = signal({ phase: 'connecting' });
  /** @type {Peer | null} */
  peer = null;
  #session;
  #handlers;
  /** @type {EventSocket | null} */
  #socket = null;
  #attempting = false;
  #failures = 0;
  #closed = false;
  #retryTimer = 0;
  #refreshTimer = 0;
  #online = () => this.retryNow();

  /**
   * @param {{token: string, expires_s: number, ice_servers: RTCIceServer[], codec: string | null}} session
   * @param {object} handlers
   * @param {(event: object) => void} handlers.onEvent
   * @param {(peer: Peer) => void} handlers.onPeer A new media connection; its sources are to be set.
   * @param {() => void} handlers.onLive Everything is up (again).
   * @param {(code: string) => void} handlers.onGone The session cannot be kept: a problem code.
   */
  constructor(session, handlers) {
    this.#session = { ...session };
    this.#handlers = handlers;
  }

  /** @returns {string} The token of now. */
  get token() {
    return this.#session.token;
  }

  start() {
    addEventListener('online', this.#online);
    this.#scheduleRefresh(this.#session.expires_s);
    void this.#attempt({ renew: false });
  }

  /** Cuts a wait short. */
  retryNow() {
    if (this.status.peek().phase !== 'waiting') return;
    clearTimeout(this.#retryTimer);
    void this.#attempt({ renew: true });
  }

  /** @param {object} message */
  send(message) {
    this.#socket?.send(message);
  }

  /** Ends the link; `leave` tells the node. @param {{leave: boolean}} how */
  close({ leave }) {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#refreshTimer);
    removeEventListener('online', this.#online);
    this.#socket?.close();
    this.peer?.close();
    if (leave) api.leave(this.token).catch(() => {});
  }

  /** @param {{renew: boolean}} how */
  async #attempt({ renew }) {
    if (this.#attempting || this.#closed) return;
    this.#attempting = true;
    if (renew) this.status.value = { phase: 'trying' };
    try {
      if (renew) await this.#renew();
      await Promise.all([this.#openSocket(), this.#openMedia()]);
      if (this.#closed) return;
      this.#failures = 0;
      this.status.value = { phase: 'live' };
      this.#handlers.onLive();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#attempting = false;
      // What broke while the rest was still opening has found the door closed.
      if (this.status.peek().phase === 'live' && !this.#whole()) this.#lost();
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    if (this.#closed) return;
    if (error instanceof api.Problem && isFinal(error)) {
      this.#handlers.onGone(error.status === 401 ? 'session-gone' : error.code);
      return;
    }
    const waitMs = Math.max(backoffMs(this.#failures++, Math.random()), (error.retryAfterS ?? 0) * 1_000);
    this.status.value = { phase: 'waiting', retryAtMs: performance.now() + waitMs };
    this.#retryTimer = setTimeout(() => void this.#attempt({ renew: true }), waitMs);
  }

  #lost() {
    if (this.#closed || this.#attempting || this.status.peek().phase === 'waiting') return;
    void this.#attempt({ renew: true });
  }

  #whole() {
    return Boolean(this.#socket?.alive && this.peer?.healthy);
  }

  async #openSocket() {
    if (this.#socket?.alive) return;
    const { onEvent } = this.#handlers;
    const socket = await EventSocket.open(this.token, { onEvent, onLost: () => this.#lost() });
    if (this.#closed) socket.close();
    this.#socket = socket;
  }

  async #openMedia() {
    if (this.peer?.healthy) return;
    this.peer?.close();
    const { ice_servers: iceServers, codec } = this.#session;
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => fail(new Error('the media connection timed out')), MEDIA_TIMEOUT_MS);
      const fail = (error) => {
        clearTimeout(timer);
        peer.close();
        reject(error);
        this.#lost();
      };
      const peer = new Peer({
        iceServers,
        codec,
        onConnected: () => {
          clearTimeout(timer);
          resolve();
        },
        onLost: () => fail(new Error('the media connection was lost')),
      });
      this.peer = peer;
      this.#handlers.onPeer(peer);
      peer.connect((sdp, lines) => api.offer(this.token, sdp, lines)).catch(fail);
    });
  }

  async #renew() {
    const { token, expires_s: expiresS } = await api.refresh(this.token);
    this.#session.token = token;
    this.#scheduleRefresh(expiresS);
  }

  /** @param {number} expiresS */
  #scheduleRefresh(expiresS) {
    clearTimeout(this.#refreshTimer);
    if (this.#closed || !(expiresS > 0)) return;
    // A renewal that fails on the way is made up for by the next reconnect; one that is refused shows there too.
    this.#refreshTimer = setTimeout(() => void this.#renew().catch(() => {}), expiresS * 1_000 * REFRESH_AT);
  }
}

/** @param {api.Problem} problem @returns {boolean} Whether trying again cannot help. */
const isFinal = ({ status }) => status >= 400 && status < 500 && status !== 408 && status !== 429;
