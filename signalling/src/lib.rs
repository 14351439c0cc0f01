//! Words, not media: the HTTP API, the events' WebSocket, WHIP, WHEP, and who may use them.
//!
//! Flow: HTTP server of `mcu-server` -> [`router`] -> handlers -> [`command::Command`] -> control thread. This crate
//! knows no conference and keeps none; it turns requests into commands, and replies into responses. It reads no
//! clock: [`state::Clock`] is handed in. What the API promises stands in `docs/API.md`.

#![forbid(unsafe_code)]

pub mod auth;
pub mod command;
pub mod door;
pub mod event;
pub mod model;
pub mod problem;
pub mod room;
pub mod schema;
pub mod sdp;
pub mod secret;
pub mod state;

use axum::Router;
use command::Control;
use state::{ApiState, RouterOptions};

/// Everything under `/api`, `/whip`, `/whep`, and the health endpoints; to be merged with the web client, and served
/// with `into_make_service_with_connect_info::<SocketAddr>()`.
pub fn router(control: Control, options: RouterOptions) -> Router {
    Router::new().with_state(ApiState::new(control, options))
}
