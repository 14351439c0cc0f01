//! Payload formats against vectors, against themselves, and against mutated bytes.

use super::*;
use crate::receive::Random;
use mcu_core::limits::{PAYLOAD_BYTES_MAX, UNIT_BYTES_MAX};
use mcu_core::media::unit::EncodedUnit;
use mcu_core::time::{MediaTime, Mono};

fn packet(sequence: u64, timestamp: u32, marker: bool, payload: &[u8]) -> Packet {
    Packet {
        sequence,
        timestamp,
        marker,
        arrival: Mono::ZERO,
        audio_level_dbov: None,
        payload: Bytes::copy_from_slice(payload),
    }
}

/// Feeds `(timestamp, marker, payload)` without loss and gives every picture.
fn assemble(codec: VideoCodec, packets: &[(u32, bool, &[u8])]) -> (Vec<Assembled>, DepacketizeCounters) {
    let mut depacketizer = Depacketizer::new(codec);
    let mut out = Vec::new();
    for (sequence, (timestamp, marker, payload)) in packets.iter().enumerate() {
        depacketizer.push(&packet(sequence as u64, *timestamp, *marker, payload));
        out.extend(std::iter::from_fn(|| depacketizer.poll()));
    }
    (out, depacketizer.counters())
}

#[test]
fn every_form_of_vp8_descriptor_is_read() {
    // RFC 7741 §4.2; the content is a key frame's first byte and one more.
    let descriptors: [&[u8]; 9] = [
        &[0x10],
        &[0x90, 0x00],
        &[0x90, 0x80, 0x11],
        &[0x90, 0x80, 0x81, 0x23],
        &[0x90, 0x40, 0x07],
        &[0x90, 0x20, 0x20],
        &[0x90, 0x10, 0x01],
        &[0x90, 0xe0, 0x81, 0x23, 0x07, 0x20],
        &[0xb0, 0xf0, 0x81, 0x23, 0x07, 0x21],
    ];
    for descriptor in descriptors {
        for cut in 1..=descriptor.len() {
            let (units, counters) = assemble(VideoCodec::Vp8, &[(1, true, &descriptor[..cut])]);
            assert_eq!((units.len(), counters.malformed), (0, 1), "{descriptor:02x?} cut to {cut}");
        }
        let payload = [descriptor, &[0x50, 0xaa]].concat();
        let (units, _) = assemble(VideoCodec::Vp8, &[(1, true, &payload)]);
        assert_eq!((&units[0].data[..], units[0].keyframe), (&[0x50, 0xaa][..], true), "{descriptor:02x?}");
        let delta = [descriptor, &[0x51, 0xaa]].concat();
        assert!(!assemble(VideoCodec::Vp8, &[(1, true, &delta)]).0[0].keyframe);
    }
}

#[test]
fn vp8_partitions_join_and_a_missing_marker_is_bridged() {
    let (units, _) = assemble(
        VideoCodec::Vp8,
        &[
            (1, false, &[0x10, 0x50]),
            (1, false, &[0x00, 2]),
            (1, false, &[0x11, 3]),
            (2, true, &[0x10, 0x51]),
        ],
    );
    assert_eq!(units.len(), 2);
    assert_eq!((&units[0].data[..], units[0].keyframe), (&[0x50, 2, 3][..], true));
    assert_eq!((&units[1].data[..], units[1].contiguous), (&[0x51][..], true));
}

#[test]
fn vp9_is_read_in_both_modes_and_upper_layers_are_left_out() {
    // Non-flexible (F=0): I, L, B, E, V with 15-bit id, layer byte, TL0PICIDX, a structure of two layers with sizes.
    let structure = [0x38, 1, 64, 0, 180, 2, 128, 1, 104, 1, 0x04, 9];
    let base = [&[0xae, 0x81, 0x23, 0x00, 0x07][..], &structure, &[0x82, 0xaa]].concat();
    // The same picture's second layer: S = 1, D = 1.
    let upper = [0xac, 0x81, 0x23, 0x03, 0x07, 0xbb];
    let (units, counters) = assemble(VideoCodec::Vp9, &[(1, false, &base), (1, true, &upper)]);
    assert_eq!(counters, DepacketizeCounters::default());
    assert_eq!(units.len(), 1);
    assert_eq!((&units[0].data[..], units[0].keyframe), (&[0x82, 0xaa][..], true));
    // Flexible (F=1), predicted, two reference indices, 7-bit id; B and E in different packets.
    let first = [0xd8, 0x24, 0x03, 0x04, 0x86];
    let last = [0xd4, 0x24, 0x03, 0x04, 0x87];
    let (units, _) = assemble(VideoCodec::Vp9, &[(5, false, &first), (5, true, &last)]);
    assert_eq!((&units[0].data[..], units[0].keyframe), (&[0x86, 0x87][..], false));
    // Three reference indices are legal, a fourth is not.
    let (_, counters) = assemble(VideoCodec::Vp9, &[(5, true, &[0xdc, 0x24, 3, 3, 3, 3, 0x86])]);
    assert_eq!(counters.malformed, 1);
}

