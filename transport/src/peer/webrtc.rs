//! A WebRTC peer: ICE-lite, DTLS, SRTP, RTCP, resends, congestion control and pacing, by str0m in RTP mode.
//!
//! Flow: `demux` -> **here** -> `receive/`; `send/` -> **here** -> `io/`. Thread: io. Every call that takes `now` may leave outputs:
//! drain [`WebRtcPeer::poll`] until it returns `None`, then sleep until [`WebRtcPeer::next_timeout`]. Bounds: streams by `gate`, unsent
//! packets by [`UNSENT_PACKETS_MAX`], work per `poll` by [`ROUNDS_MAX`].
//!
//! What the library does below: answers STUN checks, DTLS, SRTP with its replay window, RTCP, NACK and RTX both ways, transport-wide
//! feedback, the estimate and the pacer. What it cannot do for an answerer is choose the CNAME: sound and picture leave with one
//! `msid`, which is what browsers synchronise by, but with a CNAME each.

mod drain;

use super::events::Translator;
use super::gate::StreamGate;
use super::guard::contained;
use super::lines::{Line, LineRoles, LineState, SendCodec};
use super::negotiate::{self, Answer, LocalAddress, NegotiateError, PeerConfig};
use super::seen::{SeenChecks, is_binding_request, stun_transaction};
use super::{ClockBase, CloseReason, Datagram, PeerOutput, Proto};
use crate::payload::Vp8Numbers;
use mcu_core::media::codec::VideoCodec;
use mcu_core::time::Mono;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::bwe::Bitrate;
use str0m::media::{KeyframeRequestKind, Mid};
use str0m::net::{DatagramRecv, Protocol, Receive};
use str0m::rtp::{RtpWrite, Ssrc, Vp8Patch};
use str0m::{Input, Rtc};

/// How long a peer may take from its answer to a finished DTLS handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connected peer may send no consent check (RFC 7675 §5.1).
pub const CONSENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the library waits for a check before it calls an ICE-lite pair dead; part of [`CONSENT_TIMEOUT`].
const PAIR_SILENCE: Duration = Duration::from_secs(15);
/// Packets that may wait for the pacer on one line: half a second at 20 Mbit/s. A caller that heeds [`WebRtcPeer::pacer_delay`] never gets near.
pub const UNSENT_PACKETS_MAX: usize = 1_024;
/// How often `poll` lets the library go on at one and the same `now`. With bandwidth estimation it can ask for that without end.
pub const ROUNDS_MAX: u32 = 4;
/// The least that `next_timeout` lies ahead, for the same reason.
pub const TIMEOUT_STEP_MIN: Duration = Duration::from_millis(1);
/// How old a look at a send queue may be before it is taken again.
const QUEUE_SAMPLE_AGE_MAX: Duration = Duration::from_millis(10);
/// Sent packets of a line that can be sent again, for how long, and their share of all that is sent: what 30 % of loss takes. The pacer holds
/// them to the way's width whatever they are.
const RESEND_PACKETS_MAX: usize = 1_000;
const RESEND_AGE_MAX: Duration = Duration::from_secs(3);
const RESEND_SHARE_MAX: Option<f32> = Some(0.4);
/// The least time.
const MOMENT: Duration = Duration::from_nanos(1);
/// An address that no peer has.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
/// The largest estimate or desired rate that is passed on, in kilobits per second.
const KBPS_MAX: u32 = 1_000_000;

/// What goes with a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendMeta {
    /// Sequence number, unwrapped; the first of a line must be below 65 536, and each packet takes the next.
    pub sequence: u64,
    /// RTP timestamp as it goes on the wire.
    pub rtp_timestamp: u32,
    /// RTP marker bit: the last packet of a picture; the first of a talk spurt.
    pub marker: bool,
    /// The moment that `rtp_timestamp` stands for: the tick's, never that of writing. Sender reports are made from it.
    pub wallclock: Mono,
    /// Written into the payload's VP8 descriptor while it is encrypted; the shared payload stays as it is.
    pub vp8: Option<Vp8Patch>,
    /// The same numbers, for an association that has no use for the patch.
    pub vp8_numbers: Option<Vp8Numbers>,
}

/// Why a payload was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The session has no such line, or it does not send.
    #[error("the peer does not take {0:?}")]
    NotSending(Line),
    /// The line has [`UNSENT_PACKETS_MAX`] packets waiting.
    #[error("the peer's send queue is full")]
    QueueFull,
    /// There is no connection yet, or none any more.
    #[error("the peer is not connected")]
    NotConnected,
}

/// What a peer counted since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerCounters {
    /// Datagrams that could not be parsed or were refused by the library.
    pub refused: u64,
    /// RTP packets of more streams than we follow.
    pub streams_refused: u64,
    /// Authenticated packets of a payload type or line that was not agreed.
    pub unknown_format: u64,
}

