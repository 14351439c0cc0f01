/**
 * Paints the own camera over the own tile of the mix: moves one element on the very frame that shows a new layout.
 *
 * `LayoutSwitch` decides, the video's frame callback says when; the element is moved inside that callback, before the
 * frame is painted, so never through the view library. Where the browser gives no RTP timestamps, `onUnable` is called
 * once and nothing is ever painted over.
 */
import { tileOnPage } from './geometry.js';
import { ownTile } from './layout_switch.js';

/** Frames without a timestamp until we believe that this browser gives none. */
const BLIND_FRAMES_MAX = 10;

/** @returns {boolean} Whether an overlay can be promised at all. */
export const overlayPossible = () => 'requestVideoFrameCallback' in HTMLVideoElement.prototype;

export class OverlayPainter {
  #video;
  #overlay;
  #layouts;
  #onFrame;
  #onUnable;
  #cameraOn = false;
  /** @type {import('./geometry.js').Rect | null} The tile that the element covers now, canvas pixels. */
  #painted = null;
  #blindFrames = 0;
  #callback = 0;
  #resize;

  /**
   * @param {object} parts
   * @param {HTMLVideoElement} parts.video Shows the mix, `object-fit: contain`.
   * @param {HTMLElement} parts.overlay Lies in the same containing block, at its corner.
   * @param {import('./layout_switch.js').LayoutSwitch} parts.layouts
   * @param {(frame: {rtpTimestamp: number, rect: import('./geometry.js').Rect | null}) => void} parts.onFrame
   * @param {() => void} parts.onUnable
   */
  constructor({ video, overlay, layouts, onFrame, onUnable }) {
    this.#video = video;
    this.#overlay = overlay;
    this.#layouts = layouts;
    this.#onFrame = onFrame;
    this.#onUnable = onUnable;
    this.#resize = new ResizeObserver(() => this.#place());
    this.#resize.observe(video);
    this.#place();
    this.#next();
  }

  /** @param {boolean} on Whether there is an own picture to show. */
  setCamera(on) {
    this.#cameraOn = on;
    this.#place();
  }

  close() {
    this.#video.cancelVideoFrameCallback?.(this.#callback);
    this.#resize.disconnect();
  }

  #next() {
    if (!overlayPossible()) return;
    this.#callback = this.#video.requestVideoFrameCallback((_now, { rtpTimestamp }) => {
      if (rtpTimestamp === undefined) {
        this.#blindFrames += 1;
        if (this.#blindFrames === BLIND_FRAMES_MAX) this.#onUnable();
      } else {
        if (this.#layouts.advance(rtpTimestamp)) this.#place();
        this.#onFrame({ rtpTimestamp, rect: this.#painted });
      }
      this.#next();
    });
  }

  #place() {
    const tile = this.#cameraOn ? ownTile(this.#layouts.current) : null;
    this.#overlay.hidden = tile === null;
    this.#painted = tile && { x: tile.x, y: tile.y, width: tile.width, height: tile.height };
    if (tile === null) return;
    const box = { width: this.#video.clientWidth, height: this.#video.clientHeight };
    const rect = tileOnPage(tile, this.#layouts.current.canvas, box);
    const { style } = this.#overlay;
    style.transform = `translate(${this.#video.offsetLeft + rect.x}px, ${this.#video.offsetTop + rect.y}px)`;
    style.width = `${rect.width}px`;
    style.height = `${rect.height}px`;
  }
}
