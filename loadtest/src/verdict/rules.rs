//! Each threshold's rule: whose value it takes, and of whom it takes none.

use super::Thresholds;
use crate::report::{Excess, Judgement, Measured, NodeUse, Participant, Ruling, Seen, Who};

/// What one participant has to show for a threshold: a value and what it is about. `None`: it did not measure it.
type Value = Option<(f64, Option<String>)>;

/// One threshold that is set.
struct Rule {
    threshold: &'static str,
    unit: &'static str,
    limit: f64,
    /// Whether the limit is a least and not a most.
    is_least: bool,
    value: fn(&Participant) -> Value,
}

/// What is judged of the node itself is said of it by this name.
const NODE: &str = "the node";

pub(super) fn judgements(
    thresholds: &Thresholds,
    participants: &[Participant],
    node: &NodeUse,
) -> Vec<Judgement> {
    let of_people = rules(thresholds).into_iter().map(|rule| rule.judge(participants));
    of_people.chain(thresholds.ticks_late_percent_max.map(|max| ticks_late(max.get(), node))).collect()
}

/// The node's own threshold: nobody else can be late with its ticks.
fn ticks_late(limit: f64, node: &NodeUse) -> Judgement {
    let worst = node.ticks_late_percent().map(|value| Excess {
        participant: NODE.to_owned(),
        visit: 1,
        value,
        detail: node.ticks_late.zip(node.ticks).map(|(late, ticks)| format!("{late} of {ticks} ticks")),
    });
    Judgement {
        threshold: "ticks_late_percent_max".to_owned(),
        unit: "%".to_owned(),
        limit,
        ruling: match &worst {
            None => Ruling::Unmeasured,
            Some(worst) if worst.value > limit => Ruling::Broken,
            Some(_) => Ruling::Kept,
        },
        failing: worst.clone().into_iter().filter(|worst| worst.value > limit).collect(),
        worst,
    }
}

