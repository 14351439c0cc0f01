/**
 * The events WebSocket. The token travels as a subprotocol, so that it is in no address and no log.
 */

/** How long an opening socket may stay silent before it counts as failed, in ms. */
const OPEN_TIMEOUT_MS = 8_000;

export class EventSocket {
  #socket;
  #closed = false;

  /** @param {WebSocket} socket An open one. */
  constructor(socket) {
    this.#socket = socket;
  }

  /**
   * Opens a socket and waits for it; events flow to `onEvent` from the first one on.
   *
   * @param {string} token
   * @param {{onEvent: (event: {type: string}) => void, onLost: () => void}} handlers `onLost` is called once, unless
   *   `close` came first.
   * @returns {Promise<EventSocket>} Rejects when the socket does not open.
   */
  static open(token, { onEvent, onLost }) {
    return new Promise((resolve, reject) => {
      const address = new URL('/api/v1/events', location.href);
      address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
      const socket = new WebSocket(address, ['mcu.v1', `token.${token}`]);
      const events = new EventSocket(socket);
      let opened = false;
      const timer = setTimeout(() => socket.close(), OPEN_TIMEOUT_MS);
      socket.onopen = () => {
        opened = true;
        clearTimeout(timer);
        resolve(events);
      };
      socket.onmessage = ({ data }) => {
        const event = parseEvent(data);
        if (event !== null && !events.#closed) onEvent(event);
      };
      socket.onclose = () => {
        clearTimeout(timer);
        if (!opened) reject(new Error('the events socket did not open'));
        else if (!events.#closed) onLost();
        events.#closed = true;
      };
    });
  }

  /** @returns {boolean} Whether events can still arrive. */
  get alive() {
    return !this.#closed;
  }

  /** @param {object} message Dropped when the socket is gone: the whole state is sent again after reconnecting. */
  send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  close() {
    this.#closed = true;
    this.#socket.close(1000);
  }
}

/** @param {unknown} data @returns {{type: string} | null} Null for what is no event. */
function parseEvent(data) {
  if (typeof data !== 'string') return null;
  try {
    const event = JSON.parse(data);
    return typeof event?.type === 'string' ? event : null;
  } catch {
    return null;
  }
}
