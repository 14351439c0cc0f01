//! How loud given tones are in received sound, by Goertzel's filter.
//!
//! Flow: `bot/receive` pushes decoded sound -> **here** -> `bot/report`. Windows of 200 ms with a Hann shape: tones
//! 30 Hz apart are told apart by more than 40 dB. Bound: `WINDOWS_MAX` levels per tone, then the oldest go.

use mcu_core::media::samples::SAMPLE_RATE_HZ;
use std::collections::VecDeque;
use std::f64::consts::TAU;

/// Samples of one window.
pub const WINDOW_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 5;
/// Windows remembered: ten minutes.
const WINDOWS_MAX: usize = 3_000;
/// What silence reads: nothing is quieter.
pub const LEVEL_DB_MIN: f32 = -120.0;

/// Measures a set of tones.
#[derive(Debug, Clone)]
pub struct ToneMeter {
    tones: Vec<Filter>,
    shape: Box<[f32]>,
    shape_sum: f64,
    window: Vec<f32>,
}

#[derive(Debug, Clone)]
struct Filter {
    hz: u32,
    coefficient: f64,
    levels_db: VecDeque<f32>,
}

/// One tone's levels, in dB of full scale: a full-scale sine is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToneLevel {
    /// Its frequency.
    pub hz: u32,
    /// Median over the windows.
    pub median_db: f32,
    /// Loudest window.
    pub peak_db: f32,
    /// How many windows.
    pub windows: usize,
}

impl ToneMeter {
    /// A meter of tones at whole frequencies.
    pub fn new(hz: impl IntoIterator<Item = u32>) -> Self {
        let shape: Box<[f32]> = (0..WINDOW_SAMPLES)
            .map(|n| (0.5 - 0.5 * (TAU * n as f64 / WINDOW_SAMPLES as f64).cos()) as f32)
            .collect();
        let tones = hz
            .into_iter()
            .map(|hz| Filter {
                hz,
                coefficient: 2.0 * (TAU * f64::from(hz) / f64::from(SAMPLE_RATE_HZ)).cos(),
                levels_db: VecDeque::new(),
            })
            .collect();
        let shape_sum = shape.iter().map(|w| f64::from(*w)).sum();
        Self { tones, shape, shape_sum, window: Vec::with_capacity(WINDOW_SAMPLES) }
    }

    /// Takes 48 kHz mono sound, any number of samples.
    pub fn push(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let take = samples.len().min(WINDOW_SAMPLES - self.window.len());
            self.window.extend_from_slice(&samples[..take]);
            samples = &samples[take..];
            if self.window.len() == WINDOW_SAMPLES {
                self.measure();
                self.window.clear();
            }
        }
    }

    fn measure(&mut self) {
        for (sample, weight) in self.window.iter_mut().zip(&self.shape) {
            *sample *= weight;
        }
        for tone in &mut self.tones {
            let amplitude = 2.0 * magnitude(&self.window, tone.coefficient) / self.shape_sum;
            let level = (20.0 * amplitude.log10()) as f32;
            if tone.levels_db.len() == WINDOWS_MAX {
                tone.levels_db.pop_front();
            }
            tone.levels_db.push_back(level.max(LEVEL_DB_MIN));
        }
    }

    /// Forgets every level.
    pub fn forget(&mut self) {
        self.window.clear();
        self.tones.iter_mut().for_each(|tone| tone.levels_db.clear());
    }

    /// The level of every tone, in the order given to [`Self::new`]; silence before the first window is full.
    pub fn levels(&self) -> Vec<ToneLevel> {
        self.tones.iter().map(Filter::level).collect()
    }
}

impl Filter {
    fn level(&self) -> ToneLevel {
        let mut sorted: Vec<f32> = self.levels_db.iter().copied().collect();
        sorted.sort_unstable_by(f32::total_cmp);
        ToneLevel {
            hz: self.hz,
            median_db: sorted.get(sorted.len() / 2).copied().unwrap_or(LEVEL_DB_MIN),
            peak_db: sorted.last().copied().unwrap_or(LEVEL_DB_MIN),
            windows: sorted.len(),
        }
    }
}

/// Goertzel: the magnitude of one frequency's Fourier coefficient.
fn magnitude(samples: &[f32], coefficient: f64) -> f64 {
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        let next = f64::from(*sample) + coefficient * last - before;
        before = last;
        last = next;
    }
    (last * last + before * before - coefficient * last * before).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::barcode::SenderId;
    use crate::media::sound::{TONES, Voice, sample, tone_hz};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    fn meter_of_all() -> ToneMeter {
        ToneMeter::new((0..TONES).map(|id| tone_hz(SenderId(id))))
    }

    fn mix(senders: &[u16], voice: Voice, seconds: u64, noise: f32) -> Vec<ToneLevel> {
        let mut dice = StdRng::seed_from_u64(7);
        let mut meter = meter_of_all();
        let sound: Vec<f32> = (0..seconds * u64::from(SAMPLE_RATE_HZ))
            .map(|n| {
                let voices: f32 = senders.iter().map(|id| sample(SenderId(*id), voice, n)).sum();
                voices + noise * dice.random_range(-1.0..1.0)
            })
            .collect();
        // Odd pieces, as packets of any length would come.
        sound.chunks(441).for_each(|piece| meter.push(piece));
        meter.levels()
    }

    #[test]
    fn a_full_scale_sine_is_0_db_and_half_of_it_6_less() {
        for (scale, expected) in [(1.0, 0.0), (0.5, -6.02)] {
            let mut meter = ToneMeter::new([1_000]);
            let sound: Vec<f32> = (0..WINDOW_SAMPLES)
                .map(|n| (scale * (TAU * 1_000.0 * n as f64 / 48_000.0).sin()) as f32)
                .collect();
            meter.push(&sound);
            assert!((meter.levels()[0].median_db - expected).abs() < 0.05, "{:?}", meter.levels());
        }
    }

    #[test]
    fn every_sender_present_is_heard_and_every_absent_one_is_40_db_down() {
        for voice in [Voice::Steady, Voice::Speech] {
            let present = [0, 1, 9, 23];
            let levels = mix(&present, voice, 12, 0.0);
            let quietest =
                present.map(|id| levels[usize::from(id)].median_db).into_iter().fold(0.0, f32::min);
            assert!(quietest > -27.0, "{voice:?}: {quietest}");
            for (id, level) in levels.iter().enumerate().filter(|(id, _)| !present.contains(&(*id as u16))) {
                assert!(
                    level.peak_db < quietest - 40.0,
                    "{voice:?}: absent {id} at {level:?}, heard {quietest}"
                );
            }
        }
    }

    #[test]
    fn noise_of_the_tones_own_power_does_not_make_absent_ones_heard() {
        let levels = mix(&[5], Voice::Speech, 12, 0.12);
        let heard = levels[5].median_db;
        for (id, level) in levels.iter().enumerate().filter(|(id, _)| *id != 5) {
            assert!(level.peak_db < heard - 20.0, "{id}: {level:?} against {heard}");
        }
    }

    #[test]
    fn silence_reads_as_the_floor_and_forgetting_starts_anew() {
        let mut meter = meter_of_all();
        assert_eq!((meter.levels()[0].windows, meter.levels()[0].peak_db), (0, LEVEL_DB_MIN));
        meter.push(&vec![0.0; WINDOW_SAMPLES]);
        assert_eq!((meter.levels()[0].windows, meter.levels()[0].peak_db), (1, LEVEL_DB_MIN));
        meter.forget();
        assert_eq!(meter.levels()[0].windows, 0);
    }
}
