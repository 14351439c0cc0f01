//! How made-up sound fades: the codec's own concealment for 60 ms, then down to silence within another 60 ms.
//!
//! Flow: `playout` -> **here** -> the codec. Longer made-up sound is a lie: it drones on what was said last.

use super::playout::SoundDecoder;

/// Samples that codecs make up in multiples of: 2.5 ms (RFC 6716 §2.1.4).
pub(super) const CONCEAL_STEP: usize = 120;
/// Samples of concealment at full level.
const FULL: usize = 2_880;
/// Samples over which it then fades.
const FADE: usize = 2_880;

/// A run of made-up sound since the last packet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Concealment {
    run: usize,
}

impl Concealment {
    /// Fills `out`, a multiple of [`CONCEAL_STEP`], with what may follow.
    pub(super) fn fill(&mut self, decoder: &mut impl SoundDecoder, out: &mut [f32]) {
        if self.is_silent() || decoder.conceal(out).is_err() {
            out.fill(0.0);
        } else {
            for (at, sample) in out.iter_mut().enumerate() {
                let faded = (self.run + at).saturating_sub(FULL).min(FADE);
                *sample *= 1.0 - faded as f32 / FADE as f32;
            }
        }
        self.run = self.run.saturating_add(out.len());
    }

    /// Whether it has faded away, so that the stream may begin again wherever it likes.
    pub(super) const fn is_silent(&self) -> bool {
        self.run >= FULL + FADE
    }

    /// Samples made up in a row.
    pub(super) const fn run(&self) -> usize {
        self.run
    }

    /// A packet was played: the next loss begins anew.
    pub(super) const fn reset(&mut self) {
        self.run = 0;
    }
}
