//! How much delay a sound stream needs: what its packets' lateness says, and where its playout should be by now.
//!
//! Flow: arrivals -> **here** -> `playout`. Times are samples of 48 kHz on the sender's side, ns on ours.

use super::delay::{DelayHistogram, WindowMin};
use mcu_core::limits::{PLAYOUT_DELAY_MAX, PLAYOUT_DELAY_MIN};
use mcu_core::time::Mono;
use std::time::Duration;

/// Over which the fastest packet is looked for. NetEq's; at 1 % of clock drift it adds 20 ms of seeming lateness.
const WINDOW: Duration = Duration::from_secs(2);
/// Share of packets that are to be in time.
const SHARE: f32 = 0.97;
/// What one packet leaves of the weight of those before: ten seconds' memory at 50 packets a second.
const KEEP: f32 = 0.998;
/// Sound is pulled in blocks: a packet must be there up to one block before its end is due.
const BLOCK: Duration = Duration::from_millis(10);
/// The delay before the lateness is known.
const INITIAL: Duration = Duration::from_millis(60);
/// Packets that tell enough of the lateness.
const PACKETS_KNOWN: u32 = 25;
/// Share of lost packets from which it pays to wait for the one after, which restores them.
const LOSS_WAITED_FOR: f32 = 0.02;
/// How much of the share of lost packets is made up by the latest packet.
const LOSS_STEP: f32 = 0.005;
/// The packet after is there one packet later: 20 ms, what everybody sends.
const RESTORE: Duration = Duration::from_millis(20);
/// A packet this far from the fastest is of another line of timestamps, not late.
const JUMP_NS: i64 = 3_000_000_000;

/// Nanoseconds of `samples` at 48 kHz.
pub(super) const fn samples_ns(samples: i64) -> i64 {
    (samples as i128 * 62_500 / 3) as i64
}

/// Watches the arrivals of one stream.
#[derive(Debug)]
pub(super) struct Jitter {
    transit: WindowMin,
    fastest: Option<i64>,
    lateness: DelayHistogram,
    packets: u32,
    highest: Option<u64>,
    loss: f32,
    floor: Duration,
    target: Duration,
}

impl Jitter {
    pub(super) const fn new() -> Self {
        Self {
            transit: WindowMin::new(WINDOW),
            fastest: None,
            lateness: DelayHistogram::new(KEEP),
            packets: 0,
            highest: None,
            loss: 0.0,
            floor: Duration::ZERO,
            target: INITIAL,
        }
    }

    /// Notes an arrival. False when the timestamps began a new line, so that positions of the old one mean nothing.
    pub(super) fn arrived(&mut self, sequence: u64, timestamp: i64, arrival: Mono) -> bool {
        self.count_loss(sequence);
        let transit = (arrival.as_nanos() as i64).saturating_sub(samples_ns(timestamp));
        let jumped = self.fastest.is_some_and(|fastest| transit.saturating_sub(fastest).abs() > JUMP_NS);
        if jumped {
            self.transit.clear();
        }
        let fastest = self.transit.insert(transit, arrival);
        self.fastest = Some(fastest);
        self.lateness.insert(Duration::from_nanos(transit.saturating_sub(fastest).max(0) as u64));
        self.packets = self.packets.saturating_add(1);
        if let Some(lateness) = self.lateness.quantile(SHARE) {
            let wait = if self.loss > LOSS_WAITED_FOR { RESTORE } else { Duration::ZERO };
            let lateness = lateness + wait;
            let known = self.packets >= PACKETS_KNOWN;
            let target = if known { lateness + BLOCK } else { (lateness + BLOCK).max(INITIAL) };
            self.target = target.clamp(PLAYOUT_DELAY_MIN, PLAYOUT_DELAY_MAX);
        }
        !jumped
    }

    /// Follows the share of packets that are missing when the next one comes.
    fn count_loss(&mut self, sequence: u64) {
        let Some(highest) = self.highest.filter(|highest| *highest < sequence) else {
            self.highest = self.highest.max(Some(sequence));
            return;
        };
        self.highest = Some(sequence);
        let missing = (sequence - highest - 1).min(5) as f32;
        self.loss += ((missing / (missing + 1.0)) - self.loss) * LOSS_STEP * (missing + 1.0);
    }

    pub(super) const fn set_floor(&mut self, floor: Duration) {
        self.floor = floor;
    }

    /// The delay that lateness asks for.
    pub(super) const fn target(&self) -> Duration {
        self.target
    }

    /// The delay to keep: no less than the picture needs.
    pub(super) fn goal(&self) -> Duration {
        self.target.max(self.floor).min(PLAYOUT_DELAY_MAX)
    }

    /// When the sample of `timestamp` should be played.
    pub(super) fn due(&self, timestamp: i64) -> Option<Mono> {
        let fastest_there = self.fastest?.saturating_add(samples_ns(timestamp));
        Some(Mono::from_nanos(u64::try_from(fastest_there).unwrap_or(0)) + self.goal())
    }

    /// The timestamp that should be played now.
    pub(super) fn position(&self, now: Mono) -> Option<i64> {
        let elapsed = (now.as_nanos() as i64).saturating_sub(self.fastest?);
        let behind = elapsed.saturating_sub(self.goal().as_nanos() as i64);
        Some((i128::from(behind) * 3 / 62_500) as i64)
    }

    /// The delay of what is played now, `timestamp` being its next sample; in ns, signed.
    pub(super) fn delay_ns(&self, timestamp: i64, now: Mono) -> Option<i64> {
        Some((now.as_nanos() as i64).saturating_sub(self.fastest?).saturating_sub(samples_ns(timestamp)))
    }
}
