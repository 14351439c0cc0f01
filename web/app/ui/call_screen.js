/** The call: header, pictures, controls, and the panels over them. */
import { html, useLayoutEffect, useRef, useState } from '../view.js';
import { strings } from '../strings.js';
import { HelpDialog, SettingsDialog } from './dialogs.js';
import { Icon } from './icon.js';
import { LinkBanner, MutedHint, ShareBanner } from './link_banner.js';
import { MixSound } from './mix_sound.js';
import { Panels } from './panels.js';
import { PeoplePanel } from './people_panel.js';
import { PrivacyBadge, PrivacyDialog } from './privacy.js';
import { QualityBadge } from './quality_badge.js';
import { Stage } from './stage.js';
import { Toolbar } from './toolbar.js';
import { useShortcuts } from './shortcuts.js';

/** @param {{call: import('../call/call.js').Call}} props */
export function CallScreen({ call }) {
  const [panels] = useState(() => new Panels());
  const heading = useRef(null);
  useShortcuts(call, panels);
  useLayoutEffect(() => heading.current.focus(), []);
  const people = panels.people.value;
  return html`
    <a class="skip-link" href="#controls">${strings.call.skipControls}</a>
    ${people && html`<a class="skip-link" href="#people-title">${strings.call.skipPeople}</a>`}
    <div class=${people ? 'call call-with-people' : 'call'}>
      <header class="call-header">
        <h1 tabindex="-1" ref=${heading}>${call.room.name}</h1>
        ${call.waiting.value && html`<p class="host-awaited" title=${strings.call.waitingMeans}>${strings.call.waiting}</p>`}
        ${call.locked.value &&
        html`<p class="locked" title=${strings.call.lockedMeans}><${Icon} name="door" />${strings.call.locked}</p>`}
        <${PrivacyBadge} call=${call} onClick=${() => panels.show('privacy')} />
        <${QualityBadge} call=${call} />
      </header>
      <main class="call-main" aria-label=${strings.call.stage}>
        <${LinkBanner} link=${call.link} />
        <${ShareBanner} call=${call} />
        <${Stage} call=${call} />
        <${MutedHint} call=${call} />
        <${MixSound} call=${call} />
      </main>
      ${people && html`<${PeoplePanel} call=${call} onClose=${() => panels.togglePeople()} />`}
      <${Toolbar} call=${call} panels=${panels} />
    </div>
    <${CallDialog} call=${call} panels=${panels} />
  `;
}

/** @param {{call: import('../call/call.js').Call, panels: Panels}} props */
function CallDialog({ call, panels }) {
  const onClose = () => panels.close();
  switch (panels.dialog.value) {
    case 'settings':
      return html`<${SettingsDialog} onClose=${onClose} />`;
    case 'help':
      return html`<${HelpDialog} onClose=${onClose} />`;
    case 'privacy':
      return html`<${PrivacyDialog} call=${call} onClose=${onClose} />`;
    default:
      return null;
  }
}
