//! Announcements: what the node says to a listener by voice, over the others, who are turned down meanwhile.
//!
//! Flow: `SoundCommand::Announce` -> a queue for each hearer -> **here** -> one voice for all who hear the same words at the
//! same time -> `mixes`, which encodes it. Thread: audio pool, owned by the conference's sound job.
//!
//! What it costs: nothing while nothing is said. Hearers whose words begin with the same packet share a voice, and so one
//! encode for each codec in which they listen: an announcement to all takes the place of the shared mix and costs what that
//! did. A hearer who is heard keeps its own mix, with the words laid over it. Voices are made and moved where words begin and
//! end, never within a packet; a block allocates nothing.
//!
//! A hearer leaves the shared mix and comes back between two packets, with the state of its limiter, while the others' gain is
//! 1 on both sides. Bound: [`WAITING_MAX`] sounds a hearer, [`PARTICIPANTS_MAX`] hearers; what does not fit is dropped and
//! counted.

use super::line::{Encoders, Line};
use mcu_core::conference::To;
use mcu_core::conference::plan::Listener;
use mcu_core::id::ParticipantId;
use mcu_core::limits::PARTICIPANTS_MAX;
use mcu_core::media::codec::AudioCodec;
use mcu_core::media::samples::{BLOCK_SAMPLES, Block, SILENCE};
use mixer::audio::mix::{self, Ramp};
use std::collections::VecDeque;
use std::sync::Arc;

/// Sounds that wait for one hearer; the newest is dropped.
pub(super) const WAITING_MAX: usize = 4;

/// Packets for which words wait for somebody whose place in the plan has not come yet: two seconds.
const AWAITED_PACKETS_MAX: u32 = 100;

/// Gain of the others under an announcement: -12 dB.
const DUCKED: f32 = 0.251_188_64;

/// What a voice does in one packet. Who does the same shares it.
#[derive(Clone)]
struct Step {
    sound: Arc<[f32]>,
    /// Samples of it that were played before.
    at: usize,
    /// The words fade out in the packet's first half, and nothing comes after it.
    last: bool,
    /// Gain of the others in the first half; from there on it stays.
    duck: Ramp,
}

/// Words as some hear them: the mix of all with the words over it.
pub(super) struct Voice {
    id: u64,
    step: Step,
    /// Made for the packet at hand.
    fresh: bool,
    pub(super) line: Line,
    pub(super) encoders: Encoders,
    /// The words of the block at hand, and the gain of the others under them.
    words: Block,
    ramp: Ramp,
}

/// Somebody to whom something is said.
struct Hearer {
    participant: ParticipantId,
    /// In which codec it listens; `None` while it does not.
    codec: Option<AudioCodec>,
    waiting: VecDeque<Arc<[f32]>>,
    /// Which voice it hears.
    voice: Option<u64>,
    /// What it hears is to end now.
    hushed: bool,
    absent_packets: u32,
}

/// Everything that is said in one conference.
#[derive(Default)]
pub(super) struct Announcer {
    hearers: Vec<Hearer>,
    voices: Vec<Voice>,
    voices_made: u64,
}

/// What a hearer does when a packet begins.
enum Turn {
    /// Goes on with its voice, or without any.
    Stay,
    /// Back to the mix of those to whom nothing is said.
    Leave,
    /// Something new.
    Take(Step),
}

impl Step {
    fn is(&self, other: &Self) -> bool {
        let words = Arc::ptr_eq(&self.sound, &other.sound) && self.at == other.at;
        words && self.last == other.last && self.duck == other.duck
    }

    /// Whether nothing comes after the packet before.
    fn is_over(&self) -> bool {
        self.last || self.at >= self.sound.len()
    }
}

