//! What a session of a SIP device leaves to the one that follows it in the same call: its ports, its keys, and its name in SDP.
//!
//! Flow: `SipPeer` -> control -> [`SipConfig`](super::SipConfig) of the next. Pure. Ports stay so that a re-INVITE, which a device sends for hold and for
//! every refresh, opens no new holes in firewalls on the way (RFC 3264 §8.3.1 lets either side move; nobody likes it).

use super::super::lines::Line;
use super::protection::Protection;
use super::sdes::Chosen;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use std::net::SocketAddr;

/// The local (bound) addresses of one media line. With RTP and RTCP on one port both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalPorts {
    /// Where RTP arrives.
    pub rtp: SocketAddr,
    /// Where RTCP arrives.
    pub rtcp: SocketAddr,
}

impl LocalPorts {
    /// Whether RTP and RTCP share one port.
    pub fn are_shared(&self) -> bool {
        self.rtp == self.rtcp
    }
}

/// How our descriptions of one call are told apart in `o=`: by a random number, and a version that grows by one (RFC 3264 §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SdpOrigin {
    pub(super) session: u64,
    pub(super) version: u64,
}

impl SdpOrigin {
    /// A new one; `None` when the system has no randomness to give.
    pub(super) fn random() -> Option<Self> {
        // Positive for whoever reads 64 bits with a sign.
        Some(Self { session: OsRng.try_next_u64().ok()? >> 1, version: 1 })
    }

    const fn next(self) -> Self {
        Self { version: self.version + 1, ..self }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub(super) origin: SdpOrigin,
    pub(super) lines: Vec<(Line, LocalPorts, Protection)>,
}

impl Standing {
    /// The ports that `line` has.
    pub(super) fn ports(&self, line: Line) -> Option<LocalPorts> {
        self.lines.iter().find(|(known, ..)| *known == line).map(|(_, ports, _)| *ports)
    }

    /// How `line` is protected.
    pub(super) fn protection(&self, line: Line) -> Option<&Protection> {
        self.lines.iter().find(|(known, ..)| *known == line).map(|(.., protection)| protection)
    }

    /// The keys of SDP that `line` has.
    pub(super) fn keys(&self, line: Line) -> Option<&Chosen> {
        match self.protection(line)? {
            Protection::Sdes(keys) => Some(keys),
            Protection::Plain | Protection::Dtls(_) => None,
        }
    }

    /// How the next description is named: after `before`, if there is one.
    pub(super) fn next_origin(before: Option<&Self>) -> Option<SdpOrigin> {
        before.map_or_else(SdpOrigin::random, |standing| Some(standing.origin.next()))
    }
}
