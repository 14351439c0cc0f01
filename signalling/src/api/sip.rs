//! SIP devices of one's own, and where they are registered, for the administrator.

use crate::auth::AdminAuth;
use crate::model::SipDevices;
use crate::problem::Problem;
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
