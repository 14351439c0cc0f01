//! Who does what when: a scenario and its seed, worked out beforehand.
//!
//! Flow: [`Scenario`] -> **here** -> `live`, which does each deed at its moment. Pure: the same scenario and seed give the
//! same schedule, whatever happens on the day. Bound: [`DEEDS_MAX`].
//!
//! Everybody gets a sender id, and with it a tone: within a room the tones lie as far apart as so many can, and no two
//! people of a run have the same id.

use super::{Group, PEOPLE_MAX, Ramp, Room, Scenario, Talk};
use crate::media::barcode::SenderId;
use crate::media::sound::TONES;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::HashMap;
use std::time::Duration;

/// Deeds of one schedule: a week of one leave a second, and then there is no more churn.
pub const DEEDS_MAX: usize = 1_500_000;

/// Keeps chance of leaving apart from chance of networks.
const CHURN_SALT: u64 = 0x63_6875_726e;

/// A whole run, beforehand.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Everybody; deeds name them by their index here.
    pub people: Vec<Person>,
    /// Every room; people name them by their index here.
    pub rooms: Vec<PlannedRoom>,
    /// What happens, in order of time.
    pub deeds: Vec<(Duration, Deed)>,
    /// From when figures count, for whoever is in by then.
    pub count_from: Duration,
    /// When all leave.
    pub end: Duration,
}

/// One participant.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Display name, distinct within the run.
    pub name: String,
    /// Bar code and tone.
    pub sender: SenderId,
    /// Index of its room.
    pub room: usize,
    /// What it is like.
    pub group: Group,
    /// Whether it decodes and measures.
    pub measures: bool,
    /// Where chance of its network begins.
    pub network_seed: u64,
}

/// One room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRoom {
    /// Index of its kind in [`Scenario::rooms`].
    pub kind: usize,
    /// Which of its kind, from 0 on.
    pub number: u32,
}

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Sets out for its room.
    Join(usize),
    /// Leaves.
    Leave(usize),
    /// Begins to speak, or falls silent.
    Speak(usize, bool),
}

impl Deed {
    /// Whose.
    pub const fn who(self) -> usize {
        match self {
            Self::Join(who) | Self::Leave(who) | Self::Speak(who, _) => who,
        }
    }
}

impl Scenario {
    /// The schedule that this scenario's seed gives.
    pub fn schedule(&self) -> Schedule {
        let (rooms, people) = cast(self);
        let mut deeds: Vec<(Duration, Deed)> =
            (0..people.len()).map(|who| (ramp_at(self.ramp, who), Deed::Join(who))).collect();
        let ramped = deeds.last().map_or(Duration::ZERO, |(at, _)| *at);
        let (count_from, end) = (ramped + self.settle, ramped + self.duration);
        turns(&people, end, &mut deeds);
        churn(self, &people, (count_from, end), &mut deeds);
        // Stable: what falls on one moment happens in the order in which it was planned.
        deeds.sort_by_key(|(at, _)| *at);
        Schedule { people, rooms, deeds, count_from, end }
    }
}

/// When the `n`th comes.
fn ramp_at(ramp: Ramp, n: usize) -> Duration {
    match ramp {
        Ramp::PerSecond(per_s) => Duration::from_secs_f64(n as f64 / per_s),
        Ramp::Steps { people, every } => every * (n as u32 / people.max(1)),
        Ramp::Spike => Duration::ZERO,
    }
}

/// Everybody, room after room.
fn cast(scenario: &Scenario) -> (Vec<PlannedRoom>, Vec<Person>) {
    let mut dice = StdRng::seed_from_u64(scenario.seed);
    let (mut rooms, mut people) = (Vec::new(), Vec::with_capacity(PEOPLE_MAX));
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut ids = Ids::default();
    for (kind, room) in scenario.rooms.iter().enumerate() {
        for number in 0..room.place.count() {
            let index = rooms.len();
            rooms.push(PlannedRoom { kind, number });
            let in_room = (room.people() / room.place.count() as usize) as u16;
            for (seat, (group, nth)) in seats(room).enumerate() {
                let number = numbers.entry(&group.name).or_default();
                *number += 1;
                people.push(Person {
                    name: format!("{} {number}", group.name),
                    sender: ids.next(index as u16, seat as u16, in_room),
                    room: index,
                    group: group.clone(),
                    measures: nth < group.measuring(),
                    network_seed: dice.random(),
                });
            }
        }
    }
    (rooms, people)
}

/// Everybody of one room: the group, and which of its people.
fn seats(room: &Room) -> impl Iterator<Item = (&Group, u32)> {
    room.groups.iter().flat_map(|group| (0..group.count).map(move |nth| (group, nth)))
}

/// Sender ids that have not been given away.
#[derive(Default)]
struct Ids {
    /// By tone, how many ids of it.
    given: [u16; TONES as usize],
}

