//! The one place of this crate that reads a clock.
//!
//! Bots of one process share one [`Clock`], so that the moment at which one sends a frame and the moment at which
//! another sees it are on one scale. Everything else takes `now: Mono`.

use mcu_core::time::Mono;
use std::time::{Duration, Instant, SystemTime};

/// A monotonic clock with an origin; copies share the origin.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    /// The time of day at the origin, since 1970-01-01 UTC.
    origin_unix: Duration,
}

impl Clock {
    /// A clock whose [`Mono::ZERO`] is now.
    #[allow(
        clippy::disallowed_methods,
        reason = "a client program has to read the clock somewhere: here only"
    )]
    pub fn start() -> Self {
        // A clock set before 1970 shows in figures of other processes only: zero is as good.
        let origin_unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { origin: Instant::now(), origin_unix }
    }

    /// Now.
    #[allow(
        clippy::disallowed_methods,
        reason = "a client program has to read the clock somewhere: here only"
    )]
    pub fn now(&self) -> Mono {
        self.mono(Instant::now())
    }

    /// `instant` on this clock's scale; zero when it lies before the origin.
    pub fn mono(&self, instant: Instant) -> Mono {
        Mono::ZERO + instant.saturating_duration_since(self.origin)
    }

    /// `at` as milliseconds since 1970-01-01 UTC. The time of day is read once, at the origin: whoever sets it later
    /// makes no difference.
    pub fn unix_ms(&self, at: Mono) -> u64 {
        (self.origin_unix + Duration::from_nanos(at.as_nanos())).as_millis() as u64
    }

    /// `at` as the standard library's instant.
    pub fn instant(&self, at: Mono) -> Instant {
        self.origin + Duration::from_nanos(at.as_nanos())
    }
}

/// Completes at `at`, at once when that has passed.
pub async fn wait_until(clock: Clock, at: Mono) {
    tokio::time::sleep_until(clock.instant(at).into()).await;
}
