//! The lane's policy, with a scripted decoder, and its wake-up protocol under stress.

use crate::decode::{DecodeError, VideoDecoder};
use crate::encode::{EncodeError, EncoderSettings, VideoEncoder};
use crate::lane::{Decoded, LaneDecoder, LaneReport, LaneSender, Pushed, lane};
use crate::opus::OpusSettings;
use crate::registry::{CodecFactory, NativeCodecs};
use crate::sound::{SoundDecodeError, SoundDecoder, SoundEncodeError, SoundEncoder};
use crate::testing::{Sender, code, due, picture, psnr, token, unit};
use mcu_core::id::ConferenceId;
use mcu_core::limits;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::frame::{Frame, FramePool, Size};
use mcu_core::media::unit::{AccessUnit, Clear, Sealed};
use mcu_core::privacy::{Ledger, Purpose};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

/// Decodes units whose first byte is not [`BAD`].
#[derive(Debug, Default)]
struct Scripted {
    decoders_made: AtomicU64,
}

const GOOD: u8 = 1;
const BAD: u8 = 0xbd;
const NO_PICTURE: DecodeError = DecodeError::Corrupt { code: -1 };

struct ScriptedDecoder(FramePool);

impl VideoDecoder for ScriptedDecoder {
    fn decode(&mut self, unit: &AccessUnit<Clear>) -> Result<Option<Frame>, DecodeError> {
        if unit.data()[0] == BAD {
            return Err(NO_PICTURE);
        }
        Ok(Some(self.0.get(Size::new(16, 16))?.freeze()))
    }
}

impl CodecFactory for Scripted {
    fn video_decoder(&self, _: VideoCodec) -> Result<Box<dyn VideoDecoder>, DecodeError> {
        self.decoders_made.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(ScriptedDecoder(FramePool::new("scripted", 4))))
    }

    fn video_encoder(&self, settings: &EncoderSettings) -> Result<Box<dyn VideoEncoder>, EncodeError> {
        Err(EncodeError::Codec { codec: settings.codec })
    }

    fn sound_decoder(&self, codec: AudioCodec) -> Result<Box<dyn SoundDecoder>, SoundDecodeError> {
        NativeCodecs.sound_decoder(codec)
    }

    fn sound_encoder(
        &self,
        codec: AudioCodec,
        opus: &OpusSettings,
    ) -> Result<Box<dyn SoundEncoder>, SoundEncodeError> {
        NativeCodecs.sound_encoder(codec, opus)
    }
}

const WAKE: Pushed = Pushed::Queued { wake: true };
const QUEUED: Pushed = Pushed::Queued { wake: false };
const ASK: Pushed = Pushed::Dropped { want_keyframe: true };
const SILENT: Pushed = Pushed::Dropped { want_keyframe: false };

fn scripted() -> (LaneSender, LaneDecoder) {
    lane(Arc::new(Scripted::default()))
}

fn key(index: u64) -> AccessUnit<Sealed> {
    unit(VideoCodec::Vp8, index, true, &[GOOD])
}

fn delta(index: u64) -> AccessUnit<Sealed> {
    unit(VideoCodec::Vp8, index, false, &[GOOD])
}

fn bad(index: u64, keyframe: bool) -> AccessUnit<Sealed> {
    unit(VideoCodec::Vp8, index, keyframe, &[BAD])
}

fn run(decoder: &mut LaneDecoder) -> (Vec<Decoded>, LaneReport) {
    let mut pictures = Vec::new();
    let report = decoder.run(&token(), &mut |decoded| pictures.push(decoded));
    (pictures, report)
}

fn dues(pictures: &[Decoded]) -> Vec<u64> {
    pictures.iter().map(|picture| picture.due.as_millis()).collect()
}

#[test]
fn nothing_passes_before_the_first_key_frame() {
    let (mut sender, mut decoder) = scripted();
    assert_eq!((sender.push(delta(0)), sender.push(delta(1))), (ASK, ASK));
    assert_eq!((sender.push(key(2)), sender.push(delta(3))), (WAKE, QUEUED));
    let (pictures, report) = run(&mut decoder);
    let expected = [2, 3].map(|index| due(index).as_millis() + 50);
    assert_eq!(dues(&pictures), expected);
    assert_eq!((report.decoded, report.want_keyframe, report.last_error), (2, false, None));
    assert_eq!((sender.counters().queued, sender.counters().dropped_waiting), (2, 2));
}

