//! What a search for capacity raises, how far, and the scenario of each of its steps.
//!
//! Flow: `[capacity]` of a scenario -> **here** -> `capacity`, which plays one step after the other. Pure.

use super::{Place, Scenario};
use serde::{Deserialize, Serialize};

/// What to search, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// What is raised.
    pub raised: Raised,
    /// The smallest count.
    pub from: u32,
    /// The search goes no further than this.
    pub max: u32,
    /// How exactly the edge is wanted.
    pub step: u32,
    /// How many searches.
    pub repetitions: u32,
}

/// Of what there are more and more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Raised {
    /// People of this group, in each room that has it.
    Group(String),
    /// Rooms that are made for the run, each with its people.
    Rooms,
}

impl Raised {
    /// For a person: so many of what is raised.
    pub fn said(&self, count: impl std::fmt::Display) -> String {
        match self {
            Self::Group(name) => format!("{count} in the group {name:?}"),
            Self::Rooms => format!("{count} rooms"),
        }
    }
}

impl Scenario {
    /// One step of its search, as a scenario of its own: with `count` of what is raised. A scenario that searches nothing stays
    /// as it is.
    #[must_use]
    pub fn raised_to(&self, count: u32) -> Self {
        let Some(Capacity { raised, .. }) = &self.capacity else { return self.clone() };
        let mut step = self.clone();
        step.capacity = None;
        for room in &mut step.rooms {
            match raised {
                Raised::Rooms => {
                    if let Place::Made(rooms) = &mut room.place {
                        *rooms = count;
                    }
                }
                Raised::Group(name) => {
                    let groups = room.groups.iter_mut().filter(|group| group.name == *name);
                    groups.for_each(|group| group.count = count);
                }
            }
        }
        step.noted(&format!("{}, as one step of a search (--at {count})", raised.said(count)))
    }

    /// People for each of what is raised, and people besides.
    pub fn people_raised(&self) -> (u32, u32) {
        let [one, two] = [1, 2].map(|count| self.raised_to(count).people() as u32);
        let each = two - one;
        (each, one - each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMS: &str = "name = \"x\"\nduration_s = 9\n\
        [[rooms]]\ncount = 2\n[[rooms.groups]]\nname = \"host\"\nkind = \"webrtc\"\ncount = 1\n\
        [[rooms.groups]]\nname = \"guest\"\nkind = \"webrtc\"\ncount = 3\nmeasure = 1\n\
        [[rooms]]\n[[rooms.groups]]\nname = \"guest\"\nkind = \"whep\"\ncount = 5\nmeasure = \"all\"\n";

    fn scenario(capacity: &str) -> Scenario {
        Scenario::parse(&format!("{ROOMS}[capacity]\n{capacity}\n"), "x")
            .unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_group_is_raised_in_every_room_that_has_it_and_nothing_else_is() {
        let search = scenario("group = \"guest\"\nfrom = 2\nmax = 50");
        let step = search.raised_to(7);
        assert_eq!((step.people(), step.capacity.is_none()), (2 * (1 + 7) + 7, true));
        let measuring = |room: usize, group: usize| step.rooms[room].groups[group].measuring();
        assert_eq!([measuring(0, 0), measuring(0, 1), measuring(1, 0)], [0, 1, 7], "all of them stay all");
        assert!(
            step.toml
                .starts_with("# Played with 7 in the group \"guest\", as one step of a search (--at 7).\n")
        );
        assert!(step.toml.ends_with(&search.toml));
        assert_eq!(search.people_raised(), (3, 2));
    }

    #[test]
    fn rooms_are_raised_where_they_are_made_and_the_targets_stays_one() {
        let search = scenario("rooms = true\nfrom = 1\nmax = 50");
        let step = search.raised_to(5);
        assert_eq!((&step.rooms[0].place, &step.rooms[1].place), (&Place::Made(5), &Place::Target));
        assert_eq!((step.people(), search.people_raised()), (5 * 4 + 5, (4, 5)));
    }

    #[test]
    fn a_scenario_that_searches_nothing_has_one_step_itself() {
        let plain = Scenario::parse(ROOMS, "x").expect("is right");
        assert_eq!(plain.raised_to(7), plain);
        assert_eq!(plain.people_raised(), (0, plain.people() as u32));
    }
}
