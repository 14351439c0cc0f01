//! Whether one run was worse than another: `mcu-load compare`.
//!
//! Flow: stored reports of both sides -> `metrics` (which figures), `statistics` (how sure) -> **here** (what that means) ->
//! [`Comparison`], which `told` prints. Pure.
//!
//! A difference counts when its 95 % interval excludes zero *and* it is larger than the margin, in parts of the value
//! before, and than the figure's floor: two milliseconds against one are not "twice as slow". With one run on each side,
//! participants are paired by name and visit, and seconds stand for the run's cost; what differs from run to run, and the
//! figures that a run has one of, cannot be judged by them, and latencies only by more than the picture or packet that chance moves a run by. With several on both sides the runs are what is counted. Each
//! line is judged by itself: of twenty lines of equal runs, one may differ by chance, where noise is larger than the margin.

mod metrics;
mod statistics;
mod told;

use crate::report::{EndedBy, Participant, RunReport, Stored, Verdict};
use crate::verdict;
use metrics::{METRICS, Metric, Origin, Worse};
use serde::Serialize;
use statistics::{Interval, by_blocks, mean, paired, quotient, welch};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

/// Version of the JSON.
pub const SCHEMA: u32 = 1;
/// What draws come from: the same reports, the same intervals.
const SEED: u64 = 1;

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// A difference up to this part of the value before is none, in per cent.
    pub margin_percent: f64,
    /// Compare though the scenarios differ, or a run is INVALID.
    pub force: bool,
}

/// Why two sides cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A run that says nothing.
    #[error("{path} is of an INVALID run: {because} (--force compares it all the same)")]
    Invalid {
        /// Its report.
        path: PathBuf,
        /// Why it is.
        because: String,
    },
    /// Other meetings.
    #[error("{one} and {other} played different scenarios: {what} (--force compares them all the same)")]
    Scenario {
        /// A report.
        one: PathBuf,
        /// Another.
        other: PathBuf,
        /// In what they differ.
        what: String,
    },
    /// One run against several, or none.
    #[error("{before} runs before and {after} after: one on each side, or several on both")]
    Sides {
        /// Before.
        before: usize,
        /// After.
        after: usize,
    },
    /// Nothing that both sides measured well enough.
    #[error("nothing could be judged: no figure was measured by both sides often enough")]
    Nothing,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The reports of the one side.
    pub before: Vec<String>,
    /// Of the other.
    pub after: Vec<String>,
    /// How sure one can be, in one sentence.
    pub method: &'static str,
    /// [`Settings::margin_percent`].
    pub margin_percent: f64,
    /// One for each figure.
    pub lines: Vec<Line>,
    /// What else a reader has to know, one sentence each.
    pub notes: Vec<String>,
    /// Whether something became worse.
    pub is_worse: bool,
    /// All in one line.
    pub sentence: String,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What.
    pub figure: &'static str,
    /// Unit of all values; empty for a quotient or a count.
    pub unit: &'static str,
    /// The mean before; `null` when nobody measured it.
    pub before: Option<f64>,
    /// The mean after.
    pub after: Option<f64>,
    /// After less before.
    pub difference: Option<f64>,
    /// Between which two values the true difference lies, with 95 % confidence; `null` where nothing says so.
    pub interval: Option<[f64; 2]>,
    /// What follows.
    pub outcome: Outcome,
    /// How much larger the difference is than what is too little to matter: over 1, it matters.
    #[serde(skip)]
    weight: f64,
    #[serde(skip)]
    digits: usize,
    #[serde(skip)]
    is_time: bool,
}

/// What follows for one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// None that is sure and large enough.
    NoDifference,
    /// B is worse.
    Worse,
    /// B is better.
    Better,
    /// It differs, and neither way is worse.
    Differs,
    /// One side, or both, did not measure it.
    NotMeasured,
    /// Measured, but too seldom to be sure of anything.
    NotJudged,
}

/// Compares the runs `after` with those `before`.
///
/// # Errors
/// [`CompareError`] when they say nothing about each other.
pub fn compare(before: &[Stored], after: &[Stored], settings: Settings) -> Result<Comparison, CompareError> {
    let sides = (before.len(), after.len());
    if sides.0.min(sides.1) == 0 || (sides.0.min(sides.1) == 1 && sides != (1, 1)) {
        return Err(CompareError::Sides { before: sides.0, after: sides.1 });
    }
    if !settings.force {
        refuse(before, after)?;
    }
    let a: Vec<&RunReport> = before.iter().map(|stored| &stored.report).collect();
    let b: Vec<&RunReport> = after.iter().map(|stored| &stored.report).collect();
    let lines: Vec<Line> = METRICS.iter().map(|metric| line(metric, &a, &b, settings)).collect();
    let is_judged = |line: &&Line| !matches!(line.outcome, Outcome::NotMeasured | Outcome::NotJudged);
    if !lines.iter().any(|line| is_judged(&line)) {
        return Err(CompareError::Nothing);
    }
    let paths = |side: &[Stored]| side.iter().map(|stored| stored.path.display().to_string()).collect();
    Ok(Comparison {
        schema: SCHEMA,
        before: paths(before),
        after: paths(after),
        method: if sides == (1, 1) { WITHIN } else { BETWEEN },
        margin_percent: settings.margin_percent,
        notes: notes(before, after, &lines),
        is_worse: lines.iter().any(|line| line.outcome == Outcome::Worse),
        sentence: told::sentence(&lines),
        lines,
    })
}

