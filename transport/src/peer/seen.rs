//! Seen checks: a STUN check that was captured and is replayed from elsewhere must not move a peer's path.
//!
//! Transaction ids are random and used once (RFC 8489 §6), except for retransmissions, which come from where the first came from. So a known
//! id from another source is a replay. Remembers the last [`SEEN_MAX`]: some eight minutes of a browser's checks. What is older
//! is not recognised; then the worst is that one path is tried until the peer's next own check.

use std::net::SocketAddr;

/// Checks remembered.
const SEEN_MAX: usize = 512;
/// Length of a STUN header (RFC 8489 §5).
const HEADER_BYTES: usize = 20;
/// RFC 8489 §5.
pub(crate) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// A STUN transaction id.
pub(crate) type Transaction = [u8; 12];

/// The transaction id, when the datagram has a STUN header.
pub(crate) fn stun_transaction(datagram: &[u8]) -> Option<Transaction> {
    let header = datagram.first_chunk::<HEADER_BYTES>()?;
    (header[0] < 4 && header[4..8] == MAGIC_COOKIE).then(|| std::array::from_fn(|i| header[8 + i]))
}

/// Whether a datagram with a STUN header is a binding request (RFC 8489 §18.2).
pub(crate) fn is_binding_request(datagram: &[u8]) -> bool {
    datagram.starts_with(&[0, 1])
}

/// The last checks of one peer, oldest overwritten first.
#[derive(Debug, Default)]
pub(crate) struct SeenChecks {
    ring: Vec<(Transaction, SocketAddr)>,
    next: usize,
}

impl SeenChecks {
    /// Whether `check` is new, or repeated by its own sender. Remembers it.
    pub(crate) fn is_fresh(&mut self, check: Transaction, source: SocketAddr) -> bool {
        if let Some((_, from)) = self.ring.iter().find(|(known, _)| *known == check) {
            return *from == source;
        }
        if self.ring.len() < SEEN_MAX {
            self.ring.push((check, source));
        } else {
            self.ring[self.next] = (check, source);
            self.next = (self.next + 1) % SEEN_MAX;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_from_elsewhere_is_no_check() {
        let mut seen = SeenChecks::default();
        let (home, elsewhere) = (SocketAddr::from(([10, 0, 0, 1], 1)), SocketAddr::from(([10, 0, 0, 2], 1)));
        assert!(seen.is_fresh([1; 12], home));
        assert!(seen.is_fresh([1; 12], home), "its own retransmission is one");
        assert!(!seen.is_fresh([1; 12], elsewhere));
        assert!(seen.is_fresh([2; 12], elsewhere), "a new check from elsewhere is one");
    }

    #[test]
    fn memory_is_bounded() {
        let mut seen = SeenChecks::default();
        let home = SocketAddr::from(([10, 0, 0, 1], 1));
        for n in 0..10_000u32 {
            let mut check = [0; 12];
            check[..4].copy_from_slice(&n.to_be_bytes());
            assert!(seen.is_fresh(check, home));
        }
        assert_eq!(seen.ring.len(), SEEN_MAX);
    }
}
