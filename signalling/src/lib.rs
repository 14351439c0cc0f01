//! Words, not media: the HTTP API, the events' WebSocket, WHIP, WHEP, SIP, and who may use them.
//!
//! Flow: HTTP server of `mcu-server` -> [`router`] -> handlers -> [`command::Command`] -> control thread; calls by
//! SIP take the same way from [`sip`], which has sockets of its own. This crate
//! knows no conference and keeps none; it turns requests into commands, and replies into responses. It reads no
//! clock: [`state::Clock`] is handed in. What the API promises stands in `docs/API.md`.

#![forbid(unsafe_code)]

mod api;
pub mod auth;
pub mod command;
pub mod door;
pub mod event;
mod extract;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod guard;
mod guest;
pub mod model;
pub mod problem;
pub mod room;
pub mod schema;
pub mod sdp;
pub mod secret;
pub mod sip;
pub mod state;
mod whep;
mod whip;
mod ws;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::MethodRouter;
use problem::ApiError;
use state::ApiState;

/// Everything under `/api`, `/whip`, `/whep`, and the health endpoints; to be merged with the web client, and served
/// with `into_make_service_with_connect_info::<SocketAddr>()`.
pub fn router(state: &ApiState) -> Router {
    let streaming = paths(api::streaming_routes()).layer(from_fn_with_state(state.clone(), guard::cors));
    let bounded = paths(api::routes())
        .merge(streaming)
        .merge(paths(api::unknown_routes()))
        .layer(from_fn_with_state(state.clone(), guard::bounds));
    paths(api::health_routes()).merge(bounded).layer(from_fn(guard::headers)).with_state(state.clone())
}

fn paths(routes: Vec<(&'static str, MethodRouter<ApiState>)>) -> Router<ApiState> {
    let router =
        routes.into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    // axum adds `Allow`.
    router.method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
}

#[cfg(test)]
mod tests;
