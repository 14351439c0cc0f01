//! Demultiplexing: which peer a datagram is for (hop `demux`).
//!
//! Flow: `io/` -> **here** -> `peer/`. Thread: io, one per socket set. Bound: [`ADDRESSES_PER_PEER_MAX`] addresses a peer,
//! [`PEERS_MAX`] peers. A known source costs one map look-up. An unknown one opens a way only with a STUN binding request (RFC 8489)
//! that names a known user fragment *and* whose signature the peer has checked; everything else is dropped and counted. Peers are
//! never scanned, and a source never changes hands but by such a request.

use crate::peer::{Datagram, Proto};
use mcu_core::id::PeerId;
use std::collections::HashMap;
use std::net::SocketAddr;

/// Peers of one io thread.
pub const PEERS_MAX: usize = 4_096;
/// Addresses that one peer may be reached at, at a time: its candidates, and one more for each path it moves to.
pub const ADDRESSES_PER_PEER_MAX: usize = 16;

/// `USERNAME` (RFC 8489 §14.3).
const ATTRIBUTE_USERNAME: u16 = 0x0006;
/// Bytes of a user fragment (RFC 8839 §5.4).
const UFRAG_BYTES_MAX: usize = 256;
/// Attributes of a check that are looked at; browsers put `USERNAME` among the first.
const ATTRIBUTES_MAX: usize = 16;

/// Where a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Its source is a way to this peer.
    Peer(PeerId),
    /// It names this peer. If [`WebRtcPeer::authenticates`](crate::peer::WebRtcPeer::authenticates) agrees, call
    /// [`Demux::admit`] and hand it over; else drop it.
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
    /// Sources that had to make room because their peer had too many.
    pub displaced: u64,
}

/// Why a peer could not be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// [`PEERS_MAX`] reached.
    #[error("{max} peers are registered already")]
    Full {
        /// The bound.
        max: usize,
    },
    /// Another peer has this user fragment, or this peer is registered already.
    #[error("the user fragment is taken")]
    UfragTaken,
}

#[derive(Debug)]
struct Ways {
    ufrag: Box<str>,
    /// Oldest first.
    sources: Vec<(Proto, SocketAddr)>,
}

/// The maps of one io thread.
#[derive(Debug, Default)]
pub struct Demux {
    by_source: HashMap<(Proto, SocketAddr), PeerId>,
    by_ufrag: HashMap<Box<str>, PeerId>,
    ways: HashMap<PeerId, Ways>,
    counters: DemuxCounters,
}

impl Demux {
    /// Makes `peer` findable by the user fragment of its answer.
    ///
    /// # Errors
    /// When there is no room, or the fragment is taken.
    pub fn register(&mut self, ufrag: &str, peer: PeerId) -> Result<(), RegisterError> {
        if self.ways.len() >= PEERS_MAX {
            return Err(RegisterError::Full { max: PEERS_MAX });
        }
        if self.by_ufrag.contains_key(ufrag) || self.ways.contains_key(&peer) {
            return Err(RegisterError::UfragTaken);
        }
        self.by_ufrag.insert(ufrag.into(), peer);
        self.ways.insert(peer, Ways { ufrag: ufrag.into(), sources: Vec::with_capacity(2) });
        Ok(())
    }

    /// Whose `datagram` is.
    pub fn route(&mut self, datagram: &Datagram<'_>) -> Route {
        let known = self.by_source.get(&(datagram.proto, datagram.source)).copied();
        // Media never begins like STUN, so the common case is over here (RFC 7983 §7).
        let named = match datagram.bytes.first() {
            Some(0..4) => checked_ufrag(datagram.bytes).map(|ufrag| self.by_ufrag.get(ufrag).copied()),
            _ => None,
        };
        match (known, named) {
            // A port behind NAT may come to belong to another peer; it proves so first.
            (Some(known), Some(Some(other))) if other != known => Route::Claims(other),
            (Some(known), _) => Route::Peer(known),
            (None, Some(Some(named))) => Route::Claims(named),
            (None, Some(None)) => {
                self.counters.unknown_ufrag += 1;
                Route::Nobody
            }
            (None, None) => {
                self.counters.unknown_source += 1;
                Route::Nobody
            }
        }
    }

