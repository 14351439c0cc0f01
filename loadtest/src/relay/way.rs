//! One direction of a bad network: decides each datagram's fate and moment, without I/O and without a clock.
//!
//! Flow: `socket` pushes -> **here** -> `socket` pops what is due. Bound: [`DATAGRAMS_MAX`] in flight, more are
//! dropped and counted. The same line, seed, moments and lengths give the same decisions, always: chance comes from
//! two generators of their own, one for spells of loss (drawn by time), one for datagrams (a fixed number of
//! draws each, whatever is decided).

use super::profile::{Line, Link, Loss, QueueLimit};
use mcu_core::time::Mono;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Datagrams in flight in one direction: a second of 40 Mbit/s.
pub const DATAGRAMS_MAX: usize = 4_096;
/// The longest that a datagram is held back for reordering when nothing overtakes it.
pub const REORDER_HOLD_MAX: Duration = Duration::from_millis(100);

/// What became of datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fates {
    /// Pushed.
    pub offered: u64,
    /// Popped, duplicates included.
    pub delivered: u64,
    /// Lost by chance, spell or blackout.
    pub lost: u64,
    /// Dropped before the narrow place.
    pub queue_dropped: u64,
    /// Too long.
    pub too_long: u64,
    /// Doubled.
    pub duplicated: u64,
    /// Held back so that others overtake.
    pub reordered: u64,
}

/// One direction.
#[derive(Debug)]
pub struct Way<T> {
    line: Line,
    since: Mono,
    dice: StdRng,
    spells: Spells,
    /// When the narrow place will have sent everything that waits.
    busy_until: Mono,
    /// When each waiting datagram leaves the narrow place.
    departures: VecDeque<Mono>,
    last_due: Mono,
    order: u64,
    flying: BinaryHeap<Flying<T>>,
    held: Vec<Held<T>>,
    fates: Fates,
}

#[derive(Debug)]
struct Flying<T> {
    due: Mono,
    order: u64,
    item: T,
}

#[derive(Debug)]
struct Held<T> {
    overtaken_by: u32,
    due: Mono,
    item: T,
}

impl<T> PartialEq for Flying<T> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl<T> Eq for Flying<T> {}
impl<T> PartialOrd for Flying<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Flying<T> {
    /// The earliest is the greatest, as `BinaryHeap` gives out the greatest.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

/// What chance has in store for one datagram, drawn whether it is needed or not.
struct Draw {
    loss: f64,
    jitter: f64,
    reorder: f64,
    duplicate: f64,
}

impl<T: Clone> Way<T> {
    /// A direction that begins at `now`.
    pub fn new(line: Line, seed: u64, now: Mono) -> Self {
        Self {
            line,
            since: now,
            dice: StdRng::seed_from_u64(seed),
            spells: Spells::new(seed, now),
            busy_until: now,
            departures: VecDeque::new(),
            last_due: now,
            order: 0,
            flying: BinaryHeap::new(),
            held: Vec::new(),
            fates: Fates::default(),
        }
    }

    /// Puts another line in place from `now` on; what flies already is not touched.
    pub fn set_line(&mut self, line: Line, now: Mono) {
        self.line = line;
        self.since = now;
    }

    /// A datagram of `len` bytes sets out at `now`.
    pub fn push(&mut self, now: Mono, len: usize, item: T) {
        self.fates.offered += 1;
        let draw = Draw {
            loss: self.dice.random(),
            jitter: self.dice.random(),
            reorder: self.dice.random(),
            duplicate: self.dice.random(),
        };
        let link = self.line.at(now.since(self.since)).clone();
        if link.bytes_max.is_some_and(|max| len > max) {
            self.fates.too_long += 1;
        } else if self.is_lost(&link, now, draw.loss) {
            self.fates.lost += 1;
        } else if let Some(departure) = self.depart(&link, now, len) {
            self.fly(&link, departure, &draw, item);
        } else {
            self.fates.queue_dropped += 1;
        }
    }

    fn is_lost(&mut self, link: &Link, now: Mono, chance: f64) -> bool {
        match link.loss {
            Loss::None => false,
            Loss::All => true,
            Loss::Uniform { probability } => chance < probability,
            Loss::Bursts { fraction, bad_mean } => self.spells.is_bad(now, fraction, bad_mean),
        }
    }

