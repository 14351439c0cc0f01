//! Those whom the node calls: an offer is made and kept for each, and whoever answers comes in.
//!
//! Flow: `Command::Invite` -> [`Inviting`], off the control task -> [`Invited`], kept here -> `Command::Admit` -> a meeting, with the offer as its
//! proposal -> `Command::Settle`. Thread: control. Bounds: one for each call of the node's (`limits::SIP_CALLS_MAX`), each with the ports of its
//! offer, until [`KEPT`] is over. Nobody here is in a roster, takes a place, or sees and hears anything.

use super::ControlState;
use super::negotiation::{Negotiated, SipMedia};
use super::proposals::Proposal;
use crate::threads::NodeClock;
use mcu_core::conference::event::RoomName;
use mcu_core::conference::input::{Input, Joining};
use mcu_core::conference::roster::{DisplayName, Role, Via};
use mcu_core::id::{ConferenceId, ParticipantId, PeerId};
use mcu_core::limits;
use mcu_core::time::Mono;
use signalling::command::{Caller, Invitation, Joined, Reply, SipLeg};
use signalling::problem::ApiError;
use signalling::room::Alias;
use std::time::Duration;

/// How long an invitation is kept that nobody takes back: the longest ringing, and a minute for what comes before and after it.
const KEPT: Duration = limits::SIP_RING_MAX.saturating_add(Duration::from_secs(60));

/// Somebody who may answer.
pub struct Invited {
    alias: Alias,
    /// The meeting that ran when it was called: it comes into that one, or into none.
    meeting: Option<ConferenceId>,
    proposal: Box<Proposal>,
    until: Mono,
}

/// Everything that inviting somebody takes.
struct Inviting {
    participant: ParticipantId,
    alias: Alias,
    meeting: Option<ConferenceId>,
    leg: SipLeg,
    sip: SipMedia,
    id: PeerId,
    io: usize,
    until: Mono,
    reply: Reply<Invitation>,
}

impl Inviting {
    /// Makes the offer, or says why not; the refusal has gone out when this returns `None`.
    fn run(self, clock: NodeClock) -> Option<Negotiated> {
        let Self { participant, alias, meeting, leg, sip, id, io, until, reply } = self;
        match Proposal::make(&sip, leg, None, (id, io), clock) {
            Ok((proposal, sdp)) => {
                let invited = Invited { alias, meeting, proposal, until };
                Some(Negotiated::Invited { invited, invitation: Invitation { participant, sdp }, reply })
            }
            Err(error) => {
                let _ = reply.send(Err(error));
                None
            }
        }
    }
}

impl ControlState {
    pub(super) fn invite(&mut self, alias: Alias, leg: SipLeg, by: &Caller, reply: Reply<Invitation>) {
        match self.inviting(alias, by) {
            Ok((alias, meeting, io)) => {
                let inviting = Inviting {
                    participant: ParticipantId(self.participant_ids.next_id()),
                    alias,
                    meeting,
                    leg,
                    sip: self.parts.sip.clone(),
                    id: PeerId(self.peer_ids.next_id()),
                    io,
                    until: self.parts.clock.now() + KEPT,
                    reply,
                };
                self.negotiate(move |clock| inviting.run(clock));
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    /// Whether somebody can be called, and where it would come in.
    fn inviting(&self, alias: Alias, by: &Caller) -> Result<(Alias, Option<ConferenceId>, usize), ApiError> {
        let meeting = self.meeting_for(&alias, by)?;
        if self.draining {
            return Err(ApiError::Draining);
        }
        let running = meeting.and_then(|id| self.meetings.get(&id));
        let is_full = running.is_some_and(|meeting| {
            meeting.participants() >= meeting.conference().settings().participants_max
        });
        if is_full || self.invited.len() >= limits::SIP_CALLS_MAX {
            return Err(ApiError::RoomFull);
        }
        Ok((alias, meeting, self.quietest_io().ok_or(ApiError::Internal)?))
    }

    /// Keeps an invitation, if whoever asked for it still wants it.
    pub(super) fn invited(&mut self, invited: Invited, invitation: Invitation, reply: Reply<Invitation>) {
        let participant = invitation.participant;
        self.invited.insert(participant, invited);
        if reply.send(Ok(invitation)).is_err() {
            self.uninvite(participant);
        }
    }

    pub(super) fn uninvite(&mut self, participant: ParticipantId) {
        self.invited.remove(&participant);
    }

    /// Forgets invitations that nobody has taken back: whoever made them is gone.
    pub(super) fn forget_invitations(&mut self) {
        let now = self.parts.clock.now();
        self.invited.retain(|_, invited| invited.until > now);
    }

    /// See [`Command::Admit`](signalling::command::Command::Admit).
    pub(super) fn admit(
        &mut self,
        participant: ParticipantId,
        name: DisplayName,
        role: Role,
    ) -> Result<Joined, ApiError> {
        let Invited { alias, meeting, proposal, .. } =
            self.invited.remove(&participant).ok_or(ApiError::NotFound)?;
        if self.draining {
            return Err(ApiError::Draining);
        }
        let conference = match meeting {
            Some(meeting) => {
                Some(meeting).filter(|id| self.meetings.contains_key(id)).ok_or(ApiError::NotFound)?
            }
            None if self.rooms.get(alias.as_str()).is_none() => return Err(ApiError::NotFound),
            None => self.running_or_begun(&alias)?,
        };
        let joined_at_unix_s = crate::threads::unix_s();
        let (via, overlay, invited) = (Via::Sip, false, true);
        let joining = Joining { participant, name, role, via, overlay, invited, joined_at_unix_s };
        self.input(conference, Input::Join(joining)).map_err(super::commands::refusal)?;
        let meeting = self.meetings.get_mut(&conference).ok_or(ApiError::Internal)?;
        meeting.keep_proposal(participant, proposal);
        let settings = meeting.conference().settings();
        let room = RoomName { name: settings.name.clone(), alias: settings.alias.clone() };
        let access = meeting.conference().access();
        Ok(Joined { participant, conference, role, room, ice_servers: Vec::new(), access })
    }
}