/// How far an association is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// ICE and DTLS have until then.
    Connecting { until: Mono },
    /// Media flows.
    Connected,
    /// No checks arrive any more; they have until then to come back.
    Unheard { until: Mono },
    /// Our last words are leaving.
    Closing(CloseReason),
    /// Over, and said so.
    Closed,
}

/// A line that we send on.
#[derive(Debug, Clone, Copy)]
struct Outgoing {
    ssrc: Ssrc,
    payload_type: u8,
    resend: bool,
    /// Written since the library last looked at its queue.
    written: usize,
}

/// One WebRTC association.
pub struct WebRtcPeer {
    rtc: Rtc,
    clock: ClockBase,
    lines: Vec<LineState>,
    /// The library's names of `lines`, in the same order.
    mids: Vec<Mid>,
    /// By [`Line::index`].
    outgoing: [Option<Outgoing>; super::lines::LINES_MAX],
    addresses: Vec<LocalAddress>,
    ufrag: String,
    gate: StreamGate,
    seen: SeenChecks,
    translator: Translator,
    outbox: VecDeque<PeerOutput>,
    phase: Phase,
    /// What the library asked for last.
    library_timeout: Mono,
    /// The last `now`, and how often the library went on at it.
    now: Mono,
    rounds: u32,
    /// Something was written since the library last ran.
    dirty: bool,
    counters: PeerCounters,
}

impl std::fmt::Debug for WebRtcPeer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither addresses nor credentials: this may reach a log.
        f.debug_struct("WebRtcPeer")
            .field("phase", &self.phase)
            .field("lines", &self.lines.len())
            .finish_non_exhaustive()
    }
}

impl WebRtcPeer {
    /// Answers `offer`.
    ///
    /// # Errors
    /// See [`NegotiateError`]; nothing is kept of a refused offer.
    pub fn accept(
        config: &PeerConfig,
        clock: ClockBase,
        offer: &str,
        roles: &LineRoles,
        now: Mono,
    ) -> Result<(Self, Answer), NegotiateError> {
        negotiate::accept(config, clock, offer, roles, now)
    }

    /// Wraps a session that `negotiate` has set up. `announced` are the streams that the peer said it sends, when it said so for every line.
    pub(crate) fn new(
        mut rtc: Rtc,
        clock: ClockBase,
        lines: Vec<LineState>,
        addresses: &[LocalAddress],
        announced: Option<&[u32]>,
        now: Mono,
    ) -> Self {
        let mids: Vec<Mid> = lines.iter().map(|line| Mid::from(&*line.mid)).collect();
        let mut outgoing = [None; super::lines::LINES_MAX];
        for (line, &mid) in lines.iter().zip(&mids) {
            let format = line.send_video.map(|send| (send.payload_type, send.resend));
            let Some((payload_type, resend)) = format.or_else(|| line.send_audio.map(|pt| (pt, false)))
            else {
                continue;
            };
            if let Some(stream) = rtc.direct_api().stream_tx_by_mid(mid, None) {
                outgoing[line.line.index()] =
                    Some(Outgoing { ssrc: stream.ssrc(), payload_type, resend, written: 0 });
            }
        }
        let ufrag = rtc.direct_api().local_ice_credentials().ufrag;
        let translator = Translator::new(&lines, &mids);
        Self {
            rtc,
            clock,
            lines,
            mids,
            outgoing,
            addresses: addresses.to_vec(),
            ufrag,
            gate: StreamGate::new(announced, now),
            seen: SeenChecks::default(),
            translator,
            outbox: VecDeque::with_capacity(32),
            phase: Phase::Connecting { until: now + CONNECT_TIMEOUT },
            library_timeout: now,
            now,
            rounds: 0,
            dirty: true,
            counters: PeerCounters::default(),
        }
    }

    /// The user fragment that the peer's STUN checks name first: what `demux` routes unknown sources by.
    pub fn local_ufrag(&self) -> &str {
        &self.ufrag
    }

    /// Whether `datagram` proves to come from this peer: a STUN binding request signed with the password of this session, and
    /// not one seen before from elsewhere. Ask before its source becomes a way to this peer.
    pub fn authenticates(&mut self, datagram: &Datagram<'_>) -> bool {
        let Some(check) = stun_transaction(datagram.bytes).filter(|_| is_binding_request(datagram.bytes))
        else {
            return false;
        };
        let (rtc, now) = (&self.rtc, self.clock.instant(self.now));
        let destination = self.advertised(datagram);
        let signed = contained(|| {
            // From nowhere: the library believes the nominated address unsigned.
            let receive = Receive { source: NOWHERE, ..receive_of(datagram, destination)? };
            Some(rtc.accepts(&Input::Receive(now, receive)))
        });
        signed.flatten().unwrap_or(false) && self.seen.is_fresh(check, datagram.source)
    }

