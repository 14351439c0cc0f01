//! Presence: who is let in, whose media path is up, who goes.
//!
//! Flow: [`Input::Join`](super::Input::Join), [`Input::Connected`](super::Input::Connected), [`Input::Disconnected`](super::Input::Disconnected),
//! [`Input::Leave`](super::Input::Leave), time -> **here** -> roster, stage, floor, plans. Thread: control. Bound: `participants_max`.

use super::event::ClosingReason;
use super::input::{Joining, Receives};
use super::reception::Reception;
use super::roster::{Connection, Live, Participant, Via};
use super::{Conference, Effect, Event, Prompt, RECONNECT_WINDOW, Refusal, To};
use crate::id::ParticipantId;

impl Conference {
    pub(super) fn join(&mut self, joining: Joining) -> Result<(), Refusal> {
        if self.roster.get(joining.participant).is_some() {
            return Err(Refusal::JoinedBefore(joining.participant));
        }
        if self.keeps_out(&joining) {
            return Err(Refusal::Locked);
        }
        let participants_max = self.settings.participants_max;
        if self.roster.len() >= participants_max {
            return Err(Refusal::RoomFull { participants_max });
        }
        self.roster.insert(Participant::new(joining, self.now + RECONNECT_WINDOW));
        self.tell_roster();
        Ok(())
    }

    pub(super) fn remove(&mut self, id: ParticipantId, reason: ClosingReason) {
        let access = self.access();
        let Some(gone) = self.roster.remove(id) else { return };
        self.tell(To::One(id), Event::Closing { reason, retry_after_s: None });
        self.effects.push_back(Effect::Disconnect { participant: id, reason });
        self.release_floor(id);
        let changes = self.floor.silence(id);
        self.tell_floor(changes);
        self.stage.leave(id);
        self.ladder.leave(id);
        self.requests.forget(id);
        self.planner.forget(id);
        self.tell_access(access);
        self.tell_roster();
        self.planner.replan(self.now);
        if !gone.is_awaited() {
            self.attendance.went(id);
        }
        self.ended = self.roster.is_empty();
    }

    pub(super) fn connect(
        &mut self,
        id: ParticipantId,
        receives: Receives,
        secured: bool,
    ) -> Result<(), Refusal> {
        let lines = [receives.main, receives.content];
        if let Some(line) = lines.into_iter().flatten().find(|line| !line.codec.encodes()) {
            return Err(Refusal::NotEncoded(line.codec));
        }
        let access = self.access();
        let (echo, received) = (self.settings.echo, self.reception.is_some());
        let role = self.known(id)?.role;
        self.begin_with(role);
        let participant = self.known(id)?;
        let is_new = participant.is_awaited();
        let is_told = is_new && participant.via == Via::Sip && !echo && !received;
        let known_before = participant.secured.replace(secured) == Some(secured);
        participant.connection = Connection::Up(receives);
        participant.viewing = false;
        participant.main = Live::default();
        participant.content = Live::default();
        if participant.via.sends() {
            self.stage.come(id);
        }
        if is_new {
            self.attendance.came(id);
        }
        if is_told {
            let prompt = if self.is_waiting() { Prompt::WaitingForHost } else { Prompt::Joined };
            self.effects.push_back(Effect::Announce { to: To::One(id), prompt });
        }
        if !known_before {
            self.tell_access(access);
            self.tell_roster();
        }
        self.ladder.connect(id);
        self.requests.forget(id);
        self.planner.forget(id);
        self.planner.gather(self.now);
        self.planner.replan(self.now);
        self.at_reception(id, Reception::greet);
        Ok(())
    }

    pub(super) fn disconnect(&mut self, id: ParticipantId) -> Result<(), Refusal> {
        let until = self.now + RECONNECT_WINDOW;
        let participant = self.known(id)?;
        if !participant.is_connected() {
            return Ok(());
        }
        participant.connection = Connection::Lost(until);
        participant.viewing = false;
        participant.main = Live::default();
        participant.content = Live::default();
        self.release_floor(id);
        let changes = self.floor.silence(id);
        self.tell_floor(changes);
        self.stage.fall_silent(id);
        self.planner.forget(id);
        self.planner.replan(self.now);
        Ok(())
    }
}
