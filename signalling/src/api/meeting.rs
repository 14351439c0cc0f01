//! The meeting as a whole: locked, opened again, its guests muted, by a host of the room or the administrator.

use crate::auth::HostOrAdmin;
use crate::command::{Caller, Command};
use crate::extract::RoomPath;
use crate::problem::{ApiError, Problem};
use crate::room::Alias;
use crate::state::ApiState;
use axum::extract::State;
use axum::http::StatusCode;

/// Lets in nobody else but hosts, until it is unlocked or over.
#[utoipa::path(post, path = "/api/v1/rooms/{alias}/lock", tag = "meeting", security(("admin" = []), ("participant" = [])), params(("alias" = String, Path)), responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn lock(
    HostOrAdmin(by): HostOrAdmin,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
) -> Result<StatusCode, ApiError> {
    set_locked(&state, alias, true, by).await
}

/// Lets guests in again.
#[utoipa::path(post, path = "/api/v1/rooms/{alias}/unlock", tag = "meeting", security(("admin" = []), ("participant" = [])), params(("alias" = String, Path)), responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn unlock(
    HostOrAdmin(by): HostOrAdmin,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
) -> Result<StatusCode, ApiError> {
    set_locked(&state, alias, false, by).await
}

/// Mutes all guests.
#[utoipa::path(post, path = "/api/v1/rooms/{alias}/mute-all", tag = "meeting", security(("admin" = []), ("participant" = [])), params(("alias" = String, Path)), responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn mute_all(
    HostOrAdmin(by): HostOrAdmin,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
) -> Result<StatusCode, ApiError> {
    state.control.ask(|reply| Command::MuteAll { alias, by, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_locked(
    state: &ApiState,
    alias: Alias,
    locked: bool,
    by: Caller,
) -> Result<StatusCode, ApiError> {
    state.control.ask(|reply| Command::Lock { alias, locked, by, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}
