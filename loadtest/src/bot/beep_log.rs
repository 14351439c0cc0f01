//! Which beep was said when: what makes mouth-to-ear latency measurable.
//!
//! Flow: `life` writes -> **here** -> `receive` asks. Bound: the last `BEEPS_MAX` moments of each sender. A beep carries no number, and one
//! comes every second: what takes longer than that is read as a second less.

use crate::media::barcode::SenderId;
use mcu_core::time::Mono;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Beeps remembered: the newest may have been said after the one that is heard.
const BEEPS_MAX: usize = 3;
/// From one beep to the next: whoever has said none for so long before one is heard did not say that one.
const BEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The log; cloning shares it. Locked for a moment per sender and second, in a client.
#[derive(Debug, Clone, Default)]
pub struct BeepLog(Arc<Mutex<HashMap<SenderId, VecDeque<Mono>>>>);

impl BeepLog {
    /// Notes that `sender` sent the packet that a beep begins with at `at`.
    pub fn said(&self, sender: SenderId, at: Mono) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = log.entry(sender).or_insert_with(|| VecDeque::with_capacity(BEEPS_MAX));
        if said.len() == BEEPS_MAX {
            said.pop_front();
        }
        said.push_back(at);
    }

    /// When the beep was said that was heard of `sender` at `at`; `None` if no sender of this process said it.
    pub fn said_before(&self, sender: SenderId, at: Mono) -> Option<Mono> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = log.get(&sender)?.iter().rev().find(|said| **said <= at).copied()?;
        (at.since(said) < BEEP_INTERVAL).then_some(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beep_is_the_newest_said_before_it_was_heard_within_a_second() {
        let (log, ms) = (BeepLog::default(), Mono::from_millis);
        (1..=5).for_each(|n| log.said(SenderId(1), ms(n * 1_000)));
        assert_eq!(log.said_before(SenderId(1), ms(5_180)), Some(ms(5_000)));
        assert_eq!(log.said_before(SenderId(1), ms(4_990)), Some(ms(4_000)), "the newest came after it");
        assert_eq!(log.said_before(SenderId(1), ms(6_000)), None, "nobody has said anything for a second");
        assert_eq!(log.said_before(SenderId(1), ms(2_500)), None, "forgotten");
        assert_eq!(log.said_before(SenderId(2), ms(5_180)), None, "of another process");
    }
}
