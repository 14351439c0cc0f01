//! A limiter that looks ahead: turns the mix down smoothly before a peak arrives, instead of cutting the peak off.
//!
//! Flow: mix -> **here** -> encode, one per distinct mix. Thread: audio pool. Cost when nothing is loud: one
//! copy. Delay: [`DELAY_SAMPLES`], always, so that a listener's sound never jumps.
//!
//! How it holds its promise: each sample asks for a gain (1, or what brings it to the ceiling). The least of the
//! last 240 and the newest request, held back by the release, is averaged over 240 samples; every term of that
//! average is at most what the sample now leaving the delay asked for, so their mean is, too. The mean of 240
//! cannot step: a sudden peak turns into a straight 5 ms slope that ends exactly when the peak comes out.

use mcu_core::media::samples::{BLOCK_SAMPLES, Block, SAMPLE_RATE_HZ};

/// Nothing that leaves is larger, either way.
pub const CEILING: f32 = 0.98;

/// How far the limiter looks ahead, and how much later its output is: 5 ms.
pub const DELAY_SAMPLES: usize = 240;

/// Gains are worked out for this ceiling: a part in 10 000 for the rounding of the mean and the product.
const TARGET: f32 = CEILING * 0.9999;
/// Share of the way back to unity per sample: 63 % after 100 ms.
const RELEASE_PER_SAMPLE: f32 = 1.0 / (0.1 * SAMPLE_RATE_HZ as f32);
/// A gain this near unity is unity (0.009 dB), so that a release ends: much nearer, and a step of it would be less
/// than `f32` can add to one.
const UNITY_FROM: f32 = 0.999;

/// One sliding minimum over `DELAY_SAMPLES + 1` requests, as a queue of candidates that only rises.
#[derive(Debug, Clone)]
struct SlidingMin {
    /// (position, request), the least first. A ring, because both ends move.
    ring: [(u64, f32); Self::SLOTS],
    head: usize,
    len: usize,
}

impl SlidingMin {
    const SLOTS: usize = 256;
    const WINDOW: u64 = DELAY_SAMPLES as u64 + 1;

    const fn new() -> Self {
        Self { ring: [(0, 1.0); Self::SLOTS], head: 0, len: 0 }
    }

    fn push(&mut self, position: u64, request: f32) -> f32 {
        while self.len > 0 && self.ring[(self.head + self.len - 1) % Self::SLOTS].1 >= request {
            self.len -= 1;
        }
        // At most WINDOW candidates live, one more while the oldest waits to be let go: 242 of 256 places.
        self.ring[(self.head + self.len) % Self::SLOTS] = (position, request);
        self.len += 1;
        while self.ring[self.head].0 + Self::WINDOW <= position {
            self.head = (self.head + 1) % Self::SLOTS;
            self.len -= 1;
        }
        self.ring[self.head].1
    }
}

