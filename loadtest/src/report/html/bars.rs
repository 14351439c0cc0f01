//! Whom the meeting was late for, and where the way in took its time: one row for each participant, the worst first.

use super::svg::{Axis, WIDTH, bottom_marks, figure};
use super::text::{NOT_MEASURED, number, plain, stay, value};
use crate::bot::report::JoinStages;
use crate::report::{Participant, Percentiles, RunReport};
use maud::{Markup, html};

/// Rows of a picture: the worst.
const ROWS_MAX: usize = 40;
/// Height of a row.
const ROW: f64 = 18.0;
/// Where names end and bars begin.
const LEFT: f64 = 170.0;
/// Above the first row.
const TOP: f64 = 24.0;

/// A stage of the way in.
struct Stage {
    name: &'static str,
    letter: char,
    at: fn(&JoinStages) -> Option<u64>,
}

/// In the order in which they mostly come.
const STAGES: [Stage; 6] = [
    Stage { name: "joined", letter: 'J', at: |join| join.joined_ms },
    Stage { name: "offer answered", letter: 'A', at: |join| join.answered_ms },
    Stage { name: "events", letter: 'E', at: |join| join.events_ms },
    Stage { name: "connected", letter: 'C', at: |join| join.connected_ms },
    Stage { name: "first sound", letter: 'S', at: |join| join.first_sound_ms },
    Stage { name: "first picture", letter: 'P', at: |join| join.first_picture_ms },
];

/// Glass to glass of everybody who measured it.
pub(super) fn latency(report: &RunReport) -> Markup {
    let mut rows: Vec<(&Participant, Percentiles)> = report
        .measured()
        .filter_map(|(participant, measured)| Some((participant, measured.glass_to_glass?)))
        .collect();
    rows.sort_by_key(|(_, latency)| std::cmp::Reverse((latency.p95_ms, latency.p50_ms)));
    if rows.is_empty() {
        return html! { p { "Glass to glass: " (super::text::none()) "." } };
    }
    let all = rows.len();
    rows.truncate(ROWS_MAX);
    let judged = report.thresholds.iter().find(|judgement| judgement.threshold == "latency_ms_p95_max");
    let limit = judged.map(|judgement| judgement.limit);
    let most = rows.iter().map(|(_, latency)| latency.p99_ms as f64).chain(limit).fold(0.0, f64::max);
    let bottom = TOP + rows.len() as f64 * ROW;
    let axis = Axis::new(most, 6.0, (LEFT, WIDTH - 130.0), true);
    let drawing = html! {
        (bottom_marks(&axis, (TOP, bottom), "ms"))
        text.soft x=(WIDTH) y="14" text-anchor="end" { "p50 / p95 / p99 ms" }
        @if let Some(limit) = limit {
            @let x = number(axis.place(limit), 1);
            path.limit d={ "M" (x) " " (TOP - 4.0) "V" (number(bottom, 1)) } {}
            text.limit-said x=(x) y="14" text-anchor="end" { "limit of p95 " }
        }
        @for (index, (participant, latency)) in rows.iter().enumerate() {
            @let Percentiles { p50_ms, p95_ms, p99_ms, .. } = *latency;
            @let y = TOP + (index as f64 + 0.5) * ROW;
            @let [p50, p95, p99] = [p50_ms, p95_ms, p99_ms].map(|ms| number(axis.place(ms as f64), 1));
            (label(participant, y))
            path.span d={ "M" (p50) " " (y) "H" (p95) } {}
            path.end d={ "M" (p95) " " (y) "H" (p99) "M" (p99) " " (y - 4.0) "v8" } {}
            circle.half cx=(p50) cy=(y) r="4.5" {}
            circle.most cx=(p95) cy=(y) r="4.5" {}
            text x=(WIDTH) y=(y + 4.0) text-anchor="end" { (p50_ms) " / " (p95_ms) " / " (p99_ms) }
        }
    };
    let words = html! {
        strong { "Glass to glass" }
        ": from sending a picture to having decoded the mix that shows it, each receiver's worst sender. A full dot is the \
         median, a hollow one the 95th percentile, a bar's end the 99th. "
        (shown(rows.len(), all)) " Each row ends with its values."
    };
    figure("Glass to glass latency of each receiver", &words, bottom + 20.0, &drawing)
}

