/** What a host may do to others and to the meeting as a whole. What the node refuses is said in a toast. */
import * as api from '../net/api.js';
import { notify } from '../notices.js';
import { strings } from '../strings.js';

export class Hosting {
  #link;
  #alias;

  /** @param {import('./link.js').Link} link Has the token of the moment. @param {string} alias */
  constructor(link, alias) {
    this.#link = link;
    this.#alias = alias;
  }

  /** @param {number} id */
  mute(id) {
    return this.#ask(api.muteOther(this.#link.token, this.#alias, id));
  }

  /** @param {number} id */
  remove(id) {
    return this.#ask(api.removeOther(this.#link.token, this.#alias, id));
  }

  muteGuests() {
    return this.#ask(api.muteGuests(this.#link.token, this.#alias));
  }

  /** @param {boolean} locked */
  setLocked(locked) {
    return this.#ask(api.setLocked(this.#link.token, this.#alias, locked));
  }

  /** @param {Promise<unknown>} action */
  async #ask(action) {
    await action.catch(() => notify(strings.call.hostActionFailed, 'warning'));
  }
}
