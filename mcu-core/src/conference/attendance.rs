//! Attendance: that somebody came or went, told by voice to those on a telephone, who see nobody come.
//!
//! Flow: somebody's first [`Input::Connected`](super::Input::Connected), leaving -> **here** -> `Effect::Announce`. Thread: control. Bounds: told every
//! `TOLD_EVERY` at most, what happens meanwhile with the next; among more than `PEOPLE_MAX` people not at all, where it would never end.

use super::{Conference, Effect, Prompt, To};
use crate::id::ParticipantId;
use crate::time::Mono;
use std::time::Duration;

/// The least time from one telling to the next: those who talk are turned down for it.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// In a larger meeting, who comes and who goes is no news.
const PEOPLE_MAX: usize = 25;

/// What is to be told, and when something was.
#[derive(Debug, Default)]
pub(super) struct Attendance {
    /// Who came since and is there, in that order.
    came: Vec<ParticipantId>,
    /// Whether anybody went who had been there.
    went: bool,
    told: Option<Mono>,
}

impl Attendance {
    /// Somebody is there for the first time.
    pub(super) fn came(&mut self, id: ParticipantId) {
        self.came.push(id);
    }

    /// Somebody who was there is not any more.
    pub(super) fn went(&mut self, id: ParticipantId) {
        // Whose coming was not told is not missed.
        let told_of = self.came.len();
        self.came.retain(|came| *came != id);
        self.went |= self.came.len() == told_of;
    }

    /// When it is told.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let news = self.went || !self.came.is_empty();
        news.then(|| self.told.map_or(Mono::ZERO, |told| told + TOLD_EVERY))
    }
}

impl Conference {
    pub(super) fn tell_attendance(&mut self) {
        let now = self.now;
        if self.attendance.deadline().is_none_or(|at| at > now) {
            return;
        }
        let Attendance { came, went, .. } =
            std::mem::replace(&mut self.attendance, Attendance { told: Some(now), ..Attendance::default() });
        if self.roster.len() > PEOPLE_MAX {
            return;
        }
        for hearer in self.roster.iter().filter(|p| p.is_on_telephone()) {
            // Of nobody who was there before, and not of itself.
            let others_came = came.last().is_some_and(|last| *last != hearer.id);
            let news = [(others_came, Prompt::SomebodyJoined), (went, Prompt::SomebodyLeft)];
            for (_, prompt) in news.into_iter().filter(|(is_so, _)| *is_so) {
                self.effects.push_back(Effect::Announce { to: To::One(hearer.id), prompt });
            }
        }
    }
}
