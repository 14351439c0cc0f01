//! Whether a receiver's way is full: its oldest unsent packet has waited longer than `limits::PACER_DELAY_MAX`.
//!
//! Without this, frames pile up in the pacer during a squeeze and the estimate undershoots to a third of the link.

use mcu_core::limits::PACER_DELAY_MAX;
use mcu_core::time::Mono;

/// Watches the pacer queue of one receiver.
#[derive(Debug, Default)]
pub struct PacerGate {
    full: bool,
    closed: u64,
}

impl PacerGate {
    /// Whether the next frame must be skipped. `first_unsent` is when the oldest packet still in the pacer was
    /// queued. Once shut, the gate opens only when half of the limit is gained, so that a queue at the limit
    /// costs one key frame and not a stream of them.
    pub fn is_full(&mut self, first_unsent: Option<Mono>, now: Mono) -> bool {
        let waited = first_unsent.map_or(std::time::Duration::ZERO, |queued| now.since(queued));
        let limit = if self.full { PACER_DELAY_MAX / 2 } else { PACER_DELAY_MAX };
        let full = waited > limit;
        if full && !self.full {
            self.closed += 1;
        }
        self.full = full;
        full
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
}
