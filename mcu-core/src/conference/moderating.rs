//! What hosts and the administrator decide for others: who is muted, and whether newcomers come in.
//!
//! Flow: [`Input::Mute`](super::Input::Mute), [`Input::MuteAll`](super::Input::MuteAll), [`Input::Lock`](super::Input::Lock) -> **here** ->
//! events. Thread: control. Whether they may is checked before. There is no way to unmute anybody else.

use super::event::MutedBy;
use super::input::{Joining, StateChange};
use super::roster::Role;
use super::{Conference, Event, Prompt, Refusal, To};
use crate::id::ParticipantId;

impl Conference {
    /// Whether guests who are not in stay out.
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    /// A lock is against those who were told the guests' PIN: whoever has the host's could open it, as could whoever called somebody in.
    pub(super) fn keeps_out(&self, joining: &Joining) -> bool {
        self.locked && joining.role != Role::Host && !joining.invited
    }

    pub(super) fn lock(&mut self, locked: bool) {
        if self.locked != locked {
            self.locked = locked;
            self.tell(To::All, Event::Locked { locked });
        }
    }

    pub(super) fn mute(&mut self, id: ParticipantId, by: MutedBy) -> Result<(), Refusal> {
        if self.known(id)?.muted {
            return Ok(());
        }
        self.change(id, StateChange { muted: Some(true), ..StateChange::default() })?;
        self.tell(To::One(id), Event::Muted { by });
        self.say_without_client(id, Prompt::Muted);
        Ok(())
    }

    /// Mutes every guest that can be heard.
    pub(super) fn mute_all(&mut self, by: MutedBy) -> Result<(), Refusal> {
        let guests = self.roster.iter().filter(|p| p.role == Role::Guest && p.via.sends());
        let guests: Vec<ParticipantId> = guests.map(|p| p.id).collect();
        guests.into_iter().try_for_each(|id| self.mute(id, by))
    }
}
