use super::*;
use crate::engine::outgoing::{SoundBurst, VideoBurst};
use crate::engine::{EngineInbox, intake::SoundArrival};
use bytes::Bytes;
use codecs::opus::{FRAME_BYTES_MAX, FRAME_SAMPLES};
use codecs::registry::NativeCodecs;
use mcu_core::conference::plan::MeetingPlan;
use mcu_core::id::ParticipantId;
use mcu_core::privacy::{Ledger, Purpose};
use mcu_core::time::ClockRate;
use std::collections::BTreeSet;
use std::f64::consts::TAU;
use std::sync::Mutex;
use transport::receive::playout::SoundPacket;

/// No multiple of 50 or 100 Hz: whatever repeats with blocks or packets shows in its phase.
const TONE_HZ: f64 = 885.0;
const SPEAKER: ParticipantId = ParticipantId(1);
const LISTENER: ParticipantId = ParticipantId(2);

/// Keeps what the listener gets.
#[derive(Default)]
struct Heard(Mutex<Vec<(MediaTime, Arc<[u8]>)>>);

impl Outlet for Heard {
    fn video(&self, _: VideoBurst) {}

    fn sound(&self, burst: SoundBurst) {
        self.0.lock().expect("nobody panics").extend(burst.shared.map(|packet| (burst.at, packet)));
    }

    fn loudness(&self, _: ConferenceId, _: Loudness) {}
}

/// One who says a tone, one who listens, from block `first` on.
struct Meeting {
    engine: SoundEngine,
    feed: SoundFeed,
    heard: Arc<Heard>,
    encoder: Box<dyn codecs::opus::SoundEncoder>,
    said: u64,
    origin: u64,
}

impl Meeting {
    fn new(first: u64) -> Self {
        let conference = ConferenceId(1);
        let (inbox, heard, feed) = (EngineInbox::new(), Arc::new(Heard::default()), SoundFeed::new());
        let music = OpusSettings { bitrate_bps: 64_000, fec: false, ..OpusSettings::default() };
        let engine = SoundEngine::new(
            Arc::new(Ledger::new().issue(conference, Purpose::Mixing)),
            inbox.sound.clone(),
            Arc::new(NativeCodecs),
            music,
            heard.clone(),
            Arc::default(),
            false,
        );
        let source = SourceId::main(SPEAKER);
        let sound = SoundPlan { speakers: vec![source], listeners: vec![SPEAKER, LISTENER] };
        let plan = MeetingPlan {
            conference,
            version: 1,
            from_tick: 0,
            scenes: Vec::new(),
            renditions: Vec::new(),
            views: Vec::new(),
            on_stage: BTreeSet::new(),
            sound,
        };
        let _ = inbox.sound.push(SoundCommand::Source(source, feed.clone()));
        let _ = inbox.sound.push(SoundCommand::Plan(Arc::new(plan)));
        let encoder = NativeCodecs.sound_encoder(&music).expect("an encoder");
        Self { engine, feed, heard, encoder, said: 0, origin: first }
    }

    /// The beats of `blocks`, counted from the first; what was said by then has arrived.
    fn play(&mut self, blocks: std::ops::Range<u64>) {
        for block in blocks {
            while self.said * 2 <= block {
                self.say();
            }
            self.engine.run(Self::moment(self.origin + block).to_mono());
        }
    }

    fn say(&mut self) {
        let first = self.said * FRAME_SAMPLES as u64;
        let pcm = std::array::from_fn(|n| {
            (0.2 * (TAU * TONE_HZ * (first + n as u64) as f64 / 48_000.0).sin()) as f32
        });
        let mut packet = [0; FRAME_BYTES_MAX];
        let bytes = self.encoder.encode(&pcm, &mut packet).expect("encodes");
        let at = Self::moment(self.origin + self.said * 2);
        let packet = SoundPacket {
            sequence: self.said,
            timestamp: at.to_rtp(ClockRate::OPUS),
            arrival: at.to_mono(),
            payload: Bytes::copy_from_slice(&packet[..bytes]),
        };
        self.feed.packets.push_newest(SoundArrival { packet, level_dbov: Some(20) });
        self.said += 1;
    }

    fn moment(block: u64) -> MediaTime {
        MediaTime::from_ticks(MediaTime::TEN_MS.ticks() * block as i64)
    }

    /// How much of the last second that the listener heard is the tone, 0 to 1: in power.
    fn purity(&self) -> f64 {
        let mut decoder = NativeCodecs.sound_decoder().expect("a decoder");
        let mut pcm = Vec::new();
        for (_, packet) in &*self.heard.0.lock().expect("nobody panics") {
            let mut out = [0.0; FRAME_SAMPLES];
            let samples = decoder.decode(packet, &mut out).expect("decodes");
            pcm.extend(out[..samples].iter().map(|sample| f64::from(*sample)));
        }
        let second = &pcm[pcm.len() - 48_000..];
        let (mut real, mut imaginary, mut power) = (0.0, 0.0, 0.0);
        for (n, sample) in second.iter().enumerate() {
            let (sin, cos) = (TAU * TONE_HZ * n as f64 / 48_000.0).sin_cos();
            (real, imaginary, power) =
                (real + sample * cos, imaginary + sample * sin, power + sample * sample);
        }
        2.0 * (real * real + imaginary * imaginary) / (48_000.0 * power)
    }
}

#[test]
fn a_tone_stays_a_tone_whichever_block_sound_begins_with() {
    for first in [1_000, 1_001] {
        let mut meeting = Meeting::new(first);
        meeting.play(0..300);
        assert!(meeting.purity() > 0.95, "from block {first}: {}", meeting.purity());
        let heard = meeting.heard.0.lock().expect("nobody panics");
        assert!(heard.iter().all(|(at, _)| at.ticks() % (2 * MediaTime::TEN_MS.ticks()) == 0));
        assert!(heard.windows(2).all(|two| two[1].0 - two[0].0 == MediaTime::TEN_MS + MediaTime::TEN_MS));
    }
}

#[test]
fn a_tone_is_a_tone_again_after_blocks_were_lost_whichever_comes_next() {
    for resumed in [200, 201] {
        let mut meeting = Meeting::new(1_000);
        meeting.play(0..100);
        meeting.play(resumed..resumed + 200);
        assert!(meeting.purity() > 0.95, "again from block {resumed}: {}", meeting.purity());
    }
}
