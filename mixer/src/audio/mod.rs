//! Sound: what one conference's job does with its blocks every 10 ms, between decoders and encoders.
//!
//! Flow: playout and decode -> [`gain`] -> [`level`] -> (the plan picks who is audible) -> [`mix`] ->
//! [`limiter`] -> encode. Thread: audio pool, one job per conference. Nothing here allocates after construction.

pub mod gain;
pub mod level;
pub mod limiter;
pub mod mix;
