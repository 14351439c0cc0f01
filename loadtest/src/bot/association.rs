//! The media of a participant: a browser's, an encoder's or a player's by WebRTC, a room system's or a telephone's by SIP. One face for `life`.
//!
//! Flow: `arrive` or `ring` makes one -> **here** -> `life`. Without I/O.

use super::call::CallMedia;
use super::peer::{Departing, Peer, PeerError, PeerEvent};
use crate::clock::Clock;
use bytes::Bytes;
use mcu_core::id::SourceKind;
use mcu_core::time::{MediaTime, Mono};
use std::net::SocketAddr;
use transport::payload::PacketizedUnit;

/// See the module.
#[derive(Debug)]
pub(super) enum Association {
    /// By WebRTC.
    Peer(Box<Peer>),
    /// By SIP.
    Call(Box<CallMedia>),
}

impl Association {
    /// Whether sound goes on while its sender is muted: telephones send silence.
    pub(super) const fn sends_silence(&self) -> bool {
        matches!(self, Self::Call(_))
    }

    /// Takes a datagram that came from `source` by a wire.
    ///
    /// # Errors
    /// [`PeerError`] when it is beyond help.
    pub(super) fn handle(
        &mut self,
        clock: Clock,
        now: Mono,
        (wire, source): (usize, SocketAddr),
        datagram: &[u8],
    ) -> Result<(), PeerError> {
        match self {
            Self::Peer(peer) => peer.handle(clock.instant(now), now, source, datagram),
            Self::Call(media) => {
                media.handle(now, wire, datagram);
                Ok(())
            }
        }
    }

    /// Lets time pass; fills `departing` and `events`; says when to call again.
    ///
    /// # Errors
    /// [`PeerError`] when it is beyond help.
    pub(super) fn poll(
        &mut self,
        clock: Clock,
        now: Mono,
        departing: &mut Vec<Departing>,
        events: &mut Vec<PeerEvent>,
    ) -> Result<Mono, PeerError> {
        match self {
            Self::Peer(peer) => Ok(clock.mono(peer.poll(clock.instant(now), now, departing, events)?)),
            Self::Call(media) => Ok(media.poll(now, departing, events)),
        }
    }

    /// Sends a picture; `at` is its moment on the sender's clock.
    pub(super) fn send_picture(&mut self, clock: Clock, now: Mono, unit: &PacketizedUnit, at: MediaTime) {
        match self {
            Self::Peer(peer) => peer.send_picture(clock.instant(now), unit, at),
            Self::Call(media) => media.send_picture(now, unit, at),
        }
    }

    /// Sends 20 ms of sound; `at` is its moment on the sender's clock, `level_dbov` what is claimed of it where that can be.
    pub(super) fn send_sound(
        &mut self,
        clock: Clock,
        now: Mono,
        packet: &Bytes,
        at: MediaTime,
        level_dbov: i8,
    ) {
        match self {
            Self::Peer(peer) => peer.send_sound(clock.instant(now), packet, at, level_dbov),
            Self::Call(media) => media.send_sound(now, packet, at),
        }
    }

    /// Whether a picture waits from too long ago.
    pub(super) fn is_blocked(&mut self, clock: Clock, now: Mono) -> bool {
        match self {
            Self::Peer(peer) => peer.is_blocked(clock.instant(now)),
            Self::Call(media) => media.is_blocked(now),
        }
    }

    /// Tells the estimator what is sent now, and what one would like to send; a call's goes by what is lost.
    pub(super) fn set_rates(&mut self, current_kbps: u32, wanted_kbps: u32) {
        if let Self::Peer(peer) = self {
            peer.set_rates(current_kbps, wanted_kbps);
        }
    }

    /// Asks the far end for a key frame of a picture line.
    pub(super) fn request_keyframe(&mut self, line: SourceKind, now: Mono) {
        match self {
            Self::Peer(peer) => peer.request_keyframe(line),
            Self::Call(media) => media.request_keyframe(now),
        }
    }
}
