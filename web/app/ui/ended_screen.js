/** After a meeting: why it ended, and the way back. */
import { html, useLayoutEffect, useRef } from '../view.js';
import { strings } from '../strings.js';
import { useCountdown } from './countdown.js';
import { Icon } from './icon.js';

/** @param {{end: {reason: string, retryAfterS: number}, onRejoin: () => void}} props */
export function EndedScreen({ end, onRejoin }) {
  const heading = useRef(null);
  const waitS = useCountdown(end.retryAfterS);
  useLayoutEffect(() => heading.current.focus(), []);
  const { ended, problems } = strings;
  const title = ended[end.reason];
  const known = typeof title === 'string';
  return html`
    <main class="page page-narrow">
      <div class="card card-centred">
        <span class="brand"><${Icon} name=${end.reason === 'left' ? 'leave' : 'alert'} /></span>
        <h1 tabindex="-1" ref=${heading}>${known ? title : ended['room-deleted']}</h1>
        <p class="lead">${known ? ended.leads[end.reason] : (problems[end.reason] ?? problems.unknown)}</p>
        ${waitS > 0 && html`<p class="hint">${ended.wait(waitS)}</p>`}
        <button class="button button-primary" type="button" onClick=${onRejoin}>${ended.rejoin}</button>
      </div>
    </main>
  `;
}
