//! What a conference wants done: the words in which it speaks to the rest of the node.
//!
//! Flow: [`Conference::poll_effect`](super::Conference::poll_effect) -> **here** -> engine, signalling. Thread: control.

use super::event::{ClosingReason, Event};
use super::plan::MeetingPlan;
use super::prompt::Prompt;
use super::reception::Entered;
use crate::id::ParticipantId;
use std::sync::Arc;

/// Something to do, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Compose, encode, mix and send like this from `from_tick` on. Replaces the plan before.
    /// The `layout` events that belong to it have been given out before it.
    Plan(Arc<MeetingPlan>),
    /// Tell somebody. Whoever has no event socket misses it, and is told all on `Input::Listening`.
    Event {
        /// Whom.
        to: To,
        /// What.
        event: Event,
    },
    /// Say something by voice. Whoever has four announcements waiting misses it.
    Announce {
        /// To whom.
        to: To,
        /// What.
        prompt: Prompt,
    },
    /// Say no more of what is being said to somebody, and of what waits.
    Hush(ParticipantId),
    /// Try a PIN that a caller entered at a reception; [`Input::Refused`](super::Input::Refused) says that it opened nothing.
    Entered {
        /// Who.
        participant: ParticipantId,
        /// The digits.
        entered: Entered,
    },
    /// Take down the participant's media path and close its event socket; it is in the roster no more.
    /// Its `closing` event has been given out before.
    Disconnect {
        /// Whose.
        participant: ParticipantId,
        /// Why.
        reason: ClosingReason,
    },
    /// Nobody is left: stop the engine and forget the conference. Always the last effect.
    Ended,
}

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Everybody in the roster.
    All,
    /// One participant.
    One(ParticipantId),
    /// Everybody else.
    AllBut(ParticipantId),
}

impl To {
    /// Whether `participant` is meant.
    pub fn includes(self, participant: ParticipantId) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == participant,
            Self::AllBut(one) => one != participant,
        }
    }
}
