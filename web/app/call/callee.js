/** What a host fills in to have somebody called: read as the node wants it, or which field it cannot be read from. Pure. */

/** As docs/API.md says of `ring_s`, `dtmf` and `to`. */
export const RING_S = { usual: 45, min: 5, max: 120 };
const KEYS = /^[\d*#A-D,]{0,64}$/;
const NUMBER = /^\+?\d{1,63}$/;
const NAME = /^[a-z][\w.-]{0,63}$/i;
const HOST = /^[a-z\d]([a-z\d.-]*[a-z\d])?$/i;

/**
 * @typedef {object} Reach Whom the node calls, as it says in its `calls` event.
 * @property {string[]} domains Hosts of addresses.
 * @property {string[]} prefixes What numbers there begin with.
 * @property {string | null} deviceHost The host of devices that register at the node.
 */

/**
 * @typedef {{to: string, name?: string, role: 'guest'|'host', ring_s: number, dtmf?: string}} Order The body of `calls`.
 * @typedef {'to'|'dtmf'|'ring_s'} FieldName
 */

/**
 * What somebody types or pastes, as `sip:USER@HOST`: without a host, a number is one of the first domain, a name a device of
 * the node's own.
 *
 * @param {string} typed
 * @param {Reach} reach
 * @returns {string | null} Null for what is no address.
 */
export function addressFrom(typed, { domains, deviceHost }) {
  const text = typed.trim().replace(/^(sip|tel):/i, '');
  const at = text.indexOf('@');
  const user = userFrom(at < 0 ? text : text.slice(0, at));
  const own = [domains[0] ?? null, deviceHost];
  const host = at < 0 ? (NUMBER.test(user) ? own : own.reverse()).find((name) => name !== null) : text.slice(at + 1);
  const fair = (NUMBER.test(user) || NAME.test(user)) && HOST.test(host ?? '');
  return fair ? `sip:${user}@${host.toLowerCase()}` : null;
}

/** A number without what people put between digits. "(0)" stays, and makes it none: whether it is dialled depends on from where. */
function userFrom(text) {
  const bare = text.replace(/[\s()\/-]/g, '');
  return NUMBER.test(bare) && !text.includes('(0)') ? bare : text;
}

/**
 * @param {Record<string, string>} fields Of the form.
 * @param {Reach} reach
 * @returns {{order: Order} | {fault: FieldName}}
 */
export function orderFrom({ to, name, role, dtmf, ring_s: ring }, reach) {
  const address = addressFrom(to, reach);
  if (address === null) return { fault: 'to' };
  const keys = dtmf.replace(/\s/g, '').toUpperCase();
  if (!KEYS.test(keys)) return { fault: 'dtmf' };
  const seconds = Number(ring);
  if (!Number.isInteger(seconds) || seconds < RING_S.min || seconds > RING_S.max) return { fault: 'ring_s' };
  const shown = name.trim();
  return { order: { to: address, role, ring_s: seconds, ...(shown && { name: shown }), ...(keys && { dtmf: keys }) } };
}

/** @param {string} to `sip:USER@HOST`. @returns {string} As a person reads it: a number alone, or USER@HOST. */
export function addressShown(to) {
  const address = to.replace(/^sip:/, '');
  const [user] = address.split('@');
  return NUMBER.test(user) ? user : address;
}
