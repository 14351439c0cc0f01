//! When each sender's beep begins in received sound: what makes mouth-to-ear latency measurable.
//!
//! Flow: `bot/receive` pushes decoded sound -> **here** -> beeps by sender, in samples of the received stream. A beep is 50 ms of a
//! frequency of its own ([`beep_hz`]); the filter is a window of just that length, in steps of 1 ms, and the beep began
//! 50 ms before its response is largest (a matched filter). Other senders' beeps are 60 Hz away, at a zero of the window's spectrum.
//! What codecs make of tones comes near a beep's frequency, but swells with the syllables: a beep is gone one window before and after.

use super::barcode::SenderId;
use super::sound::{BEEP_SAMPLES, beep_hz};
use mcu_core::media::samples::SAMPLE_RATE_HZ;
use std::f64::consts::TAU;
use std::sync::LazyLock;

/// Samples of one step: 1 ms.
const STEP_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 1_000;
/// Steps of the window.
const STEPS: usize = BEEP_SAMPLES as usize / STEP_SAMPLES;
/// Quieter than this is no beep: -26 dB of full scale, 6 dB under what senders send. What limiter and codec make of tones is quieter.
const AMPLITUDE_MIN: f32 = 0.05;
/// One window before its peak and one after, a beep's response is under this part of it.
const FLANK: f32 = 0.25;
/// Samples of a second, and steps of the table.
const SECOND: usize = SAMPLE_RATE_HZ as usize;

/// One period of a cosine, a step for each sample of a second: frequencies are whole hertz.
static COSINE: LazyLock<Box<[f32]>> =
    LazyLock::new(|| (0..SECOND).map(|n| (TAU * n as f64 / SECOND as f64).cos() as f32).collect());

/// The beginning of a beep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beep {
    /// Whose.
    pub sender: SenderId,
    /// The sample of the received stream at which it began: within 2 ms, or 5 where a neighbour in frequency beeps meanwhile.
    pub begin: i64,
}

/// Listens for the beeps of some senders.
#[derive(Debug, Clone)]
pub struct BeepMeter {
    filters: Vec<Filter>,
    /// Position of the next sample; `None` before the first.
    next: Option<i64>,
    step: Vec<f32>,
}

#[derive(Debug, Clone)]
struct Filter {
    sender: SenderId,
    hz: usize,
    /// The window's steps, each the sum of its samples turned back by the beep's phase.
    window: [(f32, f32); STEPS],
    /// The window's response after each of its steps.
    responses: [f32; STEPS],
    oldest: usize,
    candidate: Option<Candidate>,
}

/// The largest response for now.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    peak: f32,
    /// The response one window before.
    before: f32,
    /// The sample after the window's last.
    end: i64,
}

impl BeepMeter {
    /// Listens for `senders`. Two that share a frequency (ids 24 apart) are not told apart.
    pub fn new(senders: &[SenderId]) -> Self {
        let filter = |sender: &SenderId| Filter {
            sender: *sender,
            hz: beep_hz(*sender) as usize,
            window: [(0.0, 0.0); STEPS],
            responses: [0.0; STEPS],
            oldest: 0,
            candidate: None,
        };
        Self {
            filters: senders.iter().map(filter).collect(),
            next: None,
            step: Vec::with_capacity(STEP_SAMPLES),
        }
    }

    /// Takes the sound from sample `begin` on, any number of samples, and tells `heard` of every beep that has ended 50 ms ago in it.
    /// A jump of `begin` begins anew.
    pub fn push(&mut self, begin: i64, mut samples: &[f32], mut heard: impl FnMut(Beep)) {
        if self.next.is_some_and(|next| next != begin) {
            self.step.clear();
            self.filters.iter_mut().for_each(Filter::forget);
        }
        let mut at = begin;
        while !samples.is_empty() {
            let take = samples.len().min(STEP_SAMPLES - self.step.len());
            self.step.extend_from_slice(&samples[..take]);
            samples = &samples[take..];
            at += take as i64;
            if self.step.len() == STEP_SAMPLES {
                for filter in &mut self.filters {
                    filter.step(at, &self.step).into_iter().for_each(&mut heard);
                }
                self.step.clear();
            }
        }
        self.next = Some(at);
    }
}

impl Filter {
    fn forget(&mut self) {
        self.window.fill((0.0, 0.0));
        self.responses.fill(0.0);
        self.candidate = None;
    }

