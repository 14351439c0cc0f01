//! Where fuzzing starts, and the replay of what it found: a test for each target.
//!
//! Seeds are offers of real clients, packets that our own packetizer makes, and vectors of the RFCs.

use super::shared::{piece, replay};
use super::*;
use crate::payload::Packetizer;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::unit::EncodedUnit;
use mcu_core::time::MediaTime;

const OFFERS: [&str; 3] = [
    include_str!("../../tests/fixtures/chromium-offer.sdp"),
    include_str!("../../tests/fixtures/firefox-offer.sdp"),
    include_str!("../../tests/fixtures/ffmpeg-offer.sdp"),
];

const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0xda];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x01];
const SLICE: &[u8] = &[0x41, 0x9a, 0x02, 0x03];

/// Packets of a script: flags and payload each.
fn packets(list: &[(u8, &[u8])]) -> Vec<u8> {
    list.iter().flat_map(|(flags, payload)| [vec![*flags], piece(payload)].concat()).collect()
}

fn annex_b(nals: &[&[u8]]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1][..], nal].concat()).collect()
}

/// Pictures as our packetizer sends them.
fn packetized(codec: VideoCodec, pictures: &[Vec<u8>]) -> Vec<u8> {
    let mut packetizer = Packetizer::new(codec).expect("a codec that we send");
    let mut script = Vec::new();
    for data in pictures {
        let unit = EncodedUnit { data: data.clone().into(), keyframe: false, at: MediaTime::ZERO };
        let packets = packetizer.packetize(&unit).expect("a fair picture");
        for (index, payload) in packets.payloads.iter().enumerate() {
            script.push(u8::from(packets.marker(index)) | u8::from(index == 0) << 1);
            script.extend(piece(payload));
        }
    }
    script
}

/// A STUN binding request that names `username` after another attribute.
fn check(username: &str) -> Vec<u8> {
    let padded = username.len().next_multiple_of(4);
    let mut request = vec![0, 1];
    request.extend(((8 + 4 + padded) as u16).to_be_bytes());
    request.extend([0x21, 0x12, 0xa4, 0x42]);
    request.extend([7; 12]);
    request.extend([0x80, 0x22, 0, 4, 1, 2, 3, 4, 0, 6]);
    request.extend((username.len() as u16).to_be_bytes());
    request.extend(username.as_bytes());
    request.resize(request.len() + padded - username.len(), 0);
    request
}

fn rtp(payload_type: u8, ssrc: u32) -> Vec<u8> {
    [&[0x80, payload_type, 0, 1, 0, 0, 0, 0][..], &ssrc.to_be_bytes(), &[1, 2, 3]].concat()
}

/// Packets for [`streams`]: 5 ms each, steps of numbers and timestamps, payload; `before` goes in front of each.
fn numbered(before: Option<u8>, list: &[(u8, u16, &[u8])]) -> Vec<u8> {
    let packet = |(step, timestamp, payload): &(u8, u16, &[u8])| {
        let head =
            [&before.map_or(vec![], |byte| vec![byte])[..], &[1, *step], &timestamp.to_be_bytes()].concat();
        [head, piece(payload)].concat()
    };
    list.iter().flat_map(packet).collect()
}

#[test]
fn demux_corpus() {
    let claim = |flags: u8, name: &str| [vec![flags], piece(&check(name))].concat();
    let media = |flags: u8| [vec![flags], piece(&rtp(96, 7))].concat();
    let moved = [claim(0x81, "aaaa:x"), media(1), claim(0x81, "bbbb:x"), media(1), media(0x41)].concat();
    let many = (0..40).flat_map(|port| claim(0x80 | port, "bbbb:remote")).collect();
    replay("demux", demux, &[moved, many, claim(2, "cccc:x"), media(3)]);
}

#[test]
fn stream_gate_corpus() {
    let flood: Vec<u8> = (0..40).flat_map(|ssrc| [vec![20], piece(&rtp(96, ssrc))].concat()).collect();
    let mixed =
        [vec![0], piece(&rtp(200, 1)), vec![0], piece(&rtp(96, 7)), vec![0], piece(&[0x80, 96])].concat();
    replay("stream_gate", stream_gate, &[[&[0][..], &flood].concat(), [&[1][..], &mixed].concat()]);
}