impl Ids {
    /// An id whose tone is right for seat `seat` of `people` in room `room`: tones of a room are spread over the octave, and
    /// rooms begin with different ones, so that each tone is used about equally often.
    fn next(&mut self, room: u16, seat: u16, people: u16) -> SenderId {
        let step = (TONES / people.max(1)).max(1);
        let wanted = (room + seat * step) % TONES;
        // Where one tone is used up, its neighbours are not: there are more ids than people.
        let fits = |tone: &u16| self.id(*tone).is_some();
        let tone = (0..TONES).map(|n| (wanted + n) % TONES).find(fits).unwrap_or(wanted);
        let id = self.id(tone).unwrap_or(SenderId::MAX);
        self.given[usize::from(tone)] += 1;
        id
    }

    /// The next id with this tone. The first of all is 24: there is no sender 0.
    fn id(&self, tone: u16) -> Option<SenderId> {
        let id = SenderId(tone + TONES * (self.given[usize::from(tone)] + 1));
        (id <= SenderId::MAX).then_some(id)
    }
}

/// A room, a group in it, and how long each has the word.
type Circle<'a> = (usize, &'a str, Duration);

/// Who has the word when, in groups that take turns: one at a time in each room.
fn turns(people: &[Person], end: Duration, deeds: &mut Vec<(Duration, Deed)>) {
    let mut circles: Vec<(Circle<'_>, Vec<usize>)> = Vec::new();
    for (who, person) in people.iter().enumerate() {
        let Talk::Turns(turn) = person.group.talk else { continue };
        let key = (person.room, &*person.group.name, turn);
        match circles.iter_mut().find(|(circle, _)| *circle == key) {
            Some((_, members)) => members.push(who),
            None => circles.push((key, vec![who])),
        }
    }
    for ((_, _, turn), members) in circles {
        let mut at = Duration::ZERO;
        let mut speaker: Option<usize> = None;
        for next in members.iter().copied().cycle() {
            if at >= end || deeds.len() + 2 > DEEDS_MAX {
                break;
            }
            deeds.extend(
                speaker.filter(|before| *before != next).map(|before| (at, Deed::Speak(before, false))),
            );
            if speaker != Some(next) {
                deeds.push((at, Deed::Speak(next, true)));
            }
            speaker = Some(next);
            at += turn;
        }
    }
}

/// Leaves and rejoins from when figures count until just before the end.
fn churn(
    scenario: &Scenario,
    people: &[Person],
    span: (Duration, Duration),
    deeds: &mut Vec<(Duration, Deed)>,
) {
    let Some(churn) = &scenario.churn else { return };
    let mut dice = StdRng::seed_from_u64(scenario.seed ^ CHURN_SALT);
    let is_in = |person: &Person| churn.group.as_ref().is_none_or(|group| *group == person.group.name);
    let eligible: Vec<usize> = (0..people.len()).filter(|who| is_in(&people[*who])).collect();
    // Until when each is away.
    let mut back: HashMap<usize, Duration> = HashMap::new();
    let (mut at, end) = span;
    loop {
        // Exponential: leaves come by themselves, not on a beat. Both draws are made, whoever is there.
        let wait: f64 = -(1.0 - dice.random::<f64>()).ln() / churn.per_s;
        let choice: f64 = dice.random();
        at += Duration::from_secs_f64(wait.min(1e6));
        if at + churn.away >= end || deeds.len() + 2 > DEEDS_MAX {
            return;
        }
        let present: Vec<usize> = eligible
            .iter()
            .copied()
            // Whoever has just come back stays as long as figures need to settle.
            .filter(|who| back.get(who).is_none_or(|back| *back + scenario.settle < at))
            .collect();
        let Some(who) = present.get((choice * present.len() as f64) as usize) else { continue };
        deeds.push((at, Deed::Leave(*who)));
        deeds.push((at + churn.away, Deed::Join(*who)));
        back.insert(*who, at + churn.away);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sound::tone_hz;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn scenario(toml: &str) -> Scenario {
        Scenario::parse(toml, "test").unwrap_or_else(|error| panic!("{error}"))
    }

    fn text(seed: u64, rooms: u32, people: u32, ramp: &str, churn_per_s: f64) -> String {
        format!(
            "name = \"x\"\nseed = {seed}\nduration_s = 60\n[ramp]\n{ramp}\n[churn]\nper_s = {churn_per_s:.2}\naway_s = 2\n\
             [[rooms]]\ncount = {rooms}\n[[rooms.groups]]\nname = \"a\"\nkind = \"webrtc\"\ncount = {people}\n\
             talk = \"turns\"\nmeasure = 1\n[[rooms.groups]]\nkind = \"whep\"\ncount = 1\n"
        )
    }

    proptest! {
        #[test]
        fn the_same_seed_gives_the_same_schedule_and_it_can_be_done(
            seed in any::<u64>(),
            rooms in 1u32..8,
            people in 1u32..20,
            ramp in prop_oneof!["per_s = [1-9]", "spike = true", "step = [1-9]\nevery_s = [1-9]"],
            churn_per_s in 0.01f64..3.0,
        ) {
            let seed = seed >> 1;
            let scenario = scenario(&text(seed, rooms, people, &ramp, churn_per_s));
            let schedule = scenario.schedule();
            prop_assert_eq!(&schedule, &scenario.schedule());
            prop_assert_eq!(schedule.people.len(), scenario.people());
            prop_assert!(schedule.deeds.windows(2).all(|pair| pair[0].0 <= pair[1].0), "in order");
            let mut present = HashSet::new();
            for (at, deed) in &schedule.deeds {
                prop_assert!(*at < schedule.end, "{:?} at {:?}", deed, at);
                match deed {
                    Deed::Join(who) => prop_assert!(present.insert(*who), "{who} is in already"),
                    Deed::Leave(who) => {
                        prop_assert!(present.remove(who), "{who} is not in");
                        prop_assert!(*at >= schedule.count_from);
                    }
                    Deed::Speak(who, _) => {
                        prop_assert!(matches!(schedule.people[*who].group.talk, Talk::Turns(_)));
                    }
                }
            }
            prop_assert_eq!(present.len(), schedule.people.len(), "whoever left has come back");
            let ids: HashSet<SenderId> = schedule.people.iter().map(|person| person.sender).collect();
            let names: HashSet<&str> = schedule.people.iter().map(|person| &*person.name).collect();
            prop_assert_eq!((ids.len(), names.len()), (schedule.people.len(), schedule.people.len()));
        }
    }

    #[test]
    fn another_seed_gives_other_leaves_and_the_same_people() {
        let of = |seed| scenario(&text(seed, 2, 5, "spike = true", 1.0)).schedule();
        let (one, other) = (of(1), of(2));
        assert_ne!(one.deeds, other.deeds);
        let names = |schedule: &Schedule| -> Vec<_> {
            schedule.people.iter().map(|person| (person.name.clone(), person.sender)).collect()
        };
        assert_eq!(names(&one), names(&other));
    }

    #[test]
    fn ramps_bring_people_when_they_say() {
        let joins = |ramp: &str| -> Vec<u64> {
            let schedule = scenario(&text(1, 1, 5, ramp, 0.01)).schedule();
            let joins = schedule.deeds.iter().filter(|(_, deed)| matches!(deed, Deed::Join(_)));
            joins.map(|(at, _)| at.as_millis() as u64).take(6).collect()
        };
        assert_eq!(joins("per_s = 4"), [0, 250, 500, 750, 1_000, 1_250]);
        assert_eq!(joins("step = 2\nevery_s = 3"), [0, 0, 3_000, 3_000, 6_000, 6_000]);
        assert_eq!(joins("spike = true"), [0; 6]);
        let schedule = scenario(&text(1, 1, 5, "per_s = 4", 0.01)).schedule();
        assert_eq!(
            (schedule.count_from, schedule.end),
            (Duration::from_millis(4_250), Duration::from_millis(61_250))
        );
    }

    #[test]
    fn at_each_moment_one_of_a_circle_speaks() {
        let schedule = scenario(&text(1, 2, 3, "spike = true", 0.01)).schedule();
        let mut speaking = HashSet::new();
        let mut spoken = HashSet::new();
        let mut last = None;
        for (at, deed) in &schedule.deeds {
            let Deed::Speak(who, speaks) = deed else { continue };
            if last.is_some_and(|last| last != *at) {
                let rooms: Vec<usize> =
                    speaking.iter().map(|who: &usize| schedule.people[*who].room).collect();
                assert_eq!(rooms.len(), 2, "one in each room: {speaking:?}");
            }
            last = Some(*at);
            if *speaks {
                speaking.insert(*who);
                spoken.insert(*who);
            } else {
                assert!(speaking.remove(who));
            }
        }
        assert_eq!(spoken.len(), 6, "everybody had a turn");
    }

    #[test]
    fn tones_of_a_room_lie_apart_and_a_full_harness_still_has_ids() {
        for (rooms, people) in [(1, 2), (30, 3), (8, 11), (40, 21)] {
            let schedule = scenario(&text(1, rooms, people, "spike = true", 0.01)).schedule();
            for room in 0..rooms as usize {
                let of_room = schedule.people.iter().filter(|person| person.room == room);
                let hz: HashSet<u32> = of_room.map(|person| tone_hz(person.sender)).collect();
                assert_eq!(hz.len() as u32, people + 1, "{rooms} rooms of {people}");
            }
            assert!(schedule.people.iter().all(|person| (24..=1_023).contains(&person.sender.0)));
        }
        let schedule = scenario(&text(1, 1, 2, "spike = true", 0.01)).schedule();
        let mut hz: Vec<u32> = schedule.people.iter().map(|person| tone_hz(person.sender)).collect();
        hz.sort_unstable();
        assert_eq!(hz, [700, 940, 1_180]);
    }
}
