//! What went wrong, as the API says it: one enum, and its RFC 9457 problem.
//!
//! Flow: handlers, extractors and the control thread -> **here** -> response. Codes and statuses are the table of
//! `docs/API.md`, and stable; the texts are not. Details carry at most [`DETAIL_CHARS_MAX`] characters and never a
//! PIN, a token or a name.

use crate::sip::outbound::CallRefusal;
use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Characters of a problem's detail: a parser's message may repeat what the client sent, but not all of it.
pub const DETAIL_CHARS_MAX: usize = 200;

/// Why a request got no other answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// 400: the body, path or query is not what the endpoint takes; says which field.
    #[error("{0}")]
    BadRequest(String),
    /// 401: no bearer token, or not a valid one (any more).
    #[error("a valid bearer token is needed")]
    Unauthorized,
    /// 403: wrong PIN or no such room.
    #[error("the room or the PIN is not right")]
    JoinRefused,
    /// 403: the token's role may not do this.
    #[error("this token may not do that")]
    Forbidden,
    /// 404: only said to a token that may know, and of paths that are not of the API.
    #[error("there is no such thing")]
    NotFound,
    /// 405: the path knows other methods; `Allow` names them.
    #[error("the method is not one of this path's")]
    MethodNotAllowed,
    /// 409: the alias is taken, or somebody else holds the content floor; says which.
    #[error("{0}")]
    Conflict(String),
    /// 403, or 429 where asking again may do: the node does not make this call; says which rule is against it.
    #[error(transparent)]
    CallRefused(#[from] CallRefusal),
    /// 423: the PIN was right, but a host has locked the meeting against guests.
    #[error("the meeting is locked")]
    Locked,
    /// 413: a body over its limit.
    #[error("the body is over {limit_bytes} bytes")]
    TooLarge {
        /// What the endpoint takes at most.
        limit_bytes: usize,
    },
    /// 415: not the content type that the endpoint takes.
    #[error("the body must be {expected}")]
    UnsupportedMediaType {
        /// What it takes.
        expected: &'static str,
    },
    /// 422: the offer cannot be parsed, or has too many media lines; says what.
    #[error("{0}")]
    SdpInvalid(String),
    /// 422: sound or picture was offered, but nothing that the node speaks.
    #[error("none of the offered codecs is spoken here")]
    SdpNoCommonCodec,
    /// 429: too many of them from there.
    #[error("too many attempts; try again in {retry_after_s} s")]
    TooManyRequests {
        /// Whole seconds until the next attempt may be granted.
        retry_after_s: u64,
    },
    /// 503: the room's or the node's limit is reached.
    #[error("the room or the node is full")]
    RoomFull,
    /// 503: the node is shutting down.
    #[error("the node is shutting down")]
    Draining,
    /// 503: more requests at a time than the node takes, or one that took too long.
    #[error("the node is busy")]
    Overloaded,
    /// 500: the node failed; it logs why.
    #[error("the node failed")]
    Internal,
}

impl ApiError {
    /// A [`Self::BadRequest`] with `detail` cut to length.
    pub fn bad_request(detail: impl std::fmt::Display) -> Self {
        Self::BadRequest(cut(&detail.to_string()))
    }

    /// A [`Self::SdpInvalid`] with `detail` cut to length.
    pub fn sdp_invalid(detail: impl std::fmt::Display) -> Self {
        Self::SdpInvalid(cut(&detail.to_string()))
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::JoinRefused | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::CallRefused(refusal) => match refusal.retry_after_s() {
                Some(_) => StatusCode::TOO_MANY_REQUESTS,
                None => StatusCode::FORBIDDEN,
            },
            Self::Locked => StatusCode::LOCKED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::SdpInvalid(_) | Self::SdpNoCommonCodec => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::RoomFull | Self::Draining | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad-request",
            Self::Unauthorized => "unauthorized",
            Self::JoinRefused => "join-refused",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Conflict(_) => "conflict",
            Self::CallRefused(_) => "call-refused",
            Self::Locked => "locked",
            Self::TooLarge { .. } => "too-large",
            Self::UnsupportedMediaType { .. } => "unsupported-media-type",
            Self::SdpInvalid(_) => "sdp-invalid",
            Self::SdpNoCommonCodec => "sdp-no-common-codec",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::RoomFull => "room-full",
            Self::Draining => "draining",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
        }
    }

    const fn title(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "The request is not well-formed",
            Self::Unauthorized => "Not authenticated",
            Self::JoinRefused => "Joining was refused",
            Self::Forbidden => "Not permitted",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::Conflict(_) => "Conflict",
            Self::CallRefused(_) => "The call is not made",
            Self::Locked => "The meeting is locked",
            Self::TooLarge { .. } => "The body is too large",
            Self::UnsupportedMediaType { .. } => "The content type is not supported",
            Self::SdpInvalid(_) => "The offer is not valid",
            Self::SdpNoCommonCodec => "No common codec",
            Self::TooManyRequests { .. } => "Too many requests",
            Self::RoomFull => "No room left",
            Self::Draining => "Shutting down",
            Self::Overloaded => "Busy",
            Self::Internal => "Internal error",
        }
    }

    /// Whole seconds after which another attempt makes sense, if the error knows.
    pub const fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { retry_after_s } => Some(*retry_after_s),
            Self::Overloaded => Some(1),
            Self::Draining => Some(5),
            Self::CallRefused(refusal) => refusal.retry_after_s(),
            _ => None,
        }
    }

    /// The body of the response.
    pub fn problem(&self) -> Problem {
        Problem {
            r#type: "about:blank".into(),
            title: self.title().into(),
            status: self.status().as_u16(),
            code: self.code().into(),
            detail: self.to_string(),
        }
    }
}

/// RFC 9457 §3: the body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` says what a URI would.
    pub r#type: String,
    /// The kind, for people.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// The kind, for programs: stable.
    #[schema(example = "join-refused")]
    pub code: String,
    /// This very case, for people.
    pub detail: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self == Self::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn cut(detail: &str) -> String {
    detail.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS_MAX).collect()
}
