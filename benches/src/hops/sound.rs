//! Hop `sound`: the kernels of one 10 ms block, each codec both ways, and a conference's whole job.

use super::compose::nowhere;
use super::{Case, stream};
use crate::streams::Stream;
use crate::tone;
use bytes::Bytes;
use codecs::opus::OpusSettings;
use codecs::registry::{CodecFactory, NativeCodecs};
use codecs::sound::{FRAME_BYTES_MAX, FRAME_SAMPLES};
use mcu_core::conference::plan::MeetingPlan;
use mcu_core::hop::Hop;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::samples::{Block, SILENCE};
use mcu_core::privacy::{Ledger, Purpose};
use mcu_core::time::{ClockRate, MediaTime, Mono};
use mcu_server::engine::intake::{SoundArrival, SoundFeed};
use mcu_server::engine::sound::SoundEngine;
use mcu_server::engine::{EngineInbox, SoundCommand};
use mixer::audio::gain::AutoGain;
use mixer::audio::level::level_dbov;
use mixer::audio::limiter::Limiter;
use mixer::audio::mix;
use std::hint::black_box;
use std::sync::Arc;
use transport::receive::SoundPacket;

/// Blocks of one run of a kernel, each of which takes but nanoseconds.
const BLOCKS: u64 = 100;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        kernel("add", || {
            let (mut sum, own) = (SILENCE, tone(440.0, 1e-6));
            move || mix::add(black_box(&mut sum), black_box(&own))
        }),
        kernel("minus", || {
            let (sum, own, mut out) = (tone(700.0, 0.5), tone(440.0, 0.2), SILENCE);
            move || mix::minus(black_box(&mut out), black_box(&sum), black_box(&own))
        }),
        kernel("level", || {
            let own = tone(440.0, 0.2);
            move || {
                black_box(level_dbov(black_box(&own)));
            }
        }),
        kernel("gain", || {
            let (mut gain, own) = (AutoGain::new(), tone(440.0, 0.2));
            move || {
                let mut block: Block = own;
                gain.process(black_box(&mut block));
            }
        }),
        kernel("limiter at rest", || {
            let (mut limiter, own) = (Limiter::new(), tone(440.0, 0.2));
            move || {
                let mut block: Block = own;
                limiter.process(black_box(&mut block));
            }
        }),
    ];
    for codec in AudioCodec::ALL {
        let name = |way| format!("{} {way} 20 ms", codec.name().to_lowercase());
        cases.push(Case::new(Hop::Sound, name("encode"), (1, "packet"), move || encode(codec)));
        cases.push(Case::new(Hop::Sound, name("decode"), (1, "packet"), move || decode(codec)));
    }
    let whole = |name: &str, people| Case::new(Hop::Sound, name, (2, "block"), move || job(4, people));
    cases.push(whole("whole job, four who speak, two blocks", 4));
    cases.push(whole("whole job, four who speak of fifty, two blocks", 50));
    cases
}

fn kernel<K: FnMut() + 'static>(name: &str, make: impl Fn() -> K + 'static) -> Case {
    Case::new(Hop::Sound, name, (BLOCKS, "block"), move || {
        let mut kernel = make();
        move || (0..BLOCKS).for_each(|_| kernel())
    })
}

fn frame() -> [f32; FRAME_SAMPLES] {
    let mut pcm = [0.0; FRAME_SAMPLES];
    pcm[..480].copy_from_slice(&tone(440.0, 0.3));
    pcm[480..].copy_from_slice(&tone(440.0, 0.3));
    pcm
}

fn encode(codec: AudioCodec) -> impl FnMut() {
    let pcm = frame();
    let mut encoder = NativeCodecs.sound_encoder(codec, &OpusSettings::default()).expect("default settings");
    let mut packet = [0; FRAME_BYTES_MAX];
    move || {
        black_box(encoder.encode(black_box(&pcm), &mut packet).expect("a frame"));
    }
}

fn voice(id: u16) -> Stream {
    stream(id, VideoCodec::Vp8, 180)
}

/// Four seconds of speech in Opus, or of a tone where what is said changes nothing in what it costs.
fn spoken(codec: AudioCodec) -> Vec<Bytes> {
    if codec == AudioCodec::Opus {
        let stream = voice(1);
        return (0..200).map(|index| stream.sound(index).clone()).collect();
    }
    let mut encoder = NativeCodecs.sound_encoder(codec, &OpusSettings::default()).expect("an encoder");
    let mut packet = [0; FRAME_BYTES_MAX];
    let encode = |_| {
        let bytes = encoder.encode(&frame(), &mut packet).expect("a frame");
        Bytes::copy_from_slice(&packet[..bytes])
    };
    (0..200).map(encode).collect()
}

fn decode(codec: AudioCodec) -> impl FnMut() {
    let packets = spoken(codec);
    let mut decoder = NativeCodecs.sound_decoder(codec).expect("a decoder");
    let (mut out, mut index) = ([0.0; FRAME_SAMPLES], 0);
    move || {
        index = (index + 1) % packets.len();
        black_box(decoder.decode(&packets[index], &mut out).expect("its own packet"));
    }
}

/// `SoundEngine::run` for 20 ms: `speaking` of `people` send, everybody hears.
fn job(speaking: u16, people: u64) -> impl FnMut() {
    let meeting = crate::meeting::Meeting {
        people,
        codec: VideoCodec::Vp8,
        canvas: crate::meeting::wide(720),
        overlay: true,
    };
    let plan: Arc<MeetingPlan> = meeting.plan();
    let inbox = EngineInbox::new();
    let token = Arc::new(Ledger::new().issue(plan.conference, Purpose::Mixing));
    let codecs: Arc<dyn CodecFactory> = Arc::new(NativeCodecs);
    let settings = OpusSettings::default();
    let mut engine =
        SoundEngine::new(token, inbox.sound.clone(), codecs, settings, nowhere(), Arc::default(), false);
    let feeds: Vec<SoundFeed> = plan.sound.speakers.iter().map(|_| SoundFeed::new()).collect();
    for (source, feed) in plan.sound.speakers.iter().zip(&feeds) {
        let _ = inbox.sound.push(SoundCommand::Source(*source, feed.clone()));
    }
    let _ = inbox.sound.push(SoundCommand::Plan(plan));
    let streams: Vec<Stream> = (1..=speaking).map(voice).collect();
    let mut index = 0_u64;
    move || {
        index += 1;
        let at = Stream::sound_at(index);
        for (feed, stream) in feeds.iter().zip(&streams) {
            let packet = sound_packet(index, at, stream.sound(index).clone());
            feed.packets.push_newest(SoundArrival { packet, level_dbov: Some(20) });
        }
        engine.run(at.to_mono());
        engine.run((at + MediaTime::TEN_MS).to_mono());
    }
}

fn sound_packet(sequence: u64, at: MediaTime, payload: Bytes) -> SoundPacket {
    let arrival: Mono = at.to_mono();
    let (timestamp, codec) = (at.to_rtp(ClockRate::OPUS), AudioCodec::Opus);
    SoundPacket { sequence, timestamp, arrival, codec, payload }
}
