/** What stands above the picture while the link is down, or while oneself shares or speaks unheard. */
import { html, useEffect, useRef } from '../view.js';
import { announce } from '../notices.js';
import { strings } from '../strings.js';
import { useSecondsUntil } from './countdown.js';
import { Icon } from './icon.js';

/** @param {{link: import('../call/link.js').Link}} props */
export function LinkBanner({ link }) {
  const status = link.status.value;
  const wasDown = useRef(false);
  const down = status.phase === 'waiting' || status.phase === 'trying';
  useEffect(() => {
    if (down) announce(strings.reconnect.lost);
    else if (wasDown.current) announce(strings.reconnect.back);
    wasDown.current = down;
  }, [down]);
  if (!down) return null;
  const text = strings.reconnect;
  return html`
    <div class="banner banner-warning">
      <${Icon} name="alert" />
      <p><strong>${text.lost}.</strong> ${status.phase === 'trying' ? text.trying : html`<${Countdown} endMs=${status.retryAtMs} />`}</p>
      ${status.phase === 'waiting' &&
      html`<button type="button" class="button button-small" onClick=${() => link.retryNow()}>${text.now}</button>`}
    </div>
  `;
}

/** @param {{endMs: number}} props */
function Countdown({ endMs }) {
  return html`<span>${strings.reconnect.countdown(useSecondsUntil(endMs))}</span>`;
}

/** @param {{call: import('../call/call.js').Call}} props */
export function ShareBanner({ call }) {
  if (call.share.stream.value === null) return null;
  return html`
    <div class="banner">
      <${Icon} name="share" />
      <p>${strings.call.sharingSelf}</p>
      <button type="button" class="button button-small" onClick=${() => void call.toggleShare()}>
        ${strings.call.stopSharing}
      </button>
    </div>
  `;
}

/** @param {{call: import('../call/call.js').Call}} props */
export function MutedHint({ call }) {
  const talking = call.talking.value;
  const text = talking ? strings.call.talking : call.mutedHint.value ? strings.call.mutedHint : '';
  return html`
    <div role="status" class="muted-hint-place">
      ${text !== '' && html`<p class=${talking ? 'muted-hint muted-hint-open' : 'muted-hint'}><${Icon} name=${talking ? 'mic' : 'mic-off'} />${text}</p>`}
    </div>
  `;
}