impl Voice {
    /// Makes the words and the gain of the next block, which is this half of a packet.
    fn speak(&mut self, half: usize) {
        let step = &mut self.step;
        self.ramp = if half == 0 { step.duck } else { Ramp { from: step.duck.to, to: step.duck.to } };
        if half == 1 {
            step.duck = self.ramp;
        }
        self.words = SILENCE;
        if step.last && half == 1 {
            return;
        }
        let rest = step.sound.get(step.at..).unwrap_or_default();
        let samples = rest.len().min(BLOCK_SAMPLES);
        self.words[..samples].copy_from_slice(&rest[..samples]);
        step.at += samples;
        if step.last {
            mix::apply(&mut self.words, Ramp { from: 1.0, to: 0.0 });
        }
    }

    /// Turns `others` down and lays the words over them.
    pub(super) fn lay_over(&self, others: &mut Block) {
        if self.ramp != Ramp::UNITY {
            mix::apply(others, self.ramp);
        }
        mix::add(others, &self.words);
    }
}

impl Hearer {
    /// What it does in the packet that begins, having heard `step` until now.
    fn turn(&mut self, step: Option<&Step>) -> Turn {
        let hushed = std::mem::take(&mut self.hushed);
        if self.codec.is_none() {
            return Turn::Leave;
        }
        let gain = step.map_or(1.0, |step| step.duck.to);
        if let Some(step) = step.filter(|step| !step.is_over()) {
            if !hushed {
                return Turn::Stay;
            }
            let to = if self.waiting.is_empty() { 1.0 } else { gain };
            return Turn::Take(Step { last: true, duck: Ramp { from: gain, to }, ..step.clone() });
        }
        if let Some(sound) = self.waiting.pop_front() {
            return Turn::Take(Step { sound, at: 0, last: false, duck: Ramp { from: gain, to: DUCKED } });
        }
        match step.filter(|_| gain < 1.0) {
            Some(step) => {
                let at = step.sound.len();
                Turn::Take(Step { at, last: true, duck: Ramp { from: gain, to: 1.0 }, ..step.clone() })
            }
            None => Turn::Leave,
        }
    }

    fn is_done(&self) -> bool {
        self.voice.is_none() && (self.waiting.is_empty() || self.absent_packets > AWAITED_PACKETS_MAX)
    }
}

impl Announcer {
    /// Says `sound` (48 kHz, mono) to whom it is meant for; one who is named may be a listener only soon. Returns how many
    /// miss it.
    pub(super) fn announce(&mut self, to: To, sound: &Arc<[f32]>, listeners: &[Listener]) -> u64 {
        let codec = |id| listeners.iter().find(|listener| listener.participant == id).map(|l| l.codec);
        if let To::One(participant) = to {
            return u64::from(!self.queue(participant, codec(participant), sound));
        }
        let meant = listeners.iter().filter(|listener| to.includes(listener.participant));
        meant.map(|l| u64::from(!self.queue(l.participant, Some(l.codec), sound))).sum()
    }

    /// False: there is no room.
    fn queue(&mut self, participant: ParticipantId, codec: Option<AudioCodec>, sound: &Arc<[f32]>) -> bool {
        if sound.is_empty() {
            return true;
        }
        let at = match self.hearers.iter().position(|hearer| hearer.participant == participant) {
            Some(at) => at,
            None if self.hearers.len() >= PARTICIPANTS_MAX => return false,
            None => {
                let waiting = VecDeque::with_capacity(WAITING_MAX);
                let (voice, hushed, absent_packets) = (None, false, 0);
                self.hearers.push(Hearer { participant, codec, waiting, voice, hushed, absent_packets });
                self.hearers.len() - 1
            }
        };
        let waiting = &mut self.hearers[at].waiting;
        let fits = waiting.len() < WAITING_MAX;
        if fits {
            waiting.push_back(Arc::clone(sound));
        }
        fits
    }

    /// Ends what `participant` hears, and forgets what waits for it.
    pub(super) fn hush(&mut self, participant: ParticipantId) {
        for hearer in self.hearers.iter_mut().filter(|hearer| hearer.participant == participant) {
            hearer.waiting.clear();
            hearer.hushed = true;
        }
    }

