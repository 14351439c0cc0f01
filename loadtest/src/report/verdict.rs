//! What thresholds came to, as the report tells it.

use serde::{Deserialize, Serialize};

/// One threshold and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Its key in the scenario: `latency_ms_p95_max`.
    pub threshold: String,
    /// Unit of limit and values: `ms`, `percent`, `dB`, `count`, `people`.
    pub unit: String,
    /// The limit that the scenario sets.
    pub limit: f64,
    /// What came of it.
    pub ruling: Ruling,
    /// The worst value of all, and whose it is; `null` when nobody measured it.
    pub worst: Option<Excess>,
    /// Everybody over the limit, worst first; empty for [`Ruling::Kept`].
    pub failing: Vec<Excess>,
}

/// What came of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// Everybody stayed within it.
    Kept,
    /// Somebody did not.
    Broken,
    /// Nobody measured it: the run says nothing about it.
    Unmeasured,
}

/// One participant's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Excess {
    /// Whose; `the node` where the node itself is judged.
    pub participant: String,
    /// Which of its stays, from 1 on.
    pub visit: u32,
    /// The value, in the threshold's unit.
    pub value: f64,
    /// What it is about, where the value alone does not say it: who was not seen, why a join failed.
    pub detail: Option<String>,
}

impl Excess {
    /// For a person: who has what in `unit`, and what it is about.
    pub fn said(&self, unit: &str) -> String {
        let Self { participant, visit, value, detail } = self;
        let visit = if *visit > 1 { format!(" (visit {visit})") } else { String::new() };
        let detail = detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        format!("{participant}{visit} has {} {unit}{detail}", rounded(*value))
    }
}

/// With one digit after the point, and none where it says nothing.
pub fn rounded(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// What follows from a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Every threshold was kept, and the harness could keep up.
    Pass,
    /// A threshold was broken.
    Fail,
    /// The run says nothing: the harness could not keep up, something broke while the machine's host gave the cores to others, nobody
    /// measured a threshold, or it ended before it began to count.
    Invalid,
}
