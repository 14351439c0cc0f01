//! Demultiplexing: which peer a datagram is for (hop `demux`).
//!
//! Flow: `io/` -> **here** -> `peer/`. Thread: io, one per socket set. Bound: [`ADDRESSES_PER_PEER_MAX`] addresses a peer,
//! [`PEERS_MAX`] peers. A known source costs one map look-up. An unknown one opens a way only with a STUN binding request (RFC 8489)
//! that names a known user fragment *and* whose signature the peer has checked; everything else is dropped and counted. Peers are never scanned.

use crate::peer::{Datagram, Proto};
use mcu_core::id::PeerId;
use std::net::SocketAddr;

/// Peers of one io thread.
pub const PEERS_MAX: usize = 4_096;
/// Addresses that one peer may be reached at, at a time: its candidates, and one more for each path it moves to.
pub const ADDRESSES_PER_PEER_MAX: usize = 16;

/// Where a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Its source is a way to this peer.
    Peer(PeerId),
    /// It names this peer. If [`WebRtcPeer::authenticates`](crate::peer::WebRtcPeer::authenticates) agrees, call [`Demux::admit`] and hand it over; else drop it.
    Claims(PeerId),
    /// Nobody's.
    Nobody,
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DemuxCounters {
    /// Datagrams from unknown sources that are no STUN binding request.
    pub unknown_source: u64,
    /// STUN binding requests that name nobody here.
    pub unknown_ufrag: u64,
    /// Sources that became a way to a peer.
    pub admitted: u64,
    /// Sources refused because the peer has too many.
    pub addresses_full: u64,
}

/// The node has no room for another peer on this thread, or the user fragment is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// [`PEERS_MAX`] reached.
    #[error("{max} peers are registered already")]
    Full {
        /// The bound.
        max: usize,
    },
    /// Another peer has this user fragment.
    #[error("the user fragment is taken")]
    UfragTaken,
}

/// The maps of one io thread.
#[derive(Debug, Default)]
pub struct Demux {}

impl Demux {
    /// Makes `peer` findable by the user fragment of its answer.
    ///
    /// # Errors
    /// When there is no room, or the fragment is taken.
    pub fn register(&mut self, _ufrag: &str, _peer: PeerId) -> Result<(), RegisterError> {
        unimplemented!()
    }

    /// Whose `datagram` is.
    pub fn route(&mut self, _datagram: &Datagram<'_>) -> Route {
        unimplemented!()
    }

    /// Makes `source` a way to `peer`, after the peer has authenticated a datagram from there. False when it has too many.
    pub fn admit(&mut self, _peer: PeerId, _proto: Proto, _source: SocketAddr) -> bool {
        unimplemented!()
    }

    /// Forgets one source, such as a TCP connection that closed.
    pub fn forget(&mut self, _proto: Proto, _source: SocketAddr) {
        unimplemented!()
    }

    /// Forgets a peer and every way to it.
    pub fn remove(&mut self, _peer: PeerId) {
        unimplemented!()
    }

    /// Counters since the start.
    pub fn counters(&self) -> DemuxCounters {
        unimplemented!()
    }
}
