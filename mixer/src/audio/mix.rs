//! The sum of the audible, what each listener hears of it, and the fades of who comes and goes.
//!
//! Flow: level and ranking -> **here** -> limiter. Thread: audio pool. Free functions over whole blocks, which the
//! compiler vectorises; nothing here knows who anybody is.
//!
//! Order of one tick: each audible stream's block gets its [`Fade`] *in place*, then is [`add`]ed to the sum. What
//! was added is exactly what [`minus`] takes away for that stream's own listener, so oneself cancels to the
//! rounding of one `f32` addition (below -120 dBov), also in the middle of a fade.

use mcu_core::media::samples::{BLOCK_SAMPLES, Block};

/// Adds `block` to `sum`.
pub fn add(sum: &mut Block, block: &Block) {
    for (total, sample) in sum.iter_mut().zip(block) {
        *total += sample;
    }
}

/// Writes `sum` without `own` to `out`: the mix of a listener who is itself part of the sum.
pub fn minus(out: &mut Block, sum: &Block, own: &Block) {
    for ((mixed, total), sample) in out.iter_mut().zip(sum).zip(own) {
        *mixed = total - sample;
    }
}

/// Multiplies `block` by a gain that goes evenly to `ramp.to` over its 10 ms.
pub fn apply(block: &mut Block, ramp: Ramp) {
    let step = (ramp.to - ramp.from) / BLOCK_SAMPLES as f32;
    for (at, sample) in (1_u16..).zip(block.iter_mut()) {
        *sample *= ramp.from + step * f32::from(at);
    }
}

/// Puts silence where a block holds no finite number. One bad value would otherwise stay in every mix that it
/// entered: NaN minus NaN is NaN.
pub fn sanitise(block: &mut Block) {
    for sample in block {
        *sample = if sample.is_finite() { *sample } else { 0.0 };
    }
}

/// A gain over one block: it was `from` at the end of the block before, and is `to` at the end of this one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    /// Gain before the first sample.
    pub from: f32,
    /// Gain of the last sample.
    pub to: f32,
}

impl Ramp {
    /// A gain that changes nothing.
    pub const UNITY: Self = Self { from: 1.0, to: 1.0 };
}

/// Fades one stream in and out of the audible, over 10 ms each way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fade {
    open: bool,
}

impl Fade {
    /// A stream that is not heard.
    pub const fn new() -> Self {
        Self { open: false }
    }

    /// The ramp of the next block, given whether the stream is among the audible now. `None`: it is not part of
    /// the sum, and need not even be decoded.
    pub fn next_ramp(&mut self, audible: bool) -> Option<Ramp> {
        let was_open = std::mem::replace(&mut self.open, audible);
        match (was_open, audible) {
            (false, false) => None,
            (false, true) => Some(Ramp { from: 0.0, to: 1.0 }),
            (true, true) => Some(Ramp::UNITY),
            (true, false) => Some(Ramp { from: 1.0, to: 0.0 }),
        }
    }

