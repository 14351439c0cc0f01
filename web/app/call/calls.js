/**
 * The calls that the node makes for this room, as a host is told of them: whom it calls at all, and what becomes of each.
 */
import { computed, signal } from '../view.js';
import { announce, notify } from '../notices.js';
import { strings } from '../strings.js';
import { addressShown } from './callee.js';

/**
 * @typedef {object} OutgoingCall As in docs/API.md.
 * @property {number} id In the order of beginning.
 * @property {string} to
 * @property {string} [name] None of a transfer.
 * @property {number} [transfers] Whose device calls.
 * @property {'calling'|'ringing'|'answered'|'failed'|'transferred'} state
 * @property {string} [reason] Of a failure.
 */

export class Calls {
  /** @type {import('../view.js').signal<import('./callee.js').Reach | null>} Null: the node has not said that it calls anybody. */
  reach = signal(null);
  /** @type {import('../view.js').signal<OutgoingCall[]>} */
  #all = signal([]);
  /** @type {import('../view.js').signal<number[]>} Failures that have been read. */
  #dismissed = signal([]);
  /** What a host has to know of. */
  shown = computed(() => shownOf(this.#all.value).filter(({ id }) => !this.#dismissed.value.includes(id)));

  /** @param {{domains: string[], prefixes: string[], device_host?: string, calls: OutgoingCall[]}} event */
  take({ domains, prefixes, device_host: deviceHost = null, calls }) {
    const isFirst = this.reach.peek() === null;
    const before = this.#all.peek();
    this.#all.value = calls;
    this.reach.value = { domains, prefixes, deviceHost };
    if (isFirst) return;
    for (const { text, tone } of newsOf(before, calls)) {
      if (tone === null) announce(text);
      else notify(text, tone);
    }
  }

  /** @param {number} id */
  dismiss(id) {
    this.#dismissed.value = [...this.#dismissed.peek(), id];
  }
}

/** @param {OutgoingCall} call @returns {string} Whom, as a person would say it. */
export const calleeOf = ({ name, to }) => name ?? addressShown(to);

/** @param {OutgoingCall} call @returns {string} How far it is, or why it came to nothing and what can be done. */
export function stateOf({ state, reason, transfers }) {
  if (state === 'failed') return strings.callFailures[reason] ?? strings.callFailures.refused;
  return (transfers === undefined ? strings.callStates : strings.transferStates)[state];
}

/**
 * Whoever has answered is in the roster, and what was called off on purpose is no trouble; nor is a failure after which the same
 * was called again.
 *
 * @param {OutgoingCall[]} calls
 * @returns {OutgoingCall[]}
 */
export function shownOf(calls) {
  const again = ({ id, to }) => calls.some((later) => later.id > id && later.to === to);
  return calls.filter((call) => {
    if (call.state === 'failed') return call.reason !== 'cancelled' && !again(call);
    return call.state === 'calling' || call.state === 'ringing';
  });
}

/**
 * @param {OutgoingCall[]} before
 * @param {OutgoingCall[]} after
 * @returns {{text: string, tone: 'info'|'warning'|null}[]} Null: it is read out, and seen in the list anyway.
 */
export function newsOf(before, after) {
  const former = new Map(before.map((call) => [call.id, call.state]));
  // That somebody has answered is told by the roster.
  const fresh = after.filter(({ id, state }) => former.get(id) !== state && state !== 'answered');
  return fresh.map((call) => {
    const bad = call.state === 'failed' && call.reason !== 'cancelled';
    const tone = bad ? 'warning' : call.state === 'transferred' ? 'info' : null;
    return { text: strings.calls.news(calleeOf(call), stateOf(call)), tone };
  });
}
