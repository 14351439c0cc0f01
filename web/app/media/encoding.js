/** What a `video_request` of the node means for a sender's encoding. Pure. */

/**
 * @typedef {{kind: 'main'|'content', height: number, fps: number, kbps: number, paused: boolean}} VideoRequest
 */

/**
 * @param {RTCRtpEncodingParameters} encoding What the sender does now.
 * @param {VideoRequest} request
 * @param {{width?: number, height?: number}} source The captured picture.
 * @returns {RTCRtpEncodingParameters} What it shall do. A picture is never enlarged.
 */
export function encodingFor(encoding, request, source) {
  const next = { ...encoding, active: !request.paused };
  // People are cropped to fill their tile, so an upright camera counts by its shorter side; slides are never cropped.
  const side =
    request.kind === 'main' ? Math.min(source.width ?? 0, source.height ?? 0) : (source.height ?? 0);
  next.scaleResolutionDownBy = side > 0 && request.height > 0 ? Math.max(1, side / request.height) : 1;
  if (request.kbps > 0) next.maxBitrate = request.kbps * 1_000;
  if (request.fps > 0) next.maxFramerate = request.fps;
  return next;
}
