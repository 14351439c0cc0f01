//! Whether a receiver's way is full: its oldest unsent packet has waited longer than `limits::PACER_DELAY_MAX`.
//!
//! Without this, frames pile up in the pacer during a squeeze and the estimate undershoots to a third of the link.

use mcu_core::limits::PACER_DELAY_MAX;
use mcu_core::time::Mono;
use std::time::Duration;

/// A key frame is several pictures long, so that it waits longer by itself. Judging it like any other would shut the
/// gate behind it, and the next picture to get through would have to be a key frame again, without end.
const KEYFRAME_GRACE: Duration = Duration::from_millis(600);
/// How long packets may wait in that time.
const KEYFRAME_DELAY_MAX: Duration = Duration::from_millis(400);

/// Watches the pacer queue of one receiver.
#[derive(Debug, Default)]
pub struct PacerGate {
    full: bool,
    closed: u64,
    keyframe: Option<Mono>,
}

impl PacerGate {
    /// Whether the next frame must be skipped. `first_unsent` is when the oldest packet still in the pacer was
    /// queued. Once shut, the gate opens only when half of the limit is gained, so that a queue at the limit
    /// costs one key frame and not a stream of them.
    pub fn is_full(&mut self, first_unsent: Option<Mono>, now: Mono) -> bool {
        let waited = first_unsent.map_or(Duration::ZERO, |queued| now.since(queued));
        let in_grace = self.keyframe.is_some_and(|sent| now.since(sent) < KEYFRAME_GRACE);
        let limit = match (in_grace, self.full) {
            (true, _) => KEYFRAME_DELAY_MAX,
            (false, true) => PACER_DELAY_MAX / 2,
            (false, false) => PACER_DELAY_MAX,
        };
        let full = waited > limit;
        if full && !self.full {
            self.closed += 1;
        }
        self.full = full;
        full
    }

    /// A key frame was handed to the pacer at `now`.
    pub const fn keyframe_sent(&mut self, now: Mono) {
        self.keyframe = Some(now);
    }

    /// Times that the gate shut.
    pub const fn closed(&self) -> u64 {
        self.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_shuts_at_the_limit_and_opens_at_half() {
        let mut gate = PacerGate::default();
        let queued = Mono::from_millis(1_000);
        assert!(!gate.is_full(None, queued));
        assert!(!gate.is_full(Some(queued), Mono::from_millis(1_100)));
        assert!(gate.is_full(Some(queued), Mono::from_millis(1_101)));
        assert!(gate.is_full(Some(queued), Mono::from_millis(1_060)));
        assert!(!gate.is_full(Some(queued), Mono::from_millis(1_050)));
        assert!(!gate.is_full(Some(queued), Mono::from_millis(1_060)));
        assert_eq!(gate.closed(), 1);
    }

    #[test]
    fn a_key_frame_may_take_its_time_but_not_for_ever() {
        let queued = Mono::from_millis(1_000);
        let mut gate = PacerGate::default();
        gate.keyframe_sent(queued);
        assert!(!gate.is_full(Some(queued), Mono::from_millis(1_400)));
        assert!(gate.is_full(Some(queued), Mono::from_millis(1_401)));
        let mut late = PacerGate::default();
        late.keyframe_sent(queued);
        assert!(late.is_full(Some(Mono::from_millis(1_450)), Mono::from_millis(1_600)), "the grace is over");
    }
}
