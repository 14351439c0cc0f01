//! What the node says: who hears it, what the others sound like meanwhile, and what it costs.

use super::*;
use mcu_core::conference::To;

const THIRD: ParticipantId = ParticipantId(3);
/// Tones that are said; the speaker's is another.
const FIRST_HZ: f64 = 1_530.0;
const SECOND_HZ: f64 = 2_270.0;
/// Blocks of half a second.
const HALF: u64 = 50;

/// Half a second of a tone.
fn words(hz: f64) -> Arc<[f32]> {
    let sample = |n| (0.25 * (TAU * hz * f64::from(n) / 48_000.0).sin()) as f32;
    (0..24_000).map(sample).collect()
}

/// Level of `hz` in `pcm`, in dB.
fn tone_db(pcm: &[f64], hz: f64) -> f64 {
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, sample) in pcm.iter().enumerate() {
        let (sin, cos) = (TAU * hz * n as f64 / 48_000.0).sin_cos();
        (real, imaginary) = (real + sample * cos, imaginary + sample * sin);
    }
    let mean = (real * real + imaginary * imaginary) / (pcm.len() as f64).powi(2);
    10.0 * (2.0 * mean).max(1e-12).log10()
}

/// The middle of the half second that begins with `block`: what codecs and limiter delay is left out.
fn middle(pcm: &[f64], block: u64) -> &[f64] {
    &pcm[block as usize * 480 + 4_800..][..14_400]
}

impl Meeting {
    fn announce(&self, to: To, sound: &Arc<[f32]>) {
        let _ = self.inbox.sound.push(SoundCommand::Announce { to, sound: Arc::clone(sound) });
    }

    fn hush(&self, participant: ParticipantId) {
        let _ = self.inbox.sound.push(SoundCommand::Hush(participant));
    }

    /// Runs `blocks` in which nobody says anything.
    fn pass(&mut self, blocks: std::ops::Range<u64>) {
        blocks.for_each(|block| self.engine.run(Self::moment(self.origin + block).to_mono()));
    }

    /// What a listener hears in Opus in the half second that begins with `block`: the speaker, the first tone, the second.
    fn levels(&self, listener: ParticipantId, block: u64) -> [f64; 3] {
        let pcm = self.sound_of(listener, AudioCodec::Opus);
        [TONE_HZ, FIRST_HZ, SECOND_HZ].map(|hz| tone_db(middle(&pcm, block), hz))
    }

    fn encoded(&self) -> u64 {
        self.engine.totals.sound_encoded.get()
    }
}

#[test]
fn one_hears_what_is_said_over_the_others_and_nobody_else_does() {
    let mut meeting = Meeting::with(1_000, AudioCodec::Opus, listeners(&[AudioCodec::Opus; 3]));
    meeting.play(0..2 * HALF);
    meeting.announce(To::One(LISTENER), &words(FIRST_HZ));
    meeting.play(2 * HALF..5 * HALF);
    let [before, during, after] = [HALF, 2 * HALF, 4 * HALF].map(|at| meeting.levels(LISTENER, at));
    assert!(during[1] > -18.0 && before[1] < -50.0 && after[1] < -50.0, "{before:?} {during:?} {after:?}");
    let ducked = during[0] - meeting.levels(THIRD, 2 * HALF)[0];
    assert!((ducked + 12.0).abs() < 1.5, "the speaker is turned down by {ducked} dB");
    assert!((after[0] - meeting.levels(THIRD, 4 * HALF)[0]).abs() < 0.1, "and up again");
    let others = [SPEAKER, THIRD].map(|id| meeting.levels(id, 2 * HALF)[1]);
    assert!(others.iter().all(|level| *level < -50.0), "{others:?}");
    assert!(meeting.levels(SPEAKER, 2 * HALF)[0] < -50.0, "it does not hear itself");
    let bursts = meeting.heard.0.lock().expect("nobody panics");
    let last = bursts.last().expect("much was sent");
    assert!(last.personal.iter().all(|packet| packet.listener == SPEAKER), "back in the shared mix");
}

#[test]
fn who_speaks_hears_what_is_said_and_still_not_itself() {
    let mut meeting = Meeting::with(1_000, AudioCodec::Opus, listeners(&[AudioCodec::Opus; 3]));
    meeting.play(0..2 * HALF);
    meeting.announce(To::All, &words(FIRST_HZ));
    meeting.play(2 * HALF..4 * HALF);
    let levels = [SPEAKER, LISTENER, THIRD].map(|id| meeting.levels(id, 2 * HALF));
    assert!(levels.iter().all(|level| level[1] > -18.0), "{levels:?}");
    assert!(levels[0][0] < -50.0 && levels[1][0] > -40.0, "{levels:?}");
}

