//! The conference: who is there, what everybody sees and hears.
//!
//! Flow: signalling, transport, sound job -> [`Input`] -> **[`Conference`]** -> [`Effect`] -> engine, signalling.
//! Thread: control. Everything here is a deterministic function of the inputs and their times: the same inputs
//! give the same effects, byte for byte. It does no I/O, reads no clock and never waits; whoever drives it
//! drains [`Conference::poll_effect`] after each [`Conference::handle`], and gives [`Input::Tick`] when
//! [`Conference::deadline`] has come.
//!
//! | file | decides |
//! |---|---|
//! | `settings` | what a room is like |
//! | `card` | what stands for the picture |
//! | `prompt` | what can be said by voice |
//! | `roster` | who is in, and what is known of each |
//! | `presence` | who comes and goes |
//! | `attendance` | who is told so by voice |
//! | `waiting` | what holds until a host is there |
//! | `keypad` | what keys of telephones mean |
//! | `reception` | how a caller enters a PIN by them |
//! | `controls` | what both do to the conference |
//! | `floor` | who speaks, who has the word |
//! | `sharing` | who shares content |
//! | `seats` | who has a place in the picture |
//! | `layout` | where the places are |
//! | `picture` | who sees which scene |
//! | `planning` | when there is a new plan, and who is told |
//! | `renditions` | which encodes there are, for whom, at which rate |
//! | `requests` | what senders are asked to send |
//! | `telling` | how participants are told |
//! | `moderating` | what hosts decide for others: the lock, who is muted |
//! | `mixing` | which streams are mixed (called by the sound job) |

mod attendance;
pub mod card;
mod controls;
pub mod effect;
pub mod event;
pub mod floor;
pub mod input;
pub mod keypad;
pub mod layout;
pub mod mixing;
mod moderating;
mod picture;
pub mod plan;
mod planning;
mod presence;
pub mod prompt;
pub mod reception;
pub mod renditions;
pub mod requests;
pub mod roster;
mod seats;
mod settings;
mod sharing;
mod telling;
#[cfg(test)]
mod tests;
mod waiting;

pub use card::Card;
pub use effect::{Effect, To};
pub use event::Event;
pub use input::Input;
pub use planning::{GATHERED_FOR, PLAN_AHEAD, PLAN_INTERVAL_MIN};
pub use prompt::Prompt;
pub use settings::Settings;

use crate::id::{ConferenceId, ParticipantId, SourceId, SourceKind};
use crate::media::codec::VideoCodec;
use crate::privacy::ContentAccess;
use crate::time::Mono;
use attendance::Attendance;
use event::{ClosingReason, RosterEntry};
use floor::Floor;
use input::{Loudness, Medium, StateChange};
use plan::RateClass;
use planning::Planner;
use reception::Reception;
use renditions::Ladder;
use requests::Requests;
use roster::{Participant, Roster};
use seats::Stage;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How long a place is kept for somebody whose media path is not up.
pub const RECONNECT_WINDOW: Duration = Duration::from_secs(60);

/// The least time between two `roster` events.
pub const ROSTER_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Why an input changed nothing (or, of a `State`, not all it asked for).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Everybody has left; a new conference has to be made.
    #[error("the conference has ended")]
    Ended,
    /// No guest comes in at the moment.
    #[error("the meeting is locked")]
    Locked,
    /// No place is left.
    #[error("the room is full: {participants_max} participants")]
    RoomFull {
        /// How many may be in.
        participants_max: usize,
    },
    /// The id is in the roster already.
    #[error("participant {0} has joined before")]
    JoinedBefore(ParticipantId),
    /// Nobody of that id is in the roster.
    #[error("there is no participant {0}")]
    NoSuchParticipant(ParticipantId),
    /// Somebody else holds the content floor. The asker is told by a `floor` event; the rest of its `State` holds.
    #[error("participant {holder} is sharing already")]
    AlreadySharing {
        /// Who.
        holder: ParticipantId,
    },
    /// It came a way that cannot share. The rest of its `State` holds.
    #[error("participant {0} cannot share")]
    CannotShare(ParticipantId),
    /// The node decodes this codec but does not encode it.
    #[error("the node does not encode {}", .0.name())]
    NotEncoded(VideoCodec),
}

