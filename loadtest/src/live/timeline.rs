//! How a run stands, second by second: for the screen, and for the report's plots.
//!
//! Bound: `TIMELINE_MAX` entries; when it is full, every second one goes and only every second one after it is kept.

use crate::report::{Moment, TIMELINE_MAX};
use std::time::Duration;

/// Where in its course a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// People are coming in.
    Joining,
    /// All have been let in; figures do not count yet.
    Settling,
    /// Figures count.
    Counting,
}

impl Phase {
    /// The phase at `at`, with everybody let in by `joined` and figures counting from `count_from` on.
    pub(super) fn at(at: Duration, joined: Duration, count_from: Duration) -> Self {
        if at < joined {
            Self::Joining
        } else if at < count_from {
            Self::Settling
        } else {
            Self::Counting
        }
    }

    /// For a person.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Settling => "settling",
            Self::Counting => "counting",
        }
    }
}

/// How a run stands.
#[derive(Debug)]
pub struct Standing<'a> {
    /// Where in its course.
    pub phase: Phase,
    /// When it will be over.
    pub end: Duration,
    /// How many people were planned.
    pub people: usize,
    /// The newest figures.
    pub moment: &'a Moment,
    /// How late the harness sent so far: the 99th percentile.
    pub send_late_ms_p99: Option<u64>,
    /// What has failed since the last time, one line each.
    pub failures: Vec<String>,
}

/// The entries of the report.
#[derive(Debug)]
pub(super) struct Timeline {
    entries: Vec<Moment>,
    /// Every how manieth is kept.
    every: u64,
    pushed: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { entries: Vec::new(), every: 1, pushed: 0 }
    }
}

impl Timeline {
    pub(super) fn push(&mut self, moment: Moment) {
        if self.pushed.is_multiple_of(self.every) {
            if self.entries.len() == TIMELINE_MAX {
                let mut index = 0;
                self.entries.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.every *= 2;
            }
            if self.pushed.is_multiple_of(self.every) {
                self.entries.push(moment);
            }
        }
        self.pushed += 1;
    }

    pub(super) fn into_entries(self) -> Vec<Moment> {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_long_a_run_is_its_timeline_is_bounded_and_even() {
        for seconds in [10, TIMELINE_MAX as u64, TIMELINE_MAX as u64 + 1, 50_000] {
            let mut timeline = Timeline::default();
            for second in 0..seconds {
                timeline.push(Moment { at_ms: second * 1_000, ..Moment::default() });
            }
            let entries = timeline.into_entries();
            let steps: Vec<u64> = entries.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).collect();
            assert!(steps.iter().all(|step| *step == steps[0]), "{seconds}");
            assert!(
                entries.len() <= TIMELINE_MAX && entries.len() as u64 * 2 >= seconds.min(TIMELINE_MAX as u64)
            );
            assert_eq!(entries[0].at_ms, 0);
        }
    }

    #[test]
    fn phases_follow_each_other() {
        let at =
            |seconds| Phase::at(Duration::from_secs(seconds), Duration::from_secs(2), Duration::from_secs(5));
        assert_eq!([1, 2, 4, 5].map(at), [Phase::Joining, Phase::Settling, Phase::Settling, Phase::Counting]);
    }
}
