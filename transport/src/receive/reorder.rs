//! Reorder buffer: puts authenticated RTP packets of one stream in order and releases them in time.
//!
//! Flow: `peer/` -> **here** -> `payload/`. Thread: io. Bound: `limits::REORDER_PACKETS_MAX` packets and
//! `limits::REORDER_WAIT_MAX` per gap. A gap that is given up is an item of its own. Never reads the clock; late
//! packets and duplicates are dropped and counted.

use mcu_core::limits::{REORDER_PACKETS_MAX, REORDER_WAIT_MAX};
use mcu_core::media::packet::Packet;
use mcu_core::time::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a gap is waited for while the round trip is unknown.
const WAIT_INITIAL: Duration = Duration::from_millis(150);
/// The least wait: plain reordering in the network.
const WAIT_MIN: Duration = Duration::from_millis(50);
/// From when a NACK might leave to when it does, and from its arrival there to the resent packet leaving.
const NACK_DELAY: Duration = Duration::from_millis(35);
/// NACKs whose answers are waited for.
const NACKS: u32 = 3;

/// What comes out, in order.
#[derive(Debug, Clone)]
pub enum Reordered {
    /// The next packet.
    Packet(Packet),
    /// The next `count` packets will not come.
    Lost {
        /// How many.
        count: u64,
    },
}

/// What happened to packets, counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReorderCounters {
    /// Packets given up.
    pub lost: u64,
    /// Packets that came after they had been given up.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets dropped because nobody took any.
    pub overflowed: u64,
}

/// Puts the packets of one stream in order. After each [`push`](Self::push), and at
/// [`next_deadline`](Self::next_deadline), call [`poll`](Self::poll) until it is empty.
#[derive(Debug)]
pub struct ReorderBuffer {
    held: VecDeque<Packet>,
    next: Option<u64>,
    /// Since when the gap before `held[0]` is known.
    gap_since: Option<Mono>,
    wait: Duration,
    counters: ReorderCounters,
}

impl Default for ReorderBuffer {
    fn default() -> Self {
        Self {
            held: VecDeque::with_capacity(REORDER_PACKETS_MAX),
            next: None,
            gap_since: None,
            wait: WAIT_INITIAL,
            counters: ReorderCounters::default(),
        }
    }
}