    /// Takes in a datagram that `demux` routed here.
    pub fn handle_datagram(&mut self, now: Mono, datagram: &Datagram<'_>) {
        if self.is_closed() {
            return;
        }
        if !self.gate.admits(now, datagram.bytes) {
            self.counters.streams_refused += 1;
            return;
        }
        if is_binding_request(datagram.bytes) && !self.authenticates(datagram) {
            self.counters.refused += 1;
            return;
        }
        self.flush_writes(now);
        let destination = self.advertised(datagram);
        let at = self.arrival(now);
        let rtc = &mut self.rtc;
        let taken = contained(|| {
            let Some(receive) = receive_of(datagram, destination) else { return false };
            rtc.handle_input(Input::Receive(at, receive)).is_ok()
        });
        match taken {
            Some(true) => {}
            // What anyone may have sent harms nobody; the library goes on.
            Some(false) => self.counters.refused += 1,
            None => self.fail(),
        }
        self.drain(now);
    }

    /// When a datagram that is read at `now` is said to have come. The library looks at all its timers with each datagram,
    /// unless that came before it last did: those of one batch have one moment, and one look is enough.
    fn arrival(&self, now: Mono) -> Instant {
        let at = self.clock.instant(now);
        if now > self.now { at } else { at.checked_sub(MOMENT).unwrap_or(at) }
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Mono) {
        match self.phase {
            Phase::Closed => return,
            Phase::Connecting { until } if now >= until => self.end(CloseReason::NeverConnected),
            Phase::Unheard { until } if now >= until => self.end(CloseReason::ConsentLost),
            _ => {}
        }
        self.dirty = true;
        self.flush_writes(now);
    }

    /// What is to be done or known next; `None` when there is nothing more at `now`.
    pub fn poll(&mut self, now: Mono) -> Option<PeerOutput> {
        if self.outbox.is_empty() {
            self.flush_writes(now);
        }
        self.outbox.pop_front()
    }

    /// When `handle_timeout` wants to be called, always later than the `now` last given; `None` when never again.
    pub fn next_timeout(&self) -> Option<Mono> {
        let deadline = match self.phase {
            Phase::Closed => return None,
            Phase::Connecting { until } | Phase::Unheard { until } => until.min(self.library_timeout),
            Phase::Connected | Phase::Closing(_) => self.library_timeout,
        };
        Some(deadline.max(self.now + TIMEOUT_STEP_MIN))
    }

    /// The agreed lines, in SDP order.
    pub fn lines(&self) -> impl Iterator<Item = &LineState> {
        self.lines.iter()
    }

    /// What was agreed for `line`.
    pub fn line(&self, line: Line) -> Option<&LineState> {
        self.lines.iter().find(|state| state.line == line)
    }

    /// The codec of the picture that this peer takes on `line`.
    pub fn send_codec(&self, line: Line) -> Option<VideoCodec> {
        self.send_format(line).map(|format| format.codec)
    }

    /// The whole format of it.
    pub fn send_format(&self, line: Line) -> Option<SendCodec> {
        self.line(line)?.send_video
    }