    /// Takes one step, which ends before sample `end`.
    fn step(&mut self, end: i64, samples: &[f32]) -> Option<Beep> {
        let first = (end - STEP_SAMPLES as i64).rem_euclid(SECOND as i64) as usize;
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let turn = (first + n) * self.hz % SECOND;
            real += sample * COSINE[turn];
            // A quarter back: the sine.
            imaginary += sample * COSINE[(turn + SECOND / 4 * 3) % SECOND];
        }
        self.window[self.oldest] = (real, imaginary);
        let sum = self.window.iter().fold((0.0, 0.0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
        let response = 2.0 * f32::hypot(sum.0, sum.1) / BEEP_SAMPLES as f32;
        let before = std::mem::replace(&mut self.responses[self.oldest], response);
        self.oldest = (self.oldest + 1) % STEPS;
        self.judge(response, before, end)
    }

    /// Takes the response at `end` and the one of a window before.
    fn judge(&mut self, response: f32, before: f32, end: i64) -> Option<Beep> {
        let candidate = *self.candidate.get_or_insert(Candidate { peak: 0.0, before, end });
        if response > candidate.peak {
            self.candidate = Some(Candidate { peak: response, before, end });
            return None;
        }
        if end - candidate.end < BEEP_SAMPLES as i64 {
            return None;
        }
        let Candidate { peak, before, end } = self.candidate.take()?;
        let is_beep = peak >= AMPLITUDE_MIN && before < FLANK * peak && response < FLANK * peak;
        is_beep.then(|| Beep { sender: self.sender, begin: end - BEEP_SAMPLES as i64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sound::{TONES, Voice, sample};
    use codecs::opus::OpusSettings;
    use codecs::registry::{CodecFactory, NativeCodecs};
    use codecs::sound::{FRAME_BYTES_MAX, FRAME_SAMPLES};
    use mcu_core::media::codec::AudioCodec;
    use mixer::audio::gain::AutoGain;
    use mixer::audio::limiter::Limiter;

    fn all() -> Vec<SenderId> {
        (0..TONES).map(SenderId).collect()
    }

    /// What is heard of voices that began at some sample of the stream each, from sample `origin` on.
    fn beeps(voices: &[(u16, i64)], origin: i64, seconds: usize) -> Vec<Beep> {
        let sound: Vec<f32> = (0..(seconds * SECOND) as i64)
            .map(|n| {
                let heard = voices.iter().filter(|(_, began)| n >= *began);
                heard.map(|(id, began)| sample(SenderId(*id), Voice::Speech, (n - began) as u64)).sum()
            })
            .collect();
        let (mut meter, mut told) = (BeepMeter::new(&all()), Vec::new());
        let mut at = origin;
        for piece in sound.chunks(441) {
            meter.push(at, piece, |beep| told.push(beep));
            at += piece.len() as i64;
        }
        told
    }

    #[test]
    fn every_second_one_beep_of_each_voice_to_a_few_milliseconds() {
        // Beeps that lie apart, that overlap, and of neighbours in frequency at the same moment.
        for (voices, off_max) in
            [(&[(3, 0)][..], 96), (&[(3, 100), (4, 1_300), (9, 20_000)], 240), (&[(7, 500), (8, 500)], 240)]
        {
            let told = beeps(voices, 5_000_000_000, 4);
            for (id, began) in voices {
                let own: Vec<i64> =
                    told.iter().filter(|beep| beep.sender.0 == *id).map(|beep| beep.begin).collect();
                let expected: Vec<i64> = (0..4).map(|n| 5_000_000_000 + began + n * SECOND as i64).collect();
                assert_eq!(own.len(), 4, "{id} of {voices:?}: {own:?}");
                assert!(
                    own.iter().zip(&expected).all(|(own, it)| own.abs_diff(*it) <= off_max),
                    "{own:?} {expected:?}"
                );
            }
            assert_eq!(told.len(), 4 * voices.len(), "nobody else: {told:?}");
        }
    }

    #[test]
    fn a_voice_without_beeps_and_a_faint_one_say_nothing() {
        let meter = |scale: f32, from: usize, to: usize| {
            let (mut meter, mut told) = (BeepMeter::new(&all()), 0);
            let sound: Vec<f32> =
                (from..to).map(|n| scale * sample(SenderId(3), Voice::Speech, n as u64)).collect();
            meter.push(0, &sound, |_| told += 1);
            told
        };
        let beep = BEEP_SAMPLES as usize;
        assert_eq!(meter(1.0, beep, SECOND), 0, "what is said between beeps");
        assert_eq!((meter(0.1, 0, SECOND), meter(0.8, 0, SECOND)), (0, 1), "20 dB down, and the control");
    }

    #[test]
    fn a_hole_in_the_sound_begins_anew() {
        let sound: Vec<f32> = (0..SECOND / 2).map(|n| sample(SenderId(3), Voice::Speech, n as u64)).collect();
        let (mut meter, mut told) = (BeepMeter::new(&all()), Vec::new());
        // The beep's first half, and what comes a second later: half a beep does not lie where a whole one would.
        meter.push(0, &sound[..1_200], |beep| told.push(beep));
        meter.push(48_000, &sound, |beep| told.push(beep));
        assert_eq!(told.len(), 1);
        assert!(told[0].begin.abs_diff(48_000) <= 96, "{told:?}");
    }

    /// What comes out of a codec that was given `pcm`.
    fn through_codec(settings: &OpusSettings, seconds: usize, pcm: impl Fn(usize) -> f32) -> Vec<f32> {
        let mut encoder = NativeCodecs.sound_encoder(AudioCodec::Opus, settings).expect("an encoder");
        let mut decoder = NativeCodecs.sound_decoder(AudioCodec::Opus).expect("a decoder");
        let mut heard = Vec::with_capacity(seconds * SECOND);
        let mut packet = [0; FRAME_BYTES_MAX];
        for frame in 0..seconds * SECOND / FRAME_SAMPLES {
            let pcm: [f32; FRAME_SAMPLES] = std::array::from_fn(|n| pcm(frame * FRAME_SAMPLES + n));
            let len = encoder.encode(&pcm, &mut packet).expect("encodes");
            let mut out = [0.0; FRAME_SAMPLES];
            decoder.decode(&packet[..len], &mut out).expect("decodes");
            heard.extend(out);
        }
        heard
    }

    /// A voice as it goes into the mix: through its sender's codec and the node's gain.
    fn spoken(id: u16, seconds: usize) -> Vec<f32> {
        let settings = OpusSettings { independent: true, ..OpusSettings::default() };
        let mut heard = through_codec(&settings, seconds, |n| sample(SenderId(id), Voice::Speech, n as u64));
        let mut gain = AutoGain::new();
        for block in heard.as_chunks_mut().0 {
            gain.process(block);
        }
        heard
    }

    /// Who was heard when in `seconds` of a mix of voices that began at some sample each.
    fn heard_in_a_mix(voices: &[(u16, usize)], seconds: usize) -> Vec<Beep> {
        let spoken: Vec<Vec<f32>> = voices.iter().map(|(id, _)| spoken(*id, seconds)).collect();
        let at = |n: usize| {
            let heard = spoken.iter().zip(voices).filter(|(_, (_, began))| n >= *began);
            heard.map(|(voice, (_, began))| voice[n - began]).sum()
        };
        let mut mix: Vec<f32> = (0..seconds * SECOND).map(at).collect();
        let mut limiter = Limiter::new();
        for block in mix.as_chunks_mut().0 {
            limiter.process(block);
        }
        let (mut meter, mut told) = (BeepMeter::new(&all()), Vec::new());
        let heard = through_codec(&OpusSettings::default(), seconds, |n| mix[n]);
        meter.push(0, &heard, |beep| told.push(beep));
        told
    }

    #[test]
    fn through_two_codecs_gain_and_limiter_beeps_are_heard_and_few_that_are_none() {
        const SECONDS: usize = 9;
        // Both codecs and the limiter look ahead: 6.5, 6.5 and 5 ms.
        const LATE: i64 = 864;
        let (mut said, mut heard, mut misheard) = (0, 0, 0);
        let rooms: [[(u16, usize); 4]; 3] = [
            [(0, 900), (6, 12_400), (12, 24_100), (18, 36_700)],
            [(8, 25_643), (10, 19_948), (23, 37_454), (5, 21_476)],
            [(21, 13_846), (0, 33_868), (14, 36_158), (13, 44_529)],
        ];
        for voices in rooms {
            said += voices.len() * (SECONDS - 1);
            for beep in heard_in_a_mix(&voices, SECONDS) {
                let began =
                    voices.iter().find(|(id, _)| *id == beep.sender.0).map(|(_, began)| *began as i64);
                // Within 10 ms of when it had to be.
                let is_right = began.is_some_and(|began| {
                    (beep.begin - began - LATE + SECOND as i64 / 2)
                        .rem_euclid(SECOND as i64)
                        .abs_diff(SECOND as i64 / 2)
                        < 480
                });
                if is_right { heard += 1 } else { misheard += 1 }
            }
        }
        assert!(heard >= said, "{heard}, and at least {said} were said");
        assert!(misheard * 50 <= said, "{misheard} beside {said}");
    }
}
