/**
 * The media connection: four lines offered once (sound, picture, shared picture, shared sound), sources exchanged by
 * `replaceTrack`, the node's requests obeyed by `setParameters`. Nothing is renegotiated while it lives.
 */
import { encodingFor } from '../media/encoding.js';

/** How long a connection may be "disconnected" before it counts as lost, in ms: ICE often mends itself. */
const DISCONNECTED_MS_MAX = 4_000;

/** @typedef {'audio'|'video'|'contentVideo'|'contentAudio'} Line */

export class Peer {
  #pc;
  /** @type {Record<Line, RTCRtpTransceiver>} */
  #lines;
  /** @type {Map<Line, import('../media/encoding.js').VideoRequest>} The node's latest request per picture line. */
  #requests = new Map();
  /** Serialises `setParameters`: two at once on one sender fail. */
  #parameters = Promise.resolve();
  #lostTimer = 0;

  /**
   * @param {object} options
   * @param {RTCIceServer[]} options.iceServers
   * @param {string | null} options.codec Offer only this picture codec (tests); null: all, the node chooses.
   * @param {() => void} options.onConnected
   * @param {() => void} options.onLost
   */
  constructor({ iceServers, codec, onConnected, onLost }) {
    this.#pc = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' });
    const main = new MediaStream();
    const content = new MediaStream();
    const sound = (direction, stream) => this.#pc.addTransceiver('audio', { direction, streams: [stream] });
    const picture = (maxFramerate, stream) =>
      this.#pc.addTransceiver('video', { direction: 'sendrecv', streams: [stream], sendEncodings: [{ maxFramerate }] });
    this.#lines = {
      audio: sound('sendrecv', main),
      video: picture(30, main),
      contentVideo: picture(15, content),
      contentAudio: sound('sendonly', content),
    };
    if (codec !== null) {
      for (const line of ['video', 'contentVideo']) preferCodec(this.#lines[line], codec);
    }
    this.#pc.onconnectionstatechange = () => this.#follow(onConnected, onLost);
  }

  /** @returns {RTCPeerConnection} For debugging. */
  get connection() {
    return this.#pc;
  }

  /** @param {Line} line @returns {MediaStreamTrack} What the node sends on it; there from the start. */
  received(line) {
    return this.#lines[line].receiver.track;
  }

  /** @returns {boolean} */
  get healthy() {
    return ['new', 'connecting', 'connected'].includes(this.#pc.connectionState);
  }

  /**
   * Offers and takes the answer. Candidates are not waited for: the node learns ours from our checks.
   *
   * @param {(sdp: string, lines: Record<string, 'main'|'content'>) => Promise<{sdp: string}>} exchange
   */
  async connect(exchange) {
    await this.#pc.setLocalDescription();
    const lines = {};
    for (const [line, { mid }] of Object.entries(this.#lines)) {
      if (mid !== null) lines[mid] = line.startsWith('content') ? 'content' : 'main';
    }
    const answer = await exchange(this.#pc.localDescription.sdp, lines);
    await this.#pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
  }

  /** @param {Line} line @param {MediaStreamTrack | null} track */
  async setSource(line, track) {
    const { sender } = this.#lines[line];
    if (sender.track === track) return;
    await sender.replaceTrack(track);
    const request = this.#requests.get(line);
    if (track !== null && request !== undefined) this.#apply(line, request);
  }

  /** @param {import('../media/encoding.js').VideoRequest} request */
  obey(request) {
    const line = request.kind === 'content' ? 'contentVideo' : 'video';
    this.#requests.set(line, request);
    this.#apply(line, request);
  }

  /** @returns {Promise<{report: RTCStatsReport, mid: string | null}>} `mid` is the mix's picture line. */
  async stats() {
    return { report: await this.#pc.getStats(), mid: this.#lines.video.mid };
  }

  close() {
    clearTimeout(this.#lostTimer);
    this.#pc.onconnectionstatechange = null;
    this.#pc.close();
  }

  /** @param {Line} line @param {import('../media/encoding.js').VideoRequest} request */
  #apply(line, request) {
    const { sender } = this.#lines[line];
    this.#parameters = this.#parameters.then(async () => {
      const parameters = sender.getParameters();
      if (parameters.encodings.length === 0) return;
      parameters.encodings = [encodingFor(parameters.encodings[0], request, sender.track?.getSettings() ?? {})];
      // A connection that closes meanwhile refuses; there is nothing left to obey then.
      await sender.setParameters(parameters).catch(() => {});
    });
  }

  /** @param {() => void} onConnected @param {() => void} onLost */
  #follow(onConnected, onLost) {
    clearTimeout(this.#lostTimer);
    switch (this.#pc.connectionState) {
      case 'connected':
        onConnected();
        break;
      case 'disconnected':
        this.#lostTimer = setTimeout(onLost, DISCONNECTED_MS_MAX);
        break;
      case 'failed':
        onLost();
        break;
    }
  }
}

/** @param {RTCRtpTransceiver} transceiver @param {string} codec Such as `VP8`. */
function preferCodec(transceiver, codec) {
  const repair = ['video/rtx', 'video/red', 'video/ulpfec'];
  const all = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
  const wanted = all.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${codec.toLowerCase()}`);
  if (wanted.length > 0) {
    transceiver.setCodecPreferences([...wanted, ...all.filter(({ mimeType }) => repair.includes(mimeType.toLowerCase()))]);
  }
}
