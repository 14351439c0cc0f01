use super::*;
use crate::engine::outgoing::{SoundBurst, VideoBurst};
use crate::engine::{EngineInbox, intake::SoundArrival};
use bytes::Bytes;
use codecs::registry::NativeCodecs;
use codecs::sound::{FRAME_BYTES_MAX, FRAME_SAMPLES, SoundEncoder};
use mcu_core::conference::plan::{Listener, MeetingPlan};
use mcu_core::id::ParticipantId;
use mcu_core::media::codec::AudioCodec;
use mcu_core::media::packet::Packet;
use mcu_core::privacy::{Ledger, Purpose};
use std::collections::BTreeSet;
use std::f64::consts::TAU;
use std::sync::Mutex;
use transport::receive::playout::SoundPacket;

/// No multiple of 50 or 100 Hz: whatever repeats with blocks or packets shows in its phase.
const TONE_HZ: f64 = 885.0;
const SPEAKER: ParticipantId = ParticipantId(1);
const LISTENER: ParticipantId = ParticipantId(2);
const MUSIC: OpusSettings = OpusSettings {
    bitrate_bps: 64_000,
    complexity: 5,
    fec: false,
    expected_loss_percent: 10,
    dtx: false,
    independent: false,
    application: codecs::opus::Application::Voice,
};

/// Keeps what everybody gets.
#[derive(Default)]
struct Heard(Mutex<Vec<SoundBurst>>);

impl Outlet for Heard {
    fn video(&self, _: VideoBurst) {}

    fn sound(&self, burst: SoundBurst) {
        self.0.lock().expect("nobody panics").push(burst);
    }

    fn loudness(&self, _: ConferenceId, _: Loudness) {}
}

/// One who says a tone, and those who listen, from block `origin` on.
struct Meeting {
    engine: SoundEngine,
    inbox: EngineInbox,
    feed: SoundFeed,
    heard: Arc<Heard>,
    encoder: Box<dyn SoundEncoder>,
    codec: AudioCodec,
    said: u64,
    origin: u64,
}

impl Meeting {
    /// The speaker and one more, both with Opus.
    fn new(first: u64) -> Self {
        let opus = |participant| Listener { participant, codec: AudioCodec::Opus };
        Self::with(first, AudioCodec::Opus, vec![opus(SPEAKER), opus(LISTENER)])
    }

    fn with(first: u64, codec: AudioCodec, listeners: Vec<Listener>) -> Self {
        let conference = ConferenceId(1);
        let (inbox, heard, feed) = (EngineInbox::new(), Arc::new(Heard::default()), SoundFeed::new());
        let engine = SoundEngine::new(
            Arc::new(Ledger::new().issue(conference, Purpose::Mixing)),
            inbox.sound.clone(),
            Arc::new(NativeCodecs),
            MUSIC,
            heard.clone(),
            Arc::default(),
            false,
        );
        let _ = inbox.sound.push(SoundCommand::Source(SourceId::main(SPEAKER), feed.clone()));
        let encoder = NativeCodecs.sound_encoder(codec, &MUSIC).expect("an encoder");
        let meeting = Self { engine, inbox, feed, heard, encoder, codec, said: 0, origin: first };
        meeting.plan(listeners);
        meeting
    }

    /// Who listens from now on.
    fn plan(&self, listeners: Vec<Listener>) {
        let plan = MeetingPlan {
            conference: ConferenceId(1),
            version: 1,
            from_tick: 0,
            scenes: Vec::new(),
            renditions: Vec::new(),
            views: Vec::new(),
            on_stage: BTreeSet::new(),
            sound: SoundPlan { speakers: vec![SourceId::main(SPEAKER)], listeners },
        };
        let _ = self.inbox.sound.push(SoundCommand::Plan(Arc::new(plan)));
    }

    /// Says the tone in another codec from now on, as a sender that changes its payload type.
    fn speak_in(&mut self, codec: AudioCodec) {
        self.codec = codec;
        self.encoder = NativeCodecs.sound_encoder(codec, &MUSIC).expect("an encoder");
    }

    /// Runs each of `blocks`, counted from the first, with a packet of the tone before every second one.
    fn play(&mut self, blocks: std::ops::Range<u64>) {
        for block in blocks {
            while self.said * 2 <= block {
                self.say();
            }
            self.engine.run(Self::moment(self.origin + block).to_mono());
        }
    }

