//! Picture limits: how large pictures a receiver says it decodes, and how many a second; and what of ours fits into that.
//!
//! Flow: SDP -> `transport` -> [`PictureLimits`] -> conference -> renditions. Thread: any. Pure. What a receiver claims only ever makes its own
//! picture smaller.

use super::codec::VideoCodec;
use super::frame::Size;
use crate::time::{FrameInterval, MEDIA_TICKS_PER_SECOND};

/// Pixels of a macroblock's side.
const MACROBLOCK: u16 = 16;
/// The sizes that pictures are made smaller to, by their shorter side: receivers of about the same limits share one. The last is within level 1.
const RUNGS: [u16; 4] = [720, 360, 180, 90];
/// The slowest that pictures are made for a limit of frames: every so manieth moment of the grid, one a second.
const SKIP_MAX: u32 = 30;

/// What a receiver decodes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureLimits {
    /// Macroblocks (16x16 pixels) of a picture; neither side has more than the square root of eight times as many.
    pub macroblocks_max: u32,
    /// Macroblocks a second.
    pub macroblocks_per_s_max: u32,
    /// Pictures a second.
    pub frames_per_s_max: u32,
}

impl PictureLimits {
    /// Whatever we send.
    pub const NONE: Self =
        Self { macroblocks_max: u32::MAX, macroblocks_per_s_max: u32::MAX, frames_per_s_max: u32::MAX };

    /// What everybody who takes `codec` can be expected to decode: browsers offer H.264 at level 3.1.
    pub const fn expected_of(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::H264 => Self::of_h264_level(31, false),
            VideoCodec::Vp8 | VideoCodec::Vp9 => Self::NONE,
        }
    }

    /// Of an H.264 level (ITU-T H.264 table A-1): `level_idc`, and whether `constraint_set3_flag` makes 1b of 1.1. A level that the table
    /// does not have is the next lower one that it has.
    pub const fn of_h264_level(level_idc: u8, constraint_set3: bool) -> Self {
        let (macroblocks_per_s_max, macroblocks_max) = match level_idc {
            11 if constraint_set3 => (1_485, 99),
            0..=10 => (1_485, 99),
            11 => (3_000, 396),
            12 => (6_000, 396),
            13..=20 => (11_880, 396),
            21 => (19_800, 792),
            22..=29 => (20_250, 1_620),
            30 => (40_500, 1_620),
            31 => (108_000, 3_600),
            32..=39 => (216_000, 5_120),
            40..=41 => (245_760, 8_192),
            42..=49 => (522_240, 8_704),
            50 => (589_824, 22_080),
            51 => (983_040, 36_864),
            52..=59 => (2_073_600, 36_864),
            60 => (4_177_920, 139_264),
            61 => (8_355_840, 139_264),
            62.. => (16_711_680, 139_264),
        };
        Self { macroblocks_max, macroblocks_per_s_max, frames_per_s_max: u32::MAX }
    }

    /// Whether pictures of `size` every `interval` are within.
    pub fn admit(self, size: Size, interval: FrameInterval) -> bool {
        let side = |pixels: u16| u64::from(pixels.div_ceil(MACROBLOCK));
        let (across, down) = (side(size.width), side(size.height));
        let macroblocks = across * down;
        macroblocks <= u64::from(self.macroblocks_max)
            && across.max(down).pow(2) <= 8 * u64::from(self.macroblocks_max)
            && within_a_second(macroblocks, interval, self.macroblocks_per_s_max)
            && within_a_second(1, interval, self.frames_per_s_max)
    }

    /// The largest picture of `size`'s shape that is within, and how often: every `interval`, or half as often where only that lets it be
    /// so large. Where nothing is within, the smallest.
    pub fn fit(self, size: Size, interval: FrameInterval) -> (Size, FrameInterval) {
        let skip =
            (1..SKIP_MAX).find(|skip| within_a_second(1, interval.times(*skip), self.frames_per_s_max));
        let interval = interval.times(skip.unwrap_or(SKIP_MAX));
        let smaller = RUNGS.iter().filter_map(|rung| shrunk(size, *rung));
        let mut smallest = (size, interval);
        for size in std::iter::once(size).chain(smaller) {
            for interval in [interval, interval.times(2)] {
                smallest = (size, interval);
                if self.admit(size, interval) {
                    return smallest;
                }
            }
        }
        smallest
    }
}

