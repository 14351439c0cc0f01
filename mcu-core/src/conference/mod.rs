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
//! | `roster` | who is in, and what is known of each |
//! | `floor` | who speaks, who has the word |
//! | `seats` | who has a place in the picture |
//! | `layout` | where the places are |
//! | `picture` | who sees which scene |
//! | `renditions` | which encodes there are, for whom, at which rate |
//! | `requests` | what senders are asked to send |
//! | `mixing` | which streams are mixed (called by the sound job) |

pub mod effect;
pub mod event;
pub mod input;
pub mod mixing;
pub mod plan;
pub mod roster;

pub use effect::{Effect, To};
pub use event::Event;
pub use input::Input;

use crate::id::{ConferenceId, ParticipantId};
use crate::limits::PARTICIPANTS_MAX;
use crate::media::codec::VideoCodec;
use crate::media::frame::Size;
use crate::privacy::ContentAccess;
use crate::time::{FrameInterval, Mono};
use plan::RateClass;
use roster::{Participant, Roster};
use std::time::Duration;

/// How long a place is kept for somebody whose media path is not up.
pub const RECONNECT_WINDOW: Duration = Duration::from_secs(60);

/// What a conference is given when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The room in links.
    pub alias: String,
    /// The room for people.
    pub name: String,
    /// Pixels of every main picture.
    pub canvas: Size,
    /// The grid of ticks.
    pub interval: FrameInterval,
    /// Participants at a time; never more than [`PARTICIPANTS_MAX`].
    pub participants_max: usize,
    /// What participants are told about who can look inside.
    pub access: ContentAccess,
    /// The echo test: everybody sees itself.
    pub echo: bool,
}

impl Settings {
    /// A room as it is unless it says otherwise: 1280x720 at 30 frames per second.
    pub fn new(alias: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            alias: alias.into(),
            name: name.into(),
            canvas: Size::new(1_280, 720),
            interval: FrameInterval::FPS_30,
            participants_max: PARTICIPANTS_MAX,
            access: ContentAccess::NodeDecrypted,
            echo: false,
        }
    }
}

/// Why an input changed nothing (or, of a `State`, not all it asked for).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Everybody had left; a new conference has to be made.
    #[error("the conference has ended")]
    Ended,
    /// No place is left.
    #[error("the room is full: {participants_max} participants")]
    RoomFull {
        /// How many may be in.
        participants_max: usize,
    },
    /// The id is in the roster already, or has been.
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
    roster: Roster,
}

impl Conference {
    /// An empty conference. `settings` beyond a limit are brought down to it.
    pub fn new(id: ConferenceId, settings: Settings, _now: Mono) -> Self {
        Self { id, settings, roster: Roster::default() }
    }

    /// Takes in what happened at `now`, which never runs backwards.
    ///
    /// # Errors
    /// [`Refusal`] when the input cannot be; effects may have to be polled all the same.
    pub fn handle(&mut self, _now: Mono, input: Input) -> Result<(), Refusal> {
        match input {
            Input::Join(joining) => self.roster.insert(Participant::new(joining, Mono::ZERO)),
            other => drop(other),
        }
        Ok(())
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        None
    }

    /// When to give [`Input::Tick`] at the latest.
    pub fn deadline(&self) -> Option<Mono> {
        None
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
    pub fn entries(&self) -> Vec<event::RosterEntry> {
        self.roster.iter().map(|p| p.entry(false, false)).collect()
    }

    /// Which rung of the ladder a receiver is on.
    pub fn class(&self, _id: ParticipantId) -> Option<RateClass> {
        None
    }

    /// Who shares content.
    pub fn holder(&self) -> Option<ParticipantId> {
        None
    }

    /// Whether nobody is in.
    pub fn is_empty(&self) -> bool {
        self.roster.is_empty()
    }
}
