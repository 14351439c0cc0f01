//! Decode: one coded picture in, one raw picture out.
//!
//! Flow: `lane` -> `guard` -> **here** -> slot. Thread: video pool, one job in flight per decoder. Bound:
//! `limits::DECODER_FRAMES_MAX` frames lent, `limits::DECODE_AREA_MAX` pixels. Never hands FFmpeg a byte that
//! `guard` has not passed, never logs, never keeps a picture back for reordering longer than the stream demands.

use crate::guard::{self, GuardError};
use crate::picture;
use crate::sys::libav::{self, LibavError};
use mcu_core::limits;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::{Frame, FramePool, PoolEmpty};
use mcu_core::media::unit::{AccessUnit, Clear};

/// Decodes the pictures of one stream, in order.
pub trait VideoDecoder: Send {
    /// Decodes `unit`.
    ///
    /// `Ok(None)` when the unit holds no picture to show. The frame is I420, upright (the unit's rotation has
    /// been applied) and belongs to the decoder's own pool of `limits::DECODER_FRAMES_MAX`.
    ///
    /// # Errors
    /// [`DecodeError`]. The decoder stays usable: unless [`DecodeError::keeps_state`], it answers
    /// [`DecodeError::NeedsKeyframe`] until the next key frame, and decodes on from there.
    fn decode(&mut self, unit: &AccessUnit<Clear>) -> Result<Option<Frame>, DecodeError>;
}

/// Why a unit gave no picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The headers were refused before a decoder saw them.
    #[error("refused before decoding: {0}")]
    Guard(#[from] GuardError),
    /// The unit is of another codec than the decoder.
    #[error("a {got:?} unit came to a decoder of {expected:?}")]
    Codec {
        /// What the decoder decodes.
        expected: VideoCodec,
        /// What came.
        got: VideoCodec,
    },
    /// There is no history that this unit could refer to.
    #[error("decoding can only go on at a key frame")]
    NeedsKeyframe,
    /// The decoder found the bytes broken.
    #[error("the coded picture is broken (libav error {code})")]
    Corrupt {
        /// The library's error number, negative; 0 when it hid the damage and only marked the picture.
        code: i32,
    },
    /// The picture came out in another form than 8-bit 4:2:0.
    #[error("the picture is not 8-bit 4:2:0")]
    Format,
    /// The picture was decoded, but whoever shows frames holds on to too many.
    #[error(transparent)]
    Pool(#[from] PoolEmpty),
    /// The library could not make a decoder.
    #[error("no decoder could be opened (libav error {code})")]
    Open {
        /// The library's error number, negative.
        code: i32,
    },
}

impl DecodeError {
    /// Whether the decoder's history is intact, so that the next unit may refer to it.
    pub const fn keeps_state(self) -> bool {
        matches!(self, Self::Pool(_) | Self::Codec { .. })
    }

    /// Whether the sender's bytes are at fault, as opposed to this node. A unit that [`Self::NeedsKeyframe`] is
    /// at fault too: a lane passes only units that claim to be one.
    pub const fn blames_sender(self) -> bool {
        matches!(self, Self::Guard(_) | Self::NeedsKeyframe | Self::Corrupt { .. } | Self::Format)
    }
}

/// FFmpeg's decoder of one codec: one thread, low delay.
pub struct LibavDecoder {
    codec: VideoCodec,
    library: libav::Decoder,
    pool: FramePool,
    waiting: bool,
    /// The library's state is suspect: the next key frame gets a new one.
    stale: bool,
}

impl LibavDecoder {
    /// A decoder with no history.
    ///
    /// # Errors
    /// [`DecodeError::Open`] when FFmpeg has no such decoder.
    pub fn new(codec: VideoCodec) -> Result<Self, DecodeError> {
        let library = open(codec)?;
        let pool = FramePool::new("decoder", limits::DECODER_FRAMES_MAX);
        Ok(Self { codec, library, pool, waiting: true, stale: false })
    }

    /// Checks, decodes and copies out one unit.
    fn picture(&mut self, unit: &AccessUnit<Clear>) -> Result<Option<Frame>, DecodeError> {
        let checked = guard::check(self.codec, unit.data())?;
        if self.stale && (checked.keyframe || !checked.coded) {
            // A flush would keep what a damaged stream taught the library, such as a delay for reordering.
            self.library = open(self.codec)?;
            self.stale = false;
        }
        if !checked.coded {
            // Parameter sets alone: the library keeps them, and complains that there is no picture.
            let _ = self.library.decode(unit.data());
            return Ok(None);
        }
        if self.waiting && !checked.keyframe {
            return Err(DecodeError::NeedsKeyframe);
        }
        let decoded = self.library.decode(unit.data());
        let shown = decoded.map_err(|LibavError(code)| DecodeError::Corrupt { code })?;
        self.waiting = false;
        if !shown {
            return Ok(None);
        }
        let planes = self.library.planes(self.library.size()?).ok_or(DecodeError::Format)?;
        Ok(Some(picture::upright(&planes, unit.rotation, &self.pool)?))
    }
}

fn open(codec: VideoCodec) -> Result<libav::Decoder, DecodeError> {
    libav::Decoder::open(codec).map_err(|LibavError(code)| DecodeError::Open { code })
}

impl std::fmt::Debug for LibavDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LibavDecoder({}, {} frames out)", self.codec.name(), self.pool.frames_out())
    }
}

impl VideoDecoder for LibavDecoder {
    fn decode(&mut self, unit: &AccessUnit<Clear>) -> Result<Option<Frame>, DecodeError> {
        if unit.codec != self.codec {
            return Err(DecodeError::Codec { expected: self.codec, got: unit.codec });
        }
        let result = self.picture(unit);
        match &result {
            Err(error) if !error.keeps_state() => {
                // What was decoded is worth nothing now: the next key frame starts from nothing.
                self.waiting = true;
                self.stale = true;
            }
            _ => {}
        }
        result
    }
}
