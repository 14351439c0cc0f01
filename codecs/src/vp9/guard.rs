//! The uncompressed header of VP9 (VP9 bitstream specification v0.6 §6.2, §7.2) and superframes (annex B).
//!
//! Any frame can change the picture's size, not key frames alone, and one unit can hold up to eight frames: each
//! is checked.

use crate::bits::Bits;
use crate::guard::{self, Checked, GuardError};
use mcu_core::media::frame::Size;

const HEADER: &str = "VP9 frame header";
const SUPERFRAME: &str = "VP9 superframe index";
const SYNC_CODE: u32 = 0x49_83_42;
/// `color_space` that means RGB, which profile 0 does not have.
const CS_RGB: u32 = 7;

/// Checks each frame of the unit.
pub(crate) fn check(data: &[u8]) -> Result<Checked, GuardError> {
    let Some(index) = superframe_index(data) else { return check_frame(data) };
    let mut frames = &data[..data.len() - index.len()];
    let mut whole: Option<Checked> = None;
    let bytes_per_length = usize::from(index[0] >> 3 & 3) + 1;
    for length in index[1..index.len() - 1].chunks_exact(bytes_per_length) {
        let length = length.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte));
        let (frame, rest) =
            frames.split_at_checked(length).ok_or(GuardError::Truncated { part: SUPERFRAME })?;
        frames = rest;
        let checked = check_frame(frame)?;
        // A decoder can start at a superframe when it can start at its first frame.
        let so_far = whole.unwrap_or(Checked { size: None, ..checked });
        whole = Some(Checked { size: larger(so_far.size, checked.size), ..so_far });
    }
    whole.ok_or(GuardError::Malformed { part: SUPERFRAME })
}

/// The index at the end of a superframe: the same marker byte on both sides of a table of lengths.
fn superframe_index(data: &[u8]) -> Option<&[u8]> {
    let marker = *data.last()?;
    if marker & 0xe0 != 0xc0 {
        return None;
    }
    let frames = usize::from(marker & 7) + 1;
    let bytes_per_length = usize::from(marker >> 3 & 3) + 1;
    let index = data.get(data.len().checked_sub(2 + frames * bytes_per_length)?..)?;
    (index[0] == marker).then_some(index)
}

fn larger(a: Option<Size>, b: Option<Size>) -> Option<Size> {
    a.into_iter().chain(b).max_by_key(|size| size.area())
}

fn check_frame(data: &[u8]) -> Result<Checked, GuardError> {
    let mut bits = Bits::plain(data, HEADER);
    if bits.number(2)? != 2 {
        return Err(bits.malformed());
    }
    if bits.number(2)? != 0 {
        return Err(GuardError::Unsupported { what: "a VP9 profile above 0" });
    }
    let checked = |keyframe, size| Checked { keyframe, size, coded: true };
    if bits.flag()? {
        // An earlier frame is shown again.
        return Ok(checked(false, None));
    }
    let keyframe = !bits.flag()?;
    let shown = bits.flag()?;
    let error_resilient = bits.flag()?;
    if keyframe {
        check_sync(&mut bits)?;
        if bits.number(3)? == CS_RGB {
            return Err(GuardError::Unsupported { what: "RGB in VP9" });
        }
        let _full_range = bits.flag()?;
        return Ok(checked(true, Some(frame_size(&mut bits)?)));
    }
    let intra_only = !shown && bits.flag()?;
    if !error_resilient {
        let _reset_frame_context = bits.number(2)?;
    }
    if intra_only {
        check_sync(&mut bits)?;
        let _refreshed = bits.number(8)?;
        return Ok(checked(false, Some(frame_size(&mut bits)?)));
    }
    let _refreshed = bits.number(8)?;
    let _references_and_signs = bits.number(3 * 4)?;
    for _ in 0..3 {
        if bits.flag()? {
            // The size is that of a reference, which was checked when it came.
            return Ok(checked(false, None));
        }
    }
    Ok(checked(false, Some(frame_size(&mut bits)?)))
}

fn check_sync(bits: &mut Bits<'_>) -> Result<(), GuardError> {
    if bits.number(24)? == SYNC_CODE { Ok(()) } else { Err(GuardError::Malformed { part: "VP9 sync code" }) }
}

fn frame_size(bits: &mut Bits<'_>) -> Result<Size, GuardError> {
    let (width, height) = (bits.number(16)? + 1, bits.number(16)? + 1);
    guard::check_size(width, height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::BitWriter;

    fn key(width: u32, height: u32) -> Vec<u8> {
        // Marker, profile 0, not shown again, key, shown, not resilient, sync, BT.601, limited, size.
        BitWriter::default()
            .put(2, 2)
            .put(2, 0)
            .put(4, 0b0010)
            .put(24, SYNC_CODE)
            .put(3, 1)
            .put(1, 0)
            .put(16, width - 1)
            .put(16, height - 1)
            .bytes()
    }

    /// A delta frame that carries its own size.
    fn resized(width: u32, height: u32) -> Vec<u8> {
        BitWriter::default()
            .put(2, 2)
            .put(2, 0)
            .put(4, 0b0110)
            .put(2, 0)
            .put(8, 1)
            .put(12, 0)
            .put(3, 0)
            .put(16, width - 1)
            .put(16, height - 1)
            .bytes()
    }

    fn superframe(frames: &[Vec<u8>]) -> Vec<u8> {
        let marker = 0xc0 | 1 << 3 | (frames.len() as u8 - 1);
        let mut data = frames.concat();
        data.push(marker);
        data.extend(frames.iter().flat_map(|frame| (frame.len() as u16).to_le_bytes()));
        data.push(marker);
        data
    }

    #[test]
    fn sizes_are_read_and_bombs_refused() {
        let size = Some(Size::new(1_280, 720));
        assert_eq!(check(&key(1_280, 720)), Ok(Checked { keyframe: true, size, coded: true }));
        assert_eq!(check(&resized(1_280, 720)), Ok(Checked { keyframe: false, size, coded: true }));
        let bomb = GuardError::Area { width: 65_536, height: 65_536 };
        assert_eq!(check(&key(65_536, 65_536)), Err(bomb));
        assert_eq!(check(&resized(65_536, 65_536)), Err(bomb));
        assert_eq!(check(&superframe(&[key(640, 360), resized(65_536, 65_536)])), Err(bomb));
    }

    #[test]
    fn a_superframe_is_as_large_as_its_largest_frame() {
        let unit = superframe(&[key(320, 180), resized(640, 360)]);
        let size = Some(Size::new(640, 360));
        assert_eq!(check(&unit), Ok(Checked { keyframe: true, size, coded: true }));
    }

    #[test]
    fn other_profiles_are_refused() {
        let profile_1 = BitWriter::default().put(2, 2).put(2, 0b10).put(28, 0).bytes();
        assert_eq!(check(&profile_1), Err(GuardError::Unsupported { what: "a VP9 profile above 0" }));
    }

    #[test]
    fn damaged_headers_are_refused() {
        let good = key(640, 360);
        for cut in 0..good.len() {
            assert_eq!(
                check_frame(&good[..cut]),
                Err(GuardError::Truncated { part: HEADER }),
                "cut at {cut}"
            );
        }
        let mut bad = good.clone();
        bad[1] ^= 0xff;
        assert_eq!(check(&bad), Err(GuardError::Malformed { part: "VP9 sync code" }));
        let mut lying = superframe(&[good]);
        let length_at = lying.len() - 3;
        lying[length_at] = 0xff;
        assert_eq!(check(&lying), Err(GuardError::Truncated { part: SUPERFRAME }));
    }
}
