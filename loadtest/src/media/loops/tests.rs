//! Loops decode back to what was drawn and said, and the cache gives the same.

use super::*;
use crate::media::barcode::{BarCode, read};
use crate::media::sound::{TONES, tone_hz};
use crate::media::tone::ToneMeter;
use codecs::registry::{CodecFactory, NativeCodecs};
use codecs::sound::PACKET_SAMPLES_MAX;
use mcu_core::conference::plan::{Fit, Rect};
use mcu_core::id::{ConferenceId, ParticipantId, SourceId};
use mcu_core::media::packet::Packet;
use mcu_core::media::unit::{AccessUnit, Rotation, UnitHeader};
use mcu_core::privacy::{Ledger, Purpose};
use mcu_core::time::{MediaTime, Mono};
use transport::payload::Depacketizer;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("loadtest-loops-{}-{name}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn spec(codec: VideoCodec, scenery: Scenery, rungs: &[(u16, u32)]) -> LoopSpec {
    LoopSpec {
        scenery,
        codec,
        seconds: 3,
        rungs: rungs.iter().map(|(height, kbps)| Rung { height: *height, kbps: *kbps }).collect(),
        ..LoopSpec::talking_head(SenderId(9))
    }
}

/// Every (expected number, code read) of a loop, by way of RTP payloads and the decoder.
fn decode(set: &LoopSet, rung: usize) -> Vec<(u16, Option<BarCode>)> {
    let mut decoder = NativeCodecs.video_decoder(set.codec()).unwrap();
    let mut depacketizer = Depacketizer::new(set.codec());
    let token = Ledger::default().issue(ConferenceId(1), Purpose::Mixing);
    let mut read_back = Vec::new();
    let mut sequence = 0;
    for (number, unit) in set.loops()[rung].units.iter().enumerate() {
        let Some(unit) = unit else { continue };
        for (index, payload) in unit.payloads.iter().enumerate() {
            sequence += 1;
            depacketizer.push(&Packet {
                sequence,
                timestamp: number as u32 * 3_000,
                marker: unit.marker(index),
                arrival: Mono::ZERO,
                audio_level_dbov: None,
                payload: Bytes::copy_from_slice(payload),
            });
        }
        let whole = depacketizer.poll().expect("a unit is complete after its marker");
        assert_eq!(whole.keyframe, unit.keyframe);
        let header = UnitHeader {
            conference: ConferenceId(1),
            source: SourceId::main(ParticipantId(1)),
            codec: set.codec(),
            keyframe: whole.keyframe,
            contiguous: true,
            captured: MediaTime::ZERO,
            due: Mono::ZERO,
            rotation: Rotation::None,
        };
        let unit = token.open(AccessUnit::seal(header, whole.data)).unwrap();
        let frame = decoder.decode(&unit).expect("decodes").expect("shows a picture");
        let size = frame.size();
        let tile = Rect { x: 0, y: 0, width: size.width, height: size.height };
        read_back.push((number as u16, read(&frame, tile, Fit::Contain)));
    }
    read_back
}

#[test]
fn every_picture_of_a_loop_decodes_to_its_own_bar_code() {
    let scratch = Scratch::new("decode");
    let library = Library::open(&scratch.0).unwrap();
    for (codec, scenery, rungs) in [
        (VideoCodec::Vp8, Scenery::TalkingHead, [(180, 100), (360, 350)]),
        (VideoCodec::Vp8, Scenery::Motion, [(180, 200), (360, 600)]),
        (VideoCodec::H264, Scenery::TalkingHead, [(180, 100), (360, 350)]),
        (VideoCodec::H264, Scenery::Slides, [(180, 200), (360, 600)]),
    ] {
        let set = library.get(&spec(codec, scenery, &rungs)).unwrap();
        for rung in 0..2 {
            let codes = decode(&set, rung);
            assert!(codes.len() >= 80, "{codec:?} {scenery:?}: {} of 90 pictures were coded", codes.len());
            for (number, code) in codes {
                let expected = BarCode { sender: SenderId(9), number };
                assert_eq!(code, Some(expected), "{codec:?} {scenery:?} rung {rung}");
            }
        }
    }
}

