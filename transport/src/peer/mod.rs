//! Peers: one transport association each, from datagrams to authenticated packets and back (hops `unprotect` and `protect`).
//!
//! Flow: `demux` -> **here** -> `receive/`; and `send/` -> **here** -> `io/`. Thread: io, one owner per peer. Sans-I/O:
//! datagrams, packets and `now` go in, [`PeerOutput`] comes out. This file owns the words that every kind of peer shares;
//! [`webrtc`] is the browser's kind, [`sip`] the room system's and the phone's, [`Association`] either. A peer never reads a clock, never opens a socket and never looks into a payload.

mod answer;
mod association;
pub mod clock;
mod events;
pub(crate) mod gate;
mod guard;
pub mod lines;
pub(crate) mod narrow;
pub mod negotiate;
pub mod offer;
mod seen;
pub mod sip;
pub mod webrtc;

pub use association::Association;
pub use clock::ClockBase;
pub use lines::{H264Format, Line, LineCodec, LineRoles, LineState, Medium, ReceiveCodec, SendCodec};
pub use negotiate::{Answer, DtlsChoice, Kind, LocalAddress, NegotiateError, PeerConfig};
pub use sip::{FloorControl, LocalPorts, SipConfig, SipOffer, SipPeer, Standing};
pub use webrtc::{PeerCounters, SendError, SendMeta, WebRtcPeer};

use bytes::Bytes;
use mcu_core::conference::keypad::Digit;
use mcu_core::media::packet::{Packet, SenderReport};
use std::net::SocketAddr;
use std::time::Duration;

/// What carries a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proto {
    /// UDP.
    Udp,
    /// TCP with the framing of RFC 4571 (RFC 6544); the framing is taken off before a datagram gets here.
    Tcp,
}

/// One datagram on its way in, still untrusted.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// What carried it.
    pub proto: Proto,
    /// Who says it sent it.
    pub source: SocketAddr,
    /// The local address that it arrived at: the bound one, never a wildcard.
    pub destination: SocketAddr,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// One datagram on its way out.
#[derive(Debug, Clone)]
pub struct Transmit {
    /// What is to carry it.
    pub proto: Proto,
    /// The local (bound) address to send from.
    pub source: SocketAddr,
    /// Where to.
    pub destination: SocketAddr,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What a peer wants done, or wants known. Taken by `poll`, one at a time.
#[derive(Debug)]
pub enum PeerOutput {
    /// Send this.
    Transmit(Transmit),
    /// This happened.
    Event(PeerEvent),
}

/// What happened at a peer.
#[derive(Debug)]
pub enum PeerEvent {
    /// ICE and DTLS are up; media may flow.
    Connected,
    /// The association is over; nothing follows. Said once.
    Closed(CloseReason),
    /// An authenticated packet arrived.
    Packet {
        /// The line it belongs to.
        line: Line,
        /// How its payload is coded, by its payload type.
        codec: LineCodec,
        /// The packet.
        packet: Packet,
    },
    /// The sender told how its clocks relate.
    SenderReport {
        /// The line whose stream it speaks of.
        line: Line,
        /// The pair of clocks.
        report: SenderReport,
    },
    /// Somebody pressed a key (RFC 4733).
    Digit(Digit),
    /// The receiver cannot go on without a key frame (PLI or FIR).
    KeyframeRequested {
        /// The line of our picture.
        line: Line,
    },
    /// What the way to this peer can carry, all lines together.
    Estimate {
        /// Kilobits per second.
        kbps: u32,
    },
    /// Once a second.
    Stats(PeerStats),
}

/// Figures of the last second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerStats {
    /// Round trip to the peer, where a report told.
    pub rtt: Option<Duration>,
    /// Packets of ours that the peer says it missed, per thousand.
    pub send_loss_permille: Option<u16>,
    /// Packets of the peer's that we missed, per thousand.
    pub receive_loss_permille: Option<u16>,
    /// Bits per second that arrived, in kilobits.
    pub receive_kbps: u32,
    /// Bits per second that left, in kilobits.
    pub send_kbps: u32,
}

/// Why an association ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// We closed it.
    Local,
    /// The peer said goodbye (DTLS `close_notify`).
    Remote,
    /// No connection within [`webrtc::CONNECT_TIMEOUT`].
    NeverConnected,
    /// No consent for [`webrtc::CONSENT_TIMEOUT`] (RFC 7675 §5.1).
    ConsentLost,
    /// DTLS failed, or the library gave up on this association.
    Fault,
}
