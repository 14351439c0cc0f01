/** What a host may do to others and to the meeting as a whole. What the node refuses is said in a toast, or in the form that asked. */
import * as api from '../net/api.js';
import { notify } from '../notices.js';
import { strings } from '../strings.js';
import { Calls } from './calls.js';

export class Hosting {
  /** Calls that the node makes. */
  calls = new Calls();
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

  /** @param {import('./callee.js').Order} order @returns {Promise<unknown>} Rejects with an `api.Problem`. */
  beginCall(order) {
    return api.beginCall(this.#link.token, this.#alias, order);
  }

  /** @param {number} id */
  callOff(id) {
    const isOver = (problem) => problem.code === 'not-found';
    return this.#ask(api.callOff(this.#link.token, this.#alias, id).catch((problem) => isOver(problem) || Promise.reject(problem)));
  }

  /** @param {number} id @param {string} to @returns {Promise<unknown>} Rejects with an `api.Problem`. */
  transfer(id, to) {
    return api.transferOther(this.#link.token, this.#alias, id, to);
  }

  /** @param {Promise<unknown>} action */
  async #ask(action) {
    await action.catch(() => notify(strings.call.hostActionFailed, 'warning'));
  }
}
