//! Counts wrong PINs: a token bucket per source address and one per room. Pure, bounded, takes `now`.
//!
//! The rules (F39), and what each is for:
//! 1. An address has [`ADDRESS_FAILURES_MAX`] wrong attempts, one more every [`ADDRESS_REFILL`]; then it waits.
//! 2. A room has [`ROOM_FAILURES_MAX`] wrong attempts in ten minutes, whoever makes them; then only the host's PIN
//!    opens it, so that guessers cannot lock the host out. Participants who are in need no PIN again.
//! 3. A wrong attempt at a room in that state empties the address's bucket: many addresses, each with a burst of
//!    its own, guess at the host's PIN at a fifth of the pace.
//! 4. The echo test and the reception have no PIN, but cost the node something: each address has a bucket of starts for either.
//!
//! A bucket that is full again equals none, so the tables forget nothing by dropping it. When a table is full of
//! others, the fullest bucket goes first: to wipe out one wrong attempt at a room takes as many others elsewhere
//! as the table is large.

use crate::room::Alias;
use mcu_core::time::Mono;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// Wrong attempts of one address before it must wait.
pub const ADDRESS_FAILURES_MAX: u32 = 5;
/// How long an address waits for one more attempt.
pub const ADDRESS_REFILL: Duration = Duration::from_secs(10);
/// Wrong attempts at one room before only the host's PIN opens it.
pub const ROOM_FAILURES_MAX: u32 = 20;
/// How long a room waits for one more attempt: 20 in ten minutes.
pub const ROOM_REFILL: Duration = Duration::from_secs(30);
/// Echo tests that one address may start in a row.
pub const ECHOES_MAX: u32 = 5;
/// How long an address waits for one more echo test.
pub const ECHO_REFILL: Duration = Duration::from_secs(10);
/// Callers without a PIN from one address in a row: it may be a proxy with a building behind it.
pub const RECEPTIONS_MAX: u32 = 10;
/// How long an address waits for one more.
pub const RECEPTION_REFILL: Duration = Duration::from_secs(2);
/// Buckets of addresses: about 2 MiB.
pub const ADDRESSES_TRACKED_MAX: usize = 16_384;
/// Buckets of rooms: about 1 MiB.
pub const ROOMS_TRACKED_MAX: usize = 4_096;

/// Who asks, as far as a limit can tell people apart: an IPv4 address, or the /64 that one IPv6 line has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// /32.
    V4(u32),
    /// /64.
    V6(u64),
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

/// What the limits say to somebody at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Any PIN may be tried.
    Open,
    /// The room has had too many wrong PINs: only the host's opens it.
    HostOnly {
        /// Until the next attempt of a guest.
        retry_after: Duration,
    },
    /// The address has: it must wait.
    Closed {
        /// How long.
        retry_after: Duration,
    },
}

/// The tables. One per node.
#[derive(Debug)]
pub struct Limiter {
    addresses: Buckets<Source>,
    rooms: Buckets<Alias>,
    echoes: Buckets<Source>,
    receptions: Buckets<Source>,
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            addresses: Buckets::new(ADDRESS_FAILURES_MAX, ADDRESS_REFILL, ADDRESSES_TRACKED_MAX),
            rooms: Buckets::new(ROOM_FAILURES_MAX, ROOM_REFILL, ROOMS_TRACKED_MAX),
            echoes: Buckets::new(ECHOES_MAX, ECHO_REFILL, ADDRESSES_TRACKED_MAX),
            receptions: Buckets::new(RECEPTIONS_MAX, RECEPTION_REFILL, ADDRESSES_TRACKED_MAX),
        }
    }
}

/// An attempt that was counted as wrong before it was made; [`Limiter::refund`] takes it back when it was right.
#[derive(Debug)]
#[must_use]
pub struct Charge {
    source: Source,
    alias: Alias,
    address_before: Mono,
    room_before: Mono,
}

impl Limiter {
    /// What may be tried from `source` at the room `alias`, whether there is one or not.
    pub fn admission(&self, source: Source, alias: &Alias, now: Mono) -> Admission {
        if let Some(retry_after) = self.addresses.wait(&source, now) {
            return Admission::Closed { retry_after };
        }
        match self.rooms.wait(alias, now) {
            Some(retry_after) => Admission::HostOnly { retry_after },
            None => Admission::Open,
        }
    }

    /// Counts an attempt as wrong. Before it is made, so that a request that is given up is counted too.
    pub fn charge(&mut self, source: Source, alias: &Alias, now: Mono) -> Charge {
        let room_is_over = self.rooms.wait(alias, now).is_some();
        let cost = if room_is_over { ADDRESS_FAILURES_MAX } else { 1 };
        Charge {
            source,
            alias: alias.clone(),
            address_before: self.addresses.take(source, cost, now),
            room_before: self.rooms.take(alias.clone(), 1, now),
        }
    }

    /// Takes a charge back: the attempt was right. Nothing may have been charged in between.
    pub fn refund(&mut self, charge: Charge) {
        self.addresses.restore(charge.source, charge.address_before);
        self.rooms.restore(charge.alias, charge.room_before);
    }