#[test]
fn an_announcement_to_all_costs_no_more_than_silence_did() {
    use AudioCodec::{G722, Opus, Pcma};
    let codecs = [Pcma, Opus, G722, Opus, Pcma, Opus];
    let mut meeting = Meeting::with(1_000, Opus, listeners(&codecs));
    meeting.pass(0..HALF);
    let silent = meeting.encoded();
    [FIRST_HZ, SECOND_HZ].iter().for_each(|hz| meeting.announce(To::All, &words(*hz)));
    meeting.pass(HALF..2 * HALF);
    assert_eq!((silent, meeting.encoded() - silent), (3 * 25, 3 * 25));
    meeting.pass(2 * HALF..4 * HALF);
    assert_eq!(meeting.encoded(), 4 * 3 * 25);
    for (n, codec) in (1..).zip(codecs) {
        let pcm = meeting.sound_of(ParticipantId(n), codec);
        assert_eq!(pcm.len(), 4 * 24_000, "{n} misses no packet");
        let heard = [FIRST_HZ, SECOND_HZ].map(|hz| [HALF, 2 * HALF].map(|at| tone_db(middle(&pcm, at), hz)));
        assert!(heard[0][0] > -20.0 && heard[1][1] > -20.0, "{codec:?}: {heard:?}");
        assert!(heard[0][1] < -40.0 && heard[1][0] < -40.0, "{codec:?}: {heard:?}");
    }
}

#[test]
fn two_in_a_row_leave_no_gap_through_which_the_others_are_loud() {
    let mut meeting = Meeting::with(1_000, AudioCodec::Opus, listeners(&[AudioCodec::Opus; 3]));
    meeting.play(0..HALF);
    [FIRST_HZ, SECOND_HZ].iter().for_each(|hz| meeting.announce(To::One(LISTENER), &words(*hz)));
    meeting.play(HALF..4 * HALF);
    let (first, second) = (meeting.levels(LISTENER, HALF), meeting.levels(LISTENER, 2 * HALF));
    assert!(first[1] > -18.0 && second[2] > -18.0, "{first:?} {second:?}");
    let [listener, third] = [LISTENER, THIRD].map(|id| meeting.sound_of(id, AudioCodec::Opus));
    let seam = |pcm: &[f64]| tone_db(&pcm[2 * HALF as usize * 480 - 960..][..3_840], TONE_HZ);
    let ducked = seam(&listener) - seam(&third);
    assert!((ducked + 12.0).abs() < 2.0, "{ducked} dB where one ends and the next begins");
}

#[test]
fn who_hushes_it_hears_neither_the_rest_nor_what_waits() {
    let mut meeting = Meeting::with(1_000, AudioCodec::Opus, listeners(&[AudioCodec::Opus; 3]));
    [FIRST_HZ, SECOND_HZ].iter().for_each(|hz| meeting.announce(To::All, &words(*hz)));
    meeting.pass(0..10);
    meeting.hush(LISTENER);
    meeting.pass(10..HALF);
    let rest = |meeting: &Meeting, id| {
        let pcm = meeting.sound_of(id, AudioCodec::Opus);
        rms_db(&pcm[14 * 480..HALF as usize * 480])
    };
    let (hushed, other) = (rest(&meeting, LISTENER), rest(&meeting, THIRD));
    assert!(hushed < -50.0 && other > -18.0, "{hushed} dB, and {other} dB for another");
    // What is said then is heard, at once.
    meeting.announce(To::One(LISTENER), &words(FIRST_HZ));
    meeting.pass(HALF..10 + HALF);
    meeting.hush(LISTENER);
    meeting.announce(To::One(LISTENER), &words(SECOND_HZ));
    meeting.pass(10 + HALF..4 * HALF);
    let levels = meeting.levels(LISTENER, 10 + HALF);
    assert!(levels[1] < -40.0 && levels[2] > -18.0, "{levels:?}");
}

#[test]
fn what_is_too_much_is_dropped_and_counted() {
    let mut meeting = Meeting::with(1_000, AudioCodec::Opus, listeners(&[AudioCodec::Opus; 2]));
    (0..6).for_each(|_| meeting.announce(To::All, &words(FIRST_HZ)));
    meeting.pass(0..5 * HALF);
    assert_eq!(meeting.engine.totals.announcements_dropped.get(), 2 * 2);
    let levels = [3, 4].map(|halves| meeting.levels(LISTENER, halves * HALF)[1]);
    assert!(levels[0] > -18.0 && levels[1] < -50.0, "four were heard: {levels:?}");
}

#[test]
fn who_is_alone_hears_it_even_if_it_was_said_just_before_its_place_was_planned() {
    let opus = Listener { participant: LISTENER, codec: AudioCodec::Opus };
    for late in [0, 4] {
        let mut meeting = Meeting::with(1_000, AudioCodec::Opus, Vec::new());
        meeting.announce(To::One(LISTENER), &words(FIRST_HZ));
        meeting.pass(0..late);
        meeting.plan(vec![opus]);
        meeting.pass(late..late + 2 * HALF);
        assert!(meeting.levels(LISTENER, 0)[1] > -18.0);
        // Whoever goes takes with it what was said to it.
        meeting.announce(To::One(LISTENER), &words(FIRST_HZ));
        meeting.pass(late + 2 * HALF..late + 2 * HALF + 10);
        meeting.plan(Vec::new());
        meeting.pass(late + 2 * HALF + 10..late + 3 * HALF);
        meeting.plan(vec![opus]);
        meeting.pass(late + 3 * HALF..late + 5 * HALF);
        let pcm = meeting.sound_of(LISTENER, AudioCodec::Opus);
        assert!(tone_db(&pcm[pcm.len() - 24_000..], FIRST_HZ) < -50.0);
    }
}
