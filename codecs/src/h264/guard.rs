//! The structure of an H.264 access unit: every parameter set in it, and the start of every slice.
//!
//! A slice refers to a parameter set that may have come in an earlier unit; since none passes unchecked, a decoder
//! holds only checked ones, and this needs no memory of its own.

use super::{nal, parameters};
use crate::guard::{Checked, GuardError};
use mcu_core::limits;

const NAL_HEADER: &str = "H.264 NAL header";
const SLICE: u8 = 1;
const PARTITION_FIRST: u8 = 2;
const PARTITION_LAST: u8 = 4;
const SLICE_IDR: u8 = 5;
const SEQUENCE_PARAMETERS: u8 = 7;
const PICTURE_PARAMETERS: u8 = 8;

/// Checks every NAL unit of the access unit, which must begin with a start code.
pub(crate) fn check(data: &[u8]) -> Result<Checked, GuardError> {
    if !data.starts_with(&[0, 0, 1]) && !data.starts_with(&[0, 0, 0, 1]) {
        return Err(GuardError::Malformed { part: "H.264 start code" });
    }
    let mut checked = Checked::default();
    for (count, unit) in nal::units(data).enumerate() {
        if count >= limits::UNIT_PACKETS_MAX {
            return Err(GuardError::Parts);
        }
        let (&header, payload) = unit.split_first().ok_or(GuardError::Truncated { part: NAL_HEADER })?;
        if header & 0x80 != 0 {
            return Err(GuardError::Malformed { part: NAL_HEADER });
        }
        match header & 0x1f {
            SLICE => {
                parameters::check_slice(payload)?;
                checked.coded = true;
            }
            SLICE_IDR => {
                parameters::check_slice(payload)?;
                (checked.coded, checked.keyframe) = (true, true);
            }
            PARTITION_FIRST..=PARTITION_LAST => {
                return Err(GuardError::Unsupported { what: "H.264 data partitioning" });
            }
            SEQUENCE_PARAMETERS => {
                let size = parameters::check_sequence(payload)?;
                checked.size = checked.size.into_iter().chain([size]).max_by_key(|size| size.area());
            }
            PICTURE_PARAMETERS => parameters::check_picture(payload)?,
            _ => {}
        }
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::BitWriter;
    use mcu_core::media::frame::Size;

    /// What a test writes into a sequence parameter set.
    struct Sps {
        profile: u32,
        level_idc: u32,
        chroma: u32,
        references: u32,
        width_mbs: u32,
        height_mbs: u32,
        progressive: bool,
        crop_bottom: u32,
    }

    const HD: Sps = Sps {
        profile: 66,
        level_idc: 31,
        chroma: 1,
        references: 1,
        width_mbs: 80,
        height_mbs: 45,
        progressive: true,
        crop_bottom: 0,
    };

    fn unit(sps: &Sps) -> Vec<u8> {
        let mut bits = BitWriter::default().put(8, sps.profile).put(8, 0).put(8, sps.level_idc).golomb(0);
        if sps.profile == 100 {
            // 8-bit, and a scaling matrix whose second list ends at once.
            bits = bits.golomb(sps.chroma).golomb(0).golomb(0).put(1, 0).put(1, 1);
            bits = bits.put(2, 0b01).golomb(16).put(6, 0);
        }
        bits = bits.golomb(0).golomb(2).golomb(sps.references).put(1, 0);
        bits = bits.golomb(sps.width_mbs - 1).golomb(sps.height_mbs - 1);
        bits = bits.put(1, u32::from(sps.progressive)).put(1, 1).put(1, 1);
        bits = bits.golomb(0).golomb(0).golomb(0).golomb(sps.crop_bottom).put(1, 0).put(1, 1);
        let mut data = vec![0, 0, 0, 1, 0x67];
        data.extend(escape(&bits.bytes()));
        data
    }

    fn escape(payload: &[u8]) -> Vec<u8> {
        let mut escaped = Vec::new();
        for &byte in payload {
            if byte <= 3 && escaped.ends_with(&[0, 0]) {
                escaped.push(3);
            }
            escaped.push(byte);
        }
        escaped
    }

    fn size(sps: &Sps) -> Result<Option<Size>, GuardError> {
        check(&unit(sps)).map(|checked| checked.size)
    }

    #[test]
    fn sizes_are_read_with_cropping() {
        assert_eq!(size(&HD), Ok(Some(Size::new(1_280, 720))));
        assert_eq!(size(&Sps { profile: 100, ..HD }), Ok(Some(Size::new(1_280, 720))));
        let full = Sps { width_mbs: 120, height_mbs: 68, crop_bottom: 4, ..HD };
        assert_eq!(size(&full), Ok(Some(Size::new(1_920, 1_080))));
        assert_eq!(check(&unit(&HD)).map(|c| (c.keyframe, c.coded)), Ok((false, false)));
    }

    #[test]
    fn bombs_are_refused_by_their_limit() {
        let huge = Sps { width_mbs: 1_024, height_mbs: 1_024, ..HD };
        assert_eq!(size(&huge), Err(GuardError::Area { width: 16_384, height: 16_384 }));
        // Cropping a bomb to a small picture does not make its decoding small.
        let hidden = Sps { crop_bottom: 8_100, ..huge };
        assert_eq!(size(&hidden), Err(GuardError::Area { width: 16_384, height: 16_384 }));
        let endless = Sps { width_mbs: u32::MAX - 1, height_mbs: u32::MAX - 1, ..HD };
        assert_eq!(size(&endless), Err(GuardError::Area { width: u32::MAX, height: u32::MAX }));
        let many = Sps { references: 1_000_000_000, ..HD };
        assert_eq!(size(&many), Err(GuardError::References { frames: 1_000_000_000 }));
        assert_eq!(size(&Sps { level_idc: 62, ..HD }), Err(GuardError::Level { level_idc: 62 }));
    }

    #[test]
    fn what_we_cannot_show_is_refused() {
        let unsupported = |sps: &Sps| matches!(size(sps), Err(GuardError::Unsupported { .. }));
        assert!(unsupported(&Sps { progressive: false, ..HD }));
        assert!(unsupported(&Sps { profile: 122, ..HD }));
        assert!(unsupported(&Sps { profile: 100, chroma: 2, ..HD }));
        assert_eq!(
            size(&Sps { crop_bottom: 400, ..HD }),
            Err(GuardError::Malformed { part: "H.264 sequence parameter set" })
        );
    }

    #[test]
    fn structure_is_checked() {
        assert_eq!(check(&[0x67, 66, 0]), Err(GuardError::Malformed { part: "H.264 start code" }));
        assert_eq!(check(&[0, 0, 1]), Err(GuardError::Truncated { part: NAL_HEADER }));
        assert_eq!(check(&[0, 0, 1, 0xe5, 0x88]), Err(GuardError::Malformed { part: NAL_HEADER }));
        let many = [0, 0, 1, 9, 0xf0].repeat(limits::UNIT_PACKETS_MAX + 1);
        assert_eq!(check(&many), Err(GuardError::Parts));
        let enough = [0, 0, 1, 9, 0xf0].repeat(limits::UNIT_PACKETS_MAX);
        assert_eq!(check(&enough), Ok(Checked::default()));
        // first_mb 0, type 7 (I), picture parameter set 0.
        let idr = check(&[0, 0, 1, 0x65, 0b1000_1000, 0b1000_0000]);
        assert_eq!(idr, Ok(Checked { keyframe: true, size: None, coded: true }));
        // Two slice groups in a picture parameter set.
        let groups = BitWriter::default().golomb(0).golomb(0).put(2, 0).golomb(1).put(8, 0xff).bytes();
        let data = [&[0, 0, 1, 0x68][..], &groups].concat();
        assert_eq!(check(&data), Err(GuardError::Unsupported { what: "H.264 slice groups" }));
    }

    #[test]
    fn every_cut_of_a_parameter_set_is_an_error() {
        let whole = unit(&Sps { profile: 100, ..HD });
        assert!(check(&whole).is_ok());
        // The last byte holds only flags that nothing here depends on.
        for cut in 5..whole.len() - 1 {
            assert!(check(&whole[..cut]).is_err(), "cut at {cut}");
        }
    }
}