    fn say(&mut self) {
        let packet = self.next_packet();
        self.feed.packets.push_newest(SoundArrival { packet, level_dbov: Some(20) });
    }

    /// Says it, and the network loses it.
    fn lose(&mut self) {
        self.next_packet();
    }

    fn next_packet(&mut self) -> SoundPacket {
        let first = self.said * FRAME_SAMPLES as u64;
        let pcm = std::array::from_fn(|n| {
            (0.2 * (TAU * TONE_HZ * (first + n as u64) as f64 / 48_000.0).sin()) as f32
        });
        let mut packet = [0; FRAME_BYTES_MAX];
        let bytes = self.encoder.encode(&pcm, &mut packet).expect("encodes");
        let at = Self::moment(self.origin + self.said * 2);
        let packet = Packet {
            sequence: self.said,
            timestamp: at.to_rtp(self.codec.clock_rate()),
            marker: false,
            arrival: at.to_mono(),
            audio_level_dbov: None,
            payload: Bytes::copy_from_slice(&packet[..bytes]),
        };
        self.said += 1;
        SoundPacket::new(&packet, self.codec)
    }

    fn moment(block: u64) -> MediaTime {
        MediaTime::from_ticks(MediaTime::TEN_MS.ticks() * block as i64)
    }

    /// All that `listener` was sent in `codec`, decoded.
    fn sound_of(&self, listener: ParticipantId, codec: AudioCodec) -> Vec<f64> {
        let mut decoder = NativeCodecs.sound_decoder(codec).expect("a decoder");
        let mut pcm = Vec::new();
        for burst in &*self.heard.0.lock().expect("nobody panics") {
            let Some(packet) = burst.packet(listener, codec) else { continue };
            let mut out = [0.0; FRAME_SAMPLES];
            let samples = decoder.decode(packet, &mut out).expect("decodes");
            pcm.extend(out[..samples].iter().map(|sample| f64::from(*sample)));
        }
        pcm
    }

    fn purity(&self) -> f64 {
        let pcm = self.sound_of(LISTENER, AudioCodec::Opus);
        purity(&pcm[pcm.len() - 48_000..])
    }
}

/// How much of `pcm` is the tone, 0 to 1: in power.
fn purity(pcm: &[f64]) -> f64 {
    let (mut real, mut imaginary, mut power) = (0.0, 0.0, 1e-9);
    for (n, sample) in pcm.iter().enumerate() {
        let (sin, cos) = (TAU * TONE_HZ * n as f64 / 48_000.0).sin_cos();
        (real, imaginary, power) = (real + sample * cos, imaginary + sample * sin, power + sample * sample);
    }
    2.0 * (real * real + imaginary * imaginary) / (pcm.len() as f64 * power)
}

fn rms_db(pcm: &[f64]) -> f64 {
    10.0 * (pcm.iter().map(|sample| sample * sample).sum::<f64>() / pcm.len() as f64).max(1e-12).log10()
}

