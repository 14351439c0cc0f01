//! Standstills: whether the threads of media still go round, and what the kernel says of them when one does not.
//!
//! Flow: the counters of `io` and `clock` -> **here** -> log, `mcu_standstills_total`. On control's runtime, once a second: it lives on where media do not. A thread that only has little
//! to do still goes round (`io` ten times a second, `clock` with every beat), so that one which has not for two looks waits for something that does not come, or is not let run.

use super::NodeClock;
use super::clock::ClockCounters;
use super::io::IoPort;
use crate::engine::totals::MediaTotals;
use mcu_core::time::Mono;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);
/// Looks nearer to each other than this are one: after a pause of the whole machine they come in a heap.
const LOOK_LEAST: Duration = Duration::from_millis(500);
/// So many looks in a row that find nothing done are a standstill.
const LOOKS: u32 = 2;

/// What one thread, or one pool's jobs, has done so far.
struct Work {
    name: String,
    /// Any number that changes as long as it goes round; `None` while there is nothing to do.
    done: Option<u64>,
}

/// That a thread stands still, or goes on again.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    Stands { name: String },
    GoesOn { name: String, after: Duration },
}

/// What was seen of one thread.
struct Seen {
    done: Option<u64>,
    since: Mono,
    looks: u32,
}

/// All of them. Pure.
#[derive(Default)]
struct Standstills {
    seen: Vec<Seen>,
    looked: Option<Mono>,
}

impl Standstills {
    /// Compares with the look before; `works` are the same ones each time, in the same order.
    fn look(&mut self, now: Mono, works: Vec<Work>) -> Vec<Finding> {
        if self.looked.is_some_and(|before| now.since(before) < LOOK_LEAST) {
            return Vec::new();
        }
        self.looked = Some(now);
        let mut findings = Vec::new();
        for (at, Work { name, done }) in works.into_iter().enumerate() {
            let Some(seen) = self.seen.get_mut(at) else {
                self.seen.push(Seen { done, since: now, looks: 0 });
                continue;
            };
            if done.is_some() && done == seen.done {
                seen.looks += 1;
                if seen.looks == LOOKS {
                    findings.push(Finding::Stands { name });
                }
                continue;
            }
            if seen.looks >= LOOKS {
                findings.push(Finding::GoesOn { name, after: now.since(seen.since) });
            }
            *seen = Seen { done, since: now, looks: 0 };
        }
        findings
    }
}

/// What all of them have done.
fn works(beats: &ClockCounters, io: &[IoPort]) -> Vec<Work> {
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let has_beats = beats.conferences.load(Ordering::Relaxed) > 0;
    let beat = |name: &str, done| Work { name: name.to_owned(), done: has_beats.then_some(load(done)) };
    let mut works: Vec<Work> = io
        .iter()
        .enumerate()
        .map(|(n, port)| Work { name: format!("io-{n}"), done: Some(load(&port.gauges().rounds)) })
        .collect();
    works.push(beat("clock-0", &beats.blocks));
    // A beat that finds the one before still at work begins no job: when none does, none has ended.
    works.push(beat("audio", &beats.block_jobs));
    works.push(beat("video", &beats.tick_jobs));
    works
}

/// Watches until it is aborted.
pub async fn watch(clock: NodeClock, beats: Arc<ClockCounters>, io: Vec<IoPort>, totals: Arc<MediaTotals>) {
    let mut standstills = Standstills::default();
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        for finding in standstills.look(clock.now(), works(&beats, &io)) {
            match finding {
                Finding::Stands { name } => {
                    totals.standstills.one();
                    let threads = crate::process::threads().join("; ");
                    tracing::error!(thread = %name, %threads, "a thread of media stands still");
                }
                Finding::GoesOn { name, after } => {
                    tracing::warn!(thread = %name, stood_ms = after.as_millis(), "a thread of media goes on again");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks a second apart at two threads; what is found at each.
    fn found(done: &[[Option<u64>; 2]]) -> Vec<Vec<Finding>> {
        let mut standstills = Standstills::default();
        let look = |(second, done): (usize, &[Option<u64>; 2])| {
            let works = ["io-0", "audio"].iter().zip(done);
            let works = works.map(|(name, done)| Work { name: (*name).to_owned(), done: *done }).collect();
            standstills.look(Mono::from_nanos(1_000_000_000 * second as u64), works)
        };
        done.iter().enumerate().map(look).collect()
    }

    #[test]
    fn who_does_nothing_for_two_looks_is_told_once_and_again_when_it_goes_on() {
        let found = found(&[
            [Some(1), Some(1)],
            [Some(1), Some(2)],
            [Some(1), Some(3)],
            [Some(1), Some(4)],
            [Some(9), Some(5)],
            [Some(9), Some(6)],
        ]);
        let stands = || vec![Finding::Stands { name: "io-0".to_owned() }];
        let goes_on = Finding::GoesOn { name: "io-0".to_owned(), after: Duration::from_secs(4) };
        assert_eq!(found, [vec![], vec![], stands(), vec![], vec![goes_on], vec![]]);
    }

    #[test]
    fn a_short_wait_is_none_nor_is_it_to_have_nothing_to_do() {
        let found = found(&[
            [Some(1), None],
            [Some(1), None],
            [Some(2), None],
            [Some(2), Some(7)],
            [Some(3), Some(7)],
            [Some(3), None],
        ]);
        assert!(found.iter().all(Vec::is_empty), "{found:?}");
    }

    #[test]
    fn the_end_of_all_work_ends_a_standstill_too() {
        let found = found(&[[None, Some(7)], [None, Some(7)], [None, Some(7)], [None, None]]);
        let goes_on = Finding::GoesOn { name: "audio".to_owned(), after: Duration::from_secs(3) };
        assert_eq!(found[2..], [vec![Finding::Stands { name: "audio".to_owned() }], vec![goes_on]]);
    }

    #[test]
    fn looks_that_come_in_a_heap_after_a_pause_are_one() {
        let mut standstills = Standstills::default();
        let mut look = |ms: u64| {
            standstills
                .look(Mono::from_nanos(ms * 1_000_000), vec![Work { name: "io-0".to_owned(), done: Some(1) }])
        };
        for ms in [0, 60_000, 60_001, 60_002, 60_499] {
            assert_eq!(look(ms), [], "at {ms} ms");
        }
        assert_eq!(look(61_000).len(), 1, "the control");
    }
}
