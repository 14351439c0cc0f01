//! What a run came to in numbers: thresholds and who broke them, the meeting's figures, and what it cost.

use super::text::{mebibytes, name, none, said, stay, value};
use crate::report::{
    Calls, Excess, HarnessUse, Judgement, Measured, NodeSource, NodeUse, Participant, Percentiles, Ruling,
    RunReport, rounded,
};
use maud::{Markup, html};

/// People named for one threshold.
const NAMED_MAX: usize = 10;

/// Each threshold, what came of it, and whose it was.
pub(super) fn thresholds(report: &RunReport) -> Markup {
    if report.thresholds.is_empty() {
        return html! { p { "The scenario sets none." } };
    }
    html! {
        div.wide tabindex="0" role="group" aria-label="Thresholds" {
            table {
                caption { "Each threshold of the scenario, its worst value, and who broke it" }
                thead {
                    tr {
                        th scope="col" { "Threshold" }
                        th scope="col" { "Outcome" }
                        th.n scope="col" { "Worst value" }
                        th.n scope="col" { "Limit" }
                        th scope="col" { "Whose" }
                    }
                }
                tbody { @for judgement in &report.thresholds { (threshold(judgement)) } }
            }
        }
    }
}

fn threshold(judgement: &Judgement) -> Markup {
    let Judgement { threshold, unit, limit, ruling, worst, failing } = judgement;
    let is_least = threshold.ends_with("_min");
    html! {
        tr {
            th scope="row" { (name(threshold)) }
            @match ruling {
                Ruling::Kept => { td.good { "✓ kept" } }
                Ruling::Broken => { td.bad { "✗ broken" } }
                Ruling::Unmeasured => { td.doubt { "? " (super::text::NOT_MEASURED) } }
            }
            td.n { @if let Some(worst) = worst { (rounded(worst.value)) " " (said(unit)) } @else { (none()) } }
            td.n { @if is_least { "at least " } @else { "at most " } (rounded(*limit)) " " (said(unit)) }
            td.long {
                @if failing.is_empty() {
                    @if let Some(worst) = worst { (whose(worst, None)) } @else { (none()) }
                } @else {
                    ul {
                        @for excess in failing.iter().take(NAMED_MAX) { li { (whose(excess, Some(unit))) } }
                        @if failing.len() > NAMED_MAX { li { "and " (failing.len() - NAMED_MAX) " more" } }
                    }
                }
            }
        }
    }
}

/// Who, with the value where `unit` is given, and what it is about.
fn whose(excess: &Excess, unit: Option<&str>) -> Markup {
    html! {
        (stay(&excess.participant, excess.visit))
        @if let Some(unit) = unit { ": " (rounded(excess.value)) " " (said(unit)) }
        @if let Some(detail) = &excess.detail { " (" (said(detail)) ")" }
    }
}

/// One figure that each participant has of its own.
struct Figure {
    name: &'static str,
    unit: &'static str,
    digits: usize,
    is_least: bool,
    value: fn(&Participant) -> Option<f64>,
}