const WITHIN: &str = "one run on each side: participants paired by name, seconds in blocks; how much runs differ from each other \
                      is not in the intervals, take three on each side to know";
const BETWEEN: &str = "several runs on each side: Welch's t interval of the runs' figures";

/// Runs that say nothing, or nothing about each other.
fn refuse(before: &[Stored], after: &[Stored]) -> Result<(), CompareError> {
    let first = &before[0];
    for stored in before.iter().chain(after) {
        let Stored { path, report, .. } = stored;
        if report.verdict == Verdict::Invalid {
            return Err(CompareError::Invalid { path: path.clone(), because: report.because.join("; ") });
        }
        if let Some(what) = scenarios_differ(&first.report, report) {
            return Err(CompareError::Scenario { one: first.path.clone(), other: path.clone(), what });
        }
    }
    Ok(())
}

/// In what two runs' scenarios differ, but for what changes no meeting: words about it, thresholds, and the seed.
fn scenarios_differ(one: &RunReport, other: &RunReport) -> Option<String> {
    let (a, b) = (&one.scenario, &other.scenario);
    if a.duration_ms != b.duration_ms {
        let seconds = |ms: u64| ms as f64 / 1_000.0;
        return Some(format!("{} s against {} s", seconds(a.duration_ms), seconds(b.duration_ms)));
    }
    let played = |toml: &str| {
        let mut table: toml::Table = toml.parse().ok()?;
        table.retain(|key, _| !["about", "name", "seed", "thresholds"].contains(&key));
        Some(table)
    };
    let (Some(one), Some(other)) = (played(&a.toml), played(&b.toml)) else {
        return (a.toml != b.toml).then(|| "their texts".to_owned());
    };
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differing: Vec<String> = keys
        .into_iter()
        .filter(|key| one.get(*key) != other.get(*key))
        .map(|key| format!("`{key}`"))
        .collect();
    (!differing.is_empty()).then(|| differing.join(", "))
}

fn line(metric: &Metric, before: &[&RunReport], after: &[&RunReport], settings: Settings) -> Line {
    let ((a, b, interval), floor) = match (before, after) {
        ([before], [after]) => (within(metric, before, after), metric.floor_of_one),
        _ => (between(metric, before, after), metric.floor),
    };
    let difference = a.zip(b).map(|(a, b)| b - a);
    let weight = a
        .zip(difference)
        .map_or(0.0, |(a, difference)| difference / (a.abs() * settings.margin_percent / 100.0).max(floor));
    let outcome = match (difference, interval) {
        (None, _) => Outcome::NotMeasured,
        (Some(_), None) => Outcome::NotJudged,
        (Some(_), Some(interval)) if !interval.excludes_zero() || weight.abs() <= 1.0 => {
            Outcome::NoDifference
        }
        _ => match metric.worse {
            Worse::Neither => Outcome::Differs,
            Worse::More if weight > 0.0 => Outcome::Worse,
            Worse::Less if weight < 0.0 => Outcome::Worse,
            _ => Outcome::Better,
        },
    };
    Line {
        figure: metric.name,
        unit: metric.unit,
        before: a,
        after: b,
        difference,
        interval: interval.map(|Interval { low, high }| [low, high]),
        outcome,
        weight: weight.abs(),
        digits: metric.digits,
        is_time: metric.is_time,
    }
}

/// One run against one: the values, and how sure their difference is.
fn within(
    metric: &Metric,
    before: &RunReport,
    after: &RunReport,
) -> (Option<f64>, Option<f64>, Option<Interval>) {
    match &metric.origin {
        Origin::Participant(value) => {
            let pairs = pairs(*value, before, after);
            let of = |side: fn(&(f64, f64)) -> f64| mean(&pairs.iter().map(side).collect::<Vec<f64>>());
            let differences: Vec<f64> = pairs.iter().map(|(before, after)| after - before).collect();
            (of(|pair| pair.0), of(|pair| pair.1), paired(&differences, SEED))
        }
        Origin::Seconds(seconds, whole) => {
            let (a, b) = (seconds(before), seconds(after));
            match (quotient(&a), quotient(&b)) {
                (Some(one), Some(other)) => (Some(one), Some(other), by_blocks(&a, &b, SEED)),
                _ => (whole(before), whole(after), None),
            }
        }
        Origin::Run(value) => (value(before), value(after), None),
    }
}

