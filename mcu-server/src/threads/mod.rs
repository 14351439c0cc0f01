//! Everything that waits, and the only place where clocks are read.
//!
//! `io` owns sockets and peers, `clock` starts the 10 ms sound jobs and the video ticks, `compute` runs what takes
//! milliseconds, `control` owns conferences, rooms and the API's answers, `standstill` sees whether they go round.

#![allow(
    clippy::disallowed_methods,
    reason = "this is where clocks are read and threads wait (design law 1)"
)]

pub mod clock;
pub mod compute;
pub mod control;
pub mod hop_times;
pub mod io;
mod priority;
pub mod standstill;

use mcu_core::time::Mono;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The node's clock: when it started, on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct NodeClock {
    epoch: Instant,
}

impl NodeClock {
    /// Starts counting now.
    #[allow(clippy::new_without_default, reason = "reading the clock is not a default")]
    pub fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    /// Time since the start.
    pub fn now(&self) -> Mono {
        Mono::from_nanos(self.epoch.elapsed().as_nanos() as u64)
    }

    /// The start itself, for libraries that speak `Instant`.
    pub const fn epoch(&self) -> Instant {
        self.epoch
    }
}

/// Wall-clock time in Unix seconds, for tokens and records.
pub fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
