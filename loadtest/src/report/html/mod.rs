//! A run as one page for a person, `report.html`: the verdict, who broke what, figures, plots, everybody, the machine.
//!
//! Flow: [`RunReport`], [`Environment`] -> **here** -> one file without network, script or other files: its policy of
//! content forbids all three, and pictures are SVG in it. Pure. Every text of a report is taken for hostile: markup is
//! made by `maud`, which escapes, and `text` shortens. Bound: rows of each table and points of each line are limited, so
//! that the largest run makes less than two megabytes.

mod bars;
mod course;
mod figures;
mod people;
mod svg;
mod text;
mod whom;

use super::{EndedBy, Environment, RunReport, Verdict};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use text::{mebibytes, none, plain, said, utc, value};

/// Nothing may be loaded and nothing run; only the page's own style counts.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE: &str = include_str!("style.css");
/// Reasons of a verdict that are told; the tables have all.
const REASONS_MAX: usize = 20;
/// Letters of a scenario that are shown: as many as one may have.
const SCENARIO_CHARS_MAX: usize = 64 * 1024;

/// Anchor and title of each section, in order.
const SECTIONS: [(&str, &str); 9] = [
    ("thresholds", "Thresholds"),
    ("figures", "How the meeting was"),
    ("cost", "What it cost"),
    ("course", "Over time"),
    ("latency", "Latency"),
    ("joins", "The way in"),
    ("whom", "Who sees and hears whom"),
    ("people", "Participants"),
    ("made", "How it was measured"),
];

/// The page of a report; `environment` is that of the machine on which it was measured.
pub fn html(report: &RunReport, environment: Option<&Environment>) -> String {
    let title = format!("{}: {}", plain(&report.scenario.name, 64), word(report.verdict));
    let sections = [
        figures::thresholds(report),
        figures::figures(report),
        figures::cost(report),
        course::course(report),
        bars::latency(report),
        bars::joins(report),
        whom::whom(report),
        people::people(report),
        made(report, environment),
    ];
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " - mcu-load" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    (verdict(report))
                    (summary(report))
                    nav aria-label="Sections" {
                        ul { @for (anchor, title) in SECTIONS { li { a href={ "#" (anchor) } { (title) } } } }
                    }
                }
                main {
                    @for ((anchor, title), section) in SECTIONS.iter().zip(&sections) {
                        section aria-labelledby=(anchor) {
                            h2 id=(anchor) { (title) }
                            (section)
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Invalid => "INVALID",
    }
}

/// What follows from the run, and why.
fn verdict(report: &RunReport) -> Markup {
    let (class, says) = match report.verdict {
        Verdict::Pass => ("verdict pass", "✓ PASS: every threshold was kept."),
        Verdict::Fail => ("verdict fail", "✗ FAIL: a threshold was broken, or nobody was left."),
        Verdict::Invalid => ("verdict invalid", "? INVALID: this run says nothing about the node."),
    };
    let reasons = &report.because;
    html! {
        div class=(class) {
            p { strong { (says) } }
            @if !reasons.is_empty() {
                ul {
                    @for because in reasons.iter().take(REASONS_MAX) { li { (said(because)) } }
                    @if reasons.len() > REASONS_MAX { li { "and " (reasons.len() - REASONS_MAX) " more" } }
                }
            }
        }
    }
}

/// When, how long, how it ended.
fn summary(report: &RunReport) -> Markup {
    let seconds = report.ended_unix_ms.saturating_sub(report.started_unix_ms) / 1_000;
    let ended = match report.ended_by {
        EndedBy::Schedule => "as planned",
        EndedBy::Interrupt => "because it was interrupted",
        EndedBy::Nobody => "because nobody was left in the meeting",
    };
    html! {
        p {
            (report.participants.len()) " stays of " (report.scenario.participants) " planned participants, from "
            (utc(report.started_unix_ms)) " on; it ended after " (seconds) " s, " (ended)
            ". What was not measured is called so, and is never zero."
        }
    }
}

/// Machine, versions and scenario: with them, the run can be made again.
fn made(report: &RunReport, environment: Option<&Environment>) -> Markup {
    let text = |text: Option<&str>| text.map_or_else(none, said);
    let line = |figure: &str, value: Markup| html! { tr { th scope="row" { (figure) } td.long { (value) } } };
    html! {
        div.wide tabindex="0" role="group" aria-label="Versions and machine" {
            table {
                caption {
                    "Versions, and the machine that mcu-load ran on"
                    @if environment.is_none() { "; env.json, which tells the machine, was not beside the report" }
                }
                thead { tr { th scope="col" { "What" } th scope="col" { "Value" } } }
                tbody {
                    (line("Target", said(&report.target.base)))
                    (line("Version of the node", text(report.versions.node.as_deref())))
                    (line("Version of mcu-load", said(&report.versions.harness)))
                    @if let Some(environment) = environment {
                        (line("Commit", text(environment.commit.as_deref())))
                        (line("Build", html! {
                            @if environment.debug_build { "debug: its figures say nothing about a release" } @else { "release" }
                        }))
                        (line("Processor", text(environment.cpu.as_deref())))
                        (line("Cores", html! { (environment.cores) }))
                        (line("Memory", mebibytes(environment.memory_bytes)))
                        (line("Kernel", text(environment.kernel.as_deref())))
                        (line("System", text(environment.system.as_deref())))
                        (line("Load before the run, over one minute", value(environment.load_average, 2, "")))
                    }
                }
            }
        }
        h3 { "Scenario" }
        p { "Seed " (report.scenario.seed) "." }
        pre tabindex="0" { code { (scenario(&report.scenario.toml)) } }
    }
}

/// The text line by line, without control characters.
fn scenario(toml: &str) -> String {
    let shown: String = toml.chars().take(SCENARIO_CHARS_MAX).collect();
    shown.lines().map(|line| plain(line, SCENARIO_CHARS_MAX) + "\n").collect()
}

#[cfg(test)]
mod tests;