    /// Makes `source` a way to `peer`, after the peer has authenticated a datagram from there. The oldest way makes room where there
    /// are too many. False when there is no such peer.
    pub fn admit(&mut self, peer: PeerId, proto: Proto, source: SocketAddr) -> bool {
        let way = (proto, source);
        if !self.ways.contains_key(&peer) {
            return false;
        }
        if self.by_source.get(&way) == Some(&peer) {
            return true;
        }
        self.forget(proto, source);
        self.by_source.insert(way, peer);
        if let Some(ways) = self.ways.get_mut(&peer) {
            if ways.sources.len() == ADDRESSES_PER_PEER_MAX {
                self.by_source.remove(&ways.sources.remove(0));
                self.counters.displaced += 1;
            }
            ways.sources.push(way);
        }
        self.counters.admitted += 1;
        true
    }

    /// Forgets one source, such as a TCP connection that closed.
    pub fn forget(&mut self, proto: Proto, source: SocketAddr) {
        let way = (proto, source);
        if let Some(ways) = self.by_source.remove(&way).and_then(|peer| self.ways.get_mut(&peer)) {
            ways.sources.retain(|known| *known != way);
        }
    }

    /// Forgets a peer and every way to it.
    pub fn remove(&mut self, peer: PeerId) {
        let Some(ways) = self.ways.remove(&peer) else { return };
        self.by_ufrag.remove(&ways.ufrag);
        for way in ways.sources {
            self.by_source.remove(&way);
        }
    }

    /// Peers registered.
    pub fn peers(&self) -> usize {
        self.ways.len()
    }

    /// Sources known.
    pub fn sources(&self) -> usize {
        self.by_source.len()
    }

    /// Counters since the start.
    pub const fn counters(&self) -> DemuxCounters {
        self.counters
    }
}