#[test]
fn there_is_a_key_frame_every_second_and_jumps_find_it() {
    let scratch = Scratch::new("keyframes");
    let library = Library::open(&scratch.0).unwrap();
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        let set = library.get(&spec(codec, Scenery::TalkingHead, &[(180, 200)])).unwrap();
        let only = &set.loops()[0];
        assert_eq!(
            [0, 1, 30, 31, 61, 90].map(|from| only.keyframe_from(from)),
            [0, 30, 30, 60, 0, 0],
            "{codec:?}"
        );
    }
}

#[test]
fn the_sound_of_a_loop_holds_its_tone_and_no_other() {
    let scratch = Scratch::new("sound");
    let set =
        Library::open(&scratch.0).unwrap().get(&spec(VideoCodec::Vp8, Scenery::TalkingHead, &[(180, 100)]));
    let set = set.unwrap();
    assert_eq!(set.sound().len(), 150);
    let mut decoder = NativeCodecs.sound_decoder(AudioCodec::Opus).unwrap();
    let mut meter = ToneMeter::new((0..TONES).map(|id| tone_hz(SenderId(id))));
    let mut pcm = [0.0; 5_760];
    for packet in set.sound() {
        let samples = decoder.decode(packet, &mut pcm).unwrap();
        meter.push(&pcm[..samples]);
    }
    let levels = meter.levels();
    let own = levels[9].median_db;
    assert!((-30.0..-18.0).contains(&own), "{own}");
    for (id, level) in levels.iter().enumerate().filter(|(id, _)| *id != 9) {
        assert!(level.peak_db < own - 20.0, "{id}: {level:?} against {own}");
    }
}

#[test]
fn the_cache_gives_what_was_made_and_mends_what_is_broken() {
    let scratch = Scratch::new("cache");
    let library = Library::open(&scratch.0).unwrap();
    let wanted = spec(VideoCodec::Vp8, Scenery::TalkingHead, &[(180, 100)]);
    let payloads = |set: &LoopSet| -> Vec<Arc<[u8]>> {
        set.loops()[0].units.iter().flatten().flat_map(|unit| unit.payloads.clone()).collect()
    };
    let made = payloads(&library.get(&wanted).unwrap());
    let files: Vec<PathBuf> = std::fs::read_dir(&scratch.0).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    let written =
        || files.iter().map(|f| std::fs::metadata(f).unwrap().modified().unwrap()).collect::<Vec<_>>();
    let before = written();
    assert_eq!(payloads(&library.get(&wanted).unwrap()), made);
    assert_eq!(written(), before, "the second time nothing is written");
    for file in &files {
        let mut bytes = std::fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file, bytes).unwrap();
    }
    assert_eq!(
        payloads(&library.get(&wanted).unwrap()),
        made,
        "a flipped bit is noticed and the loop made anew"
    );
}

