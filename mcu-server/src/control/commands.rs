//! What the API asks, answered.

use super::ControlState;
use super::meeting::{Arrival, Meeting};
use super::negotiation::{Negotiated, Negotiation, Predecessor};
use super::proposals::{Proposing, Settling};
use crate::store::{StoreError, StoredRoom};
use crate::threads::NodeClock;
use mcu_core::conference::Refusal;
use mcu_core::conference::event::{ClosingReason, MutedBy};
use mcu_core::conference::input::{Input, StateChange};
use mcu_core::conference::roster::Role;
use mcu_core::id::{ConferenceId, ParticipantId, PeerId};
use mcu_core::limits;
use signalling::command::{
    Caller, Command, Identity, NewRoom, Offer, Reply, RoomPatch, Session, SipLeg, Subscription,
};
use signalling::model::Room;
use signalling::problem::ApiError;
use signalling::room::Alias;
use signalling::secret::Secret;

impl ControlState {
    /// Answers one command. An answer that nobody waits for any more is dropped.
    #[expect(clippy::too_many_lines, reason = "one flat arm per command")]
    pub async fn command(&mut self, command: Command) {
        match command {
            Command::CreateRoom { room, reply } => answer(reply, self.create_room(room).await),
            Command::ListRooms { reply } => {
                answer(reply, Ok(self.rooms.iter().map(|r| self.show(r)).collect()))
            }
            Command::GetRoom { alias, reply } => {
                let room = self.rooms.get(alias.as_str()).map(|room| self.show(room));
                answer(reply, room.ok_or(ApiError::NotFound));
            }
            Command::PatchRoom { alias, patch, reply } => {
                answer(reply, self.patch_room(alias.as_str(), patch).await);
            }
            Command::DeleteRoom { alias, reply } => answer(reply, self.delete_room(alias.as_str()).await),
            Command::ListParticipants { alias, by, reply } => {
                answer(
                    reply,
                    self.meeting_for(&alias, &by).map(|meeting| {
                        meeting
                            .map_or_else(Vec::new, |meeting| self.meetings[&meeting].conference().entries())
                    }),
                );
            }
            Command::Mute { alias, participant, muted, by, reply } => {
                answer(reply, self.mute(&alias, participant, muted, &by));
            }
            Command::Disconnect { alias, participant, by, reply } => {
                let input = Input::Leave { participant, reason: ClosingReason::Disconnected };
                answer(reply, self.moderate(&alias, &by, input));
            }
            Command::SetLayout { alias, participant, layout, by, reply } => {
                let change = StateChange { layout: Some(layout), ..StateChange::default() };
                answer(reply, self.moderate(&alias, &by, Input::State { participant, change }));
            }
            Command::Lock { alias, locked, by, reply } => {
                answer(reply, self.moderate(&alias, &by, Input::Lock { locked }));
            }
            Command::MuteAll { alias, by, reply } => {
                let input = Input::MuteAll { by: muted_by(&by) };
                answer(reply, self.moderate(&alias, &by, input));
            }
            Command::SwapSeats { alias, one, other, by, reply } => {
                answer(reply, self.moderate(&alias, &by, Input::SwapSeats { one, other }));
            }
            Command::Join { request, reply } => {
                let joined = self.join(request);
                self.answer_joined(joined, reply);
            }
            Command::Receive { request, reply } => {
                let received = self.receive(request);
                self.answer_joined(received, reply);
            }
            Command::Permit { alias, participant, by, reply } => {
                answer(reply, self.permit(&alias, participant, &by));
            }
            Command::Invite { alias, leg, by, reply } => self.invite(alias, leg, &by, reply),
            Command::Admit { participant, display_name, role, reply } => {
                let admitted = self.admit(participant, display_name.into_exposed(), role);
                self.answer_joined(admitted, reply);
            }
            Command::Uninvite { participant } => self.uninvite(participant),
            Command::Refused { who, why, reply } => {
                let input = Input::Refused { participant: who.participant, why };
                answer(reply, self.own(&who, input));
            }
            Command::Transfer { from, to, reply } => answer(reply, self.transfer(&from, &to)),
            Command::Digit { who, digit } => {
                // Of somebody who has just left.
                let _ = self.own(&who, Input::Digit { participant: who.participant, digit });
            }
            Command::Session { who, reply } => answer(reply, self.session(&who)),
            Command::Offer { offer, reply } => self.offer(offer, reply),
            Command::Propose { who, leg, reply } => self.propose(who, leg, reply),
            Command::Settle { who, sdp, reply } => self.settle(who, sdp, reply),
            Command::Leave { who, reply } => {
                let input = Input::Leave { participant: who.participant, reason: ClosingReason::Left };
                answer(reply, self.own(&who, input));
            }
            Command::State { who, change, reply } => {
                let input = Input::State { participant: who.participant, change };
                answer(reply, self.own(&who, input));
            }
            // Freezes as the client saw them: counted with the quality metrics once those exist.
            Command::Stats { .. } => {}
            Command::KeyframeWanted { who } => self.keyframe_wanted(&who),
            Command::Subscribe { who, reply } => answer(reply, self.subscribe(&who)),
            Command::Ready { reply } => {
                answer(reply, if self.draining { Err(ApiError::Draining) } else { Ok(()) });
            }
        }
    }

