//! What is played in place of a lost packet: the last pitch period again and again, fading.
//!
//! After ITU-T G.711 appendix I (09/99), shortened: the pitch between 66 and 200 Hz is where the last 20 ms are most like
//! what came before them; after 10 ms the sound fades, and is silent after 60. Unlike there one period is repeated all the
//! time, and the seam is mended without delaying what was heard: the step at which a period does not join is faded out
//! over a quarter of it. The first samples after the loss are faded in over what would have gone on.
//!
//! Flow: library -> **here** -> `resample`. Works at the codec's own rate; allocates when it is made only.

/// The shortest and the longest pitch period, and how much sound is compared to find it.
const PERIOD_MS: (usize, usize) = (5, 15);
const COMPARED_MS: usize = 20;
/// Made-up sound at full level.
const FULL_MS: usize = 10;
/// Made-up sound after which there is silence.
const SILENT_MS: usize = 60;
/// What comes after a loss is faded in over this.
const RESUME_MS: usize = 5;

/// The sound of one stream, remembered for as long as may be needed to go on from it.
pub(super) struct Concealer {
    samples_per_ms: usize,
    /// What was played last, oldest first.
    history: Box<[f32]>,
    /// What is repeated, in its first `period_len` samples.
    period: Box<[f32]>,
    period_len: usize,
    /// Samples made up since the last packet.
    run: usize,
}

impl Concealer {
    /// For sound of `rate_hz`, before which there was silence.
    pub(super) fn new(rate_hz: u32) -> Self {
        let samples_per_ms = rate_hz as usize / 1_000;
        let longest = PERIOD_MS.1 * samples_per_ms;
        // One more, for the step from the sample before the longest period.
        let history = vec![0.0; longest + COMPARED_MS * samples_per_ms + 1].into_boxed_slice();
        let period = vec![0.0; longest].into_boxed_slice();
        Self { samples_per_ms, history, period, period_len: longest, run: 0 }
    }

    /// Takes a block of 10 ms that was received; after a loss, mends where it begins.
    pub(super) fn received(&mut self, block: &mut [f32]) {
        if self.run > 0 {
            let over = RESUME_MS * self.samples_per_ms;
            for (at, sample) in block.iter_mut().take(over).enumerate() {
                let made_up = self.made_up(self.run + at);
                *sample = made_up + (*sample - made_up) * at as f32 / over as f32;
            }
            self.run = 0;
        }
        self.remember(block);
    }

    /// Makes up a block of 10 ms.
    pub(super) fn make_up(&mut self, block: &mut [f32]) {
        if self.run == 0 {
            self.find_period();
        }
        for (at, sample) in block.iter_mut().enumerate() {
            *sample = self.made_up(self.run + at);
        }
        self.run += block.len();
        self.remember(block);
    }

    /// Forgets everything.
    pub(super) fn reset(&mut self) {
        self.history.fill(0.0);
        self.run = 0;
    }

    /// The sample that is made up `at` samples after the loss began.
    fn made_up(&self, at: usize) -> f32 {
        let (full, silent) = (FULL_MS * self.samples_per_ms, SILENT_MS * self.samples_per_ms);
        let faded = at.saturating_sub(full) as f32 / (silent - full) as f32;
        self.period[at % self.period_len] * (1.0 - faded).max(0.0)
    }

    fn remember(&mut self, block: &[f32]) {
        let kept = self.history.len() - block.len();
        self.history.copy_within(block.len().., 0);
        self.history[kept..].copy_from_slice(block);
    }

    /// Takes the last period of the history, so that it joins the history's end and itself.
    fn find_period(&mut self) {
        let (shortest, longest) = (PERIOD_MS.0 * self.samples_per_ms, PERIOD_MS.1 * self.samples_per_ms);
        let len = best_period(&self.history, shortest, longest, COMPARED_MS * self.samples_per_ms);
        let end = self.history.len();
        self.period[..len].copy_from_slice(&self.history[end - len..]);
        let step = self.history[end - 1] - self.history[end - 1 - len];
        let over = len / 4;
        for (at, sample) in self.period.iter_mut().take(over).enumerate() {
            let mended = *sample + step * (over - at) as f32 / over as f32;
            *sample = mended.clamp(-1.0, 1.0);
        }
        self.period_len = len;
    }
}