#[test]
fn many_are_made_in_order_with_progress() {
    let scratch = Scratch::new("many");
    let library = Library::open(&scratch.0).unwrap();
    let specs: Vec<LoopSpec> = (1..=3)
        .map(|id| LoopSpec {
            sender: SenderId(id),
            seconds: 1,
            ..spec(VideoCodec::Vp8, Scenery::TalkingHead, &[(180, 100), (180, 200)])
        })
        .collect();
    let seen = std::sync::Mutex::new(Vec::new());
    let sets = library.get_all(&specs, &|done, total| seen.lock().unwrap().push((done, total))).unwrap();
    assert_eq!(sets.iter().map(|set| set.spec().sender.0).collect::<Vec<_>>(), [1, 2, 3]);
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (1..=6).map(|done| (done, 6)).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_a_loop_is_refused() {
    let scratch = Scratch::new("refused");
    let library = Library::open(&scratch.0).unwrap();
    let good = spec(VideoCodec::Vp8, Scenery::TalkingHead, &[(180, 100)]);
    for bad in [
        LoopSpec { seconds: 0, ..good.clone() },
        LoopSpec { seconds: SECONDS_MAX + 1, ..good.clone() },
        LoopSpec { sender: SenderId(1_024), ..good },
    ] {
        assert!(matches!(library.get(&bad), Err(LoopError::Spec { .. })), "{bad:?}");
    }
}

#[test]
fn the_best_rung_fits_and_the_cheapest_is_the_last_resort() {
    let scratch = Scratch::new("best");
    let library = Library::open(&scratch.0).unwrap();
    let wanted = LoopSpec {
        seconds: 1,
        ..spec(VideoCodec::Vp8, Scenery::TalkingHead, &[(360, 350), (180, 100), (180, 200)])
    };
    let set = library.get(&wanted).unwrap();
    let pick = |height, kbps| set.loops()[set.best(height, kbps)].rung;
    assert_eq!(pick(720, 5_000), Rung { height: 360, kbps: 350 });
    assert_eq!(pick(360, 250), Rung { height: 180, kbps: 200 });
    assert_eq!(pick(90, 10), Rung { height: 180, kbps: 100 });
}

#[test]
fn the_sound_of_a_loop_goes_on_into_its_next_round() {
    // With packets that lean on the ones before, sender 42 clipped for three seconds after 20.
    for sender in [24, 30, 36, 42] {
        let packets = make::sound(&LoopSpec::talking_head(SenderId(sender))).expect("encodes");
        let mut decoder = NativeCodecs.sound_decoder(AudioCodec::Opus).expect("a decoder");
        for (index, packet) in packets.iter().chain(&packets).flatten().enumerate() {
            let mut out = [0.0; codecs::sound::FRAME_SAMPLES];
            decoder.decode(&packet.data, &mut out).expect("decodes");
            let peak = out.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            assert!(peak < 0.25, "{sender}: {peak} in packet {index}");
        }
    }
}

#[test]
fn a_telephone_has_sound_alone_in_its_own_codec_and_silence_beside_it() {
    let scratch = Scratch::new("sound-alone");
    let library = Library::open(&scratch.0).unwrap();
    let spec = |sound| {
        LoopSpec { rungs: Vec::new(), ..LoopSpec::talking_head(SenderId(5)) }.sounding(sound).lasting(3)
    };
    for (codec, bytes) in [
        (AudioCodec::Pcma, Some(160)),
        (AudioCodec::Pcmu, Some(160)),
        (AudioCodec::G722, Some(160)),
        (AudioCodec::Opus, None),
    ] {
        let set = library.get(&spec(codec)).unwrap();
        assert_eq!((set.loops().len(), set.sound().len()), (0, 150), "{codec:?}");
        assert!(
            bytes.is_none_or(|bytes| set.sound().iter().all(|packet| packet.len() == bytes)),
            "{codec:?}"
        );
        let heard = |packets: &[Bytes]| {
            let mut decoder = NativeCodecs.sound_decoder(codec).unwrap();
            let mut meter = ToneMeter::new([tone_hz(SenderId(5)), tone_hz(SenderId(17))]);
            let mut pcm = [0.0; PACKET_SAMPLES_MAX];
            for packet in packets {
                let samples = decoder.decode(packet, &mut pcm).unwrap();
                meter.push(&pcm[..samples]);
            }
            meter.levels()
        };
        let levels = heard(set.sound());
        assert!(levels[0].median_db > -30.0 && levels[1].peak_db < -50.0, "{codec:?}: {levels:?}");
        let levels = heard(&vec![set.silence().clone(); 50]);
        assert!(levels[0].peak_db < -60.0, "{codec:?}: {levels:?}");
    }
    // From disk it is the same.
    let again = library.get(&spec(AudioCodec::Pcma)).unwrap();
    assert_eq!(again.sound(), library.get(&spec(AudioCodec::Pcma)).unwrap().sound());
}
