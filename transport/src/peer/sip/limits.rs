//! What a device says in SDP of the pictures that it decodes: level and `max-*` of H.264, `max-fs` and `max-fr` of VP8.
//!
//! Flow: `offer` -> **here** -> conference, by [`SendCodec`](super::super::lines::SendCodec). Pure. A claim that makes no sense is none.

use super::super::lines::H264Format;
use mcu_core::media::picture_limits::PictureLimits;

/// A parameter of the format, by its name.
type Param<'a> = &'a dyn Fn(&str) -> Option<String>;

/// RFC 6184 §8.1: the level, or the higher one that `max-recv-level` names, and `max-fs` and `max-mbps` where they are more than that.
pub(super) fn h264(offered: H264Format, param: Param<'_>) -> PictureLimits {
    let of_level = |bytes: u32| {
        let [_, _, constraints, level_idc] = bytes.to_be_bytes();
        PictureLimits::of_h264_level(level_idc, constraints & 0x10 != 0)
    };
    let mut limits = of_level(offered.profile_level_id);
    let received = param("max-recv-level").and_then(|text| u32::from_str_radix(&text, 16).ok());
    if let Some(level) = received.map(of_level) {
        raise(&mut limits.macroblocks_max, Some(level.macroblocks_max));
        raise(&mut limits.macroblocks_per_s_max, Some(level.macroblocks_per_s_max));
    }
    raise(&mut limits.macroblocks_max, number(param, "max-fs"));
    raise(&mut limits.macroblocks_per_s_max, number(param, "max-mbps"));
    limits
}

/// RFC 7741 §6.1.
pub(super) fn vp8(param: Param<'_>) -> PictureLimits {
    let at_most = |name| number(param, name).filter(|most| *most > 0).unwrap_or(u32::MAX);
    PictureLimits {
        macroblocks_max: at_most("max-fs"),
        frames_per_s_max: at_most("max-fr"),
        ..PictureLimits::NONE
    }
}

/// A device must not say less than its level has.
fn raise(limit: &mut u32, to: Option<u32>) {
    *limit = to.map_or(*limit, |to| to.max(*limit));
}

fn number(param: Param<'_>, name: &str) -> Option<u32> {
    param(name)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(params: &str) -> impl Fn(&str) -> Option<String> {
        let params: Vec<(String, String)> = params
            .split(';')
            .filter_map(|param| param.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        move |name| params.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn of_h264(profile_level_id: u32, params: &str) -> (u32, u32) {
        let limits = h264(H264Format { profile_level_id, packetization_mode: 1 }, &of(params));
        (limits.macroblocks_max, limits.macroblocks_per_s_max)
    }

    #[test]
    fn a_level_is_what_it_says_and_more_where_the_device_says_more() {
        assert_eq!(of_h264(0x0042_800d, ""), (396, 11_880));
        assert_eq!(of_h264(0x0042_8016, "max-mbps=108000;max-fs=3600"), (3_600, 108_000));
        assert_eq!(of_h264(0x0042_8016, "max-mbps=108000"), (1_620, 108_000));
        assert_eq!(
            of_h264(0x0042_801f, "max-mbps=11880;max-fs=99"),
            (3_600, 108_000),
            "less than the level: not believed"
        );
        assert_eq!(of_h264(0x0042_e00b, ""), (396, 3_000));
        assert_eq!(of_h264(0x0042_f00b, ""), (99, 1_485), "level 1b");
        assert_eq!(of_h264(0x0042_e00d, "max-recv-level=e01f"), (3_600, 108_000));
        for odd in ["max-fs=", "max-fs=many", "max-fs=-1", "max-fs=99999999999", "max-recv-level=xyz"] {
            assert_eq!(of_h264(0x0042_800d, odd), (396, 11_880), "{odd}");
        }
    }

    #[test]
    fn of_vp8_everything_is_decoded_unless_said_otherwise() {
        assert_eq!(vp8(&of("")), PictureLimits::NONE);
        let said = vp8(&of("max-fs=1200;max-fr=15"));
        assert_eq!((said.macroblocks_max, said.frames_per_s_max), (1_200, 15));
        assert_eq!(vp8(&of("max-fs=0;max-fr=x")), PictureLimits::NONE);
    }
}
