//! Rate: policies around str0m's bandwidth estimate, which they read and steer but never replace; and an estimate for the ways that
//! have none, by what receiver reports say was lost.
//!
//! Flow: `peer/` (estimate, pacer queue) -> **here** -> `send/` (skip a frame) and `peer/` (reset, desired rate).
//! Thread: io. Pure: every policy takes `now`. The measurements behind the constants are those of str0m 0.25 and
//! Chromium on a link cut to 300 kbit/s.

mod loss;
mod recover;
mod skip;

pub use loss::LossEstimate;
pub use recover::RecoverPolicy;
pub use skip::PacerGate;
