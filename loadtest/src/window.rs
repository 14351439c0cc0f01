//! The window of a measurement: begins when every bot has settled in, ends after its span, and says both on standard output.
//!
//! Flow: bots' reports, once a second -> **here** -> `join`, which lets the bots forget what was before and ends the run. Whoever
//! measures the node (`benches/node_cost.sh`) waits for the two lines, so that nothing depends on how long joining took.

use loadtest::bot::report::{Outcome, Report};
use mcu_core::time::Mono;
use serde::Serialize;
use std::time::Duration;

/// From the last bot's first picture to the begin: estimates have found their height, classes and rates their places.
const SETTLING: Duration = Duration::from_secs(10);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    /// Nothing yet.
    Wait,
    /// The window opens: what was measured before does not count.
    Begin,
    /// The window is over.
    End(Seen),
}

/// What the bots saw in the window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Seen {
    /// Its length.
    seconds: f64,
    /// How many there were.
    bots: usize,
    /// Decoded pictures per second of the worst served; `null` when bots do not measure.
    fps_min: Option<f64>,
    /// Freezes of all, as W3C webrtc-stats counts them.
    freezes: u64,
    /// Of all, sound included, without headers.
    received_kbps_mean: f64,
    /// What bots were too slow to measure: over zero, frame rate and freezes are not to be trusted.
    unmeasured: u64,
    /// Rows of what they sent, largest.
    sent_height: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Since when everybody has had a picture.
    Joining(Option<Mono>),
    /// Since when, and what had been received and missed by then.
    Open { since: Mono, received: u64, unmeasured: u64 },
}

/// One window.
#[derive(Debug)]
pub(crate) struct Window {
    span: Duration,
    count: usize,
    state: State,
}

impl Window {
    /// A window of `span` for `count` bots.
    pub(crate) const fn new(span: Duration, count: usize) -> Self {
        Self { span, count, state: State::Joining(None) }
    }

    /// Looks at the bots' newest reports.
    pub(crate) fn look(&mut self, reports: &[Report], now: Mono) -> Step {
        let received = reports.iter().map(|report| report.received.bytes).sum();
        let unmeasured = reports.iter().map(|report| report.received.unmeasured).sum();
        match self.state {
            State::Joining(since) => {
                let has_settled = |report: &Report| {
                    report.outcome == Outcome::Running {}
                        && report.join.first_picture_ms.is_some()
                        && report.join.first_sound_ms.is_some()
                };
                let all = reports.len() == self.count && reports.iter().all(has_settled);
                let since = all.then(|| since.unwrap_or(now));
                self.state = State::Joining(since);
                if since.is_none_or(|since| now.since(since) < SETTLING) {
                    return Step::Wait;
                }
                self.state = State::Open { since: now, received, unmeasured };
                Step::Begin
            }
            State::Open { since, .. } if now.since(since) < self.span => Step::Wait,
            State::Open { since, received: before, unmeasured: missed } => {
                let seconds = now.since(since).as_secs_f64();
                let bits = received.saturating_sub(before) as f64 * 8.0;
                let fps = reports.iter().map(|report| report.main.fps);
                Step::End(Seen {
                    seconds,
                    bots: reports.len(),
                    fps_min: fps.collect::<Option<Vec<_>>>().and_then(|fps| fps.into_iter().reduce(f64::min)),
                    freezes: reports.iter().map(|report| report.main.freezes).sum(),
                    received_kbps_mean: bits / 1_000.0 / seconds / reports.len().max(1) as f64,
                    unmeasured: unmeasured - missed,
                    sent_height: reports.iter().filter_map(|report| report.sent.loop_height).max(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadtest::media::barcode::SenderId;

    fn report(first_ms: Option<u64>, bytes: u64, fps: f64) -> Report {
        let mut report = Report::new(SenderId(1), "Bot 1".into(), true);
        (report.join.first_picture_ms, report.join.first_sound_ms) = (first_ms, first_ms);
        (report.received.bytes, report.main.fps) = (bytes, Some(fps));
        report
    }

    #[test]
    fn it_opens_when_all_have_settled_and_says_what_was_seen_inside() {
        let mut window = Window::new(Duration::from_secs(5), 2);
        let at = |s: u64| Mono::from_millis(s * 1_000);
        assert_eq!(window.look(&[report(Some(1), 0, 9.0)], at(0)), Step::Wait, "one is missing");
        assert_eq!(window.look(&[report(Some(1), 0, 9.0), report(None, 0, 9.0)], at(30)), Step::Wait);
        let all = [report(Some(1), 1_000, 9.0), report(Some(1), 2_000, 9.0)];
        assert_eq!(window.look(&all, at(31)), Step::Wait);
        assert_eq!(window.look(&all, at(40)), Step::Wait);
        assert_eq!(window.look(&all, at(41)), Step::Begin);
        assert_eq!(window.look(&all, at(45)), Step::Wait);
        let Step::End(seen) =
            window.look(&[report(Some(1), 6_000, 29.9), report(Some(1), 7_000, 28.0)], at(46))
        else {
            panic!("five seconds are over")
        };
        assert_eq!((seen.seconds, seen.bots, seen.fps_min), (5.0, 2, Some(28.0)));
        assert!((seen.received_kbps_mean - 8.0).abs() < 1e-9);
    }

    #[test]
    fn whoever_drops_out_before_it_opens_starts_the_wait_again() {
        let mut window = Window::new(Duration::from_secs(5), 1);
        let at = |s: u64| Mono::from_millis(s * 1_000);
        assert_eq!(window.look(&[report(Some(1), 0, 9.0)], at(0)), Step::Wait);
        let gone = Report { outcome: Outcome::Left {}, ..report(Some(1), 0, 9.0) };
        assert_eq!(window.look(&[gone], at(9)), Step::Wait);
        assert_eq!(window.look(&[report(Some(1), 0, 9.0)], at(10)), Step::Wait);
        assert_eq!(window.look(&[report(Some(1), 0, 9.0)], at(19)), Step::Wait);
        assert_eq!(window.look(&[report(Some(1), 0, 9.0)], at(20)), Step::Begin);
    }
}
