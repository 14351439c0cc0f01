//! What a run came to: the JSON of `report.json`, which `mcu-load compare`, `report.html` and CI read.
//!
//! Flow: `live` (who took part), [`gather`] (what each of them measured), `verdict` (what that means) -> **here** ->
//! files. Plain values, no behaviour but reading. Like a bot's own report, which each participant's entry ends with:
//! times are in the unit of the field's name, and what was not measured is `null` (or an empty list), never zero:
//! zero is a measurement. [`SCHEMA`] grows when a field changes its meaning; new fields alone do not change it, and are
//! `null` where an older program wrote the file.
//!
//! `loadtest/tests/fixtures/report.json` is one whole example: what a run of `example.toml` beside it wrote.

mod calls;
mod environment;
mod folder;
mod gather;
mod html;
mod junit;
mod mos;
mod participant;
mod stored;
mod verdict;

pub use calls::Calls;
pub use environment::Environment;
pub use folder::{Folder, FolderError};
pub use gather::{Counted, Passage, gather};
pub use html::html;
pub use junit::junit;
pub use participant::{
    Failure, Heard, Measured, MeasuredSource, Participant, ParticipantKind, Percentiles, Seen, Traffic, Who,
};
pub use stored::{Stored, StoredError};
pub use verdict::{Excess, Judgement, Ruling, Verdict, rounded};

use crate::scenario::Scenario;
use crate::scenario::schedule::Schedule;
use serde::{Deserialize, Serialize};

/// Version of the JSON.
pub const SCHEMA: u32 = 1;
/// Entries of [`RunReport::timeline`]: when it is full, every second one goes and the interval doubles.
pub const TIMELINE_MAX: usize = 3_600;

/// One run of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// [`SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// What was played.
    pub scenario: ScenarioNote,
    /// Where.
    pub target: TargetNote,
    /// Begin, in milliseconds since 1970-01-01 UTC, as all moments below but those of the bots are counted from here.
    pub started_unix_ms: u64,
    /// End: the last participant has left.
    pub ended_unix_ms: u64,
    /// Why it ended.
    pub ended_by: EndedBy,
    /// Who measured what.
    pub versions: Versions,
    /// Everybody who came, one entry for each stay: who leaves and rejoins has several.
    pub participants: Vec<Participant>,
    /// What came of the calls by SIP; `null` where nobody called.
    #[serde(default)]
    pub calls: Option<Calls>,
    /// What the run cost the node.
    pub node: NodeUse,
    /// What it cost the harness, and whether the harness can be believed.
    pub harness: HarnessUse,
    /// How things went over time, oldest first, for plots; at most [`TIMELINE_MAX`] entries, evenly spaced.
    pub timeline: Vec<Moment>,
    /// Each threshold of the scenario, and what came of it.
    pub thresholds: Vec<Judgement>,
    /// What follows.
    pub verdict: Verdict,
    /// Why, in one sentence each; empty for [`Verdict::Pass`].
    pub because: Vec<String>,
}

/// The scenario, as far as a reader of the report needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioNote {
    /// Its name.
    pub name: String,
    /// What all chance of the run came from.
    pub seed: u64,
    /// From the first join to the end, as planned.
    pub duration_ms: u64,
    /// How many participants were planned.
    pub participants: u32,
    /// The whole TOML text, so that the run can be repeated from its report.
    pub toml: String,
}

impl ScenarioNote {
    /// Of `scenario`, as `schedule` has planned it.
    pub fn of(scenario: &Scenario, schedule: &Schedule) -> Self {
        Self {
            name: scenario.name.clone(),
            seed: scenario.seed,
            duration_ms: schedule.end.as_millis() as u64,
            participants: schedule.people.len() as u32,
            toml: scenario.toml.clone(),
        }
    }
}

/// What was measured, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetNote {
    /// What kind.
    pub kind: TargetKind,
    /// The address without path, query and PIN: `http://localhost:8080/`.
    pub base: String,
}

/// How the target was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// By its join link.
    JoinUrl,
    /// By the file that `mcu serve --announce` wrote.
    Announce,
    /// By addresses of WHIP and WHEP, of whatever server.
    Endpoints,
    /// By an address of SIP, of whatever server.
    Sip,
    /// Nowhere: it was played in virtual time.
    VirtualTime,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// Everything planned has been done.
    Schedule,
    /// Ctrl-C or SIGTERM: what was measured until then is here.
    Interrupt,
    /// Nobody was left in the meeting, and nobody more was to come.
    Nobody,
}

/// Program versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// `mcu-load`.
    pub harness: String,
    /// The node, as `GET /livez` says; `null` where there is no such thing.
    pub node: Option<String>,
}

