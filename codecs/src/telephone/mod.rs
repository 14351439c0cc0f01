//! G.711 (µ-law and A-law) and G.722: the codecs that every telephone and every room system has.
//!
//! Flow: jitter buffer -> **[`TelephoneDecoder`]** -> mix -> **[`TelephoneEncoder`]** -> fan out. Thread: audio pool.
//! Bounds: those of [`crate::sound`]. All three make 64 kbit/s, eight bytes a millisecond, and differ in how often they
//! sample and in what FFmpeg calls them; so one pair of coders serves them all. The library does the coding; ours are the
//! way from and to 48 kHz (`resample`), which takes 5 ms each way, and what is played in place of a lost packet
//! (`conceal`): these codecs bring neither concealment nor recovery copies of their own.

mod conceal;
mod decode;
mod encode;
mod resample;

pub use decode::TelephoneDecoder;
pub use encode::TelephoneEncoder;

use crate::sound::FRAME_SAMPLES;
use mcu_core::media::samples::BLOCK_SAMPLES;

/// Bytes of 10 ms: every one of them is 64 kbit/s.
const BLOCK_BYTES: usize = 80;

/// Bytes of the 20 ms that the encoder makes.
pub const FRAME_BYTES: usize = BLOCK_BYTES * FRAME_SAMPLES / BLOCK_SAMPLES;

/// What sets these codecs apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelephoneCodec {
    /// FFmpeg's name of both its decoder and its encoder.
    library_name: &'static str,
    /// Samples per second.
    rate_hz: u32,
}

/// ITU-T G.722 at 64 kbit/s: 50 Hz to 7 kHz.
pub const G722: TelephoneCodec = TelephoneCodec { library_name: "g722", rate_hz: 16_000 };
/// ITU-T G.711 µ-law: up to 3.4 kHz.
pub const PCMU: TelephoneCodec = TelephoneCodec { library_name: "pcm_mulaw", rate_hz: 8_000 };
/// ITU-T G.711 A-law: up to 3.4 kHz.
pub const PCMA: TelephoneCodec = TelephoneCodec { library_name: "pcm_alaw", rate_hz: 8_000 };

impl TelephoneCodec {
    /// Every one of them.
    pub const ALL: [Self; 3] = [G722, PCMU, PCMA];

    /// FFmpeg's name of its decoder and its encoder.
    pub const fn library_name(self) -> &'static str {
        self.library_name
    }

    /// Samples of 10 ms at its own rate.
    const fn block_samples(self) -> usize {
        self.rate_hz as usize / 100
    }
}

#[cfg(test)]
mod tests;