/// The distance, from `shortest` to `longest`, at which `history` is most like its last `compared` samples: the greatest
/// normalised correlation. The longest in silence, and where nothing is alike.
fn best_period(history: &[f32], shortest: usize, longest: usize, compared: usize) -> usize {
    let begin = history.len() - compared;
    let last = &history[begin..];
    let mut best = (0.0, longest);
    for len in shortest..=longest {
        let before = &history[begin - len..][..compared];
        let alike: f32 = last.iter().zip(before).map(|(one, other)| one * other).sum();
        let energy: f32 = before.iter().map(|sample| sample * sample).sum();
        // The share of the energy that is alike, without a root: the sign is known.
        let score = if alike > 0.0 { alike * alike / energy.max(1e-9) } else { 0.0 };
        if score > best.0 {
            best = (score, len);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    const RATE_HZ: u32 = 8_000;
    const BLOCK: usize = 80;

    /// A voice of `hz` with harmonics, in 10 ms blocks at 8 kHz.
    fn voice(hz: f32, block: usize) -> [f32; BLOCK] {
        std::array::from_fn(|at| {
            let seconds = (block * BLOCK + at) as f32 / RATE_HZ as f32;
            (1..=5).map(|n| 0.2 * (TAU * hz * n as f32 * seconds + n as f32).sin() / n as f32).sum()
        })
    }

    fn step_max(pcm: &[f32]) -> f32 {
        pcm.windows(2).map(|two| (two[1] - two[0]).abs()).fold(0.0, f32::max)
    }

    fn peak(pcm: &[f32]) -> f32 {
        pcm.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
    }

    /// Blocks 0 to 19 received, `lost` made up, ten more received.
    fn with_loss(hz: f32, lost: usize) -> Vec<f32> {
        let mut concealer = Concealer::new(RATE_HZ);
        let mut out = Vec::new();
        for block in 0..30 + lost {
            let mut pcm = voice(hz, block);
            if (20..20 + lost).contains(&block) {
                concealer.make_up(&mut pcm);
            } else {
                concealer.received(&mut pcm);
            }
            out.extend(pcm);
        }
        out
    }

    #[test]
    fn a_lost_block_of_a_voice_is_made_up_as_it_was() {
        for hz in [70.0, 110.0, 123.4, 195.0, 310.0] {
            let out = with_loss(hz, 1);
            let original = voice(hz, 20);
            let made = &out[20 * BLOCK..21 * BLOCK];
            let wrong: f32 = made.iter().zip(original).map(|(made, was)| (made - was).powi(2)).sum();
            let power: f32 = original.iter().map(|was| was.powi(2)).sum();
            assert!(wrong < 0.1 * power, "{hz} Hz: {wrong} of {power} is wrong");
        }
    }

    #[test]
    fn a_loss_neither_clicks_nor_is_louder_than_the_voice() {
        for hz in [70.0, 110.0, 123.4, 195.0, 310.0] {
            let whole = with_loss(hz, 0);
            for lost in [1, 2, 3, 6, 10] {
                let out = with_loss(hz, lost);
                let (steps, usual) = (step_max(&out), step_max(&whole));
                assert!(steps < 1.5 * usual, "{hz} Hz, {lost} blocks: a step of {steps} beside {usual}");
                let (peaks, usual) = (peak(&out), peak(&whole));
                assert!(peaks < 1.1 * usual, "{hz} Hz, {lost} blocks: {peaks} beside {usual}");
            }
        }
    }

    #[test]
    fn where_no_period_joins_it_is_made_to() {
        // A hum of which a period is longer than any pitch: the last 5 to 15 ms end elsewhere than they begin.
        let (mut concealer, mut out) = (Concealer::new(RATE_HZ), Vec::new());
        let hum = |at: usize| 0.5 * (TAU * 31.0 * at as f32 / RATE_HZ as f32).sin();
        for block in 0..21 {
            let mut pcm: [f32; BLOCK] = std::array::from_fn(|at| hum(block * BLOCK + at));
            if block == 20 {
                concealer.make_up(&mut pcm);
            } else {
                concealer.received(&mut pcm);
            }
            out.extend(pcm);
        }
        let (begin, end) = (concealer.period[0], concealer.period[concealer.period_len - 1]);
        let mended = step_max(&out[19 * BLOCK..]);
        let plain = out[20 * BLOCK - concealer.period_len];
        assert!((plain - end).abs() > 0.1, "the period would not join: {plain} after {end}");
        assert!((begin - end).abs() < 0.02 && mended < 0.05, "{begin} after {end}, steps of {mended}");
    }

    #[test]
    fn it_fades_away_within_60_ms_and_the_voice_comes_back() {
        let out = with_loss(123.4, 8);
        let block = |n: usize| peak(&out[n * BLOCK..][..BLOCK]);
        assert!(block(20) > 0.8 * block(19) && block(23) < 0.7 * block(19), "{} {}", block(20), block(23));
        assert!(block(26) == 0.0 && block(27) == 0.0);
        assert!(block(30) > 0.8 * block(19));
    }

    #[test]
    fn noise_silence_and_nothing_at_all_can_be_lost() {
        let mut random = crate::testing::Random::new(7);
        let mut noise = || (random.below(2_001) as f32 - 1_000.0) / 1_000.0;
        let mut concealer = Concealer::new(16_000);
        let mut block = [1.0; 160];
        concealer.make_up(&mut block);
        assert_eq!(block, [0.0; 160], "nothing came yet");
        for _ in 0..20 {
            let mut block: [f32; 160] = std::array::from_fn(|_| noise());
            concealer.received(&mut block);
        }
        concealer.make_up(&mut block);
        assert!(peak(&block) > 0.5 && peak(&block) <= 1.0, "{}", peak(&block));
        concealer.reset();
        concealer.make_up(&mut block);
        assert_eq!(block, [0.0; 160]);
    }
}
