//! Damaged and hostile bitstreams, seeded: nothing panics, and the next key frame mends everything.

use crate::decode::{DecodeError, LibavDecoder, VideoDecoder};
use crate::guard::{self, GuardError};
use crate::testing::{Random, Sender, clear, code, psnr, token, unit};
use mcu_core::limits;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::{Frame, Size};
use mcu_core::media::unit::EncodedUnit;

const SIZE: Size = Size::new(320, 180);
const SEEDS: u64 = 24;

/// Flips, cuts, doubles or empties.
fn damage(data: &[u8], random: &mut Random) -> Vec<u8> {
    let mut data = data.to_vec();
    match random.below(5) {
        0 => data.truncate(random.below(data.len())),
        1 => {
            let from = random.below(data.len());
            data.extend_from_within(from..);
        }
        2 => data = random.bytes(200),
        _ => {
            for _ in 0..=random.below(12) {
                let at = random.below(data.len());
                data[at] ^= 1 << random.below(8);
            }
        }
    }
    data
}

fn decoded(decoder: &mut LibavDecoder, sender: Sender, units: &[(u64, EncodedUnit)]) -> Vec<Option<Frame>> {
    let decode = |(index, unit): &(u64, EncodedUnit)| {
        decoder.decode(&clear(sender.codec(), *index, unit)).expect("an undamaged unit decodes")
    };
    units.iter().map(decode).collect()
}

#[test]
fn the_next_key_frame_mends_whatever_was_damaged() {
    for sender in Sender::ALL {
        let mut encoder = sender.open(SIZE, 500);
        let units = code(&mut *encoder, SIZE, 0..16, &[8]);
        let mend = units.iter().rposition(|(_, unit)| unit.keyframe).expect("a key frame was forced");
        assert!(mend >= 4, "{sender:?}");
        let mut fresh = LibavDecoder::new(sender.codec()).expect("the decoder is there");
        let expected = decoded(&mut fresh, sender, &units[mend..]);
        let mut refusals = 0;
        for seed in 0..SEEDS {
            let mut random = Random::new(seed);
            let mut decoder = LibavDecoder::new(sender.codec()).expect("the decoder is there");
            for (index, unit) in &units[..mend] {
                let hit = random.below(2) == 0;
                let data = if hit { damage(&unit.data, &mut random) } else { unit.data.to_vec() };
                let unit = EncodedUnit { data: data.into(), ..*unit };
                refusals += u32::from(decoder.decode(&clear(sender.codec(), *index, &unit)).is_err());
            }
            // Whatever the damage did, the stream is known to be broken by now.
            let empty = EncodedUnit { data: bytes::Bytes::new(), ..units[0].1 };
            assert!(decoder.decode(&clear(sender.codec(), 0, &empty)).is_err());
            let came = decoded(&mut decoder, sender, &units[mend..]);
            for (came, expected) in came.iter().zip(&expected) {
                let pair = came.as_ref().zip(expected.as_ref());
                let (came, expected) = pair.unwrap_or_else(|| panic!("{sender:?} seed {seed}: no picture"));
                assert!(psnr(came, expected) > 98.0, "{sender:?} seed {seed}: not the same picture");
            }
        }
        assert!(refusals > SEEDS as u32, "{sender:?}: the damage was not noticed, {refusals} refusals");
    }
}

#[test]
fn a_lost_slice_is_an_error_not_a_smear() {
    let sender = Sender::OpenH264;
    let mut encoder = sender.open(SIZE, 2_000);
    let mut found = 0;
    let mut decoder = LibavDecoder::new(VideoCodec::H264).expect("the decoder is there");
    for index in 0..10 {
        let picture = crate::testing::noisy(SIZE, index, 40);
        let Some(coded) = encoder.encode(&picture, crate::testing::at(index), true).expect("encodes") else {
            continue;
        };
        let nals: Vec<&[u8]> = crate::h264::nal::units(&coded.data).collect();
        assert!(nals.len() > 5, "the picture was too easy");
        let joined =
            |nals: &[&[u8]]| nals.iter().flat_map(|nal| [&[0, 0, 1][..], nal].concat()).collect::<Vec<u8>>();
        let whole = EncodedUnit { data: joined(&nals).into(), ..coded };
        assert!(matches!(decoder.decode(&clear(VideoCodec::H264, index, &whole)), Ok(Some(_))));
        let mut holed = nals.clone();
        holed.remove(4);
        let holed = EncodedUnit { data: joined(&holed).into(), ..coded };
        found += u32::from(decoder.decode(&clear(VideoCodec::H264, index, &holed)).is_err());
    }
    assert!(found >= 8, "only {found} holes were noticed");
}

