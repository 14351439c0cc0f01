//! Participants: seen, muted, moved, transferred and sent away by a host of the room or the administrator.

use super::field;
use crate::auth::HostOrAdmin;
use crate::command::{Caller, Command};
use crate::extract::{JsonBody, JsonLimit, ParticipantPath, RoomPath};
use crate::model::{CallBegun, LayoutChange, MuteChange, Participants, TransferTarget};
use crate::problem::{ApiError, Problem};
use crate::sip::outbound::callee::Callee;
use crate::sip::outbound::{self, CallId};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

impl JsonLimit for MuteChange {}
impl JsonLimit for TransferTarget {}
impl JsonLimit for LayoutChange {}

/// Who is in the room.
#[utoipa::path(get, path = "/api/v1/rooms/{alias}/participants", tag = "participants", security(("admin" = []), ("participant" = [])), params(("alias" = String, Path)), responses(
    (status = 200, body = Participants),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    HostOrAdmin(by): HostOrAdmin,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
) -> Result<Json<Participants>, ApiError> {
    let participants = state.control.ask(|reply| Command::ListParticipants { alias, by, reply }).await?;
    Ok(Json(Participants { participants }))
}

/// Mutes somebody. Nobody but oneself can be unmuted.
#[utoipa::path(post, path = "/api/v1/rooms/{alias}/participants/{id}/mute", tag = "participants", security(("admin" = []), ("participant" = [])), params(("alias" = String, Path), ("id" = u64, Path)), request_body = MuteChange, responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn mute(
    HostOrAdmin(by): HostOrAdmin,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
    ParticipantPath(participant): ParticipantPath,
    JsonBody(MuteChange { muted }): JsonBody<MuteChange>,
) -> Result<StatusCode, ApiError> {
    let oneself = matches!(&by, Caller::Host(host) if host.participant == participant);
    if !muted && !oneself {
        return Err(ApiError::Forbidden);
    }
    state.control.ask(|reply| Command::Mute { alias, participant, muted, by, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends somebody away.
#[utoipa::path(post, path = "/api/v1/rooms/{alias}/participants/{id}/disconnect", tag = "participants", security(("admin" = []), ("participant" = [])), params(("alias" = String, Path), ("id" = u64, Path)), responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn disconnect(
    HostOrAdmin(by): HostOrAdmin,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
    ParticipantPath(participant): ParticipantPath,
) -> Result<StatusCode, ApiError> {
    state.control.ask(|reply| Command::Disconnect { alias, participant, by, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Chooses what somebody sees.
#[utoipa::path(post, path = "/api/v1/rooms/{alias}/participants/{id}/layout", tag = "participants", security(("admin" = []), ("participant" = [])), params(("alias" = String, Path), ("id" = u64, Path)), request_body = LayoutChange, responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn layout(
    HostOrAdmin(by): HostOrAdmin,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
    ParticipantPath(participant): ParticipantPath,
    JsonBody(LayoutChange { layout }): JsonBody<LayoutChange>,
) -> Result<StatusCode, ApiError> {
    state.control.ask(|reply| Command::SetLayout { alias, participant, layout, by, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has somebody's device, in a call by SIP, call somebody else. What becomes of it stands among the room's calls.
#[utoipa::path(post, path = "/api/v1/rooms/{alias}/participants/{id}/transfer", tag = "participants", security(("admin" = []), ("participant" = [])), params(("alias" = String, Path), ("id" = u64, Path)), request_body = TransferTarget, responses(
    (status = 201, body = CallBegun),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn transfer(
    HostOrAdmin(by): HostOrAdmin,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
    ParticipantPath(participant): ParticipantPath,
    JsonBody(TransferTarget { to }): JsonBody<TransferTarget>,
) -> Result<(StatusCode, Json<CallBegun>), ApiError> {
    let (room, on) = (alias.clone(), Some(participant));
    state.control.ask(|reply| Command::Permit { alias, participant: on, by, reply }).await?;
    let to = field("to", Callee::parse(to.expose()))?;
    let CallId(id) = outbound::transfer(&state, &room, participant, to)?;
    Ok((StatusCode::CREATED, Json(CallBegun { id })))
}
