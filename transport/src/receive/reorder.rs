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
/// From the arrival that shows a gap to the NACK leaving, and from its arrival there to the resent packet leaving.
const NACK_DELAY: Duration = Duration::from_millis(35);

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
    /// Fits the wait to the round trip: long enough for a lost packet to be asked for, lost again and asked for again.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.wait = (NACK_DELAY + round_trip.min(REORDER_WAIT_MAX) * 2).clamp(WAIT_MIN, REORDER_WAIT_MAX);
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
