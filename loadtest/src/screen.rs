//! What a person sees of a run: a few lines that live on a terminal, one line a second elsewhere, and the verdict.
//!
//! Flow: `live` tells -> **here** -> standard output. Whoever reads a log gets every second's line; nothing is rewritten there.

use loadtest::live::{Progress, Standing};
use loadtest::report::{
    Calls, Judgement, Moment, NodeSource, Percentiles, Ruling, RunReport, TargetKind, Verdict, rounded,
};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _, stdout};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where a run is shown.
pub(crate) struct Screen {
    scenario: String,
    is_terminal: bool,
    /// Lines that the next picture replaces.
    drawn: AtomicUsize,
}

impl Screen {
    pub(crate) fn new(scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            is_terminal: stdout().is_terminal(),
            drawn: AtomicUsize::new(0),
        }
    }

    /// Says something for good, in the place of the living lines.
    pub(crate) fn say(&self, lasting: &str) {
        self.replace(lasting, "");
    }

    /// Takes the living lines away.
    pub(crate) fn clear(&self) {
        self.replace("", "");
    }

    /// Says how far it is, in lines that the next take the place of; elsewhere than on a terminal each stays.
    pub(crate) fn living(&self, lines: &str) {
        if self.is_terminal {
            self.replace("", lines);
        } else {
            print!("{lines}");
        }
    }

    /// Replaces the living lines by `living`, with `lasting` above them for good.
    fn replace(&self, lasting: &str, living: &str) {
        let lines = self.drawn.swap(living.matches('\n').count(), Ordering::Relaxed);
        let mut out = stdout().lock();
        // A terminal that has gone shows nothing: the run goes on.
        if lines > 0 {
            let _ = write!(out, "\x1b[{lines}F\x1b[J");
        }
        let _ = write!(out, "{lasting}{living}");
        let _ = out.flush();
    }
}

impl Progress for Screen {
    fn loops(&self, done: usize, total: usize) {
        if self.is_terminal {
            self.replace("", &format!("making what is sent: {done} of {total}\n"));
        } else if done == total {
            println!("what is sent is made: {total} pieces");
        }
    }

    fn second(&self, standing: &Standing<'_>) {
        let failures: String = standing.failures.iter().map(|failure| format!("{failure}\n")).collect();
        if self.is_terminal {
            self.replace(&failures, &living(&self.scenario, standing));
        } else {
            print!("{failures}");
            println!("{}", line(standing));
        }
    }
}

/// What is seen and heard, of those who measure; empty where nobody does yet.
fn quality(moment: &Moment) -> String {
    let mut text = String::new();
    if let Some(fps) = moment.fps_min {
        let _ = write!(text, "fps >= {fps:.1}");
    }
    if let (Some(freezes), Some(concealed_ms)) = (moment.freezes, moment.concealed_ms) {
        let _ = write!(text, "  freezes {freezes}  concealed {concealed_ms} ms");
    }
    if let Some(latency) = moment.latency_ms_p95 {
        let _ = write!(text, "  latency p95 <= {latency} ms");
    }
    text
}

/// What it costs, as far as that is known.
fn cost(standing: &Standing<'_>) -> String {
    let node = standing.moment.node_cores.map(|cores| format!("node {cores:.2} cores"));
    let harness = standing.moment.harness_cores.map(|cores| format!("harness {cores:.2} cores"));
    let late = standing.send_late_ms_p99.map(|late| format!("sends late p99 {late} ms"));
    [node, harness, late].into_iter().flatten().collect::<Vec<_>>().join("  ")
}

fn people(standing: &Standing<'_>) -> String {
    let Moment { connected, failed, sent_kbps, received_kbps, .. } = standing.moment;
    format!(
        "in {connected}/{}  failed {failed}  sent {sent_kbps:.0} kbit/s  received {received_kbps:.0} kbit/s",
        standing.people
    )
}

fn seconds(standing: &Standing<'_>) -> String {
    format!("{} s of {} s", standing.moment.at_ms / 1_000, standing.end.as_secs())
}

/// One second in one line.
fn line(standing: &Standing<'_>) -> String {
    let parts = [people(standing), quality(standing.moment), cost(standing)];
    let told: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{}  {}  {}", seconds(standing), standing.phase.name(), told.join("  "))
}

fn living(scenario: &str, standing: &Standing<'_>) -> String {
    let head = format!("{scenario}  {}  {}", standing.phase.name(), seconds(standing));
    format!("{head}\n  {}\n  {}\n  {}\n", people(standing), quality(standing.moment), cost(standing))
}

