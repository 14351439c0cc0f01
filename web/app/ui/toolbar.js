/** The controls of the call. On a narrow screen the rarer ones fold into one menu. */
import { html } from '../view.js';
import { camera } from '../media/local.js';
import { canShareScreen } from '../media/devices.js';
import { strings } from '../strings.js';
import { Icon } from './icon.js';
import { MenuButton } from './menu.js';

/** A mouse click leaves the focus where it was, so that the space bar stays free for talking. */
const keepFocus = (event) => event.preventDefault();

/**
 * @param {object} props
 * @param {string} props.icon
 * @param {string} props.label
 * @param {() => void} props.onClick
 * @param {boolean} [props.pressed]
 * @param {boolean} [props.expanded]
 * @param {string} [props.tone]
 */
function Control({ icon, label, onClick, pressed, expanded, tone = '' }) {
  return html`
    <button
      type="button"
      class=${`control ${tone}`}
      aria-pressed=${pressed === undefined ? undefined : String(pressed)}
      aria-expanded=${expanded === undefined ? undefined : String(expanded)}
      onMouseDown=${keepFocus}
      onClick=${onClick}
    >
      <${Icon} name=${icon} /><span>${label}</span>
    </button>
  `;
}

/** @param {{call: import('../call/call.js').Call, panels: import('./panels.js').Panels}} props */
export function Toolbar({ call, panels }) {
  const text = strings.controls;
  const quiet = call.muted.value && !call.talking.value;
  const filming = camera.track.value !== null;
  const sharing = call.share.stream.value !== null;
  const rare = [
    { id: 'settings', icon: 'settings', label: text.settings, onSelect: () => panels.show('settings') },
    { id: 'fullscreen', icon: 'fullscreen', label: text.fullscreen, onSelect: () => panels.toggleFullscreen() },
    { id: 'help', icon: 'keyboard', label: text.help, onSelect: () => panels.show('help') },
  ];
  return html`
    <nav class="toolbar" id="controls" tabindex="-1" aria-label=${strings.call.controls}>
      <${Control}
        icon=${quiet ? 'mic-off' : 'mic'}
        label=${text.mute}
        pressed=${quiet}
        tone="control-warns"
        onClick=${() => void call.toggleMute()}
      />
      <${Control}
        icon=${filming ? 'camera' : 'camera-off'}
        label=${text.camera}
        pressed=${filming}
        tone="control-quiet"
        onClick=${() => void call.toggleCamera()}
      />
      ${canShareScreen() &&
      html`<${Control} icon="share" label=${text.share} pressed=${sharing} onClick=${() => void call.toggleShare()} />`}
      <${MenuButton} icon="layout" label=${text.layout} open=${panels.layoutMenu} items=${layoutItems(call)} />
      <${Control} icon="people" label=${text.people} expanded=${panels.people.value} onClick=${() => panels.togglePeople()} />
      <div class="wide-only">
        ${rare.map(
          ({ id, icon, label, onSelect }) => html`<${Control} key=${id} icon=${icon} label=${label} onClick=${onSelect} />`,
        )}
      </div>
      <div class="narrow-only">
        <${MenuButton} icon="more" label=${text.more} open=${panels.moreMenu} items=${rare} />
      </div>
      <${Control} icon="leave" label=${text.leave} tone="control-leave" onClick=${() => call.leave()} />
    </nav>
  `;
}

/** @param {import('../call/call.js').Call} call */
function layoutItems(call) {
  return Object.entries(strings.layouts).map(([id, label]) => ({
    id,
    label,
    hint: strings.layoutHints[id],
    checked: call.layout.value === id,
    onSelect: () => call.setLayout(id),
  }));
}
