//! A SIP peer: a room system or a phone, with sockets, keys and reports of its own for each media line (hops `unprotect` and `protect`).
//!
//! Flow: io thread, by the address that a datagram arrived at -> **here** -> `receive/`; `send/` -> **here** -> `io/`. Thread: io. Sans-I/O, like
//! [`webrtc`](super::webrtc): every call that takes `now` may leave outputs; drain [`SipPeer::poll`], then sleep until [`SipPeer::next_timeout`].
//! Bounds: three lines, streams by `leg`, unsent packets by `send::Pacer`, a report a second and line.
//!
//! SRTP is the `srtp` library's, DTLS `dimpl`'s, ICE str0m's agent; RTP and RTCP are read and written by `rtp-types` and `rtcp-types`. What is ours: which line
//! takes what (`offer`, `answer`), which keys (`sdes`, `link`), where packets go (`way`), and when reports leave. Lost packets are not sent again.

mod answer;
mod fingerprint;
mod floor;
mod handshake;
mod ice;
mod leg;
mod limits;
mod link;
mod offer;
mod proposal;
mod protection;
mod received;
mod rtcp;
mod sdes;
mod seal;
mod standing;
mod terms;
#[cfg(test)]
pub(crate) mod tests;
mod traffic;
mod way;

pub use floor::FloorControl;
pub use offer::SipConfig;
pub use proposal::SipOffer;
use standing::SdpOrigin;
pub use standing::{LocalPorts, Standing};

use super::lines::{Line, LineState, Medium};
use super::negotiate::{Answer, NegotiateError};
use super::webrtc::{CONNECT_TIMEOUT, PeerCounters, SendError, SendMeta};
use super::{CloseReason, Datagram, PeerEvent, PeerOutput, Proto, Transmit};
use crate::rate::LossEstimate;
use crate::send::Pacer;
use leg::{Arena, Head, Leg, Taking};
use mcu_core::media::codec::VideoCodec;
use mcu_core::time::Mono;
use offer::{Plan, Taken};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use rtcp::Heard;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use traffic::{Traffic, round_trip};

/// How often each line reports (RFC 4585 §3.5.3 allows it at these rates).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How long a device from which something is to come may send nothing that authenticates.
pub const MEDIA_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest estimate, in kilobits per second: far over what a picture of ours takes.
const KBPS_MAX: u32 = 20_000;
/// Characters of the name that ties a peer's streams together, 5 bits each (RFC 7022 §4.2: at least 96).
const CNAME_CHARS: usize = 20;

/// One SIP leg.
pub struct SipPeer {
    lines: Vec<LineState>,
    /// In the same order.
    legs: Vec<Leg>,
    /// How the description that this came of is named.
    origin: SdpOrigin,
    cname: String,
    arena: Arena,
    outbox: VecDeque<PeerOutput>,
    pacer: Pacer,
    estimate: LossEstimate,
    /// Every line has keys. Those that are negotiated may take until then.
    connected: bool,
    connected_until: Mono,
    closed: bool,
    next_report: Mono,
    /// When something last authenticated.
    heard: Mono,
    counters: PeerCounters,
    stats: Traffic,
}

impl std::fmt::Debug for SipPeer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither addresses nor keys: this may reach a log.
        f.debug_struct("SipPeer")
            .field("closed", &self.closed)
            .field("lines", &self.lines.len())
            .finish_non_exhaustive()
    }
}

impl SipPeer {
    /// Answers `offer`. `open` opens the ports of one line that has none yet, asked whether RTP and RTCP share one; what it has opened lives
    /// as long as the peer, or may be closed when this fails.
    ///
    /// # Errors
    /// See [`NegotiateError`]; nothing is kept of a refused offer.
    pub fn accept(
        config: &SipConfig,
        offer: &str,
        open: &mut dyn FnMut(bool) -> std::io::Result<LocalPorts>,
        now: Mono,
    ) -> Result<(Self, Answer), NegotiateError> {
        let mut plan = Plan::make(offer, config)?;
        for taken in &mut plan.taken {
            let standing = config.standing.as_ref();
            if let Some(before) = standing.and_then(|standing| standing.protection(taken.line)) {
                taken.protection.follow(before);
            }
        }
        let mut ports = Vec::with_capacity(plan.taken.len());
        for taken in &plan.taken {
            let kept = config.standing.as_ref().and_then(|standing| standing.ports(taken.line));
            ports.push(match kept.filter(|ports| ports.are_shared() == taken.mux) {
                Some(ports) => ports,
                None => open(taken.mux).map_err(|_| refused("no port for media is left"))?,
            });
        }
        let origin = Standing::next_origin(config.standing.as_ref()).ok_or_else(no_randomness)?;
        let sdp = answer::write(&plan, &ports, config, origin);
        Ok((Self::begin(&plan, &ports, config, origin, now)?, Answer { sdp }))
    }

