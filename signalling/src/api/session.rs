//! A participant's own session: its media, its token, its state, its end.

use crate::auth::{ParticipantAuth, TOKEN_EXPIRES_S};
use crate::command::{Command, Identity, Offer};
use crate::extract::{JsonBody, JsonLimit, OFFER_JSON_BYTES_MAX};
use crate::model::{OfferAnswer, OfferBody, RefreshAnswer};
use crate::problem::{ApiError, Problem};
use crate::schema;
use crate::sdp::precheck;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mcu_core::conference::input::StateChange;
use mcu_core::conference::roster::Via;

impl JsonLimit for OfferBody {
    const BYTES_MAX: usize = OFFER_JSON_BYTES_MAX;
}
impl JsonLimit for StateChange {}

/// Connects the media, or replaces the connection.
#[utoipa::path(post, path = "/api/v1/session/offer", tag = "session", security(("participant" = [])), request_body = OfferBody, responses(
    (status = 200, body = OfferAnswer),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn offer(
    ParticipantAuth(who): ParticipantAuth,
    State(state): State<ApiState>,
    JsonBody(OfferBody { sdp, lines }): JsonBody<OfferBody>,
) -> Result<Json<OfferAnswer>, ApiError> {
    let outline = precheck(&sdp)?;
    if let Some(lines) = &lines {
        outline.check(lines)?;
    }
    let offer = Offer { who, via: Via::Browser, sdp, lines, sip: None };
    let sdp = state.control.ask(|reply| Command::Offer { offer, reply }).await?;
    Ok(Json(OfferAnswer { sdp }))
}

/// The next token, before this one expires.
#[utoipa::path(post, path = "/api/v1/session/refresh", tag = "session", security(("participant" = [])), responses(
    (status = 200, body = RefreshAnswer),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn refresh(
    ParticipantAuth(who): ParticipantAuth,
    State(state): State<ApiState>,
) -> Result<Json<RefreshAnswer>, ApiError> {
    let asked = who.clone();
    let session = state.control.ask(|reply| Command::Session { who: asked, reply }).await?;
    let identity = Identity { role: session.role, ..who };
    let token = state.tokens.issue(&identity, state.clock.unix_s());
    Ok(Json(RefreshAnswer { token, expires_s: TOKEN_EXPIRES_S }))
}

/// What the client says of itself, for clients without a socket.
#[utoipa::path(post, path = "/api/v1/session/state", tag = "session", security(("participant" = [])), request_body = schema::StateChange, responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn state(
    ParticipantAuth(who): ParticipantAuth,
    State(state): State<ApiState>,
    JsonBody(change): JsonBody<StateChange>,
) -> Result<StatusCode, ApiError> {
    state.control.ask(|reply| Command::State { who, change, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leaves the meeting.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", security(("participant" = [])), responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn leave(
    ParticipantAuth(who): ParticipantAuth,
    State(state): State<ApiState>,
) -> Result<StatusCode, ApiError> {
    state.control.ask(|reply| Command::Leave { who, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}