/// Whether `count` every `interval` are at most `per_s_max` a second.
const fn within_a_second(count: u64, interval: FrameInterval, per_s_max: u32) -> bool {
    count * MEDIA_TICKS_PER_SECOND as u64 <= per_s_max as u64 * interval.span().ticks() as u64
}

/// `size` with a shorter side of `rung` pixels and both even; `None` where it has that, or less.
fn shrunk(size: Size, rung: u16) -> Option<Size> {
    let short = size.width.min(size.height);
    let scaled = |side: u16| (u32::from(side) * u32::from(rung) / u32::from(short)) as u16 & !1;
    (rung < short).then(|| Size::new(scaled(size.width), scaled(size.height)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANVAS: Size = Size::new(1_280, 720);
    const FPS_30: FrameInterval = FrameInterval::FPS_30;
    const LEVELS: [(u8, bool); 21] = [
        (10, false),
        (11, true),
        (9, false),
        (11, false),
        (12, false),
        (13, false),
        (20, false),
        (21, false),
        (22, false),
        (30, false),
        (31, false),
        (32, false),
        (40, false),
        (41, false),
        (42, false),
        (50, false),
        (51, false),
        (52, false),
        (60, false),
        (61, false),
        (62, false),
    ];

    #[test]
    fn every_level_gets_the_largest_rung_that_it_decodes() {
        let fitted = LEVELS.map(|(level, set3)| {
            let (size, interval) = PictureLimits::of_h264_level(level, set3).fit(CANVAS, FPS_30);
            (level, size.height, interval.fps_rounded())
        });
        let expected = [
            (10, 90, 15),
            (11, 90, 15),
            (9, 90, 15),
            (11, 90, 30),
            (12, 180, 15),
            (13, 180, 30),
            (20, 180, 30),
            (21, 180, 30),
            (22, 360, 15),
            (30, 360, 30),
        ];
        assert_eq!(fitted[..10], expected);
        assert!(fitted[10..].iter().all(|(_, height, fps)| (*height, *fps) == (720, 30)), "{fitted:?}");
    }

    #[test]
    fn what_is_given_is_within_and_the_next_larger_is_not() {
        let canvases = [
            CANVAS,
            Size::new(1_920, 1_080),
            Size::new(1_080, 1_920),
            Size::new(320, 180),
            Size::new(960, 720),
        ];
        for (level, set3) in LEVELS {
            let limits = PictureLimits::of_h264_level(level, set3);
            for canvas in canvases {
                for interval in [FPS_30, FrameInterval::FPS_15] {
                    let (size, given) = limits.fit(canvas, interval);
                    assert!(limits.admit(size, given), "level {level}: {size:?} every {given:?}");
                    assert!(
                        given == interval || !limits.admit(size, interval),
                        "{level}: as often as wished"
                    );
                    assert_eq!((size.width % 2, size.height % 2), (0, 0));
                    let (shape, of) = (
                        u32::from(size.width) * u32::from(canvas.height),
                        u32::from(size.height) * u32::from(canvas.width),
                    );
                    assert!(
                        shape.abs_diff(of) <= 2 * u32::from(canvas.width.max(canvas.height)),
                        "{canvas:?} as {size:?}"
                    );
                    let larger =
                        std::iter::once(canvas).chain(RUNGS.iter().filter_map(|rung| shrunk(canvas, *rung)));
                    for larger in larger.filter(|larger| larger.area() > size.area()) {
                        assert!(
                            !limits.admit(larger, interval.times(2)),
                            "level {level}: {larger:?} would do"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_limit_of_frames_makes_pictures_rarer_and_not_smaller() {
        for (frames_per_s_max, fps) in [(60, 30), (30, 30), (29, 15), (15, 15), (7, 6), (1, 1), (0, 1)] {
            let limits = PictureLimits { frames_per_s_max, ..PictureLimits::NONE };
            let (size, interval) = limits.fit(CANVAS, FPS_30);
            assert_eq!(interval.fps_rounded(), fps, "{frames_per_s_max}");
            assert!(size == CANVAS || frames_per_s_max == 0);
        }
        // RFC 7741 §6.1: neither side over the square root of eight times the limit, though the area would do.
        let narrow = PictureLimits { macroblocks_max: 3_600, ..PictureLimits::NONE };
        assert!(narrow.admit(CANVAS, FPS_30) && !narrow.admit(Size::new(2_736, 320), FPS_30));
        assert_eq!(
            PictureLimits { macroblocks_max: 1, ..PictureLimits::NONE }.fit(CANVAS, FPS_30).0,
            Size::new(160, 90)
        );
    }
}