    /// A peer of what was agreed; `ports` are those of `plan.taken`, in the same order.
    fn begin(
        plan: &Plan,
        ports: &[LocalPorts],
        config: &SipConfig,
        origin: SdpOrigin,
        now: Mono,
    ) -> Result<Self, NegotiateError> {
        let mut legs = Vec::with_capacity(plan.taken.len());
        for (taken, ports) in plan.taken.iter().zip(ports) {
            let ssrc = OsRng.try_next_u32().map_err(|_| no_randomness())?;
            let leg = Leg::new(taken, *ports, config, ssrc, now);
            legs.push(leg.ok_or_else(|| refused("the libraries of SRTP and DTLS do not take the keys"))?);
        }
        let estimate = LossEstimate::new(config.start_kbps, plan.kbps_max().min(KBPS_MAX));
        let told = PeerOutput::Event(PeerEvent::Estimate { kbps: estimate.kbps() });
        let mut peer = Self {
            lines: plan.taken.iter().map(Taken::line_state).collect(),
            legs,
            origin,
            cname: cname().map_err(|_| no_randomness())?,
            arena: Arena::new(),
            outbox: VecDeque::new(),
            pacer: Pacer::new(estimate.kbps()),
            estimate,
            connected: false,
            connected_until: now + CONNECT_TIMEOUT,
            closed: false,
            next_report: now + REPORT_INTERVAL,
            heard: now,
            counters: PeerCounters::default(),
            stats: Traffic { since: now, ..Traffic::default() },
        };
        peer.connect();
        peer.outbox.push_back(told);
        Ok(peer)
    }

    /// Says that media may flow, once every line has its keys.
    fn connect(&mut self) {
        if !self.connected && self.legs.iter().all(Leg::is_ready) {
            self.connected = true;
            self.outbox.push_back(PeerOutput::Event(PeerEvent::Connected));
        }
    }

    /// What the next session of the same call takes over.
    pub fn standing(&self) -> Standing {
        let lines = self.legs.iter().map(|leg| (leg.line, leg.ports, leg.protection().clone())).collect();
        Standing { origin: self.origin, lines }
    }

    /// Takes over from the session before, on the same thread, what was heard of the device on ports that stay: see `Leg::succeed`. Returns
    /// the lines on which our stream goes on, and with it its numbers.
    pub fn succeed(&mut self, before: &mut Self) -> Vec<Line> {
        let mut go_on = Vec::new();
        for leg in &mut self.legs {
            let same = |old: &&mut Leg| old.line == leg.line && old.ports == leg.ports;
            if let Some(old) = before.legs.iter_mut().find(same)
                && leg.succeed(old)
            {
                go_on.push(leg.line);
            }
        }
        self.connect();
        go_on
    }

    /// The local addresses whose datagrams are this peer's.
    pub fn ports(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.legs.iter().flat_map(|leg| {
            [Some(leg.ports.rtp), Some(leg.ports.rtcp).filter(|rtcp| *rtcp != leg.ports.rtp)]
                .into_iter()
                .flatten()
        })
    }

    /// Takes in a datagram that arrived at one of its [`ports`](Self::ports).
    pub fn handle_datagram(&mut self, now: Mono, datagram: &Datagram<'_>) {
        let Some(at) = self.legs.iter().position(|leg| leg.is_at(datagram.destination)) else { return };
        if self.closed {
            return;
        }
        match datagram.bytes {
            // RFC 5761 §4.
            [128..=191, 192..=223, ..] => self.rtcp(at, datagram, now),
            [128..=191, _, ..] => self.rtp(at, datagram, now),
            // STUN and DTLS (RFC 7983); keep-alives, and STUN of devices that try everything.
            _ if self.legs[at].negotiate(datagram.bytes, datagram.source, now) => self.go_on(at, now),
            _ => self.counters.refused += 1,
        }
    }

    /// Lets the negotiation of a line's keys and path go on.
    fn go_on(&mut self, at: usize, now: Mono) {
        let (leg, outbox) = (&mut self.legs[at], &mut self.outbox);
        let (source, was_lost) = (leg.ports.rtp, leg.is_lost());
        let mut send = |destination, bytes| {
            let transmit = Transmit { proto: Proto::Udp, source, destination, bytes };
            outbox.push_back(PeerOutput::Transmit(transmit));
        };
        if let Err(error) = leg.go_on(now, &mut send) {
            tracing::info!(%error, "a line of a SIP device gets no keys");
            return self.end(CloseReason::Fault, now);
        }
        if leg.is_lost() && !was_lost {
            // What waits may be for a line that wants nothing more (RFC 7675 §5.1).
            self.pacer.clear();
        }
        if self.legs.iter().all(Leg::is_lost) {
            return self.end(CloseReason::ConsentLost, now);
        }
        self.connect();
    }

