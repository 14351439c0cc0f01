//! Sharing: the content floor, which one participant holds at a time.
//!
//! Flow: [`Input::State`](super::Input::State), leaving -> **here** -> `floor` events and a new plan. Thread: control.

use super::roster::Via;
use super::{Conference, Event, Refusal, To};
use crate::id::ParticipantId;

impl Conference {
    pub(super) fn take_floor(&mut self, id: ParticipantId) -> Result<(), Refusal> {
        if self.known(id)?.via != Via::Browser {
            return Err(Refusal::CannotShare(id));
        }
        match self.holder {
            Some(holder) if holder != id => {
                self.tell(To::One(id), Event::Floor { holder: Some(holder) });
                Err(Refusal::AlreadySharing { holder })
            }
            Some(_) => Ok(()),
            None => {
                self.hand_floor(Some(id));
                Ok(())
            }
        }
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
