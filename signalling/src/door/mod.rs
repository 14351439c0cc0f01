//! The door: where PINs are tried, one at a time, at a limited rate, with refusals that all look alike.
//!
//! Flow: join, WHIP and WHEP handlers -> **here** -> `Command::Join` -> control thread, which knows the PINs.
//! Trying, asking and counting is one step under one turn, so that a thousand requests at once get no more guesses
//! than one after the other. The turn is held for one round trip to the control thread, nothing else.
//! A refusal leaves [`REFUSAL_TIME`] after the request came, whatever was wrong: no such room, wrong PIN, or a
//! guest's PIN, right or wrong, at a room that has had too many wrong ones.

pub mod connections;
pub mod limiter;

use crate::command::{Command, JoinRequest, Joined};
use crate::problem::ApiError;
use crate::room::Alias;
use crate::state::ApiState;
use limiter::{Admission, Limiter, Source};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When a refusal is said, counted from the request: well over what the control thread takes to answer.
pub const REFUSAL_TIME: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Debug, Default)]
pub struct Door {
    turn: tokio::sync::Mutex<()>,
    limiter: Mutex<Limiter>,
}

impl Door {
    /// Tries to let somebody in. `alias` is what the path says, an alias or not; `request.alias` is only looked at
    /// when it is one. `host_only` is set here.
    ///
    /// # Errors
    /// [`ApiError::JoinRefused`], [`ApiError::TooManyRequests`], and whatever the control thread has against it.
    pub(crate) async fn knock(&self, state: &ApiState, request: JoinRequest) -> Result<Joined, ApiError> {
        let said_at = tokio::time::sleep(REFUSAL_TIME);
        let source = Source::from(*request.from.expose());
        self.wait_of(source, &request.alias, state)?;
        if request.alias.is_echo() {
            let waited = self.limiter().echo(source, state.clock.mono());
            waited.map_err(too_many)?;
            return state.control.ask(|reply| Command::Join { request, reply }).await;
        }
        let answer = self.attempt(source, state, request).await;
        if let Err(ApiError::JoinRefused | ApiError::TooManyRequests { .. }) = answer {
            said_at.await;
        }
        answer
    }

    /// Lets a caller without a PIN into a reception, whatever it dialled. What it enters there goes by [`Self::knock`].
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`], and whatever the control thread has against it.
    pub(crate) async fn receive(&self, state: &ApiState, request: JoinRequest) -> Result<Joined, ApiError> {
        let source = Source::from(*request.from.expose());
        self.wait_of(source, &request.alias, state)?;
        self.limiter().reception(source, state.clock.mono()).map_err(too_many)?;
        state.control.ask(|reply| Command::Receive { request, reply }).await
    }

    /// One attempt, in turn.
    async fn attempt(
        &self,
        source: Source,
        state: &ApiState,
        mut request: JoinRequest,
    ) -> Result<Joined, ApiError> {
        let _turn = self.turn.lock().await;
        let now = state.clock.mono();
        let alias = request.alias.clone();
        let admission = self.limiter().admission(source, &alias, now);
        if let Admission::Closed { retry_after } = admission {
            return Err(too_many(retry_after));
        }
        request.host_only = matches!(admission, Admission::HostOnly { .. });
        let charge = self.limiter().charge(source, &alias, now);
        let answer = state.control.ask(|reply| Command::Join { request, reply }).await;
        match (answer, admission) {
            (Err(ApiError::JoinRefused), Admission::HostOnly { retry_after }) => Err(too_many(retry_after)),
            (Err(ApiError::JoinRefused), _) => Err(ApiError::JoinRefused),
            (answer, _) => {
                // The PIN was right, or was not looked at.
                self.limiter().refund(charge);
                answer
            }
        }
    }

    /// Turns an address away that must wait, before it waits for its turn.
    fn wait_of(&self, source: Source, alias: &Alias, state: &ApiState) -> Result<(), ApiError> {
        match self.limiter().admission(source, alias, state.clock.mono()) {
            Admission::Closed { retry_after } => Err(too_many(retry_after)),
            Admission::Open | Admission::HostOnly { .. } => Ok(()),
        }
    }

    /// The tables are sums of moments: whole after every step, so a panic elsewhere leaves nothing half done.
    fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rounded up, so that an attempt after that time is not too early.
fn too_many(retry_after: Duration) -> ApiError {
    ApiError::TooManyRequests {
        retry_after_s: retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0),
    }
}
