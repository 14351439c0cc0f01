//! How participants are told: at once, to a fresh socket, and the roster not too often.
//!
//! Flow: [`Conference`]'s decisions -> **here** -> `Effect::Event`. Thread: control. Bound: one roster event per
//! [`ROSTER_INTERVAL_MIN`]. Decides nothing but when.

use super::event::RoomName;
use super::floor::FloorChange;
use super::{Conference, Effect, Event, ROSTER_INTERVAL_MIN, Refusal, To};
use crate::id::ParticipantId;
use crate::privacy::ContentAccess;

impl Conference {
    /// Tells a fresh socket what holds now.
    pub(super) fn welcome(&mut self, id: ParticipantId) -> Result<(), Refusal> {
        let role = self.known(id)?.role;
        let room = RoomName { name: self.settings.name.clone(), alias: self.settings.alias.clone() };
        let to = To::One(id);
        self.tell(
            to,
            Event::Welcome { participant_id: id, role, room, access: self.access(), locked: self.locked },
        );
        if self.is_waiting() {
            self.tell(to, Event::Waiting { waiting: true });
        }
        let participants = self.entries();
        self.tell(to, Event::Roster { participants });
        self.tell(to, Event::Floor { holder: self.holder });
        self.tell(to, Event::ActiveSpeaker { participant_id: self.floor.active() });
        for layout in self.planner.layouts_of(id, self.now, &self.roster) {
            self.tell(to, Event::Layout(layout));
        }
        let requests: Vec<_> = self.requests.of(id).collect();
        requests.into_iter().for_each(|request| self.tell(to, Event::VideoRequest(request)));
        Ok(())
    }

    pub(super) fn tell(&mut self, to: To, event: Event) {
        self.effects.push_back(Effect::Event { to, event });
    }

    /// Tells everybody who can look inside, if that was `before` something else.
    pub(super) fn tell_access(&mut self, before: ContentAccess) {
        let access = self.access();
        if access != before {
            self.tell(To::All, Event::Access { access });
        }
    }

    /// The roster has changed; everybody is told, but not too often.
    pub(super) fn tell_roster(&mut self) {
        let earliest = self.roster_told.map_or(self.now, |told| (told + ROSTER_INTERVAL_MIN).max(self.now));
        self.roster_due.get_or_insert(earliest);
    }

    pub(super) fn tell_floor(&mut self, changes: Vec<FloorChange>) {
        for change in changes {
            let event = match change {
                FloorChange::Speaking(participant_id, speaking) => {
                    Event::Speaking { participant_id, speaking }
                }
                FloorChange::Active(participant_id) => {
                    if let Some(id) = participant_id {
                        self.stage.speak(id);
                    }
                    Event::ActiveSpeaker { participant_id }
                }
            };
            self.tell(To::All, event);
            self.planner.replan(self.now);
        }
    }
}
