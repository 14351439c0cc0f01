/** What this browser remembers between visits: name, devices, looks. Never a PIN, never a token. */
import { effect, signal } from './view.js';

const PREFIX = 'mcu.';

/**
 * @param {string} name
 * @param {string} fallback
 */
function remembered(name, fallback) {
  const value = signal(read(name) ?? fallback);
  effect(() => write(name, value.value));
  return value;
}

/** @param {string} name @returns {string | null} Null also where storage is forbidden. */
function read(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** @param {string} name @param {string} value */
function write(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Storage may be forbidden or full; forgetting is all that follows.
  }
}

export const settings = {
  name: remembered('name', ''),
  /** Device ids; empty: the system's default. */
  camera: remembered('camera', ''),
  microphone: remembered('microphone', ''),
  speaker: remembered('speaker', ''),
  /** `system`, `light` or `dark`. */
  theme: remembered('theme', 'system'),
  /** `on` or `off`. */
  shortcuts: remembered('shortcuts', 'on'),
};

effect(() => {
  document.documentElement.dataset.theme = settings.theme.value;
});