#[test]
fn a_tone_stays_a_tone_whichever_block_sound_begins_with() {
    for first in [1_000, 1_001] {
        let mut meeting = Meeting::new(first);
        meeting.play(0..300);
        assert!(meeting.purity() > 0.95, "from block {first}: {}", meeting.purity());
        let heard = meeting.heard.0.lock().expect("nobody panics");
        assert!(heard.iter().all(|burst| burst.at.ticks() % (2 * MediaTime::TEN_MS.ticks()) == 0));
        assert!(heard.windows(2).all(|two| two[1].at - two[0].at == MediaTime::TEN_MS + MediaTime::TEN_MS));
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

/// Each with a codec: the speaker, and those after it.
fn listeners(codecs: &[AudioCodec]) -> Vec<Listener> {
    let ids = (1..).map(ParticipantId);
    ids.zip(codecs).map(|(participant, codec)| Listener { participant, codec: *codec }).collect()
}

#[test]
fn each_hears_the_same_mix_in_its_codec_and_each_codec_is_encoded_once() {
    use AudioCodec::{G722, Opus, Pcma, Pcmu};
    let codecs = [Pcma, Opus, Pcmu, G722, G722, Opus];
    for spoken in [Opus, Pcma, G722] {
        let mut meeting = Meeting::with(1_000, spoken, listeners(&codecs));
        meeting.play(0..200);
        let before = meeting.engine.totals.sound_encoded.get();
        meeting.play(200..300);
        // Three codecs of those who only listen, and the speaker's own mix, in 50 packets.
        assert_eq!(meeting.engine.totals.sound_encoded.get() - before, 4 * 50);
        let heard = |n: u64| {
            let pcm = meeting.sound_of(ParticipantId(n), codecs[n as usize - 1]);
            pcm[pcm.len() - 24_000..].to_vec()
        };
        let loud = rms_db(&heard(2));
        for n in 2..=6 {
            let (pure, level) = (purity(&heard(n)), rms_db(&heard(n)));
            assert!(pure > 0.95, "spoken in {spoken:?}, heard in {:?}: {pure}", codecs[n as usize - 1]);
            assert!((level - loud).abs() < 1.0, "spoken in {spoken:?}: {level} dB and {loud} dB");
        }
        // The speaker does not hear itself, in its own codec and not in any other.
        assert!(rms_db(&heard(1)) < loud - 40.0, "{} dB beside {loud} dB", rms_db(&heard(1)));
        let bursts = meeting.heard.0.lock().expect("nobody panics");
        let last = bursts.last().expect("much was sent");
        assert!(last.packet(SPEAKER, Pcma).is_some_and(|packet| packet.len() == 160));
        assert!([Opus, Pcmu, G722].iter().all(|codec| last.packet(SPEAKER, *codec).is_none()));
        // Nobody else hears in its codec, so the shared mix is not made in it.
        assert!(last.shared[Pcma.index()].is_none() && last.packet(LISTENER, Opus).is_some());
    }
}

#[test]
fn a_sender_may_change_its_codec_and_a_listener_too() {
    use AudioCodec::{G722, Opus, Pcma, Pcmu};
    let mut meeting = Meeting::with(1_000, Pcmu, listeners(&[Pcmu, Opus]));
    let mut spoken = 0;
    for codec in [Pcma, G722, Pcmu, Pcma] {
        meeting.play(spoken..spoken + 150);
        assert!(meeting.purity() > 0.95, "before {codec:?}: {}", meeting.purity());
        meeting.speak_in(codec);
        spoken += 150;
    }
    meeting.play(spoken..spoken + 150);
    assert!(meeting.purity() > 0.95, "in the end: {}", meeting.purity());
    // From here on the speaker hears in another codec, and the other one as well.
    meeting.plan(listeners(&[G722, Pcma]));
    meeting.play(spoken + 150..spoken + 300);
    let pcm = meeting.sound_of(LISTENER, Pcma);
    assert!(purity(&pcm[pcm.len() - 48_000..]) > 0.95);
    let bursts = meeting.heard.0.lock().expect("nobody panics");
    let last = bursts.last().expect("much was sent");
    assert!(last.packet(SPEAKER, G722).is_some() && last.packet(SPEAKER, Pcmu).is_none());
    assert!(last.shared[Opus.index()].is_none(), "nobody hears in it any more");
}

#[test]
fn what_a_telephone_loses_leaves_no_hole() {
    for codec in [AudioCodec::G722, AudioCodec::Pcmu, AudioCodec::Pcma] {
        let mut meeting = Meeting::with(1_000, codec, listeners(&[codec, AudioCodec::Opus]));
        meeting.play(0..200);
        for begin in (200..400).step_by(20) {
            meeting.lose();
            meeting.play(begin..begin + 20);
        }
        meeting.play(400..420);
        // The second block of a packet that was made up has begun to fade: 20 % at most.
        let concealed = meeting.engine.totals.sound_concealed.get();
        assert!(concealed >= 9 * 960, "{codec:?}: {concealed} samples were made up");
        let pcm = meeting.sound_of(LISTENER, AudioCodec::Opus);
        let heard = &pcm[pcm.len() - 2 * 48_000..];
        let softest = heard.chunks(480).map(rms_db).fold(0.0, f64::min);
        assert!(softest > rms_db(heard) - 4.0, "{codec:?}: {softest} dB beside {} dB", rms_db(heard));
    }
}

#[test]
fn changing_the_codec_with_every_packet_is_borne() {
    let mut meeting = Meeting::new(1_000);
    for block in 0..200 {
        meeting.play(2 * block..2 * block + 2);
        meeting.speak_in(AudioCodec::ALL[block as usize % 4]);
    }
    meeting.speak_in(AudioCodec::Opus);
    meeting.play(400..600);
    assert!(meeting.purity() > 0.95, "{}", meeting.purity());
    assert_eq!(meeting.engine.totals.sound_errors.get(), 0);
}

mod announcements;