/// The way in of everybody who got anywhere.
pub(super) fn joins(report: &RunReport) -> Markup {
    let mut rows: Vec<(&Participant, Vec<(usize, u64)>)> = report
        .participants
        .iter()
        .map(|participant| (participant, reached(&participant.join)))
        .filter(|(_, stages)| !stages.is_empty())
        .collect();
    let last = |stages: &[(usize, u64)]| stages.last().map_or(0, |(_, at_ms)| *at_ms);
    rows.sort_by_key(|(_, stages)| std::cmp::Reverse(last(stages)));
    if rows.is_empty() {
        return html! { p { "Nobody got in." } };
    }
    let all = rows.len();
    rows.truncate(ROWS_MAX);
    let most = rows.iter().map(|(_, stages)| last(stages) as f64).fold(0.0, f64::max);
    let bottom = TOP + rows.len() as f64 * ROW;
    let axis = Axis::new(most, 6.0, (LEFT, WIDTH - 80.0), true);
    let drawing = html! {
        @for (stage, Stage { name, letter, .. }) in STAGES.iter().enumerate() {
            @let x = LEFT + legend(stage);
            rect class={ "stage stage-" (stage) } x=(x) y="2" width="14" height="14" {}
            text.stage-said x=(x + 7.0) y="13" text-anchor="middle" { (letter) }
            text x=(x + 18.0) y="13" { (name) }
        }
        (bottom_marks(&axis, (TOP, bottom), "ms"))
        @for (index, (participant, stages)) in rows.iter().enumerate() {
            @let y = TOP + index as f64 * ROW;
            (label(participant, y + ROW / 2.0))
            @for (nth, (stage, at_ms)) in stages.iter().enumerate() {
                @let before = if nth == 0 { 0 } else { stages[nth - 1].1 };
                @let (x, end) = (axis.place(before as f64), axis.place(*at_ms as f64));
                @if end > x {
                    rect class={ "stage stage-" (stage) } x=(number(x, 1)) y=(y + 2.0)
                        width=(number(end - x, 1)) height=(ROW - 4.0) {}
                }
                @if end - x > 12.0 {
                    text.stage-said x=(number((x + end) / 2.0, 1)) y=(y + 13.0) text-anchor="middle" { (STAGES[*stage].letter) }
                }
            }
            text x=(WIDTH) y=(y + 13.0) text-anchor="end" {
                @if participant.failure.is_some() { "failed, " } (last(stages)) " ms"
            }
        }
    };
    let words = html! {
        strong { "The way in" }
        ": from setting out to each stage, in the order in which it reached them; a piece ends where its stage was reached. "
        (shown(rows.len(), all))
    };
    html! {
        (figure("The way in, by stages", &words, bottom + 20.0, &drawing))
        (stages_table(&rows))
    }
}

/// Where the name of a stage begins: as far as the names before it need.
fn legend(stage: usize) -> f64 {
    const LETTER: f64 = 6.5;
    STAGES[..stage].iter().map(|stage| 30.0 + stage.name.len() as f64 * LETTER).sum()
}

/// What was reached, in that order: the stage, and when.
fn reached(join: &JoinStages) -> Vec<(usize, u64)> {
    let mut reached: Vec<(usize, u64)> =
        STAGES.iter().enumerate().filter_map(|(nth, stage)| Some((nth, (stage.at)(join)?))).collect();
    reached.sort_by_key(|(_, at_ms)| *at_ms);
    reached
}

fn stages_table(rows: &[(&Participant, Vec<(usize, u64)>)]) -> Markup {
    html! {
        details {
            summary { "The same as a table" }
            div.wide tabindex="0" role="group" aria-label="The way in as a table" {
                table {
                    caption { "Milliseconds from setting out; " q { (NOT_MEASURED) } " where a stage was not reached" }
                    thead {
                        tr {
                            th scope="col" { "Who" }
                            @for Stage { name, letter, .. } in &STAGES { th.n scope="col" { (name) " (" (letter) ")" } }
                        }
                    }
                    tbody {
                        @for (participant, _) in rows {
                            tr {
                                th scope="row" { (stay(&participant.who.name, participant.who.visit)) }
                                @for Stage { at, .. } in &STAGES {
                                    td.n { (value(at(&participant.join).map(|ms| ms as f64), 0, "")) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A participant's name in front of a row.
fn label(participant: &Participant, y: f64) -> Markup {
    const LETTERS_MAX: usize = 22;
    let visit = participant.who.visit;
    let visit = if visit > 1 { format!(" #{visit}") } else { String::new() };
    let name = plain(&participant.who.name, LETTERS_MAX - visit.len());
    html! { text x=(LEFT - 8.0) y=(y + 4.0) text-anchor="end" { (name) (visit) } }
}

/// How many of all are shown.
fn shown(rows: usize, all: usize) -> Markup {
    html! {
        @if rows < all { "The worst " (rows) " of " (all) " are shown." } @else { "All " (all) " are shown, the worst first." }
    }
}
