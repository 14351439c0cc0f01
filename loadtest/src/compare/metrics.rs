//! What two sides are compared by: each figure, where a run keeps it, which way is worse, and what is too little to matter.

use super::statistics::Second;
use crate::report::{Measured, Participant, RunReport};
use serde::Serialize;

/// Which way a figure is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Worse {
    /// More is worse.
    More,
    /// Less is worse.
    Less,
    /// Neither: it explains, and judges nothing.
    Neither,
}

/// Where a figure comes from.
pub(super) enum Origin {
    /// Each participant has one.
    Participant(fn(&Participant) -> Option<f64>),
    /// The seconds that counted; whole runs, where their timelines do not say it.
    Seconds(fn(&RunReport) -> Vec<Second>, fn(&RunReport) -> Option<f64>),
    /// A run has one.
    Run(fn(&RunReport) -> Option<f64>),
}

/// One figure.
pub(super) struct Metric {
    /// For a person, and for JSON.
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// Digits after the point.
    pub(super) digits: usize,
    pub(super) worse: Worse,
    /// Whether more of it is "slower".
    pub(super) is_time: bool,
    /// In the figure's unit: less than this is no difference, whatever part of it that is.
    pub(super) floor: f64,
    /// The same where each side is one run: where pictures and packets lie between the node's ticks is chance, and the same for a whole run.
    pub(super) floor_of_one: f64,
    pub(super) origin: Origin,
}

/// From one picture to the next at 30 a second, and from one packet of sound to the next.
const PICTURE_MS: f64 = 34.0;
const PACKET_MS: f64 = 20.0;

/// All of them, in the order in which they are told.
pub(super) const METRICS: [Metric; 15] = [
    Metric {
        name: "CPU-s per participant-second",
        unit: "",
        digits: 4,
        worse: Worse::More,
        is_time: true,
        floor: 0.001,
        floor_of_one: 0.001,
        origin: Origin::Seconds(seconds, |report| report.node.cpu_s_per_participant_s),
    },
    Metric {
        name: "glass to glass p50",
        unit: "ms",
        digits: 0,
        worse: Worse::More,
        is_time: true,
        floor: 5.0,
        floor_of_one: PICTURE_MS,
        origin: Origin::Participant(|participant| Some(measured(participant)?.glass_to_glass?.p50_ms as f64)),
    },
    Metric {
        name: "glass to glass p95",
        unit: "ms",
        digits: 0,
        worse: Worse::More,
        is_time: true,
        floor: 10.0,
        floor_of_one: PICTURE_MS,
        origin: Origin::Participant(|participant| Some(measured(participant)?.glass_to_glass?.p95_ms as f64)),
    },
    Metric {
        name: "mouth to ear p95",
        unit: "ms",
        digits: 0,
        worse: Worse::More,
        is_time: true,
        floor: 10.0,
        floor_of_one: PACKET_MS,
        origin: Origin::Participant(|participant| Some(measured(participant)?.mouth_to_ear?.p95_ms as f64)),
    },
    Metric {
        name: "join",
        unit: "ms",
        digits: 0,
        worse: Worse::More,
        is_time: true,
        floor: 50.0,
        floor_of_one: 50.0,
        origin: Origin::Participant(|participant| {
            participant.join_ms.filter(|_| participant.failure.is_none()).map(|ms| ms as f64)
        }),
    },
    Metric {
        name: "failed stays",
        unit: "%",
        digits: 1,
        worse: Worse::More,
        is_time: false,
        floor: 0.5,
        floor_of_one: 0.5,
        origin: Origin::Participant(|participant| {
            Some(if participant.failure.is_some() { 100.0 } else { 0.0 })
        }),
    },
    Metric {
        name: "tiles against what was drawn",
        unit: "dB",
        digits: 1,
        worse: Worse::Less,
        is_time: false,
        floor: 0.3,
        floor_of_one: 0.3,
        origin: Origin::Participant(|participant| measured(participant)?.psnr_db),
    },
    Metric {
        name: "pictures per second",
        unit: "fps",
        digits: 1,
        worse: Worse::Less,
        is_time: false,
        floor: 0.5,
        floor_of_one: 0.5,
        origin: Origin::Participant(|participant| measured(participant)?.fps),
    },
    Metric {
        name: "freezes",
        unit: "a minute",
        digits: 2,
        worse: Worse::More,
        is_time: false,
        floor: 0.5,
        floor_of_one: 0.5,
        origin: Origin::Participant(freezes_a_minute),
    },
    Metric {
        name: "frozen",
        unit: "%",
        digits: 2,
        worse: Worse::More,
        is_time: false,
        floor: 0.5,
        floor_of_one: 0.5,
        origin: Origin::Participant(|participant| {
            let measured = measured(participant)?;
            measured.fps.map(|_| measured.frozen_percent)
        }),
    },
    Metric {
        name: "concealed sound",
        unit: "%",
        digits: 2,
        worse: Worse::More,
        is_time: false,
        floor: 0.5,
        floor_of_one: 0.5,
        origin: Origin::Participant(|participant| {
            let measured = measured(participant)?;
            (measured.played_ms > 0).then_some(measured.concealed_percent)
        }),
    },
    Metric {
        name: "late ticks",
        unit: "%",
        digits: 2,
        worse: Worse::More,
        is_time: false,
        floor: 0.5,
        floor_of_one: 0.5,
        origin: Origin::Run(|report| {
            let ticks = report.node.ticks.filter(|ticks| *ticks > 0)?;
            Some(report.node.ticks_late? as f64 * 100.0 / ticks as f64)
        }),
    },
    Metric {
        name: "memory of the node",
        unit: "MiB",
        digits: 0,
        worse: Worse::More,
        is_time: false,
        floor: 8.0,
        floor_of_one: 8.0,
        origin: Origin::Run(|report| Some(report.node.memory_bytes_max? as f64 / f64::from(1 << 20))),
    },
    Metric {
        name: "encoders",
        unit: "",
        digits: 1,
        worse: Worse::Neither,
        is_time: false,
        floor: 0.5,
        floor_of_one: 0.5,
        origin: Origin::Run(|report| report.node.encoders_max.map(|most| most as f64)),
    },
    Metric {
        name: "received",
        unit: "kbit/s",
        digits: 0,
        worse: Worse::Neither,
        is_time: false,
        floor: 20.0,
        floor_of_one: 20.0,
        // Who only sends receives nothing, by whatever node.
        origin: Origin::Participant(|participant| {
            participant.traffic.received_kbps.filter(|kbps| *kbps > 0.0)
        }),
    },
];