    /// Who listens from now on, and in which codec.
    pub(super) fn listeners_changed(&mut self, listeners: &[Listener]) {
        for hearer in &mut self.hearers {
            let now = listeners.iter().find(|listener| listener.participant == hearer.participant);
            hearer.codec = now.map(|listener| listener.codec);
        }
    }

    /// Begins a packet: who hears which voice in it. `shared` is the mix of those to whom nothing was said.
    pub(super) fn turn(&mut self, shared: &Line) {
        self.voices.iter_mut().for_each(|voice| voice.fresh = false);
        for at in 0..self.hearers.len() {
            let hearer = &mut self.hearers[at];
            hearer.absent_packets = if hearer.codec.is_some() { 0 } else { hearer.absent_packets + 1 };
            let heard = hearer.voice.and_then(|id| self.voices.iter().find(|voice| voice.id == id));
            match hearer.turn(heard.map(|voice| &voice.step)) {
                Turn::Stay => {}
                Turn::Leave => hearer.voice = None,
                Turn::Take(step) => {
                    let voice = self.voice_for(self.hearers[at].voice, step, shared);
                    self.hearers[at].voice = Some(voice);
                }
            }
        }
        self.hearers.retain(|hearer| !hearer.is_done());
        self.voices.retain(|voice| self.hearers.iter().any(|hearer| hearer.voice == Some(voice.id)));
    }

    /// The voice that does `step`: one that another hearer began just now, or a new one, which goes on from the one before.
    fn voice_for(&mut self, before: Option<u64>, step: Step, shared: &Line) -> u64 {
        if let Some(same) = self.voices.iter().find(|voice| voice.fresh && voice.step.is(&step)) {
            return same.id;
        }
        let hear_it = self.hearers.iter().filter(|hearer| hearer.voice == before).count();
        let before = self.voices.iter_mut().find(|voice| Some(voice.id) == before);
        let line = before.as_ref().map_or(shared, |before| &before.line).clone();
        // Encoders know what was heard: they go with the hearers, unless some of them stay.
        let encoders = before.filter(|before| hear_it == 1 || before.step.is_over());
        let encoders = encoders.map(|before| std::mem::take(&mut before.encoders)).unwrap_or_default();
        self.voices_made += 1;
        let id = self.voices_made;
        let (words, ramp) = (SILENCE, Ramp::UNITY);
        self.voices.push(Voice { id, step, fresh: true, line, encoders, words, ramp });
        id
    }

    /// Goes on by one block, which is this half of a packet.
    pub(super) fn speak(&mut self, half: usize) {
        self.voices.iter_mut().for_each(|voice| voice.speak(half));
    }

    /// Fills the voices' packets with the block at hand, of which `sum` is the mix of all.
    pub(super) fn put(&mut self, sum: &Block, half: usize) {
        for voice in &mut self.voices {
            let mut mixed = *sum;
            voice.lay_over(&mut mixed);
            voice.line.put(mixed, half);
        }
    }

    /// What is said to `participant` in this packet.
    pub(super) fn voice_of(&self, participant: ParticipantId) -> Option<&Voice> {
        let id = self.hearers.iter().find(|hearer| hearer.participant == participant)?.voice?;
        self.voices.iter().find(|voice| voice.id == id)
    }

