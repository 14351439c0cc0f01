/** How long to wait between attempts to reconnect. Pure. */

const FIRST_MS = 1_000;
const LONGEST_MS = 15_000;
/** Spread, so that a whole meeting does not come back in the same instant. */
const JITTER = 0.2;

/**
 * @param {number} attempt How many attempts have failed so far, from 0.
 * @param {number} random In [0, 1).
 * @returns {number} Milliseconds.
 */
export function backoffMs(attempt, random) {
  const plain = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(plain * (1 - JITTER + 2 * JITTER * random));
}