    fn show(&self, stored: &StoredRoom) -> Room {
        let meeting = self.rooms.meeting(&stored.alias).and_then(|id| self.meetings.get(&id));
        Room {
            name: stored.name.clone(),
            alias: stored.alias.clone(),
            host_pin: Secret::new(stored.host_pin.clone()),
            guest_pin: Secret::new(stored.guest_pin.clone()),
            participants_max: stored.participants_max as u32,
            participants: meeting.map_or(0, Meeting::participants) as u32,
            encoders: meeting.map_or(0, Meeting::encoders) as u32,
            created_at: stored.created_at_s as u64,
        }
    }

    async fn create_room(&mut self, room: NewRoom) -> Result<Room, ApiError> {
        if self.rooms.len() >= limits::CONFERENCES_MAX {
            return Err(ApiError::RoomFull);
        }
        let stored = StoredRoom {
            alias: room.alias.as_str().to_owned(),
            name: room.name.as_str().to_owned(),
            host_pin: room.host_pin.secret().expose().clone(),
            guest_pin: room.guest_pin.secret().expose().clone(),
            participants_max: room.participants_max as usize,
            created_at_s: crate::threads::unix_s() as i64,
        };
        self.parts.store.add(&stored).await.map_err(store_error)?;
        self.rooms.put(stored.clone());
        Ok(self.show(&stored))
    }

    async fn patch_room(&mut self, alias: &str, patch: RoomPatch) -> Result<Room, ApiError> {
        let mut stored = self.rooms.get(alias).ok_or(ApiError::NotFound)?.clone();
        if let Some(name) = patch.name {
            name.as_str().clone_into(&mut stored.name);
        }
        if let Some(pin) = patch.host_pin {
            stored.host_pin.clone_from(pin.secret().expose());
        }
        if let Some(pin) = patch.guest_pin {
            stored.guest_pin.clone_from(pin.secret().expose());
        }
        if let Some(most) = patch.participants_max {
            stored.participants_max = most as usize;
        }
        if stored.host_pin == stored.guest_pin {
            return Err(ApiError::bad_request("host_pin and guest_pin must differ"));
        }
        self.parts.store.update(&stored).await.map_err(store_error)?;
        self.rooms.put(stored.clone());
        Ok(self.show(&stored))
    }

    async fn delete_room(&mut self, alias: &str) -> Result<(), ApiError> {
        self.parts.store.remove(alias).await.map_err(store_error)?;
        let Some(conference) = self.rooms.remove(alias) else { return Ok(()) };
        let everybody: Vec<ParticipantId> =
            self.meetings.get(&conference).map(|m| m.roster().collect()).unwrap_or_default();
        for participant in everybody {
            let reason = ClosingReason::RoomDeleted;
            let _ = self.input(conference, Input::Leave { participant, reason });
        }
        Ok(())
    }

    /// The meeting that runs in a room, for somebody who may act on it.
    pub(super) fn meeting_for(&self, alias: &Alias, by: &Caller) -> Result<Option<ConferenceId>, ApiError> {
        match by {
            Caller::Admin => {
                let known = self.rooms.get(alias.as_str()).is_some();
                if known { Ok(self.rooms.meeting(alias.as_str())) } else { Err(ApiError::NotFound) }
            }
            Caller::Host(host) => {
                let meeting = self.rooms.meeting(alias.as_str());
                let present = self.meetings.get(&host.conference).is_some_and(|m| {
                    m.conference().participant(host.participant).is_some_and(|p| p.role == Role::Host)
                });
                if present && meeting == Some(host.conference) {
                    Ok(meeting)
                } else {
                    Err(ApiError::Forbidden)
                }
            }
        }
    }

