//! How a run went: its timeline as small plots below each other, with the time before figures count shaded.

use super::svg::{Axis, WIDTH, bottom_marks, figure, path, thinned};
use super::text::{none, number};
use crate::report::{Moment, RunReport};
use maud::{Markup, html};

/// Rows of the table of the same figures.
const ROWS_MAX: usize = 60;
/// Of one plot.
const HEIGHT: f64 = 150.0;
/// Where lines are drawn: left, right, top, bottom.
const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = HEIGHT - 24.0;

/// One line of a plot.
struct Line {
    name: &'static str,
    digits: usize,
    value: fn(&Moment) -> Option<f64>,
}

/// One plot: at most two lines, told apart by colour and dashes.
struct Plot {
    title: &'static str,
    unit: &'static str,
    lines: &'static [Line],
}

const PLOTS: [Plot; 6] = [
    Plot {
        title: "People in the meeting",
        unit: "people",
        lines: &[
            Line { name: "connected", digits: 0, value: |moment| Some(f64::from(moment.connected)) },
            Line { name: "failed so far", digits: 0, value: |moment| Some(f64::from(moment.failed)) },
        ],
    },
    Plot {
        title: "Processor",
        unit: "cores",
        lines: &[
            Line { name: "node", digits: 2, value: |moment| moment.node_cores },
            Line { name: "harness", digits: 2, value: |moment| moment.harness_cores },
        ],
    },
    Plot {
        title: "Traffic of everybody together",
        unit: "Mbit/s",
        lines: &[
            Line { name: "received", digits: 1, value: |moment| Some(moment.received_kbps / 1_000.0) },
            Line { name: "sent", digits: 1, value: |moment| Some(moment.sent_kbps / 1_000.0) },
        ],
    },
    Plot {
        title: "Glass to glass, 95th percentile of the worst served",
        unit: "ms",
        lines: &[Line {
            name: "latency",
            digits: 0,
            value: |moment| moment.latency_ms_p95.map(|ms| ms as f64),
        }],
    },
    Plot {
        title: "Pictures per second of the worst served",
        unit: "fps",
        lines: &[Line { name: "decoded", digits: 1, value: |moment| moment.fps_min }],
    },
    Plot {
        title: "What went wrong so far, of all who measure",
        unit: "",
        lines: &[
            Line { name: "freezes", digits: 0, value: |moment| moment.freezes.map(|freezes| freezes as f64) },
            Line {
                name: "concealed sound, in seconds",
                digits: 1,
                value: |moment| moment.concealed_ms.map(|ms| ms as f64 / 1_000.0),
            },
        ],
    },
];

/// All plots, and the table.
pub(super) fn course(report: &RunReport) -> Markup {
    let Some(last) = report.timeline.last() else {
        return html! { p { "The run ended before its first second." } };
    };
    let seconds = Axis::new(last.at_ms as f64 / 1_000.0, 8.0, (LEFT, RIGHT), false);
    let counts_from_s = report.counts_from_ms().map(|ms| ms as f64 / 1_000.0);
    html! {
        p {
            @match counts_from_s {
                Some(from) => {
                    "Figures count from " (number(from, 1)) " s on; before, people come in and the meeting settles: shaded."
                }
                None => "From when on figures count is not known to this program."
            }
        }
        @for plot in &PLOTS { (drawn(plot, &report.timeline, &seconds, counts_from_s)) }
        (table(&report.timeline))
    }
}

fn drawn(plot: &Plot, timeline: &[Moment], seconds: &Axis, counts_from_s: Option<f64>) -> Markup {
    let known =
        |line: &Line| timeline.iter().filter_map(line.value).filter(|value| value.is_finite()).collect();
    let values: Vec<Vec<f64>> = plot.lines.iter().map(known).collect();
    if values.iter().all(Vec::is_empty) {
        return html! { figure { figcaption { strong { (plot.title) } ": " (none()) } } };
    }
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let axis = Axis::new(most, 3.0, (BOTTOM, TOP), true);
    let drawing = html! {
        @if let Some(from) = counts_from_s {
            @let width = seconds.place(from) - LEFT;
            rect.settling x=(LEFT) y=(TOP) width=(number(width, 1)) height=(BOTTOM - TOP) {}
            @if width > 90.0 { text.soft x=(LEFT + 6.0) y=(TOP + 14.0) { "not counted yet" } }
        }
        @for (y, text) in axis.marks() {
            path.rule d={ "M" (LEFT) " " (number(y, 1)) "H" (RIGHT) } {}
            text.soft x=(LEFT - 6.0) y=(number(y + 4.0, 1)) text-anchor="end" { (text) }
        }
        (bottom_marks(seconds, (BOTTOM, BOTTOM), "s"))
        @for (index, line) in plot.lines.iter().enumerate() {
            @let class = if index == 0 { "line one" } else { "line two" };
            @let x = LEFT + index as f64 * 180.0;
            path class=(class) d=(route(line, timeline, seconds, &axis)) {}
            path class=(class) d={ "M" (x) " 10h28" } {}
            text x=(x + 34.0) y="14" { (line.name) @if !plot.unit.is_empty() { ", " (plot.unit) } }
        }
    };
    let words = html! {
        strong { (plot.title) }
        @for (line, values) in plot.lines.iter().zip(&values) {
            "; " (line.name) ": "
            @if values.is_empty() { (none()) } @else { (span(values, line, plot.unit)) }
        }
        "."
    };
    figure(plot.title, &words, HEIGHT, &drawing)
}

/// Where a line goes.
fn route(line: &Line, timeline: &[Moment], seconds: &Axis, axis: &Axis) -> String {
    let points: Vec<(f64, Option<f64>)> = timeline
        .iter()
        .map(|moment| (moment.at_ms as f64 / 1_000.0, (line.value)(moment).filter(|value| value.is_finite())))
        .collect();
    let places: Vec<Option<(f64, f64)>> = thinned(&points)
        .into_iter()
        .map(|(at, value)| value.map(|value| (seconds.place(at), axis.place(value))))
        .collect();
    path(&places)
}

/// A line in words.
fn span(values: &[f64], line: &Line, unit: &str) -> Markup {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let last = values.last().copied().unwrap_or(most);
    let of = |value: f64| number(value, line.digits);
    html! {
        (of(least)) " to " (of(most)) @if !unit.is_empty() { " " (unit) }
        ", at the end " (of(last))
    }
}

/// The same in numbers, in at most [`ROWS_MAX`] rows.
fn table(timeline: &[Moment]) -> Markup {
    let every = timeline.len().div_ceil(ROWS_MAX).max(1);
    let columns = || PLOTS.iter().flat_map(|plot| plot.lines.iter().map(move |line| (plot, line)));
    html! {
        details {
            summary { "The same as a table" }
            div.wide tabindex="0" role="group" aria-label="The course of the run as a table" {
                table {
                    caption {
                        @if every == 1 { "Every moment of the timeline" }
                        @else { "One of every " (every) " moments of the timeline" }
                    }
                    thead {
                        tr {
                            th.n scope="col" { "s" }
                            @for (plot, line) in columns() {
                                th.n scope="col" { (line.name) @if !plot.unit.is_empty() { ", " (plot.unit) } }
                            }
                        }
                    }
                    tbody {
                        @for moment in timeline.iter().step_by(every) {
                            tr {
                                th.n scope="row" { (number(moment.at_ms as f64 / 1_000.0, 0)) }
                                @for (_, line) in columns() {
                                    td.n { (super::text::value((line.value)(moment), line.digits, "")) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
