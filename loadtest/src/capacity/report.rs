//! What a search came to: the JSON of `capacity.json`.
//!
//! Flow: `findings` -> **here** -> the report folder. Plain values. As in `report.json`, times are in the unit of the field's
//! name, and what is not known is `null`, never zero. [`SCHEMA`] grows when a field changes its meaning. Each step's own
//! `report.json`, with everybody's figures, lies in its [`Step::folder`].
//!
//! `loadtest/tests/fixtures/capacity.json` is one whole example: what a search at a room that lets three in wrote.

use super::Spread;
use crate::report::{EndedBy, Excess, Judgement, Ruling, RunReport, TargetNote, Verdict, Versions};
use crate::scenario::Raised;
use crate::verdict;
use serde::{Deserialize, Serialize};

/// Version of the JSON.
pub const SCHEMA: u32 = 1;

/// One search for capacity, all its repetitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CapacityReport {
    /// [`SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// What all chance came from, the same in each step.
    pub seed: u64,
    /// The whole TOML text, with what went over it in comments before it.
    pub toml: String,
    /// What was measured, without secrets.
    pub target: TargetNote,
    /// Who measured what; `null` before the first step has ended.
    pub versions: Option<Versions>,
    /// What was raised.
    pub raised: Raised,
    /// The smallest count of it.
    pub from: u32,
    /// The largest that would have been tried.
    pub max: u32,
    /// How exactly the edge was wanted.
    pub step: u32,
    /// How many searches were wanted.
    pub repetitions: u32,
    /// How many people there are for each of what is raised.
    pub people_each: u32,
    /// People besides.
    pub people_besides: u32,
    /// Where node and harness were.
    pub cores: Cores,
    /// Every step, in order.
    pub steps: Vec<Step>,
    /// Where each search that is over ended, in order.
    pub edges: Vec<Edge>,
    /// What the node carries; `null` while no search has found it.
    pub capacity: Option<Carried>,
    /// [`Verdict::Pass`]: a search found the edge, or that it lies over `max`. [`Verdict::Fail`]: not even `from` was carried.
    /// [`Verdict::Invalid`]: no edge of the node's was found.
    pub verdict: Verdict,
    /// What is to be known about the verdict, in one sentence each.
    pub because: Vec<String>,
}

/// Whose the cores were: a capacity is one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cores {
    /// Cores that the node was kept to; `null` for a node on another machine.
    pub node_cpus: Option<String>,
    /// How many the node had; `null` where that was not said.
    pub node_cores: Option<u32>,
    /// Cores that the harness was kept to, if the node was on the same machine.
    pub harness_cpus: Option<String>,
}

/// One step: a whole run with so many of what is raised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Which, from 1 on, over all repetitions.
    pub number: u32,
    /// Which search it belongs to, from 1 on.
    pub repetition: u32,
    /// How many of what is raised.
    pub count: u32,
    /// How many people in all.
    pub people: u32,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why it ended. One that was interrupted decides nothing.
    pub ended_by: EndedBy,
    /// Thresholds that broke.
    pub broken: Vec<Broken>,
    /// Why, in one sentence each.
    pub because: Vec<String>,
    /// What one person cost the node, in processor seconds a second.
    pub cpu_s_per_participant_s: Option<f64>,
    /// The node's late ticks in parts of all.
    pub ticks_late_percent: Option<f64>,
    /// Encodes that ran at the most.
    pub encoders_max: Option<u64>,
    /// How busy the harness' cores were, 0 to 1.
    pub harness_busy_mean: Option<f64>,
    /// The machine's host gave the cores to others, and something broke: it decides nothing, and is played again.
    #[serde(default)]
    pub disturbed: bool,
    /// Folder of its own report, below that of this file: `steps/03-n8`; `null` where none was written.
    pub folder: Option<String>,
}

/// A threshold that broke.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Broken {
    /// Its key.
    pub threshold: String,
    /// Unit of limit and value.
    pub unit: String,
    /// The limit.
    pub limit: f64,
    /// The worst value, and whose it is.
    pub worst: Excess,
    /// How many were over the limit.
    pub failing: u32,
}

