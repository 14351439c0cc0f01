/** Counting seconds down on screen. */
import { useEffect, useState } from '../view.js';

/**
 * @param {number} endMs On `performance.now()`'s clock.
 * @returns {number} Whole seconds left, never below 0.
 */
const secondsUntil = (endMs) => Math.max(0, Math.ceil((endMs - performance.now()) / 1_000));

/**
 * @param {number} endMs On `performance.now()`'s clock.
 * @returns {number} Whole seconds left.
 */
export function useSecondsUntil(endMs) {
  const [left, setLeft] = useState(() => secondsUntil(endMs));
  useEffect(() => {
    setLeft(secondsUntil(endMs));
    const timer = setInterval(() => setLeft(secondsUntil(endMs)), 250);
    return () => clearInterval(timer);
  }, [endMs]);
  return left;
}

/**
 * @param {number} seconds Counted from when this number first appears.
 * @returns {number} Whole seconds left.
 */
export function useCountdown(seconds) {
  const [endMs, setEndMs] = useState(() => performance.now() + seconds * 1_000);
  useEffect(() => setEndMs(performance.now() + seconds * 1_000), [seconds]);
  return useSecondsUntil(endMs);
}