    fn rtp(&mut self, at: usize, datagram: &Datagram<'_>, now: Mono) {
        let line = self.legs[at].line;
        match self.legs[at].rtp(datagram.bytes, datagram.source, &mut self.arena, now) {
            Taking::Packet(codec, packet) => {
                self.outbox.push_back(PeerOutput::Event(PeerEvent::Packet { line, codec, packet }));
            }
            Taking::Digit(digit) => self.outbox.push_back(PeerOutput::Event(PeerEvent::Digit(digit))),
            Taking::Nothing => {}
            Taking::UnknownFormat => self.counters.unknown_format += 1,
            Taking::Refused => {
                self.counters.refused += 1;
                return;
            }
            Taking::OtherStream => self.counters.streams_refused += 1,
        }
        self.heard = now;
        self.stats.received_bytes += datagram.bytes.len() as u64;
    }

    fn rtcp(&mut self, at: usize, datagram: &Datagram<'_>, now: Mono) {
        let Self { legs, arena, outbox, estimate, pacer, stats, .. } = self;
        let line = legs[at].line;
        let mut each = |heard| {
            let event = match heard {
                Heard::Report { report, .. } => PeerEvent::SenderReport { line, report },
                Heard::KeyframeWanted => PeerEvent::KeyframeRequested { line },
                Heard::Reception { fraction_lost, last_report, since_report } => {
                    stats.send_loss = stats.send_loss.max(Some(fraction_lost));
                    stats.rtt = round_trip(last_report, since_report, now).or(stats.rtt);
                    // Sound loses its packets in the queues of the picture: the picture's line is the one to go by.
                    if line.medium != Medium::Video || !estimate.reported(fraction_lost, now) {
                        return;
                    }
                    pacer.set_kbps(estimate.kbps());
                    PeerEvent::Estimate { kbps: estimate.kbps() }
                }
            };
            outbox.push_back(PeerOutput::Event(event));
        };
        if legs[at].rtcp(datagram.bytes, datagram.source, arena, now, &mut each) {
            self.heard = now;
        } else {
            self.counters.refused += 1;
        }
    }

    /// Does what is due: reports, figures, and the end of a device that has gone without a word.
    pub fn handle_timeout(&mut self, now: Mono) {
        if self.closed {
            return;
        }
        let awaited = self.legs.iter().any(Leg::receives);
        if awaited && now.since(self.heard) >= MEDIA_TIMEOUT {
            self.end(CloseReason::ConsentLost, now);
            return;
        }
        if !self.connected && now >= self.connected_until {
            self.end(CloseReason::NeverConnected, now);
            return;
        }
        for at in 0..self.legs.len() {
            if self.legs[at].due().is_some_and(|due| due <= now) && !self.closed {
                self.go_on(at, now);
            }
        }
        if now >= self.next_report && !self.closed {
            self.next_report = now + REPORT_INTERVAL;
            (0..self.legs.len()).for_each(|at| self.report(at, false, now));
            let figures = self.stats.take(now);
            self.outbox.push_back(PeerOutput::Event(PeerEvent::Stats(figures)));
        }
    }

    fn report(&mut self, at: usize, goodbye: bool, now: Mono) {
        let leg = &mut self.legs[at];
        let Some(bytes) = leg.words(&self.cname, goodbye, &mut self.arena, now) else { return };
        let transmit =
            Transmit { proto: Proto::Udp, source: leg.ports.rtcp, destination: leg.way.rtcp(), bytes };
        self.send(transmit);
    }

    fn send(&mut self, transmit: Transmit) {
        self.stats.sent_bytes += transmit.bytes.len() as u64;
        self.outbox.push_back(PeerOutput::Transmit(transmit));
    }

    /// What is to be done or known next; `None` when there is nothing more at `now`.
    pub fn poll(&mut self, now: Mono) -> Option<PeerOutput> {
        if let Some(at) = self.legs.iter().position(Leg::has_urgent_words) {
            self.report(at, false, now);
        }
        if self.outbox.is_empty()
            && let Some(transmit) = self.pacer.pop(now)
        {
            self.send(transmit);
        }
        self.outbox.pop_front()
    }

    /// When `handle_timeout` and `poll` want to be called; `None` when never again.
    pub fn next_timeout(&self) -> Option<Mono> {
        if self.closed {
            return None;
        }
        let negotiated = self.legs.iter().filter_map(Leg::due);
        negotiated.chain(self.pacer.deadline()).chain([self.next_report]).min()
    }

    /// What was agreed for `line`.
    pub fn line(&self, line: Line) -> Option<&LineState> {
        self.lines.iter().find(|state| state.line == line)
    }

