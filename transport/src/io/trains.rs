//! Trains: datagrams on their way out, gathered so that one system call carries many (UDP GSO).
//!
//! Flow: [`DatagramIo::send`](super::DatagramIo::send) -> **here** -> a backend's `flush`. Bound: [`TRAINS_MAX`] trains, each of one
//! destination and one segment length. Buffers are used again; nothing is allocated once the queue has been full.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// Trains that wait: what a socket buffer of a few megabytes takes at once.
pub(super) const TRAINS_MAX: usize = 128;
/// Bytes of a train: what a UDP datagram can be at most, less headers.
const TRAIN_BYTES_MAX: usize = 60_000;

/// Datagrams of one length to one destination; only the last may be shorter.
#[derive(Debug)]
pub(super) struct Train {
    pub(super) destination: SocketAddr,
    /// The local address to send from, where the socket has several.
    pub(super) source: Option<IpAddr>,
    /// Bytes of each datagram but the last.
    pub(super) segment_bytes: usize,
    pub(super) segments: usize,
    pub(super) bytes: Vec<u8>,
}

impl Train {
    /// The datagrams, one by one.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(self.segment_bytes.max(1))
    }
}

/// The queue of one socket.
#[derive(Debug)]
pub(super) struct Trains {
    waiting: VecDeque<Train>,
    spare: Vec<Vec<u8>>,
    segments_max: usize,
}

impl Trains {
    /// A queue of trains of at most `segments_max` datagrams.
    pub(super) fn new(segments_max: usize) -> Self {
        Self {
            waiting: VecDeque::with_capacity(TRAINS_MAX),
            spare: Vec::new(),
            segments_max: segments_max.max(1),
        }
    }

    /// Appends a datagram. False when there is no room, or nothing to send.
    pub(super) fn push(&mut self, source: Option<IpAddr>, destination: SocketAddr, bytes: &[u8]) -> bool {
        if bytes.is_empty() || bytes.len() > TRAIN_BYTES_MAX {
            return false;
        }
        if let Some(last) = self.waiting.back_mut() {
            let whole = last.bytes.len() == last.segments * last.segment_bytes;
            let fits = bytes.len() <= last.segment_bytes && last.bytes.len() + bytes.len() <= TRAIN_BYTES_MAX;
            let same = last.destination == destination && last.source == source;
            if whole && fits && same && last.segments < self.segments_max {
                last.bytes.extend_from_slice(bytes);
                last.segments += 1;
                return true;
            }
        }
        if self.waiting.len() == TRAINS_MAX {
            return false;
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(bytes);
        self.waiting.push_back(Train {
            destination,
            source,
            segment_bytes: bytes.len(),
            segments: 1,
            bytes: buffer,
        });
        true
    }

    pub(super) fn first(&self) -> Option<&Train> {
        self.waiting.front()
    }

    pub(super) fn take_first(&mut self) -> Option<Train> {
        self.waiting.pop_front()
    }

    /// Takes a buffer back for later.
    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < TRAINS_MAX {
            self.spare.push(buffer);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn equal_lengths_to_one_destination_ride_together_and_a_shorter_one_ends_the_train() {
        let mut trains = Trains::new(8);
        for (port, bytes) in [(1, 100), (1, 100), (1, 60), (1, 100), (2, 100), (2, 120)] {
            assert!(trains.push(None, to(port), &vec![7; bytes]));
        }
        let mut seen = Vec::new();
        while let Some(train) = trains.take_first() {
            seen.push(train.datagrams().map(<[u8]>::len).collect::<Vec<_>>());
            trains.give_back(train.bytes);
        }
        assert_eq!(seen, [vec![100, 100, 60], vec![100], vec![100], vec![120]]);
    }

    #[test]
    fn trains_and_their_length_are_bounded() {
        let mut trains = Trains::new(4);
        for _ in 0..4 * TRAINS_MAX {
            assert!(trains.push(None, to(1), &[0; 100]));
        }
        assert!(!trains.push(None, to(1), &[0; 100]));
        assert_eq!(trains.first().map(|train| train.segments), Some(4));
        assert!(!Trains::new(4).push(None, to(1), &[]));
        let mut long = Trains::new(1_000);
        while long.waiting.len() < 2 {
            assert!(long.push(None, to(1), &[0; 1_400]));
        }
        assert!(long.first().is_some_and(|train| train.bytes.len() <= TRAIN_BYTES_MAX));
    }
}
