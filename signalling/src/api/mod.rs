//! The HTTP API, by resource. A handler proves who asks, parses, asks the control thread, and answers.
//!
//! [`routes`] is the only list of paths; a test compares it with the OpenAPI document both ways.

pub(crate) mod calls;
pub(crate) mod health;
pub(crate) mod join;
pub(crate) mod meeting;
pub(crate) mod openapi;
pub(crate) mod participants;
pub(crate) mod rooms;
pub(crate) mod seats;
pub(crate) mod session;
pub(crate) mod sip;

use crate::problem::ApiError;
use crate::state::ApiState;
use crate::{whep, whip, ws};
use axum::routing::{MethodRouter, any, delete, get, post};

/// Paths whose answers are bounded in number and time.
pub(crate) fn routes() -> Vec<(&'static str, MethodRouter<ApiState>)> {
    vec![
        ("/api/openapi.json", get(openapi::document)),
        ("/api/v1/rooms", get(rooms::list).post(rooms::create)),
        ("/api/v1/rooms/{alias}", get(rooms::get).patch(rooms::patch).delete(rooms::delete)),
        ("/api/v1/rooms/{alias}/calls", get(calls::list).post(calls::create)),
        ("/api/v1/rooms/{alias}/calls/{id}", delete(calls::delete)),
        ("/api/v1/rooms/{alias}/join", post(join::join)),
        ("/api/v1/rooms/{alias}/lock", post(meeting::lock)),
        ("/api/v1/rooms/{alias}/mute-all", post(meeting::mute_all)),
        ("/api/v1/rooms/{alias}/unlock", post(meeting::unlock)),
        ("/api/v1/rooms/{alias}/participants", get(participants::list)),
        ("/api/v1/rooms/{alias}/participants/{id}/mute", post(participants::mute)),
        ("/api/v1/rooms/{alias}/participants/{id}/disconnect", post(participants::disconnect)),
        ("/api/v1/rooms/{alias}/participants/{id}/layout", post(participants::layout)),
        ("/api/v1/rooms/{alias}/participants/{id}/transfer", post(participants::transfer)),
        ("/api/v1/rooms/{alias}/seats/swap", post(seats::swap)),
        ("/api/v1/session", delete(session::leave)),
        ("/api/v1/session/offer", post(session::offer)),
        ("/api/v1/session/refresh", post(session::refresh)),
        ("/api/v1/session/state", post(session::state)),
        ("/api/v1/sip/devices", get(sip::devices)),
        ("/api/v1/sip/trunks", get(sip::trunks)),
        ("/api/v1/events", get(ws::events)),
    ]
}

/// WHIP and WHEP, which other origins may be allowed to use.
pub(crate) fn streaming_routes() -> Vec<(&'static str, MethodRouter<ApiState>)> {
    vec![
        ("/whip/{alias}", post(whip::publish)),
        ("/whip/{alias}/{resource}", delete(whip::end)),
        ("/whep/{alias}", post(whep::watch)),
        ("/whep/{alias}/{resource}", delete(whep::end)),
    ]
}

/// Health, which answers even when the node is busy.
pub(crate) fn health_routes() -> Vec<(&'static str, MethodRouter<ApiState>)> {
    vec![("/livez", get(health::livez)), ("/readyz", get(health::readyz))]
}

/// Everything else below our prefixes; the rest of the world belongs to the web client.
pub(crate) fn unknown_routes() -> Vec<(&'static str, MethodRouter<ApiState>)> {
    let paths = [
        "/api",
        "/api/",
        "/api/{*rest}",
        "/whip",
        "/whip/",
        "/whip/{alias}/{resource}/{*rest}",
        "/whep",
        "/whep/",
        "/whep/{alias}/{resource}/{*rest}",
    ];
    paths.map(|path| (path, any(async || ApiError::NotFound))).into()
}

/// Puts the field's name before what is wrong with it.
pub(crate) fn field<T, E: std::fmt::Display>(name: &str, parsed: Result<T, E>) -> Result<T, ApiError> {
    parsed.map_err(|error| ApiError::bad_request(format_args!("{name}: {error}")))
}
