/** Who can see and hear the meeting: the badge in the header, and what it opens. */
import { html } from '../view.js';
import { strings } from '../strings.js';
import { Dialog } from './dialog.js';
import { Icon } from './icon.js';

/** Names in the badge; the dialog has all. */
const NAMES_MAX = 3;

/**
 * @param {string} access Who can look inside, as the node says.
 * @param {string[]} names Whose media go in the clear.
 * @returns {string} One line.
 */
export function privacyLine(access, names) {
  const text = strings.call.privacyDetail;
  if (access !== 'in-the-clear') return Object.hasOwn(text, access) ? text[access] : text.unknown;
  // The node tells what the meeting is before it tells whose fault it is.
  if (names.length === 0) return strings.call.inTheClearSomebody;
  return strings.call.inTheClear(names.slice(0, NAMES_MAX), Math.max(0, names.length - NAMES_MAX));
}

/** @param {{call: import('../call/call.js').Call, onClick: () => void}} props */
export function PrivacyBadge({ call, onClick }) {
  const access = call.access.value;
  const warns = access === 'in-the-clear';
  return html`
    <button type="button" class=${warns ? 'privacy privacy-warns' : 'privacy'} onClick=${onClick}>
      <${Icon} name=${warns ? 'alert' : 'lock-open'} />
      <span class="privacy-short">${warns ? strings.call.inTheClearShort : strings.call.privacy}</span>
      <span class="privacy-long">${privacyLine(access, call.unsecured.value)}</span>
    </button>
  `;
}

/** @param {{call: import('../call/call.js').Call, onClose: () => void}} props */
export function PrivacyDialog({ call, onClose }) {
  const text = strings.call;
  const names = call.unsecured.value;
  const warns = call.access.value === 'in-the-clear';
  return html`
    <${Dialog} title=${text.encryptedNote} onClose=${onClose}>
      <p>${privacyLine(warns ? 'node-decrypted' : call.access.value, [])}</p>
      ${warns && html`<p>${names.length === 0 ? text.inTheClearSomebody : text.inTheClear(names, 0)} ${text.inTheClearMeans}</p>`}
    <//>
  `;
}
