/** Network quality: three bars, a word for who does not see them, figures on demand. */
import { html } from '../view.js';
import { qualityOf } from '../net/quality.js';
import { strings } from '../strings.js';

const BARS = { unknown: 0, poor: 1, fair: 2, good: 3 };

/** @param {{call: import('../call/call.js').Call}} props */
export function QualityBadge({ call }) {
  const measured = call.measured.value;
  const quality = qualityOf(measured);
  const text = strings.quality;
  const detail = measured === null ? '' : `. ${text.detail(measured)}`;
  const low = measured?.rateClass === 'low' ? `. ${text.lowClass}` : '';
  const label = `${text.label}: ${text[quality]}${detail}${low}`;
  return html`
    <span class=${`quality quality-${quality}`} role="img" aria-label=${label} title=${label}>
      ${[1, 2, 3].map((bar) => html`<span class=${bar <= BARS[quality] ? 'bar bar-lit' : 'bar'} />`)}
    </span>
  `;
}
