//! Who comes in: by the door into a room, without a PIN into a reception, and from there on into a room.
//!
//! Flow: `Command::Join`, `Command::Receive`, `Command::Transfer` -> **here** -> a meeting, begun if it has to be. Thread: control.
//! Bounds: `limits::CONFERENCES_MAX`, `limits::RECEPTIONS_MAX`; rooms and conferences have their own.

use super::ControlState;
use super::commands::refusal;
use super::meeting::Meeting;
use super::rooms::Opens;
use mcu_core::conference::event::{ClosingReason, RoomName};
use mcu_core::conference::input::{Input, Joining};
use mcu_core::conference::reception::Words;
use mcu_core::conference::roster::Role;
use mcu_core::conference::{Prompt, Settings};
use mcu_core::id::{ConferenceId, ParticipantId};
use mcu_core::limits;
use mcu_core::privacy::Purpose;
use signalling::command::{Identity, JoinRequest, Joined, Reply, Subscription};
use signalling::problem::ApiError;
use signalling::room::Alias;

impl ControlState {
    pub(super) fn join(&mut self, request: JoinRequest) -> Result<Joined, ApiError> {
        let alias = request.alias.as_str();
        let role = if request.alias.is_echo() {
            Role::Guest
        } else {
            match self.rooms.opens(alias, request.pin.expose()) {
                Some(Opens::Host) => Role::Host,
                Some(Opens::Guest) if !request.host_only => Role::Guest,
                _ => return Err(ApiError::JoinRefused),
            }
        };
        if self.draining {
            return Err(ApiError::Draining);
        }
        let conference = self.running_or_begun(&request.alias)?;
        self.let_in(&request, conference, role)
    }

    /// The meeting of a room, which begins where none runs.
    pub(super) fn running_or_begun(&mut self, alias: &Alias) -> Result<ConferenceId, ApiError> {
        let running = self.rooms.meeting(alias.as_str()).filter(|id| self.meetings.contains_key(id));
        running.map_or_else(|| self.begin(alias), Ok)
    }

    /// A reception of its own for a caller.
    pub(super) fn receive(&mut self, request: JoinRequest) -> Result<Joined, ApiError> {
        if self.draining {
            return Err(ApiError::Draining);
        }
        let is_reception = |meeting: &&Meeting| meeting.conference().settings().reception.is_some();
        if self.meetings.values().filter(is_reception).count() >= limits::RECEPTIONS_MAX {
            return Err(ApiError::Overloaded);
        }
        let alias = request.alias.as_str();
        let words = Words {
            title: alias.to_owned(),
            enter_pin: self.parts.prompts.text(Prompt::EnterPin).to_owned(),
            pin_wrong: self.parts.prompts.text(Prompt::PinWrong).to_owned(),
        };
        let settings =
            Settings { participants_max: 1, reception: Some(words), ..Settings::new(alias, alias) };
        let conference = self.start(settings)?;
        self.let_in(&request, conference, Role::Guest)
    }

    fn let_in(
        &mut self,
        request: &JoinRequest,
        conference: ConferenceId,
        role: Role,
    ) -> Result<Joined, ApiError> {
        let participant = ParticipantId(self.participant_ids.next_id());
        let joining = Joining {
            participant,
            name: request.display_name.expose().clone(),
            role,
            via: request.via,
            overlay: request.overlay,
            invited: false,
            joined_at_unix_s: crate::threads::unix_s(),
        };
        self.input(conference, Input::Join(joining)).map_err(refusal)?;
        let meeting = self.meetings.get(&conference).ok_or(ApiError::Internal)?;
        let settings = meeting.conference().settings();
        Ok(Joined {
            participant,
            conference,
            role,
            room: RoomName { name: settings.name.clone(), alias: settings.alias.clone() },
            ice_servers: self.ice_servers(participant),
            access: meeting.conference().access(),
        })
    }

    /// Somebody who gave up waiting is not in: nobody would ever use the place.
    pub(super) fn answer_joined(&mut self, result: Result<Joined, ApiError>, reply: Reply<Joined>) {
        if let Err(Ok(joined)) = reply.send(result) {
            let participant = joined.participant;
            let _ = self.input(joined.conference, Input::Leave { participant, reason: ClosingReason::Left });
        }
    }

    fn begin(&mut self, alias: &Alias) -> Result<ConferenceId, ApiError> {
        let settings = match self.rooms.get(alias.as_str()) {
            Some(room) => {
                let settings = Settings::new(room.alias.as_str(), room.name.as_str());
                let words = || self.parts.prompts.text(Prompt::WaitingForHost).to_owned();
                let waiting = self.parts.config.room.guests_wait.then(words);
                Settings { participants_max: room.participants_max, waiting, ..settings }
            }
            None => Settings { echo: true, participants_max: 1, ..Settings::new(Alias::ECHO, "Echo test") },
        };
        let id = self.start(settings)?;
        self.rooms.meeting_begun(alias.as_str(), id);
        Ok(id)
    }

    fn start(&mut self, mut settings: Settings) -> Result<ConferenceId, ApiError> {
        if self.meetings.len() >= limits::CONFERENCES_MAX {
            return Err(ApiError::RoomFull);
        }
        settings.canvas = self.parts.config.room.canvas;
        settings.content_canvas = self.parts.config.room.content_canvas;
        let id = ConferenceId(self.conference_ids.next_id());
        let token = self.ledger.issue(id, Purpose::Mixing);
        settings.access = self.ledger.access(id);
        self.meetings.insert(id, Meeting::begin(id, settings, token, &self.parts));
        tracing::info!(conference = %id, "meeting begun");
        Ok(id)
    }

    /// See [`Command::Transfer`]. From here on its events come from the other meeting, without a word about leaving this one.
    pub(super) fn transfer(&mut self, from: &Identity, to: &Identity) -> Result<Subscription, ApiError> {
        self.known(from)?;
        self.known(to)?;
        let before = self.meetings.get_mut(&from.conference).ok_or(ApiError::Unauthorized)?;
        let peer = before.silence(from.participant).ok_or(ApiError::Internal)?;
        let meeting = self.meetings.get_mut(&to.conference).ok_or(ApiError::Unauthorized)?;
        let participant = to.participant;
        meeting.take_over(participant, peer, &self.parts);
        let connected = meeting.connected(participant).ok_or(ApiError::Internal)?;
        let subscription = self.subscribe(to)?;
        self.input(to.conference, connected).map_err(refusal)?;
        let left = Input::Leave { participant: from.participant, reason: ClosingReason::Left };
        self.input(from.conference, left).map_err(refusal)?;
        Ok(subscription)
    }
}