    fn permit(&self, alias: &Alias, on: Option<ParticipantId>, by: &Caller) -> Result<(), ApiError> {
        let meeting = self.meeting_for(alias, by)?.and_then(|id| self.meetings.get(&id));
        let is_in = |id| meeting.is_some_and(|meeting| meeting.conference().participant(id).is_some());
        if on.is_none_or(is_in) { Ok(()) } else { Err(ApiError::NotFound) }
    }

    fn mute(
        &mut self,
        alias: &Alias,
        participant: ParticipantId,
        muted: bool,
        by: &Caller,
    ) -> Result<(), ApiError> {
        let own = matches!(by, Caller::Host(host) if host.participant == participant);
        let input = if muted && !own {
            Input::Mute { participant, by: muted_by(by) }
        } else if own {
            let change = StateChange { muted: Some(muted), ..StateChange::default() };
            Input::State { participant, change }
        } else {
            return Err(ApiError::Forbidden);
        };
        self.moderate(alias, by, input)
    }

    fn moderate(&mut self, alias: &Alias, by: &Caller, input: Input) -> Result<(), ApiError> {
        let conference = self.meeting_for(alias, by)?.ok_or(ApiError::NotFound)?;
        self.input(conference, input).map_err(refusal)
    }

    fn own(&mut self, who: &Identity, input: Input) -> Result<(), ApiError> {
        self.known(who)?;
        self.input(who.conference, input).map_err(refusal)
    }

    fn keyframe_wanted(&self, who: &Identity) {
        if let Some(meeting) = self.meetings.get(&who.conference) {
            meeting.keyframe_wanted(who.participant, &self.parts);
        }
    }

    /// The token's word is believed only while its participant is there.
    pub(super) fn known(&self, who: &Identity) -> Result<Role, ApiError> {
        let meeting = self.meetings.get(&who.conference).ok_or(ApiError::Unauthorized)?;
        let participant = meeting.conference().participant(who.participant).ok_or(ApiError::Unauthorized)?;
        Ok(participant.role)
    }

    fn session(&self, who: &Identity) -> Result<Session, ApiError> {
        let role = self.known(who)?;
        Ok(Session { role, ice_servers: self.ice_servers(who.participant) })
    }

    pub(super) fn subscribe(&mut self, who: &Identity) -> Result<Subscription, ApiError> {
        self.known(who)?;
        let now = self.parts.clock.now();
        let meeting = self.meetings.get_mut(&who.conference).ok_or(ApiError::Unauthorized)?;
        let events = meeting.subscribe(who.participant, now, &self.parts).map_err(refusal)?;
        Ok(Subscription { snapshot: Vec::new(), events })
    }

    fn offer(&mut self, offer: Offer, reply: Reply<String>) {
        if let Err(error) = self.known(&offer.who) {
            return answer(reply, Err(error));
        }
        let before = offer.sip.and_then(|_| self.predecessor(&offer.who));
        let Some(io) = self.io_for(&offer.who, before.as_ref()) else {
            return answer(reply, Err(ApiError::Internal));
        };
        let negotiation = Negotiation {
            offer,
            reply,
            id: PeerId(self.peer_ids.next_id()),
            io,
            addresses: self.parts.io[io].addresses().to_vec(),
            sip: self.parts.sip.clone(),
            before,
        };
        self.negotiate(move |clock| negotiation.run(clock));
    }

    fn propose(&mut self, who: Identity, leg: SipLeg, reply: Reply<String>) {
        if let Err(error) = self.known(&who) {
            return answer(reply, Err(error));
        }
        let before = self.predecessor(&who);
        let Some(io) = self.io_for(&who, before.as_ref()) else {
            return answer(reply, Err(ApiError::Internal));
        };
        let (id, sip) = (PeerId(self.peer_ids.next_id()), self.parts.sip.clone());
        let proposing = Proposing { who, leg, reply, id, io, sip, before };
        self.negotiate(move |clock| proposing.run(clock));
    }

