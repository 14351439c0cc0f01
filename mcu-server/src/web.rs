//! The web client, embedded into the binary: one page for every meeting, and its modules.
//!
//! Nothing here is generated per request but headers; nothing it serves may load anything off-origin.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::Redirect;
use axum::routing::get;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../web/"]
#[include = "index.html"]
#[include = "favicon.svg"]
#[include = "app/*"]
#[include = "style/*"]
#[include = "vendor/*"]
#[include = "icons/*"]
struct Client;

/// What a page of ours may do. `blob:` is for the camera's preview; WebSockets are `'self'` only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
     media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'";

const PERMISSIONS_POLICY: &str = "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), fullscreen=(self), \
     geolocation=(), payment=(), usb=()";

/// The routes of the client: `/`, `/m/{alias}` and `/assets/…`.
pub fn router() -> Router {
    Router::new()
        .route("/", get(async || page()))
        .route("/m/{alias}", get(async || page()))
        .route("/m", get(async || Redirect::to("/")))
        .route("/favicon.ico", get(async || Redirect::permanent("/assets/favicon.svg")))
        .route("/assets/{*path}", get(async |Path(path): Path<String>| asset(&path)))
}

fn page() -> Response<Body> {
    let mut response = asset("index.html");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert("permissions-policy", HeaderValue::from_static(PERMISSIONS_POLICY));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    response
}

fn asset(path: &str) -> Response<Body> {
    let Some(file) = Client::get(path) else {
        let mut response = Response::new(Body::from("not found\n"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let mut response = Response::new(Body::from(file.data));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    // The name says nothing about the version: a browser asks, and a new binary is seen at once.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json" | "webmanifest") => "application/json",
        Some("woff2") => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_forbids_everything_off_origin() {
        let response = page();
        assert_eq!(response.status(), StatusCode::OK);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("ASCII");
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("http")
        );
    }

    #[test]
    fn what_is_not_embedded_is_not_served() {
        assert_eq!(asset("../Cargo.toml").status(), StatusCode::NOT_FOUND);
        assert_eq!(asset("tests/package.json").status(), StatusCode::NOT_FOUND);
        assert_eq!(asset("index.html").status(), StatusCode::OK);
    }
}
