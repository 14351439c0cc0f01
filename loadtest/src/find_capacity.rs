//! `mcu-load run` of a scenario that searches for capacity: what a person sees of the search, and its exit code.
//!
//! Flow: `run` (command line) -> `capacity` -> **here** -> standard output, exit code. Thread: the runtime's.

use crate::run::Trouble;
use crate::screen::Screen;
use loadtest::capacity::{CapacityReport, EdgeKind, Ground, Planned, Spread, Step, Survey, Told};
use loadtest::live::{Interrupt, Progress, Standing, exit_code};
use loadtest::report::{Verdict, rounded};
use loadtest::scenario::{Capacity, Raised};
use std::fmt::Write as _;

/// Plays it; the exit code of what was found.
pub(crate) async fn find(survey: &Survey<'_>, interrupt: Interrupt<'_>) -> Result<u8, Trouble> {
    let Survey { order, capacity, ground, folder, .. } = *survey;
    let screen = SearchScreen { screen: Screen::new(&order.scenario.name), capacity };
    let surveyed = survey.play(&screen, interrupt).await;
    screen.screen.clear();
    if !surveyed.report.steps.is_empty() || surveyed.trouble.is_none() {
        print!("{}", summary(&surveyed.report, ground));
    }
    match (surveyed.trouble, surveyed.unwritten) {
        (Some(trouble), _) => Err(trouble.into()),
        (None, Some(error)) => Err(Trouble::Report(error)),
        (None, None) => {
            if let Some(folder) = folder {
                println!("report: {}", folder.path().join("capacity.json").display());
            }
            Ok(exit_code(surveyed.report.verdict))
        }
    }
}

/// The screen of a run, with a line before and after each step.
struct SearchScreen<'a> {
    screen: Screen,
    capacity: &'a Capacity,
}

impl Progress for SearchScreen<'_> {
    fn loops(&self, done: usize, total: usize) {
        self.screen.loops(done, total);
    }

    fn second(&self, standing: &Standing<'_>) {
        self.screen.second(standing);
    }
}

impl Told for SearchScreen<'_> {
    fn begins(&self, step: &Planned) {
        self.screen.say(&begins(self.capacity, step));
    }

    fn ended(&self, step: &Step, bounds: (Option<u32>, Option<u32>)) {
        self.screen.say(&ended(&self.capacity.raised, step, bounds));
    }
}

fn begins(capacity: &Capacity, step: &Planned) -> String {
    let Planned { number, repetition, count, people, steps_left_max } = step;
    let after = match steps_left_max.saturating_sub(1) {
        0 => "the last of this search".to_owned(),
        more => format!("at most {more} more in this search"),
    };
    format!(
        "step {number}, search {repetition} of {}: {}, {people} people; {after}\n",
        capacity.repetitions,
        capacity.raised.said(count)
    )
}

fn ended(raised: &Raised, step: &Step, (carried, refused): (Option<u32>, Option<u32>)) -> String {
    let Step { number, count, verdict, because, .. } = step;
    let mut text = format!("step {number}: {}: {}", raised.said(count), verdict_name(*verdict));
    // Writing to a string cannot fail.
    if let Some(cost) = step.cpu_s_per_participant_s {
        let _ = write!(text, "  {cost:.3} CPU-s per participant-second");
    }
    if let Some(late) = step.ticks_late_percent {
        let _ = write!(text, "  {late:.1} % of ticks late");
    }
    text.push('\n');
    for because in because {
        let _ = writeln!(text, "  {because}");
    }
    let carried =
        carried.map_or_else(|| "nothing carried yet".to_owned(), |count| format!("{count} carried"));
    let refused = refused.map_or_else(|| "no edge seen yet".to_owned(), |count| format!("{count} not"));
    let _ = writeln!(text, "  so far in this search: {carried}, {refused}");
    text
}

const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Invalid => "INVALID",
    }
}

