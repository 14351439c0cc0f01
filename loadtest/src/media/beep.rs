//! When each sender's beep begins in received sound: what makes mouth-to-ear latency measurable.
//!
//! Flow: `bot/receive` pushes decoded sound -> **here** -> beeps by sender, in samples of the received stream. A beep is 50 ms of a
//! frequency of its own ([`beep_hz`]); the filter is a window of just that length, in steps of 1 ms, and the beep began
//! 50 ms before its response is largest (a matched filter). Other senders' beeps are 60 Hz away, at a zero of the window's spectrum.

use super::barcode::SenderId;
use super::sound::{BEEP_SAMPLES, beep_hz};
use mcu_core::media::samples::SAMPLE_RATE_HZ;
use std::f64::consts::TAU;
use std::sync::LazyLock;

/// Samples of one step: 1 ms.
const STEP_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 1_000;
/// Steps of the window.
const STEPS: usize = BEEP_SAMPLES as usize / STEP_SAMPLES;
/// Quieter than this is no beep: -28 dB of full scale, 8 dB under what senders send. What limiter and codec make of tones is quieter.
const AMPLITUDE_MIN: f32 = 0.04;
/// The response has fallen when it is under this part of its peak.
const FALLEN: f32 = 0.7;
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
    oldest: usize,
    phase: Phase,
}

/// Where in a beep's response the filter is.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Quiet,
    /// The largest so far, and the position after its last sample.
    Rising(f32, i64),
    /// Told; until it is quiet again.
    Falling,
}

impl BeepMeter {
    /// Listens for `senders`. Two that share a frequency (ids 24 apart) are not told apart.
    pub fn new(senders: &[SenderId]) -> Self {
        let filter = |sender: &SenderId| Filter {
            sender: *sender,
            hz: beep_hz(*sender) as usize,
            window: [(0.0, 0.0); STEPS],
            oldest: 0,
            phase: Phase::Quiet,
        };
        Self {
            filters: senders.iter().map(filter).collect(),
            next: None,
            step: Vec::with_capacity(STEP_SAMPLES),
        }
    }

    /// Takes the sound from sample `begin` on, any number of samples, and tells `heard` of every beep that has ended in it.
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
        self.phase = Phase::Quiet;
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
        self.oldest = (self.oldest + 1) % STEPS;
        let sum = self.window.iter().fold((0.0, 0.0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
        let amplitude = 2.0 * f32::hypot(sum.0, sum.1) / BEEP_SAMPLES as f32;
        self.judge(amplitude, end)
    }

    fn judge(&mut self, amplitude: f32, end: i64) -> Option<Beep> {
        match self.phase {
            _ if amplitude < AMPLITUDE_MIN => self.phase = Phase::Quiet,
            Phase::Quiet => self.phase = Phase::Rising(amplitude, end),
            Phase::Rising(peak, _) if amplitude > peak => self.phase = Phase::Rising(amplitude, end),
            Phase::Rising(peak, at) if amplitude < FALLEN * peak => {
                self.phase = Phase::Falling;
                return Some(Beep { sender: self.sender, begin: at - BEEP_SAMPLES as i64 });
            }
            Phase::Rising(..) | Phase::Falling => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sound::{TONES, Voice, sample};

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
}
