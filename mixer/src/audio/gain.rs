//! Automatic gain: brings each voice slowly to one loudness, so that nobody has to be asked to speak up.
//!
//! Flow: decode -> **here** -> level, one per microphone (never shared sound: the plan's business). Thread: audio
//! pool. Only what is clearly speech moves the gain; noise and pauses leave it where it is, so it never breathes.
//! Why this and not a library: `docs/decisions/0010-gain.md`.

use crate::audio::level;
use crate::audio::mix::{self, Ramp};
use mcu_core::media::samples::Block;

/// Where speech is brought to, in dBov RMS while speaking (EBU R 128's -23 LUFS, a little louder for speech).
pub const TARGET_DBOV: f32 = -21.0;
/// The most that a voice is raised.
pub const GAIN_DB_MAX: f32 = 12.0;
/// The most that a voice is lowered.
pub const GAIN_DB_MIN: f32 = -12.0;

/// A block quieter than this is never speech, however quiet the room.
const SPEECH_DBOV_MIN: f32 = -52.0;
/// Speech stands this far above the noise of its room.
const SPEECH_OVER_NOISE_DB: f32 = 10.0;
/// How fast the noise estimate follows a louder room: 3 dB/s. It falls at once.
const NOISE_RISE_DB_PER_BLOCK: f32 = 0.03;
/// The first noise estimate: speech is believed from the first word on.
const NOISE_START_DBOV: f32 = -70.0;
/// The noise estimate never exceeds this: a voice that never pauses is no noise.
const NOISE_DBOV_MAX: f32 = -45.0;
/// Share of the way that the speech estimate goes per block of speech: 63 % after 1 s of speaking.
const SPEECH_SHARE_PER_BLOCK: f32 = 0.01;
/// Raising is slow: 2 dB per second of speech.
const RISE_DB_PER_BLOCK: f32 = 0.02;
/// Lowering is faster: 10 dB per second.
const FALL_DB_PER_BLOCK: f32 = 0.1;
/// A peak raised above this brings the gain down at [`SHOUT_DB_PER_BLOCK`]; until it is down, the limiter holds.
const PEAK_MAX: f32 = 0.9;
/// Lowering for a shout: 50 dB per second, so that one voice does not press everybody else down for long.
const SHOUT_DB_PER_BLOCK: f32 = 0.5;

/// The automatic gain of one voice.
#[derive(Debug, Clone, Copy)]
pub struct AutoGain {
    noise_dbov: f32,
    speech_dbov: Option<f32>,
    gain_db: f32,
    /// Linear gain at the end of the block before.
    applied: f32,
}

impl Default for AutoGain {
    fn default() -> Self {
        Self::new()
    }
}

impl AutoGain {
    /// A voice not heard yet; its gain is 0 dB.
    pub const fn new() -> Self {
        Self { noise_dbov: NOISE_START_DBOV, speech_dbov: None, gain_db: 0.0, applied: 1.0 }
    }

    /// Applies the gain to the next 10 ms of this voice, without a step at either end.
    pub fn process(&mut self, block: &mut Block) {
        self.learn(level::level_dbov(block));
        if self.gain_db > 0.0 && level::peak(block) * self.applied > PEAK_MAX {
            self.gain_db = (self.gain_db - SHOUT_DB_PER_BLOCK).max(0.0);
        }
        let to = 10.0_f32.powf(self.gain_db / 20.0);
        mix::apply(block, Ramp { from: self.applied, to });
        self.applied = to;
    }

    /// The gain that this voice has reached, in dB.
    pub fn gain_db(&self) -> f32 {
        self.gain_db
    }

    fn learn(&mut self, level_dbov: f32) {
        let speech = level_dbov > SPEECH_DBOV_MIN && level_dbov > self.noise_dbov + SPEECH_OVER_NOISE_DB;
        self.noise_dbov = level_dbov
            .min(self.noise_dbov + NOISE_RISE_DB_PER_BLOCK)
            .clamp(level::SILENCE_DBOV, NOISE_DBOV_MAX);
        if !speech {
            return;
        }
        let known = self.speech_dbov.unwrap_or(level_dbov);
        let estimate = known + SPEECH_SHARE_PER_BLOCK * (level_dbov - known);
        self.speech_dbov = Some(estimate);
        let wanted_db = (TARGET_DBOV - estimate).clamp(GAIN_DB_MIN, GAIN_DB_MAX);
        self.gain_db += (wanted_db - self.gain_db).clamp(-FALL_DB_PER_BLOCK, RISE_DB_PER_BLOCK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::mix::tests::tone;
    use mcu_core::media::samples::SILENCE;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    const BLOCKS_PER_SECOND: usize = 100;

    /// Speech as gain sees it: 400 ms of a voice at `dbov`, 200 ms of pause, for `seconds`.
    fn speak(gain: &mut AutoGain, dbov: f32, seconds: usize) -> f32 {
        let amplitude = f64::from(10.0_f32.powf(dbov / 20.0)) * std::f64::consts::SQRT_2;
        let mut heard = -127.0;
        for index in 0..seconds * BLOCKS_PER_SECOND {
            let voiced = index % 60 < 40;
            let mut block = if voiced { tone(200.0, amplitude, index) } else { SILENCE };
            gain.process(&mut block);
            if voiced {
                heard = level::level_dbov(&block);
            }
        }
        heard
    }

    #[test]
    fn voices_meet_at_one_loudness() {
        for (dbov, expected) in
            [(-30.0, -21.0), (-21.0, -21.0), (-12.0, -21.0), (-40.0, -28.0), (-5.0, -17.0)]
        {
            let heard = speak(&mut AutoGain::new(), dbov, 20);
            assert!((heard - expected).abs() < 0.7, "a voice at {dbov} comes out at {heard}");
        }
    }

    #[test]
    fn noise_and_pauses_move_nothing() {
        let mut random = StdRng::seed_from_u64(7);
        let mut gain = AutoGain::new();
        speak(&mut gain, -27.0, 10);
        let before = gain.gain_db();
        assert!(before > 4.0, "the control: speech moved it to {before}");
        for _ in 0..30 * BLOCKS_PER_SECOND {
            // A fan, at -54 dBov.
            let mut block: Block = std::array::from_fn(|_| random.random_range(-0.0035..0.0035));
            gain.process(&mut block);
        }
        assert!((gain.gain_db() - before).abs() < f32::EPSILON, "noise moved it to {}", gain.gain_db());
    }

    #[test]
    fn a_shout_after_a_whisper_is_down_within_half_a_second_and_without_a_step() {
        let mut gain = AutoGain::new();
        speak(&mut gain, -40.0, 20);
        assert!(gain.gain_db() > 11.0);
        let mut last: Option<f32> = None;
        for index in 0..50 {
            let shout = [0.8_f32; 480];
            let mut block = shout;
            gain.process(&mut block);
            for sample in block {
                assert!(last.is_none_or(|last| (sample - last).abs() < 0.002), "a step in block {index}");
                last = Some(sample);
            }
        }
        assert!(gain.gain_db() < 2.0, "still {} dB", gain.gain_db());
    }
}
