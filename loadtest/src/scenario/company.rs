//! What the people of each room have in common: what a measuring one of them has to see and hear.
//!
//! Flow: [`Schedule`] -> **here** -> `live` and `sim`, which say it in their passages. Pure.

use super::schedule::{Person, Schedule};
use super::{Layout, Talk};
use crate::media::barcode::SenderId;
use crate::report::{Passage, Who};
use mcu_core::limits::{MIXED_STREAMS_MAX, TILES_MAX};

/// Tiles that a layout with one large picture has room for.
const SPEAKER_TILES: usize = 8;

/// What a room's people have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Company {
    /// Who sends a picture.
    showing: usize,
    /// The most who speak at a time.
    speaking: usize,
    /// Whose tones to listen for.
    pub voices: Vec<SenderId>,
}

impl Company {
    /// Each room's, by the schedule's index.
    pub fn of_all(schedule: &Schedule) -> Vec<Self> {
        let mut companies = vec![Self::default(); schedule.rooms.len()];
        let mut circles: Vec<(usize, &str)> = Vec::new();
        for person in &schedule.people {
            let company = &mut companies[person.room];
            let group = &person.group;
            company.showing += usize::from(group.shows());
            if !group.speaks() {
                continue;
            }
            company.voices.push(person.sender);
            let circle = (person.room, &*group.name);
            if group.talk == Talk::Always {
                company.speaking += 1;
            } else if !circles.contains(&circle) {
                circles.push(circle);
                company.speaking += 1;
            }
        }
        companies
    }
}

impl Person {
    /// Whose stay it is, the `visit`th in the room called `room`.
    pub fn who(&self, visit: u32, room: &str) -> Who {
        Who {
            name: self.name.clone(),
            sender: self.sender,
            visit,
            room: room.to_owned(),
            group: self.group.name.clone(),
            kind: self.group.kind,
            network: self.group.network.as_ref().map(|profile| profile.name.clone()),
        }
    }

    /// A stay of this one's: `passage` with what its group and its company make others expect of it, and it of them.
    pub fn expecting(&self, company: &Company, passage: Passage) -> Passage {
        let group = &self.group;
        let tiles = if group.layout == Some(Layout::Grid) { TILES_MAX } else { SPEAKER_TILES };
        Passage {
            shows: group.shows(),
            speaks: group.speaks(),
            speaks_always: group.speaks() && group.talk == Talk::Always,
            sees_all: company.showing <= tiles,
            hears_all: company.speaking <= MIXED_STREAMS_MAX,
            ..passage
        }
    }
}
