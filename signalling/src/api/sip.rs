//! What SIP is connected to, for the administrator: devices of one's own and where they are registered, trunks and how they stand.

use crate::auth::AdminAuth;
use crate::model::{SipDevices, SipTrunks};
use crate::problem::Problem;
use crate::sip::outbound;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;

/// All devices; none where nobody may register.
#[utoipa::path(get, path = "/api/v1/sip/devices", tag = "sip", security(("admin" = [])), responses(
    (status = 200, body = SipDevices),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn devices(_: AdminAuth, State(state): State<ApiState>) -> Json<SipDevices> {
    Json(SipDevices { devices: state.registrar.list() })
}

/// All trunks; none where SIP is off.
#[utoipa::path(get, path = "/api/v1/sip/trunks", tag = "sip", security(("admin" = [])), responses(
    (status = 200, body = SipTrunks),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn trunks(_: AdminAuth, State(state): State<ApiState>) -> Json<SipTrunks> {
    Json(SipTrunks { trunks: outbound::trunks(&state) })
}
