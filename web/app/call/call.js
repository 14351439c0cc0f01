/**
 * One participation in one meeting: what the screens show (signals) and what they can do (methods).
 *
 * Events of the node come in by `#take`; own choices go out as `state` messages by one effect, so that the node always
 * has the whole truth after a reconnect. Ends once, by `onEnded`.
 */
import { computed, effect, signal } from '../view.js';
import { readReport } from '../net/quality.js';
import { SpeechSense } from '../media/level.js';
import { camera, microphone, onLevel } from '../media/local.js';
import { LayoutSwitch } from '../media/layout_switch.js';
import { overlayPossible } from '../media/overlay.js';
import { announce, notify } from '../notices.js';
import { codecWished, expose, logLayout } from '../debug.js';
import { strings } from '../strings.js';
import { Hosting } from './hosting.js';
import { changesBetween, unsecured } from './roster.js';
import { Link } from './link.js';
import { ScreenShare } from './screen_share.js';

const STATS_PERIOD_MS = 2_000;
/** How long "you are muted" stays, in ms. */
const HINT_MS = 5_000;

export class Call {
  layouts = new LayoutSwitch();
  /** A microphone that is still opening was chosen: it is heard as soon as it is there. */
  muted = signal(microphone.track.peek() === null && !microphone.starting.peek());
  /** Held open by the space bar while muted. */
  talking = signal(false);
  participants = signal([]);
  /** @type {import('../view.js').signal<number | null>} Who shares content. */
  floor = signal(null);
  /** @type {import('../view.js').signal<import('../net/quality.js').Measured | null>} */
  measured = signal(null);
  mutedHint = signal(false);
  /** @type {import('../view.js').signal<import('../net/peer.js').Peer | null>} */
  peer = signal(null);
  /** Who can look inside the media, as the node says. */
  access = signal('');
  /** Only hosts come in. */
  locked = signal(false);
  /** No host has come yet: nobody is heard. */
  waiting = signal(false);
  me;
  role;
  room;
  #overlay = signal(overlayPossible());
  /** @type {import('../view.js').signal<'auto'|'grid'|'speaker'|null>} Chosen here, until the roster says the same. */
  #layoutWish = signal(null);
  #sense = new SpeechSense();
  #freezes = { total: 0, fresh: 0 };
  #onEnded;
  #disposals = [];
  #hintTimer = 0;

  /**
   * @param {import('../net/api.js').Joined} joined
   * @param {(end: {reason: string, retryAfterS: number}) => void} onEnded
   */
  constructor(joined, onEnded) {
    this.me = joined.participant_id;
    this.role = joined.role;
    this.room = joined.room;
    this.access.value = joined.access;
    this.#onEnded = onEnded;
    this.share = new ScreenShare(this.me);
    this.link = new Link(
      { token: joined.token, expires_s: joined.expires_s, ice_servers: joined.ice_servers ?? [], codec: codecWished },
      {
        onEvent: (event) => this.#take(event),
        onPeer: (peer) => this.#adopt(peer),
        onLive: () => this.#sendState(),
        onGone: (code) => this.#end(code, 0),
      },
    );
    /** What a host may do besides; null for a guest. */
    this.hosting = joined.role === 'host' ? new Hosting(this.link, joined.room.alias) : null;
    /** The arrangement in force for this person. */
    this.layout = computed(
      () => this.#layoutWish.value ?? this.participants.value.find(({ id }) => id === this.me)?.layout ?? 'auto',
    );
    /** Whose media go in the clear between them and the node: names. */
    this.unsecured = computed(() => unsecured(this.participants.value));
    /** The picture that somebody else shares is on. */
    this.contentShown = computed(() => this.floor.value !== null && this.floor.value !== this.me);
  }

