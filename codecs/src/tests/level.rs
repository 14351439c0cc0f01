//! Whether H.264 pictures made for a level say in their parameter set a level that is no higher.

use crate::encode::{EncoderSettings, H264Backend};
use crate::h264::nal;
use crate::registry::{CodecFactory, NativeCodecs};
use crate::testing::noisy;
use mcu_core::conference::renditions::kbps_of_size_max;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::Size;
use mcu_core::media::picture_limits::PictureLimits;
use mcu_core::time::FrameInterval;

const SEQUENCE_PARAMETER_SET: u8 = 7;
/// `level_idc` and MaxBR of baseline in kbit/s (ITU-T H.264 table A-1). Of 1b, which shares its idc with 1.1, only the latter is asked for here.
const LEVELS: [(u8, u32); 13] = [
    (10, 64),
    (11, 192),
    (12, 384),
    (13, 768),
    (20, 2_000),
    (21, 4_000),
    (22, 4_000),
    (30, 10_000),
    (31, 14_000),
    (32, 20_000),
    (40, 20_000),
    (41, 50_000),
    (51, 240_000),
];

/// The level that the first picture of such an encoder says: 1b, however it is said, as 10.
fn said(h264: H264Backend, size: Size, interval: FrameInterval, kbps: u32) -> u8 {
    let settings = EncoderSettings {
        h264,
        ..EncoderSettings::new(VideoCodec::H264, size, interval.fps_rounded(), kbps)
    };
    let mut encoder = NativeCodecs.video_encoder(&settings).expect("the encoder is there");
    let unit =
        encoder.encode(&noisy(size, 0, 24), interval.at(0), false).expect("encodes").expect("a picture");
    let set = nal::units(&unit.data)
        .find(|nal| nal.first().is_some_and(|head| head & 0x1f == SEQUENCE_PARAMETER_SET))
        .expect("a key frame has one");
    match set[1..4] {
        [_, constraints, 11] if constraints & 0x10 != 0 => 10,
        [_, _, level] => level,
        _ => panic!("cut short"),
    }
}

#[test]
fn pictures_made_for_a_level_say_one_that_is_no_higher() {
    for h264 in [H264Backend::OpenH264, H264Backend::X264] {
        for (level, kbps_max) in LEVELS {
            let limits = PictureLimits::of_h264_level(level, false);
            let (size, interval) = limits.fit(Size::new(1_280, 720), FrameInterval::FPS_30);
            let kbps = kbps_of_size_max(size).min(2_000);
            assert!(kbps <= kbps_max, "level {level}: {kbps} kbit/s");
            let said = said(h264, size, interval, kbps);
            println!(
                "{h264:?}, level {level}: {size:?}, {} a second, {kbps} kbit/s: {said}",
                interval.fps_rounded()
            );
            assert!(said <= level, "{h264:?}: {size:?} for level {level} says {said}");
        }
        let whole = said(h264, Size::new(1_280, 720), FrameInterval::FPS_30, 2_000);
        assert!(whole > 13, "{h264:?}: the control: a large picture says {whole}");
    }
}
