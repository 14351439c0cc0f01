//! How late packets are: the fastest way lately, and the distribution of lateness against it.
//!
//! Flow: arrivals -> **here** -> `playout` and `sync`. The method is that of WebRTC's NetEq delay manager: relative
//! delay against the fastest packet of the last seconds, kept in a histogram that forgets. Allocates nothing.

use mcu_core::time::Mono;
use std::time::Duration;

/// Spans of the window whose minimum is kept.
const SPANS: usize = 10;
/// Buckets of the histogram.
const BUCKETS: usize = 120;
/// Width of a bucket.
const BUCKET: Duration = Duration::from_millis(5);

/// The minimum of a signed value over a sliding window of ten spans.
#[derive(Debug, Clone)]
pub(super) struct WindowMin {
    span: Duration,
    minima: [i64; SPANS],
    /// Index of the span of time that `minima[index % SPANS]` is of.
    current: u64,
    started: bool,
}

impl WindowMin {
    pub(super) const fn new(window: Duration) -> Self {
        Self {
            span: Duration::from_nanos(window.as_nanos() as u64 / SPANS as u64),
            minima: [i64::MAX; SPANS],
            current: 0,
            started: false,
        }
    }

    /// Takes a value seen at `at`, and gives the minimum of the window.
    pub(super) fn insert(&mut self, value: i64, at: Mono) -> i64 {
        let index = at.as_nanos() / self.span.as_nanos() as u64;
        if !self.started {
            self.started = true;
            self.current = index;
        }
        if index > self.current {
            let steps = (index - self.current).min(SPANS as u64);
            for step in 0..steps {
                self.minima[((index - step) % SPANS as u64) as usize] = i64::MAX;
            }
            self.current = index;
        }
        let here = &mut self.minima[(self.current % SPANS as u64) as usize];
        *here = value.min(*here);
        self.minima.iter().copied().min().unwrap_or(value)
    }

    /// The minimum, if anything was seen.
    pub(super) fn get(&self) -> Option<i64> {
        self.minima.iter().copied().min().filter(|minimum| *minimum != i64::MAX)
    }

    /// Adds `by` to every value seen so far.
    pub(super) fn shift(&mut self, by: i64) {
        for minimum in self.minima.iter_mut().filter(|minimum| **minimum != i64::MAX) {
            *minimum = minimum.saturating_add(by);
        }
    }

    pub(super) const fn clear(&mut self) {
        self.minima = [i64::MAX; SPANS];
        self.started = false;
    }
}

/// A histogram of delays up to 600 ms that forgets old ones exponentially.
#[derive(Debug, Clone)]
pub(super) struct DelayHistogram {
    weights: [f32; BUCKETS],
    total: f32,
    keep: f32,
}

impl DelayHistogram {
    /// `keep` is what one new value leaves of the weight of all before; 0.998 remembers about 500 values.
    pub(super) const fn new(keep: f32) -> Self {
        Self { weights: [0.0; BUCKETS], total: 0.0, keep }
    }

    pub(super) fn insert(&mut self, delay: Duration) {
        for weight in &mut self.weights {
            *weight *= self.keep;
        }
        let bucket = (delay.as_nanos() / BUCKET.as_nanos()).min(BUCKETS as u128 - 1) as usize;
        self.weights[bucket] += 1.0;
        self.total = self.weights.iter().sum();
    }

    /// The delay that `share` of the values are under, as the upper edge of its bucket; `None` without values.
    pub(super) fn quantile(&self, share: f32) -> Option<Duration> {
        if self.total <= 0.0 {
            return None;
        }
        let mut sum = 0.0;
        let bucket = self.weights.iter().position(|weight| {
            sum += weight;
            sum >= share * self.total
        });
        Some(BUCKET * (bucket.unwrap_or(BUCKETS - 1) as u32 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_leaves_with_its_span() {
        let mut window = WindowMin::new(Duration::from_secs(2));
        assert_eq!(window.get(), None);
        assert_eq!(window.insert(-5, Mono::from_millis(100)), -5);
        assert_eq!(window.insert(7, Mono::from_millis(1_900)), -5);
        assert_eq!(window.insert(7, Mono::from_millis(2_100)), 7);
        assert_eq!(window.insert(9, Mono::from_millis(60_000)), 9);
    }

    #[test]
    fn the_quantile_is_an_upper_edge_and_old_values_fade() {
        let mut histogram = DelayHistogram::new(0.99);
        assert_eq!(histogram.quantile(0.5), None);
        for _ in 0..95 {
            histogram.insert(Duration::from_millis(2));
        }
        for _ in 0..5 {
            histogram.insert(Duration::from_millis(93));
        }
        assert_eq!(histogram.quantile(0.5), Some(Duration::from_millis(5)));
        assert_eq!(histogram.quantile(0.97), Some(Duration::from_millis(95)));
        for _ in 0..1_000 {
            histogram.insert(Duration::from_secs(3_600));
        }
        assert_eq!(histogram.quantile(0.5), Some(BUCKET * BUCKETS as u32));
    }
}
