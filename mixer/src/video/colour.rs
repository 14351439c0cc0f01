//! Named colours in YUV, and the one conversion from RGB: BT.601, limited range, integer.
//!
//! Used by the avatar, overlay and composer. Pure functions.

use mcu_core::id::ParticipantId;

/// A colour as Y, U, V.
pub type Yuv = [u8; 3];

/// Behind and between tiles, and the bars of a contained picture: near black, a little blue (#14161a).
pub const BACKGROUND: Yuv = yuv([0x14, 0x16, 0x1a]);
/// The tile of somebody without a picture (#2a2e35).
pub const AVATAR_TILE: Yuv = yuv([0x2a, 0x2e, 0x35]);
/// The border of who speaks (#34c759).
pub const SPEAKING: Yuv = yuv([0x34, 0xc7, 0x59]);
/// Text and marks.
pub const WHITE_RGB: [u8; 3] = [0xff; 3];
/// Text below a title (#c3cad6).
pub const SOFT_RGB: [u8; 3] = [0xc3, 0xca, 0xd6];
/// The product's own colour, light enough for a dark ground (#8aa4ff).
pub const ACCENT_RGB: [u8; 3] = [0x8a, 0xa4, 0xff];
/// The pill behind a name.
pub const PILL_RGB: [u8; 3] = [0x10, 0x10, 0x12];
/// Opacity of the pill: text stays readable over a white shirt.
pub const PILL_ALPHA: u8 = 168;
/// The slash of the muted mark (#ff5a50).
pub const MUTED_RGB: [u8; 3] = [0xff, 0x5a, 0x50];

/// The mark of whose media go in the clear (#ffc24d).
pub const IN_THE_CLEAR_RGB: [u8; 3] = [0xff, 0xc2, 0x4d];

/// Colours of avatars: distinct hues of one lightness, each at least 4.5:1 against white text (WCAG 2.2 §1.4.3).
const AVATARS_RGB: [[u8; 3]; 12] = [
    [0xb0, 0x3a, 0x48],
    [0xa8, 0x4a, 0x1c],
    [0x8a, 0x5c, 0x0e],
    [0x5e, 0x6b, 0x12],
    [0x2f, 0x75, 0x2f],
    [0x13, 0x75, 0x5a],
    [0x0f, 0x71, 0x7d],
    [0x1d, 0x68, 0xa6],
    [0x41, 0x5a, 0xc0],
    [0x6b, 0x4c, 0xb8],
    [0x8d, 0x42, 0xa6],
    [0xa2, 0x3b, 0x7d],
];

/// RGB to YUV: ITU-R BT.601 limited range, in 1/256, rounded to nearest.
pub const fn yuv([r, g, b]: [u8; 3]) -> Yuv {
    let (r, g, b) = (r as i32, g as i32, b as i32);
    [
        (((66 * r + 129 * g + 25 * b + 128) >> 8) + 16) as u8,
        (((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128) as u8,
        (((112 * r - 94 * g - 18 * b + 128) >> 8) + 128) as u8,
    ]
}

/// The colour of somebody's avatar: the same all meeting long, neighbours in joining order far apart.
pub const fn avatar_rgb(participant: ParticipantId) -> [u8; 3] {
    // Five steps around a circle of twelve visit every colour before the first comes again.
    AVATARS_RGB[(participant.0 % AVATARS_RGB.len() as u64 * 5 % AVATARS_RGB.len() as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_corners_of_the_cube_are_those_of_the_standard() {
        assert_eq!(yuv([0, 0, 0]), [16, 128, 128]);
        assert_eq!(yuv([255, 255, 255]), [235, 128, 128]);
        assert_eq!(yuv([255, 0, 0]), [82, 90, 240]);
        assert_eq!(yuv([0, 255, 0]), [144, 54, 34]);
        assert_eq!(yuv([0, 0, 255]), [41, 240, 110]);
    }

    #[test]
    fn twelve_people_have_twelve_colours_all_readable_under_white() {
        let colours: HashSet<_> = (1..=12).map(|id| avatar_rgb(ParticipantId(id))).collect();
        assert_eq!(colours.len(), 12);
        assert_eq!(avatar_rgb(ParticipantId(u64::MAX)), avatar_rgb(ParticipantId(u64::MAX)));
        for [r, g, b] in colours {
            let linear = |c: u8| {
                let c = f64::from(c) / 255.0;
                if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
            };
            let luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
            let contrast = 1.05 / (luminance + 0.05);
            assert!(contrast >= 4.5, "#{r:02x}{g:02x}{b:02x} has a contrast of {contrast:.2}");
        }
    }
}
