//! Each encoder against the decoder of its codec.

use crate::decode::{DecodeError, LibavDecoder, VideoDecoder};
use crate::encode::{EncodeError, EncoderSettings};
use crate::registry::{CodecFactory, NativeCodecs};
use crate::sys::vpx;
use crate::testing::{Sender, at, clear, code, picture, psnr};
use mcu_core::limits;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::Size;
use mcu_core::media::unit::EncodedUnit;

const SIZE: Size = Size::new(320, 180);

#[test]
fn each_unit_gives_its_picture_at_once() {
    for sender in Sender::ALL {
        let mut encoder = sender.open(SIZE, 500);
        let units = code(&mut *encoder, SIZE, 0..40, &[]);
        assert!(units.len() >= 35, "{sender:?} coded {} of 40", units.len());
        let mut decoder = LibavDecoder::new(sender.codec()).expect("the decoder is there");
        for (index, unit) in &units {
            assert_eq!(unit.keyframe, *index == 0, "{sender:?} picture {index}");
            assert_eq!(unit.at, at(*index));
            let frame = decoder.decode(&clear(sender.codec(), *index, unit)).expect("decodes");
            let frame = frame.unwrap_or_else(|| panic!("{sender:?} held picture {index} back"));
            let likeness = psnr(&picture(SIZE, *index), &frame);
            assert!(likeness > 28.0, "{sender:?} picture {index}: {likeness} dB");
        }
    }
}

#[test]
fn a_forced_key_frame_starts_a_new_decoder() {
    for sender in Sender::ALL {
        let mut encoder = sender.open(SIZE, 500);
        let units = code(&mut *encoder, SIZE, 0..24, &[12]);
        let keys: Vec<u64> =
            units.iter().filter(|(_, unit)| unit.keyframe).map(|(index, _)| *index).collect();
        // The wish stands until a picture is coded.
        assert!(keys.len() == 2 && keys[0] == 0 && (12..15).contains(&keys[1]), "{sender:?}: {keys:?}");
        let mut decoder = LibavDecoder::new(sender.codec()).expect("the decoder is there");
        for (index, unit) in &units[1..] {
            let result = decoder.decode(&clear(sender.codec(), *index, unit));
            if *index < keys[1] {
                assert_eq!(result.err(), Some(DecodeError::NeedsKeyframe), "{sender:?} picture {index}");
            } else {
                let frame = result.expect("decodes").expect("a picture");
                assert!(psnr(&picture(SIZE, *index), &frame) > 28.0, "{sender:?} picture {index}");
            }
        }
    }
}

#[test]
fn the_size_may_change_at_a_key_frame() {
    let sizes = [SIZE, Size::new(640, 360), Size::new(160, 90), Size::new(360, 640)];
    for sender in Sender::ALL {
        let mut decoder = LibavDecoder::new(sender.codec()).expect("the decoder is there");
        for size in sizes {
            let mut encoder = sender.open(size, 600);
            for (index, unit) in code(&mut *encoder, size, 0..4, &[]) {
                let frame = decoder.decode(&clear(sender.codec(), index, &unit)).expect("decodes");
                let frame = frame.expect("a picture");
                assert!(psnr(&picture(size, index), &frame) > 26.0, "{sender:?} {size:?} picture {index}");
            }
        }
    }
}

