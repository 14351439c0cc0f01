//! The part of a VP8 frame header that lies outside the arithmetic coder (RFC 6386 §9.1).

use crate::guard::{self, Checked, GuardError};

const TAG_BYTES: usize = 3;
const KEY_HEADER_BYTES: usize = 10;
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
/// Versions above this are reserved.
const VERSION_MAX: u8 = 3;

/// Checks the frame tag and, of a key frame, start code and size.
pub(crate) fn check(data: &[u8]) -> Result<Checked, GuardError> {
    let (tag, rest) =
        data.split_first_chunk::<TAG_BYTES>().ok_or(GuardError::Truncated { part: "VP8 frame tag" })?;
    let keyframe = tag[0] & 1 == 0;
    if tag[0] >> 1 & 7 > VERSION_MAX {
        return Err(GuardError::Unsupported { what: "a reserved VP8 version" });
    }
    let first_partition_bytes = u32::from_le_bytes([tag[0], tag[1], tag[2], 0]) >> 5;
    let header_bytes = if keyframe { KEY_HEADER_BYTES } else { TAG_BYTES };
    if (data.len() as u64) < header_bytes as u64 + u64::from(first_partition_bytes) {
        return Err(GuardError::Truncated { part: "VP8 first partition" });
    }
    if !keyframe {
        return Ok(Checked { keyframe, size: None, coded: true });
    }
    let &[a, b, c, width_low, width_high, height_low, height_high, ..] = rest else {
        return Err(GuardError::Truncated { part: "VP8 key frame header" });
    };
    if [a, b, c] != START_CODE {
        return Err(GuardError::Malformed { part: "VP8 start code" });
    }
    // The two upper bits of each side ask the display to scale up; nobody does.
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    let size = guard::check_size(side(width_low, width_high), side(height_low, height_high))?;
    Ok(Checked { keyframe, size: Some(size), coded: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcu_core::media::frame::Size;

    fn key(width: u16, height: u16) -> Vec<u8> {
        let [wl, wh] = width.to_le_bytes();
        let [hl, hh] = height.to_le_bytes();
        // Shown, version 0, a first partition of 4 bytes.
        vec![0x10 | 4 << 5, 0, 0, 0x9d, 0x01, 0x2a, wl, wh, hl, hh, 1, 2, 3, 4]
    }

    #[test]
    fn sizes_are_read_and_bombs_refused() {
        let size = Some(Size::new(1_280, 720));
        assert_eq!(check(&key(1_280, 720)), Ok(Checked { keyframe: true, size, coded: true }));
        // With scaling bits set the size is the same.
        assert_eq!(check(&key(1_280 | 0x4000, 720 | 0x8000)).map(|c| c.size), Ok(size));
        assert_eq!(check(&key(16_383, 16_383)), Err(GuardError::Area { width: 16_383, height: 16_383 }));
        assert_eq!(check(&key(4_000, 16)), Err(GuardError::Side { width: 4_000, height: 16 }));
        assert_eq!(check(&key(0, 720)), Err(GuardError::Side { width: 0, height: 720 }));
    }

    #[test]
    fn damaged_headers_are_refused() {
        let good = key(640, 360);
        for cut in 0..good.len() {
            assert!(matches!(check(&good[..cut]), Err(GuardError::Truncated { .. })), "cut at {cut}");
        }
        let mut bad = good.clone();
        bad[4] = 0;
        assert_eq!(check(&bad), Err(GuardError::Malformed { part: "VP8 start code" }));
        let mut bad = good;
        bad[0] |= 7 << 1;
        assert_eq!(check(&bad), Err(GuardError::Unsupported { what: "a reserved VP8 version" }));
    }

    #[test]
    fn a_delta_frame_declares_no_size() {
        assert_eq!(check(&[0x11, 0, 0]), Ok(Checked { keyframe: false, size: None, coded: true }));
    }
}
