/**
 * This person's own devices: which are chosen, which are open, what went wrong. Nothing is opened unasked, and what is
 * turned off is closed, so that the lamp of the camera goes out.
 */
import { signal } from '../view.js';
import { settings } from '../settings.js';
import { listDevices, openCamera, openMicrophone, reasonOf } from './devices.js';
import { measureLevel } from './level.js';

const OPENERS = { camera: openCamera, microphone: openMicrophone };

/** One device that can be opened and closed: a camera or a microphone. */
class Source {
  /** @type {import('../view.js').signal<MediaStreamTrack | null>} */
  track = signal(null);
  /** @type {import('../view.js').signal<import('./devices.js').MediaErrorReason | null>} */
  error = signal(null);
  starting = signal(false);
  #kind;
  /** Grows with each wish; an answer to a former wish is thrown away. */
  #wish = 0;

  /** @param {'camera'|'microphone'} kind */
  constructor(kind) {
    this.#kind = kind;
  }

  /** @returns {Promise<boolean>} Whether it is open now. */
  async start() {
    const wish = ++this.#wish;
    this.starting.value = true;
    this.error.value = null;
    try {
      const track = await OPENERS[this.#kind](settings[this.#kind].peek());
      if (wish !== this.#wish) {
        track.stop();
        return false;
      }
      this.#take(track);
      return true;
    } catch (error) {
      if (wish === this.#wish) this.#fail(reasonOf(error));
      return false;
    } finally {
      if (wish === this.#wish) this.starting.value = false;
      void devices.refresh();
    }
  }

  stop() {
    this.#wish += 1;
    this.starting.value = false;
    this.#take(null);
  }

  /** @param {string} deviceId @returns {Promise<void>} Remembers the choice; reopens when it is open. */
  async choose(deviceId) {
    settings[this.#kind].value = deviceId;
    if (this.track.peek() !== null || this.starting.peek()) await this.start();
  }

  /** @param {MediaStreamTrack | null} track */
  #take(track) {
    const former = this.track.peek();
    this.track.value = track;
    former?.stop();
    track?.addEventListener('ended', () => {
      if (this.track.peek() === track) this.#fail('lost');
    });
  }

  /** @param {import('./devices.js').MediaErrorReason} reason */
  #fail(reason) {
    // A remembered device that is gone must not lock somebody out: the next attempt takes the default.
    if (reason === 'missing') settings[this.#kind].value = '';
    this.#take(null);
    this.error.value = reason;
  }
}

/** The devices of this machine, as far as the browser tells. */
export const devices = {
  list: signal({ camera: [], microphone: [], speaker: [] }),

  async refresh() {
    this.list.value = await listDevices();
  },

  watch() {
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.refresh());
    void this.refresh();
  },
};

export const camera = new Source('camera');
export const microphone = new Source('microphone');

/** Level of the own microphone, 0 to 1; 0 while it is closed. */
export const ownLevel = signal(0);

/** @type {Set<(level: number) => void>} */
const listeners = new Set();

/**
 * Every measurement, also one that equals the last: a signal tells only of changes.
 *
 * @param {(level: number) => void} listener
 * @returns {() => void} Stops.
 */
export function onLevel(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** @param {number} level */
function heard(level) {
  ownLevel.value = level;
  for (const listener of listeners) listener(level);
}

let stopMeasuring = () => {};
microphone.track.subscribe((track) => {
  stopMeasuring();
  stopMeasuring = () => {};
  ownLevel.value = 0;
  if (track !== null) stopMeasuring = measureLevel(track, heard);
});
