//! Decoded sound waiting to be played, and shortening or lengthening it by one pitch period without being heard.
//!
//! Flow: `playout` -> **here** -> blocks of 10 ms. The method is WSOLA's overlap-add: two stretches of sound one pitch
//! period apart are faded into each other (Verhelst and Roelands, ICASSP 1993). Allocates only when made.

/// Samples that the queue holds at most: a packet of 120 ms, a look-ahead of 30 ms, and room to move.
const CAPACITY: usize = 16_384;
/// The shortest period looked for: 2.5 ms, 400 Hz.
const LAG_MIN: usize = 120;
/// The longest: 12.5 ms, 80 Hz.
const LAG_MAX: usize = 600;
/// Samples that are averaged for the first, rough search.
const COARSE: usize = 4;
/// Mean energy under which any splice is inaudible: -50 dB of full scale.
const QUIET: f32 = 1e-5;

/// Samples that a stretch works on best.
pub(super) const STRETCH_SAMPLES: usize = 2 * LAG_MAX;
/// The fewest it can do with.
pub(super) const STRETCH_SAMPLES_MIN: usize = 960;

/// A queue of samples whose content lies in one piece.
#[derive(Debug)]
pub(super) struct SampleQueue {
    samples: Box<[f32]>,
    start: usize,
    end: usize,
}

