//! Telephone codecs, decoding: packets to the mixer's rate, and what is made up in place of lost ones.
//!
//! Flow: jitter buffer `pull` -> **here** -> gain. Thread: audio pool. Never writes more than the caller's buffer. Sound
//! comes out 5 ms after it went in, half a block of the resampler's. G.722's state goes on from packet to packet and over
//! losses, after which it needs some milliseconds to be right again.

use super::conceal::Concealer;
use super::resample::Resampler;
use super::{BLOCK_BYTES, TelephoneCodec};
use crate::sound::{PACKET_SAMPLES_MAX, SoundDecodeError, SoundDecoder, room, whole};
use crate::sys::libav::LibavError;
use crate::sys::libav_sound;
use mcu_core::media::samples::{BLOCK_SAMPLES, Block, SILENCE};

/// Decodes one stream of G.711 or G.722.
pub struct TelephoneDecoder {
    codec: TelephoneCodec,
    library: libav_sound::Decoder,
    concealer: Concealer,
    up: Resampler,
    /// 10 ms at the codec's rate.
    narrow: Box<[f32]>,
    /// What was made up last, at the mixer's rate; from `ahead_at` on nobody has asked for it yet.
    ahead: Block,
    ahead_at: usize,
}

impl std::fmt::Debug for TelephoneDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TelephoneDecoder({})", self.codec.library_name)
    }
}

/// Samples that `packet` decodes to, at 48 kHz: whole blocks of 10 ms, 120 ms at most.
fn packet_samples(packet: &[u8]) -> Result<usize, SoundDecodeError> {
    let samples = packet.len() / BLOCK_BYTES * BLOCK_SAMPLES;
    if packet.len().is_multiple_of(BLOCK_BYTES) && (1..=PACKET_SAMPLES_MAX).contains(&samples) {
        Ok(samples)
    } else {
        Err(SoundDecodeError::Packet { bytes: packet.len() })
    }
}

fn library(LibavError(code): LibavError) -> SoundDecodeError {
    SoundDecodeError::Library { code }
}

impl TelephoneDecoder {
    /// A decoder with no history.
    ///
    /// # Errors
    /// [`SoundDecodeError::Library`] when FFmpeg has no such decoder.
    pub fn new(codec: TelephoneCodec) -> Result<Self, SoundDecodeError> {
        Ok(Self {
            codec,
            library: libav_sound::Decoder::open(codec.library_name, codec.rate_hz).map_err(library)?,
            concealer: Concealer::new(codec.rate_hz),
            up: Resampler::up(codec.rate_hz),
            narrow: vec![0.0; codec.block_samples()].into_boxed_slice(),
            ahead: SILENCE,
            ahead_at: BLOCK_SAMPLES,
        })
    }

    /// Fades `out` in over what was made up and not asked for: a loss that was no multiple of 10 ms.
    fn go_over_to(&mut self, out: &mut [f32]) {
        let ahead = &self.ahead[self.ahead_at..];
        for (at, (sample, made_up)) in out.iter_mut().zip(ahead).enumerate() {
            *sample = made_up + (*sample - made_up) * at as f32 / ahead.len() as f32;
        }
        self.ahead_at = BLOCK_SAMPLES;
    }
}

impl SoundDecoder for TelephoneDecoder {
    fn decode(&mut self, packet: &[u8], out: &mut [f32]) -> Result<usize, SoundDecodeError> {
        let samples = packet_samples(packet)?;
        let out = room(samples, out)?;
        let pcm = self.library.decode(packet).map_err(library)?;
        let block_samples = self.narrow.len();
        if pcm.len() != samples / BLOCK_SAMPLES * block_samples {
            return Err(SoundDecodeError::Packet { bytes: packet.len() });
        }
        for (from, to) in pcm.chunks_exact(block_samples).zip(out.chunks_exact_mut(BLOCK_SAMPLES)) {
            for (narrow, sample) in self.narrow.iter_mut().zip(from) {
                *narrow = f32::from(*sample) / 32_768.0;
            }
            self.concealer.received(&mut self.narrow);
            self.up.block(&self.narrow, to);
        }
        self.go_over_to(out);
        Ok(samples)
    }

    fn decode_fec(&mut self, _: &[u8], _: usize, _: &mut [f32]) -> Result<usize, SoundDecodeError> {
        Err(SoundDecodeError::NoRecovery)
    }

    fn conceal(&mut self, samples: usize, out: &mut [f32]) -> Result<usize, SoundDecodeError> {
        whole(samples)?;
        let mut out = room(samples, out)?;
        while !out.is_empty() {
            if self.ahead_at == BLOCK_SAMPLES {
                self.concealer.make_up(&mut self.narrow);
                self.up.block(&self.narrow, &mut self.ahead);
                self.ahead_at = 0;
            }
            let (now, later) = out.split_at_mut(out.len().min(BLOCK_SAMPLES - self.ahead_at));
            now.copy_from_slice(&self.ahead[self.ahead_at..][..now.len()]);
            self.ahead_at += now.len();
            out = later;
        }
        Ok(samples)
    }

    fn reset(&mut self) {
        self.concealer.reset();
        self.up.reset();
        self.ahead_at = BLOCK_SAMPLES;
    }
}
