//! Estimate of a way whose far end tells nothing but what it lost: receiver reports, no transport-wide feedback.
//!
//! Flow: RTCP -> `peer/sip` -> **here** -> `PeerEvent::Estimate`. Pure. The loss-based controller of draft-ietf-rmcat-gcc-02 §6: over 10 %
//! of loss it goes down by half of the loss, under 2 % it goes up by 8 % a second, and holds in between.

use mcu_core::time::Mono;
use std::time::Duration;

/// Under this nothing is shown anyway, in kilobits per second.
const KBPS_MIN: u32 = 64;
/// Loss, out of 256, over which the estimate falls, and under which it rises.
const LOSS_HIGH: u32 = 26;
const LOSS_LOW: u32 = 5;
/// The least between two steps up; what was lost before a step down may still be reported after it, so that waits as well.
const STEP: Duration = Duration::from_millis(1_000);

/// The estimate of one way.
#[derive(Debug)]
pub struct LossEstimate {
    kbps: u32,
    kbps_max: u32,
    stepped: Option<Mono>,
}

impl LossEstimate {
    /// Starts at `start_kbps`, and never says more than `kbps_max`, what the far end takes.
    pub const fn new(start_kbps: u32, kbps_max: u32) -> Self {
        let kbps = if start_kbps < kbps_max { start_kbps } else { kbps_max };
        Self { kbps, kbps_max, stepped: None }
    }

    /// In kilobits per second.
    pub const fn kbps(&self) -> u32 {
        self.kbps
    }

    /// A report has come that `fraction_lost`, out of 256, did not arrive (RFC 3550 §6.4.1). True when the estimate has changed.
    pub fn reported(&mut self, fraction_lost: u8, now: Mono) -> bool {
        if self.stepped.is_some_and(|at| now.since(at) < STEP) {
            return false;
        }
        let lost = u32::from(fraction_lost);
        let before = self.kbps;
        let wanted = if lost > LOSS_HIGH {
            before - (u64::from(before) * u64::from(lost) / 512) as u32
        } else if lost < LOSS_LOW {
            before.saturating_add(before / 12 + 1)
        } else {
            before
        };
        self.kbps = wanted.max(KBPS_MIN).min(self.kbps_max);
        self.stepped = Some(now);
        self.kbps != before
    }

    /// Starts again from `kbps`.
    pub fn restart(&mut self, kbps: u32) {
        self.kbps = kbps.max(KBPS_MIN).min(self.kbps_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The estimate after each of `reports`, a second apart.
    fn course(reports: &[u8]) -> Vec<u32> {
        let mut estimate = LossEstimate::new(1_000, 1_500);
        let mut seconds = 0..;
        reports
            .iter()
            .map(|&lost| {
                estimate.reported(lost, Mono::from_millis(1_000 * seconds.next().unwrap_or(0)));
                estimate.kbps()
            })
            .collect()
    }

    #[test]
    fn it_falls_by_half_the_loss_rises_by_a_twelfth_and_holds_in_between() {
        assert_eq!(course(&[128, 128]), [750, 563]);
        assert_eq!(course(&[10, 26, 5]), [1_000, 1_000, 1_000]);
        assert_eq!(course(&[0, 4]), [1_084, 1_175]);
    }

    #[test]
    fn it_stays_within_what_the_far_end_takes_and_what_is_of_use() {
        assert_eq!(course(&[0; 20]).last(), Some(&1_500));
        assert_eq!(course(&[255; 40]).last(), Some(&KBPS_MIN));
        assert_eq!(LossEstimate::new(2_000, 500).kbps(), 500);
    }

    #[test]
    fn a_far_end_that_takes_anything_is_believed_no_further_than_numbers_go() {
        let mut estimate = LossEstimate::new(1_000, u32::MAX);
        for second in 0..300 {
            estimate.reported(0, Mono::from_millis(1_000 * second));
        }
        assert_eq!(estimate.kbps(), u32::MAX);
        assert!(estimate.reported(255, Mono::from_millis(300_000)));
        assert_eq!(estimate.kbps(), u32::MAX - (u64::from(u32::MAX) * 255 / 512) as u32);
    }

    #[test]
    fn reports_that_come_in_heaps_count_once() {
        let mut estimate = LossEstimate::new(1_000, 2_000);
        assert!(estimate.reported(128, Mono::from_millis(5_000)));
        assert!(!estimate.reported(128, Mono::from_millis(5_500)));
        assert!(estimate.reported(128, Mono::from_millis(6_000)), "the control");
    }
}
