//! Opus decoding: packets, the recovery copy of a lost one inside its successor, and concealment.
//!
//! Flow: jitter buffer `pull` -> **here** -> gain. Thread: audio pool. Never writes more than the caller's buffer.

use super::{PACKET_SAMPLES_MAX, QUANTUM_SAMPLES};
use mcu_core::media::samples::SAMPLE_RATE_HZ;
use opus::{Channels, Decoder};

/// Decodes the sound of one stream, in order, to 48 kHz mono `f32`.
pub trait SoundDecoder: Send {
    /// Decodes `packet` into the front of `out`; says how many samples it held.
    ///
    /// # Errors
    /// [`SoundDecodeError`]; conceal in its place and go on.
    fn decode(&mut self, packet: &[u8], out: &mut [f32]) -> Result<usize, SoundDecodeError>;

    /// Fills `samples` of the lost packet just before `next_packet` from the recovery copy (in-band FEC) that it
    /// may carry, or by concealment where it carries none. Then decode `next_packet` itself.
    ///
    /// `samples` must be a multiple of [`QUANTUM_SAMPLES`].
    ///
    /// # Errors
    /// [`SoundDecodeError`].
    fn decode_fec(
        &mut self,
        next_packet: &[u8],
        samples: usize,
        out: &mut [f32],
    ) -> Result<usize, SoundDecodeError>;

    /// Makes up `samples` (a multiple of [`QUANTUM_SAMPLES`]) that fade from what was heard last.
    ///
    /// # Errors
    /// [`SoundDecodeError`].
    fn conceal(&mut self, samples: usize, out: &mut [f32]) -> Result<usize, SoundDecodeError>;
}

/// Why no sound came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SoundDecodeError {
    /// Not an Opus packet, or longer than 120 ms.
    #[error("the packet of {bytes} bytes is not an opus packet")]
    Packet {
        /// Its length.
        bytes: usize,
    },
    /// The caller's buffer is too short.
    #[error("{needed} samples do not fit a buffer of {room}")]
    Room {
        /// Samples to write.
        needed: usize,
        /// Samples that fit.
        room: usize,
    },
    /// Not a positive multiple of 2.5 ms, or over 120 ms.
    #[error("{samples} samples is not a whole number of 2.5 ms up to 120 ms")]
    Duration {
        /// What was asked for.
        samples: usize,
    },
    /// libopus refused.
    #[error("libopus failed (error {code})")]
    Library {
        /// Its error number.
        code: i32,
    },
}

/// Samples that `packet` decodes to, at 48 kHz, from its table of contents alone (RFC 6716 §3.1).
///
/// # Errors
/// [`SoundDecodeError::Packet`] when it is empty, malformed or over 120 ms.
pub fn packet_samples(packet: &[u8]) -> Result<usize, SoundDecodeError> {
    let refused = SoundDecodeError::Packet { bytes: packet.len() };
    if packet.is_empty() {
        return Err(refused);
    }
    match opus::packet::get_nb_samples(packet, SAMPLE_RATE_HZ) {
        Ok(samples) if (QUANTUM_SAMPLES..=PACKET_SAMPLES_MAX).contains(&samples) => Ok(samples),
        _ => Err(refused),
    }
}

/// libopus's decoder.
#[derive(Debug)]
pub struct OpusDecoder(Decoder);

impl OpusDecoder {
    /// A decoder with no history. Stereo packets come out as mono.
    ///
    /// # Errors
    /// [`SoundDecodeError::Library`] when out of memory.
    pub fn new() -> Result<Self, SoundDecodeError> {
        Decoder::new(SAMPLE_RATE_HZ, Channels::Mono).map(Self).map_err(library)
    }
}

fn library(error: opus::Error) -> SoundDecodeError {
    SoundDecodeError::Library { code: error.code() as i32 }
}

fn room(samples: usize, out: &mut [f32]) -> Result<&mut [f32], SoundDecodeError> {
    let room = out.len();
    out.get_mut(..samples).ok_or(SoundDecodeError::Room { needed: samples, room })
}

fn whole(samples: usize) -> Result<(), SoundDecodeError> {
    if samples.is_multiple_of(QUANTUM_SAMPLES) && (1..=PACKET_SAMPLES_MAX).contains(&samples) {
        Ok(())
    } else {
        Err(SoundDecodeError::Duration { samples })
    }
}

impl SoundDecoder for OpusDecoder {
    fn decode(&mut self, packet: &[u8], out: &mut [f32]) -> Result<usize, SoundDecodeError> {
        let samples = packet_samples(packet)?;
        let out = room(samples, out)?;
        self.0.decode_float(packet, out, false).map_err(library)
    }

    fn decode_fec(
        &mut self,
        next_packet: &[u8],
        samples: usize,
        out: &mut [f32],
    ) -> Result<usize, SoundDecodeError> {
        whole(samples)?;
        // Only the table of contents is checked here; the recovery copy lies behind it.
        packet_samples(next_packet)?;
        let out = room(samples, out)?;
        self.0.decode_float(next_packet, out, true).map_err(library)
    }

    fn conceal(&mut self, samples: usize, out: &mut [f32]) -> Result<usize, SoundDecodeError> {
        whole(samples)?;
        let out = room(samples, out)?;
        self.0.decode_float(&[], out, false).map_err(library)
    }
}