    /// When the datagram has passed the narrow place; `None` when it does not fit before it.
    fn depart(&mut self, link: &Link, now: Mono, len: usize) -> Option<Mono> {
        while self.departures.front().is_some_and(|at| *at <= now) {
            self.departures.pop_front();
        }
        if self.flying.len() + self.held.len() >= DATAGRAMS_MAX {
            return None;
        }
        let Some(narrow) = link.bottleneck else { return Some(now.max(self.busy_until)) };
        let fits = match narrow.queue {
            QueueLimit::Packets(packets) => self.departures.len() <= packets,
            QueueLimit::Delay(delay) => self.busy_until.since(now) <= delay,
        };
        if !fits {
            return None;
        }
        let nanos = len as u64 * 8 * 1_000_000 / u64::from(narrow.rate_kbps.max(1));
        self.busy_until = self.busy_until.max(now) + Duration::from_nanos(nanos);
        self.departures.push_back(self.busy_until);
        Some(self.busy_until)
    }

    /// Gives the datagram its moment of arrival.
    fn fly(&mut self, link: &Link, departure: Mono, draw: &Draw, item: T) {
        let jitter = link.jitter.mul_f64(2.0 * draw.jitter);
        let late = (link.delay + jitter).saturating_sub(link.jitter);
        let due = (departure + late).max(self.last_due);
        if let Some(reorder) = link.reorder
            && draw.reorder < reorder.probability
        {
            self.fates.reordered += 1;
            self.held.push(Held { overtaken_by: reorder.depth, due: due + REORDER_HOLD_MAX, item });
            return;
        }
        self.last_due = due;
        if draw.duplicate < link.duplicate {
            self.fates.duplicated += 1;
            self.launch(due, item.clone());
        }
        self.launch(due, item);
        self.let_overtaken_go(due);
    }

    fn launch(&mut self, due: Mono, item: T) {
        self.order += 1;
        self.flying.push(Flying { due, order: self.order, item });
    }

    /// One more has passed those held back; whoever was passed often enough follows right behind.
    fn let_overtaken_go(&mut self, due: Mono) {
        let mut at = 0;
        while at < self.held.len() {
            self.held[at].overtaken_by = self.held[at].overtaken_by.saturating_sub(1);
            if self.held[at].overtaken_by == 0 {
                let free = self.held.remove(at);
                self.launch(due.min(free.due), free.item);
            } else {
                at += 1;
            }
        }
    }

    /// The next datagram that has arrived by `now`.
    pub fn pop(&mut self, now: Mono) -> Option<T> {
        while let Some(at) = self.held.iter().position(|held| held.due <= now) {
            let free = self.held.remove(at);
            self.launch(free.due, free.item);
        }
        if self.flying.peek()?.due > now {
            return None;
        }
        self.fates.delivered += 1;
        self.flying.pop().map(|flying| flying.item)
    }

    /// When [`Self::pop`] should be asked next.
    pub fn next_due(&self) -> Option<Mono> {
        let held = self.held.iter().map(|held| held.due).min();
        let flying = self.flying.peek().map(|flying| flying.due);
        [held, flying].into_iter().flatten().min()
    }

    /// What became of everything so far.
    pub fn fates(&self) -> Fates {
        self.fates
    }
}

/// Good and bad spells of a Gilbert-Elliott way, drawn by time, whoever sends.
#[derive(Debug)]
struct Spells {
    dice: StdRng,
    is_bad: bool,
    until: Mono,
}

impl Spells {
    fn new(seed: u64, now: Mono) -> Self {
        // Another stream than the datagrams' dice, or the two would be correlated.
        Self { dice: StdRng::seed_from_u64(seed ^ 0x5eed_0f5b_ad5b_e115), is_bad: true, until: now }
    }

    fn is_bad(&mut self, now: Mono, fraction: f64, bad_mean: Duration) -> bool {
        let fraction = fraction.clamp(0.001, 0.999);
        while self.until <= now {
            self.is_bad = !self.is_bad;
            let mean = if self.is_bad { bad_mean } else { bad_mean.mul_f64((1.0 - fraction) / fraction) };
            let chance: f64 = self.dice.random();
            // Inverse of the exponential distribution; `1 - chance` is in (0, 1].
            let span = mean.mul_f64(-(1.0 - chance).ln());
            self.until += span.max(Duration::from_micros(1));
        }
        self.is_bad
    }
}

#[cfg(test)]
mod tests;