#[test]
fn odd_sizes_keep_their_last_row_and_column() {
    let size = Size::new(321, 181);
    for (format, codec, speed) in
        [(vpx::Format::Vp8, VideoCodec::Vp8, -8), (vpx::Format::Vp9, VideoCodec::Vp9, 8)]
    {
        let setup = vpx::Setup {
            format,
            size,
            ticks_per_second: 30,
            bitrate_kbps: 800,
            speed,
            screen: false,
            keyframe_percent_max: 400,
        };
        let mut encoder = vpx::Encoder::open(&setup).expect("libvpx takes odd sizes");
        let mut decoder = LibavDecoder::new(codec).expect("the decoder is there");
        for index in 0..4 {
            let picture = picture(size, index);
            let mut data = Vec::new();
            let take = |packet: vpx::Packet<'_>| data.extend_from_slice(packet.data);
            encoder.encode(&picture.planes(), index as i64, 1, false, take).expect("encodes");
            let unit = EncodedUnit { data: data.into(), keyframe: index == 0, at: at(index) };
            let frame = decoder.decode(&clear(codec, index, &unit)).expect("decodes").expect("a picture");
            assert_eq!(frame.size(), size);
            assert!(psnr(&picture, &frame) > 26.0, "{codec:?} picture {index}");
            let [original, came] = [&picture, &frame].map(|frame| frame.planes()[0].row(180).to_vec());
            let worst = original.iter().zip(&came).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst < Some(70), "{codec:?}: the last row is off by {worst:?}");
        }
    }
}

#[test]
fn an_exhausted_pool_costs_pictures_but_not_the_stream() {
    let mut encoder = Sender::Vp8.open(SIZE, 500);
    let units = code(&mut *encoder, SIZE, 0..30, &[]);
    let mut decoder = LibavDecoder::new(VideoCodec::Vp8).expect("the decoder is there");
    let mut held = Vec::new();
    for (index, unit) in &units[..20] {
        match decoder.decode(&clear(VideoCodec::Vp8, *index, unit)) {
            Ok(frame) => held.push(frame.expect("a picture")),
            Err(error) => {
                assert!(matches!(error, DecodeError::Pool(_)) && error.keeps_state(), "{error:?}");
                assert_eq!(held.len(), limits::DECODER_FRAMES_MAX);
            }
        }
    }
    assert_eq!(held.len(), limits::DECODER_FRAMES_MAX);
    held.clear();
    for (index, unit) in &units[20..] {
        let frame = decoder.decode(&clear(VideoCodec::Vp8, *index, unit)).expect("no key frame is needed");
        assert!(psnr(&picture(SIZE, *index), &frame.expect("a picture")) > 28.0);
    }
}

#[test]
fn settings_and_pictures_out_of_range_are_refused() {
    let good = EncoderSettings::new(VideoCodec::Vp8, SIZE, 30, 500);
    let refused = |settings| NativeCodecs.video_encoder(&settings).err();
    let vp9 = EncoderSettings { codec: VideoCodec::Vp9, ..good };
    assert_eq!(refused(vp9), Some(EncodeError::Codec { codec: VideoCodec::Vp9 }));
    let odd = Size::new(321, 180);
    assert_eq!(refused(EncoderSettings { size: odd, ..good }), Some(EncodeError::Canvas { size: odd }));
    let large = Size::new(1_922, 1_080);
    assert_eq!(refused(EncoderSettings { size: large, ..good }), Some(EncodeError::Canvas { size: large }));
    assert_eq!(refused(EncoderSettings { fps: 0, ..good }), Some(EncodeError::Fps { fps: 0 }));
    let fast = EncoderSettings { bitrate_kbps: 1_000_000, ..good };
    assert_eq!(refused(fast), Some(EncodeError::Bitrate { kbps: 1_000_000 }));
    for sender in Sender::OFFERED {
        let mut encoder = sender.open(SIZE, 500);
        assert_eq!(encoder.set_bitrate(0), Err(EncodeError::Bitrate { kbps: 0 }));
        let got = Size::new(640, 360);
        let wrong = encoder.encode(&picture(got, 0), at(0), false).err();
        assert_eq!(wrong, Some(EncodeError::Size { expected: SIZE, got }), "{sender:?}");
        assert!(encoder.encode(&picture(SIZE, 0), at(5), false).is_ok());
        let late = encoder.encode(&picture(SIZE, 0), at(5), false).err();
        assert_eq!(late, Some(EncodeError::Time { at: at(5), last: at(5) }), "{sender:?}");
    }
}
