/** Short messages: toasts that are seen and read out, and announcements that are only read out. */
import { signal } from './view.js';

/** How long a toast stays, in ms; long enough to be read twice. */
const TOAST_MS = 6_000;
/** Toasts shown at once; older ones go. */
const TOASTS_MAX = 3;

/** @typedef {{id: number, text: string, tone: 'info'|'warning'}} Toast */

/** @type {import('./view.js').signal<Toast[]>} */
export const toasts = signal([]);

/** The latest thing to be read out politely; `id` tells two equal texts apart. */
export const announcement = signal({ id: 0, text: '' });

let lastId = 0;

/** @param {string} text @param {'info'|'warning'} [tone] */
export function notify(text, tone = 'info') {
  const toast = { id: ++lastId, text, tone };
  toasts.value = [...toasts.peek(), toast].slice(-TOASTS_MAX);
  setTimeout(() => dismiss(toast.id), TOAST_MS);
  announce(text);
}

/** @param {number} id */
export function dismiss(id) {
  toasts.value = toasts.peek().filter((toast) => toast.id !== id);
}

/** @param {string} text */
export function announce(text) {
  announcement.value = { id: ++lastId, text };
}
