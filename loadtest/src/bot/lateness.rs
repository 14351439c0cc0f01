//! How late pictures and sounds were handed to the transport: the harness' own truthfulness.
//!
//! Flow: `life` of one bot, and of all bots of a process -> **here** -> reports. Lock-free; one counter for each millisecond up
//! to [`MS_MAX`], so that asking costs the same after hours as at the begin.

use super::report::Spread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Later than this counts as this.
pub const MS_MAX: usize = 1_000;

/// The histogram; cloning shares it.
#[derive(Debug, Clone)]
pub struct Lateness(Arc<[AtomicU64]>);

impl Default for Lateness {
    fn default() -> Self {
        Self((0..=MS_MAX).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Lateness {
    /// Something was handed over so long after its moment.
    pub fn note(&self, late: Duration) {
        let ms = usize::try_from(late.as_millis()).unwrap_or(MS_MAX).min(MS_MAX);
        self.0[ms].fetch_add(1, Ordering::Relaxed);
    }

    /// How many were noted.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    /// How all of them are spread, in milliseconds.
    pub fn spread(&self) -> Spread {
        let at = |percent| self.percentile_ms(percent).unwrap_or(0);
        Spread { count: self.count(), min: at(0), p50: at(50), p95: at(95), p99: at(99), max: at(100) }
    }

    /// The whole milliseconds that `percent` of all are at most late (nearest rank); `None` of nothing.
    pub fn percentile_ms(&self, percent: u64) -> Option<u64> {
        let rank = (self.count() * percent).div_ceil(100).max(1);
        let mut passed = 0;
        let reached = self.0.iter().position(|counter| {
            passed += counter.load(Ordering::Relaxed);
            passed >= rank
        });
        reached.map(|ms| ms as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_that_was_noted_and_of_nothing_there_are_none() {
        let lateness = Lateness::default();
        assert_eq!((lateness.count(), lateness.percentile_ms(99)), (0, None));
        for ms in 0..200 {
            lateness.clone().note(Duration::from_micros(ms * 1_000 + 900));
        }
        assert_eq!(
            (lateness.count(), lateness.percentile_ms(50), lateness.percentile_ms(99)),
            (200, Some(99), Some(197))
        );
        let spread = lateness.spread();
        assert_eq!((spread.min, spread.p50, spread.p99, spread.max), (0, 99, 197, 199));
        assert_eq!(Lateness::default().spread(), Spread::default());
        lateness.note(Duration::from_secs(3_600));
        assert_eq!(lateness.percentile_ms(100), Some(MS_MAX as u64));
    }
}
