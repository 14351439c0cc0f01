//! The `[capacity]` table of a scenario: what may be raised, and how far before no room or harness takes it.

use super::{Page, ScenarioError};
use crate::capacity::REPETITIONS_MAX;
use crate::scenario::bounded::Whole;
use crate::scenario::{Capacity, Group, Measure, PEOPLE_MAX, Raised, Scenario};
use mcu_core::limits::PARTICIPANTS_MAX;
use serde::Deserialize;
use toml::Spanned;

/// Rooms that a scenario may make, as `count` of a room has it.
const ROOMS_MAX: u32 = 400;
/// Searches, where the scenario does not say how many: the fewest that say something about their spread.
const REPETITIONS: u32 = 3;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCapacity {
    group: Option<Spanned<String>>,
    rooms: Option<Spanned<bool>>,
    from: Spanned<Whole<1, 900>>,
    max: Spanned<Whole<1, 900>>,
    step: Option<Whole<1, 900>>,
    repetitions: Option<Whole<1, { REPETITIONS_MAX as u64 }>>,
}

impl Page<'_> {
    /// Gives the scenario its search, if the largest step of it can be played.
    pub(super) fn capacity(
        &self,
        raw: Spanned<RawCapacity>,
        scenario: &mut Scenario,
    ) -> Result<(), ScenarioError> {
        let at = raw.span().start;
        let raw = raw.into_inner();
        let raised = match (raw.group, raw.rooms.filter(|rooms| *rooms.get_ref())) {
            (Some(group), None) => self.group_raised(&group, scenario)?,
            (None, Some(rooms)) => self.rooms_raised(&rooms, scenario)?,
            _ => return Err(self.refuse(at, "capacity", "one of group = \"NAME\" and rooms = true")),
        };
        let (from, max) = (raw.from.get_ref().get() as u32, raw.max.get_ref().get() as u32);
        let refuse_from = |reason: &str| Err(self.refuse(raw.from.span().start, "from", reason));
        let refuse_max = |reason: String| Err(self.refuse(raw.max.span().start, "max", reason));
        if from > max {
            return refuse_from("must not be over max");
        }
        let first = |group: &Group| if let Measure::First(some) = group.measure { some } else { 0 };
        let measuring = groups(scenario, &raised).map(first).max().unwrap_or(0);
        if measuring > from {
            return refuse_from(&format!(
                "must be {measuring} at least, which is how many of the group measure"
            ));
        }
        let step = raw.step.map_or(1, |step| step.get() as u32);
        let repetitions = raw.repetitions.map_or(REPETITIONS, |repetitions| repetitions.get() as u32);
        if raised == Raised::Rooms && max > ROOMS_MAX {
            return refuse_max(format!("{max} is not a number of rooms from 1 to {ROOMS_MAX}"));
        }
        scenario.capacity = Some(Capacity { raised, from, max, step, repetitions });
        let largest = scenario.raised_to(max);
        let crowd = largest.rooms.iter().map(|room| room.groups.iter().map(|group| group.count).sum::<u32>());
        match crowd.max().unwrap_or(0) as usize {
            people if people > PARTICIPANTS_MAX => {
                refuse_max(format!("{people} people in a room; it takes {PARTICIPANTS_MAX} at most"))
            }
            _ if largest.people() > PEOPLE_MAX => refuse_max(format!(
                "{} people in all; one harness carries {PEOPLE_MAX} at most",
                largest.people()
            )),
            _ => Ok(()),
        }
    }

    fn group_raised(&self, name: &Spanned<String>, scenario: &Scenario) -> Result<Raised, ScenarioError> {
        let raised = Raised::Group(name.get_ref().clone());
        if groups(scenario, &raised).next().is_none() {
            let reason = format!("no group is called {:?}", name.get_ref());
            return Err(self.refuse(name.span().start, "group", reason));
        }
        Ok(raised)
    }

    fn rooms_raised(&self, rooms: &Spanned<bool>, scenario: &Scenario) -> Result<Raised, ScenarioError> {
        if scenario.makes_rooms() {
            return Ok(Raised::Rooms);
        }
        let reason = "no room is made by this scenario: one needs made = true, or count";
        Err(self.refuse(rooms.span().start, "rooms", reason))
    }
}

/// Groups of which there will be more.
fn groups<'a>(scenario: &'a Scenario, raised: &'a Raised) -> impl Iterator<Item = &'a Group> {
    let is_raised = move |group: &&Group| matches!(raised, Raised::Group(name) if *name == group.name);
    scenario.rooms.iter().flat_map(|room| &room.groups).filter(is_raised)
}