const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0xda];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x01];
const SLICE: &[u8] = &[0x41, 0x9a, 0x02, 0x03];

fn annex_b(nals: &[&[u8]]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1][..], nal].concat()).collect()
}

#[test]
fn h264_single_units_aggregates_and_fragments_become_annex_b() {
    let stap = [&[0x78, 0, 5][..], SPS, &[0, 4], PPS, &[0, 4], IDR].concat();
    let (units, _) = assemble(VideoCodec::H264, &[(1, true, &stap), (2, true, SLICE)]);
    assert_eq!(&units[0].data[..], annex_b(&[SPS, PPS, IDR]));
    assert_eq!((units[0].keyframe, units[1].keyframe), (true, false));
    assert_eq!(&units[1].data[..], annex_b(&[SLICE]));
    let fragments: [&[u8]; 3] = [&[0x7c, 0x85, 0x88], &[0x7c, 0x05, 0x84], &[0x7c, 0x45, 0x01]];
    let whole = [(1, false, SPS), (1, false, PPS)].into_iter();
    let packets: Vec<_> = whole.chain(fragments.iter().map(|f| (1, f[1] & 0x40 != 0, *f))).collect();
    let (units, _) = assemble(VideoCodec::H264, &packets);
    assert_eq!((&units[0].data[..], units[0].keyframe), (&annex_b(&[SPS, PPS, IDR])[..], true));
}

#[test]
fn h264_parameter_sets_are_put_before_key_frames_that_lack_them() {
    // Even when they come once, in packets that end a unit of their own.
    let (units, _) =
        assemble(VideoCodec::H264, &[(1, false, SPS), (1, true, PPS), (1, true, IDR), (9, true, IDR)]);
    assert_eq!(units.len(), 2);
    for unit in &units {
        assert_eq!((&unit.data[..], unit.keyframe), (&annex_b(&[SPS, PPS, IDR])[..], true));
    }
    // Without any, nobody can start there.
    let (units, _) = assemble(VideoCodec::H264, &[(1, true, IDR)]);
    assert!(!units[0].keyframe);
}

#[test]
fn h264_out_of_place_or_unknown_units_break_their_picture_only() {
    let cases: [&[(u32, bool, &[u8])]; 5] = [
        &[(1, true, &[0x7c, 0x45, 1])],                       // an end without a start
        &[(1, false, &[0x7c, 0x85, 0x88]), (1, true, SLICE)], // interrupted
        &[(1, true, &[0x79, 0, 1, 0x65])],                    // STAP-B
        &[(1, true, &[0x78, 0, 9, 0x65])],                    // longer than the packet
        &[(1, true, &[0x7c, 0x9c, 1])],                       // a fragmented fragment
    ];
    for case in cases {
        let packets: Vec<_> = case.iter().copied().chain([(2, true, SLICE)]).collect();
        let (units, counters) = assemble(VideoCodec::H264, &packets);
        assert_eq!((units.len(), counters.malformed, counters.incomplete), (1, 1, 1), "{case:02x?}");
        assert_eq!((&units[0].data[..], units[0].contiguous), (&annex_b(&[SLICE])[..], false));
    }
}