fn rules(thresholds: &Thresholds) -> Vec<Rule> {
    let Thresholds {
        failures_max,
        join_ms_max,
        unseen_max,
        unheard_max,
        misplaced_max,
        own_voice_leak_db_max,
        latency_ms_p95_max,
        sound_latency_ms_p95_max,
        av_offset_ms_max,
        psnr_db_min,
        fps_min,
        freezes_max,
        frozen_percent_max,
        concealed_percent_max,
        // Not of people: see `ticks_late`.
        ticks_late_percent_max: _,
    } = *thresholds;
    let most = |threshold, unit, limit: Option<f64>, value| {
        limit.map(|limit| Rule { threshold, unit, limit, is_least: false, value })
    };
    let least = |threshold, unit, limit: Option<f64>, value| {
        limit.map(|limit| Rule { threshold, unit, limit, is_least: true, value })
    };
    // Nobody means a run to be good in which people failed, unless they say so.
    let failures = Some(failures_max.map_or(0.0, |max| max.get() as f64));
    [
        most("failures_max", "failures", failures, failed),
        most("join_ms_max", "ms", join_ms_max.map(|max| max.get() as f64), join_ms),
        most("unseen_max", "people", unseen_max.map(|max| max.get() as f64), unseen),
        most("unheard_max", "people", unheard_max.map(|max| max.get() as f64), unheard),
        most("misplaced_max", "pictures", misplaced_max.map(|max| max.get() as f64), misplaced),
        most("own_voice_leak_db_max", "dB", own_voice_leak_db_max.map(|max| max.get()), |participant| {
            plain(participant.measured.as_ref()?.own_voice_leak_db)
        }),
        most("latency_ms_p95_max", "ms", latency_ms_p95_max.map(|max| max.get() as f64), latency_ms_p95),
        most(
            "sound_latency_ms_p95_max",
            "ms",
            sound_latency_ms_p95_max.map(|max| max.get() as f64),
            sound_latency_ms_p95,
        ),
        most("av_offset_ms_max", "ms", av_offset_ms_max.map(|max| max.get() as f64), |participant| {
            plain(participant.measured.as_ref()?.av_offset_ms.map(f64::abs))
        }),
        least("psnr_db_min", "dB", psnr_db_min.map(|min| min.get()), psnr_db),
        least("fps_min", "fps", fps_min.map(|min| min.get()), |participant| {
            plain(participant.measured.as_ref()?.fps)
        }),
        most("freezes_max", "freezes", freezes_max.map(|max| max.get() as f64), freezes),
        most("frozen_percent_max", "%", frozen_percent_max.map(|max| max.get()), frozen_percent),
        most("concealed_percent_max", "%", concealed_percent_max.map(|max| max.get()), |participant| {
            let measured = participant.measured.as_ref()?;
            (measured.played_ms > 0).then_some((measured.concealed_percent, None))
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Rule {
    fn judge(&self, participants: &[Participant]) -> Judgement {
        let mut values: Vec<Excess> = participants
            .iter()
            .filter_map(|participant| {
                let (value, detail) = (self.value)(participant)?;
                let Who { name, visit, .. } = &participant.who;
                Some(Excess { participant: name.clone(), visit: *visit, value, detail })
            })
            .collect();
        let badness = |excess: &Excess| if self.is_least { -excess.value } else { excess.value };
        // Stable: of equals, whoever came first.
        values.sort_by(|a, b| badness(b).total_cmp(&badness(a)));
        let is_over = |excess: &Excess| {
            if self.is_least { excess.value < self.limit } else { excess.value > self.limit }
        };
        let worst = values.first().cloned();
        let mut failing = values;
        // Failures are counted over all, everything else for each.
        if self.threshold == "failures_max" {
            failing.retain(|excess| excess.value > 0.0);
            if failing.len() as f64 <= self.limit {
                failing.clear();
            }
        } else {
            failing.retain(is_over);
        }
        Judgement {
            threshold: self.threshold.to_owned(),
            unit: self.unit.to_owned(),
            limit: self.limit,
            ruling: match (&worst, failing.is_empty()) {
                (None, _) => Ruling::Unmeasured,
                (Some(_), true) => Ruling::Kept,
                (Some(_), false) => Ruling::Broken,
            },
            worst,
            failing,
        }
    }
}

fn plain(value: Option<f64>) -> Value {
    value.map(|value| (value, None))
}

fn failed(participant: &Participant) -> Value {
    Some(match &participant.failure {
        Some(failure) => (1.0, Some(format!("at {}: {}", failure.stage, failure.detail))),
        None => (0.0, None),
    })
}

/// Whoever failed is judged as a failure, not as a slow one.
fn join_ms(participant: &Participant) -> Value {
    participant.join_ms.filter(|_| participant.failure.is_none()).map(|ms| (ms as f64, None))
}

fn named(names: &[&str]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}

fn unseen(participant: &Participant) -> Value {
    let expected: Vec<_> = participant.measured.as_ref()?.sees.iter().filter(|seen| seen.expected).collect();
    if expected.is_empty() {
        return None;
    }
    let unseen: Vec<&str> = expected.iter().filter(|seen| !seen.seen).map(|seen| &*seen.name).collect();
    Some((unseen.len() as f64, named(&unseen).map(|names| format!("does not see {names}"))))
}

fn unheard(participant: &Participant) -> Value {
    let expected: Vec<_> =
        participant.measured.as_ref()?.hears.iter().filter(|heard| heard.expected).collect();
    if expected.is_empty() {
        return None;
    }
    let unheard: Vec<&str> = expected.iter().filter(|heard| !heard.heard).map(|heard| &*heard.name).collect();
    Some((unheard.len() as f64, named(&unheard).map(|names| format!("does not hear {names}"))))
}

fn misplaced(participant: &Participant) -> Value {
    let measured = participant.measured.as_ref()?;
    (!measured.sees.is_empty()).then_some((measured.misplaced as f64, None))
}

fn latency_ms_p95(participant: &Participant) -> Value {
    let measured = participant.measured.as_ref()?;
    let worst = measured.glass_to_glass?;
    let of = measured.sees.iter().find(|seen| seen.latency == Some(worst));
    Some((worst.p95_ms as f64, of.map(|seen| format!("of {}", seen.name))))
}

fn sound_latency_ms_p95(participant: &Participant) -> Value {
    let measured = participant.measured.as_ref()?;
    let worst = measured.mouth_to_ear?;
    let of = measured.hears.iter().find(|heard| heard.latency == Some(worst));
    Some((worst.p95_ms as f64, of.map(|heard| format!("of {}", heard.name))))
}

fn psnr_db(participant: &Participant) -> Value {
    let tiles = participant.measured.as_ref()?.sees.iter();
    let figures = tiles.filter_map(|seen| Some((seen.psnr_db?, seen)));
    let (least, of) = figures.min_by(|one, other| one.0.total_cmp(&other.0))?;
    Some((least, Some(format!("the tile of {}", of.name))))
}

/// The mixed picture's own freezes, or those of the one whose tile froze most, whichever is more.
fn worst_of(measured: &Measured, whole: u64, tile: fn(&Seen) -> u64) -> (u64, Option<String>) {
    let expected = measured.sees.iter().filter(|seen| seen.expected);
    match expected.max_by_key(|seen| tile(seen)).filter(|seen| tile(seen) > whole) {
        Some(seen) => (tile(seen), Some(format!("the tile of {}", seen.name))),
        None => (whole, None),
    }
}

fn freezes(participant: &Participant) -> Value {
    let measured = participant.measured.as_ref()?;
    measured.fps?;
    let (freezes, of) = worst_of(measured, measured.freezes, |seen| seen.freezes);
    Some((freezes as f64, of))
}

fn frozen_percent(participant: &Participant) -> Value {
    let measured = participant.measured.as_ref()?;
    measured.fps?;
    let (frozen_ms, of) = worst_of(measured, measured.frozen_ms, |seen| seen.frozen_ms);
    let seconds = participant.traffic.seconds;
    (seconds > 0.0).then(|| (frozen_ms as f64 / 10.0 / seconds, of))
}