/// One meeting.
#[derive(Debug)]
pub struct Conference {
    id: ConferenceId,
    settings: Settings,
    now: Mono,
    roster: Roster,
    attendance: Attendance,
    floor: Floor,
    stage: Stage,
    ladder: Ladder,
    requests: Requests,
    planner: Planner,
    /// Where one caller enters a PIN.
    reception: Option<Reception>,
    /// What stands for every main picture.
    card: Option<Arc<Card>>,
    /// No host has been here yet, in a room that waits for one: when those on a telephone are told again.
    waiting: Option<Mono>,
    /// Who shares.
    holder: Option<ParticipantId>,
    /// Only hosts come in.
    locked: bool,
    /// When the roster is to be told, and when it was.
    roster_due: Option<Mono>,
    roster_told: Option<Mono>,
    effects: VecDeque<Effect>,
    ended: bool,
}

impl Conference {
    /// An empty conference. What in `settings` is beyond a limit is brought down to it.
    pub fn new(id: ConferenceId, settings: Settings, now: Mono) -> Self {
        let settings = settings.within_limits();
        Self {
            id,
            planner: Planner::new(id, &settings),
            reception: settings.reception.clone().map(Reception::new),
            card: settings.waiting_card(),
            waiting: settings.first_told(now),
            settings,
            now,
            roster: Roster::default(),
            attendance: Attendance::default(),
            floor: Floor::new(),
            stage: Stage::new(),
            ladder: Ladder::default(),
            requests: Requests::default(),
            holder: None,
            locked: false,
            roster_due: None,
            roster_told: None,
            effects: VecDeque::new(),
            ended: false,
        }
    }

    /// Takes in what happened at `now`. Time never runs backwards: an earlier `now` counts as the latest one.
    ///
    /// # Errors
    /// [`Refusal`] when the input cannot be; there may be effects to poll all the same.
    pub fn handle(&mut self, now: Mono, input: Input) -> Result<(), Refusal> {
        self.now = self.now.max(now);
        let after_end = if input == Input::Tick { Ok(()) } else { Err(Refusal::Ended) };
        if self.ended {
            return after_end;
        }
        self.let_time_pass();
        let result = if self.ended { after_end } else { self.take_in(input) };
        self.settle();
        result
    }

    fn take_in(&mut self, input: Input) -> Result<(), Refusal> {
        match input {
            Input::Join(joining) => self.join(joining)?,
            Input::Leave { participant, reason } => {
                self.known(participant)?;
                self.remove(participant, reason);
            }
            Input::Listening { participant } => self.welcome(participant)?,
            Input::Connected { participant, receives, secured } => {
                self.connect(participant, receives, secured)?;
            }
            Input::Disconnected { participant } => self.disconnect(participant)?,
            Input::SourceLive { source, medium, live } => self.live(source, medium, live)?,
            Input::State { participant, change } => self.change(participant, change)?,
            Input::Mute { participant, by } => self.mute(participant, by)?,
            Input::MuteAll { by } => self.mute_all(by)?,
            Input::Lock { locked } => self.lock(locked),
            Input::SwapSeats { one, other } => {
                self.known(one)?;
                self.known(other)?;
                self.stage.swap(one, other);
                self.planner.replan(self.now);
            }
            Input::Digit { participant, digit } => self.press(participant, digit)?,
            Input::Refused { participant, why } => {
                self.known(participant)?;
                self.at_reception(participant, |reception, now| reception.refused(why, now));
            }
            Input::Loudness(report) => self.hear(&report),
            Input::Estimate { participant, kbps, starving } => {
                self.known(participant)?;
                self.ladder.estimate(participant, kbps, starving, self.now);
                self.planner.replan_rates(self.now);
            }
            Input::Card(card) => self.show(card),
            Input::Tick => {}
        }
        Ok(())
    }

    /// The next thing to do. Drained after every [`Self::handle`], which is what bounds the effects waiting.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to give [`Input::Tick`] at the latest.
    pub fn deadline(&self) -> Option<Mono> {
        if self.ended {
            return None;
        }
        let parts = [
            self.roster.deadline(),
            self.attendance.deadline(),
            self.waiting,
            self.floor.deadline(),
            self.ladder.deadline(),
            self.requests.deadline(),
            self.planner.deadline(),
            self.roster_due,
            self.reception.as_ref().and_then(Reception::deadline),
        ];
        parts.into_iter().flatten().min()
    }

    /// Which conference.
    pub fn id(&self) -> ConferenceId {
        self.id
    }