fn measured(participant: &Participant) -> Option<&Measured> {
    participant.measured.as_ref()
}

fn freezes_a_minute(participant: &Participant) -> Option<f64> {
    let measured = measured(participant)?;
    measured.fps?;
    let seconds = participant.traffic.seconds;
    (seconds > 0.0).then(|| measured.freezes as f64 * 60.0 / seconds)
}

/// What the node spent in each second that counted, in CPU-seconds, and for how many participant-seconds. Seconds in which
/// nobody was in, or in which the node was not looked at, are none.
fn seconds(report: &RunReport) -> Vec<Second> {
    let counts_from_ms = report.counts_from_ms().unwrap_or(0);
    let pairs = report.timeline.windows(2).filter(|pair| pair[0].at_ms >= counts_from_ms);
    let of = |pair: &[crate::report::Moment]| {
        let cores = pair[1].node_cores.filter(|cores| cores.is_finite())?;
        let passed_s = pair[1].at_ms.saturating_sub(pair[0].at_ms) as f64 / 1_000.0;
        let people = f64::from(pair[0].connected + pair[1].connected) / 2.0;
        (people * passed_s > 0.0).then_some(Second { cost: cores * passed_s, done: people * passed_s })
    };
    pairs.filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::statistics::quotient;
    use crate::report::Moment;

    fn example() -> RunReport {
        serde_json::from_str(include_str!("../../tests/fixtures/report.json")).expect("the example parses")
    }

    fn moment(at_ms: u64, connected: u32, node_cores: Option<f64>) -> Moment {
        Moment { at_ms, connected, node_cores, ..Moment::default() }
    }

    #[test]
    fn only_seconds_count_in_which_figures_do_and_somebody_was_in() {
        let mut report = example();
        // Figures count from 6.8 s on.
        report.timeline = vec![
            moment(5_000, 4, Some(9.0)),
            moment(6_000, 4, Some(9.0)),
            moment(7_000, 4, Some(9.0)),
            moment(8_000, 4, Some(0.4)),
            moment(10_000, 2, Some(0.6)),
            moment(11_000, 2, None),
            moment(12_000, 0, Some(0.2)),
            moment(13_000, 0, Some(0.2)),
        ];
        let found = seconds(&report);
        let expected = [(0.4, 4.0), (1.2, 6.0), (0.2, 1.0)].map(|(cost, done)| Second { cost, done });
        assert_eq!(found, expected);
        assert!((quotient(&found).expect("done") - 1.8 / 11.0).abs() < 1e-12);
    }

    #[test]
    fn a_figure_is_of_those_alone_who_measured_it() {
        let mut report = example();
        let of = |name: &str, participant: &Participant| {
            let metric = METRICS.iter().find(|metric| metric.name == name).expect("is compared");
            match &metric.origin {
                Origin::Participant(value) => value(participant),
                _ => panic!("{name} is not of participants"),
            }
        };
        let traveller = &report.participants[2];
        assert_eq!(
            (of("glass to glass p95", traveller).is_some(), of("failed stays", traveller)),
            (true, Some(0.0))
        );
        let freezes = of("freezes", traveller).expect("measures");
        assert!((freezes - 4.0 * 60.0 / traveller.traffic.seconds).abs() < 1e-9 && freezes > 20.0);
        let studio = &report.participants[3];
        for name in
            ["glass to glass p50", "freezes", "frozen", "concealed sound", "pictures per second", "received"]
        {
            assert_eq!(of(name, studio), None, "{name}: an encoder sees and hears nothing");
        }
        report.participants[2].failure =
            Some(crate::report::Failure { stage: "join".into(), code: None, detail: "no".into() });
        let failed = &report.participants[2];
        assert_eq!((of("join", failed), of("failed stays", failed)), (None, Some(100.0)));
    }
}
