//! Between the rate of a telephone codec and the mixer's 48 kHz, 10 ms at a time.
//!
//! Flow: decoder -> **here** -> mix, and mix -> **here** -> encoder. rubato does it by FFT: a windowed sinc as long as a
//! block, which passes what lies 600 Hz below half the lower rate (3.4 of 4 kHz; 7.4 of 8) as it is, and lets 70 dB less
//! through of what lies above that half. Everything comes out half a block, 5 ms, later. Allocates when it is made only.

use mcu_core::media::samples::{BLOCK_SAMPLES, SAMPLE_RATE_HZ};
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

/// The sharpest of the windows that keep what would come back mirrored under the noise of eight bits a sample.
const WINDOW: WindowFunction = WindowFunction::Blackman;

/// One way of one stream.
pub(super) struct Resampler {
    library: Fft<f32>,
    from_samples: usize,
    to_samples: usize,
}

impl Resampler {
    /// From a codec's `rate_hz`, a divisor of the mixer's, to the mixer's.
    pub(super) fn up(rate_hz: u32) -> Self {
        Self::new(rate_hz, SAMPLE_RATE_HZ)
    }

    /// From the mixer's rate to a codec's, which divides it.
    pub(super) fn down(rate_hz: u32) -> Self {
        Self::new(SAMPLE_RATE_HZ, rate_hz)
    }

    fn new(from_hz: u32, to_hz: u32) -> Self {
        let (from_hz, to_hz) = (from_hz as usize, to_hz as usize);
        let (from_samples, to_samples) = (from_hz / 100, to_hz / 100);
        let library = Fft::new_custom(from_hz, to_hz, from_samples, 1, 1, WINDOW, FixedSync::Both)
            .expect("rates and lengths are constants and not zero");
        debug_assert_eq!(from_samples.max(to_samples), BLOCK_SAMPLES, "one end is the mixer");
        debug_assert_eq!(
            (library.input_frames_next(), library.output_frames_next()),
            (from_samples, to_samples)
        );
        Self { library, from_samples, to_samples }
    }

    /// Turns a block into a block.
    pub(super) fn block(&mut self, from: &[f32], to: &mut [f32]) {
        const WHOLE: &str = "a block of the length that it was made for";
        let from = SequentialSlice::new(from, 1, self.from_samples).expect(WHOLE);
        let mut to = SequentialSlice::new_mut(to, 1, self.to_samples).expect(WHOLE);
        self.library.process_into_buffer(&from, &mut to, None).expect(WHOLE);
    }

    /// Forgets the half block that is still to come out.
    pub(super) fn reset(&mut self) {
        self.library.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tone_db;

    /// A second of a tone of amplitude 0.5 at `from_hz`, resampled; without the beginning.
    fn resampled(mut resampler: Resampler, from_hz: u32, hz: f64) -> Vec<f32> {
        let mut out = Vec::new();
        for block in 0..100 {
            let from: Vec<f32> = (0..resampler.from_samples)
                .map(|at| (block * resampler.from_samples + at) as f64 / f64::from(from_hz))
                .map(|seconds| (0.5 * (std::f64::consts::TAU * hz * seconds).sin()) as f32)
                .collect();
            let mut to = vec![0.0; resampler.to_samples];
            resampler.block(&from, &mut to);
            out.extend(to);
        }
        out.split_off(out.len() / 10)
    }

    fn rms_db(pcm: &[f32]) -> f64 {
        let power = pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / pcm.len() as f64;
        10.0 * power.max(1e-18).log10()
    }

    #[test]
    fn what_a_telephone_carries_keeps_its_level_both_ways() {
        // A tone of amplitude 0.5 has a power of 0.125.
        let whole_db = 10.0 * 0.125_f64.log10();
        for (rate_hz, highest_hz) in [(8_000, 3_400.0), (16_000, 7_000.0)] {
            for hz in [60.0, 300.0, 1_000.0, 3_000.0, highest_hz] {
                let up = rms_db(&resampled(Resampler::up(rate_hz), rate_hz, hz));
                let down = rms_db(&resampled(Resampler::down(rate_hz), SAMPLE_RATE_HZ, hz));
                assert!((up - whole_db).abs() < 0.5, "{hz} Hz up from {rate_hz}: {up} dB");
                assert!((down - whole_db).abs() < 0.5, "{hz} Hz down to {rate_hz}: {down} dB");
            }
        }
    }

    #[test]
    fn nothing_is_mirrored() {
        for (rate_hz, highest_hz) in [(8_000, 3_400.0), (16_000, 7_000.0)] {
            // Upwards: a tone comes back at the rate less its frequency, and at the rate plus it.
            let up = resampled(Resampler::up(rate_hz), rate_hz, highest_hz);
            for image_hz in [f64::from(rate_hz) - highest_hz, f64::from(rate_hz) + highest_hz] {
                let (image, tone) = (tone_db(&up, image_hz), tone_db(&up, highest_hz));
                assert!(image < tone - 60.0, "{image_hz} Hz: {image} dB beside {tone} dB");
            }
            // Downwards: a tone over half the rate would come back below it.
            for hz in [f64::from(rate_hz) / 2.0 + 100.0, f64::from(rate_hz) * 0.75, 20_000.0] {
                let down = rms_db(&resampled(Resampler::down(rate_hz), SAMPLE_RATE_HZ, hz));
                assert!(down < -60.0, "{hz} Hz down to {rate_hz}: {down} dB");
            }
        }
    }

    #[test]
    fn a_click_comes_out_half_a_block_later_and_not_after_a_reset() {
        let loudest = |pcm: &[f32]| {
            let level = |at: &usize| (pcm[*at].abs() * 1e6) as u64;
            (0..pcm.len()).max_by_key(level).expect("there are samples")
        };
        let mut up = Resampler::up(8_000);
        let (mut click, mut out) = ([0.0; 80], [0.0; BLOCK_SAMPLES]);
        click[10] = 1.0;
        up.block(&click, &mut out);
        assert!(loudest(&out).abs_diff(10 * 6 + 240) <= 6, "{}", loudest(&out));
        click = [0.0; 80];
        click[79] = 1.0;
        up.block(&click, &mut out);
        let mut later = [0.0; BLOCK_SAMPLES];
        up.block(&[0.0; 80], &mut later);
        assert!(loudest(&later).abs_diff(234) <= 6 && rms_db(&later) > -60.0, "{}", loudest(&later));
        up.block(&click, &mut out);
        up.reset();
        up.block(&[0.0; 80], &mut later);
        assert!(later.iter().all(|sample| *sample == 0.0));
    }
}
