/**
 * Which layout a frame shows: layouts arrive ahead of their frame and take effect on it, by RTP timestamp. Pure.
 */

/** Layouts that may wait for their frame; a meeting that changes faster than this skips the oldest. */
const WAITING_MAX = 64;

/**
 * @param {number} timestamp
 * @param {number} reference
 * @returns {boolean} Whether `timestamp` is at or after `reference`, modulo 2^32 (RFC 3550 serial arithmetic).
 */
export function isAtOrAfter(timestamp, reference) {
  return (timestamp - reference) >>> 0 < 0x8000_0000;
}

/**
 * @typedef {import('./geometry.js').Rect & {participant_id: number, kind: string, self: boolean, video: boolean}} Tile
 * @typedef {{canvas: {width: number, height: number}, rtp_timestamp: number, tiles: Tile[], layout: string}} Layout
 */

export class LayoutSwitch {
  /** @type {Layout | null} */
  #current = null;
  /** @type {Layout[]} In order of arrival, which is the order of their frames. */
  #waiting = [];

  /** @returns {Layout | null} The layout of the frame last shown. */
  get current() {
    return this.#current;
  }

  /** @param {Layout} layout */
  push(layout) {
    this.#waiting.push(layout);
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
  }

  /**
   * Says that a frame is about to be shown.
   *
   * @param {number} rtpTimestamp The frame's.
   * @returns {boolean} Whether the layout is another one than on the frame before.
   */
  advance(rtpTimestamp) {
    let changed = false;
    while (this.#waiting.length > 0 && isAtOrAfter(rtpTimestamp, this.#waiting[0].rtp_timestamp)) {
      this.#current = this.#waiting.shift();
      changed = true;
    }
    return changed;
  }

  /** Forgets everything: the timestamps of a new connection have nothing to do with the former ones. */
  reset() {
    this.#current = null;
    this.#waiting = [];
  }
}

/**
 * @param {Layout | null} layout
 * @returns {Tile | null} The tile over which this client paints its own camera. Whether the node has a picture for it does not
 *   matter: while nobody else watches, it asks for none, and would show initials to somebody whose camera is on.
 */
export function ownTile(layout) {
  return layout?.tiles.find((tile) => tile.self && tile.kind === 'main') ?? null;
}