  start() {
    expose(this);
    // What went wrong before joining has been read there.
    microphone.error.value = null;
    camera.error.value = null;
    this.#disposals.push(
      effect(() => this.#syncSources()),
      effect(() => this.#sendState()),
      onLevel((level) => this.#noticeSpeech(level)),
      microphone.error.subscribe((error) => this.#reportDevice(error, 'microphone')),
      camera.error.subscribe((error) => this.#reportDevice(error, 'camera')),
    );
    const stats = setInterval(() => void this.#measure(), STATS_PERIOD_MS);
    this.#disposals.push(() => clearInterval(stats));
    this.link.start();
  }

  leave() {
    this.#end('left', 0, { leave: true });
  }

  async toggleMute() {
    this.mutedHint.value = false;
    if (!this.muted.peek()) {
      this.muted.value = true;
    } else if (microphone.track.peek() !== null || (await microphone.start())) {
      this.muted.value = false;
    } else {
      return;
    }
    announce(this.muted.peek() ? strings.announce.muted : strings.announce.unmuted);
  }

  /** @param {boolean} held Whether the space bar is down. */
  async holdToTalk(held) {
    if (held && this.muted.peek()) {
      this.mutedHint.value = false;
      this.talking.value = true;
      if (microphone.track.peek() === null) await microphone.start();
    } else if (!held) {
      this.talking.value = false;
    }
  }

  async toggleCamera() {
    if (camera.track.peek() !== null || camera.starting.peek()) {
      camera.stop();
      announce(strings.announce.cameraOff);
    } else if (await camera.start()) {
      announce(strings.announce.cameraOn);
    }
  }

  async toggleShare() {
    if (this.share.stream.peek() !== null) {
      this.share.stop();
      announce(strings.announce.shareStopped);
    } else if ((await this.share.start()) === 'failed') {
      notify(strings.call.shareFailed, 'warning');
    }
  }

  /** @param {'auto'|'grid'|'speaker'} layout */
  setLayout(layout) {
    this.#layoutWish.value = layout;
    announce(strings.announce.layout(strings.layouts[layout]));
  }

  /** This browser cannot tell frames apart: from now on the node sends a picture without us. */
  giveUpOverlay() {
    this.#overlay.value = false;
  }

  /** @param {import('../net/peer.js').Peer} peer A new connection: its timestamps begin anew. */
  #adopt(peer) {
    this.layouts.reset();
    this.#freezes = { total: 0, fresh: 0 };
    this.peer.value = peer;
  }

  #syncSources() {
    const track = microphone.track.value;
    const quiet = this.muted.value && !this.talking.value;
    const screen = this.share.stream.value;
    if (track !== null) track.enabled = !quiet;
    const sources = {
      audio: track,
      video: camera.track.value,
      contentVideo: screen?.getVideoTracks()[0] ?? null,
      contentAudio: screen?.getAudioTracks()[0] ?? null,
    };
    const peer = this.peer.value;
    for (const [line, source] of Object.entries(sources)) {
      // Refused only by a connection that is being replaced; the next one gets all sources.
      peer?.setSource(line, source).catch(() => {});
    }
  }

  #sendState() {
    this.link.send({
      type: 'state',
      muted: microphone.track.value === null || (this.muted.value && !this.talking.value),
      camera: camera.track.value !== null,
      sharing: this.share.stream.value !== null,
      layout: this.#layoutWish.value ?? undefined,
      overlay: this.#overlay.value,
    });
  }

  /** @param {{type: string} & Record<string, any>} event */
  #take(event) {
    switch (event.type) {
      case 'welcome':
        this.access.value = event.access;
        this.locked.value = event.locked;
        break;
      case 'access':
        this.access.value = event.access;
        break;
      case 'locked':
        this.locked.value = event.locked;
        notify(event.locked ? strings.announce.locked : strings.announce.unlocked);
        break;
      case 'waiting':
        this.waiting.value = event.waiting;
        notify(event.waiting ? strings.announce.waiting : strings.announce.begun);
        break;
      case 'roster':
        this.#takeRoster(event.participants);
        break;
      case 'layout':
        if (event.line === 'main') {
          logLayout(event);
          this.layouts.push(event);
        }
        break;
      case 'speaking':
        this.participants.value = this.participants
          .peek()
          .map((person) => (person.id === event.participant_id ? { ...person, speaking: event.speaking } : person));
        break;
      case 'video_request':
        this.peer.peek()?.obey(event);
        break;
      case 'calls':
        this.hosting?.calls.take(event);
        break;
      case 'muted':
        this.muted.value = true;
        this.talking.value = false;
        notify(event.by === 'admin' ? strings.call.mutedByAdmin : strings.call.mutedByHost, 'warning');
        break;
      case 'floor':
        this.#takeFloor(event.holder);
        break;
      case 'stats':
        this.#takeStats(event);
        break;
      case 'closing':
        this.#end(event.reason, event.retry_after_s ?? 0);
        break;
    }
  }

  /** @param {import('./roster.js').Participant[]} participants */
  #takeRoster(participants) {
    const before = this.participants.peek();
    this.participants.value = participants;
    const mine = participants.find(({ id }) => id === this.me);
    if (mine?.layout === this.#layoutWish.peek()) this.#layoutWish.value = null;
    if (before.length === 0) return;
    const { joined, left, muted, exposed, covered } = changesBetween(before, participants, this.me);
    for (const name of joined) notify(strings.announce.joined(name));
    for (const name of left) notify(strings.announce.left(name));
    for (const name of muted) announce(strings.announce.othersMuted(name));
    for (const name of exposed) notify(strings.announce.exposed(name), 'warning');
    for (const name of covered) notify(strings.announce.covered(name));
  }

  /** @param {number | null} holder */
  #takeFloor(holder) {
    const name = this.participants.peek().find(({ id }) => id === holder)?.name ?? '';
    const ended = this.share.floorIs(holder);
    if (ended && holder !== null) notify(strings.call.shareTaken(name), 'warning');
    else if (holder !== null && holder !== this.me && holder !== this.floor.peek()) {
      announce(strings.announce.shareStarted(name));
    } else if (holder === null && this.floor.peek() !== null) announce(strings.announce.shareStopped);
    this.floor.value = holder;
  }

