//! Telephone codecs, encoding: one mix, 20 ms at a time, 160 bytes each.
//!
//! Flow: limiter -> **here** -> fan out. Thread: audio pool. Bound: [`FRAME_BYTES`] a frame. Sound comes out 5 ms after it
//! went in, half a block of the resampler's.

use super::resample::Resampler;
use super::{FRAME_BYTES, TelephoneCodec};
use crate::sound::{FRAME_SAMPLES, SoundEncodeError, SoundEncoder};
use crate::sys::libav::LibavError;
use crate::sys::libav_sound;
use mcu_core::media::samples::BLOCK_SAMPLES;

/// Encodes one mix in G.711 or G.722.
pub struct TelephoneEncoder {
    codec: TelephoneCodec,
    library: libav_sound::Encoder,
    down: Resampler,
    /// 10 ms at the codec's rate.
    narrow: Box<[f32]>,
    /// 20 ms at the codec's rate, as the library takes them.
    pcm: Box<[i16]>,
}

impl std::fmt::Debug for TelephoneEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TelephoneEncoder({})", self.codec.library_name)
    }
}

fn library(LibavError(code): LibavError) -> SoundEncodeError {
    SoundEncodeError::Library { code }
}

impl TelephoneEncoder {
    /// An encoder with no history.
    ///
    /// # Errors
    /// [`SoundEncodeError::Library`] when FFmpeg has no such encoder.
    pub fn new(codec: TelephoneCodec) -> Result<Self, SoundEncodeError> {
        let block_samples = codec.block_samples();
        let frame_samples = block_samples * FRAME_SAMPLES / BLOCK_SAMPLES;
        let opened = libav_sound::Encoder::open(codec.library_name, codec.rate_hz, frame_samples);
        Ok(Self {
            codec,
            library: opened.map_err(library)?,
            down: Resampler::down(codec.rate_hz),
            narrow: vec![0.0; block_samples].into_boxed_slice(),
            pcm: vec![0; frame_samples].into_boxed_slice(),
        })
    }
}

impl SoundEncoder for TelephoneEncoder {
    fn encode(&mut self, pcm: &[f32; FRAME_SAMPLES], out: &mut [u8]) -> Result<usize, SoundEncodeError> {
        let room = out.len();
        let out = out.get_mut(..FRAME_BYTES).ok_or(SoundEncodeError::Room { needed: FRAME_BYTES, room })?;
        let halves = self.pcm.chunks_exact_mut(self.narrow.len());
        for (from, to) in pcm.chunks_exact(BLOCK_SAMPLES).zip(halves) {
            self.down.block(from, &mut self.narrow);
            for (sample, narrow) in to.iter_mut().zip(&self.narrow) {
                // Saturates where the filter has made a full-scale mix overshoot.
                *sample = (narrow * 32_767.0).round() as i16;
            }
        }
        let coded = self.library.encode(&self.pcm).map_err(library)?;
        if coded.len() != FRAME_BYTES {
            return Err(SoundEncodeError::Library { code: 0 });
        }
        out.copy_from_slice(coded);
        Ok(FRAME_BYTES)
    }

    fn set_bitrate(&mut self, _: u32) -> Result<(), SoundEncodeError> {
        Ok(())
    }

    fn set_expected_loss(&mut self, _: u8) -> Result<(), SoundEncodeError> {
        Ok(())
    }
}
