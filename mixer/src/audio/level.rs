//! Levels: how loud a block is, and how loud a stream has been lately.
//!
//! Flow: gain -> **here** -> the ranking in `mcu-core`. Measured after decoding, because what a sender claims in
//! a header extension is not to be believed. State: one float per stream.

use mcu_core::media::samples::Block;

/// The level of digital silence, and the least that is ever reported: RFC 6464 §3 ends its scale here.
pub const SILENCE_DBOV: f32 = -127.0;

/// Share of the way that smoothed power goes towards a louder block: 63 % after 30 ms.
const ATTACK_PER_BLOCK: f32 = 0.283_468_7;
/// Share of the way towards a quieter block: 63 % after 300 ms, so that pauses between words do not cost a rank.
const RELEASE_PER_BLOCK: f32 = 0.032_783_9;

/// Mean square of a block, 0.0 (silence) to 1.0 (a square wave at the overload point). What is not a finite
/// number counts as silence.
pub fn mean_square(block: &Block) -> f32 {
    // Sixteen lanes, so that the order of summing is fixed and the compiler may keep it in vector registers.
    let mut lanes = [0.0_f32; 16];
    for chunk in block.as_chunks::<16>().0 {
        for (lane, sample) in lanes.iter_mut().zip(chunk) {
            *lane += sample * sample;
        }
    }
    let mean = lanes.iter().sum::<f32>() / block.len() as f32;
    if mean.is_finite() { mean } else { 0.0 }
}

/// Largest absolute value of a block; NaN counts as zero.
pub fn peak(block: &Block) -> f32 {
    let mut lanes = [0.0_f32; 16];
    for chunk in block.as_chunks::<16>().0 {
        for (lane, sample) in lanes.iter_mut().zip(chunk) {
            *lane = lane.max(sample.abs());
        }
    }
    lanes.into_iter().fold(0.0, f32::max)
}

/// A mean square in dBov (RFC 6464 §3: 0 is the overload point, a full-scale sine is -3), never below
/// [`SILENCE_DBOV`].
pub fn dbov(mean_square: f32) -> f32 {
    (10.0 * mean_square.log10()).clamp(SILENCE_DBOV, 0.0)
}

/// The level of a block in dBov.
pub fn level_dbov(block: &Block) -> f32 {
    dbov(mean_square(block))
}

/// Smoothed loudness of one stream: quick to rise, slow to fall. What streams are ranked by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loudness {
    power: f32,
}

impl Loudness {
    /// A stream that has been silent.
    pub const fn new() -> Self {
        Self { power: 0.0 }
    }

    /// Takes the next 10 ms, given as their [`mean_square`], and returns the loudness in dBov.
    pub fn update(&mut self, mean_square: f32) -> f32 {
        let share = if mean_square > self.power { ATTACK_PER_BLOCK } else { RELEASE_PER_BLOCK };
        self.power += share * (mean_square - self.power);
        self.dbov()
    }

    /// The loudness in dBov.
    pub fn dbov(&self) -> f32 {
        dbov(self.power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::mix::tests::tone;
    use mcu_core::media::samples::SILENCE;

    #[test]
    fn a_full_scale_sine_is_minus_three_and_silence_is_the_floor() {
        assert!((level_dbov(&tone(1_000.0, 1.0, 0)) + 3.01).abs() < 0.05);
        assert!((level_dbov(&tone(1_000.0, 0.1, 0)) + 23.01).abs() < 0.05);
        assert!(level_dbov(&[1.0; 480]).abs() < 0.01);
        assert!((level_dbov(&SILENCE) - SILENCE_DBOV).abs() < f32::EPSILON);
    }

    #[test]
    fn what_is_no_number_is_no_level() {
        let mut block = SILENCE;
        block[7] = f32::NAN;
        assert!((level_dbov(&block) - SILENCE_DBOV).abs() < f32::EPSILON);
        assert!(peak(&block).abs() < f32::EPSILON);
        block[8] = -0.5;
        assert!((peak(&block) - 0.5).abs() < f32::EPSILON);
    }

    #[test]
    fn loudness_rises_within_a_syllable_and_survives_a_pause() {
        let mut loudness = Loudness::new();
        let speech = mean_square(&tone(300.0, 0.2, 0));
        let spoken = (0..20).map(|_| loudness.update(speech)).last().expect("twenty blocks");
        assert!((spoken - dbov(speech)).abs() < 0.5, "after 200 ms of speech: {spoken}");
        let paused = (0..20).map(|_| loudness.update(0.0)).last().expect("twenty blocks");
        assert!(spoken - paused < 4.0, "a pause of 200 ms costs {} dB", spoken - paused);
        let gone = (0..300).map(|_| loudness.update(0.0)).last().expect("three seconds");
        assert!(spoken - gone > 35.0, "three seconds of silence only cost {} dB", spoken - gone);
    }
}
