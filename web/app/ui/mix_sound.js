/**
 * The mix's sound: an <audio> of its own (on the chosen loudspeaker), so that it plays whatever the picture does; both
 * carry one CNAME and msid, which is what keeps them in step. A browser that blocks it gets "Click to hear".
 */
import { html, useEffect, useRef, useState } from '../view.js';
import { settings } from '../settings.js';
import { strings } from '../strings.js';
import { Icon } from './icon.js';

/** @param {{call: import('../call/call.js').Call}} props */
export function MixSound({ call }) {
  const element = useRef(null);
  const [blocked, setBlocked] = useState(false);
  const peer = call.peer.value;
  const speaker = settings.speaker.value;

  const play = () =>
    element.current.play().then(
      () => setBlocked(false),
      (error) => setBlocked(error.name === 'NotAllowedError'),
    );
  useEffect(() => {
    element.current.srcObject = peer === null ? null : new MediaStream([peer.received('audio')]);
    if (peer !== null) void play();
  }, [peer]);
  useEffect(() => {
    // A loudspeaker that is gone is refused: the default goes on playing.
    element.current.setSinkId?.(speaker).catch(() => {});
  }, [speaker]);

  return html`
    <audio ref=${element} />
    ${blocked &&
    html`
      <div class="sound-blocked" role="alert">
        <p>${strings.call.soundBlocked}</p>
        <button type="button" class="button button-primary" onClick=${() => void play()}>
          <${Icon} name="speaker" />${strings.call.clickToHear}
        </button>
      </div>
    `}
  `;
}
