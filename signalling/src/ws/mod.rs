//! The events' WebSocket: how it is opened. [`pump`] is what happens on it, [`calls`] what hosts are told besides.
//!
//! Flow: GET with `Sec-WebSocket-Protocol: mcu.v1, token.<token>` -> origin, token -> `Command::Subscribe` -> 101.
//! Bounds: [`MESSAGE_BYTES_MAX`] a message, `RouterOptions::sockets_max` sockets. Everything that can be refused is
//! refused as a problem before the upgrade.

pub(crate) mod calls;
pub(crate) mod pump;

use crate::command::{Command, Identity};
use crate::guard::same_origin;
use crate::problem::{ApiError, Problem};
use crate::state::ApiState;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequestParts, State};
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use calls::RoomCalls;
use std::sync::Arc;

/// Bytes of a message from a client; ours are under 200.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 * 1_024;
/// Bytes after which the library gives the connection up without a word; up to here we say why.
const FRAME_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;
const PROTOCOL: &str = "mcu.v1";
const TOKEN_PREFIX: &str = "token.";

/// A participant whose token came as a subprotocol, from a page that may.
pub(crate) struct SocketAuth(Identity);

impl FromRequestParts<ApiState> for SocketAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        authenticate(&parts.headers, &parts.uri, state).map(Self)
    }
}

fn authenticate(headers: &HeaderMap, uri: &Uri, state: &ApiState) -> Result<Identity, ApiError> {
    if !same_origin(headers, uri, &state.origins) {
        return Err(ApiError::Forbidden);
    }
    let mut speaks_ours = false;
    let mut token = None;
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    for protocol in values.flat_map(|value| value.split(',')).map(str::trim) {
        speaks_ours |= protocol == PROTOCOL;
        token = token.or_else(|| protocol.strip_prefix(TOKEN_PREFIX));
    }
    if !speaks_ours {
        return Err(ApiError::bad_request("Sec-WebSocket-Protocol: mcu.v1 is needed"));
    }
    let verified = token.map(|token| state.tokens.verify(token, state.clock.unix_s()));
    verified.and_then(Result::ok).ok_or(ApiError::Unauthorized)
}

/// Opens the events of a participant: `Sec-WebSocket-Protocol: mcu.v1, token.<participant token>`.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", responses(
    (status = 101, description = "A WebSocket: text frames, one JSON object each"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn events(
    SocketAuth(who): SocketAuth,
    State(state): State<ApiState>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
    let permit = Arc::clone(&state.sockets).try_acquire_owned().map_err(|_| ApiError::Overloaded)?;
    let asked = who.clone();
    let subscription = state.control.ask(|reply| Command::Subscribe { who: asked, reply }).await?;
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .read_buffer_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(async move |socket| {
        let calls = RoomCalls::of(&state, &who);
        pump::run(socket, subscription, calls, &state.control, &who, &state.clock).await;
        drop(permit);
    }))
}
