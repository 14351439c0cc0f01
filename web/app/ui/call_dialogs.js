/** What a host fills in to have somebody called, or the device of somebody in the meeting call elsewhere. */
import { html, useId, useLayoutEffect, useRef, useState } from '../view.js';
import { addressFrom, orderFrom, RING_S } from '../call/callee.js';
import { Problem } from '../net/api.js';
import { notify } from '../notices.js';
import { strings } from '../strings.js';
import { Dialog } from './dialog.js';
import { Icon } from './icon.js';

/** @typedef {{field: string | null, text: string}} Trouble `field`: the name of the input that it is about. */

/**
 * Somebody is called into the meeting.
 *
 * @param {{hosting: import('../call/hosting.js').Hosting, draft: {to: string, name: string}, onClose: () => void}} props
 *   `draft`: what the fields hold at first.
 */
export function CallDialog({ hosting, draft, onClose }) {
  const text = strings.calls;
  const reach = hosting.calls.reach.value;
  const form = useForm((fields) => orderFrom(fields, reach), (order) => hosting.beginCall(order), onClose);
  return html`
    <${Dialog} title=${text.title} onClose=${onClose}>
      <${Form} form=${form} go=${text.call} busy=${text.calling} onClose=${onClose}>
        <${AddressField} form=${form} reach=${reach} draft=${draft.to} />
        <${Field} form=${form} name="name" label=${text.name} hint=${text.nameHint} value=${draft.name} maxlength="64" />
        <fieldset class="choice">
          <legend>${text.role}</legend>
          <div class="segments">
            ${Object.entries(text.roles).map(
              ([value, label]) => html`
                <label class="segment">
                  <input type="radio" name="role" value=${value} defaultChecked=${value === 'guest'} />
                  <span>${label}</span>
                </label>
              `,
            )}
          </div>
        </fieldset>
        <${Rarely} form=${form} />
      <//>
    <//>
  `;
}

/**
 * The device of a participant calls elsewhere, and its participant goes.
 *
 * @param {{hosting: import('../call/hosting.js').Hosting, person: import('../call/roster.js').Participant, onClose: () => void}} props
 */
export function TransferDialog({ hosting, person, onClose }) {
  const text = strings.calls;
  // Its device does not know those that are registered here.
  const reach = { ...hosting.calls.reach.value, deviceHost: null };
  const read = ({ to }) => {
    const address = addressFrom(to, reach);
    return address === null ? { fault: 'to' } : { order: address };
  };
  const form = useForm(read, (to) => hosting.transfer(person.id, to), onClose);
  return html`
    <${Dialog} title=${text.transferTitle(person.name)} onClose=${onClose}>
      <${Form} form=${form} go=${text.transfer} busy=${text.transferring} onClose=${onClose}>
        <p class="lead">${text.transferLead}</p>
        <${AddressField} form=${form} reach=${reach} draft="" />
      <//>
    <//>
  `;
}

/**
 * A form that is read, sent, and done with; what is wrong is said at the field that it is about, which gets the focus, or at the end.
 *
 * @template Order
 * @param {(fields: Record<string, string>) => {order: Order} | {fault: string}} read
 * @param {(order: Order) => Promise<unknown>} send Rejects with a `Problem`.
 * @param {() => void} onDone
 */
function useForm(read, send, onDone) {
  const element = useRef(null);
  const [busy, setBusy] = useState(false);
  /** @type {[Trouble | null, Function]} */
  const [trouble, setTrouble] = useState(null);
  useLayoutEffect(() => {
    const input = element.current?.elements[trouble?.field];
    const fold = input?.closest('details');
    if (fold) fold.open = true;
    if (input) input.focus();
    else element.current?.querySelector('.trouble')?.scrollIntoView({ block: 'nearest' });
  }, [trouble]);

  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    const { order, fault } = read(Object.fromEntries(new FormData(element.current)));
    if (fault !== undefined) {
      setTrouble({ field: fault, text: faultText(fault) });
      return;
    }
    setBusy(true);
    setTrouble(null);
    const problem = await send(order).then(() => null, troubleOf);
    if (element.current === null) {
      // Closed meanwhile: nobody reads the form any more.
      if (problem !== null) notify(problem.text, 'warning');
    } else if (problem === null) {
      onDone();
    } else {
      setBusy(false);
      setTrouble(problem);
    }
  };
  return { element, busy, trouble, submit };
}

