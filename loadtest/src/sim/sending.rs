//! The model of what a peer's association does when it sends: it paces, and it estimates what the way carries.
//!
//! Stands in for the WebRTC stack, whose figures it keeps: paced at 1.1 times the estimate, the estimate falls to 85 %
//! of what arrived when packets wait, grows by 8 % a second when none do, and padding fills what it allows.

use super::wire::{Down, DownKind, PADDING_BYTES};
use mcu_core::time::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// Packets are spread at the estimate times this, in per cent.
const PACING_PERCENT: u64 = 110;
/// Waiting longer than this in a queue on the way says that the way is full.
const WAITED_MAX: Duration = Duration::from_millis(50);
/// Left of what arrived when the way is full.
const BACK_OFF_PERCENT: u32 = 85;
/// The least time between two steps down.
const BACK_OFF_EVERY: Duration = Duration::from_millis(300);
/// Growth per second while nothing waits.
const GROWTH_PER_S: f64 = 0.08;
/// The estimate never exceeds what arrived by more than this, in per cent.
const OVER_PERCENT: u32 = 200;
/// The estimate never falls below this.
const KBPS_MIN: u32 = 50;
/// Nor rises above this.
const KBPS_MAX: u32 = 5_000;

/// A packet that waits for its turn.
#[derive(Debug)]
struct Queued {
    since: Mono,
    what: DownKind,
}

/// Pacer and estimate of one receiver.
#[derive(Debug)]
pub(super) struct Sending {
    queue: VecDeque<Queued>,
    free_at: Mono,
    estimate_kbps: f64,
    backed_off: Mono,
    /// Bytes that may still be padded with.
    allowance: f64,
    allowed_at: Mono,
}

impl Sending {
    pub(super) fn new(start_kbps: u32, now: Mono) -> Self {
        Self {
            queue: VecDeque::new(),
            free_at: now,
            estimate_kbps: f64::from(start_kbps),
            backed_off: now,
            allowance: 0.0,
            allowed_at: now,
        }
    }

    pub(super) fn estimate_kbps(&self) -> u32 {
        self.estimate_kbps as u32
    }

    /// Starts again from another estimate.
    pub(super) fn reset(&mut self, kbps: u32) {
        self.estimate_kbps = f64::from(kbps);
    }

    /// Takes a packet into the queue.
    pub(super) fn push(&mut self, what: DownKind, now: Mono) {
        self.allowance -= what.len() as f64;
        self.queue.push_back(Queued { since: now, what });
    }

    /// Since when the oldest packet has been waiting; padding waits for nobody.
    pub(super) fn first_unsent(&self) -> Option<Mono> {
        let media = |queued: &&Queued| !matches!(queued.what, DownKind::Padding);
        self.queue.iter().find(media).map(|queued| queued.since)
    }

    /// When the next packet leaves.
    pub(super) fn due(&self) -> Option<Mono> {
        self.queue.front().map(|queued| queued.since.max(self.free_at))
    }

    /// The packet that leaves at `now`, if one does.
    pub(super) fn pop(&mut self, now: Mono) -> Option<Down> {
        let leaves = self.due().filter(|due| *due <= now)?;
        let Queued { what, .. } = self.queue.pop_front()?;
        let kbps = (self.estimate_kbps() as u64 * PACING_PERCENT / 100).max(1);
        self.free_at = leaves + Duration::from_nanos(what.len() as u64 * 8 * 1_000_000 / kbps);
        Some(Down { sent: now, what })
    }

    /// Padding up to the estimate, but for no more than `desired_kbps`, when nothing else waits.
    pub(super) fn pad(&mut self, desired_kbps: u32, now: Mono) {
        let kbps = self.estimate_kbps.min(f64::from(desired_kbps));
        self.allowance += kbps * 125.0 * now.since(self.allowed_at).as_secs_f64();
        self.allowance = self.allowance.clamp(-50_000.0, PADDING_BYTES as f64);
        self.allowed_at = now;
        if self.queue.is_empty() && self.allowance >= PADDING_BYTES as f64 {
            self.push(DownKind::Padding, now);
        }
    }

    /// Takes in what the receiver says about the last `span`.
    pub(super) fn feedback(&mut self, bytes: usize, span: Duration, waited: Duration, now: Mono) {
        let arrived_kbps = bytes as f64 * 8.0 / 1_000.0 / span.as_secs_f64().max(0.001);
        if waited > WAITED_MAX {
            if now.since(self.backed_off) >= BACK_OFF_EVERY {
                self.backed_off = now;
                let less = arrived_kbps * f64::from(BACK_OFF_PERCENT) / 100.0;
                self.estimate_kbps = self.estimate_kbps.min(less);
            }
        } else {
            let grown = self.estimate_kbps * (1.0 + GROWTH_PER_S * span.as_secs_f64());
            let most = arrived_kbps * f64::from(OVER_PERCENT) / 100.0;
            self.estimate_kbps = grown.min(most.max(self.estimate_kbps));
        }
        self.estimate_kbps = self.estimate_kbps.clamp(f64::from(KBPS_MIN), f64::from(KBPS_MAX));
    }
}
