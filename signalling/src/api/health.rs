//! Whether the node lives, and whether it takes meetings.

use crate::command::Command;
use crate::guard::within;
use crate::model::{Liveness, Readiness};
use crate::problem::{ApiError, Problem};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// A control thread that needs longer to say that it is ready is not.
const READY_TIME_MAX: Duration = Duration::from_secs(2);

/// The process runs and answers.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, body = Liveness)))]
pub(crate) async fn livez(State(state): State<ApiState>) -> Json<Liveness> {
    Json(Liveness { status: "ok".into(), version: state.version.into() })
}

/// The node takes new meetings.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, body = Readiness),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "`draining` or `overloaded`"),
))]
pub(crate) async fn readyz(State(state): State<ApiState>) -> Response {
    let answer = async {
        let ready = state.control.ask(|reply| Command::Ready { reply }).await;
        ready.map(|()| Json(Readiness { status: "ready".into() })).map_err(not_ready).into_response()
    };
    within(READY_TIME_MAX, answer).await
}

/// Whatever the reason, not ready is 503.
fn not_ready(error: ApiError) -> ApiError {
    if error == ApiError::Draining { error } else { ApiError::Overloaded }
}