    /// Counts the start of an echo test.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub fn echo(&mut self, source: Source, now: Mono) -> Result<(), Duration> {
        self.echoes.one(source, now)
    }

    /// Counts a caller without a PIN.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub fn reception(&mut self, source: Source, now: Mono) -> Result<(), Duration> {
        self.receptions.one(source, now)
    }
}

/// Token buckets by key, as the moments at which each is full again (the generic cell rate algorithm).
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    tokens_max: u32,
    refill: Duration,
    tracked_max: usize,
    full_at: BTreeMap<K, Mono>,
    by_moment: BTreeSet<(Mono, K)>,
}

impl<K: Ord + Clone> Buckets<K> {
    /// Takes one token of `key`, or says how long to wait for it.
    fn one(&mut self, key: K, now: Mono) -> Result<(), Duration> {
        if let Some(retry_after) = self.wait(&key, now) {
            return Err(retry_after);
        }
        self.take(key, 1, now);
        Ok(())
    }

    /// None tracked: every key has `tokens_max`, and gets one back each `refill`.
    pub(crate) const fn new(tokens_max: u32, refill: Duration, tracked_max: usize) -> Self {
        Self { tokens_max, refill, tracked_max, full_at: BTreeMap::new(), by_moment: BTreeSet::new() }
    }

    /// How long until `key` has a token; `None` when it has one.
    pub(crate) fn wait(&self, key: &K, now: Mono) -> Option<Duration> {
        let full_in = self.full_at.get(key)?.since(now);
        let wait = full_in.saturating_sub(self.refill * (self.tokens_max - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// Takes up to `tokens` from `key`'s bucket, never below empty; returns when it was to be full before that.
    pub(crate) fn take(&mut self, key: K, tokens: u32, now: Mono) -> Mono {
        let before = self.full_at.get(&key).copied().unwrap_or(Mono::ZERO);
        let empty = now + self.refill * self.tokens_max;
        self.forget_full(now);
        self.restore(key, (before.max(now) + self.refill * tokens).min(empty));
        before
    }

    /// Sets when `key`'s bucket is full; the zero moment stands for a key that is not tracked.
    fn restore(&mut self, key: K, full_at: Mono) {
        if let Some(old) = self.full_at.remove(&key) {
            self.by_moment.remove(&(old, key.clone()));
        }
        if full_at == Mono::ZERO {
            return;
        }
        while self.full_at.len() >= self.tracked_max {
            let Some((_, fullest)) = self.by_moment.pop_first() else { break };
            self.full_at.remove(&fullest);
        }
        self.by_moment.insert((full_at, key.clone()));
        self.full_at.insert(key, full_at);
    }

    /// Drops a few buckets that are full again; each call to `take` adds at most one.
    fn forget_full(&mut self, now: Mono) {
        for _ in 0..2 {
            match self.by_moment.first() {
                Some((full_at, _)) if *full_at <= now => {
                    if let Some((_, key)) = self.by_moment.pop_first() {
                        self.full_at.remove(&key);
                    }
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(text: &str) -> Alias {
        Alias::parse(text).expect("a fair alias")
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_line() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }

    #[test]
    fn a_refund_leaves_no_trace() {
        let mut limiter = Limiter::default();
        let charge = limiter.charge(Source::V4(1), &alias("a"), Mono::from_millis(5));
        assert_eq!(limiter.addresses.full_at.len(), 1);
        limiter.refund(charge);
        assert!(limiter.addresses.full_at.is_empty() && limiter.addresses.by_moment.is_empty());
        assert!(limiter.rooms.full_at.is_empty() && limiter.rooms.by_moment.is_empty());
    }

    #[test]
    fn tables_stay_within_their_bounds_and_keep_the_emptiest_buckets() {
        let mut limiter = Limiter::default();
        let now = Mono::from_millis(1);
        for n in 0..ROOM_FAILURES_MAX {
            let _ = limiter.charge(Source::V6(u64::from(n)), &alias("target"), now);
        }
        for n in 0..(ADDRESSES_TRACKED_MAX as u32 + 1_000) {
            let _ = limiter.charge(Source::V4(n), &alias(&format!("room-{n}")), now);
        }
        assert_eq!(limiter.addresses.full_at.len(), ADDRESSES_TRACKED_MAX);
        assert_eq!(limiter.rooms.full_at.len(), ROOMS_TRACKED_MAX);
        assert_eq!(limiter.rooms.by_moment.len(), ROOMS_TRACKED_MAX);
        let target = limiter.admission(Source::V4(u32::MAX), &alias("target"), now);
        assert!(
            matches!(target, Admission::HostOnly { .. }),
            "a flood elsewhere does not reopen a room: {target:?}"
        );
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten() {
        let mut limiter = Limiter::default();
        for n in 0..100 {
            let _ = limiter.charge(Source::V4(n), &alias("a"), Mono::from_millis(u64::from(n)));
        }
        for n in 0..100 {
            let _ = limiter.charge(
                Source::V4(1_000 + n),
                &alias("a"),
                Mono::from_millis(3_600_000 + u64::from(n)),
            );
        }
        assert_eq!(limiter.addresses.full_at.len(), 100);
    }
}