    /// Applies the ramp of the next block to `block`; false when the stream is not part of the sum.
    pub fn fade(&mut self, audible: bool, block: &mut Block) -> bool {
        let Some(ramp) = self.next_ramp(audible) else { return false };
        if ramp != Ramp::UNITY {
            apply(block, ramp);
        }
        true
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::audio::level::{dbov, level_dbov, mean_square};
    use mcu_core::media::samples::{SAMPLE_RATE_HZ, SILENCE};
    use std::f64::consts::TAU;

    /// Block `index` of a sine.
    pub(crate) fn tone(hz: f64, amplitude: f64, index: usize) -> Block {
        std::array::from_fn(|i| {
            let at = (index * BLOCK_SAMPLES + i) as f64 / f64::from(SAMPLE_RATE_HZ);
            (amplitude * (TAU * hz * at).sin()) as f32
        })
    }

    /// Power of `hz` in `samples` (Goertzel's measure as one bin of a Fourier transform), in dBov.
    pub(crate) fn tone_dbov(samples: &[f32], hz: f64) -> f32 {
        let (mut re, mut im) = (0.0_f64, 0.0_f64);
        for (i, sample) in samples.iter().enumerate() {
            let angle = TAU * hz * i as f64 / f64::from(SAMPLE_RATE_HZ);
            re += f64::from(*sample) * angle.cos();
            im += f64::from(*sample) * angle.sin();
        }
        let amplitude = 2.0 * re.hypot(im) / samples.len() as f64;
        dbov((amplitude * amplitude / 2.0) as f32)
    }

    #[test]
    fn everybody_hears_the_others_and_not_themselves() {
        let tones = [400.0, 700.0, 1_100.0, 1_900.0];
        let mut heard = vec![Vec::new(); tones.len()];
        let mut fades = [Fade::new(); 4];
        for index in 0..20 {
            let mut sum = SILENCE;
            let mut blocks: Vec<Block> = tones.iter().map(|hz| tone(*hz, 0.24, index)).collect();
            for (block, fade) in blocks.iter_mut().zip(&mut fades) {
                assert!(fade.fade(true, block));
                add(&mut sum, block);
            }
            for (own, heard) in blocks.iter().zip(&mut heard) {
                let mut mixed = SILENCE;
                minus(&mut mixed, &sum, own);
                heard.extend_from_slice(&mixed);
            }
        }
        for (listener, heard) in heard.iter().enumerate() {
            for (speaker, hz) in tones.iter().enumerate() {
                // Without the fade-in, which spreads a tone over its neighbours.
                let level = tone_dbov(&heard[BLOCK_SAMPLES..BLOCK_SAMPLES * 11], *hz);
                if listener == speaker {
                    assert!(level < -90.0, "{listener} hears itself at {level} dBov");
                } else {
                    assert!((level + 15.4).abs() < 0.1, "{listener} hears {speaker} at {level} dBov");
                }
            }
        }
    }

    #[test]
    fn a_lone_speaker_hears_exact_silence_even_while_fading() {
        let mut fade = Fade::new();
        for audible in [true, true, false] {
            let mut own = tone(523.0, 0.9, 3);
            let mut sum = SILENCE;
            assert!(fade.fade(audible, &mut own));
            add(&mut sum, &own);
            assert!(level_dbov(&sum) > -12.0, "there is something to take away");
            let mut mixed = [1.0; BLOCK_SAMPLES];
            minus(&mut mixed, &sum, &own);
            assert!(mixed.iter().all(|sample| *sample == 0.0));
        }
    }

    #[test]
    fn coming_and_going_takes_ten_milliseconds_without_a_step() {
        let steady = [0.5_f32; BLOCK_SAMPLES];
        let mut fade = Fade::new();
        let mut heard = Vec::new();
        for audible in [false, true, true, false, false] {
            let mut block = steady;
            heard.extend(if fade.fade(audible, &mut block) { block } else { SILENCE });
        }
        let steps = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        assert!(steps.fold(0.0, f32::max) < 0.5 / 470.0, "a fade is a straight line");
        assert!(
            (heard[2 * BLOCK_SAMPLES - 1] - 0.5).abs() < 1e-6 && heard[4 * BLOCK_SAMPLES - 1].abs() < 1e-6
        );
        assert!(mean_square(&steady) > 0.2, "the control: unfaded, it starts with a step of 0.5");
        assert_eq!((Fade::new().next_ramp(false), heard.len()), (None, 5 * BLOCK_SAMPLES));
    }

    #[test]
    fn a_bad_number_does_not_outlive_its_block() {
        let mut block = tone(440.0, 0.5, 0);
        let clean = block;
        sanitise(&mut block);
        assert_eq!(block, clean);
        block[3] = f32::NAN;
        block[4] = f32::INFINITY;
        sanitise(&mut block);
        assert_eq!((block[3], block[4], block[5]), (0.0, 0.0, clean[5]));
    }
}
