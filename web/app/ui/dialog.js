/** A modal dialog: the browser's own, which keeps the focus inside and gives it back. */
import { html, useId, useLayoutEffect, useRef } from '../view.js';
import { strings } from '../strings.js';
import { Icon } from './icon.js';

/** @param {{title: string, onClose: () => void, children: any}} props Shown while it is rendered. */
export function Dialog({ title, onClose, children }) {
  const element = useRef(null);
  const id = useId();
  useLayoutEffect(() => {
    const dialog = element.current;
    const opener = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  // The element itself is what lies behind the panel. Text that is selected out to there begins inside, and closes nothing.
  const pressedBehind = useRef(false);
  const isBehind = (event) => event.target === element.current;
  return html`
    <dialog
      ref=${element}
      class="dialog"
      aria-labelledby=${id}
      onPointerDown=${(event) => (pressedBehind.current = isBehind(event))}
      onClick=${(event) => isBehind(event) && pressedBehind.current && onClose()}
      onCancel=${(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div class="dialog-panel">
        <div class="panel-header">
          <h2 id=${id}>${title}</h2>
          <button type="button" class="icon-button" aria-label=${strings.controls.close} onClick=${onClose}>
            <${Icon} name="close" />
          </button>
        </div>
        ${children}
      </div>
    </dialog>
  `;
}
