/** How loud a microphone is, measured in this browser; nothing of it leaves the page. */

/** Quietest and loudest level that the meter tells apart, in dB below full scale. */
const FLOOR_DB = -60;
const CEILING_DB = -10;
const PERIOD_MS = 80;

/**
 * @param {Float32Array} samples In [-1, 1].
 * @returns {number} 0 (silence) to 1 (as loud as speech gets).
 */
export function levelOf(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const db = 10 * Math.log10(sum / samples.length + 1e-12);
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / (CEILING_DB - FLOOR_DB)));
}

/**
 * Measures a track until told to stop. The track is cloned, so that muting it does not silence the measurement.
 *
 * @param {MediaStreamTrack} track
 * @param {(level: number) => void} onLevel Called some twelve times a second.
 * @returns {() => void} Stops.
 */
export function measureLevel(track, onLevel) {
  const own = track.clone();
  own.enabled = true;
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  context.createMediaStreamSource(new MediaStream([own])).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    onLevel(levelOf(samples));
  }, PERIOD_MS);
  return () => {
    clearInterval(timer);
    own.stop();
    void context.close();
  };
}

/** Loud enough to be speech, and for how long, before somebody is told that they speak while muted. */
const SPEECH_LEVEL = 0.45;
const SPEECH_LEVELS_NEEDED = 6;

/** Notices speech in a row of levels: most of the last few are loud. Pure. */
export class SpeechSense {
  #loud = 0;

  /** @param {number} level @returns {boolean} Whether somebody speaks. */
  hear(level) {
    this.#loud = level >= SPEECH_LEVEL ? Math.min(this.#loud + 1, 2 * SPEECH_LEVELS_NEEDED) : Math.max(this.#loud - 1, 0);
    return this.#loud >= SPEECH_LEVELS_NEEDED;
  }

  reset() {
    this.#loud = 0;
  }
}
