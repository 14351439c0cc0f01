//! Whether a run was good: thresholds against what participants measured, and whether the harness can be believed.
//!
//! Flow: [`Thresholds`] of the scenario, participants' entries, the node's and the harness' own use -> **here** -> judgements
//! and the verdict of the report. Pure.

mod rules;

use crate::report::{
    EndedBy, Excess, HarnessUse, Judgement, Measured, NodeUse, Participant, Ruling, Verdict, rounded,
};
use crate::scenario::bounded::{Decimal, Whole};
use serde::Deserialize;

/// Pictures and sounds handed over later than this make every figure the harness' own (99th percentile).
pub const SEND_LATE_MS_MAX: u64 = 5;
/// Cores busier than this, over the run, leave nothing to measure with.
pub const BUSY_MAX: f64 = 0.85;
/// Of cores of which other guests of the host take more than this, over the run, figures of time tell of those guests.
pub const STOLEN_MAX: f64 = 0.03;
/// Who is in for so long beside others, measures, and is sent nothing at all, is served badly; shorter stays may just have missed it.
const UNSERVED_SECONDS: f64 = 2.0;

/// The limits of a scenario; what is not set is not judged, but for failures.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Stays that failed.
    pub failures_max: Option<Whole<0, 1_000_000>>,
    /// To the first picture and to the first sound (encoders: to being connected).
    pub join_ms_max: Option<Whole<1, 60_000>>,
    /// Others whom somebody had to see and did not.
    pub unseen_max: Option<Whole<0, 200>>,
    /// Others whom somebody had to hear and did not.
    pub unheard_max: Option<Whole<0, 200>>,
    /// Bar codes in other people's tiles.
    pub misplaced_max: Option<Whole<0, 1_000_000>>,
    /// One's own voice in one's own mix, against how others hear it.
    pub own_voice_leak_db_max: Option<Decimal<{ -12_000 }, 0>>,
    /// Glass to glass, of the worst sender.
    pub latency_ms_p95_max: Option<Whole<1, 60_000>>,
    /// Mouth to ear, of the worst sender.
    pub sound_latency_ms_p95_max: Option<Whole<1, 1_000>>,
    /// Picture against sound, whichever comes later.
    pub av_offset_ms_max: Option<Whole<1, 60_000>>,
    /// Each tile's brightness against what its sender drew: peak signal to noise, in dB.
    pub psnr_db_min: Option<Decimal<0, 10_000>>,
    /// Decoded pictures per second.
    pub fps_min: Option<Decimal<0, 6_000>>,
    /// Freezes, of the mixed picture or of any one's tile in it.
    pub freezes_max: Option<Whole<0, 1_000_000>>,
    /// Their summed length in parts of the time.
    pub frozen_percent_max: Option<Decimal<0, 10_000>>,
    /// Made-up sound in parts of what was played.
    pub concealed_percent_max: Option<Decimal<0, 10_000>>,
    /// The node's late picture ticks in parts of all, while the run went on.
    pub ticks_late_percent_max: Option<Decimal<0, 10_000>>,
}

/// The judgement of a whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Sentence {
    /// One for each threshold that is set.
    pub judgements: Vec<Judgement>,
    /// What follows.
    pub verdict: Verdict,
    /// Why, in one sentence each.
    pub because: Vec<String>,
}

