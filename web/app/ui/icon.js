/** Icons: one sprite, one size, the text's colour; never the only name of anything. */
import { html } from '../view.js';

const SPRITE = new URL('../../icons/sprite.svg', import.meta.url).pathname;

/** @param {{name: string}} props Id of a symbol in icons/sprite.svg. */
export function Icon({ name }) {
  return html`<svg class="icon" aria-hidden="true" focusable="false"><use href=${`${SPRITE}#${name}`} /></svg>`;
}