#[test]
fn tcp_framing_corpus() {
    let stream = [&[0, 0, 0, 3, 1, 2, 3, 0, 1, 9][..], &[0x07, 0xd0], &[5; 2_000], &[0, 2, 8]].concat();
    let cut = |bytes: u8, stream: &[u8]| [&[bytes][..], stream].concat();
    replay("tcp_framing", tcp_framing, &[cut(3, &stream), cut(1, &stream[..9]), cut(200, &[0xff, 0xff, 1])]);
}

#[test]
fn payload_vp8_corpus() {
    let ours = packetized(VideoCodec::Vp8, &[vec![0x50; 3_000], vec![0x51; 40]]);
    let forms = packets(&[
        (3, &[0x10, 0x50]),
        (3, &[0x90, 0x80, 0x11, 0x51]),
        (6 | 1 << 3, &[0x90, 0xe0, 0x81, 0x23, 7, 0x20, 0x51]),
        (1, &[0xb0, 0xf0, 0x81, 0x23, 7, 0x21, 0x52]),
    ]);
    replay("payload_vp8", payload_vp8, &[ours, forms]);
}

#[test]
fn payload_vp9_corpus() {
    let structure = [0x38, 1, 64, 0, 180, 2, 128, 1, 104, 1, 0x04, 9];
    let base = [&[0xae, 0x81, 0x23, 0x00, 0x07][..], &structure, &[0x82, 0xaa]].concat();
    let layers = packets(&[(2, &base), (1, &[0xac, 0x81, 0x23, 0x03, 0x07, 0xbb])]);
    let flexible = packets(&[(2, &[0xd8, 0x24, 3, 4, 0x86]), (1, &[0xd4, 0x24, 3, 4, 0x87])]);
    replay("payload_vp9", payload_vp9, &[layers, flexible]);
}

#[test]
fn payload_h264_corpus() {
    let ours = packetized(
        VideoCodec::H264,
        &[
            annex_b(&[SPS, PPS, IDR]),
            annex_b(&[SLICE]),
            annex_b(&[&[&[0x65, 0x88][..], &[9; 3_000]].concat()]),
        ],
    );
    let stap = [&[0x78, 0, 5][..], SPS, &[0, 4], PPS, &[0, 4], IDR].concat();
    let apart = packets(&[
        (2, SPS),
        (0, PPS),
        (0, &[0x7c, 0x85, 0x88]),
        (0, &[0x7c, 0x05, 0x84]),
        (1, &[0x7c, 0x45, 1]),
        (7 | 2 << 3, SLICE),
        (3, &stap),
    ]);
    replay("payload_h264", payload_h264, &[ours, apart]);
}

#[test]
fn packetize_vp8_corpus() {
    replay("packetize_vp8", packetize_vp8, &[vec![0x50; 1_154], vec![0x51; 4_000], vec![1]]);
}

#[test]
fn packetize_h264_corpus() {
    let large = annex_b(&[&[9, 0xf0], SPS, PPS, &[&[6][..], &[5; 1_200]].concat(), IDR]);
    let three = [&[0, 0, 1][..], SLICE, &[0, 0, 0, 1], SLICE].concat();
    replay("packetize_h264", packetize_h264, &[annex_b(&[SPS, PPS, IDR, SLICE]), large, three]);
}

#[test]
fn offer_corpus() {
    replay("offer", offer, &OFFERS.map(|offer| offer.as_bytes().to_vec()));
}

#[test]
fn answer_corpus() {
    let as_kind = |kind: u8, offer: &str| [&[kind][..], offer.as_bytes()].concat();
    let seeds: Vec<_> = OFFERS.iter().zip(0..).map(|(offer, kind)| as_kind(kind, offer)).collect();
    replay("answer", answer, &seeds);
}

