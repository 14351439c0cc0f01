//! Everybody who took part: one row for each stay.

use super::text::{NOT_MEASURED, name, said, stay, value};
use crate::report::{Measured, Participant, ParticipantKind, Percentiles, RunReport};
use maud::{Markup, html};

/// Rows: a run has no more people, but who comes and goes has several stays.
const ROWS_MAX: usize = 1_000;

/// A figure that only those have who decode.
struct Column {
    title: &'static str,
    digits: usize,
    value: fn(&Participant, &Measured) -> Option<f64>,
}

const COLUMNS: [Column; 8] = [
    Column { title: "latency p50, ms", digits: 0, value: |_, measured| latency(measured, |of| of.p50_ms) },
    Column { title: "latency p95, ms", digits: 0, value: |_, measured| latency(measured, |of| of.p95_ms) },
    Column { title: "fps", digits: 1, value: |_, measured| measured.fps },
    Column { title: "freezes", digits: 0, value: |_, measured| Some(measured.freezes as f64) },
    Column { title: "frozen, %", digits: 1, value: |_, measured| Some(measured.frozen_percent) },
    Column { title: "PSNR, dB", digits: 1, value: |_, measured| measured.psnr_db },
    Column {
        title: "concealed, %",
        digits: 1,
        value: |_, measured| (measured.played_ms > 0).then_some(measured.concealed_percent),
    },
    Column { title: "loss, %", digits: 2, value: |participant, _| participant.traffic.loss_percent },
];

fn latency(measured: &Measured, of: fn(&Percentiles) -> u64) -> Option<f64> {
    measured.glass_to_glass.as_ref().map(|latency| of(latency) as f64)
}

/// The table.
pub(super) fn people(report: &RunReport) -> Markup {
    let all = report.participants.len();
    // Those who failed first: they are what one looks for where the table is cut.
    let mut rows: Vec<&Participant> = report.participants.iter().collect();
    if all > ROWS_MAX {
        rows.sort_by_key(|participant| participant.failure.is_none());
        rows.truncate(ROWS_MAX);
    }
    html! {
        div.wide tabindex="0" role="group" aria-label="Participants" {
            table.people {
                caption {
                    "One row for each stay"
                    @if all > ROWS_MAX { "; " (ROWS_MAX) " of " (all) " are shown, those first that failed" }
                }
                thead {
                    tr {
                        th scope="col" { "Who" }
                        th scope="col" { "Room" }
                        th scope="col" { "Kind" }
                        th scope="col" { "Network" }
                        th.n scope="col" { "join, ms" }
                        @for column in &COLUMNS { th.n scope="col" { (column.title) } }
                        th.n scope="col" { "received, kbit/s" }
                        th.n scope="col" { "sent, kbit/s" }
                        th.n scope="col" { "RTT, ms" }
                        th scope="col" { "Failure" }
                    }
                }
                tbody { @for participant in rows { (row(participant)) } }
            }
        }
    }
}

fn row(participant: &Participant) -> Markup {
    let Participant { who, traffic, measured, failure, join_ms, .. } = participant;
    let kind = match who.kind {
        ParticipantKind::Webrtc => "WebRTC",
        ParticipantKind::Whip => "WHIP",
        ParticipantKind::Whep => "WHEP",
        ParticipantKind::Sip => "SIP",
        ParticipantKind::Phone => "phone",
    };
    html! {
        tr {
            th scope="row" { (stay(&who.name, who.visit)) }
            td { (name(&who.room)) }
            td { (kind) }
            td { @if let Some(network) = &who.network { (name(network)) } @else { "direct" } }
            td.n { (value(join_ms.map(|ms| ms as f64), 0, "")) }
            @if let Some(measured) = measured {
                @for column in &COLUMNS { td.n { (value((column.value)(participant, measured), column.digits, "")) } }
            } @else {
                td.none colspan=(COLUMNS.len()) { (unmeasured(participant)) }
            }
            td.n { (value(traffic.received_kbps, 0, "")) }
            td.n { (value(traffic.sent_kbps, 0, "")) }
            td.n { (value(traffic.rtt_ms.map(|ms| ms as f64), 0, "")) }
            @if let Some(failure) = failure {
                td.long.bad { "at " (said(&failure.stage)) ": " (said(&failure.detail)) }
            } @else {
                td { "none" }
            }
        }
    }
}

/// Why somebody has no figures.
fn unmeasured(participant: &Participant) -> String {
    let why = if participant.bot.measured { "left before figures counted" } else { "counts packets only" };
    format!("{NOT_MEASURED}: {why}")
}
