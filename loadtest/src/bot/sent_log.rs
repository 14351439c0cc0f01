//! Which sender sent which picture when: what makes glass-to-glass latency measurable within one process.
//!
//! Flow: `peer` writes -> **here** -> `receive` reads. Bound: one moment per frame number of a loop and sender. A
//! loop repeats its numbers; the newest sending of a number is the one that counts.

use crate::media::barcode::{NUMBERS, SenderId};
use mcu_core::time::Mono;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Moments = Box<[Option<Mono>]>;

/// The log; cloning shares it. Locked for a few nanoseconds per picture, in a client.
#[derive(Debug, Clone, Default)]
pub struct SentLog(Arc<Mutex<HashMap<SenderId, Moments>>>);

impl SentLog {
    /// Notes that `sender` sent picture `number` at `at`.
    pub fn note(&self, sender: SenderId, number: u16, at: Mono) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let moments = log.entry(sender).or_insert_with(|| vec![None; usize::from(NUMBERS)].into());
        moments[usize::from(number % NUMBERS)] = Some(at);
    }

    /// How old picture `number` of `sender` is at `now`; `None` when that sender is not in this process.
    pub fn age(&self, sender: SenderId, number: u16, now: Mono) -> Option<Duration> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.get(&sender)?[usize::from(number % NUMBERS)].map(|at| now.since(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_sending_of_a_number_counts() {
        let log = SentLog::default();
        log.note(SenderId(1), 5, Mono::from_millis(100));
        log.note(SenderId(1), 5, Mono::from_millis(20_100));
        assert_eq!(log.age(SenderId(1), 5, Mono::from_millis(20_250)), Some(Duration::from_millis(150)));
        assert_eq!(log.age(SenderId(1), 6, Mono::from_millis(20_250)), None);
        assert_eq!(log.age(SenderId(2), 5, Mono::from_millis(20_250)), None);
    }
}
