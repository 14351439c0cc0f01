//! What people would say of the sound: the mean opinion score that the E-model predicts, from delay and loss alone.
//!
//! Pure. The transmission rating is `R = 93.2 - Id - Ie,eff` (ITU-T G.107 with its default values), where
//! - `Id = 0.024 d + 0.11 (d - 177.3)` (the second part over 177.3 ms) is what a delay of `d` ms from mouth to ear takes away: Cole and
//!   Rosenbluth, "Voice over IP performance monitoring", 2001;
//! - `Ie,eff = 95 Ppl / (Ppl / BurstR + Bpl)` (G.107 equation 7-29) what `Ppl` per cent of lost packets do, of a codec that takes nothing away by
//!   itself, with the robustness of one that conceals, `Bpl = 25.1` (G.113 appendix I, G.711 with concealment). Opus has no value of its own in G.113.
//!
//! So the score says how two ways compare, and not how Opus sounds: without delay and loss it is 4.4, the most that the model gives.

/// Without any impairment.
const RATING_MAX: f64 = 93.2;
/// Robustness against loss.
const BPL: f64 = 25.1;
/// Packets of 20 ms.
const PACKET_MS: f64 = 20.0;

/// What the model is told of one receiver's sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Heard {
    /// From mouth to ear, the middle one.
    pub(super) delay_ms: f64,
    /// Sound played.
    pub(super) played_ms: u64,
    /// Sound among it that was made up.
    pub(super) concealed_ms: u64,
    /// Runs of it.
    pub(super) gaps: u64,
}

/// The mean opinion score, 1 to 4.5; `None` where nothing was played.
pub(super) fn mos(heard: Heard) -> Option<f64> {
    (heard.played_ms > 0)
        .then(|| opinion(RATING_MAX - delay_impairment(heard.delay_ms) - loss_impairment(heard)))
}

fn delay_impairment(delay_ms: f64) -> f64 {
    0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0)
}

fn loss_impairment(heard: Heard) -> f64 {
    let lost = (heard.concealed_ms as f64 / heard.played_ms as f64).min(1.0);
    if lost == 0.0 {
        return 0.0;
    }
    // How long runs are against how long chance alone would make them (G.107 §7.4); never shorter.
    let run = heard.concealed_ms as f64 / PACKET_MS / heard.gaps.max(1) as f64;
    let burst = (run * (1.0 - lost)).max(1.0);
    let percent = lost * 100.0;
    95.0 * percent / (percent / burst + BPL)
}

/// G.107 annex B.
fn opinion(rating: f64) -> f64 {
    let rating = rating.clamp(0.0, 100.0);
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(delay_ms: f64, concealed_ms: u64, gaps: u64) -> Option<f64> {
        mos(Heard { delay_ms, played_ms: 100_000, concealed_ms, gaps })
            .map(|mos| (mos * 100.0).round() / 100.0)
    }

    #[test]
    fn the_scores_are_those_of_the_formulas() {
        assert_eq!(heard(0.0, 0, 0), Some(4.41), "R 93.2, the model's default (G.107 annex B)");
        assert_eq!(heard(150.0, 0, 0), Some(4.33), "R 89.6");
        // 0.024 * 400 + 0.11 * 222.7 = 34.1; R 59.1.
        assert_eq!(heard(400.0, 0, 0), Some(3.05));
        // One packet at a time: 5 % of 100 s; 95 * 5 / 30.1 = 15.8; R 77.4.
        assert_eq!(heard(0.0, 5_000, 250), Some(3.92));
        assert_eq!(
            mos(Heard { delay_ms: 10.0, played_ms: 0, concealed_ms: 0, gaps: 0 }),
            None,
            "silence has no score"
        );
    }

    #[test]
    fn longer_runs_are_worse_and_nothing_but_loss_is_the_worst() {
        assert!(heard(100.0, 10_000, 50) < heard(100.0, 10_000, 500));
        assert_eq!(heard(2_000.0, 100_000, 1), Some(1.0));
    }
}