#[test]
fn bombs_are_refused_before_a_decoder_sees_them() {
    // A VP8 key frame of 16383x16383 with a first partition of 4 bytes.
    let vp8 = [0x90, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f, 1, 2, 3, 4];
    // A VP9 key frame of 65536x65536.
    let vp9 = [0x82, 0x49, 0x83, 0x42, 0x0f, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0];
    for (codec, data, side) in [(VideoCodec::Vp8, &vp8[..], 16_383), (VideoCodec::Vp9, &vp9[..], 65_536)] {
        let mut decoder = LibavDecoder::new(codec).expect("the decoder is there");
        let unit = token().open(unit(codec, 0, true, data)).expect("own conference");
        let expected = DecodeError::Guard(GuardError::Area { width: side, height: side });
        assert_eq!(decoder.decode(&unit).err(), Some(expected), "{codec:?}");
    }
}

#[test]
fn a_unit_of_another_codec_changes_nothing() {
    let mut encoder = Sender::Vp8.open(SIZE, 500);
    let units = code(&mut *encoder, SIZE, 0..3, &[]);
    let mut decoder = LibavDecoder::new(VideoCodec::Vp8).expect("the decoder is there");
    assert!(decoder.decode(&clear(VideoCodec::Vp8, 0, &units[0].1)).is_ok());
    let error = decoder.decode(&clear(VideoCodec::H264, 1, &units[1].1)).expect_err("another codec");
    assert_eq!(error, DecodeError::Codec { expected: VideoCodec::Vp8, got: VideoCodec::H264 });
    assert!(decoder.decode(&clear(VideoCodec::Vp8, 1, &units[1].1)).is_ok());
}

/// Whatever the bytes, an answer; and whatever passes is within the limits.
#[test]
fn guards_answer_to_any_bytes() {
    for sender in [Sender::Vp8, Sender::Vp9, Sender::OpenH264, Sender::X264] {
        let codec = sender.codec();
        let mut encoder = sender.open(SIZE, 500);
        let real = code(&mut *encoder, SIZE, 0..4, &[]);
        let (mut passed, mut refused) = (0, 0);
        for seed in 0..20_000 {
            let mut random = Random::new(seed);
            let len = random.below(96);
            let data = match seed % 4 {
                0 => random.bytes(len),
                1 => [&[0, 0, 0, 1, 0x67, 66, 0, 31][..], &random.bytes(len)].concat(),
                2 => [&[0x82, 0x49, 0x83, 0x42][..], &random.bytes(len)].concat(),
                _ => {
                    let unit = &real[random.below(real.len())].1.data;
                    // Damage near the front, where headers are.
                    let front = unit.len().min(48);
                    [&damage(&unit[..front], &mut random), &unit[front..]].concat()
                }
            };
            match guard::check(codec, &data) {
                Ok(checked) => {
                    passed += 1;
                    let area = checked.size.map_or(0, Size::area);
                    assert!(area <= limits::DECODE_AREA_MAX, "{codec:?} seed {seed}: {checked:?}");
                }
                Err(_) => refused += 1,
            }
        }
        assert!(passed > 50 && refused > 5_000, "{codec:?}: {passed} passed, {refused} refused");
        assert_eq!(guard::check(codec, &[]), Err(GuardError::Empty));
        let bytes = limits::UNIT_BYTES_MAX + 1;
        assert_eq!(guard::check(codec, &vec![0; bytes]), Err(GuardError::UnitBytes { bytes }));
    }
}