/// The user fragment that a STUN binding request names first: whom it is for (RFC 8445 §7.2.2). Bounded, allocates nothing,
/// and proves nothing.
pub fn checked_ufrag(datagram: &[u8]) -> Option<&str> {
    const HEADER_BYTES: usize = 20;
    let header = datagram.first_chunk::<HEADER_BYTES>()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if !header.starts_with(&[0, 1]) || header[4..8] != [0x21, 0x12, 0xa4, 0x42] {
        return None;
    }
    let mut rest = datagram.get(HEADER_BYTES..HEADER_BYTES + length)?;
    for _ in 0..ATTRIBUTES_MAX {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let bytes = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if u16::from_be_bytes([head[0], head[1]]) == ATTRIBUTE_USERNAME {
            let (local, _) = std::str::from_utf8(tail.get(..bytes)?).ok()?.split_once(':')?;
            return (local.len() <= UFRAG_BYTES_MAX).then_some(local);
        }
        rest = tail.get(bytes.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ([u8; 4], u16) = ([127, 0, 0, 1], 5000);

    fn check(username: &str) -> Vec<u8> {
        let padded = username.len().next_multiple_of(4);
        let mut packet = vec![0, 1];
        packet.extend(((8 + 4 + padded) as u16).to_be_bytes());
        packet.extend([0x21, 0x12, 0xa4, 0x42]);
        packet.extend([7; 12]);
        packet.extend([0x80, 0x22, 0, 4, 1, 2, 3, 4]); // SOFTWARE goes first
        packet.extend([0, 6]);
        packet.extend((username.len() as u16).to_be_bytes());
        packet.extend(username.as_bytes());
        packet.resize(packet.len() + padded - username.len(), 0);
        packet
    }

    fn source(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 9], port))
    }

    fn datagram(bytes: &[u8], port: u16) -> Datagram<'_> {
        Datagram { proto: Proto::Udp, source: source(port), destination: HERE.into(), bytes }
    }

    fn two_peers() -> Demux {
        let mut demux = Demux::default();
        demux.register("aaaa", PeerId(1)).expect("room");
        demux.register("bbbb", PeerId(2)).expect("room");
        demux
    }

    /// xorshift64*, enough to make bytes.
    fn noise(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed;
        move || {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            state.wrapping_mul(0x2545_f491_4f6c_dd1d)
        }
    }

    #[test]
    fn a_signed_check_opens_a_way_and_nothing_else_does() {
        let mut demux = two_peers();
        let media = [0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
        assert_eq!(demux.route(&datagram(&media, 1)), Route::Nobody);
        assert_eq!(demux.route(&datagram(&check("cccc:remote"), 1)), Route::Nobody);
        assert_eq!(demux.route(&datagram(&check("aaaa:remote"), 1)), Route::Claims(PeerId(1)));
        assert_eq!(demux.route(&datagram(&media, 1)), Route::Nobody, "a claim alone opens nothing");
        assert!(demux.admit(PeerId(1), Proto::Udp, source(1)));
        assert_eq!(demux.route(&datagram(&media, 1)), Route::Peer(PeerId(1)));
        assert_eq!(demux.route(&datagram(&media, 2)), Route::Nobody);
        let counters = demux.counters();
        assert_eq!((counters.unknown_source, counters.unknown_ufrag, counters.admitted), (3, 1, 1));
    }

    #[test]
    fn a_source_changes_hands_only_when_the_other_peer_has_checked_it() {
        let mut demux = two_peers();
        assert!(demux.admit(PeerId(1), Proto::Udp, source(1)));
        assert_eq!(demux.route(&datagram(&check("bbbb:x"), 1)), Route::Claims(PeerId(2)));
        assert_eq!(demux.route(&datagram(&[0x80, 96], 1)), Route::Peer(PeerId(1)), "not yet");
        assert!(demux.admit(PeerId(2), Proto::Udp, source(1)));
        assert_eq!(demux.route(&datagram(&[0x80, 96], 1)), Route::Peer(PeerId(2)));
        demux.remove(PeerId(1));
        assert_eq!(
            demux.route(&datagram(&[0x80, 96], 1)),
            Route::Peer(PeerId(2)),
            "it is not the first one's any more"
        );
    }

    #[test]
    fn udp_and_tcp_of_one_address_are_two_ways() {
        let mut demux = two_peers();
        assert!(demux.admit(PeerId(1), Proto::Tcp, source(1)));
        assert_eq!(demux.route(&datagram(&[0x80, 96], 1)), Route::Nobody);
        demux.forget(Proto::Tcp, source(1));
        assert_eq!(demux.sources(), 0);
    }

    #[test]
    fn addresses_are_bounded_and_leave_with_their_peer() {
        let mut demux = two_peers();
        for port in 1..=100 {
            assert!(demux.admit(PeerId(1), Proto::Udp, source(port)));
        }
        assert_eq!(demux.sources(), ADDRESSES_PER_PEER_MAX);
        assert_eq!(demux.route(&datagram(&[0x80, 96], 100)), Route::Peer(PeerId(1)), "the newest are kept");
        demux.remove(PeerId(1));
        assert_eq!((demux.sources(), demux.peers()), (0, 1));
        assert!(!demux.admit(PeerId(1), Proto::Udp, source(1)), "it is gone");
        demux.register("aaaa", PeerId(3)).expect("the fragment is free again");
        assert_eq!(demux.register("aaaa", PeerId(4)), Err(RegisterError::UfragTaken));
    }

    #[test]
    fn peers_are_bounded() {
        let mut demux = Demux::default();
        for n in 0..PEERS_MAX as u64 {
            demux.register(&format!("u{n}"), PeerId(n)).expect("room");
        }
        assert_eq!(demux.register("more", PeerId(u64::MAX)), Err(RegisterError::Full { max: PEERS_MAX }));
    }

    #[test]
    fn random_and_mutated_datagrams_open_nothing() {
        let mut demux = two_peers();
        let mut next = noise(0x5eed);
        let good = check("aaaa:remote");
        let mut claims = 0;
        for _ in 0..20_000 {
            let random: Vec<u8> = (0..next() % 80).map(|_| next() as u8).collect();
            assert_ne!(demux.route(&datagram(&random, 7)), Route::Peer(PeerId(1)));
            let mut mutated = good.clone();
            for _ in 0..=next() % 4 {
                let at = next() as usize % mutated.len();
                mutated[at] = next() as u8;
            }
            mutated.truncate(1 + next() as usize % mutated.len());
            match demux.route(&datagram(&mutated, 8)) {
                Route::Peer(_) => panic!("a claim became a way"),
                Route::Claims(_) => claims += 1,
                Route::Nobody => {}
            }
        }
        assert!(claims > 0, "some mutations still name a peer: the loop tests something");
        assert_eq!(demux.sources(), 0);
    }

    #[test]
    fn the_fragment_is_found_where_it_is_and_nowhere_else() {
        assert_eq!(checked_ufrag(&check("aaaa:remote")), Some("aaaa"));
        assert_eq!(checked_ufrag(&check("no colon")), None);
        let mut response = check("aaaa:remote");
        response[0] = 1;
        assert_eq!(checked_ufrag(&response), None, "responses name nobody");
        let mut lying = check("aaaa:remote");
        lying[2] = 0xff;
        assert_eq!(checked_ufrag(&lying), None);
    }
}
