//! Sound in the mixer: 48 kHz, mono, `f32` in -1.0..=1.0, in blocks of 10 ms.

/// Samples per second in the mixer.
pub const SAMPLE_RATE_HZ: u32 = 48_000;

/// Samples of one block: 10 ms.
pub const BLOCK_SAMPLES: usize = 480;

/// Ten milliseconds of sound.
pub type Block = [f32; BLOCK_SAMPLES];

/// A block of silence.
pub const SILENCE: Block = [0.0; BLOCK_SAMPLES];