    fn settle(&mut self, who: Identity, sdp: String, reply: Reply<()>) {
        let meeting = self.meetings.get_mut(&who.conference);
        let Some(proposal) = meeting.and_then(|meeting| meeting.take_proposal(who.participant)) else {
            return answer(reply, Err(ApiError::Unauthorized));
        };
        let settling = Settling { who, proposal, sdp, reply };
        self.negotiate(move |clock| settling.run(clock));
    }

    /// The session by SIP that a participant has.
    fn predecessor(&self, who: &Identity) -> Option<Predecessor> {
        self.meetings.get(&who.conference)?.predecessor(who.participant)
    }

    /// The io thread for a connection: that of the session which it follows, whose ports are there, else the one with the fewest peers.
    fn io_for(&self, who: &Identity, before: Option<&Predecessor>) -> Option<usize> {
        let follows = before.and_then(|_| self.meetings.get(&who.conference)?.io_of(who.participant));
        follows.or_else(|| self.quietest_io())
    }

    /// The io thread with the fewest peers.
    pub(super) fn quietest_io(&self) -> Option<usize> {
        self.parts.io.iter().enumerate().min_by_key(|(_, port)| port.peers()).map(|(io, _)| io)
    }

    /// Runs what may take milliseconds off the control task.
    pub(super) fn negotiate(&self, run: impl FnOnce(NodeClock) -> Option<Negotiated> + Send + 'static) {
        let (clock, negotiated) = (self.parts.clock, self.negotiated.clone());
        tokio::task::spawn_blocking(move || {
            if let Some(done) = run(clock) {
                // Control is gone only when the node is.
                let _ = negotiated.blocking_send(done);
            }
        });
    }

    /// Takes what came of a negotiation into its meeting, if its participant is still there.
    pub fn negotiated(&mut self, negotiated: Negotiated) {
        match negotiated {
            Negotiated::Agreed { conference, arrival, told } => told.say(self.agreed(conference, *arrival)),
            Negotiated::Invited { invited, invitation, reply } => self.invited(invited, invitation, reply),
            Negotiated::Proposed { who, proposal, sdp, reply } => {
                let known = self.known(&who);
                if let (Ok(_), Some(meeting)) = (&known, self.meetings.get_mut(&who.conference)) {
                    meeting.keep_proposal(who.participant, proposal);
                }
                answer(reply, known.map(|_| sdp));
            }
        }
    }

    fn agreed(&mut self, conference: ConferenceId, arrival: Arrival) -> Result<(), ApiError> {
        let meeting = self.meetings.get_mut(&conference).ok_or(ApiError::Unauthorized)?;
        meeting.conference().participant(arrival.participant).ok_or(ApiError::Unauthorized)?;
        // The session whose ports it keeps has ended meanwhile, and they with it.
        if arrival.follows.is_some_and(|before| !meeting.is_current(arrival.participant, before)) {
            return Err(ApiError::Internal);
        }
        meeting.attach(arrival, &self.parts);
        Ok(())
    }
}

/// A requester that has gone away wants no answer.
fn answer<T>(reply: Reply<T>, result: Result<T, ApiError>) {
    let _ = reply.send(result);
}

const fn muted_by(caller: &Caller) -> MutedBy {
    match caller {
        Caller::Admin => MutedBy::Admin,
        Caller::Host(_) => MutedBy::Host,
    }
}

fn store_error(error: StoreError) -> ApiError {
    match error {
        StoreError::AliasTaken => ApiError::Conflict("a room with this alias exists".to_owned()),
        StoreError::NoRoom => ApiError::NotFound,
        other => {
            tracing::error!(error = %other, "store");
            ApiError::Internal
        }
    }
}

pub(super) fn refusal(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Locked => ApiError::Locked,
        Refusal::RoomFull { .. } => ApiError::RoomFull,
        Refusal::AlreadySharing { .. } => ApiError::Conflict("somebody else is sharing".to_owned()),
        Refusal::NoSuchParticipant(_) => ApiError::NotFound,
        Refusal::CannotShare(_) => ApiError::Forbidden,
        Refusal::Ended => ApiError::NotFound,
        Refusal::JoinedBefore(_) | Refusal::NotEncoded(_) => ApiError::Internal,
    }
}
