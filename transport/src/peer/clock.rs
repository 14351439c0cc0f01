//! The seam between our time and the WebRTC library's: `Mono` here, `std::time::Instant` there.
//!
//! Made once by whoever owns the clock and copied to every peer; never reads a clock itself.

use mcu_core::time::Mono;
use std::time::{Duration, Instant};

/// The `Instant` that is [`Mono::ZERO`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockBase {
    epoch: Instant,
}

impl ClockBase {
    /// A base whose `Mono::ZERO` is `epoch`.
    pub const fn new(epoch: Instant) -> Self {
        Self { epoch }
    }

    /// The `Instant` of `at`.
    pub fn instant(&self, at: Mono) -> Instant {
        self.epoch + Duration::from_nanos(at.as_nanos())
    }

    /// The `Mono` of `at`; what lies before the base is the base.
    pub fn mono(&self, at: Instant) -> Mono {
        Mono::ZERO + at.saturating_duration_since(self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods)] // a test has to get its epoch somewhere
    fn both_ways_agree_and_the_past_is_the_base() {
        let epoch = Instant::now();
        let base = ClockBase::new(epoch);
        let at = Mono::from_millis(1_234);
        assert_eq!(base.mono(base.instant(at)), at);
        assert_eq!(base.mono(epoch.checked_sub(Duration::from_secs(1)).unwrap_or(epoch)), Mono::ZERO);
    }
}