    /// Whether media may flow.
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected | Phase::Unheard { .. })
    }

    /// Whether the association is over; it then has no outputs any more but those already made.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Sends one packet of the picture of `line`, paced. `payload` is shared by all receivers and copied only by encryption.
    /// It leaves with the next `poll`.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_video(&mut self, line: Line, payload: &Arc<[u8]>, meta: &SendMeta) -> Result<(), SendError> {
        self.write(line, payload, meta)
    }

    /// Sends one packet of the mixed sound, unpaced, on [`Line::MAIN_AUDIO`]. It leaves with the next `poll`.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_sound(&mut self, payload: &Arc<[u8]>, meta: &SendMeta) -> Result<(), SendError> {
        self.write(Line::MAIN_AUDIO, payload, meta)
    }

    /// Asks the sender of `line` for a key frame (PLI); it leaves with the next `poll`. True when there is a stream to ask.
    pub fn request_keyframe(&mut self, line: Line) -> bool {
        let Some(place) = self.lines.iter().position(|state| state.line == line && state.receives) else {
            return false;
        };
        let mid = self.mids[place];
        let mut direct = self.rtc.direct_api();
        let Some(stream) = direct.stream_rx_by_mid(mid, None) else { return false };
        stream.request_keyframe(KeyframeRequestKind::Pli);
        self.dirty = true;
        true
    }

    /// Age of the oldest packet that waits to be sent, zero when none does.
    pub fn pacer_delay(&mut self, now: Mono) -> Duration {
        let at = self.clock.instant(now);
        let stale = self.outgoing.iter().flatten().any(|out| {
            let mut direct = self.rtc.direct_api();
            let info = direct.stream_tx(&out.ssrc).and_then(|stream| stream.queue_info());
            info.is_some_and(|info| {
                info.first_unsent().is_some()
                    && at.saturating_duration_since(info.created_at()) > QUEUE_SAMPLE_AGE_MAX
            })
        });
        if stale {
            // The library looks at its queues only when time passes.
            self.dirty = true;
            self.flush_writes(now);
        }
        let mut direct = self.rtc.direct_api();
        let waits = self
            .outgoing
            .iter()
            .flatten()
            .filter_map(|out| direct.stream_tx(&out.ssrc)?.queue_info()?.first_unsent());
        waits.map(|since| at.saturating_duration_since(since)).max().unwrap_or(Duration::ZERO)
    }

    /// Lets go of what was sent on `line`: packets of it that the peer misses are not sent again.
    pub fn forget_sent(&mut self, line: Line) {
        let mut direct = self.rtc.direct_api();
        let out = self.outgoing[line.index()];
        if let Some(stream) = out.and_then(|out| direct.stream_tx(&out.ssrc)) {
            stream.set_rtx_cache(RESEND_PACKETS_MAX, RESEND_AGE_MAX, RESEND_SHARE_MAX);
        }
    }

    /// What we would send if we could, in kilobits per second: how far the estimator probes.
    pub fn set_desired_bitrate(&mut self, kbps: u32) {
        self.rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::kbps(u64::from(kbps.min(KBPS_MAX))));
    }

    /// Starts the estimate again from `kbps`: helps it up after a squeeze.
    pub fn reset_estimate(&mut self, kbps: u32) {
        self.rtc.bwe().reset(Bitrate::kbps(u64::from(kbps.min(KBPS_MAX))));
        self.dirty = true;
    }

    /// Says goodbye; drain `poll` afterwards. The last event is [`PeerEvent::Closed`](super::PeerEvent::Closed).
    pub fn close(&mut self, now: Mono) {
        self.flush_writes(now);
        if matches!(self.phase, Phase::Closed | Phase::Closing(_)) {
            return;
        }
        self.end(CloseReason::Local);
        self.dirty = true;
        self.flush_writes(now);
    }

    /// Counters since it began.
    pub fn counters(&self) -> PeerCounters {
        PeerCounters { unknown_format: self.translator.unknown_format(), ..self.counters }
    }

    fn write(&mut self, line: Line, payload: &Arc<[u8]>, meta: &SendMeta) -> Result<(), SendError> {
        if !self.is_connected() {
            return Err(SendError::NotConnected);
        }
        let out = self.outgoing[line.index()].as_mut().ok_or(SendError::NotSending(line))?;
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx(&out.ssrc).ok_or(SendError::NotSending(line))?;
        let waiting = stream.queue_info().map_or(0, |info| info.packet_count());
        if waiting + out.written >= UNSENT_PACKETS_MAX {
            return Err(SendError::QueueFull);
        }
        out.written += 1;
        let wallclock = self.clock.instant(meta.wallclock);
        let rtp = RtpWrite::new(
            out.payload_type.into(),
            meta.sequence.into(),
            meta.rtp_timestamp,
            wallclock,
            Arc::clone(payload),
        )
        .marker(meta.marker)
        .nackable(out.resend);
        stream.write_rtp(match meta.vp8 {
            Some(patch) => rtp.vp8_patch(patch),
            None => rtp,
        });
        self.dirty = true;
        Ok(())
    }

    /// The candidate address that stands for where `datagram` arrived.
    fn advertised(&self, datagram: &Datagram<'_>) -> SocketAddr {
        let known = |address: &&LocalAddress| {
            address.proto == datagram.proto && address.bound == datagram.destination
        };
        self.addresses.iter().find(known).map_or(datagram.destination, |address| address.advertised)
    }

    /// The bound address that stands behind a candidate.
    fn bound(&self, proto: Proto, advertised: SocketAddr) -> SocketAddr {
        let known = |address: &&LocalAddress| address.proto == proto && address.advertised == advertised;
        self.addresses.iter().find(known).map_or(advertised, |address| address.bound)
    }
}

fn receive_of<'a>(datagram: &Datagram<'a>, destination: SocketAddr) -> Option<Receive<'a>> {
    let proto = match datagram.proto {
        Proto::Udp => Protocol::Udp,
        Proto::Tcp => Protocol::Tcp,
    };
    let contents = DatagramRecv::try_from(datagram.bytes).ok()?;
    Some(Receive { proto, source: datagram.source, destination, contents })
}
