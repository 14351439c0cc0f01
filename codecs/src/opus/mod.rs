//! Opus (RFC 6716): the sound codec of every browser, here always 48 kHz, mono, `f32` in -1.0..=1.0.
//!
//! Flow: jitter buffer -> **[`decode`]** -> mix -> **[`encode`]** -> fan out. Thread: audio pool. Bound: a packet
//! holds at most [`PACKET_SAMPLES_MAX`]. libopus allocates once, when a codec is made; nothing allocates after.

pub mod decode;
pub mod encode;

pub use decode::{OpusDecoder, SoundDecodeError, SoundDecoder, packet_samples};
pub use encode::{Application, OpusEncoder, OpusSettings, SoundEncodeError, SoundEncoder};

/// Samples of one encoded frame: 20 ms.
pub const FRAME_SAMPLES: usize = 960;
/// Samples of the longest packet: 120 ms (RFC 6716 §3.2.5, requirement R5).
pub const PACKET_SAMPLES_MAX: usize = 5_760;
/// Bytes of the largest coded frame (RFC 6716 §3.4, requirement R2).
pub const FRAME_BYTES_MAX: usize = 1_275;
/// Samples in 2.5 ms, the unit of every Opus duration.
pub const QUANTUM_SAMPLES: usize = 120;
