//! A WebRTC peer: ICE-lite, DTLS, SRTP, RTCP, resends, congestion control and pacing, by str0m in RTP mode.
//!
//! Flow: `demux` -> **here** -> `receive/`; `send/` -> **here** -> `io/`. Thread: io. Every call that takes `now` may leave outputs:
//! drain [`WebRtcPeer::poll`] until it returns `None`, then sleep until [`WebRtcPeer::next_timeout`].

use super::lines::{Line, LineRoles, LineState, SendCodec};
use super::negotiate::{self, Answer, NegotiateError, PeerConfig};
use super::{ClockBase, Datagram, PeerOutput};
use mcu_core::media::codec::VideoCodec;
use mcu_core::time::Mono;
use std::sync::Arc;
use std::time::Duration;

/// How long a peer may take from its answer to a finished DTLS handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connected peer may send no consent check (RFC 7675 §5.1).
pub const CONSENT_TIMEOUT: Duration = Duration::from_secs(30);

/// The per-receiver numbers of a VP8 payload descriptor (RFC 7741 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp8Ids {
    /// 15-bit picture id.
    pub picture_id: u16,
    /// `TL0PICIDX`, where the descriptor has one.
    pub tl0: Option<u8>,
}

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
    pub vp8: Option<Vp8Ids>,
}

/// Why a payload was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The session has no such line, or it does not send.
    #[error("the peer does not take {0:?}")]
    NotSending(Line),
    /// The payload's VP8 descriptor has no room for the numbers to write.
    #[error("the payload has no vp8 picture id to write to")]
    NoVp8Descriptor,
    /// The association is over.
    #[error("the peer is closed")]
    Closed,
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

/// One WebRTC association.
pub struct WebRtcPeer {}

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

    /// The user fragment that the peer's STUN checks name first: what `demux` routes unknown sources by.
    pub fn local_ufrag(&self) -> &str {
        unimplemented!()
    }

    /// Whether `datagram` proves to come from this peer: a STUN binding request signed with the password of this session, and
    /// not one seen before from elsewhere. Ask before its source becomes a way to this peer.
    pub fn authenticates(&mut self, _datagram: Datagram<'_>) -> bool {
        unimplemented!()
    }

    /// Takes in a datagram that `demux` routed here.
    pub fn handle_datagram(&mut self, _now: Mono, _datagram: Datagram<'_>) {
        unimplemented!()
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, _now: Mono) {
        unimplemented!()
    }

    /// What is to be done or known next; `None` when there is nothing more at `now`.
    pub fn poll(&mut self, _now: Mono) -> Option<PeerOutput> {
        unimplemented!()
    }

    /// When `handle_timeout` wants to be called, always later than the `now` last given; `None` when never again.
    pub fn next_timeout(&self) -> Option<Mono> {
        unimplemented!()
    }

    /// The agreed lines.
    pub fn lines(&self) -> impl Iterator<Item = &LineState> {
        std::iter::empty()
    }

    /// What was agreed for `line`.
    pub fn line(&self, _line: Line) -> Option<&LineState> {
        unimplemented!()
    }

    /// The codec of the picture that this peer takes on `line`.
    pub fn send_codec(&self, line: Line) -> Option<VideoCodec> {
        self.send_format(line).map(|format| format.codec)
    }

    /// The whole format of it.
    pub fn send_format(&self, _line: Line) -> Option<SendCodec> {
        unimplemented!()
    }

    /// Whether media may flow.
    pub fn is_connected(&self) -> bool {
        unimplemented!()
    }

    /// Whether the association is over; it then has no outputs any more.
    pub fn is_closed(&self) -> bool {
        unimplemented!()
    }

    /// Sends one packet of the picture of `line`, paced. `payload` is shared by all receivers and copied only by encryption.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_video(&mut self, _line: Line, _payload: &Arc<[u8]>, _meta: &SendMeta) -> Result<(), SendError> {
        unimplemented!()
    }

    /// Sends one packet of the mixed sound, unpaced, on [`Line::MAIN_AUDIO`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_sound(&mut self, _payload: &Arc<[u8]>, _meta: &SendMeta) -> Result<(), SendError> {
        unimplemented!()
    }

    /// Asks the sender of `line` for a key frame (PLI). True when there is a stream to ask.
    pub fn request_keyframe(&mut self, _line: Line) -> bool {
        unimplemented!()
    }

    /// Age of the oldest packet that waits to be sent, zero when none does.
    pub fn pacer_delay(&mut self, _now: Mono) -> Duration {
        unimplemented!()
    }

    /// What we would send if we could: how far the estimator probes.
    pub fn set_desired_bitrate(&mut self, _kbps: u32) {
        unimplemented!()
    }

    /// Starts the estimate again from `kbps`: helps it up after a squeeze.
    pub fn reset_estimate(&mut self, _kbps: u32) {
        unimplemented!()
    }

    /// Says goodbye; drain `poll` afterwards. The next event is [`PeerEvent::Closed`](super::PeerEvent::Closed).
    pub fn close(&mut self, _now: Mono) {
        unimplemented!()
    }

    /// Counters since it began.
    pub fn counters(&self) -> PeerCounters {
        unimplemented!()
    }
}
