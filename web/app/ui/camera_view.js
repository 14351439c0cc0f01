/** A <video> of the own camera. Not mirrored: it shows what others see. */
import { html, useEffect, useRef } from '../view.js';
import { camera } from '../media/local.js';

/** @param {{label: string}} props */
export function CameraView({ label }) {
  const element = useRef(null);
  const track = camera.track.value;
  useEffect(() => {
    element.current.srcObject = track === null ? null : new MediaStream([track]);
  }, [track]);
  return html`<video ref=${element} class="own-video" aria-label=${label} autoplay muted playsinline />`;
}
