//! Rates, key frame sizes and slice sizes, on pictures that are hard to code.

use crate::encode::VideoEncoder;
use crate::h264::nal;
use crate::sys::vpx;
use crate::testing::{Sender, at, noisy};
use mcu_core::limits;
use mcu_core::media::frame::{Frame, Size};
use std::ops::Range;

const SIZE: Size = Size::new(640, 360);
const NOISE: u8 = 24;

/// Bytes per second of the pictures in `range`.
fn rate(encoder: &mut dyn VideoEncoder, range: Range<u64>) -> f64 {
    let seconds = (range.end - range.start) as f64 / 30.0;
    let bytes: usize = range
        .filter_map(|index| encoder.encode(&noisy(SIZE, index, NOISE), at(index), false).expect("encodes"))
        .map(|unit| {
            assert!(!unit.keyframe, "a change of rate needs no key frame");
            unit.data.len()
        })
        .sum();
    bytes as f64 / seconds
}

#[test]
fn a_change_of_bitrate_is_obeyed_without_a_key_frame() {
    for sender in Sender::OFFERED {
        let mut encoder = sender.open(SIZE, 1_600);
        assert!(encoder.encode(&noisy(SIZE, 0, NOISE), at(0), false).expect("encodes").is_some());
        rate(&mut *encoder, 1..40);
        let before = rate(&mut *encoder, 40..100) * 8.0 / 1_000.0;
        encoder.set_bitrate(500).expect("a legal rate");
        // The model of the receiver's buffer may drain for a second.
        rate(&mut *encoder, 100..140);
        let low = rate(&mut *encoder, 140..200) * 8.0 / 1_000.0;
        encoder.set_bitrate(1_600).expect("a legal rate");
        rate(&mut *encoder, 200..230);
        let after = rate(&mut *encoder, 230..290) * 8.0 / 1_000.0;
        println!("{sender:?}: {before:.0} -> {low:.0} -> {after:.0} kbit/s");
        assert!((1_100.0..2_000.0).contains(&before), "{sender:?}: {before} kbit/s before");
        assert!((300.0..650.0).contains(&low), "{sender:?}: {low} kbit/s low");
        assert!((1_100.0..2_000.0).contains(&after), "{sender:?}: {after} kbit/s after");
    }
}

#[test]
fn a_rate_set_before_the_first_picture_counts() {
    for sender in Sender::OFFERED {
        let mut encoder = sender.open(SIZE, 1_600);
        encoder.set_bitrate(500).expect("a legal rate");
        assert!(encoder.encode(&noisy(SIZE, 0, NOISE), at(0), false).expect("encodes").is_some());
        rate(&mut *encoder, 1..40);
        let kbps = rate(&mut *encoder, 40..100) * 8.0 / 1_000.0;
        assert!((300.0..650.0).contains(&kbps), "{sender:?}: {kbps} kbit/s");
    }
}

#[test]
fn a_forced_key_frame_of_vp8_stays_near_four_mean_frames() {
    let mut encoder = Sender::Vp8.open(SIZE, 1_600);
    let mean = 1_600.0 * 1_000.0 / 8.0 / 30.0;
    for index in 0..60 {
        let unit = encoder.encode(&noisy(SIZE, index, 8), at(index), index == 45).expect("encodes");
        if let Some(unit) = unit.filter(|unit| unit.keyframe && index >= 45) {
            let frames = unit.data.len() as f64 / mean;
            println!("key frame of {frames:.1} mean frames");
            assert!((0.1..6.0).contains(&frames), "{frames} mean frames");
            return;
        }
    }
    panic!("no key frame came");
}

/// Bytes of the largest of twenty pictures after a forced key frame, in mean pictures; the scene hardly moves.
fn burst_after_keyframe(mut encode: impl FnMut(&Frame, u64, bool) -> usize) -> f64 {
    const KEYFRAME: u64 = 60;
    let size_of = |index: u64| encode(&noisy(SIZE, index / 30, 6), index, index == KEYFRAME);
    let sizes: Vec<usize> = (0..=KEYFRAME + 20).map(size_of).collect();
    let largest = sizes.iter().skip(KEYFRAME as usize + 1).max().expect("twenty pictures");
    *largest as f64 / (1_600_000.0 / 8.0 / 30.0)
}

#[test]
fn after_a_key_frame_of_vp8_quality_comes_back_in_steps() {
    let mut eased = Sender::Vp8.open(SIZE, 1_600);
    let eased = burst_after_keyframe(|frame, index, keyframe| {
        eased.encode(frame, at(index), keyframe).expect("encodes").map_or(0, |unit| unit.data.len())
    });
    // The control: the library left alone.
    let setup = vpx::Setup {
        format: vpx::Format::Vp8,
        size: SIZE,
        ticks_per_second: 30,
        bitrate_kbps: 1_600,
        speed: -8,
        screen: false,
        keyframe_percent_max: 400,
    };
    let mut library = vpx::Encoder::open(&setup).expect("opens");
    let alone = burst_after_keyframe(|frame, index, keyframe| {
        let mut bytes = 0;
        library
            .encode(&frame.planes(), index as i64, 1, keyframe, |packet| bytes += packet.data.len())
            .expect("encodes");
        bytes
    });
    println!("largest after a key frame: {eased:.1} mean pictures; the library alone: {alone:.1}");
    assert!(alone > 6.0, "the control: {alone}");
    assert!(eased < 4.0, "no more than a key frame itself: {eased}");
}

#[test]
fn every_slice_fits_one_packet() {
    for sender in [Sender::OpenH264, Sender::X264] {
        let mut encoder = sender.open(SIZE, 2_500);
        let (mut largest, mut slices) = (0, 0);
        for index in 0..30 {
            // From flat to very hard, so that the encoder's guesses are off.
            let picture = noisy(SIZE, index, [1, 8, 40, 200][index as usize % 4]);
            let Some(unit) = encoder.encode(&picture, at(index), index % 10 == 0).expect("encodes") else {
                continue;
            };
            let kinds: Vec<u8> = nal::units(&unit.data).map(|nal| nal[0] & 0x1f).collect();
            assert_eq!(unit.keyframe, kinds.contains(&5), "{sender:?} picture {index}");
            if unit.keyframe {
                assert!(kinds.contains(&7) && kinds.contains(&8), "{sender:?}: no parameter sets, {kinds:?}");
            }
            for slice in nal::units(&unit.data).filter(|nal| matches!(nal[0] & 0x1f, 1 | 5)) {
                largest = largest.max(slice.len());
                slices += 1;
            }
        }
        println!("{sender:?}: {slices} slices, the largest of {largest} bytes");
        assert!(slices > 60, "{sender:?}: the pictures were too easy");
        assert!(largest <= limits::PAYLOAD_BYTES_MAX, "{sender:?}: a slice of {largest} bytes");
    }
}
