//! Calls that a room makes, for its hosts and the administrator: begun, seen, called off.
//!
//! Flow: here -> control thread, which says whether they may -> `sip::outbound`, which says whether anybody may.

use super::field;
use crate::auth::HostOrAdmin;
use crate::command::{Caller, Command};
use crate::extract::{CallPath, JsonBody, JsonLimit, RoomPath};
use crate::model::{CallBegun, CallCreation, CallState, Calls, OutgoingCall};
use crate::problem::{ApiError, Problem};
use crate::room::Alias;
use crate::secret::Secret;
use crate::sip::outbound::callee::Callee;
use crate::sip::outbound::{self, CallId, Order, Progress, Written};
use crate::sip::pressing::{KEYS_MAX, are_keys};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mcu_core::conference::roster::{DisplayName, Role};
use mcu_core::limits::SIP_RING_MAX;
use std::time::Duration;

impl JsonLimit for CallCreation {}

/// Seconds that a call rings, unless it is said.
const RING_S: u64 = 45;
/// And at least: less is no time to get up.
const RING_S_MIN: u64 = 5;
/// What others read of a number that was called without a name: the number is nobody's business.
const NAMELESS: &str = "Telephone";

/// Calls somebody into the room, by SIP.
#[utoipa::path(post, path = "/api/v1/rooms/{alias}/calls", tag = "calls", security(("admin" = []), ("participant" = [])), params(("alias" = String, Path)), request_body = CallCreation, responses(
    (status = 201, body = CallBegun),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn create(
    HostOrAdmin(by): HostOrAdmin,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
    JsonBody(body): JsonBody<CallCreation>,
) -> Result<(StatusCode, Json<CallBegun>), ApiError> {
    permit(&state, &alias, &by).await?;
    let order = ordered(body, alias, by)?;
    let CallId(id) = outbound::order(&state, order)?;
    Ok((StatusCode::CREATED, Json(CallBegun { id })))
}

/// What becomes of the room's calls.
#[utoipa::path(get, path = "/api/v1/rooms/{alias}/calls", tag = "calls", security(("admin" = []), ("participant" = [])), params(("alias" = String, Path)), responses(
    (status = 200, body = Calls),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    HostOrAdmin(by): HostOrAdmin,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
) -> Result<Json<Calls>, ApiError> {
    permit(&state, &alias, &by).await?;
    Ok(Json(Calls { calls: listed(&state, &alias) }))
}

/// Calls a call off, or disconnects who has answered it.
#[utoipa::path(delete, path = "/api/v1/rooms/{alias}/calls/{id}", tag = "calls", security(("admin" = []), ("participant" = [])), params(("alias" = String, Path), ("id" = u64, Path)), responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn delete(
    HostOrAdmin(by): HostOrAdmin,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
    CallPath(id): CallPath,
) -> Result<StatusCode, ApiError> {
    permit(&state, &alias, &by).await?;
    if let Some(participant) = outbound::call_off(&state, &alias, id)? {
        state.control.ask(|reply| Command::Disconnect { alias, participant, by, reply }).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The room's calls, as its hosts and the administrator may read them.
pub(crate) fn listed(state: &ApiState, alias: &Alias) -> Vec<OutgoingCall> {
    outbound::list(state, alias).into_iter().filter_map(shown).collect()
}

async fn permit(state: &ApiState, alias: &Alias, by: &Caller) -> Result<(), ApiError> {
    let (alias, by) = (alias.clone(), by.clone());
    state.control.ask(|reply| Command::Permit { alias, participant: None, by, reply }).await
}

fn ordered(body: CallCreation, room: Alias, by: Caller) -> Result<Order, ApiError> {
    let callee = field("to", Callee::parse(body.to.expose()))?;
    let name = match (&body.name, callee.number()) {
        (Some(name), _) => name.expose(),
        (None, Some(_)) => NAMELESS,
        (None, None) => callee.user(),
    };
    let name = Secret::new(field("name", DisplayName::parse(name))?);
    let ring_s = body.ring_s.unwrap_or(RING_S);
    if !(RING_S_MIN..=SIP_RING_MAX.as_secs()).contains(&ring_s) {
        let most = SIP_RING_MAX.as_secs();
        return Err(ApiError::bad_request(format_args!("ring_s: must be {RING_S_MIN} to {most}")));
    }
    let (role, ring) = (body.role.unwrap_or(Role::Guest), Duration::from_secs(ring_s));
    let keys = body.dtmf.unwrap_or_default();
    if !are_keys(keys.expose()) {
        let text = format_args!("dtmf: must be at most {KEYS_MAX} of 0-9, *, #, A-D, and commas for pauses");
        return Err(ApiError::bad_request(text));
    }
    Ok(Order { room, by, callee, name, role, ring, keys })
}

/// What is over is not shown.
fn shown(written: Written) -> Option<OutgoingCall> {
    let Written { id: CallId(id), to, name, transfers, progress } = written;
    let name = name.map(|name| Secret::new(name.expose().as_str().to_owned()));
    let (state, participant_id, failure) = match progress {
        Progress::Calling => (CallState::Calling, None, None),
        Progress::Ringing => (CallState::Ringing, None, None),
        Progress::Answered(participant) => (CallState::Answered, Some(participant), None),
        Progress::Failed(failure) => (CallState::Failed, None, Some(failure)),
        Progress::Transferred => (CallState::Transferred, None, None),
        Progress::Over => return None,
    };
    let reason = failure.map(|failure| failure.reason.code());
    let status = failure.and_then(|failure| failure.status);
    Some(OutgoingCall { id, to, name, transfers, state, participant_id, reason, status })
}
