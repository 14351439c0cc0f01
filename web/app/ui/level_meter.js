/** The microphone's level as a bar; redrawn by the signal alone, without its parents. */
import { html, useRef, useSignalEffect } from '../view.js';
import { ownLevel } from '../media/local.js';
import { strings } from '../strings.js';

export function LevelMeter() {
  const bar = useRef(null);
  useSignalEffect(() => bar.current?.style.setProperty('--level', ownLevel.value.toFixed(2)));
  return html`<div class="meter" role="img" aria-label=${strings.prejoin.level}><span class="meter-bar" ref=${bar} /></div>`;
}
