//! The content floor within a call: what its device asks for, put to the meeting, and what comes of it.
//!
//! Flow: `bfcp` -> `call` -> **here** -> control thread; `floor` events -> **here** -> `bfcp`. Thread: the call's own task.

use super::bfcp::{Asked, FloorLine, Holder};
use super::call::{Call, Done};
use super::goodbye::End;
use super::switchboard::Switchboard;
use crate::command::{Command, Identity};
use crate::event::EventText;
use crate::problem::ApiError;
use crate::state::Clock;
use mcu_core::conference::input::StateChange;
use std::sync::Arc;
use tokio::time::timeout;

/// What the device asks next, where it can.
pub(super) async fn asked(floor: &mut Option<FloorLine>, clock: &Clock) -> Option<Asked> {
    Some(floor.as_mut()?.asked(clock).await)
}

impl Call {
    /// Puts a wish to the meeting. At a reception there is nobody to share with.
    pub(super) fn share(&mut self, asked: Asked) -> Option<End> {
        let (board, who) = (Arc::clone(&self.board), self.who.clone());
        match asked {
            Asked::Take if self.reception.is_some() => self.shared(false),
            Asked::Take => {
                self.work.spawn(async move { Done::Shared(put(&board, who, true).await.is_ok()) });
            }
            Asked::Release => {
                self.work.spawn(async move {
                    // The meeting tells everybody who shares, whatever it is answered.
                    let _ = put(&board, who, false).await;
                    Done::Shared(false)
                });
            }
        }
        None
    }

    /// The meeting has answered. Who had the floor already is told of no change by it.
    pub(super) fn shared(&mut self, granted: bool) {
        let clock = &self.board.state.clock;
        match &mut self.floor {
            Some(floor) if granted => floor.tell(Holder::Device, clock),
            Some(floor) => floor.refuse(clock),
            None => {}
        }
    }

    /// Tells the device who shares, when that is what the event says.
    pub(super) fn floor_is(&mut self, event: &EventText) {
        let (Some(floor), Some(holder)) = (&mut self.floor, event.floor()) else { return };
        let holder = match holder {
            None => Holder::Nobody,
            Some(id) if id == self.who.participant => Holder::Device,
            Some(_) => Holder::Somebody,
        };
        floor.tell(holder, &self.board.state.clock);
    }
}

async fn put(board: &Switchboard, who: Identity, sharing: bool) -> Result<(), ApiError> {
    let change = StateChange { sharing: Some(sharing), ..StateChange::default() };
    let asked = board.state.control.ask(|reply| Command::State { who, change, reply });
    timeout(board.state.request_time_max, asked).await.unwrap_or(Err(ApiError::Overloaded))
}
