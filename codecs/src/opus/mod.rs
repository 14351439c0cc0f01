//! Opus (RFC 6716): the sound codec of every browser, here always 48 kHz, mono, `f32` in -1.0..=1.0.
//!
//! Flow: jitter buffer -> **[`decode`]** -> mix -> **[`encode`]** -> fan out. Thread: audio pool. Bounds: those of
//! [`crate::sound`]. libopus allocates once, when a codec is made; nothing allocates after.

pub mod decode;
pub mod encode;

pub use decode::{OpusDecoder, packet_samples};
pub use encode::{Application, OpusEncoder, OpusSettings};