#[test]
fn one_job_is_asked_for_at_a_time() {
    let (mut sender, mut decoder) = scripted();
    assert_eq!((sender.push(key(0)), sender.push(delta(1)), sender.push(delta(2))), (WAKE, QUEUED, QUEUED));
    run(&mut decoder);
    assert_eq!((sender.push(delta(3)), sender.push(delta(4))), (WAKE, QUEUED));
}

#[test]
fn a_loss_drops_to_the_next_key_frame() {
    let (mut sender, _decoder) = scripted();
    sender.push(key(0));
    let mut after_loss = delta(2);
    after_loss.contiguous = false;
    assert_eq!((sender.push(after_loss), sender.push(delta(3))), (ASK, ASK));
    // A key frame needs nothing of what was lost before it.
    let mut mended = key(4);
    mended.contiguous = false;
    assert_eq!((sender.push(mended), sender.push(delta(5))), (QUEUED, QUEUED));
}

#[test]
fn a_full_lane_drops_to_the_next_key_frame_which_takes_its_place() {
    let (mut sender, mut decoder) = scripted();
    sender.push(key(0));
    let max = limits::LANE_UNITS_MAX as u64;
    for index in 1..max {
        assert_eq!(sender.push(delta(index)), QUEUED);
    }
    assert_eq!((sender.push(delta(max)), sender.push(delta(max + 1))), (ASK, ASK));
    assert_eq!((sender.push(key(max + 2)), sender.push(delta(max + 3))), (QUEUED, QUEUED));
    let (pictures, _) = run(&mut decoder);
    let expected = [max + 2, max + 3].map(|index| due(index).as_millis() + 50);
    assert_eq!(dues(&pictures), expected);
    assert_eq!((sender.counters().dropped_full, sender.counters().dropped_waiting), (max + 1, 1));
}

#[test]
fn a_decode_error_drops_to_the_next_key_frame() {
    let (mut sender, mut decoder) = scripted();
    sender.push(key(0));
    sender.push(bad(1, false));
    sender.push(delta(2));
    let (pictures, report) = run(&mut decoder);
    assert_eq!(pictures.len(), 1);
    assert_eq!((report.errors, report.dropped, report.want_keyframe), (1, 1, true));
    assert_eq!(report.last_error, Some(NO_PICTURE));
    // The sender's end knows too, and asks by itself.
    assert_eq!((sender.push(delta(3)), sender.push(key(4)), sender.push(delta(5))), (ASK, WAKE, QUEUED));
    let (pictures, report) = run(&mut decoder);
    assert_eq!((pictures.len(), report.want_keyframe), (2, false));
}

#[test]
fn a_key_frame_behind_the_damage_mends_it_unasked() {
    let (mut sender, mut decoder) = scripted();
    for unit in [key(0), bad(1, false), delta(2), key(3)] {
        sender.push(unit);
    }
    let (pictures, report) = run(&mut decoder);
    assert_eq!((pictures.len(), report.errors, report.want_keyframe), (2, 1, false));
    assert_eq!(sender.push(delta(4)), WAKE);
}

#[test]
fn a_broken_key_frame_mends_nothing() {
    let (mut sender, mut decoder) = scripted();
    sender.push(bad(0, true));
    let (_, report) = run(&mut decoder);
    assert_eq!((report.errors, report.want_keyframe), (1, true));
    assert_eq!(sender.push(delta(1)), ASK);
}

#[test]
fn an_inactive_lane_loses_nothing_and_wakes_at_a_key_frame() {
    let (mut sender, mut decoder) = scripted();
    sender.push(key(0));
    run(&mut decoder);
    let gate = sender.gate();
    assert!(!gate.set_active(false) && !sender.gate().is_active());
    assert_eq!((sender.push(delta(1)), sender.push(key(2))), (SILENT, SILENT));
    assert!(gate.set_active(true), "opening asks for a key frame");
    assert!(!gate.set_active(true), "it was open already");
    assert_eq!((sender.push(delta(3)), sender.push(key(4))), (ASK, WAKE));
    let (pictures, _) = run(&mut decoder);
    assert_eq!(pictures.len(), 1);
    let counters = sender.counters();
    assert_eq!((counters.passed_inactive, counters.dropped_waiting, counters.dropped_full), (2, 1, 0));
}

#[test]
fn closing_while_units_wait_leaves_no_smear() {
    let (mut sender, mut decoder) = scripted();
    sender.push(key(0));
    sender.push(delta(1));
    sender.set_active(false);
    let (pictures, report) = run(&mut decoder);
    assert_eq!((pictures.len(), report.passed_inactive, report.want_keyframe), (0, 2, false));
    // Opened before the sender pushed anything: only the decoder's end saw it closed.
    sender.set_active(true);
    assert_eq!((sender.push(delta(2)), sender.push(key(3))), (ASK, WAKE));
}

