//! Reception: a caller who dialled no PIN enters it by keypad, and goes on into its meeting with the media that it has.
//!
//! Flow: `Effect::Entered` of the reception -> `call` -> **here** -> door -> control thread, which moves the connection. Thread: a task
//! beside the call. The door takes its time over a wrong PIN, and counts it, as it does for everybody. Whoever was let in and then
//! not moved is taken out again ([`Guest`]).

use crate::command::{Command, Identity, JoinRequest};
use crate::event::EventText;
use crate::guest::Guest;
use crate::problem::ApiError;
use crate::state::ApiState;
use mcu_core::conference::reception::Shut;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A caller in its meeting.
pub(super) struct Admitted {
    pub(super) who: Identity,
    pub(super) guest: Guest,
    pub(super) events: mpsc::Receiver<EventText>,
}

/// Tries the PIN in `request` for the caller who is `from` at its reception. `None`: it stays there, and has been told why.
pub(super) async fn admit(state: &ApiState, from: Identity, request: JoinRequest) -> Option<Admitted> {
    let moved = timeout(state.request_time_max, enter(state, &from, request)).await;
    let error = match moved.unwrap_or(Err(ApiError::Overloaded)) {
        Ok(admitted) => return Some(admitted),
        Err(error) => error,
    };
    let why = shut(&error);
    // Of a reception that is over meanwhile, its call hears otherwise.
    let _ = state.control.ask(|reply| Command::Refused { who: from, why, reply }).await;
    None
}

async fn enter(state: &ApiState, from: &Identity, request: JoinRequest) -> Result<Admitted, ApiError> {
    let alias = request.alias.clone();
    let joined = state.door.knock(state, request).await?;
    let (participant, conference, role) = (joined.participant, joined.conference, joined.role);
    let who = Identity { participant, conference, role, alias };
    let guest = Guest::new(state.control.clone(), who.clone());
    let (from, to) = (from.clone(), who.clone());
    let moved = state.control.ask(|reply| Command::Transfer { from, to, reply }).await;
    match moved {
        Ok(subscription) => Ok(Admitted { who, guest, events: subscription.events }),
        Err(error) => {
            guest.leave().await;
            Err(error)
        }
    }
}

const fn shut(error: &ApiError) -> Shut {
    match error {
        ApiError::JoinRefused => Shut::WrongPin,
        ApiError::RoomFull => Shut::Full,
        ApiError::Locked => Shut::Locked,
        _ => Shut::Unavailable,
    }
}
