//! Parameter sets and slice headers (ITU-T H.264 §7.3.2.1, §7.3.2.2, §7.3.3), as far as they bound a decoder.

use crate::bits::Bits;
use crate::guard::{self, GuardError};
use mcu_core::limits;
use mcu_core::media::frame::Size;

const BASELINE: u32 = 66;
const MAIN: u32 = 77;
const EXTENDED: u32 = 88;
const HIGH: u32 = 100;

/// Checks a sequence parameter set, its NAL header taken off. Gives the picture's size after cropping.
pub(super) fn check_sequence(payload: &[u8]) -> Result<Size, GuardError> {
    let mut bits = Bits::escaped(payload, "H.264 sequence parameter set");
    let profile = bits.number(8)?;
    let _constraints = bits.number(8)?;
    let level_idc = bits.number(8)? as u8;
    let _id = bits.golomb_to(31)?;
    match profile {
        BASELINE | MAIN | EXTENDED => {}
        HIGH => check_high(&mut bits)?,
        _ => return Err(GuardError::Unsupported { what: "an H.264 profile above high" }),
    }
    if level_idc > limits::H264_LEVEL_MAX {
        return Err(GuardError::Level { level_idc });
    }
    let _frame_num_bits = bits.golomb_to(12)?;
    skip_order_count(&mut bits)?;
    let frames = bits.golomb()?;
    if frames > limits::H264_REFERENCES_MAX {
        return Err(GuardError::References { frames });
    }
    let _gaps_allowed = bits.flag()?;
    let (width_mbs, height_mbs) = (u64::from(bits.golomb()?) + 1, u64::from(bits.golomb()?) + 1);
    if !bits.flag()? {
        return Err(GuardError::Unsupported { what: "interlaced H.264" });
    }
    // What is cropped away is decoded all the same: the area counts before cropping.
    let (width, height) = (coded_side(width_mbs), coded_side(height_mbs));
    if u64::from(width) * u64::from(height) > u64::from(limits::DECODE_AREA_MAX) {
        return Err(GuardError::Area { width, height });
    }
    let _direct_8x8 = bits.flag()?;
    let cropped = bits.flag()?;
    let mut crop = || if cropped { bits.golomb() } else { Ok(0) };
    let (left, right, top, bottom) = (crop()?, crop()?, crop()?, crop()?);
    // In 4:2:0 the units are two pixels.
    let less = |side: u32, a: u32, b: u32| u64::from(side).checked_sub(2 * (u64::from(a) + u64::from(b)));
    match (less(width, left, right), less(height, top, bottom)) {
        // Neither is larger than the side before cropping, which fits.
        (Some(width), Some(height)) => guard::check_size(width as u32, height as u32),
        _ => Err(bits.malformed()),
    }
}

/// Pixels of a side of `mbs` macroblocks; the largest number there is when they do not fit one.
fn coded_side(mbs: u64) -> u32 {
    u32::try_from(mbs * 16).unwrap_or(u32::MAX)
}

/// The fields of the high profiles: only 8-bit 4:2:0 passes.
fn check_high(bits: &mut Bits<'_>) -> Result<(), GuardError> {
    if bits.golomb_to(3)? != 1 {
        return Err(GuardError::Unsupported { what: "H.264 other than 4:2:0" });
    }
    if bits.golomb()? != 0 || bits.golomb()? != 0 {
        return Err(GuardError::Unsupported { what: "H.264 other than 8-bit" });
    }
    let _lossless = bits.flag()?;
    if bits.flag()? {
        for list in 0..8 {
            if bits.flag()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(())
}

/// ITU-T H.264 §7.3.2.1.1.1: the list ends early where the next scale would be zero.
fn skip_scaling_list(bits: &mut Bits<'_>, entries: u32) -> Result<(), GuardError> {
    let mut scale = 8;
    for _ in 0..entries {
        scale = (scale + bits.golomb_signed()?).rem_euclid(256);
        if scale == 0 {
            break;
        }
    }
    Ok(())
}

fn skip_order_count(bits: &mut Bits<'_>) -> Result<(), GuardError> {
    match bits.golomb_to(2)? {
        0 => {
            bits.golomb_to(12)?;
        }
        1 => {
            bits.flag()?;
            bits.golomb_signed()?;
            bits.golomb_signed()?;
            for _ in 0..bits.golomb_to(255)? {
                bits.golomb_signed()?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Checks a picture parameter set, its NAL header taken off.
pub(super) fn check_picture(payload: &[u8]) -> Result<(), GuardError> {
    let mut bits = Bits::escaped(payload, "H.264 picture parameter set");
    let _id = bits.golomb_to(255)?;
    let _sequence_id = bits.golomb_to(31)?;
    let _entropy_and_field_order = bits.number(2)?;
    if bits.golomb()? != 0 {
        return Err(GuardError::Unsupported { what: "H.264 slice groups" });
    }
    let (_list_0, _list_1) = (bits.golomb_to(31)?, bits.golomb_to(31)?);
    Ok(())
}

/// Checks the start of a slice header, its NAL header taken off.
pub(super) fn check_slice(payload: &[u8]) -> Result<(), GuardError> {
    let mut bits = Bits::escaped(payload, "H.264 slice header");
    let _first_macroblock = bits.golomb_to(limits::DECODE_AREA_MAX / 256 - 1)?;
    let _kind = bits.golomb_to(9)?;
    let _picture_id = bits.golomb_to(255)?;
    Ok(())
}