#[test]
fn a_hopeless_source_is_quarantined_and_comes_back() {
    let (mut sender, mut decoder) = scripted();
    let mut quarantines = 0;
    for index in 0..u64::from(limits::DECODE_ERRORS_MAX) {
        assert_eq!(quarantines, 0, "too early, at error {index}");
        // Every other key frame is good, so that errors are half of the units.
        sender.push(key(2 * index));
        sender.push(bad(2 * index + 1, true));
        let (_, report) = run(&mut decoder);
        quarantines += report.quarantines;
        assert_eq!(report.want_keyframe, report.quarantines == 0);
    }
    assert_eq!(quarantines, 1);
    for index in 0..u64::from(limits::DECODE_QUARANTINE_UNITS) {
        assert_eq!(sender.push(key(1_000 + index)), SILENT);
    }
    assert_eq!(sender.counters().dropped_quarantined, u64::from(limits::DECODE_QUARANTINE_UNITS));
    assert_eq!((sender.push(delta(5_000)), sender.push(key(5_001))), (ASK, WAKE));
    assert_eq!(run(&mut decoder).0.len(), 1);
}

#[test]
fn an_occasional_error_is_forgiven() {
    let (mut sender, mut decoder) = scripted();
    for index in 0..1_000 {
        // 49 errors in each hundred units.
        let unit = if index % 100 < 49 { bad(index, true) } else { key(index) };
        sender.push(unit);
        assert_eq!(run(&mut decoder).1.quarantines, 0, "at unit {index}");
    }
}

#[test]
fn media_of_another_conference_stays_shut() {
    let (mut sender, mut decoder) = scripted();
    sender.push(key(0));
    let other = Ledger::default().issue(ConferenceId(77), Purpose::Mixing);
    let report = decoder.run(&other, &mut |_| panic!("opened"));
    assert_eq!((report.decoded, report.dropped), (0, 1));
}

#[test]
fn a_change_of_codec_makes_a_new_decoder() {
    let size = Size::new(320, 180);
    let (mut sender, mut decoder) = lane(Arc::new(NativeCodecs));
    for kind in [Sender::Vp8, Sender::OpenH264, Sender::Vp9, Sender::Vp8] {
        let mut encoder = kind.open(size, 600);
        for (index, coded) in code(&mut *encoder, size, 0..3, &[]) {
            sender.push(unit(kind.codec(), index, coded.keyframe, &coded.data));
            let (pictures, report) = run(&mut decoder);
            assert_eq!((pictures.len(), report.errors), (1, 0), "{kind:?} picture {index}: {report:?}");
            assert!(psnr(&picture(size, index), &pictures[0].frame) > 26.0, "{kind:?} picture {index}");
        }
    }
}

/// One pushing thread, two pool threads: no unit forgotten, none twice, all in order.
#[test]
fn no_wake_up_is_lost_under_stress() {
    const UNITS: u64 = 200_000;
    let (mut sender, decoder) = scripted();
    let decoder = Mutex::new((decoder, 0_u64));
    let decoded = AtomicU64::new(0);
    let (jobs, inbox) = sync_channel::<()>(2);
    let inbox = Mutex::new(inbox);
    let work = || {
        let token = token();
        loop {
            let job = inbox.lock().expect("no panic").recv();
            let Ok(()) = job else { return };
            let (decoder, last) = &mut *decoder.lock().expect("no panic");
            decoder.run(&token, &mut |picture| {
                let number = picture.captured.ticks() as u64 + 1;
                assert!(number > *last, "{number} after {last}");
                *last = number;
                decoded.fetch_add(1, Ordering::Relaxed);
            });
        }
    };
    std::thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        for index in 0..UNITS {
            let unit = if index % 7 == 0 { key(index) } else { delta(index) };
            if sender.push(unit) == WAKE {
                jobs.send(()).expect("the workers live");
            }
            if index % 16 == 0 {
                std::thread::yield_now();
            }
        }
        drop(jobs);
        for worker in workers {
            worker.join().expect("no panic");
        }
    });
    let (counters, decoded) = (sender.counters(), decoded.load(Ordering::Relaxed));
    assert!(decoded > 1_000, "{counters:?}");
    // Whatever was queued was decoded, or made room for a key frame: nothing is left behind.
    assert!(counters.queued - decoded <= counters.dropped_full, "{decoded} decoded, {counters:?}");
    assert_eq!(run(&mut decoder.into_inner().expect("no panic").0).1, LaneReport::default());
}
