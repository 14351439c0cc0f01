//! Sharing: the content floor, which one participant holds at a time. Whoever asks last has it, as in a room with one screen; only out of a host's
//! hand no guest takes it.
//!
//! Flow: [`Input::State`](super::Input::State), leaving -> **here** -> `floor` events and a new plan. Thread: control.

use super::roster::{Role, Via};
use super::{Conference, Event, Refusal, To};
use crate::id::ParticipantId;

impl Conference {
    pub(super) fn take_floor(&mut self, id: ParticipantId) -> Result<(), Refusal> {
        let asks = self.known(id)?;
        if !matches!(asks.via, Via::Browser | Via::Sip) {
            return Err(Refusal::CannotShare(id));
        }
        let guest = asks.role == Role::Guest;
        let holder_is_host = self
            .holder
            .and_then(|holder| self.roster.get(holder))
            .is_some_and(|holder| holder.role == Role::Host);
        match self.holder {
            Some(holder) if holder == id => {}
            Some(holder) if guest && holder_is_host => {
                self.tell(To::One(id), Event::Floor { holder: Some(holder) });
                return Err(Refusal::AlreadySharing { holder });
            }
            _ => self.hand_floor(Some(id)),
        }
        Ok(())
    }

    pub(super) fn release_floor(&mut self, id: ParticipantId) {
        if self.holder == Some(id) {
            self.hand_floor(None);
        }
    }

    pub(super) fn hand_floor(&mut self, holder: Option<ParticipantId>) {
        self.holder = holder;
        self.tell(To::All, Event::Floor { holder });
        self.tell_roster();
        self.planner.replan(self.now);
    }
}