impl SampleQueue {
    pub(super) fn new() -> Self {
        Self { samples: vec![0.0; CAPACITY].into_boxed_slice(), start: 0, end: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.end - self.start
    }

    fn content(&self) -> &[f32] {
        &self.samples[self.start..self.end]
    }

    /// Appends what fits, which by the callers' bounds is all.
    pub(super) fn push(&mut self, more: &[f32]) {
        self.make_room(more.len());
        let count = more.len().min(CAPACITY - self.end);
        self.samples[self.end..self.end + count].copy_from_slice(&more[..count]);
        self.end += count;
    }

    fn make_room(&mut self, count: usize) {
        if self.end + count > CAPACITY {
            self.samples.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Moves the oldest samples to `out`, and silence where there are too few.
    pub(super) fn pop(&mut self, out: &mut [f32]) {
        let count = out.len().min(self.len());
        out[..count].copy_from_slice(&self.content()[..count]);
        out[count..].fill(0.0);
        self.start += count;
    }

    pub(super) const fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Takes one pitch period out, if two neighbouring ones are at least `alike` (-1 to 1). Returns its samples.
    pub(super) fn accelerate(&mut self, alike: f32) -> usize {
        let Some(lag) = period(self.content(), alike) else {
            return 0;
        };
        let content = &mut self.samples[self.start..self.end];
        // What is faded in ends up `lag` later, so that the part before it can be let go.
        for at in (0..lag).rev() {
            let weight = at as f32 / lag as f32;
            content[lag + at] = content[at] * (1.0 - weight) + content[lag + at] * weight;
        }
        self.start += lag;
        lag
    }

    /// Puts one pitch period in, likewise.
    pub(super) fn expand(&mut self, alike: f32) -> usize {
        let Some(lag) = period(self.content(), alike) else {
            return 0;
        };
        self.make_room(lag);
        if self.end + lag > CAPACITY {
            return 0;
        }
        let (first, end) = (self.start, self.end);
        self.samples.copy_within(first + lag..end, first + 2 * lag);
        self.end += lag;
        let content = &mut self.samples[first..end + lag];
        for at in 0..lag {
            let weight = at as f32 / lag as f32;
            // content[2 * lag + at] is the old content[lag + at].
            content[lag + at] = content[2 * lag + at] * (1.0 - weight) + content[at] * weight;
        }
        lag
    }
}

/// The lag at which the sound is most like itself, if it is alike enough.
fn period(sound: &[f32], alike: f32) -> Option<usize> {
    if sound.len() < STRETCH_SAMPLES_MIN {
        return None;
    }
    let sound = &sound[..sound.len().min(STRETCH_SAMPLES)];
    let lag_max = LAG_MAX.min(sound.len() / 2);
    let mut coarse = [0.0_f32; STRETCH_SAMPLES / COARSE];
    let coarse = &mut coarse[..sound.len() / COARSE];
    for (out, four) in coarse.iter_mut().zip(sound.chunks_exact(COARSE)) {
        *out = four.iter().sum();
    }
    let rough = best(coarse, LAG_MIN / COARSE..=lag_max / COARSE)?.0 * COARSE;
    let from = rough.saturating_sub(COARSE).max(LAG_MIN);
    let (lag, likeness) = best(sound, from..=(rough + COARSE).min(lag_max))?;
    let energy = sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len() as f32;
    (likeness >= alike || energy < QUIET).then_some(lag)
}

/// The lag of `lags` with the highest normalised correlation, and that.
fn best(sound: &[f32], lags: std::ops::RangeInclusive<usize>) -> Option<(usize, f32)> {
    let window = sound.len() - lags.end();
    let head = &sound[..window];
    let head_energy = dot(head, head);
    lags.map(|lag| {
        let tail = &sound[lag..lag + window];
        (lag, dot(head, tail) / (head_energy * dot(tail, tail)).sqrt().max(f32::MIN_POSITIVE))
    })
    .max_by(|a, b| a.1.total_cmp(&b.1))
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side, so that the compiler may use vector registers.
    let mut sums = [0.0_f32; 8];
    let (a_eights, b_eights) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_eights.remainder().iter().zip(b_eights.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_eights.zip(b_eights) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    rest + sums.iter().sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, count: usize) -> Vec<f32> {
        (0..count).map(|at| 0.5 * (std::f32::consts::TAU * hz * at as f32 / 48_000.0).sin()).collect()
    }

    /// The largest step between neighbouring samples: a click shows as a step that the tone itself never makes.
    fn step_max(sound: &[f32]) -> f32 {
        sound.windows(2).map(|two| (two[1] - two[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_tone_stays_a_tone_when_stretched_either_way() {
        for hz in [97.0, 200.0, 333.0, 1_000.0] {
            let sound = tone(hz, 1_920);
            for shorten in [true, false] {
                let mut queue = SampleQueue::new();
                queue.push(&sound);
                let moved = if shorten { queue.accelerate(0.9) } else { queue.expand(0.9) };
                assert!((LAG_MIN..=LAG_MAX).contains(&moved), "{hz} Hz: {moved}");
                let expected = if shorten { 1_920 - moved } else { 1_920 + moved };
                assert_eq!(queue.len(), expected);
                let mut out = vec![0.0; expected];
                queue.pop(&mut out);
                assert!(step_max(&out) < 1.1 * step_max(&sound), "{hz} Hz, shorten: {shorten}");
                assert_eq!(out[0].to_bits(), sound[0].to_bits());
                assert_eq!(out[expected - 1].to_bits(), sound[1_919].to_bits());
            }
        }
    }

    #[test]
    fn noise_is_left_alone_unless_it_must_be() {
        let mut state = 1_u32;
        let noise: Vec<f32> = (0..1_920)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 16_777_216.0 - 0.5
            })
            .collect();
        let mut queue = SampleQueue::new();
        queue.push(&noise);
        assert_eq!((queue.accelerate(0.9), queue.expand(0.9)), (0, 0));
        assert!(queue.accelerate(-1.0) > 0);
    }

    #[test]
    fn silence_and_too_little_sound_are_safe() {
        let mut queue = SampleQueue::new();
        queue.push(&[0.0; STRETCH_SAMPLES_MIN - 1]);
        assert_eq!((queue.accelerate(-1.0), queue.expand(-1.0)), (0, 0));
        queue.push(&[0.0]);
        assert!(queue.accelerate(0.9) > 0);
    }
}
