//! Trains: datagrams on their way out, gathered so that one system call carries many (UDP GSO).
//!
//! Flow: [`DatagramIo::send`](super::DatagramIo::send) -> **here** -> a backend's `flush`. Bounds: [`TRAINS_MAX`] trains, each of one
//! destination and one segment length, and [`WAITING_BYTES_MAX`]. Buffers are used again; nothing is allocated once the queue has been full.
//!
//! Sound goes to everybody at one moment, a train each, and a backend may be able to hand on only a few before its thread has slept: so
//! there is room for a packet to each peer of a thread.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// Trains that wait.
pub(super) const TRAINS_MAX: usize = 4_096;
/// Bytes that wait, all trains together: as many as a socket buffer is asked to hold.
const WAITING_BYTES_MAX: usize = super::probe::SOCKET_BUFFER_BYTES;
/// Buffers larger than this are kept for later only while [`LARGE_SPARE_MAX`] are.
const LARGE_BYTES: usize = 2_048;
/// Large buffers that are kept: four megabytes at most, and as much of small ones.
const LARGE_SPARE_MAX: usize = 64;
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
    waiting_bytes: usize,
    /// Small and large.
    spare: [Vec<Vec<u8>>; 2],
    segments_max: usize,
}

impl Trains {
    /// A queue of trains of at most `segments_max` datagrams.
    pub(super) fn new(segments_max: usize) -> Self {
        Self {
            waiting: VecDeque::with_capacity(TRAINS_MAX),
            waiting_bytes: 0,
            spare: [Vec::new(), Vec::new()],
            segments_max: segments_max.max(1),
        }
    }

    /// Appends a datagram. False when there is no room, or nothing to send.
    pub(super) fn push(&mut self, source: Option<IpAddr>, destination: SocketAddr, bytes: &[u8]) -> bool {
        let is_over = self.waiting_bytes + bytes.len() > WAITING_BYTES_MAX;
        if bytes.is_empty() || bytes.len() > TRAIN_BYTES_MAX || is_over {
            return false;
        }
        if let Some(last) = self.waiting.back_mut() {
            let whole = last.bytes.len() == last.segments * last.segment_bytes;
            let fits = bytes.len() <= last.segment_bytes && last.bytes.len() + bytes.len() <= TRAIN_BYTES_MAX;
            let same = last.destination == destination && last.source == source;
            if whole && fits && same && last.segments < self.segments_max {
                last.bytes.extend_from_slice(bytes);
                last.segments += 1;
                self.waiting_bytes += bytes.len();
                return true;
            }
        }
        if self.waiting.len() == TRAINS_MAX {
            return false;
        }
        let [small, large] = &mut self.spare;
        let mut buffer = small.pop().or_else(|| large.pop()).unwrap_or_default();
        self.waiting_bytes += bytes.len();
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
        let first = self.waiting.pop_front()?;
        self.waiting_bytes -= first.bytes.len();
        Some(first)
    }

    /// Takes a buffer back for later.
    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        let is_large = buffer.capacity() > LARGE_BYTES;
        let kept_max = if is_large { LARGE_SPARE_MAX } else { TRAINS_MAX };
        let spare = &mut self.spare[usize::from(is_large)];
        if spare.len() < kept_max {
            spare.push(buffer);
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
        let mut heavy = Trains::new(1);
        let pushed = std::iter::repeat_with(|| heavy.push(None, to(1), &[0; 50_000]));
        assert_eq!(pushed.take_while(|pushed| *pushed).count(), WAITING_BYTES_MAX / 50_000);
        assert!(
            heavy.take_first().is_some() && heavy.push(None, to(1), &[0; 50_000]),
            "and there is room again"
        );
        assert!(!Trains::new(4).push(None, to(1), &[]));
        let mut long = Trains::new(1_000);
        while long.waiting.len() < 2 {
            assert!(long.push(None, to(1), &[0; 1_400]));
        }
        assert!(long.first().is_some_and(|train| train.bytes.len() <= TRAIN_BYTES_MAX));
    }
}