  /** @param {{receive_kbps: number, loss_permille: number, rtt_ms: number, class: 'high'|'low'}} event */
  #takeStats(event) {
    this.measured.value = {
      rttMs: event.rtt_ms,
      lossPermille: event.loss_permille,
      receiveKbps: event.receive_kbps,
      rateClass: event.class,
      freezes: this.#freezes.fresh,
    };
  }

  async #measure() {
    const peer = this.peer.peek();
    if (peer === null || this.link.status.peek().phase !== 'live') return;
    const { report, mid } = await peer.stats();
    const { fps, freezes } = readReport(report.values(), mid);
    this.#freezes = { total: freezes, fresh: Math.max(0, freezes - this.#freezes.total) };
    this.link.send({ type: 'stats', freezes, fps });
  }

  /** @param {number} level */
  #noticeSpeech(level) {
    if (!this.muted.peek() || this.talking.peek() || microphone.track.peek() === null) {
      this.#sense.reset();
    } else if (this.#sense.hear(level) && !this.mutedHint.peek()) {
      this.mutedHint.value = true;
      clearTimeout(this.#hintTimer);
      this.#hintTimer = setTimeout(() => (this.mutedHint.value = false), HINT_MS);
    }
  }

  /** @param {import('../media/devices.js').MediaErrorReason | null} error @param {'camera'|'microphone'} what */
  #reportDevice(error, what) {
    if (error === null) return;
    if (what === 'microphone') this.muted.value = true;
    notify(strings.mediaErrors[error](what), 'warning');
  }

  /** @param {string} reason @param {number} retryAfterS @param {{leave: boolean}} [how] */
  #end(reason, retryAfterS, how = { leave: false }) {
    if (this.#disposals === null) return;
    for (const dispose of this.#disposals) dispose();
    this.#disposals = null;
    clearTimeout(this.#hintTimer);
    this.share.stop();
    this.link.close(how);
    microphone.stop();
    camera.stop();
    this.#onEnded({ reason, retryAfterS });
  }
}