#[test]
fn sip_leg_corpus() {
    use crate::peer::sip::tests::ROOM_SYSTEM;
    let packet = [&[0x80, 114, 0, 1, 0, 0, 3, 192, 0, 0, 0, 7][..], &[9; 40]].concat();
    let report = [0x80, 200, 0, 6, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 3, 192, 0, 0, 0, 1, 0, 0, 0, 40];
    let datagrams: Vec<u8> = [(0, &packet[..]), (4, &packet), (1, &report), (0x15, &report), (0xf0, b"")]
        .into_iter()
        .flat_map(|(to, bytes)| [&[to][..], &shared::piece(bytes)].concat())
        .collect();
    let plain = ROOM_SYSTEM.replace("SAVP", "AVP");
    let print = format!("a=setup:passive\r\na=fingerprint:sha-256 {}\r\n", ["5a"; 32].join(":"));
    let shaken = ROOM_SYSTEM.replace("RTP/SAVP", "UDP/TLS/RTP/SAVP").replace("a=crypto", "a=rtcp-mux\r\na=x");
    let shaken = shaken.replace("m=audio", &format!("{print}m=audio"));
    let ice = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef0123456789\r\n\
        a=candidate:1 1 UDP 2130706431 198.51.100.7 50000 typ host\r\n";
    let checked = shaken.replace("a=sendrecv\r\n", ice);
    // A demand for a cookie (RFC 6347 §4.2.1), to our hello of a while before.
    let cookie =
        [&[22, 254, 253][..], &[0; 8], &[0, 16, 3, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 254, 253, 1, 9]].concat();
    let records: Vec<u8> =
        [(0xf0, &b""[..]), (0, &cookie), (0, &check("abcd:efgh")), (0xf0, &[21, 254, 253])]
            .into_iter()
            .flat_map(|(to, bytes)| [&[to][..], &shared::piece(bytes)].concat())
            .collect();
    let seed = |offer: &str, datagrams: &[u8]| [&shared::piece(offer.as_bytes())[..], datagrams].concat();
    let seeds = [
        seed(ROOM_SYSTEM, &datagrams),
        seed(&plain, &datagrams),
        seed(&shaken, &records),
        seed(&checked, &records),
    ];
    replay("sip_leg", sip_leg, &seeds);
}

#[test]
fn reorder_corpus() {
    let shuffled =
        numbered(None, &[(0x40, 0, &[1]), (0x42, 0, &[2]), (0x3f, 0, &[3]), (0x3f, 0, &[]), (0x50, 9, &[])]);
    let jump =
        [&numbered(None, &[(0x40, 0, &[])])[..], &[1, 0xff], &u64::MAX.to_be_bytes(), &[0, 0, 0, 0]].concat();
    replay("reorder", reorder, &[shuffled, jump]);
}

#[test]
fn video_stream_corpus() {
    let vp8 = numbered(
        Some(0),
        &[(0x41, 0, &[0x10, 0x50, 1]), (0x43, 3_000, &[0x10, 0x51]), (0x41, 3_000, &[0x10, 0x50])],
    );
    let h264 = numbered(Some(0x82), &[(0x41, 0, SPS), (0x41, 0, PPS), (0x41, 0, IDR), (0x41, 3_000, SLICE)]);
    replay("video_stream", video_stream, &[[&vp8[..], &h264].concat(), h264]);
}

#[test]
fn sound_stream_corpus() {
    let steady: Vec<(u8, u16, &[u8])> = (0..60).map(|_| (0x41, 960, &[8, 1][..])).collect();
    let holes: Vec<(u8, u16, &[u8])> =
        (0..30).map(|at| (0x41 + at % 3, 960 * u16::from(1 + at % 3), &[8, 0][..])).collect();
    let breaks = [(0x41, 960, &[8, 1][..]), (0x41, 48_000, &[1]), (0x38, 100, &[0xff]), (0x41, 960, &[0])];
    let seeds = [numbered(Some(2), &steady), numbered(Some(2), &holes), numbered(Some(0x2f), &breaks)];
    replay("sound_stream", sound_stream, &seeds);
}

#[test]
fn lip_sync_corpus() {
    let step = |what: u8, timestamp: u32| [&[what, 20][..], &timestamp.to_be_bytes()].concat();
    let report =
        |what: u8, timestamp, ntp: u64| [step(what | 1, timestamp), ntp.to_be_bytes().to_vec()].concat();
    let mut talk = Vec::new();
    for tick in 0..20 {
        talk.extend([step(0, 960 * tick), step(0x40, 1_800 * tick), step(0x42, 1_800 * tick)].concat());
        talk.extend(report(0, 960 * tick, 0xe000_0000_0000_0000 + u64::from(tick) * 0x051e_b851));
        talk.extend(report(0x40, 1_800 * tick, 0xe000_0000_0000_0000 + u64::from(tick) * 0x051e_b851));
    }
    replay("lip_sync", lip_sync, &[talk, [report(0, 5, u64::MAX), step(3, u32::MAX)].concat()]);
}
