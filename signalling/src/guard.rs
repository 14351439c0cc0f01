//! What holds for every request: headers that browsers obey, how many at a time, how long, from which origins.
//!
//! Flow: HTTP server -> **here** -> handlers -> **here** -> HTTP server.

use crate::problem::ApiError;
use crate::state::ApiState;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST,
    ORIGIN, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// What every response carries unless it says otherwise: nothing here is a page, nothing here may be kept.
const DEFAULTS: [(HeaderName, &str); 4] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

/// Sets [`DEFAULTS`] where the handler set nothing.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in DEFAULTS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Lets so many requests in at a time, each for so long. An upgraded socket is no request any more.
pub(crate) async fn bounds(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let Ok(_permit) = state.requests.try_acquire() else {
        return ApiError::Overloaded.into_response();
    };
    within(state.request_time_max, next.run(request)).await
}

/// Waits for `answer`, but not longer than `span`.
pub(crate) async fn within(span: Duration, answer: impl Future<Output = Response>) -> Response {
    tokio::time::timeout(span, answer).await.unwrap_or_else(|_| ApiError::Overloaded.into_response())
}

/// RFC 9725 §4.2 asks for CORS: for the configured origins. `OPTIONS` names what can be posted to anybody.
pub(crate) async fn cors(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let allowed =
        origin.filter(|origin| state.origins.iter().any(|known| known.as_bytes() == origin.as_bytes()));
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight {
        let accept = (HeaderName::from_static("accept-post"), HeaderValue::from_static("application/sdp"));
        (StatusCode::NO_CONTENT, [accept]).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    if !state.origins.is_empty() {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    let Some(origin) = allowed else { return response };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Location, Link, Retry-After"));
    if preflight {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, DELETE"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    }
    response
}

/// Whether a page of this origin may open a socket: one of the same host, or a configured one. Who sends no
/// `Origin` is no browser, and has nobody's cookies to steal (there are none anyway).
pub(crate) fn same_origin(headers: &HeaderMap, uri: &Uri, origins: &[String]) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if origins.iter().any(|known| known == origin) {
        return true;
    }
    let host = uri.authority().map(|authority| authority.as_str());
    let host = host.or_else(|| headers.get(HOST)?.to_str().ok());
    let of_page = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    matches!((of_page, host), (Some(page), Some(host)) if page.eq_ignore_ascii_case(host))
}