/// A picture of `length` bytes of chance, as VP8 or as H.264 with slices of chance lengths.
fn picture(codec: VideoCodec, keyframe: bool, length: usize, random: &mut Random) -> Bytes {
    let mut chance = |count: usize| -> Vec<u8> { (0..count).map(|_| random.below(255) as u8 + 1).collect() };
    match codec {
        VideoCodec::H264 => {
            let mut nals =
                if keyframe { vec![vec![9, 0xf0], SPS.to_vec(), PPS.to_vec()] } else { Vec::new() };
            let mut left = length.max(4);
            let mut first = 0x80;
            while left > 0 {
                let count = left.min(400 + usize::from(chance(2)[0]) * 7);
                let kind = if keyframe { 0x65 } else { 0x41 };
                nals.push([&[kind, first][..], &chance(count)].concat());
                first = 0x40;
                left -= count;
            }
            Bytes::from(annex_b(&nals.iter().map(Vec::as_slice).collect::<Vec<_>>()))
        }
        _ => {
            let mut data = chance(length);
            data[0] = (data[0] & 0xfe) | u8::from(!keyframe);
            Bytes::from(data)
        }
    }
}

fn without_delimiters(data: &[u8]) -> Vec<u8> {
    let nals: Vec<&[u8]> = h264::nal_units(data).filter(|nal| nal[0] & 0x1f != 9).collect();
    annex_b(&nals)
}

#[test]
fn what_is_packetized_comes_back_whole_and_losses_cost_only_their_pictures() {
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        for seed in 1..=20 {
            let mut random = Random::new(seed);
            let (mut packetizer, mut depacketizer) =
                (Packetizer::new(codec).expect("sent"), Depacketizer::new(codec));
            let (mut sequence, mut broken_before, mut whole, mut broken) = (0, true, 0, 0);
            for index in 0..60_u32 {
                let keyframe = index % 10 == 0;
                let length = 1 + random.below(9_000);
                let data = picture(codec, keyframe, length, &mut random);
                let unit = EncodedUnit { data: data.clone(), keyframe, at: MediaTime::ZERO };
                let packets = packetizer.packetize(&unit).expect("a picture");
                assert!(
                    packets.payloads.iter().all(|payload| (1..=PAYLOAD_BYTES_MAX).contains(&payload.len()))
                );
                let lose = random.below(8) == 0;
                // Parameter sets are not part of the picture: losing them alone leaves it whole.
                let sets = usize::from(codec == VideoCodec::H264 && keyframe);
                let lost = sets + random.below(packets.payloads.len() - sets);
                for (at, payload) in packets.payloads.iter().enumerate() {
                    if lose && at == lost {
                        depacketizer.lost(1);
                    } else {
                        depacketizer.push(&packet(sequence, index * 3_000, packets.marker(at), payload));
                    }
                    sequence += 1;
                }
                let got: Vec<_> = std::iter::from_fn(|| depacketizer.poll()).collect();
                if lose {
                    // The last packet's loss shows only when the next picture begins.
                    assert!(got.is_empty(), "{codec:?}, seed {seed}, picture {index}");
                    (broken, broken_before) = (broken + 1, true);
                    continue;
                }
                let expected =
                    if codec == VideoCodec::H264 { without_delimiters(&data) } else { data.to_vec() };
                assert_eq!(got.len(), 1, "{codec:?}, seed {seed}, picture {index}");
                assert_eq!(&got[0].data[..], expected, "{codec:?}, seed {seed}, picture {index}");
                assert_eq!((got[0].keyframe, got[0].contiguous), (keyframe, !broken_before));
                (whole, broken_before) = (whole + 1, false);
            }
            assert!(whole > 30 && broken > 0, "{whole} whole, {broken} broken");
        }
    }
}

#[test]
fn lost_padding_between_vp8_pictures_is_no_hole() {
    let mut depacketizer = Depacketizer::new(VideoCodec::Vp8);
    let mut contiguous = |lost: u64, id: u8, timestamp: u32| {
        if lost > 0 {
            depacketizer.lost(lost);
        }
        depacketizer.push(&packet(0, timestamp, true, &[0x90, 0x80, id, 0x51]));
        depacketizer.poll().expect("whole").contiguous
    };
    assert!(!contiguous(0, 126, 1), "the first follows nothing");
    assert!(contiguous(3, 127, 2));
    assert!(contiguous(3, 0, 3));
    assert!(!contiguous(3, 2, 4));
    assert!(!contiguous(1_000, 3, 5), "so many packets may have been 128 pictures");
}

