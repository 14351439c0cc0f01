/** The dialogs of the call: settings, keyboard shortcuts, removing somebody. */
import { html, useId } from '../view.js';
import { settings } from '../settings.js';
import { strings } from '../strings.js';
import { DevicePickers } from './device_picker.js';
import { Dialog } from './dialog.js';

/** @param {{onClose: () => void}} props */
export function SettingsDialog({ onClose }) {
  const text = strings.settings;
  const hintId = useId();
  return html`
    <${Dialog} title=${text.title} onClose=${onClose}>
      <h3>${text.devices}</h3>
      <${DevicePickers} meter />
      <h3>${text.appearance}</h3>
      <fieldset class="segments">
        <legend class="visually-hidden">${text.theme}</legend>
        ${Object.entries(text.themes).map(
          ([theme, label]) => html`
            <label class="segment">
              <input
                type="radio"
                name="theme"
                value=${theme}
                checked=${settings.theme.value === theme}
                onChange=${() => (settings.theme.value = theme)}
              />
              <span>${label}</span>
            </label>
          `,
        )}
      </fieldset>
      <label class="check">
        <input
          type="checkbox"
          checked=${settings.shortcuts.value === 'on'}
          aria-describedby=${hintId}
          onChange=${(event) => (settings.shortcuts.value = event.currentTarget.checked ? 'on' : 'off')}
        />
        <span>${text.shortcuts}</span>
      </label>
      <p class="hint" id=${hintId}>${text.shortcutsHint}</p>
    <//>
  `;
}

/** @param {{onClose: () => void}} props */
export function HelpDialog({ onClose }) {
  return html`
    <${Dialog} title=${strings.help.title} onClose=${onClose}>
      <dl class="keys">
        ${strings.help.rows.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}
      </dl>
      ${settings.shortcuts.value !== 'on' && html`<p class="hint">${strings.help.off}</p>`}
    <//>
  `;
}

/** @param {{name: string, onRemove: () => void, onClose: () => void}} props */
export function RemoveDialog({ name, onRemove, onClose }) {
  const text = strings.people;
  const remove = () => {
    onRemove();
    onClose();
  };
  return html`
    <${Dialog} title=${text.removeAsk(name)} onClose=${onClose}>
      <div class="dialog-actions">
        <button type="button" class="button" onClick=${onClose}>${text.cancel}</button>
        <button type="button" class="button button-danger" onClick=${remove}>${text.remove}</button>
      </div>
    <//>
  `;
}