    /// What it was given when it began.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Everybody.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// One of them.
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.roster.get(id)
    }

    /// Everybody as the API lists them.
    pub fn entries(&self) -> Vec<RosterEntry> {
        let entry = |p: &Participant| p.entry(self.holder == Some(p.id), self.floor.is_speaking(p.id));
        self.roster.iter().map(entry).collect()
    }

    /// Which rung of the ladder a receiver is on, once it has connected.
    pub fn class(&self, id: ParticipantId) -> Option<RateClass> {
        self.ladder.class(id)
    }

    /// Who can look inside its media now.
    pub fn access(&self) -> ContentAccess {
        self.settings.access.on_the_way(self.roster.in_the_clear())
    }

    /// Who shares content.
    pub fn holder(&self) -> Option<ParticipantId> {
        self.holder
    }

    /// Who has the word.
    pub fn active_speaker(&self) -> Option<ParticipantId> {
        self.floor.active()
    }

    /// Whether nobody is in.
    pub fn is_empty(&self) -> bool {
        self.roster.is_empty()
    }

    // What inputs do.

    fn live(&mut self, source: SourceId, medium: Medium, live: bool) -> Result<(), Refusal> {
        let participant = self.known(source.participant)?;
        let flows = participant.live_mut(source.kind);
        match medium {
            Medium::Video => flows.video = live,
            Medium::Sound => flows.sound = live,
        }
        if source.kind == SourceKind::Main && flows.video && !participant.camera_seen {
            participant.camera_seen = true;
            self.tell_roster();
        }
        self.planner.replan(self.now);
        Ok(())
    }

    fn change(&mut self, id: ParticipantId, change: StateChange) -> Result<(), Refusal> {
        let participant = self.known(id)?;
        let before = participant.clone();
        participant.muted = change.muted.unwrap_or(participant.muted);
        participant.camera = change.camera.unwrap_or(participant.camera);
        participant.layout = change.layout.unwrap_or(participant.layout);
        participant.overlay = change.overlay.unwrap_or(participant.overlay);
        if *participant != before {
            if participant.muted {
                let changes = self.floor.silence(id);
                self.tell_floor(changes);
            }
            self.tell_roster();
            self.planner.replan(self.now);
        }
        match change.sharing {
            Some(true) => self.take_floor(id),
            Some(false) => {
                self.release_floor(id);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn hear(&mut self, report: &Loudness) {
        // A report may be older than a mute or a leave.
        let heard = |source: SourceId| {
            self.roster.get(source.participant).is_some_and(|p| p.is_connected() && p.via.sends() && !p.muted)
        };
        let levels: Vec<_> = report.levels().iter().copied().filter(|level| heard(level.source)).collect();
        let changes = self.floor.update(self.now, &levels);
        self.tell_floor(changes);
    }

    // What time does.

    fn let_time_pass(&mut self) {
        while let Some((id, asked)) = self.roster.overdue(self.now) {
            let reason = if asked { ClosingReason::Left } else { ClosingReason::Disconnected };
            self.remove(id, reason);
        }
        let caller = self.roster.iter().next().map(|caller| caller.id);
        if let Some(caller) = caller {
            self.at_reception(caller, Reception::tick);
        }
        let changes = self.floor.tick(self.now);
        self.tell_floor(changes);
        if self.ladder.tick(self.now) {
            self.planner.gather(self.now);
        }
    }

    fn settle(&mut self) {
        if self.ended {
            self.planner.plan_now(self.now);
        }
        self.tell_waiting();
        self.tell_attendance();
        self.plan_if_due();
        for (id, request) in self.requests.tick(self.now) {
            self.tell(To::One(id), Event::VideoRequest(request));
        }
        if self.roster_due.is_some_and(|due| due <= self.now) {
            self.roster_due = None;
            self.roster_told = Some(self.now);
            let participants = self.entries();
            self.tell(To::All, Event::Roster { participants });
        }
        if self.ended {
            self.effects.push_back(Effect::Ended);
        }
    }

    fn known(&mut self, id: ParticipantId) -> Result<&mut Participant, Refusal> {
        self.roster.get_mut(id).ok_or(Refusal::NoSuchParticipant(id))
    }
}

/// An id that no other conference of this node gives out: the conference's own number in front.
const fn id_in(conference: ConferenceId, number: u64) -> u64 {
    conference.0 << 24 | number
}
