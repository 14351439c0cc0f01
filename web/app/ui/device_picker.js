/** Choosing a camera, a microphone and a loudspeaker: the same before and during the call. */
import { html, useId } from '../view.js';
import { canChooseSpeaker } from '../media/devices.js';
import { camera, devices, microphone } from '../media/local.js';
import { settings } from '../settings.js';
import { strings } from '../strings.js';
import { Icon } from './icon.js';
import { LevelMeter } from './level_meter.js';

/**
 * @param {object} props
 * @param {string} props.icon
 * @param {string} props.label
 * @param {import('../media/devices.js').Device[]} props.choices
 * @param {string} props.chosen
 * @param {(id: string) => void} props.onChoose
 */
function Picker({ icon, label, choices, chosen, onChoose }) {
  const id = useId();
  const known = choices.some((device) => device.id === chosen);
  return html`
    <div class="picker">
      <label for=${id}><${Icon} name=${icon} />${label}</label>
      <span class="select">
        <select id=${id} value=${known ? chosen : ''} onChange=${(event) => onChoose(event.currentTarget.value)}>
          <option value="">${strings.devices.systemDefault}</option>
          ${choices.map(
            (device, index) =>
              html`<option value=${device.id}>${device.label || strings.devices.unnamed(label, index + 1)}</option>`,
          )}
        </select>
        <${Icon} name="chevron" />
      </span>
    </div>
  `;
}

/** @param {{meter?: boolean}} props With the microphone's level, where the screen does not show it already. */
export function DevicePickers({ meter = false }) {
  const { camera: cameras, microphone: microphones, speaker: speakers } = devices.list.value;
  return html`
    <div class="pickers">
      <${Picker}
        icon="camera"
        label=${strings.devices.camera}
        choices=${cameras}
        chosen=${settings.camera.value}
        onChoose=${(id) => void camera.choose(id)}
      />
      <${Picker}
        icon="mic"
        label=${strings.devices.microphone}
        choices=${microphones}
        chosen=${settings.microphone.value}
        onChoose=${(id) => void microphone.choose(id)}
      />
      ${meter && html`<${LevelMeter} />`}
      ${canChooseSpeaker()
        ? html`<${Picker}
            icon="speaker"
            label=${strings.devices.speaker}
            choices=${speakers}
            chosen=${settings.speaker.value}
            onChoose=${(id) => (settings.speaker.value = id)}
          />`
        : html`<p class="hint">${strings.settings.speakerUnsupported}</p>`}
    </div>
  `;
}