/** @param {{form: ReturnType<typeof useForm>, go: string, busy: string, onClose: () => void, children: any}} props */
function Form({ form, go, busy, onClose, children }) {
  return html`
    <form class="form" ref=${form.element} novalidate autocomplete="off" onSubmit=${form.submit}>
      ${children}
      <div class="form-end">
        <div class="troubles" role="alert">
          ${form.trouble?.field === null && html`<p class="trouble"><${Icon} name="alert" />${form.trouble.text}</p>`}
        </div>
        <div class="dialog-actions">
          <button type="button" class="button" onClick=${onClose}>${strings.people.cancel}</button>
          <button type="submit" class="button button-primary" aria-disabled=${String(form.busy)}>${form.busy ? busy : go}</button>
        </div>
      </div>
    </form>
  `;
}

/** Whom to call, what will be dialled, and who can be. */
function AddressField({ form, reach, draft }) {
  const text = strings.calls;
  const [typed, setTyped] = useState(draft);
  const address = typed === '' ? null : addressFrom(typed, reach);
  const dialled = address?.slice('sip:'.length);
  const isPlain = address === null || [address, dialled].includes(typed.trim()) || form.trouble?.field === 'to';
  return html`
    <${Field}
      form=${form}
      name="to"
      label=${text.to}
      hint=${isPlain ? text.allowed(reach) : text.dials(dialled)}
      value=${draft}
      maxlength="320"
      autofocus
      autocapitalize="none"
      spellcheck=${false}
      onInput=${(event) => setTyped(event.currentTarget.value)}
    />
  `;
}

/** What most calls do without. */
function Rarely({ form }) {
  const text = strings.calls;
  return html`
    <details class="disclosure">
      <summary>${text.more}<${Icon} name="chevron" /></summary>
      <div class="form">
        <${Field} form=${form} name="ring_s" label=${text.ring} value=${String(RING_S.usual)} inputmode="numeric" maxlength="3" />
        <${Field} form=${form} name="dtmf" label=${text.keys} hint=${text.keysHint} value="" maxlength="130" inputmode="text" autocapitalize="characters" />
      </div>
    </details>
  `;
}

/** One input with its label, and what is to be known of it. */
function Field({ form, name, label, hint, value, ...more }) {
  const id = useId();
  const isWrong = form.trouble?.field === name;
  const described = [hint && `${id}-hint`, isWrong && `${id}-trouble`].filter(Boolean).join(' ');
  return html`
    <div class="entry">
      <label class="field">
        <span>${label}</span>
        <input name=${name} defaultValue=${value} aria-invalid=${String(isWrong)} aria-describedby=${described || undefined} ...${more} />
      </label>
      ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
      <div class="troubles" role="alert">
        ${isWrong && html`<p class="trouble" id=${`${id}-trouble`}><${Icon} name="alert" />${form.trouble.text}</p>`}
      </div>
    </div>
  `;
}

/** @param {string} fault @returns {string} */
const faultText = (fault) => (fault === 'ring_s' ? strings.callFaults.ring_s(RING_S.min, RING_S.max) : strings.callFaults[fault]);

/**
 * @param {unknown} problem
 * @returns {Trouble}
 */
export function troubleOf(problem) {
  if (!(problem instanceof Problem)) throw problem;
  const text = strings.callFaults;
  switch (problem.code) {
    case 'call-refused':
      return problem.status === 429 ? { field: null, text: text.tooMany(Math.max(1, problem.retryAfterS)) } : { field: 'to', text: text.refused };
    case 'bad-request': {
      // It names the field first.
      const field = /^(to|name|dtmf|ring_s): /.exec(problem.message)?.[1] ?? null;
      return { field, text: field === null ? text.unknown : faultText(field) };
    }
    case 'not-found':
      return { field: null, text: text.notThere };
    case 'overloaded':
    case 'room-full':
      return { field: null, text: text.overloaded };
    case 'unreachable':
      return { field: null, text: strings.problems.unreachable };
    default:
      return { field: null, text: text.unknown };
  }
}
