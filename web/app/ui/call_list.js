/** Calls that are under way, and those that came to nothing until they are dismissed: for hosts, above the people. */
import { html, useLayoutEffect, useRef } from '../view.js';
import { addressShown } from '../call/callee.js';
import { calleeOf, stateOf } from '../call/calls.js';
import { strings } from '../strings.js';
import { Icon } from './icon.js';

/**
 * @param {object} props
 * @param {import('../call/hosting.js').Hosting} props.hosting
 * @param {import('../call/roster.js').Participant[]} props.people
 * @param {(draft: {to: string, name: string}) => void} props.onAgain
 * @param {() => void} props.onFocusLost What had the focus has gone from the list.
 */
export function CallList({ hosting, people, onAgain, onFocusLost }) {
  const list = useRef(null);
  const calls = hosting.calls.shown.value;
  const hadFocus = list.current?.contains(document.activeElement) ?? false;
  useLayoutEffect(() => {
    if (hadFocus && document.activeElement === document.body) onFocusLost();
  });
  if (calls.length === 0) return null;
  return html`
    <ul class="call-list" ref=${list} aria-label=${strings.calls.list}>
      ${calls.map(
        (call) => html`<${CallRow}
          key=${call.id}
          call=${call}
          mover=${people.find(({ id }) => id === call.transfers)?.name}
          hosting=${hosting}
          onAgain=${onAgain}
        />`,
      )}
    </ul>
  `;
}

/**
 * @param {object} props As of the list, and:
 * @param {import('../call/calls.js').OutgoingCall} props.call
 * @param {string} [props.mover] Who goes, of a transfer.
 */
function CallRow({ call, mover, hosting, onAgain }) {
  const text = strings.calls;
  const callee = calleeOf(call);
  const address = addressShown(call.to);
  const isTransfer = call.transfers !== undefined;
  const failed = call.state === 'failed';
  return html`
    <li class=${failed ? 'call-row call-row-failed' : 'call-row'}>
      <span class="avatar" aria-hidden="true"><${Icon} name=${isTransfer ? 'transfer' : 'phone'} /></span>
      <span class="call-words">
        <span>${mover === undefined ? callee : text.moves(mover, callee)}</span>
        ${address !== callee && html`<small class="call-address" title=${address}>${address}</small>`}
        <small class="call-state">${stateOf(call)}</small>
      </span>
      <span class="person-state">
        ${!failed &&
        !isTransfer &&
        html`<button
          type="button"
          class="button button-small"
          aria-label=${text.callOffOther(callee)}
          onClick=${() => void hosting.callOff(call.id)}
        >
          ${text.callOff}
        </button>`}
        ${failed &&
        !isTransfer &&
        html`<button
          type="button"
          class="icon-button"
          aria-label=${text.again(callee)}
          onClick=${() => onAgain({ to: call.to.replace(/^sip:/, ''), name: call.name ?? '' })}
        >
          <${Icon} name="phone" />
        </button>`}
        ${failed &&
        html`<button type="button" class="icon-button" aria-label=${text.dismiss(callee)} onClick=${() => hosting.calls.dismiss(call.id)}>
          <${Icon} name="close" />
        </button>`}
      </span>
    </li>
  `;
}
