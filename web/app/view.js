/**
 * The one door to the vendored libraries: templates, hooks and signals for every other module.
 */
import { h } from '../vendor/preact.js';
import htm from '../vendor/htm.js';

export { render } from '../vendor/preact.js';
export { useEffect, useId, useLayoutEffect, useRef, useState } from '../vendor/preact-hooks.js';
export { batch, computed, effect, signal, untracked, useComputed, useSignal, useSignalEffect } from '../vendor/signals.js';

/** Tagged template that makes virtual DOM; parsed once per place, without eval. */
export const html = htm.bind(h);