/// Everybody's values who has one on both sides: before, and after.
fn pairs(
    value: impl Fn(&Participant) -> Option<f64>,
    before: &RunReport,
    after: &RunReport,
) -> Vec<(f64, f64)> {
    let of = |participant: &crate::report::Participant| value(participant).filter(|value| value.is_finite());
    let others: HashMap<(&str, u32), f64> = after
        .participants
        .iter()
        .filter_map(|participant| Some(((&*participant.who.name, participant.who.visit), of(participant)?)))
        .collect();
    let pair = |participant: &crate::report::Participant| {
        let other = others.get(&(&*participant.who.name, participant.who.visit))?;
        Some((of(participant)?, *other))
    };
    before.participants.iter().filter_map(pair).collect()
}

/// Several runs against several.
fn between(
    metric: &Metric,
    before: &[&RunReport],
    after: &[&RunReport],
) -> (Option<f64>, Option<f64>, Option<Interval>) {
    let of = |value: &dyn Fn(&RunReport) -> Option<f64>| {
        let side =
            |runs: &[&RunReport]| runs.iter().map(|report| value(report)).collect::<Option<Vec<f64>>>();
        (side(before), side(after))
    };
    let (a, b) = match &metric.origin {
        Origin::Participant(value) => {
            of(&|report| mean(&report.participants.iter().filter_map(value).collect::<Vec<_>>()))
        }
        Origin::Seconds(seconds, whole) => match of(&|report| quotient(&seconds(report))) {
            (Some(a), Some(b)) => (Some(a), Some(b)),
            _ => of(whole),
        },
        Origin::Run(value) => of(value),
    };
    let interval = a.as_deref().zip(b.as_deref()).and_then(|(a, b)| welch(a, b));
    (a.as_deref().and_then(mean), b.as_deref().and_then(mean), interval)
}

/// What could make the sides differ beside what was to be compared, and what is not in the verdict.
fn notes(before: &[Stored], after: &[Stored], lines: &[Line]) -> Vec<String> {
    let all = || before.iter().chain(after);
    let differs = |what: &str, of: &dyn Fn(&Stored) -> Option<String>| {
        let values: BTreeSet<String> = all().filter_map(of).collect();
        (values.len() > 1)
            .then(|| format!("{what} differs: {}", values.into_iter().collect::<Vec<_>>().join(", ")))
    };
    let build = |stored: &Stored| {
        let is_debug = stored.environment.as_ref()?.debug_build;
        Some(if is_debug { "debug" } else { "release" }.to_owned())
    };
    let names = |outcome| -> Vec<&str> {
        lines.iter().filter(|line| line.outcome == outcome).map(|line| line.figure).collect()
    };
    let unsure = [
        ("not measured by all", Outcome::NotMeasured),
        ("measured too seldom to be judged", Outcome::NotJudged),
    ]
    .map(|(what, outcome)| (what, names(outcome)))
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| format!("{what}: {}", names.join(", ")));
    let early = all()
        .filter(|stored| stored.report.ended_by != EndedBy::Schedule)
        .map(|stored| format!("{} ended before its time", stored.path.display()));
    let invalid = all()
        .filter(|stored| stored.report.verdict == Verdict::Invalid)
        .map(|stored| format!("{} is of an INVALID run", stored.path.display()));
    let disturbed = all().filter_map(|stored| {
        let why = verdict::disturbed(&stored.report.node, &stored.report.harness)?;
        Some(format!("{}: {why}", stored.path.display()))
    });
    let scenario = after
        .iter()
        .chain(before)
        .find_map(|stored| scenarios_differ(&before[0].report, &stored.report))
        .map(|what| format!("the scenarios differ: {what}"));
    let seeds = differs("the seed", &|stored| Some(stored.report.scenario.seed.to_string()));
    let machine = [
        differs("the processor", &|stored| stored.environment.as_ref()?.cpu.clone()),
        differs("the kernel", &|stored| stored.environment.as_ref()?.kernel.clone()),
        differs("the build of mcu-load", &build),
        differs("what the node was kept to", &|stored| {
            Some(
                stored
                    .report
                    .node
                    .cpus
                    .as_ref()
                    .map_or_else(|| "all cores".to_owned(), |cpus| format!("cores {cpus}")),
            )
        }),
    ];
    scenario
        .into_iter()
        .chain(invalid)
        .chain(disturbed)
        .chain(early)
        .chain(seeds)
        .chain(machine.into_iter().flatten())
        .chain(unsure)
        .collect()
}

#[cfg(test)]
mod tests;
