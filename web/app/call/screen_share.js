/**
 * Sharing the own screen: capture, floor, end. The floor belongs to the node; when it says that somebody else holds it,
 * the capture stops.
 */
import { signal } from '../view.js';
import { openScreen, reasonOf } from '../media/devices.js';

export class ScreenShare {
  /** @type {import('../view.js').signal<MediaStream | null>} */
  stream = signal(null);
  #me;
  #granted = false;
  #opening = false;

  /** @param {number} me Own participant id. */
  constructor(me) {
    this.#me = me;
  }

  /** @returns {Promise<'started'|'cancelled'|'failed'>} */
  async start() {
    if (this.#opening || this.stream.peek() !== null) return 'cancelled';
    this.#opening = true;
    try {
      const stream = await openScreen();
      // The browser's own "stop sharing" bar ends the track.
      stream.getVideoTracks()[0].addEventListener('ended', () => this.stop());
      this.#granted = false;
      this.stream.value = stream;
      return 'started';
    } catch (error) {
      return reasonOf(error) === 'denied' ? 'cancelled' : 'failed';
    } finally {
      this.#opening = false;
    }
  }

  stop() {
    const stream = this.stream.peek();
    this.stream.value = null;
    for (const track of stream?.getTracks() ?? []) track.stop();
  }

  /**
   * @param {number | null} holder Who holds the floor.
   * @returns {boolean} Whether that ended the own share.
   */
  floorIs(holder) {
    if (this.stream.peek() === null) return false;
    if (holder === this.#me) {
      this.#granted = true;
      return false;
    }
    // Before the floor is granted, "nobody holds it" may merely be older than the wish.
    if (holder === null && !this.#granted) return false;
    this.stop();
    return true;
  }
}
