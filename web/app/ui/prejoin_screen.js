/** Before joining: see and hear oneself, choose devices, say who one is. Nothing is opened until it is chosen. */
import { html, useLayoutEffect, useRef, useState } from '../view.js';
import * as api from '../net/api.js';
import { ECHO_ALIAS, addressOf } from '../address.js';
import { camera, microphone } from '../media/local.js';
import { overlayPossible } from '../media/overlay.js';
import { settings } from '../settings.js';
import { strings } from '../strings.js';
import { CameraView } from './camera_view.js';
import { DevicePickers } from './device_picker.js';
import { Icon } from './icon.js';
import { LevelMeter } from './level_meter.js';
import { useCountdown } from './countdown.js';

/** @param {{alias: string, onJoined: (joined: api.Joined) => void}} props */
export function PrejoinScreen({ alias, onJoined }) {
  const echo = alias === ECHO_ALIAS;
  const text = strings.prejoin;
  return html`
    <a class="skip-link" href="#join-form">${text.skip}</a>
    <main class="page">
      <div class="prejoin">
        <header class="prejoin-header">
          <h1>${echo ? text.echoTitle : text.title}</h1>
          <p class="lead">${echo ? text.echoLead : text.lead(alias)}</p>
        </header>
        <${Preview} />
        <${JoinForm} alias=${alias} echo=${echo} onJoined=${onJoined} />
      </div>
    </main>
  `;
}

/** The own picture and sound, their switches and their troubles. */
function Preview() {
  const text = strings.prejoin;
  return html`
    <section class="preview-side" aria-label=${text.preview}>
      <div class="preview">
        ${camera.track.value !== null
          ? html`<${CameraView} label=${text.preview} />`
          : html`<p class="preview-off">
              <${Icon} name="camera-off" />${camera.starting.value ? text.cameraStarting : text.cameraOff}
            </p>`}
        <div class="preview-controls">
          <${SourceToggle} source=${microphone} icon="mic" label=${strings.devices.microphone} />
          <${SourceToggle} source=${camera} icon="camera" label=${strings.devices.camera} />
        </div>
      </div>
      <div class="meter-row">
        <${Icon} name=${microphone.track.value === null ? 'mic-off' : 'mic'} />
        <${LevelMeter} />
        <span class="hint">${microphone.track.value === null ? text.micOff : text.micQuiet}</span>
      </div>
      <div class="troubles">
        <${MediaTrouble} source=${camera} what="camera" />
        <${MediaTrouble} source=${microphone} what="microphone" />
      </div>
      <details class="disclosure">
        <summary><${Icon} name="settings" />${text.devices}<${Icon} name="chevron" /></summary>
        <${DevicePickers} />
      </details>
    </section>
  `;
}

/** @param {{source: import('../media/local.js').camera, icon: string, label: string}} props */
function SourceToggle({ source, icon, label }) {
  const on = source.track.value !== null || source.starting.value;
  return html`
    <button
      type="button"
      class="toggle"
      aria-pressed=${String(on)}
      onClick=${() => (on ? source.stop() : void source.start())}
    >
      <${Icon} name=${on ? icon : `${icon}-off`} /><span>${label}</span>
    </button>
  `;
}

/** @param {{source: import('../media/local.js').camera, what: 'camera'|'microphone'}} props */
function MediaTrouble({ source, what }) {
  const reason = source.error.value;
  return html`<div role="alert">
    ${reason !== null && html`<p class="trouble"><${Icon} name="alert" />${strings.mediaErrors[reason](what)}</p>`}
  </div>`;
}

/** @param {{alias: string, echo: boolean, onJoined: (joined: api.Joined) => void}} props */
function JoinForm({ alias, echo, onJoined }) {
  const text = strings.prejoin;
  const [pin, setPin] = useState('');
  const [busy, setBusy] = useState(false);
  /** @type {[{field: 'name'|'pin'|null, text: string, waitS: number} | null, Function]} */
  const [error, setError] = useState(null);
  const waitS = useCountdown(error?.waitS ?? 0);
  const nameInput = useRef(null);
  const pinInput = useRef(null);
  useLayoutEffect(() => {
    if (error?.field === 'name') nameInput.current.focus();
    if (error?.field === 'pin') pinInput.current?.focus();
  }, [error]);

  const submit = async (event) => {
    event.preventDefault();
    const displayName = settings.name.peek().trim();
    if (displayName === '') return setError({ field: 'name', text: text.nameMissing, waitS: 0 });
    if (!echo && pin === '') return setError({ field: 'pin', text: text.pinMissing, waitS: 0 });
    if (busy || waitS > 0) return undefined;
    setBusy(true);
    setError(null);
    try {
      onJoined(await api.join(alias, { displayName, pin, overlay: overlayPossible() }));
    } catch (problem) {
      setBusy(false);
      setError(errorOf(problem));
    }
    return undefined;
  };

  return html`
    <form class="form card" id="join-form" tabindex="-1" novalidate onSubmit=${submit}>
      <label class="field">
        <span>${text.name}</span>
        <input
          ref=${nameInput}
          name="name"
          required
          maxlength="64"
          autocomplete="name"
          value=${settings.name.value}
          aria-invalid=${String(error?.field === 'name')}
          aria-describedby="join-error"
          onInput=${(event) => (settings.name.value = event.currentTarget.value)}
        />
      </label>
      ${!echo &&
      html`
        <label class="field">
          <span>${text.pin}</span>
          <input
            ref=${pinInput}
            required
            maxlength="32"
            inputmode="numeric"
            autocomplete="off"
            value=${pin}
            aria-invalid=${String(error?.field === 'pin')}
            aria-describedby="pin-hint join-error"
            onInput=${(event) => setPin(event.currentTarget.value)}
          />
        </label>
        <p class="hint" id="pin-hint">${text.pinHint}</p>
      `}
      <div id="join-error" class="troubles" role="alert">
        ${error !== null &&
        html`<p class="trouble"><${Icon} name="alert" />${error.waitS > 0 ? waitText(error.waitS) : error.text}</p>`}
      </div>
      ${error?.waitS > 0 &&
      html`<p class="hint countdown" aria-hidden="true">
        ${waitS > 0 ? waitText(waitS) : strings.problems['too-many-requests-over']}
      </p>`}
      <button class="button button-primary" type="submit" aria-disabled=${String(busy || waitS > 0)}>
        ${busy ? text.joining : text.join}
      </button>
      ${!echo && html`<p class="aside"><a href=${addressOf(ECHO_ALIAS)}>${text.echoLink}</a></p>`}
    </form>
  `;
}

/** @param {number} seconds */
const waitText = (seconds) => strings.problems['too-many-requests'](seconds);

/** @param {unknown} problem @returns {{field: 'pin'|null, text: string, waitS: number}} */
function errorOf(problem) {
  if (!(problem instanceof api.Problem)) throw problem;
  if (problem.code === 'too-many-requests') return { field: null, text: '', waitS: Math.max(1, problem.retryAfterS) };
  const text = strings.problems[problem.code];
  return {
    field: problem.code === 'join-refused' ? 'pin' : null,
    text: typeof text === 'string' ? text : strings.problems.unknown,
    waitS: 0,
  };
}
