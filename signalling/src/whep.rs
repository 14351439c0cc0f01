//! WHEP (draft-ietf-wish-whep): somebody watches and hears the mix, and is in the roster. See [`crate::whip`].

use crate::auth::BearerToken;
use crate::extract::{DoorPath, Peer, SdpBody, StreamPath};
use crate::problem::{ApiError, Problem};
use crate::state::ApiState;
use crate::whip::{Named, connect, disconnect};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use mcu_core::conference::roster::Via;

/// Joins as a watcher.
#[utoipa::path(post, path = "/whep/{alias}", tag = "streaming", security(("pin_or_participant" = [])),
    params(("alias" = String, Path), ("name" = Option<String>, Query)),
    request_body(content = String, content_type = "application/sdp"), responses(
    (status = 201, body = String, content_type = "application/sdp", description = "`Location` is the session, `Link` the ICE servers"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn watch(
    State(state): State<ApiState>,
    token: BearerToken,
    Peer(from): Peer,
    DoorPath(alias): DoorPath,
    named: Named,
    SdpBody(sdp): SdpBody,
) -> Result<Response, ApiError> {
    connect(&state, Via::Whep, (token, from), alias, named, sdp).await
}

/// Leaves.
#[utoipa::path(delete, path = "/whep/{alias}/{resource}", tag = "streaming", security(("pin_or_participant" = [])),
    params(("alias" = String, Path), ("resource" = String, Path)), responses(
    (status = 200),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn end(
    State(state): State<ApiState>,
    token: BearerToken,
    path: StreamPath,
) -> Result<StatusCode, ApiError> {
    disconnect(&state, Via::Whep, &path, &token).await
}
