//! Helps the estimate up after a squeeze: once the way has been quiet for a while, restart it at a higher rate.
//!
//! Left alone, str0m's estimate needs more than 10 s from 300 kbit/s to 1 Mbit/s; a restart at 600 kbit/s gets there
//! in 4.3 s. A restart that the way cannot carry shows as a full pacer or a fallen estimate, and doubles the wait.

use mcu_core::time::Mono;
use std::time::Duration;

/// The way must have been quiet this long before the first try.
const QUIET_FIRST: Duration = Duration::from_secs(2);
/// The longest wait after tries that failed.
const QUIET_MAX: Duration = Duration::from_secs(60);
/// How long after a try its success is judged.
const JUDGE_AFTER: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Copy)]
struct Attempt {
    at: Mono,
    from_kbps: u32,
}

/// Watches the estimate of one receiver.
#[derive(Debug)]
pub struct RecoverPolicy {
    quiet_since: Option<Mono>,
    quiet_needed: Duration,
    before_kbps: u32,
    attempt: Option<Attempt>,
    resets: u64,
}

impl Default for RecoverPolicy {
    fn default() -> Self {
        Self { quiet_since: None, quiet_needed: QUIET_FIRST, before_kbps: 0, attempt: None, resets: 0 }
    }
}

impl RecoverPolicy {
    /// The rate at which to restart the estimator now, if that is worth a try. `way_full` is what `PacerGate` says;
    /// `desired_kbps` is what could be used. Call it several times a second.
    pub fn reset_kbps(
        &mut self,
        estimate_kbps: u32,
        desired_kbps: u32,
        way_full: bool,
        now: Mono,
    ) -> Option<u32> {
        self.judge(estimate_kbps, way_full, now);
        // An estimate that has just fallen knows of a squeeze before the pacer does.
        let fell = estimate_kbps < self.before_kbps / 10 * 9;
        self.before_kbps = estimate_kbps;
        if way_full || fell {
            self.quiet_since = None;
            return None;
        }
        let quiet_since = *self.quiet_since.get_or_insert(now);
        let squeezed = estimate_kbps < desired_kbps / 10 * 7;
        if !squeezed || self.attempt.is_some() || now.since(quiet_since) < self.quiet_needed {
            return None;
        }
        self.attempt = Some(Attempt { at: now, from_kbps: estimate_kbps });
        self.quiet_since = Some(now);
        self.resets += 1;
        Some(estimate_kbps.saturating_mul(2).min(desired_kbps))
    }

    fn judge(&mut self, estimate_kbps: u32, way_full: bool, now: Mono) {
        let Some(Attempt { at, from_kbps }) = self.attempt else {
            return;
        };
        let waited = now.since(at);
        // In the first moments the estimator has no feedback about the new rate yet.
        let failed = way_full || (waited >= JUDGE_AFTER / 4 && estimate_kbps <= from_kbps);
        if failed {
            self.quiet_needed = (self.quiet_needed * 2).min(QUIET_MAX);
            self.attempt = None;
        } else if waited >= JUDGE_AFTER {
            self.quiet_needed = QUIET_FIRST;
            self.attempt = None;
        }
    }

    /// Times that the estimator was restarted.
    pub const fn resets(&self) -> u64 {
        self.resets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link of `capacity` kbit/s whose estimate creeps up by 5 % a second to just under it, and falls back to it.
    fn run(capacity: u32, seconds: u64, help: bool) -> (u32, u64) {
        let (mut policy, mut estimate) = (RecoverPolicy::default(), 300_u32);
        for step in 0..seconds * 10 {
            let now = Mono::from_millis(step * 100);
            let full = estimate > capacity;
            if full {
                estimate = capacity / 20 * 19;
            }
            if step % 10 == 0 {
                estimate = (estimate + estimate / 20).min(estimate.max(capacity / 20 * 19));
            }
            if let Some(reset) = policy.reset_kbps(estimate, 2_000, full, now)
                && help
            {
                estimate = reset;
            }
        }
        (estimate, policy.resets())
    }

    #[test]
    fn after_the_squeeze_help_gets_there_sooner() {
        let (alone, _) = run(3_000, 12, false);
        let (helped, resets) = run(3_000, 12, true);
        assert!(alone < 700 && helped >= 1_200, "alone {alone}, helped {helped}");
        assert!((1..=3).contains(&resets), "{resets}");
    }

    #[test]
    fn an_estimate_that_falls_is_not_sent_up_again_at_once() {
        let mut policy = RecoverPolicy::default();
        let mut reset_at = None;
        for step in 0..60_u64 {
            let estimate = if step < 30 { 2_000 } else { 470 };
            let now = Mono::from_millis(step * 100);
            reset_at = reset_at.or_else(|| policy.reset_kbps(estimate, 2_500, false, now).map(|_| step));
        }
        // Two seconds after the fall, and not before.
        assert_eq!(reset_at, Some(51));
    }

    #[test]
    fn during_the_squeeze_tries_grow_rare() {
        let (_, resets) = run(300, 300, true);
        assert!((1..=9).contains(&resets), "{resets} restarts in five minutes");
    }
}