    /// Every voice with who hears it, and in which codec.
    pub(super) fn voices_mut(
        &mut self,
    ) -> impl Iterator<Item = (&mut Voice, impl Iterator<Item = (ParticipantId, AudioCodec)>)> {
        let hearers: &[Hearer] = &self.hearers;
        self.voices.iter_mut().map(move |voice| {
            let id = voice.id;
            let hear_it = hearers.iter().filter(move |hearer| hearer.voice == Some(id));
            (voice, hear_it.filter_map(|hearer| Some((hearer.participant, hearer.codec?))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARER: ParticipantId = ParticipantId(1);

    /// What [`HEARER`] hears of a steady sum in which nothing but `sounds` is said.
    fn hear(announcer: &mut Announcer, packets: usize) -> Vec<f32> {
        let sum = [0.5; BLOCK_SAMPLES];
        let (mut shared, mut heard) = (Line::new(), Vec::new());
        (0..2).for_each(|half| shared.put(sum, half));
        for _ in 0..packets {
            announcer.turn(&shared);
            for half in 0..2 {
                announcer.speak(half);
                announcer.put(&sum, half);
                shared.put(sum, half);
            }
            heard.extend(announcer.voice_of(HEARER).map_or(&shared, |voice| &voice.line).pcm);
        }
        heard
    }

    fn step_max(heard: &[f32]) -> f32 {
        heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn the_others_go_down_and_come_back_without_a_step() {
        let listeners = [Listener { participant: HEARER, codec: AudioCodec::Opus }];
        // Silence is said, of whole packets and of less, once and twice in a row.
        for (samples, times) in [(9_600, 1), (9_600, 2), (100, 1), (481, 2)] {
            let sound: Arc<[f32]> = vec![0.0; samples].into();
            let mut announcer = Announcer::default();
            (0..times).for_each(|_| assert_eq!(announcer.announce(To::All, &sound, &listeners), 0));
            let heard = hear(&mut announcer, 30);
            assert!(step_max(&heard) < 0.5 / 600.0, "{samples}, {times}: {}", step_max(&heard));
            let least = heard.iter().copied().fold(1.0, f32::min);
            assert!((least - 0.5 * DUCKED).abs() < 1e-4, "{least}");
            assert_eq!(heard.last(), Some(&0.5));
            assert!(announcer.voices.is_empty() && announcer.hearers.is_empty(), "nothing is kept");
        }
        assert!(step_max(&[0.5, 0.5 * DUCKED]) > 0.3, "the control: without ramps");
    }

    #[test]
    fn hushing_takes_ten_milliseconds() {
        let listeners = [Listener { participant: HEARER, codec: AudioCodec::Opus }];
        let sound: Arc<[f32]> = vec![0.25; 48_000].into();
        for goes_on in [false, true] {
            let mut announcer = Announcer::default();
            announcer.announce(To::All, &sound, &listeners);
            let before = hear(&mut announcer, 10).last().copied().unwrap_or_default();
            assert!((before - 0.25 - 0.5 * DUCKED).abs() < 1e-4, "{before}");
            announcer.hush(HEARER);
            if goes_on {
                let silence: Arc<[f32]> = vec![0.0; 4_800].into();
                announcer.announce(To::All, &silence, &listeners);
            }
            let heard = hear(&mut announcer, 3);
            assert!(step_max(&heard) < 0.5 / 600.0, "{}", step_max(&heard));
            let after = heard.last().copied().unwrap_or_default();
            let expected = if goes_on { 0.5 * DUCKED } else { 0.5 };
            assert!((after - expected).abs() < 1e-4, "{after}, not {expected}");
        }
    }

    #[test]
    fn hearers_of_the_same_words_share_a_voice_unless_one_begins_later() {
        let listener = |n| Listener { participant: ParticipantId(n), codec: AudioCodec::Opus };
        let listeners: Vec<_> = (1..=20).map(listener).collect();
        let sound: Arc<[f32]> = vec![0.1; 9_600].into();
        let (mut announcer, shared) = (Announcer::default(), Line::new());
        announcer.announce(To::One(ParticipantId(7)), &sound, &listeners);
        announcer.turn(&shared);
        (0..2).for_each(|half| announcer.speak(half));
        announcer.announce(To::AllBut(HEARER), &sound, &listeners);
        announcer.turn(&shared);
        let hearers: Vec<usize> = announcer.voices_mut().map(|(_, hearers)| hearers.count()).collect();
        assert_eq!(hearers, [1, 18]);
        assert!(announcer.voice_of(HEARER).is_none());
    }
}