/// The limiter of one mix.
#[derive(Debug, Clone)]
pub struct Limiter {
    delayed: [f32; DELAY_SAMPLES],
    requests: SlidingMin,
    /// The last `DELAY_SAMPLES` gains after release, as a ring that `position` walks.
    gains: [f32; DELAY_SAMPLES],
    gain: f32,
    /// Samples left until everything in `gains` and `requests` is unity again; 0 means that it is.
    busy_samples: usize,
    position: u64,
    gain_min: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl Limiter {
    /// A limiter that has heard silence.
    pub const fn new() -> Self {
        Self {
            delayed: [0.0; DELAY_SAMPLES],
            requests: SlidingMin::new(),
            gains: [1.0; DELAY_SAMPLES],
            gain: 1.0,
            busy_samples: 0,
            position: 0,
            gain_min: 1.0,
        }
    }

    /// Replaces `block` by what came [`DELAY_SAMPLES`] before it, within the ceiling. Bit-exact while nothing
    /// within reach is above the ceiling. A sample that is no finite number becomes silence.
    pub fn process(&mut self, block: &mut Block) {
        // Written so that NaN is not clean either.
        let clean = block.iter().all(|sample| sample.abs() <= TARGET);
        if clean && self.busy_samples == 0 {
            self.gain_min = 1.0;
            self.delay(block);
        } else {
            self.limit(block);
        }
    }

    /// The least gain applied in the last block, 1.0 when it passed untouched. For the metric of gain reduction.
    pub fn gain_min(&self) -> f32 {
        self.gain_min
    }

    /// Shifts `block` through the delay line.
    fn delay(&mut self, block: &mut Block) {
        let mut held = [0.0; DELAY_SAMPLES];
        held.copy_from_slice(&block[BLOCK_SAMPLES - DELAY_SAMPLES..]);
        block.copy_within(..BLOCK_SAMPLES - DELAY_SAMPLES, DELAY_SAMPLES);
        block[..DELAY_SAMPLES].copy_from_slice(&self.delayed);
        self.delayed = held;
    }

    fn limit(&mut self, block: &mut Block) {
        // Summed anew for each block, so that rounding cannot add up over a meeting.
        let mut gains_sum: f64 = self.gains.iter().copied().map(f64::from).sum();
        self.gain_min = 1.0;
        for sample in block.iter_mut() {
            let input = if sample.is_finite() { *sample } else { 0.0 };
            let request = if input.abs() > TARGET { TARGET / input.abs() } else { 1.0 };
            let wanted = self.requests.push(self.position, request);
            self.gain = if wanted < self.gain {
                wanted
            } else {
                let released = self.gain + RELEASE_PER_SAMPLE * (wanted - self.gain);
                if released > UNITY_FROM { wanted } else { released }
            };
            self.busy_samples =
                if self.gain < 1.0 { DELAY_SAMPLES } else { self.busy_samples.saturating_sub(1) };

            let slot = (self.position % DELAY_SAMPLES as u64) as usize;
            gains_sum += f64::from(self.gain) - f64::from(self.gains[slot]);
            self.gains[slot] = self.gain;
            let mean = (gains_sum / DELAY_SAMPLES as f64) as f32;
            self.gain_min = self.gain_min.min(mean);
            *sample = std::mem::replace(&mut self.delayed[slot], input) * mean;
            self.position += 1;
        }
        if self.busy_samples == 0 {
            self.settle();
        }
    }

    /// Back to rest: everything in reach is unity. Brings the delay line into time order for [`Self::delay`].
    fn settle(&mut self) {
        self.delayed.rotate_left((self.position % DELAY_SAMPLES as u64) as usize);
        self.gains = [1.0; DELAY_SAMPLES];
        self.requests = SlidingMin::new();
        self.position = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::mix::tests::{tone, tone_dbov};
    use rand::{Rng, SeedableRng, rngs::StdRng};

    fn run(limiter: &mut Limiter, input: &[f32]) -> Vec<f32> {
        let mut output = Vec::new();
        for chunk in input.as_chunks::<BLOCK_SAMPLES>().0 {
            let mut block = *chunk;
            limiter.process(&mut block);
            output.extend(block);
        }
        output
    }

    fn tones(hz: f64, amplitude: f64, blocks: usize) -> Vec<f32> {
        (0..blocks).flat_map(|index| tone(hz, amplitude, index)).collect()
    }

    #[test]
    fn below_the_ceiling_it_is_a_delay_to_the_bit() {
        let input = tones(440.0, 0.97, 6);
        let output = run(&mut Limiter::new(), &input);
        assert_eq!(output[..DELAY_SAMPLES], [0.0; DELAY_SAMPLES]);
        assert_eq!(output[DELAY_SAMPLES..], input[..input.len() - DELAY_SAMPLES]);
    }

    #[test]
    fn it_is_a_delay_to_the_bit_again_after_a_peak() {
        // Peaks at several places of a block, so that the delay line comes to rest at several turns.
        for place in [0, 1, 239, 240, 241, 479] {
            let mut input = tones(440.0, 0.5, 200);
            input[5 * BLOCK_SAMPLES + place] = 3.0;
            let output = run(&mut Limiter::new(), &input);
            let same =
                |from: usize, to: usize| output[from..to] == input[from - DELAY_SAMPLES..to - DELAY_SAMPLES];
            assert!(same(DELAY_SAMPLES, 5 * BLOCK_SAMPLES), "before the peak");
            assert!(!same(5 * BLOCK_SAMPLES, 8 * BLOCK_SAMPLES), "the peak is turned down");
            assert!(same(180 * BLOCK_SAMPLES, output.len()), "long after the peak at {place}");
        }
    }

    #[test]
    fn nothing_exceeds_the_ceiling_whatever_comes() {
        let mut random = StdRng::seed_from_u64(0x11a1_7e12);
        let mut limiter = Limiter::new();
        let mut loudest: f32 = 0.0;
        for _ in 0..2_000 {
            let scale = 10.0_f32.powf(random.random_range(-3.0..3.0));
            let burst = random.random_range(0..BLOCK_SAMPLES);
            let mut block: Block = std::array::from_fn(|i| {
                let quiet = if i < burst { 1.0 } else { 0.01 };
                quiet * scale * random.random_range(-1.0_f32..1.0)
            });
            if random.random_bool(0.05) {
                block[burst] = [f32::NAN, f32::INFINITY, f32::MAX][random.random_range(0..3)];
            }
            limiter.process(&mut block);
            loudest = block.iter().fold(loudest, |most, sample| most.max(sample.abs()));
            assert!(block.iter().all(|sample| sample.is_finite()));
        }
        assert!(loudest <= CEILING, "{loudest}");
        assert!(loudest > 0.9 * CEILING, "the control: it was driven to its ceiling, {loudest}");
    }

    #[test]
    fn a_sudden_shout_makes_no_step_and_no_distortion() {
        let mut input = tones(500.0, 0.3, 50);
        for (sample, loud) in input[25 * BLOCK_SAMPLES..].iter_mut().zip(tones(500.0, 1.8, 25)) {
            *sample = loud;
        }
        let output = run(&mut Limiter::new(), &input);
        // The gain between two samples, where it can be read off.
        let mut gain_before = 1.0;
        for (out, original) in output[DELAY_SAMPLES..].iter().zip(&input) {
            if original.abs() > 0.05 {
                let gain = out / original;
                assert!((gain - gain_before).abs() < 0.02, "the gain steps from {gain_before} to {gain}");
                gain_before = gain;
            }
        }
        let end = &output[40 * BLOCK_SAMPLES..];
        let harmonics = tone_dbov(end, 1_500.0).max(tone_dbov(end, 2_500.0));
        assert!(tone_dbov(end, 500.0) > -4.0, "the tone itself stays");
        assert!(harmonics < -60.0, "clipping would show as harmonics at -15 dBov, this is {harmonics}");
        let clipped: Vec<f32> =
            input[40 * BLOCK_SAMPLES..].iter().map(|s| s.clamp(-CEILING, CEILING)).collect();
        assert!(tone_dbov(&clipped, 1_500.0) > -20.0, "the control: a hard clip is seen");
    }
}
