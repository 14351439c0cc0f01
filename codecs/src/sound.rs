//! Sound codecs as the rest of the node sees them: packets to 48 kHz mono `f32` in -1.0..=1.0, and back.
//!
//! Flow: jitter buffer -> **[`SoundDecoder`]** -> mix -> **[`SoundEncoder`]** -> fan out. Thread: audio pool. Bound: a
//! packet holds at most [`PACKET_SAMPLES_MAX`]. [`crate::opus`] and [`crate::telephone`] make them; whatever they need
//! they allocate when they are made.

/// Samples of one encoded frame: 20 ms.
pub const FRAME_SAMPLES: usize = 960;
/// Samples of the longest packet: 120 ms (RFC 6716 §3.2.5, requirement R5).
pub const PACKET_SAMPLES_MAX: usize = 5_760;
/// Bytes of the largest coded frame of any codec: Opus's (RFC 6716 §3.4, requirement R2).
pub const FRAME_BYTES_MAX: usize = 1_275;
/// Samples in 2.5 ms, of which every length that is asked for is a multiple.
pub const QUANTUM_SAMPLES: usize = 120;

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
    /// [`SoundDecodeError`]; [`SoundDecodeError::NoRecovery`] from a codec that never has copies: conceal.
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

    /// Forgets what was heard: the next packet is the first of something else.
    fn reset(&mut self);
}

/// Why no sound came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SoundDecodeError {
    /// Not a packet of this codec, or longer than 120 ms.
    #[error("the packet of {bytes} bytes is not one of this codec")]
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
    /// Packets of this codec carry nothing of those before them.
    #[error("this codec has no recovery copies")]
    NoRecovery,
    /// The codec's library refused.
    #[error("the sound codec failed (error {code})")]
    Library {
        /// Its error number.
        code: i32,
    },
}

/// Encodes one mix, in order.
pub trait SoundEncoder: Send {
    /// Encodes 20 ms of 48 kHz mono into the front of `out`; says how many bytes. With DTX, a frame of at most
    /// two bytes need not be sent (RFC 7587 §3.1.3).
    ///
    /// # Errors
    /// [`SoundEncodeError`]; `out` should have room for [`FRAME_BYTES_MAX`].
    fn encode(&mut self, pcm: &[f32; FRAME_SAMPLES], out: &mut [u8]) -> Result<usize, SoundEncodeError>;

    /// Aims at `bitrate_bps` from the next frame on. A codec that has but one rate keeps it.
    ///
    /// # Errors
    /// [`SoundEncodeError::Bitrate`] outside 6 000 to 510 000 bit/s; the old rate then stays.
    fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), SoundEncodeError>;

    /// How much loss the recovery copies are to be sized for, in per cent. Nothing to a codec that has none.
    ///
    /// # Errors
    /// [`SoundEncodeError::Loss`] above 100; the old value then stays.
    fn set_expected_loss(&mut self, percent: u8) -> Result<(), SoundEncodeError>;
}

/// Why no packet came out, or no encoder was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SoundEncodeError {
    /// Outside 6 000 to 510 000 (RFC 6716 §2.1.1).
    #[error("{bitrate_bps} bit/s is outside 6000 to 510000")]
    Bitrate {
        /// What was asked for.
        bitrate_bps: u32,
    },
    /// Outside 0 to 10.
    #[error("a complexity of {complexity} is outside 0 to 10")]
    Complexity {
        /// What was asked for.
        complexity: u8,
    },
    /// Outside 0 to 100.
    #[error("a loss of {percent} % is outside 0 to 100")]
    Loss {
        /// What was asked for.
        percent: u8,
    },
    /// The caller's buffer is too short.
    #[error("a packet of {needed} bytes does not fit a buffer of {room}")]
    Room {
        /// Bytes to write.
        needed: usize,
        /// Bytes that fit.
        room: usize,
    },
    /// The codec's library refused.
    #[error("the sound codec failed (error {code})")]
    Library {
        /// Its error number.
        code: i32,
    },
}

/// The front of `out` that takes `samples`.
pub(crate) fn room(samples: usize, out: &mut [f32]) -> Result<&mut [f32], SoundDecodeError> {
    let room = out.len();
    out.get_mut(..samples).ok_or(SoundDecodeError::Room { needed: samples, room })
}

/// Refuses a length that is not a positive multiple of [`QUANTUM_SAMPLES`] up to [`PACKET_SAMPLES_MAX`].
pub(crate) fn whole(samples: usize) -> Result<(), SoundDecodeError> {
    if samples.is_multiple_of(QUANTUM_SAMPLES) && (1..=PACKET_SAMPLES_MAX).contains(&samples) {
        Ok(())
    } else {
        Err(SoundDecodeError::Duration { samples })
    }
}