/// Where a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Which search, from 1 on.
    pub repetition: u32,
    /// How.
    pub kind: EdgeKind,
    /// The largest count that was carried; `null` where none was.
    pub count: Option<u32>,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// One step more failed, twice.
    Node,
    /// One step more, the harness could not keep up, twice: the node carries at least as many.
    Harness,
    /// `max` was carried: the node carries at least as many.
    Max,
    /// `from` failed, twice.
    From,
    /// There was no time for more steps: the node carries at least as many.
    Time,
}

/// What the node carries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// Counts of what was raised, over the searches.
    pub count: Spread,
    /// The people that these are in all.
    pub people: Spread,
    /// The same for each of the node's cores; `null` where it is not known how many it has.
    pub people_per_core: Option<Spread>,
    /// Whether a search ended before it met the node's edge: then all of these are the least that it carries.
    pub at_least: bool,
}

/// A step that is to be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Which, from 1 on, over all repetitions.
    pub number: u32,
    /// Which search it belongs to, from 1 on.
    pub repetition: u32,
    /// How many of what is raised.
    pub count: u32,
    /// How many people in all.
    pub people: u32,
    /// How many steps this search may still take, this one counted, if the edge is sharp.
    pub steps_left_max: u32,
}

impl Planned {
    /// Where its report is written, below that of the search.
    pub fn folder(&self) -> String {
        format!("steps/{:02}-n{}", self.number, self.count)
    }

    /// What came of it.
    pub fn played(&self, report: &RunReport, folder: Option<String>) -> Step {
        let Self { number, repetition, count, people, .. } = *self;
        Step {
            number,
            repetition,
            count,
            people,
            verdict: report.verdict,
            ended_by: report.ended_by,
            broken: report.thresholds.iter().filter_map(broken).collect(),
            because: report.because.clone(),
            cpu_s_per_participant_s: report.node.cpu_s_per_participant_s,
            ticks_late_percent: report.node.ticks_late_percent(),
            encoders_max: report.node.encoders_max,
            harness_busy_mean: report.harness.busy_mean,
            disturbed: report.verdict == Verdict::Invalid
                && verdict::disturbed(&report.node, &report.harness).is_some(),
            folder,
        }
    }
}

fn broken(judgement: &Judgement) -> Option<Broken> {
    let Judgement { threshold, unit, limit, ruling, worst, failing } = judgement;
    let worst = worst.clone().filter(|_| *ruling == Ruling::Broken)?;
    let (threshold, unit) = (threshold.clone(), unit.clone());
    Some(Broken { threshold, unit, limit: *limit, worst, failing: failing.len() as u32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_report_and_holds_nothing_else() {
        let example = include_str!("../../tests/fixtures/capacity.json");
        let report: CapacityReport = serde_json::from_str(example).expect("the example parses");
        assert_eq!(report.schema, SCHEMA);
        let written = serde_json::to_value(&report).expect("a report serialises");
        let read: serde_json::Value = serde_json::from_str(example).expect("JSON");
        assert_eq!(written, read, "every field of the example is one of the schema, and none is missing");
    }

    #[test]
    fn a_step_tells_what_broke_and_whose_it_was() {
        let example = include_str!("../../tests/fixtures/report.json");
        let mut run: RunReport = serde_json::from_str(example).expect("the example parses");
        let planned = Planned { number: 3, repetition: 1, count: 8, people: 9, steps_left_max: 2 };
        let judgement = &mut run.thresholds[0];
        let late = Excess { participant: "the node".into(), visit: 1, value: 3.0, detail: None };
        (judgement.ruling, judgement.worst, judgement.failing) =
            (Ruling::Broken, Some(late.clone()), vec![late.clone()]);
        let step = planned.played(&run, Some(planned.folder()));
        assert_eq!((step.number, step.count, step.folder.as_deref()), (3, 8, Some("steps/03-n8")));
        let told: Vec<&str> = step.broken.iter().map(|broken| &*broken.threshold).collect();
        let over = run.thresholds.iter().filter(|judgement| judgement.ruling == Ruling::Broken);
        assert_eq!(told, over.map(|judgement| &*judgement.threshold).collect::<Vec<_>>());
        assert!(told.len() < run.thresholds.len(), "the control: others were kept");
        assert_eq!((&step.broken[0].worst, step.broken[0].failing), (&late, 1));
        assert_eq!(step.cpu_s_per_participant_s, run.node.cpu_s_per_participant_s);
    }
}
