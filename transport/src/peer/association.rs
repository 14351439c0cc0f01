//! Association: one peer of either kind, to those who do not care which.
//!
//! Flow: io thread -> **here** -> [`WebRtcPeer`] or [`SipPeer`]. Nothing is decided here.

use super::lines::{Line, LineState};
use super::{
    CloseReason, Datagram, PeerCounters, PeerOutput, SendError, SendMeta, SipPeer, Standing, WebRtcPeer,
};
use mcu_core::media::codec::VideoCodec;
use mcu_core::time::Mono;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A peer.
#[derive(Debug)]
pub enum Association {
    /// ICE and DTLS on the io thread's port, shared with others.
    WebRtc(Box<WebRtcPeer>),
    /// Ports of its own.
    Sip(Box<SipPeer>),
}

macro_rules! either {
    ($self:ident, $peer:ident => $call:expr) => {
        match $self {
            Self::WebRtc($peer) => $call,
            Self::Sip($peer) => $call,
        }
    };
}

impl Association {
    /// The user fragment that names it to unknown sources; `None` of a peer that is known by its ports.
    pub fn local_ufrag(&self) -> Option<&str> {
        match self {
            Self::WebRtc(peer) => Some(peer.local_ufrag()),
            Self::Sip(_) => None,
        }
    }

    /// Whether, having closed for `reason`, it has no other to follow it: a browser joins again when its association fails, a SIP device has what was agreed.
    pub const fn is_over_for_good(&self, reason: CloseReason) -> bool {
        matches!((self, reason), (Self::Sip(_), CloseReason::Fault | CloseReason::NeverConnected))
    }

    /// The addresses that are this peer's alone.
    pub fn own_ports(&self) -> Vec<SocketAddr> {
        match self {
            Self::WebRtc(_) => Vec::new(),
            Self::Sip(peer) => peer.ports().collect(),
        }
    }

    /// What the next session of the same call takes over; `None` of a peer whose sessions have nothing in common.
    pub fn standing(&self) -> Option<Standing> {
        match self {
            Self::WebRtc(_) => None,
            Self::Sip(peer) => Some(peer.standing()),
        }
    }

    /// Takes over what outlives a session from the one before; the lines on which our numbers have to go on.
    pub fn succeed(&mut self, before: &mut Self) -> Vec<Line> {
        match (self, before) {
            (Self::Sip(peer), Self::Sip(before)) => peer.succeed(before),
            _ => Vec::new(),
        }
    }

    /// Whether a datagram from an unknown source proves to be this peer's.
    pub fn authenticates(&mut self, datagram: &Datagram<'_>) -> bool {
        match self {
            Self::WebRtc(peer) => peer.authenticates(datagram),
            Self::Sip(_) => false,
        }
    }

    /// Whether everything that was agreed is encrypted, under keys that nobody on the way has seen.
    pub fn is_secured(&self) -> bool {
        match self {
            // There is no other WebRTC (RFC 8827 §6.5).
            Self::WebRtc(_) => true,
            Self::Sip(peer) => peer.is_secured(),
        }
    }

    /// Takes in a datagram that was found to be this peer's.
    pub fn handle_datagram(&mut self, now: Mono, datagram: &Datagram<'_>) {
        either!(self, peer => peer.handle_datagram(now, datagram));
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Mono) {
        either!(self, peer => peer.handle_timeout(now));
    }

    /// What is to be done or known next; `None` when there is nothing more at `now`.
    pub fn poll(&mut self, now: Mono) -> Option<PeerOutput> {
        either!(self, peer => peer.poll(now))
    }

    /// When `handle_timeout` wants to be called; `None` when never again.
    pub fn next_timeout(&self) -> Option<Mono> {
        either!(self, peer => peer.next_timeout())
    }

    /// What was agreed for `line`.
    pub fn line(&self, line: Line) -> Option<&LineState> {
        either!(self, peer => peer.line(line))
    }

    /// The codec of the picture that this peer takes on `line`.
    pub fn send_codec(&self, line: Line) -> Option<VideoCodec> {
        either!(self, peer => peer.send_codec(line))
    }

    /// Whether media may flow.
    pub fn is_connected(&self) -> bool {
        either!(self, peer => peer.is_connected())
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        either!(self, peer => peer.is_closed())
    }

    /// Sends one packet of the picture of `line`, paced.
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
        match self {
            Self::WebRtc(peer) => peer.send_video(line, payload, meta),
            Self::Sip(peer) => peer.send_video(line, payload, meta, now),
        }
    }

    /// Sends one packet of the mixed sound, unpaced.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_sound(&mut self, payload: &Arc<[u8]>, meta: &SendMeta) -> Result<(), SendError> {
        either!(self, peer => peer.send_sound(payload, meta))
    }

    /// Asks the sender of `line` for a key frame. True when there is a stream to ask.
    pub fn request_keyframe(&mut self, line: Line) -> bool {
        either!(self, peer => peer.request_keyframe(line))
    }

    /// Age of the oldest packet that waits to be sent, zero when none does.
    pub fn pacer_delay(&mut self, now: Mono) -> Duration {
        either!(self, peer => peer.pacer_delay(now))
    }

    /// Lets go of what was sent on `line` and could be sent again.
    pub fn forget_sent(&mut self, line: Line) {
        match self {
            Self::WebRtc(peer) => peer.forget_sent(line),
            // Keeps nothing.
            Self::Sip(_) => {}
        }
    }

    /// What we would send if we could, in kilobits per second: how far an estimator probes.
    pub fn set_desired_bitrate(&mut self, kbps: u32) {
        match self {
            Self::WebRtc(peer) => peer.set_desired_bitrate(kbps),
            // Probes nothing.
            Self::Sip(_) => {}
        }
    }

    /// Starts the estimate again from `kbps`.
    pub fn reset_estimate(&mut self, kbps: u32) {
        either!(self, peer => peer.reset_estimate(kbps));
    }

    /// Counters since it began.
    pub fn counters(&self) -> PeerCounters {
        either!(self, peer => peer.counters())
    }

    /// Says goodbye; drain `poll` afterwards.
    pub fn close(&mut self, now: Mono) {
        either!(self, peer => peer.close(now));
    }
}

impl From<WebRtcPeer> for Association {
    fn from(peer: WebRtcPeer) -> Self {
        Self::WebRtc(Box::new(peer))
    }
}

impl From<SipPeer> for Association {
    fn from(peer: SipPeer) -> Self {
        Self::Sip(Box::new(peer))
    }
}