const FIGURES: [Figure; 14] = [
    Figure { name: "Join", unit: "ms", digits: 0, is_least: false, value: join_ms },
    Figure {
        name: "Glass to glass, p50",
        unit: "ms",
        digits: 0,
        is_least: false,
        value: |participant| latency(participant, |of| of.p50_ms),
    },
    Figure {
        name: "Glass to glass, p95",
        unit: "ms",
        digits: 0,
        is_least: false,
        value: |participant| latency(participant, |of| of.p95_ms),
    },
    Figure {
        name: "Glass to glass, p99",
        unit: "ms",
        digits: 0,
        is_least: false,
        value: |participant| latency(participant, |of| of.p99_ms),
    },
    Figure { name: "Mouth to ear, p95", unit: "ms", digits: 0, is_least: false, value: mouth_to_ear },
    Figure {
        name: "Picture and sound apart",
        unit: "ms",
        digits: 0,
        is_least: false,
        value: |participant| measured(participant)?.av_offset_ms.map(f64::abs),
    },
    Figure {
        name: "Opinion of the sound (E-model, 1 to 4.5)",
        unit: "",
        digits: 1,
        is_least: true,
        value: |participant| measured(participant)?.mos,
    },
    Figure {
        name: "Tiles against what was drawn, PSNR",
        unit: "dB",
        digits: 1,
        is_least: true,
        value: |participant| measured(participant)?.psnr_db,
    },
    Figure {
        name: "Tiles against what was drawn, SSIM",
        unit: "",
        digits: 3,
        is_least: true,
        value: |participant| measured(participant)?.ssim,
    },
    Figure {
        name: "Pictures per second",
        unit: "fps",
        digits: 1,
        is_least: true,
        value: |participant| measured(participant)?.fps,
    },
    Figure {
        name: "Freezes",
        unit: "",
        digits: 0,
        is_least: false,
        value: |participant| Some(measured(participant)?.freezes as f64),
    },
    Figure {
        name: "Frozen",
        unit: "%",
        digits: 1,
        is_least: false,
        value: |participant| Some(measured(participant)?.frozen_percent),
    },
    Figure {
        name: "Concealed sound",
        unit: "%",
        digits: 1,
        is_least: false,
        value: |participant| {
            let measured = measured(participant)?;
            (measured.played_ms > 0).then_some(measured.concealed_percent)
        },
    },
    Figure {
        name: "Own voice in one's own mix",
        unit: "dB",
        digits: 0,
        is_least: false,
        value: |participant| measured(participant)?.own_voice_leak_db,
    },
];

fn measured(participant: &Participant) -> Option<&Measured> {
    participant.measured.as_ref()
}

fn latency(participant: &Participant, of: fn(&Percentiles) -> u64) -> Option<f64> {
    measured(participant)?.glass_to_glass.as_ref().map(|latency| of(latency) as f64)
}

fn mouth_to_ear(participant: &Participant) -> Option<f64> {
    measured(participant)?.mouth_to_ear.map(|latency| latency.p95_ms as f64)
}

/// Of whoever failed, how long that took says nothing about joining.
fn join_ms(participant: &Participant) -> Option<f64> {
    participant.join_ms.filter(|_| participant.failure.is_none()).map(|ms| ms as f64)
}

/// How the meeting was for those in it.
pub(super) fn figures(report: &RunReport) -> Markup {
    html! {
        div.wide tabindex="0" role="group" aria-label="How the meeting was" {
            table {
                caption {
                    "Each participant has a value of its own; glass to glass is that of the sender whom it sees latest"
                }
                thead {
                    tr {
                        th scope="col" { "Figure" }
                        th.n scope="col" { "Median" }
                        th.n scope="col" { "95 % have it no worse" }
                        th.n scope="col" { "Worst" }
                        th scope="col" { "Whose" }
                        th.n scope="col" { "Measured by" }
                    }
                }
                tbody { @for figure in &FIGURES { (row(figure, &report.participants)) } }
            }
        }
    }
}

fn row(figure: &Figure, participants: &[Participant]) -> Markup {
    let Figure { name, unit, digits, is_least, value: of } = figure;
    let mut values: Vec<(f64, &Participant)> =
        participants.iter().filter_map(|participant| Some((of(participant)?, participant))).collect();
    // The worst first; stable: of equals, whoever came first.
    values.sort_by(|(a, _), (b, _)| if *is_least { a.total_cmp(b) } else { b.total_cmp(a) });
    // The nearest rank, counted from the best.
    let rank = |percent: usize| {
        let rank = (values.len() * percent).div_ceil(100).max(1);
        values.len().checked_sub(rank).map(|nth| values[nth].0)
    };
    html! {
        tr {
            th scope="row" { (name) }
            td.n { (value(rank(50), *digits, unit)) }
            td.n { (value(rank(95), *digits, unit)) }
            td.n { (value(rank(100), *digits, unit)) }
            td {
                @if let Some((_, worst)) = values.first() { (stay(&worst.who.name, worst.who.visit)) } @else { "nobody" }
            }
            td.n { (values.len()) " of " (participants.len()) }
        }
    }
}

