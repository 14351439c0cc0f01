/** Toasts, and the one polite live region that reads out what happens. */
import { html } from '../view.js';
import { announcement, dismiss, toasts } from '../notices.js';
import { strings } from '../strings.js';
import { Icon } from './icon.js';

export function Announcer() {
  const { id, text } = announcement.value;
  return html`
    <div class="visually-hidden" role="status" aria-live="polite"><span key=${id}>${text}</span></div>
    <section class="toasts" aria-label=${strings.call.notices}>
      ${toasts.value.map(
        (toast) => html`
          <div class=${`toast toast-${toast.tone}`} key=${toast.id}>
            <${Icon} name=${toast.tone === 'warning' ? 'alert' : 'info'} />
            <p>${toast.text}</p>
            <button type="button" class="icon-button" aria-label=${strings.controls.close} onClick=${() => dismiss(toast.id)}>
              <${Icon} name="close" />
            </button>
          </div>
        `,
      )}
    </section>
  `;
}