#[test]
fn one_patch_renumbers_every_packet_of_a_vp8_picture() {
    let mut packetizer = Packetizer::new(VideoCodec::Vp8).expect("sent");
    let data = picture(VideoCodec::Vp8, true, 5_000, &mut Random::new(3));
    let unit =
        packetizer.packetize(&EncodedUnit { data, keyframe: true, at: MediaTime::ZERO }).expect("a picture");
    assert!(unit.payloads.len() > 1);
    let patch = unit.vp8_patch(0x7abc, 9).expect("vp8");
    for payload in &unit.payloads {
        let own = str0m::rtp::Vp8Descriptor::parse(payload).expect("ours");
        assert_eq!((own.picture_id(), own.tl0_pic_idx()), (Some(0), Some(0)));
        assert_eq!(Ok(patch), own.patch().picture_id(0x7abc).tl0_pic_idx(9).build());
    }
}

#[test]
fn units_that_cannot_be_sent_are_refused() {
    let unit =
        |bytes: usize| EncodedUnit { data: Bytes::from(vec![7; bytes]), keyframe: true, at: MediaTime::ZERO };
    let error = Packetizer::new(VideoCodec::Vp9).expect_err("never sent");
    assert_eq!(error, PacketizeError::Codec { codec: VideoCodec::Vp9 });
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        let mut packetizer = Packetizer::new(codec).expect("sent");
        assert_eq!(packetizer.packetize(&unit(0)).expect_err("empty"), PacketizeError::Empty);
        let bytes = UNIT_BYTES_MAX + 1;
        assert_eq!(
            packetizer.packetize(&unit(bytes)).expect_err("huge"),
            PacketizeError::Oversized { bytes }
        );
    }
}

#[test]
fn a_picture_without_end_is_dropped_at_its_limit() {
    let mut depacketizer = Depacketizer::new(VideoCodec::Vp8);
    for sequence in 0..4_000 {
        let head = if sequence == 0 { 0x10 } else { 0x00 };
        depacketizer.push(&packet(sequence, 1, false, &[&[head][..], &[0; 1_000]].concat()));
    }
    depacketizer.push(&packet(4_000, 2, true, &[0x10, 0x50]));
    let unit = depacketizer.poll().expect("the next picture");
    assert_eq!((&unit.data[..], unit.contiguous), (&[0x50][..], false));
    assert_eq!(depacketizer.counters().oversized, 1);
}

#[test]
fn mutated_payloads_never_panic_and_stay_bounded() {
    let seeds: [(VideoCodec, &[u8]); 6] = [
        (VideoCodec::Vp8, &[0x90, 0xf0, 0x81, 0x23, 0x07, 0x20, 0x50, 1, 2, 3]),
        (VideoCodec::Vp8, &[0x10, 0x51, 1, 2, 3]),
        (VideoCodec::Vp9, &[0xae, 0x81, 0x23, 0, 7, 0x18, 1, 64, 0, 180, 1, 4, 9, 0x82, 1]),
        (VideoCodec::Vp9, &[0xd8, 0x24, 0x03, 0x04, 0x86, 1]),
        (VideoCodec::H264, &[0x78, 0, 5, 0x67, 0x42, 0xc0, 0x1f, 0xda, 0, 2, 0x65, 0x88]),
        (VideoCodec::H264, &[0x7c, 0x85, 0x88, 1, 2, 3]),
    ];
    let mut random = Random::new(0xf022);
    let mut pictures = 0;
    for (codec, seed) in seeds {
        let mut depacketizer = Depacketizer::new(codec);
        for round in 0..30_000_u64 {
            let mut bytes = seed.to_vec();
            for _ in 0..random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
            bytes.truncate(random.below(bytes.len() + 1));
            if random.below(16) == 0 {
                depacketizer.lost(1 + random.next() % 3);
            }
            depacketizer.push(&packet(round, (round / 3) as u32, random.below(3) == 0, &bytes));
            while let Some(unit) = depacketizer.poll() {
                pictures += 1;
                assert!(unit.data.len() < 4_096, "{} bytes out of a few packets", unit.data.len());
            }
        }
        assert!(depacketizer.counters().malformed > 0, "{codec:?}: the mutations must bite");
    }
    assert!(pictures > 1_000, "{pictures}: and some must pass");
}