/// The end of a run, for a person: the verdict, each threshold, what it cost.
pub(crate) fn summary(report: &RunReport) -> String {
    let mut text = String::new();
    let verdict = match report.verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Invalid => "INVALID",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}: {verdict}", report.scenario.name);
    for because in &report.because {
        let _ = writeln!(text, "  {because}");
    }
    for judgement in &report.thresholds {
        let _ = writeln!(text, "{}", threshold(judgement));
    }
    if report.target.kind == TargetKind::VirtualTime {
        return text;
    }
    if let Some(calls) = &report.calls {
        let _ = writeln!(text, "  calls: {}", told(calls));
    }
    let node = &report.node;
    let from = match node.source {
        Some(NodeSource::Proc) => "by /proc",
        Some(NodeSource::Metrics) => "by /metrics",
        None => "not seen: neither a process of this machine nor metrics",
    };
    let cost = node.cpu_s_per_participant_s.map_or_else(String::new, |cost| {
        format!("{cost:.3} CPU-s per participant-second over {:.0} participant-seconds, ", node.participant_s)
    });
    let late = match (node.ticks_late, node.ticks) {
        (Some(late), Some(ticks)) => format!(", {late} of {ticks} ticks late"),
        _ => String::new(),
    };
    let encoders = node.encoders_max.map_or_else(String::new, |encoders| format!(", {encoders} encoders"));
    let _ = writeln!(text, "  node: {cost}{from}{}{late}{encoders}", memory(node.memory_bytes_max));
    let harness = &report.harness;
    let busy =
        harness.busy_mean.map_or_else(String::new, |busy| format!(", its cores {:.0} % busy", busy * 100.0));
    let late = harness.send_late_ms_p99.map_or_else(String::new, |late| format!("sends late p99 {late} ms"));
    let _ = writeln!(text, "  harness: {late}{busy}{}", memory(harness.memory_bytes_max));
    text
}

fn told(calls: &Calls) -> String {
    let Calls { made, answered, set_up, first_sound, refused } = calls;
    let spread = |what: &str, of: &Option<Percentiles>| {
        of.map(|of| format!(", {what} p50 {} ms p95 {} ms", of.p50_ms, of.p95_ms)).unwrap_or_default()
    };
    let refused: String =
        refused.iter().map(|(status, count)| format!(", {count} refused with {status}")).collect();
    format!(
        "{answered} of {made} answered{}{}{refused}",
        spread("INVITE to 200", set_up),
        spread("to sound", first_sound)
    )
}

fn memory(bytes: Option<u64>) -> String {
    bytes.map_or_else(String::new, |bytes| format!(", {} MB at the most", bytes / 1_000_000))
}

fn threshold(judgement: &Judgement) -> String {
    let Judgement { threshold, unit, limit, ruling, worst, .. } = judgement;
    let mark = match ruling {
        Ruling::Kept => "✔",
        Ruling::Broken => "✖",
        Ruling::Unmeasured => "?",
    };
    let worst = worst.as_ref().map_or_else(
        || "nobody measured it".to_owned(),
        // Of nothing there is no worst.
        |worst| match rounded(worst.value).as_str() {
            "0" => format!("no {unit}"),
            value => format!("worst {value} {unit} ({})", worst.participant),
        },
    );
    format!("  {mark} {threshold:<24} {worst}, limit {limit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadtest::live::Phase;
    use std::time::Duration;

    fn standing(moment: &Moment) -> Standing<'_> {
        Standing {
            phase: Phase::Counting,
            end: Duration::from_secs(20),
            people: 3,
            moment,
            send_late_ms_p99: Some(1),
            failures: Vec::new(),
        }
    }

    #[test]
    fn a_second_is_one_line_and_says_only_what_is_known() {
        let empty = Moment { at_ms: 1_200, connected: 1, ..Moment::default() };
        let text = line(&standing(&empty));
        assert!(text.starts_with("1 s of 20 s  counting  in 1/3  failed 0"), "{text}");
        assert!(!text.contains("fps") && !text.contains("node") && !text.contains('\n'), "{text}");
        let known =
            Moment { fps_min: Some(29.94), node_cores: Some(0.5), latency_ms_p95: Some(140), ..empty };
        let text = line(&standing(&known));
        assert!(
            text.contains("fps >= 29.9") && text.contains("p95 <= 140 ms") && text.contains("node 0.50"),
            "{text}"
        );
    }

    #[test]
    fn the_living_lines_are_as_many_each_time() {
        let (empty, known) = (Moment::default(), Moment { fps_min: Some(30.0), ..Moment::default() });
        let lines = |moment| living("smoke", &standing(moment)).matches('\n').count();
        assert_eq!((lines(&empty), lines(&known)), (4, 4));
    }

    #[test]
    fn calls_are_one_line_of_the_summary() {
        let of = |p50_ms, p95_ms| Percentiles { count: 3, p50_ms, p95_ms, p99_ms: p95_ms, max_ms: p95_ms };
        let (set_up, first_sound) = (Some(of(4, 9)), Some(of(30, 80)));
        let mut calls = Calls { made: 4, answered: 3, set_up, first_sound, ..Calls::default() };
        let answered = "3 of 4 answered, INVITE to 200 p50 4 ms p95 9 ms, to sound p50 30 ms p95 80 ms";
        assert_eq!(told(&calls), answered);
        calls.refused.insert("403".into(), 1);
        assert_eq!(told(&calls), format!("{answered}, 1 refused with 403"));
    }

    #[test]
    fn the_summary_names_verdict_reasons_and_every_threshold() {
        let example = include_str!("../tests/fixtures/report.json");
        let report: RunReport = serde_json::from_str(example).expect("the example parses");
        let text = summary(&report);
        assert!(report.because.iter().all(|because| text.contains(because)), "{text}");
        assert!(report.thresholds.iter().all(|judgement| text.contains(&judgement.threshold)), "{text}");
        assert!(text.contains("CPU-s per participant-second"), "{text}");
    }
}
