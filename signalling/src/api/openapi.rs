//! The machine-readable form of the API: OpenAPI 3.1.

use crate::{api, whep, whip, ws};
use axum::Json;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// The document.
#[derive(OpenApi)]
#[openapi(
    info(title = "MCU", version = "1", description = "Rooms, joining, sessions, events, WHIP and WHEP. Errors are RFC 9457 problems."),
    modifiers(&Bearers),
    components(schemas(crate::problem::Problem)),
    paths(
        document,
        api::health::livez, api::health::readyz,
        api::rooms::create, api::rooms::list, api::rooms::get, api::rooms::patch, api::rooms::delete,
        api::calls::create, api::calls::list, api::calls::delete,
        api::join::join,
        api::meeting::lock, api::meeting::unlock, api::meeting::mute_all,
        api::participants::list, api::participants::mute, api::participants::disconnect, api::participants::layout,
        api::participants::transfer,
        api::seats::swap,
        api::session::offer, api::session::refresh, api::session::state, api::session::leave,
        api::sip::devices,
        api::sip::trunks,
        ws::events,
        whip::publish, whip::end, whep::watch, whep::end,
    ),
)]
pub(crate) struct Document;

struct Bearers;

impl Modify for Bearers {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, description) in [
            ("admin", "The administrator's token."),
            ("participant", "What `join` returns."),
            ("pin_or_participant", "The room's PIN, or a participant's token."),
        ] {
            let mut http = Http::new(HttpAuthScheme::Bearer);
            http.description = Some(description.into());
            components.add_security_scheme(name, SecurityScheme::Http(http));
        }
    }
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "openapi", responses((status = 200, description = "OpenAPI 3.1")))]
pub(crate) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
