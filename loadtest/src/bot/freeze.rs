//! Freezes, by the definition of W3C webrtc-stats (`freezeCount`, `totalFreezesDuration`).
//!
//! A gap between two shown pictures is a freeze when it is at least `max(3 * average, average + 150 ms)`, the average
//! being taken over the last 30 gaps. Pure: takes the moments.

use mcu_core::time::Mono;
use std::time::Duration;

/// Gaps in the average.
const GAPS: usize = 30;
const OVER_AVERAGE: Duration = Duration::from_millis(150);

/// Counts freezes of one picture stream.
#[derive(Debug, Clone, Default)]
pub struct FreezeMeter {
    last: Option<Mono>,
    gaps: [Duration; GAPS],
    seen: usize,
    /// Freezes so far.
    pub count: u64,
    /// Their summed length.
    pub total: Duration,
}

impl FreezeMeter {
    /// A new picture was shown at `now`. Nothing is judged before the second gap.
    pub fn shown(&mut self, now: Mono) {
        if let Some(last) = self.last.replace(now) {
            let gap = now.since(last);
            if let Some(limit) = self.limit()
                && gap >= limit
            {
                self.count += 1;
                self.total += gap;
            }
            self.gaps[self.seen % GAPS] = gap;
            self.seen += 1;
        }
    }

    /// The gap that would be a freeze now.
    fn limit(&self) -> Option<Duration> {
        let filled = self.seen.min(GAPS);
        let average = self.gaps[..filled].iter().sum::<Duration>().checked_div(filled as u32)?;
        Some((3 * average).max(average + OVER_AVERAGE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter_after(gaps_ms: &[u64]) -> FreezeMeter {
        let mut meter = FreezeMeter::default();
        let mut now = 1_000;
        meter.shown(Mono::from_millis(now));
        for gap in gaps_ms {
            now += gap;
            meter.shown(Mono::from_millis(now));
        }
        meter
    }

    #[test]
    fn a_gap_of_the_average_and_150_ms_is_a_freeze_and_one_less_is_not() {
        let mut gaps = [33; 40];
        gaps[35] = 183;
        assert_eq!((meter_after(&gaps).count, meter_after(&gaps).total), (1, Duration::from_millis(183)));
        gaps[35] = 182;
        assert_eq!(meter_after(&gaps).count, 0);
    }

    #[test]
    fn of_a_slow_picture_three_averages_are_a_freeze() {
        let mut gaps = [100; 40];
        gaps[35] = 299;
        assert_eq!(meter_after(&gaps).count, 0);
        gaps[35] = 300;
        assert_eq!(meter_after(&gaps).count, 1);
    }

    #[test]
    fn the_first_gap_is_never_judged() {
        assert_eq!(meter_after(&[5_000, 33, 33]).count, 0);
    }
}
