/** Cameras, microphones and loudspeakers: getting at them, listing them, and saying why it did not work. */

/** @typedef {'denied'|'missing'|'busy'|'lost'|'insecure'|'unknown'} MediaErrorReason */

/** @typedef {{id: string, label: string}} Device */

/**
 * @param {unknown} error What `getUserMedia` or `getDisplayMedia` threw.
 * @returns {MediaErrorReason}
 */
export function reasonOf(error) {
  switch (error instanceof Error || error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing';
    case 'NotReadableError':
    case 'AbortError':
      return 'busy';
    case 'TypeError':
      return 'insecure';
    default:
      return 'unknown';
  }
}

/** @param {string} deviceId Empty: the default. */
const wish = (deviceId) => (deviceId === '' ? {} : { deviceId: { exact: deviceId } });

/** @param {string} deviceId @returns {Promise<MediaStreamTrack>} */
export async function openCamera(deviceId) {
  const video = { ...wish(deviceId), width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  const stream = await navigator.mediaDevices.getUserMedia({ video });
  return stream.getVideoTracks()[0];
}

/** @param {string} deviceId @returns {Promise<MediaStreamTrack>} */
export async function openMicrophone(deviceId) {
  const audio = { ...wish(deviceId), echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  return stream.getAudioTracks()[0];
}

/**
 * A screen, window or tab, with its sound where the browser gives it. Sound stays as it is: music is not speech.
 *
 * @returns {Promise<MediaStream>}
 */
export async function openScreen() {
  const stream = await navigator.mediaDevices.getDisplayMedia({
    video: { width: { max: 1920 }, height: { max: 1080 }, frameRate: { max: 15 } },
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  for (const track of stream.getVideoTracks()) track.contentHint = 'detail';
  for (const track of stream.getAudioTracks()) track.contentHint = 'music';
  return stream;
}

/** @returns {boolean} */
export const canShareScreen = () => typeof navigator.mediaDevices?.getDisplayMedia === 'function';

/** @returns {boolean} */
export const canChooseSpeaker = () => 'setSinkId' in HTMLMediaElement.prototype;

/**
 * @returns {Promise<{camera: Device[], microphone: Device[], speaker: Device[]}>} Only devices that the browser names:
 *   before permission it lists them without identity, which is no choice.
 */
export async function listDevices() {
  const found = { camera: [], microphone: [], speaker: [] };
  const kinds = { videoinput: 'camera', audioinput: 'microphone', audiooutput: 'speaker' };
  for (const { kind, deviceId, label } of (await navigator.mediaDevices?.enumerateDevices()) ?? []) {
    if (deviceId !== '' && deviceId !== 'default') found[kinds[kind]].push({ id: deviceId, label });
  }
  return found;
}
