/** How good the connection is, from what the node and the browser measure. Pure. */

/**
 * @typedef {object} Measured
 * @property {number} rttMs
 * @property {number} lossPermille
 * @property {number} receiveKbps
 * @property {number} freezes Freezes of the mix since the last measurement.
 * @property {'high'|'low'} rateClass
 */

/**
 * @param {Measured | null} measured
 * @returns {'good'|'fair'|'poor'|'unknown'}
 */
export function qualityOf(measured) {
  if (measured === null) return 'unknown';
  const { rttMs, lossPermille, freezes, rateClass } = measured;
  if (rttMs > 600 || lossPermille > 100 || freezes > 1) return 'poor';
  if (rttMs > 250 || lossPermille > 20 || freezes > 0 || rateClass === 'low') return 'fair';
  return 'good';
}

/**
 * The browser's own figures for the mix, out of `RTCPeerConnection.getStats`.
 *
 * @param {Iterable<{type: string} & Record<string, any>>} report
 * @param {string | null} mid The media line of the mix's picture.
 * @returns {{fps: number, freezes: number, rttMs: number | null}} `freezes` counts from the start of the connection.
 */
export function readReport(report, mid) {
  const figures = { fps: 0, freezes: 0, rttMs: null };
  for (const entry of report) {
    if (entry.type === 'inbound-rtp' && entry.kind === 'video' && entry.mid === mid) {
      figures.fps = Math.round(entry.framesPerSecond ?? 0);
      figures.freezes = entry.freezeCount ?? 0;
    }
    if (entry.type === 'candidate-pair' && entry.nominated && entry.currentRoundTripTime !== undefined) {
      figures.rttMs = Math.round(entry.currentRoundTripTime * 1_000);
    }
  }
  return figures;
}
