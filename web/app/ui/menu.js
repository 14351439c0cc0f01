/** A button with a menu above it: arrows move, Escape and a click elsewhere close, the focus comes back. */
import { html, useId, useLayoutEffect, useRef } from '../view.js';
import { Icon } from './icon.js';

/**
 * @typedef {object} MenuItem
 * @property {string} id
 * @property {string} label
 * @property {string} [hint]
 * @property {string} [icon]
 * @property {boolean} [checked] Given: the item is one of a choice.
 * @property {() => void} onSelect
 */

/**
 * @param {object} props
 * @param {string} props.label
 * @param {string} props.icon
 * @param {MenuItem[]} props.items
 * @param {import('../view.js').signal<boolean>} props.open
 */
export function MenuButton({ label, icon, items, open }) {
  const root = useRef(null);
  const button = useRef(null);
  const menuId = useId();
  const shown = open.value;

  // Before the next key can arrive: it belongs to the menu already.
  useLayoutEffect(() => {
    if (!shown) return undefined;
    const chosen = root.current.querySelector('[aria-checked="true"]') ?? root.current.querySelector('[role^="menuitem"]');
    chosen.focus();
    const onOutside = (event) => {
      if (!root.current.contains(event.target)) open.value = false;
    };
    document.addEventListener('pointerdown', onOutside);
    return () => document.removeEventListener('pointerdown', onOutside);
  }, [shown]);

  const close = () => {
    open.value = false;
    button.current.focus();
  };
  const onKeyDown = (event) => {
    if (!shown) return;
    const entries = [...root.current.querySelectorAll('[role^="menuitem"]')];
    const at = entries.indexOf(document.activeElement);
    const goal = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key];
    if (goal !== undefined) {
      entries.at(goal % entries.length).focus();
      event.preventDefault();
    } else if (event.key === 'Escape') {
      close();
      event.stopPropagation();
    } else if (event.key === 'Tab') {
      open.value = false;
    }
  };

  return html`
    <div class="menu-root" ref=${root} onKeyDown=${onKeyDown}>
      <button
        ref=${button}
        type="button"
        class="control"
        aria-haspopup="menu"
        aria-expanded=${String(shown)}
        aria-controls=${shown ? menuId : undefined}
        onClick=${() => (open.value = !shown)}
      >
        <${Icon} name=${icon} /><span>${label}</span>
      </button>
      ${shown &&
      html`
        <div class="menu" role="menu" id=${menuId} aria-label=${label}>
          ${items.map((item) => html`<${Item} key=${item.id} item=${item} close=${close} />`)}
        </div>
      `}
    </div>
  `;
}

/** @param {{item: MenuItem, close: () => void}} props */
function Item({ item, close }) {
  const choice = item.checked !== undefined;
  const select = () => {
    close();
    item.onSelect();
  };
  return html`
    <button
      type="button"
      tabindex="-1"
      role=${choice ? 'menuitemradio' : 'menuitem'}
      aria-checked=${choice ? String(item.checked) : undefined}
      onClick=${select}
    >
      <${Icon} name=${choice ? (item.checked ? 'check' : 'blank') : item.icon} />
      <span>${item.label}${item.hint && html`<small>${item.hint}</small>`}</span>
    </button>
  `;
}