/// What the run cost the node, and the harness.
pub(super) fn cost(report: &RunReport) -> Markup {
    let failed = report.participants.iter().filter(|participant| participant.failure.is_some()).count();
    let most = report.timeline.iter().map(|moment| moment.connected).max();
    html! {
        div.wide tabindex="0" role="group" aria-label="What it cost" {
            table {
                caption { "Node and harness over the whole run" }
                thead { tr { th scope="col" { "Figure" } th.n scope="col" { "Value" } } }
                tbody {
                    (line("Participants planned", html! { (report.scenario.participants) }))
                    (line("At once at the most", value(most.map(f64::from), 0, "")))
                    (line("Stays, and of them failed", html! { (report.participants.len()) ", " (failed) }))
                    @if let Some(calls) = &report.calls { (told(calls)) }
                    (node(&report.node))
                    (harness(&report.harness))
                }
            }
        }
    }
}

fn told(calls: &Calls) -> Markup {
    let spread = |of: Option<Percentiles>| match of {
        Some(of) => html! { (of.p50_ms) " ms, " (of.p95_ms) " ms" },
        None => none(),
    };
    html! {
        (line("Calls made, and of them answered", html! { (calls.made) ", " (calls.answered) }))
        (line("Calls: INVITE to 200, p50 and p95", spread(calls.set_up)))
        (line("Calls: INVITE to the first sound, p50 and p95", spread(calls.first_sound)))
        @for (status, count) in &calls.refused {
            (line("Calls refused", html! { (count) " with " (said(status)) }))
        }
    }
}

fn node(node: &NodeUse) -> Markup {
    let source = match node.source {
        Some(NodeSource::Proc) => html! { "/proc" },
        Some(NodeSource::Metrics) => html! { "/metrics" },
        None => none(),
    };
    let late = match (node.ticks_late, node.ticks) {
        (Some(late), Some(ticks)) => html! { (late) " of " (ticks) },
        (late, _) => value(late.map(|late| late as f64), 0, ""),
    };
    html! {
        (line("Node: CPU-seconds per participant-second", value(node.cpu_s_per_participant_s, 4, "")))
        (line("Node: CPU time", value(node.cpu_s, 1, "s")))
        (line("Participant-seconds", value(Some(node.participant_s), 0, "")))
        (line("Node: memory at the most", mebibytes(node.memory_bytes_max)))
        (line("Node: late ticks", late))
        (line("Node: encoders at the most", value(node.encoders_max.map(|most| most as f64), 0, "")))
        (line("Node: taken of its cores by others of the host", percent(node.stolen_mean, 1)))
        (line("Node: looked at by", source))
        (line("Node: kept to cores", html! { @match &node.cpus { Some(cpus) => { (said(cpus)) } None => { "all" } } }))
    }
}

fn harness(harness: &HarnessUse) -> Markup {
    html! {
        (line("Harness: how late it sent, p99", value(harness.send_late_ms_p99.map(|ms| ms as f64), 0, "ms")))
        (line("Harness: CPU time", value(harness.cpu_s, 1, "s")))
        (line("Harness: its cores", html! {
            (harness.cores) @if let Some(cpus) = &harness.cpus { " (" (said(cpus)) ")" }
        }))
        (line("Harness: its cores busy, mean", percent(harness.busy_mean, 0)))
        (line("Harness: its cores busy, at the most", percent(harness.busy_max, 0)))
        (line("Harness: taken of its cores by others of the host", percent(harness.stolen_mean, 1)))
        (line("Harness: memory at the most", mebibytes(harness.memory_bytes_max)))
        (line("Harness: packets it was too slow to measure", html! { (harness.unmeasured) }))
    }
}

/// A part, 0 to 1, in percent.
fn percent(part: Option<f64>, digits: usize) -> Markup {
    value(part.map(|part| part * 100.0), digits, "%")
}

fn line(figure: &str, value: Markup) -> Markup {
    html! { tr { th scope="row" { (figure) } td.n { (value) } } }
}
