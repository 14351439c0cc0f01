//! Parts of a request, parsed; whatever is wrong with one becomes a problem, never plain text.
//!
//! Flow: axum -> **here** -> handlers. Bodies are read up to their limit and no further; the time to read one is
//! part of the request's. Extractors of `auth` come before these in every handler.

use crate::problem::ApiError;
use crate::room::Alias;
use crate::secret::Secret;
use crate::sip::outbound::CallId;
use axum::body::Bytes;
use axum::extract::{
    ConnectInfo, DefaultBodyLimit, FromRequest, FromRequestParts, Json, RawPathParams, Request,
};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, request::Parts};
use mcu_core::id::ParticipantId;
use mcu_core::limits::{JSON_BYTES_MAX, SDP_BYTES_MAX};
use serde::de::DeserializeOwned;
use std::net::{IpAddr, SocketAddr};

/// Bytes of an offer as JSON: its text with every line end written `\r\n`, and the lines' purposes.
pub(crate) const OFFER_JSON_BYTES_MAX: usize = SDP_BYTES_MAX + JSON_BYTES_MAX;
const SDP_TYPE: &str = "application/sdp";

async fn path_param<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, state).await.ok()?;
    params.iter().find_map(|(key, value)| (key == name).then(|| value.to_owned()))
}

/// The room in the path, for those who may know that there is none.
pub(crate) struct RoomPath(pub(crate) Alias);

impl<S: Send + Sync> FromRequestParts<S> for RoomPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = path_param(parts, state, "alias").await.ok_or(ApiError::NotFound)?;
        Alias::parse(&text).map(Self).map_err(|_| ApiError::NotFound)
    }
}

/// The room in the path, for those at the door: what cannot be a room is [`Alias::nowhere`].
pub(crate) struct DoorPath(pub(crate) Alias);

impl<S: Send + Sync> FromRequestParts<S> for DoorPath {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let text = path_param(parts, state, "alias").await.unwrap_or_default();
        Ok(Self(Alias::parse(&text).unwrap_or_else(|_| Alias::nowhere())))
    }
}

/// A WHIP or WHEP session in the path, unparsed: alias and resource.
pub(crate) struct StreamPath(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for StreamPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let alias = path_param(parts, state, "alias").await.ok_or(ApiError::NotFound)?;
        let resource = path_param(parts, state, "resource").await.ok_or(ApiError::NotFound)?;
        Ok(Self(alias, resource))
    }
}

/// The participant in the path.
pub(crate) struct ParticipantPath(pub(crate) ParticipantId);

impl<S: Send + Sync> FromRequestParts<S> for ParticipantPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = path_param(parts, state, "id").await.ok_or(ApiError::NotFound)?;
        text.parse().map(|id| Self(ParticipantId(id))).map_err(|_| ApiError::NotFound)
    }
}

/// The call in the path.
pub(crate) struct CallPath(pub(crate) CallId);

impl<S: Send + Sync> FromRequestParts<S> for CallPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = path_param(parts, state, "id").await.ok_or(ApiError::NotFound)?;
        text.parse().map(|id| Self(CallId(id))).map_err(|_| ApiError::NotFound)
    }
}

/// Where the request comes from.
pub(crate) struct Peer(pub(crate) Secret<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let info = ConnectInfo::<SocketAddr>::from_request_parts(parts, state).await;
        info.map(|ConnectInfo(address)| Self(Secret::new(address.ip()))).map_err(|_| {
            tracing::error!("the router is served without the peers' addresses");
            ApiError::Internal
        })
    }
}

/// What a JSON endpoint takes at most.
pub(crate) trait JsonLimit {
    /// Bytes.
    const BYTES_MAX: usize = JSON_BYTES_MAX;
}

/// A JSON body.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned + JsonLimit, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        expect_type(request.headers(), "application/json")?;
        let bytes = read(request, T::BYTES_MAX).await?;
        let parsed = Json::from_bytes(&bytes);
        parsed
            .map(|Json(value)| Self(value))
            .map_err(|rejection| ApiError::bad_request(rejection.body_text()))
    }
}

/// An SDP body, within its size; nothing else is known of it.
pub(crate) struct SdpBody(pub(crate) String);

impl<S: Send + Sync> FromRequest<S> for SdpBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        expect_type(request.headers(), SDP_TYPE)?;
        let bytes = read(request, SDP_BYTES_MAX).await?;
        let text =
            String::from_utf8(bytes.into()).map_err(|_| ApiError::sdp_invalid("the offer is not UTF-8"))?;
        Ok(Self(text))
    }
}

/// RFC 9110 §8.3: the type without its parameters, in any case.
fn expect_type(headers: &HeaderMap, expected: &'static str) -> Result<(), ApiError> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) {
        Ok(())
    } else {
        Err(ApiError::UnsupportedMediaType { expected })
    }
}

async fn read(mut request: Request, limit_bytes: usize) -> Result<Bytes, ApiError> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > limit_bytes as u64) {
        return Err(ApiError::TooLarge { limit_bytes });
    }
    DefaultBodyLimit::max(limit_bytes).apply(&mut request);
    let read = Bytes::from_request(request, &()).await;
    read.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge { limit_bytes },
        _ => ApiError::bad_request("the body ended too early"),
    })
}
