//! What came of a run's calls by SIP: how long they took to be set up, and how those were refused that were.

use super::participant::{Participant, Percentiles};
use crate::bot::report::Spread;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every call of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Calls {
    /// INVITEs that left.
    pub made: u32,
    /// Of them, those that were answered with a 200.
    pub answered: u32,
    /// From the INVITE to the 200, of those.
    pub set_up: Option<Percentiles>,
    /// From the INVITE to the first packet of sound; of who measures, to the first sound that is louder than -70 dBFS.
    pub first_sound: Option<Percentiles>,
    /// How many were refused, by the status of the refusal.
    pub refused: BTreeMap<String, u32>,
}

impl Calls {
    /// Of everybody; `None` where nobody called.
    pub fn of(participants: &[Participant]) -> Option<Self> {
        let calls = || {
            participants.iter().filter_map(|participant| Some((participant, participant.join.invited_ms?)))
        };
        let after = |reached: fn(&Participant) -> Option<u64>| -> Vec<u32> {
            let after =
                calls().filter_map(|(participant, invited_ms)| reached(participant)?.checked_sub(invited_ms));
            after.filter_map(|ms| u32::try_from(ms).ok()).collect()
        };
        let mut refused = BTreeMap::new();
        for status in calls().filter_map(|(participant, _)| {
            participant.failure.as_ref()?.code.as_deref()?.strip_prefix("sip-")
        }) {
            *refused.entry(status.to_owned()).or_insert(0) += 1;
        }
        let mut set_up = after(|participant| participant.join.answered_ms);
        let mut first_sound = after(|participant| participant.join.first_sound_ms);
        let made = calls().count() as u32;
        (made > 0).then(|| Self {
            made,
            answered: set_up.len() as u32,
            set_up: Percentiles::of(&Spread::of(&mut set_up)),
            first_sound: Percentiles::of(&Spread::of(&mut first_sound)),
            refused,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Failure, RunReport};

    /// Somebody who called after `invited_ms`, and what came of it.
    fn caller(invited_ms: Option<u64>, answered_ms: Option<u64>, refused: Option<&str>) -> Participant {
        let example: RunReport = serde_json::from_str(include_str!("../../tests/fixtures/report.json"))
            .expect("the example parses");
        let mut participant = example.participants.into_iter().next().expect("somebody came");
        participant.join.invited_ms = invited_ms;
        participant.join.answered_ms = answered_ms;
        participant.join.first_sound_ms = answered_ms.map(|ms| ms + 40);
        let failure =
            |code: &str| Failure { stage: "invite".into(), code: Some(code.into()), detail: "no".into() };
        participant.failure = refused.map(failure);
        participant
    }

    #[test]
    fn calls_are_told_by_how_long_they_took_and_how_they_were_refused() {
        let mut all: Vec<_> = (1..=20).map(|n| caller(Some(100), Some(100 + n), None)).collect();
        all.extend([caller(Some(5), None, Some("sip-403")), caller(Some(5), None, Some("sip-403"))]);
        all.extend([caller(Some(5), None, Some("sip-488")), caller(None, Some(9), Some("join-refused"))]);
        let calls = Calls::of(&all).expect("they called");
        assert_eq!((calls.made, calls.answered), (23, 20));
        let of = |figure: Option<Percentiles>| figure.map(|of| (of.p50_ms, of.p95_ms, of.max_ms));
        assert_eq!(of(calls.set_up), Some((10, 19, 20)));
        assert_eq!(of(calls.first_sound), Some((50, 59, 60)));
        let refused: Vec<_> = calls.refused.iter().map(|(status, count)| (&**status, *count)).collect();
        assert_eq!(refused, [("403", 2), ("488", 1)]);
        assert_eq!(Calls::of(&[caller(None, Some(9), None)]), None, "who came by WebRTC called nobody");
    }
}
