/**
 * The HTTP API (docs/API.md) as functions. Every refusal is a `Problem` with a stable code; tokens and PINs travel in
 * headers and bodies, never in an address.
 */

const BASE = '/api/v1';

/** A refusal (RFC 9457), or `unreachable` when no answer came at all. */
export class Problem extends Error {
  /** @param {{code: string, status?: number, detail?: string, retryAfterS?: number}} problem */
  constructor({ code, status = 0, detail = '', retryAfterS = 0 }) {
    super(detail || code);
    this.name = 'Problem';
    this.code = code;
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

/**
 * @typedef {object} Joined What `join` returns.
 * @property {string} token
 * @property {number} participant_id
 * @property {'host'|'guest'} role
 * @property {{name: string, alias: string}} room
 * @property {RTCIceServer[]} ice_servers
 * @property {number} expires_s
 * @property {string} access
 */

/**
 * @param {string} method
 * @param {string} path Below the base.
 * @param {{token?: string, body?: object, keepalive?: boolean}} [options]
 * @returns {Promise<any>} The parsed body, or null where there is none.
 */
async function request(method, path, { token, body, keepalive = false } = {}) {
  const headers = { accept: 'application/json' };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response;
  try {
    response = await fetch(BASE + path, {
      method,
      headers,
      keepalive,
      cache: 'no-store',
      credentials: 'omit',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem({ code: 'unreachable' });
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  throw new Problem({
    code: typeof answer?.code === 'string' ? answer.code : 'unknown',
    status: response.status,
    detail: typeof answer?.detail === 'string' ? answer.detail : '',
    retryAfterS: Number.parseInt(response.headers.get('retry-after') ?? '', 10) || 0,
  });
}

/** @param {string} alias */
const room = (alias) => `/rooms/${encodeURIComponent(alias)}`;

/**
 * @param {string} alias
 * @param {{displayName: string, pin: string, overlay: boolean}} who
 * @returns {Promise<Joined>}
 */
export function join(alias, { displayName, pin, overlay }) {
  return request('POST', `${room(alias)}/join`, { body: { display_name: displayName, pin, overlay } });
}

/**
 * @param {string} token
 * @param {string} sdp
 * @param {Record<string, 'main'|'content'>} lines Which media line (by mid) is what.
 * @returns {Promise<{sdp: string}>}
 */
export function offer(token, sdp, lines) {
  return request('POST', '/session/offer', { token, body: { sdp, lines } });
}

/** @param {string} token @returns {Promise<{token: string, expires_s: number}>} */
export function refresh(token) {
  return request('POST', '/session/refresh', { token });
}

/** Leaves, even while the page is going away. @param {string} token */
export function leave(token) {
  return request('DELETE', '/session', { token, keepalive: true });
}

/** Mutes somebody else (hosts). @param {string} token @param {string} alias @param {number} id */
export function muteOther(token, alias, id) {
  return request('POST', `${room(alias)}/participants/${id}/mute`, { token, body: { muted: true } });
}

/** Mutes all guests (hosts). @param {string} token @param {string} alias */
export function muteGuests(token, alias) {
  return request('POST', `${room(alias)}/mute-all`, { token });
}

/** Keeps guests who are not in out, or lets them in again (hosts). @param {string} token @param {string} alias @param {boolean} locked */
export function setLocked(token, alias, locked) {
  return request('POST', `${room(alias)}/${locked ? 'lock' : 'unlock'}`, { token });
}

/** Removes somebody else (hosts). @param {string} token @param {string} alias @param {number} id */
export function removeOther(token, alias, id) {
  return request('POST', `${room(alias)}/participants/${id}/disconnect`, { token });
}

/**
 * Has somebody called into the meeting (hosts).
 *
 * @param {string} token @param {string} alias @param {import('../call/callee.js').Order} order
 * @returns {Promise<{id: number}>}
 */
export function beginCall(token, alias, order) {
  return request('POST', `${room(alias)}/calls`, { token, body: order });
}

/** Calls a call off (hosts). @param {string} token @param {string} alias @param {number} id */
export function callOff(token, alias, id) {
  return request('DELETE', `${room(alias)}/calls/${id}`, { token });
}

/** Has the SIP device of somebody else call `to`, and leave for there (hosts). @param {string} token @param {string} alias @param {number} id @param {string} to */
export function transferOther(token, alias, id, to) {
  return request('POST', `${room(alias)}/participants/${id}/transfer`, { token, body: { to } });
}
