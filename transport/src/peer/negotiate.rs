//! Negotiation: an SDP offer and our configuration become a WebRTC session and its answer, or a reason why not.
//!
//! Flow: `signalling` -> **here** -> `peer/webrtc`. The offer is first read by our own bounded parser ([`offer`](super::offer)),
//! which keeps only what we mean to speak; the library sees nothing else.

use super::lines::{LineRoles, Medium};
use super::webrtc::WebRtcPeer;
use super::{ClockBase, Proto};
use mcu_core::media::codec::VideoCodec;
use mcu_core::time::Mono;
use std::net::SocketAddr;

/// Which way media flows, by how the peer joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A participant: both ways, except content sound, which is only received.
    Full,
    /// WHIP: we only receive.
    SendOnlyFromClient,
    /// WHEP: we only send.
    ReceiveOnly,
}

/// A local address that peers can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAddress {
    /// UDP, or TCP in the passive role (RFC 6544).
    pub proto: Proto,
    /// What the socket is bound to: what [`Datagram::destination`](super::Datagram::destination) will say.
    pub bound: SocketAddr,
    /// What peers are told; differs from `bound` behind NAT.
    pub advertised: SocketAddr,
}

impl LocalAddress {
    /// An address that peers reach as it is.
    pub const fn direct(proto: Proto, bound: SocketAddr) -> Self {
        Self { proto, bound, advertised: bound }
    }
}

/// Which DTLS is spoken. The library takes the client's first SRTP profile under DTLS 1.3, and Chromium puts AES-CM with SHA-1
/// first; under 1.2 AES-256-GCM comes out, which is the stronger and costs a third less per packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DtlsChoice {
    /// DTLS 1.2 with an AEAD for media. The default.
    #[default]
    V12Aead,
    /// Whatever the client's first hello asks for: 1.3 with current browsers.
    Auto,
}

/// How a peer is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConfig {
    /// Where the peer can reach us, best first.
    pub addresses: Vec<LocalAddress>,
    /// Which way media flows.
    pub kind: Kind,
    /// Picture codecs that may be received. What is sent is the subset that [encodes](VideoCodec::encodes).
    pub video_codecs: Vec<VideoCodec>,
    /// The order in which we would rather send; what the offer prefers where this says nothing.
    pub send_preference: Vec<VideoCodec>,
    /// Ask the peer to send nearly nothing in silence (`usedtx=1`, RFC 7587 §7.1).
    pub opus_dtx: bool,
    /// The most that the peer may send on its main picture line (`b=AS`), in kilobits per second.
    pub main_receive_kbps_max: Option<u32>,
    /// The same for its content line.
    pub content_receive_kbps_max: Option<u32>,
    /// Where the estimate of the way to the peer starts, in kilobits per second.
    pub start_kbps: u32,
    /// What we would send if we could, in kilobits per second: how far the estimator probes.
    pub desired_kbps: u32,
    /// Which DTLS.
    pub dtls: DtlsChoice,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            kind: Kind::Full,
            video_codecs: VideoCodec::ALL.to_vec(),
            send_preference: Vec::new(),
            opus_dtx: false,
            main_receive_kbps_max: None,
            content_receive_kbps_max: None,
            start_kbps: 1_000,
            desired_kbps: 2_500,
            dtls: DtlsChoice::default(),
        }
    }
}

/// The answer to an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The session description.
    pub sdp: String,
}

/// Why an offer was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NegotiateError {
    /// More bytes than `SDP_BYTES_MAX`.
    #[error("the offer has {bytes} bytes, more than {max}")]
    TooLarge {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// More media lines than we answer.
    #[error("the offer has {lines} media lines, more than {max}")]
    TooManyLines {
        /// How many it has (counted no further than `SDP_MEDIA_LINES_MAX + 1`).
        lines: usize,
        /// How many it may have.
        max: usize,
    },
    /// It cannot be read, or contradicts itself.
    #[error("the offer is not valid: {reason}")]
    Invalid {
        /// In words without anything from the offer.
        reason: &'static str,
    },
    /// The library refused what was left of it.
    #[error("the offer cannot be answered: {reason}")]
    Refused {
        /// What the library said; may quote the offer.
        reason: String,
    },
    /// It offers no sound and no picture.
    #[error("the offer has no sound and no picture")]
    NoMedia,
    /// A main line offers nothing that we speak.
    #[error("no common codec for {medium:?}")]
    NoCommonCodec {
        /// Of which medium.
        medium: Medium,
    },
}

pub(crate) fn accept(
    _config: &PeerConfig,
    _clock: ClockBase,
    _offer: &str,
    _roles: &LineRoles,
    _now: Mono,
) -> Result<(WebRtcPeer, Answer), NegotiateError> {
    unimplemented!("lands with the next commit")
}