/// The end of a search, for a person: what is carried, of what, and what broke beyond it.
fn summary(report: &CapacityReport, ground: &Ground) -> String {
    let mut text = format!("{}: {}\n", report.scenario, verdict_name(report.verdict));
    for because in &report.because {
        let _ = writeln!(text, "  {because}");
    }
    let Some(carried) = &report.capacity else { return text };
    let searches = match report.edges.len() {
        1 => "1 search".to_owned(),
        searches => format!("{searches} searches"),
    };
    let least = if carried.at_least { "at least " } else { "" };
    let of = match &report.raised {
        Raised::Group(name) => format!("in the group {name:?}"),
        Raised::Rooms => "rooms".to_owned(),
    };
    let _ = writeln!(text, "  capacity: {least}{} {of}, by {searches}", spread(&carried.count));
    let _ = writeln!(text, "  people on this node: {least}{}", spread(&carried.people));
    if let Some(per_core) = &carried.people_per_core {
        let _ = writeln!(text, "  people per core: {least}{}", spread(per_core));
    }
    let _ = writeln!(text, "  said of: {}", ground.said());
    let at_edge = report.edges.iter().find(|edge| edge.kind == EdgeKind::Node).and_then(|edge| {
        let beyond = edge.count? + report.step;
        let is_beyond = |step: &&Step| step.repetition == edge.repetition && step.count == beyond;
        report.steps.iter().rev().find(|step| is_beyond(step))
    });
    if let Some(step) = at_edge {
        let _ = writeln!(text, "  what broke with {}:", report.raised.said(step.count));
        for because in &step.because {
            let _ = writeln!(text, "    {because}");
        }
    }
    text
}

/// `9 (7 to 10; mean with 95 % confidence 6.1 to 11.3)`.
fn spread(spread: &Spread) -> String {
    let Spread { median, min, max, mean_interval_95 } = spread;
    let mut text = rounded(*median);
    if let Some([from, to]) = mean_interval_95 {
        let _ = write!(
            text,
            " ({} to {}; mean with 95 % confidence {} to {})",
            rounded(*min),
            rounded(*max),
            rounded(*from),
            rounded(*to)
        );
    } else if min < max {
        let _ = write!(text, " ({} to {})", rounded(*min), rounded(*max));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadtest::report::EndedBy;

    fn capacity() -> Capacity {
        Capacity { raised: Raised::Group("guest".into()), from: 2, max: 9, step: 1, repetitions: 3 }
    }

    #[test]
    fn a_step_is_told_with_how_many_may_still_come_and_what_was_learnt() {
        let planned = Planned { number: 3, repetition: 1, count: 8, people: 9, steps_left_max: 5 };
        assert_eq!(
            begins(&capacity(), &planned),
            "step 3, search 1 of 3: 8 in the group \"guest\", 9 people; at most 4 more in this search\n"
        );
        let last = Planned { steps_left_max: 1, ..planned };
        assert!(begins(&capacity(), &last).contains("the last of this search"));
        let step = Step {
            number: 3,
            repetition: 1,
            count: 8,
            people: 9,
            verdict: Verdict::Fail,
            ended_by: EndedBy::Schedule,
            broken: Vec::new(),
            because: vec!["ticks_late_percent_max: the node has 3 %, the limit is 1".into()],
            cpu_s_per_participant_s: Some(0.111),
            ticks_late_percent: Some(3.0),
            encoders_max: None,
            harness_busy_mean: None,
            disturbed: false,
            folder: None,
        };
        assert_eq!(
            ended(&capacity().raised, &step, (Some(4), Some(8))),
            "step 3: 8 in the group \"guest\": FAIL  0.111 CPU-s per participant-second  3.0 % of ticks late\n  \
             ticks_late_percent_max: the node has 3 %, the limit is 1\n  so far in this search: 4 carried, 8 not\n"
        );
    }

    #[test]
    fn a_figure_is_told_with_its_spread_as_far_as_there_is_one() {
        let of = |values: &[f64]| spread(&Spread::of(values).expect("some"));
        assert_eq!((&*of(&[9.0]), &*of(&[9.0, 9.0]), &*of(&[9.0, 7.5])), ("9", "9", "7.5 (7.5 to 9)"));
        assert_eq!(of(&[8.0, 9.0, 10.0]), "9 (8 to 10; mean with 95 % confidence 6.5 to 11.5)");
    }
}
