//! Hops `decode`, `encode` and `packetize`: every codec, 360p and 720p, a picture a run.

use super::{Case, stream};
use crate::meeting::{CONFERENCE, wide};
use crate::streams::{FPS, sent_kbps};
use codecs::decode::VideoDecoder;
use codecs::encode::EncoderSettings;
use codecs::registry::{CodecFactory, NativeCodecs};
use codecs::selftest::VideoTest;
use loadtest::media::barcode::SenderId;
use loadtest::media::picture::{Scenery, draw};
use mcu_core::hop::Hop;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::{Frame, FramePool};
use mcu_core::media::unit::EncodedUnit;
use mcu_core::privacy::{Ledger, Purpose};
use mcu_core::time::FrameInterval;
use std::hint::black_box;
use transport::payload::Packetizer;

/// Rows that are measured.
const HEIGHTS: [u16; 2] = [360, 720];
/// Codecs that the node speaks both ways.
const BOTH_WAYS: [VideoCodec; 2] = [VideoCodec::Vp8, VideoCodec::H264];
/// Distinct pictures of a bench that encodes.
const PICTURES: u16 = 60;
/// Rounds of one run of `packetize`, which takes but microseconds.
const ROUNDS: u64 = 10;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for height in HEIGHTS {
        for codec in BOTH_WAYS {
            let name = format!("{} {height}p", codec.name());
            cases.extend([
                Case::new(Hop::Decode, &*name, (1, "picture"), move || decode(codec, height)),
                Case::new(Hop::Encode, &*name, (1, "picture"), move || encode(codec, height)),
                Case::new(Hop::Packetize, &*name, (ROUNDS, "picture"), move || packetize(codec, height)),
            ]);
        }
        let name = format!("VP9 {height}p");
        cases.push(Case::new(Hop::Decode, name, (FPS, "picture"), move || decode_vp9(height)));
    }
    cases
}

/// Guard, decoder, and the copy into a frame of ours.
fn decode(codec: VideoCodec, height: u16) -> impl FnMut() {
    let stream = stream(1, codec, height);
    let token = Ledger::new().issue(CONFERENCE, Purpose::Mixing);
    let mut decoder: Box<dyn VideoDecoder> = NativeCodecs.video_decoder(codec).expect("a decoder");
    let mut units = (0..).filter_map(move |tick| stream.unit(tick));
    move || {
        let unit = units.next().and_then(|unit| token.open(unit).ok()).expect("a loop has no end");
        black_box(decoder.decode(&unit).expect("our own encoder's picture"));
    }
}

/// The node encodes no VP9, so that there are no loops of it: the self-test's sender makes what is decoded.
fn decode_vp9(height: u16) -> impl FnMut() {
    let settings = EncoderSettings::new(VideoCodec::Vp9, wide(height), FPS as u32, sent_kbps(height));
    let mut test = VideoTest::new(&NativeCodecs, &settings, FPS as u32).expect("codecs");
    test.encode().expect("a second of pictures");
    move || test.decode().expect("from its key frame on")
}

/// Talking heads, raw.
pub(super) fn pictures(height: u16) -> Vec<Frame> {
    let pool = FramePool::new("bench", PICTURES.into());
    let picture = |number| {
        let mut frame = pool.get(wide(height)).expect("the pool lends as many");
        draw(&mut frame, Scenery::TalkingHead, SenderId(1), number);
        frame.freeze()
    };
    (0..PICTURES).map(picture).collect()
}

fn encode(codec: VideoCodec, height: u16) -> impl FnMut() {
    let pictures = pictures(height);
    let settings = EncoderSettings::new(codec, wide(height), FPS as u32, sent_kbps(height));
    let mut encoder = NativeCodecs.video_encoder(&settings).expect("settings are valid");
    let mut tick = 0_u64;
    move || {
        tick += 1;
        let picture = &pictures[tick as usize % pictures.len()];
        black_box(encoder.encode(picture, FrameInterval::FPS_30.at(tick), false).expect("a picture"));
    }
}

fn packetize(codec: VideoCodec, height: u16) -> impl FnMut() {
    let stream = stream(1, codec, height);
    let token = Ledger::new().issue(CONFERENCE, Purpose::Mixing);
    // The delta picture of middling size.
    let mut units: Vec<_> =
        (0..stream.len()).filter_map(|tick| stream.unit(tick)).filter(|unit| !unit.keyframe).collect();
    units.sort_by_key(|unit| unit.byte_len());
    let middling = units.swap_remove(units.len() / 2);
    let data = token.open(middling).expect("its own conference").data().clone();
    let mut packetizer = Packetizer::new(codec).expect("the node sends it");
    let mut tick = 0;
    move || {
        for _ in 0..ROUNDS {
            tick += 1;
            let unit =
                EncodedUnit { data: data.clone(), keyframe: false, at: FrameInterval::FPS_30.at(tick) };
            black_box(packetizer.packetize(&unit).expect("a picture"));
        }
    }
}