    /// The codec of the picture that this peer takes on `line`.
    pub fn send_codec(&self, line: Line) -> Option<VideoCodec> {
        Some(self.line(line)?.send_video?.codec)
    }

    /// Whether every line that was agreed is SRTP, under keys that nobody on the way has: where the way that SDP came by can be read keys in it are
    /// not taken, and where it can be changed those of a handshake count for nothing.
    pub fn is_secured(&self) -> bool {
        self.legs.iter().all(Leg::is_secured)
    }

    /// Whether media may flow: from the answer on, or, where keys are negotiated, from when every line has its own.
    pub const fn is_connected(&self) -> bool {
        self.connected && !self.closed
    }

    /// Whether the leg is over; it then has no outputs any more but those already made.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Sends one packet of the picture of `line`, paced. `payload` is shared by all receivers and copied only here, to be encrypted.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_video(
        &mut self,
        line: Line,
        payload: &Arc<[u8]>,
        meta: &SendMeta,
        now: Mono,
    ) -> Result<(), SendError> {
        if self.pacer.is_full() {
            return Err(SendError::QueueFull);
        }
        // To an address that nobody has vouched for goes nothing large (see `way`); its first packets change that.
        let transmit = self.seal(line, payload, meta, Leg::may_send_pictures)?;
        self.pacer.push(transmit, now);
        Ok(())
    }

    /// Sends one packet of the mixed sound, unpaced, on [`Line::MAIN_AUDIO`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_sound(&mut self, payload: &Arc<[u8]>, meta: &SendMeta) -> Result<(), SendError> {
        let transmit = self.seal(Line::MAIN_AUDIO, payload, meta, Leg::sends)?;
        self.send(transmit);
        Ok(())
    }

    fn seal(
        &mut self,
        line: Line,
        payload: &[u8],
        meta: &SendMeta,
        may: fn(&Leg) -> bool,
    ) -> Result<Transmit, SendError> {
        if self.closed {
            return Err(SendError::NotConnected);
        }
        let leg = self
            .legs
            .iter_mut()
            .find(|leg| leg.line == line && may(leg))
            .ok_or(SendError::NotSending(line))?;
        let head = Head {
            sequence: meta.sequence,
            timestamp: meta.rtp_timestamp,
            marker: meta.marker,
            wallclock: meta.wallclock,
            vp8: meta.vp8_numbers,
        };
        let bytes = leg.seal(payload, &head, &mut self.arena).ok_or(SendError::NotConnected)?;
        Ok(Transmit { proto: Proto::Udp, source: leg.ports.rtp, destination: leg.way.rtp(), bytes })
    }

    /// Asks the sender of `line` for a key frame, as it said it can be asked; it leaves with the next `poll`. True when there is a stream
    /// to ask.
    pub fn request_keyframe(&mut self, line: Line) -> bool {
        self.legs.iter_mut().find(|leg| leg.line == line).is_some_and(Leg::ask_for_keyframe)
    }

    /// Age of the oldest packet that waits to be sent, zero when none does.
    pub fn pacer_delay(&self, now: Mono) -> Duration {
        self.pacer.delay(now)
    }

    /// Starts the estimate again from `kbps`.
    pub fn reset_estimate(&mut self, kbps: u32) {
        self.estimate.restart(kbps);
        self.pacer.set_kbps(self.estimate.kbps());
        self.outbox.push_back(PeerOutput::Event(PeerEvent::Estimate { kbps: self.estimate.kbps() }));
    }

    /// Says goodbye; drain `poll` afterwards. The last event is [`PeerEvent::Closed`].
    pub fn close(&mut self, now: Mono) {
        if !self.closed {
            self.end(CloseReason::Local, now);
        }
    }

    fn end(&mut self, reason: CloseReason, now: Mono) {
        self.pacer.clear();
        (0..self.legs.len()).for_each(|at| self.report(at, true, now));
        let Self { legs, outbox, .. } = self;
        for leg in legs {
            let source = leg.ports.rtp;
            leg.close(&mut |destination, bytes| {
                let transmit = Transmit { proto: Proto::Udp, source, destination, bytes };
                outbox.push_back(PeerOutput::Transmit(transmit));
            });
        }
        self.closed = true;
        self.outbox.push_back(PeerOutput::Event(PeerEvent::Closed(reason)));
    }

    /// Counters since it began.
    pub const fn counters(&self) -> PeerCounters {
        self.counters
    }
}

const fn refused(reason: &'static str) -> NegotiateError {
    NegotiateError::Unacceptable { reason }
}

const fn no_randomness() -> NegotiateError {
    refused("the system has no randomness to give")
}

fn cname() -> Result<String, rand::rand_core::OsError> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut random = [0; CNAME_CHARS];
    OsRng.try_fill_bytes(&mut random)?;
    Ok(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}
