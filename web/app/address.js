/** What the page's address says: which meeting. The address never carries a PIN or a token. */

/** The meeting of one's own in which one hears oneself. */
export const ECHO_ALIAS = 'echo';

/**
 * @param {string} pathname
 * @returns {string | null} The alias in `/m/{alias}`, or null elsewhere.
 */
export function aliasFrom(pathname) {
  const match = /^\/m\/([^/]+)\/?$/.exec(pathname);
  if (match === null) return null;
  try {
    return decodeURIComponent(match[1]);
  } catch {
    return null;
  }
}

/** @param {string} alias @returns {string} */
export const addressOf = (alias) => `/m/${encodeURIComponent(alias)}`;