impl ReorderBuffer {
    /// Fits the wait to the round trip: long enough for a lost packet to be asked for, lost again, asked for, lost once more and asked for.
    /// Each time takes a round trip and a delay. To give up earlier is dearer: a key frame for everybody who shares the picture, and a
    /// round trip more.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.wait =
            ((NACK_DELAY + round_trip.min(REORDER_WAIT_MAX)) * NACKS).clamp(WAIT_MIN, REORDER_WAIT_MAX);
    }

    /// Takes a packet in whatever order it comes.
    pub fn push(&mut self, packet: Packet) {
        let next = *self.next.get_or_insert(packet.sequence);
        if packet.sequence < next {
            self.counters.late += 1;
            return;
        }
        // Almost always the new packet is the last: look from the back.
        let after = self.held.iter().rev().take_while(|held| held.sequence > packet.sequence).count();
        let at = self.held.len() - after;
        if at > 0 && self.held[at - 1].sequence == packet.sequence {
            self.counters.duplicate += 1;
            return;
        }
        if self.held.len() >= REORDER_PACKETS_MAX {
            self.counters.overflowed += 1;
            return;
        }
        if packet.sequence != next && self.gap_since.is_none() {
            self.gap_since = Some(packet.arrival);
        }
        self.held.insert(at, packet);
    }

    /// The next packet or loss that can be told by now.
    pub fn poll(&mut self, now: Mono) -> Option<Reordered> {
        let front = self.held.front()?.sequence;
        let next = self.next?;
        if front != next {
            let expired = self.next_deadline().is_some_and(|deadline| deadline <= now);
            if !expired && self.held.len() < REORDER_PACKETS_MAX {
                return None;
            }
            let count = front - next;
            self.next = Some(front);
            self.gap_since = None;
            self.counters.lost = self.counters.lost.saturating_add(count);
            return Some(Reordered::Lost { count });
        }
        let packet = self.held.pop_front()?;
        let next = packet.sequence.saturating_add(1);
        self.next = Some(next);
        // A gap behind this packet is known since the first packet behind it came.
        self.gap_since = self.held.front().filter(|front| front.sequence != next).map(|front| front.arrival);
        Some(Reordered::Packet(packet))
    }

    /// When the gap in front will be given up.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.gap_since.map(|since| since + self.wait)
    }

    /// Packets held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether no packet is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What happened so far.
    pub const fn counters(&self) -> ReorderCounters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::Random;
    use bytes::Bytes;

    fn packet(sequence: u64, arrival: Mono) -> Packet {
        Packet {
            sequence,
            timestamp: 0,
            marker: false,
            arrival,
            audio_level_dbov: None,
            payload: Bytes::new(),
        }
    }

    /// What a poll tells: a packet's sequence number, or a loss.
    fn drain(buffer: &mut ReorderBuffer, now: Mono) -> Vec<Result<u64, u64>> {
        std::iter::from_fn(|| buffer.poll(now))
            .map(|item| match item {
                Reordered::Packet(packet) => Ok(packet.sequence),
                Reordered::Lost { count } => Err(count),
            })
            .collect()
    }

    #[test]
    fn a_gap_waits_until_its_deadline_and_then_is_an_item() {
        let (mut buffer, start) = (ReorderBuffer::default(), Mono::from_millis(1_000));
        for sequence in [7, 8, 11] {
            buffer.push(packet(sequence, start));
        }
        assert_eq!(drain(&mut buffer, start), [Ok(7), Ok(8)]);
        let deadline = buffer.next_deadline().expect("a gap");
        assert_eq!(drain(&mut buffer, deadline.before(Duration::from_nanos(1))), []);
        assert_eq!(drain(&mut buffer, deadline), [Err(2), Ok(11)]);
        buffer.push(packet(9, deadline));
        assert_eq!((buffer.counters().lost, buffer.counters().late, buffer.next_deadline()), (2, 1, None));
    }

    #[test]
    fn the_wait_follows_the_round_trip_within_bounds() {
        for (round_trip_ms, wait_ms) in [(0, 105), (50, 255), (104, 417), (5_000, 450)] {
            let mut buffer = ReorderBuffer::default();
            buffer.set_round_trip(Duration::from_millis(round_trip_ms));
            buffer.push(packet(1, Mono::ZERO));
            buffer.push(packet(3, Mono::ZERO));
            drain(&mut buffer, Mono::ZERO);
            assert_eq!(buffer.next_deadline(), Some(Mono::from_millis(wait_ms)));
        }
    }

    #[test]
    fn a_jump_and_a_full_buffer_are_bounded() {
        let mut buffer = ReorderBuffer::default();
        buffer.push(packet(5, Mono::ZERO));
        for sequence in 0..2 * REORDER_PACKETS_MAX as u64 {
            buffer.push(packet(u64::MAX - 5_000 + sequence, Mono::ZERO));
        }
        assert_eq!(buffer.len(), REORDER_PACKETS_MAX);
        // Full: nothing is waited for any more.
        let out = drain(&mut buffer, Mono::ZERO);
        assert_eq!((out[0], out.len()), (Ok(5), 1));
        buffer.push(packet(u64::MAX, Mono::ZERO));
        let out = drain(&mut buffer, Mono::ZERO);
        assert_eq!(out[0], Err(u64::MAX - 5_000 - 6));
        assert!(buffer.counters().overflowed > 0);
    }

    #[test]
    fn any_shuffling_network_gives_every_packet_once_and_in_order() {
        for seed in 1..=50 {
            let mut random = Random::new(seed);
            let mut arrivals: Vec<(u64, u64)> = Vec::new();
            let mut lost = 0;
            for sequence in 0..2_000_u64 {
                // The ends arrive, so that every loss lies between packets.
                if (1..1_999).contains(&sequence) && random.below(20) == 0 {
                    lost += 1;
                    continue;
                }
                for _ in 0..=usize::from(random.below(50) == 0) {
                    let jitter = if sequence == 0 { 0 } else { random.below(40) as u64 };
                    arrivals.push((sequence * 2 + jitter, sequence));
                }
            }
            arrivals.sort_unstable();
            let (mut buffer, mut out) = (ReorderBuffer::default(), Vec::new());
            for (at, sequence) in &arrivals {
                let now = Mono::from_millis(*at);
                out.extend(drain(&mut buffer, now));
                buffer.push(packet(*sequence, now));
                out.extend(drain(&mut buffer, now));
            }
            out.extend(drain(&mut buffer, Mono::from_millis(60_000)));
            let mut next = 0;
            for item in out {
                match item {
                    Ok(sequence) => {
                        assert_eq!(sequence, next, "seed {seed}");
                        next += 1;
                    }
                    Err(count) => next += count,
                }
            }
            assert_eq!((next, buffer.counters().lost), (2_000, lost), "seed {seed}");
            assert!(buffer.counters().duplicate + buffer.counters().late > 0);
        }
    }
}
