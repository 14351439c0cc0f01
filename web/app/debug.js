/**
 * `window.__mcu`, only with `?debug` in the address: what the browser tests read. Frozen; its getters are live.
 *
 * - `overlayLog`: one entry per shown frame of the mix, `{rtpTimestamp, rect}`; `rect` is the tile painted over, in
 *   canvas pixels, or null where nothing was. The last `ENTRIES_MAX` are kept.
 * - `layouts`: the `layout` events of the mix as they arrived, of this connection.
 * - `layout`: the layout of the frame last shown.
 * - `pc`: the RTCPeerConnection.
 *
 * `?codec=VP8|H264|VP9` offers that codec alone.
 */

/** Ten minutes at 30 frames a second. */
const ENTRIES_MAX = 18_000;

const query = new URLSearchParams(location.search);

/** @type {string | null} */
export const codecWished = query.get('codec');

const enabled = query.has('debug');
const overlayLog = [];
const layouts = [];
let call = null;

/** @param {{rtpTimestamp: number, rect: object | null}} frame */
export function logFrame(frame) {
  if (enabled) keep(overlayLog, frame);
}

/** @param {object} layout */
export function logLayout(layout) {
  if (enabled) keep(layouts, layout);
}

/** @param {import('./call/call.js').Call} current */
export function expose(current) {
  call = current;
  overlayLog.length = 0;
  layouts.length = 0;
}

/** @param {object[]} log @param {object} entry */
function keep(log, entry) {
  log.push(entry);
  if (log.length > ENTRIES_MAX) log.shift();
}

if (enabled) {
  window.__mcu = Object.freeze({
    get overlayLog() {
      return overlayLog;
    },
    get layouts() {
      return layouts;
    },
    get layout() {
      return call?.layouts.current ?? null;
    },
    get pc() {
      return call?.link.peer?.connection ?? null;
    },
  });
}
