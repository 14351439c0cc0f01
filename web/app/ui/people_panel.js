/** The people in the meeting: who, how they joined, muted, speaking; hosts can mute, remove, call somebody, and lock the meeting. */
import { html, useLayoutEffect, useRef, useState } from '../view.js';
import { initials, inOrder } from '../call/roster.js';
import { strings } from '../strings.js';
import { CallDialog, TransferDialog } from './call_dialogs.js';
import { CallList } from './call_list.js';
import { RemoveDialog } from './dialogs.js';
import { Icon } from './icon.js';

const VIA_ICONS = { browser: 'globe', whip: 'broadcast', whep: 'eye', sip: 'phone' };

/** @param {{call: import('../call/call.js').Call, onClose: () => void}} props */
export function PeoplePanel({ call, onClose }) {
  const heading = useRef(null);
  /** @type {[import('../call/roster.js').Participant | null, Function]} */
  const [removing, setRemoving] = useState(null);
  /** @type {[import('../call/roster.js').Participant | null, Function]} */
  const [transferring, setTransferring] = useState(null);
  /** @type {[{to: string, name: string} | null, Function]} What a call begins with. */
  const [draft, setDraft] = useState(null);
  const callButton = useRef(null);
  useLayoutEffect(() => {
    const opener = document.activeElement;
    heading.current.focus();
    return () => opener instanceof HTMLElement && opener.focus();
  }, []);
  const onFocusLost = () => (callButton.current ?? heading.current).focus();
  // What the focus should go back to may have left the list while the form was open.
  useLayoutEffect(() => {
    if (draft === null && transferring === null && document.activeElement === document.body) onFocusLost();
  }, [draft, transferring]);
  const calls = call.hosting?.calls ?? null;
  const people = inOrder(call.participants.value, call.me);
  return html`
    <aside
      class="people"
      id="people"
      aria-labelledby="people-title"
      onKeyDown=${(event) => event.key === 'Escape' && onClose()}
    >
      <header class="panel-header">
        <h2 id="people-title" tabindex="-1" ref=${heading}>${strings.people.title(people.length)}</h2>
        <button type="button" class="icon-button" aria-label=${strings.controls.close} onClick=${onClose}>
          <${Icon} name="close" />
        </button>
      </header>
      ${call.hosting !== null &&
      html`<${HostActions}
        hosting=${call.hosting}
        locked=${call.locked.value}
        callButton=${callButton}
        onCall=${() => setDraft({ to: '', name: '' })}
      />`}
      ${calls !== null &&
      html`<${CallList} hosting=${call.hosting} people=${people} onAgain=${setDraft} onFocusLost=${onFocusLost} />`}
      <ul class="people-list">
        ${people.map(
          (person) => html`<${Person}
            key=${person.id}
            person=${person}
            call=${call}
            onRemove=${() => setRemoving(person)}
            onTransfer=${person.via === 'sip' && calls?.reach.value?.domains.length > 0 ? () => setTransferring(person) : null}
          />`,
        )}
      </ul>
    </aside>
    ${removing !== null &&
    html`<${RemoveDialog}
      name=${removing.name}
      onRemove=${() => void call.hosting.remove(removing.id)}
      onClose=${() => setRemoving(null)}
    />`}
    ${transferring !== null &&
    html`<${TransferDialog} hosting=${call.hosting} person=${transferring} onClose=${() => setTransferring(null)} />`}
    ${draft !== null && html`<${CallDialog} hosting=${call.hosting} draft=${draft} onClose=${() => setDraft(null)} />`}
  `;
}

/**
 * What a host does to all, and has done by the node where that can call.
 *
 * @param {{hosting: import('../call/hosting.js').Hosting, locked: boolean, callButton: {current: HTMLElement | null}, onCall: () => void}} props
 */
function HostActions({ hosting, locked, callButton, onCall }) {
  const text = strings.people;
  return html`
    <div class="people-actions">
      <button type="button" class="button button-small" onClick=${() => void hosting.muteGuests()}>
        <${Icon} name="mic-off" />${text.muteGuests}
      </button>
      <button type="button" class="button button-small" onClick=${() => void hosting.setLocked(!locked)}>
        <${Icon} name="door" />${locked ? text.unlock : text.lock}
      </button>
      ${hosting.calls.reach.value !== null &&
      html`<button type="button" class="button button-small" ref=${callButton} onClick=${onCall}>
        <${Icon} name="phone" />${text.callSomebody}
      </button>`}
    </div>
  `;
}

/**
 * @param {object} props
 * @param {import('../call/roster.js').Participant} props.person
 * @param {import('../call/call.js').Call} props.call
 * @param {() => void} props.onRemove
 * @param {(() => void) | null} props.onTransfer Null where nobody can have its device call elsewhere.
 */
function Person({ person, call, onRemove, onTransfer }) {
  const text = strings.people;
  const me = person.id === call.me;
  const hosting = call.hosting !== null && !me;
  return html`
    <li class=${person.speaking ? 'person person-speaking' : 'person'}>
      <span class="avatar" aria-hidden="true">${initials(person.name)}</span>
      <span class="person-name">
        <span>${me ? text.you(person.name) : person.name}</span>
        <small>
          <${Icon} name=${VIA_ICONS[person.via] ?? 'globe'} />${text.via[person.via] ?? person.via}
          ${person.role === 'host' && html`<span class="badge">${text.host}</span>`}
        </small>
      </span>
      <span class="person-state">
        ${person.secured === false && html`<${Mark} icon="lock-open" label=${text.unsecured} warns />`}
        ${person.sharing && html`<${Mark} icon="share" label=${text.sharing} />`}
        ${!person.camera && person.via === 'browser' && html`<${Mark} icon="camera-off" label=${text.cameraOff} />`}
        <${Voice} person=${person} onMute=${hosting ? () => void call.hosting.mute(person.id) : null} />
        ${onTransfer !== null &&
        html`<button type="button" class="icon-button" aria-label=${text.transferOther(person.name)} onClick=${onTransfer}>
          <${Icon} name="transfer" />
        </button>`}
        ${hosting &&
        html`<button type="button" class="icon-button" aria-label=${text.removeOther(person.name)} onClick=${onRemove}>
          <${Icon} name="remove" />
        </button>`}
      </span>
    </li>
  `;
}

/**
 * The state of somebody's sound; for a host, while it is on, the button that mutes it.
 *
 * @param {{person: import('../call/roster.js').Participant, onMute: (() => void) | null}} props
 */
function Voice({ person, onMute }) {
  const text = strings.people;
  const icon = person.speaking ? 'wave' : person.muted ? 'mic-off' : 'mic';
  const label = person.speaking ? text.speaking : person.muted ? text.muted : text.unmuted;
  if (onMute === null || person.muted) return html`<${Mark} icon=${icon} label=${label} />`;
  return html`
    <button type="button" class="icon-button" aria-label=${text.muteOther(person.name)} onClick=${onMute}>
      <${Icon} name=${icon} />
    </button>
  `;
}

/** @param {{icon: string, label: string, warns?: boolean}} props */
function Mark({ icon, label, warns = false }) {
  return html`<span class=${warns ? 'mark mark-warns' : 'mark'} title=${label}><${Icon} name=${icon} /><span class="visually-hidden">${label}</span></span>`;
}
