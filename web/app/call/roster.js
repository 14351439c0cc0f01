/** The roster: what changed between two of them, and how people are ordered. Pure. */

/**
 * @typedef {object} Participant As in docs/API.md.
 * @property {number} id In the order of joining.
 * @property {string} name
 * @property {'host'|'guest'} role
 * @property {'browser'|'whip'|'whep'|'sip'} via
 * @property {boolean} muted
 * @property {boolean} camera
 * @property {boolean} sharing
 * @property {boolean} speaking
 * @property {string} layout
 * @property {boolean | null} secured Its media are encrypted on the way to and from the node; null until they were up.
 */

/**
 * @param {Participant[]} before
 * @param {Participant[]} after
 * @param {number} me Own id: what one does oneself is not news.
 * @returns {{joined: string[], left: string[], muted: string[], exposed: string[], covered: string[]}} Names; exposed is
 *   whose media now go in the clear, covered whose no longer do.
 */
export function changesBetween(before, after, me) {
  const former = new Map(before.map((person) => [person.id, person]));
  const present = new Set(after.map(({ id }) => id));
  const others = after.filter(({ id }) => id !== me);
  return {
    joined: others.filter(({ id }) => !former.has(id)).map(({ name }) => name),
    left: before.filter(({ id }) => id !== me && !present.has(id)).map(({ name }) => name),
    muted: others.filter(({ id, muted }) => muted && former.get(id)?.muted === false).map(({ name }) => name),
    exposed: unsecured(after.filter(({ id }) => former.get(id)?.secured !== false)),
    covered: after.filter(({ id, secured }) => secured && former.get(id)?.secured === false).map(({ name }) => name),
  };
}

/** @param {Participant[]} people @returns {string[]} Names of those whose media go in the clear. */
export function unsecured(people) {
  return people.filter(({ secured }) => secured === false).map(({ name }) => name);
}

/**
 * @param {Participant[]} people
 * @param {number} me
 * @returns {Participant[]} Oneself, then hosts, then by name.
 */
export function inOrder(people, me) {
  const rank = ({ id, role }) => (id === me ? 0 : role === 'host' ? 1 : 2);
  return [...people].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name) || a.id - b.id);
}

/** @param {string} name @returns {string} At most two letters that stand for a person. */
export function initials(name) {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const first = (word) => [...word][0] ?? '';
  return (words.length > 1 ? first(words[0]) + first(words.at(-1)) : first(words[0] ?? '')).toUpperCase();
}