/// What the run cost the node, while people were in. All `null` when nobody could look: neither a local process nor
/// `/metrics` was known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeUse {
    /// How it was looked at.
    pub source: Option<NodeSource>,
    /// Cores that it was kept to (`--node-cpus`), as given; `null` when it could use all.
    pub cpus: Option<String>,
    /// Processor time, user and system, from the first join to the last leave.
    pub cpu_s: Option<f64>,
    /// Participant-seconds in that time: the sum of everybody's connected time.
    pub participant_s: f64,
    /// The quotient: what one person costs, in processor seconds a second.
    pub cpu_s_per_participant_s: Option<f64>,
    /// Resident memory at the most.
    pub memory_bytes_max: Option<u64>,
    /// Picture ticks missed.
    pub ticks_late: Option<u64>,
    /// Picture ticks started.
    pub ticks: Option<u64>,
    /// Encodes running at the most: one for each distinct rendition.
    pub encoders_max: Option<u64>,
    /// What other guests of the host took of the node's cores while figures counted, in parts of them, 0 to 1 (steal, proc(5));
    /// `null` where it is no process of this machine.
    pub stolen_mean: Option<f64>,
}

/// Where figures of the node come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeSource {
    /// Processor time and memory from `/proc` of this machine; the rest, if any, from `/metrics`.
    Proc,
    /// Everything from `/metrics`.
    Metrics,
}

/// What the run cost the harness itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HarnessUse {
    /// Cores that it was kept to (`--self-cpus`), as given; `null` when it could use all.
    pub cpus: Option<String>,
    /// How many cores those are.
    pub cores: u32,
    /// Its own processor time, user and system, over the run.
    pub cpu_s: Option<f64>,
    /// The busiest second of its cores, in parts of them all, 0 to 1: by whatever program that
    /// is not niced: those that are give way.
    pub busy_max: Option<f64>,
    /// The mean of the same.
    pub busy_mean: Option<f64>,
    /// What other guests of the host took of them while figures counted, in parts of them all (steal, proc(5)).
    pub stolen_mean: Option<f64>,
    /// How late pictures and sounds were handed to the transport: the 99th percentile over all senders.
    pub send_late_ms_p99: Option<u64>,
    /// How many were counted.
    pub sends: u64,
    /// What measuring participants were too slow to look at. Over zero, their figures are not to be trusted.
    pub unmeasured: u64,
    /// Its own resident memory at the most.
    pub memory_bytes_max: Option<u64>,
}

/// One moment of the timeline.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Moment {
    /// Since the begin of the run.
    pub at_ms: u64,
    /// Participants connected.
    pub connected: u32,
    /// Stays that have failed so far.
    pub failed: u32,
    /// What all senders sent since the moment before.
    pub sent_kbps: f64,
    /// What all receivers got since the moment before.
    pub received_kbps: f64,
    /// Decoded pictures per second of the worst served, since its counting began.
    pub fps_min: Option<f64>,
    /// Freezes of all who measure, since their counting began.
    pub freezes: Option<u64>,
    /// Concealed sound of all who measure, in the same time.
    pub concealed_ms: Option<u64>,
    /// Glass to glass, the 95th percentile of the worst served, in the same time.
    pub latency_ms_p95: Option<u64>,
    /// Cores that the node used since the moment before: 1.0 is one core.
    pub node_cores: Option<f64>,
    /// Cores that the harness used since the moment before.
    pub harness_cores: Option<f64>,
}

impl NodeUse {
    /// The part of its picture ticks that were late, in percent; `None` where there were none, or nobody could look. Ticks that a
    /// node standing still never started are late as well: more than all of them are all.
    pub fn ticks_late_percent(&self) -> Option<f64> {
        let (late, ticks) = self.ticks_late.zip(self.ticks)?;
        (ticks > 0).then(|| (late as f64 * 100.0 / ticks as f64).min(100.0))
    }
}

impl RunReport {
    /// From which moment of the timeline figures count, as the scenario has it; `None` when this program cannot read the
    /// scenario.
    pub fn counts_from_ms(&self) -> Option<u64> {
        let scenario = Scenario::parse(&self.scenario.toml, &self.scenario.name).ok()?;
        Some(scenario.schedule().count_from.as_millis() as u64)
    }

    /// What a participant measured, of all who did.
    pub fn measured(&self) -> impl Iterator<Item = (&Participant, &Measured)> {
        self.participants.iter().filter_map(|participant| Some((participant, participant.measured.as_ref()?)))
    }

    /// The stay of `name`, the `visit`th from 1 on.
    pub fn participant(&self, name: &str, visit: u32) -> Option<&Participant> {
        self.participants
            .iter()
            .find(|participant| participant.who.name == name && participant.who.visit == visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../tests/fixtures/report.json");

    #[test]
    fn the_example_is_a_report_and_holds_nothing_else() {
        let report: RunReport = serde_json::from_str(EXAMPLE).expect("the example parses");
        assert_eq!(report.schema, SCHEMA);
        let written = serde_json::to_value(&report).expect("a report serialises");
        let read: serde_json::Value = serde_json::from_str(EXAMPLE).expect("JSON");
        assert_eq!(written, read, "every field of the example is one of the schema, and none is missing");
    }

    #[test]
    fn a_field_that_a_newer_program_added_may_be_missing() {
        let mut value: serde_json::Value = serde_json::from_str(EXAMPLE).expect("JSON");
        value["node"].as_object_mut().expect("an object").remove("encoders_max");
        let report: RunReport = serde_json::from_value(value).expect("parses all the same");
        assert_eq!(report.node.encoders_max, None);
    }
}
