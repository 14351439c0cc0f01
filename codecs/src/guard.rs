//! Guard: reads headers and parameter sets of a coded picture before a decoder sees its bytes.
//!
//! Flow: `lane` -> **here** -> `decode`. Thread: video pool. A pure function of the bytes: no state, no
//! allocation, no panic whatever they are. What passes fits [`mcu_core::limits`]; what does not is refused with
//! the limit's name, before any decoder has allocated for it. The readers are in `vp8/`, `vp9/` and `h264/`.

use crate::{h264, vp8, vp9};
use mcu_core::limits;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::Size;

/// What the bytes of one coded picture say about themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Whether a decoder with no history can start here.
    pub keyframe: bool,
    /// The largest picture that the headers in these bytes declare; `None` when they declare none.
    pub size: Option<Size>,
    /// Whether there is a coded picture at all, not parameter sets alone.
    pub coded: bool,
}

/// Why a coded picture is kept from the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// The unit holds nothing.
    #[error("the unit is empty")]
    Empty,
    /// More bytes than `limits::UNIT_BYTES_MAX`.
    #[error("the unit of {bytes} bytes is over the limit of {}", limits::UNIT_BYTES_MAX)]
    UnitBytes {
        /// Bytes of the unit.
        bytes: usize,
    },
    /// The bytes end inside `part`.
    #[error("the bytes end inside the {part}")]
    Truncated {
        /// What was being read.
        part: &'static str,
    },
    /// `part` holds a value that the codec's specification forbids.
    #[error("the {part} is malformed")]
    Malformed {
        /// What was being read.
        part: &'static str,
    },
    /// A legal stream that we do not decode.
    #[error("{what} is not supported")]
    Unsupported {
        /// What it asks for.
        what: &'static str,
    },
    /// More pixels than `limits::DECODE_AREA_MAX`.
    #[error("a picture of {width}x{height} is over the limit of {} pixels", limits::DECODE_AREA_MAX)]
    Area {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// A side outside `limits::DECODE_SIDE_MIN..=limits::DECODE_SIDE_MAX`.
    #[error(
        "a picture of {width}x{height} has a side outside {} to {} pixels",
        limits::DECODE_SIDE_MIN,
        limits::DECODE_SIDE_MAX
    )]
    Side {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// More reference frames than `limits::H264_REFERENCES_MAX`.
    #[error("{frames} reference frames are over the limit of {}", limits::H264_REFERENCES_MAX)]
    References {
        /// Frames asked for.
        frames: u32,
    },
    /// An H.264 level above `limits::H264_LEVEL_MAX`.
    #[error("level_idc {level_idc} is over the limit of {}", limits::H264_LEVEL_MAX)]
    Level {
        /// Ten times the level.
        level_idc: u8,
    },
    /// More NAL units (or superframe parts) than `limits::UNIT_PACKETS_MAX`.
    #[error("the unit has more than {} parts", limits::UNIT_PACKETS_MAX)]
    Parts,
}

/// Checks one coded picture against every limit that its headers touch.
///
/// `data` is one VP8 frame, one VP9 frame or superframe, or one H.264 access unit in Annex B.
///
/// # Errors
/// The first [`GuardError`] met; the unit must then not be given to a decoder.
pub fn check(codec: VideoCodec, data: &[u8]) -> Result<Checked, GuardError> {
    if data.is_empty() {
        return Err(GuardError::Empty);
    }
    if data.len() > limits::UNIT_BYTES_MAX {
        return Err(GuardError::UnitBytes { bytes: data.len() });
    }
    match codec {
        VideoCodec::Vp8 => vp8::guard::check(data),
        VideoCodec::Vp9 => vp9::guard::check(data),
        VideoCodec::H264 => h264::guard::check(data),
    }
}

/// Turns a declared picture size into a [`Size`] that is within the limits.
pub(crate) fn check_size(width: u32, height: u32) -> Result<Size, GuardError> {
    let sides = u32::from(limits::DECODE_SIDE_MIN)..=u32::from(limits::DECODE_SIDE_MAX);
    if u64::from(width) * u64::from(height) > u64::from(limits::DECODE_AREA_MAX) {
        return Err(GuardError::Area { width, height });
    }
    match (u16::try_from(width), u16::try_from(height)) {
        (Ok(w), Ok(h)) if sides.contains(&width) && sides.contains(&height) => Ok(Size::new(w, h)),
        _ => Err(GuardError::Side { width, height }),
    }
}
