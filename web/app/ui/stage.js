/** The pictures: the mix with the own camera painted over its tile, and what somebody shares. */
import { html, useEffect, useRef, useState } from '../view.js';
import { ECHO_ALIAS } from '../address.js';
import { camera } from '../media/local.js';
import { OverlayPainter } from '../media/overlay.js';
import { logFrame } from '../debug.js';
import { strings } from '../strings.js';
import { CameraView } from './camera_view.js';
import { Icon } from './icon.js';

/** @param {{call: import('../call/call.js').Call}} props */
export function Stage({ call }) {
  const [beside, setBeside] = useState(false);
  const content = call.contentShown.value;
  const sharer = call.participants.value.find(({ id }) => id === call.floor.value);
  const arrangement = !content ? 'stage-mix' : beside ? 'stage-beside' : 'stage-content';
  return html`
    <div class=${`stage ${arrangement}`}>
      ${content &&
      html`
        <div class="pane pane-content">
          <${ContentPicture} call=${call} />
          <p class="pane-label"><${Icon} name="share" />${strings.call.sharingOther(sharer?.name ?? '')}</p>
          <button
            type="button"
            class="pane-button icon-button"
            aria-pressed=${String(beside)}
            aria-label=${strings.call.viewBeside}
            title=${strings.call.viewBeside}
            onClick=${() => setBeside(!beside)}
          >
            <${Icon} name="split" />
          </button>
        </div>
      `}
      <${MixPicture} call=${call} key="mix" />
    </div>
  `;
}

/** @param {{call: import('../call/call.js').Call}} props */
function MixPicture({ call }) {
  const video = useRef(null);
  const overlay = useRef(null);
  const painter = useRef(null);
  const [playing, setPlaying] = useState(false);
  const peer = call.peer.value;
  const filming = camera.track.value !== null;

  useEffect(() => {
    painter.current = new OverlayPainter({
      video: video.current,
      overlay: overlay.current,
      layouts: call.layouts,
      onFrame: logFrame,
      onUnable: () => call.giveUpOverlay(),
    });
    return () => painter.current.close();
  }, [call]);
  useEffect(() => painter.current.setCamera(filming), [filming, call]);
  useStream(video, peer, 'video');

  const people = call.participants.value.length;
  const echo = call.room.alias === ECHO_ALIAS;
  return html`
    <div class="pane pane-mix">
      <video
        ref=${video}
        class="picture"
        aria-label=${strings.call.mix}
        autoplay
        muted
        playsinline
        onLoadedData=${() => setPlaying(true)}
      />
      <div class="own-tile" ref=${overlay}>
        <${CameraView} label=${strings.call.own} />
        <p class="own-name">
          ${call.muted.value && !call.talking.value && html`<${Icon} name="mic-off" />`}${strings.call.you}
        </p>
      </div>
      ${!playing &&
      html`<p class="waiting">
        <span class="spinner" aria-hidden="true" />
        ${call.link.status.value.phase === 'connecting' ? strings.call.connecting : strings.call.waitingPicture}
      </p>`}
      ${playing && people === 1 && !call.waiting.value && html`<p class="pane-note">${echo ? strings.call.echo : strings.call.alone}</p>`}
    </div>
  `;
}

/** @param {{call: import('../call/call.js').Call}} props */
function ContentPicture({ call }) {
  const video = useRef(null);
  useStream(video, call.peer.value, 'contentVideo');
  return html`<video ref=${video} class="picture" aria-label=${strings.call.content} autoplay muted playsinline />`;
}

/**
 * @param {{current: HTMLVideoElement}} video
 * @param {import('../net/peer.js').Peer | null} peer
 * @param {import('../net/peer.js').Line} line
 */
function useStream(video, peer, line) {
  useEffect(() => {
    video.current.srcObject = peer === null ? null : new MediaStream([peer.received(line)]);
  }, [peer, line]);
}
