//! Joining: a name and a PIN for a token.

use super::field;
use crate::auth::TOKEN_EXPIRES_S;
use crate::command::{Identity, JoinRequest};
use crate::extract::{DoorPath, JsonBody, JsonLimit, Peer};
use crate::model::{JoinAnswer, JoinBody};
use crate::problem::{ApiError, Problem};
use crate::secret::Secret;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use mcu_core::conference::roster::{DisplayName, Via};

impl JsonLimit for JoinBody {}

/// Joins a room. A wrong PIN and a room that does not exist are told apart by nothing.
#[utoipa::path(post, path = "/api/v1/rooms/{alias}/join", tag = "joining", params(("alias" = String, Path)), request_body = JoinBody, responses(
    (status = 200, body = JoinAnswer),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn join(
    State(state): State<ApiState>,
    Peer(from): Peer,
    DoorPath(alias): DoorPath,
    JsonBody(body): JsonBody<JoinBody>,
) -> Result<Json<JoinAnswer>, ApiError> {
    let display_name = field("display_name", DisplayName::parse(body.display_name.expose()))?;
    let request = JoinRequest {
        alias: alias.clone(),
        display_name: Secret::new(display_name),
        pin: body.pin,
        host_only: false,
        overlay: body.overlay,
        via: Via::Browser,
        from,
    };
    let joined = state.door.knock(&state, request).await?;
    let identity =
        Identity { participant: joined.participant, conference: joined.conference, role: joined.role, alias };
    Ok(Json(JoinAnswer {
        token: state.tokens.issue(&identity, state.clock.unix_s()),
        participant_id: joined.participant,
        role: joined.role,
        room: joined.room,
        ice_servers: joined.ice_servers,
        expires_s: TOKEN_EXPIRES_S,
        access: joined.access,
    }))
}