/// Judges a run. The harness' own faults come first: a run that cannot be believed is neither good nor bad.
pub fn judge(
    thresholds: &Thresholds,
    participants: &[Participant],
    node: &NodeUse,
    harness: &HarnessUse,
    ended_by: EndedBy,
) -> Sentence {
    let judgements = rules::judgements(thresholds, participants, node);
    let mut invalid = unbelievable(harness);
    let unserved = unserved(participants);
    // Where nothing comes there is nothing to measure: that is a fault of what was tested, not of the test.
    if unserved.is_none() {
        let unmeasured = judgements.iter().filter(|judgement| judgement.ruling == Ruling::Unmeasured);
        invalid.extend(unmeasured.map(|judgement| format!("{}: nobody measured it", judgement.threshold)));
    }
    let broken: Vec<String> = unserved.into_iter().chain(judgements.iter().flat_map(sentences)).collect();
    // Disturbance only ever makes a run worse: what was kept all the same is kept, what was broken says nothing.
    invalid.extend(disturbed(node, harness).filter(|_| !broken.is_empty()));
    // Where people failed there is nobody to measure: that is a fault of what was tested, not of the test.
    let everybody_failed =
        !participants.is_empty() && participants.iter().all(|participant| participant.failure.is_some());
    let verdict = if everybody_failed || ended_by == EndedBy::Nobody {
        Verdict::Fail
    } else if !invalid.is_empty() {
        Verdict::Invalid
    } else if !broken.is_empty() {
        Verdict::Fail
    } else {
        Verdict::Pass
    };
    let mut because = if verdict == Verdict::Fail { broken } else { [invalid, broken].concat() };
    if verdict == Verdict::Fail && because.is_empty() {
        because.push("nobody was left in the meeting".to_owned());
    }
    Sentence { judgements, verdict, because }
}

/// That somebody who measures beside others was sent nothing, through no network of the scenario's.
fn unserved(participants: &[Participant]) -> Option<String> {
    let is_beside_others = |measured: &Measured| {
        measured.sees.iter().any(|seen| seen.expected) || measured.hears.iter().any(|heard| heard.expected)
    };
    let is_unserved = |participant: &&Participant| {
        let Participant { who, failure, traffic, measured, .. } = participant;
        failure.is_none()
            && who.network.is_none()
            && traffic.seconds >= UNSERVED_SECONDS
            && traffic.received_kbps == Some(0.0)
            && measured.as_ref().is_some_and(is_beside_others)
    };
    let mut unserved = participants.iter().filter(is_unserved);
    let (first, others) = (unserved.next()?, unserved.count());
    let more = if others > 0 { format!(" and {others} more") } else { String::new() };
    Some(format!("{}{more}: nothing was sent to them for {:.0} s", first.who.name, first.traffic.seconds))
}

/// Why the harness cannot be believed.
fn unbelievable(harness: &HarnessUse) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(late) = harness.send_late_ms_p99.filter(|late| *late > SEND_LATE_MS_MAX) {
        faults.push(format!(
            "the harness sent late: the 99th percentile is {late} ms, the most that can be believed {SEND_LATE_MS_MAX} ms"
        ));
    }
    if let Some(busy) = harness.busy_mean.filter(|busy| *busy > BUSY_MAX) {
        faults.push(format!(
            "the harness' cores were {:.0} % busy, the most that can be believed is {:.0} %: fewer participants, or more cores",
            busy * 100.0,
            BUSY_MAX * 100.0
        ));
    }
    if harness.unmeasured > 0 {
        faults.push(format!("the harness was too slow to measure {} packets and events", harness.unmeasured));
    }
    faults
}

/// That the host gave the cores of the node or of the harness to its other guests.
pub fn disturbed(node: &NodeUse, harness: &HarnessUse) -> Option<String> {
    let (whose, part) = [("node", node.stolen_mean), ("harness", harness.stolen_mean)]
        .into_iter()
        .filter_map(|(whose, part)| Some((whose, part?)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    (part > STOLEN_MAX).then(|| {
        format!(
            "this machine's host took {:.1} % of the {whose}'s cores for others, the most that can be believed is {:.0} %: \
             measure when the host is quieter, or on a machine of your own",
            part * 100.0,
            STOLEN_MAX * 100.0
        )
    })
}

/// A broken threshold, one sentence for each who broke it, the worst three.
fn sentences(judgement: &Judgement) -> Vec<String> {
    const SAID_MAX: usize = 3;
    let Judgement { threshold, unit, limit, failing, .. } = judgement;
    let says =
        |excess| format!("{threshold}: {}, the limit is {}", Excess::said(excess, unit), rounded(*limit));
    let mut said: Vec<String> = failing.iter().take(SAID_MAX).map(says).collect();
    if failing.len() > SAID_MAX {
        said.push(format!("{threshold}: and {} more", failing.len() - SAID_MAX));
    }
    said
}

#[cfg(test)]
mod tests;
