/** Which panel, menu or dialog of the call is open. */
import { signal } from '../view.js';

/** @typedef {'settings'|'help'|'privacy'} DialogName */

export class Panels {
  people = signal(false);
  layoutMenu = signal(false);
  moreMenu = signal(false);
  /** @type {import('../view.js').signal<DialogName | null>} */
  dialog = signal(null);

  togglePeople() {
    this.people.value = !this.people.peek();
  }

  /** @param {DialogName} name */
  show(name) {
    this.dialog.value = name;
  }

  close() {
    this.dialog.value = null;
  }

  toggleFullscreen() {
    // Refused where the browser does not allow it (some phones); the page simply stays as it is.
    if (document.fullscreenElement === null) document.documentElement.requestFullscreen?.().catch(() => {});
    else document.exitFullscreen().catch(() => {});
  }
}
