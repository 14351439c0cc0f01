//! Seats: who is where in the gallery, arranged by a host of the room or the administrator.

use crate::auth::HostOrAdmin;
use crate::command::Command;
use crate::extract::{JsonBody, JsonLimit, RoomPath};
use crate::model::SeatSwap;
use crate::problem::{ApiError, Problem};
use crate::state::ApiState;
use axum::extract::State;
use axum::http::StatusCode;

impl JsonLimit for SeatSwap {}

/// Two people exchange their places in the gallery, in everybody's picture.
#[utoipa::path(post, path = "/api/v1/rooms/{alias}/seats/swap", tag = "seats", security(("admin" = []), ("participant" = [])), params(("alias" = String, Path)), request_body = SeatSwap, responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn swap(
    HostOrAdmin(by): HostOrAdmin,
    State(state): State<ApiState>,
    RoomPath(alias): RoomPath,
    JsonBody(SeatSwap { one, other }): JsonBody<SeatSwap>,
) -> Result<StatusCode, ApiError> {
    if one == other {
        return Err(ApiError::bad_request("other: somebody else than `one`"));
    }
    state.control.ask(|reply| Command::SwapSeats { alias, one, other, by, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}
