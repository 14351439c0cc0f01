//! Who asks: tokens, and the extractors that prove them.
//!
//! Flow: `Authorization` header -> **here** -> handlers, which take [`AdminAuth`], [`ParticipantAuth`] or
//! [`HostOrAdmin`] and can then not be called without. A participant token is a JWT (RFC 7519), HS256 with a key
//! made at every start, so a restart ends them all; expiry is judged by the injected clock.

use crate::command::{Caller, Identity};
use crate::problem::ApiError;
use crate::room::Alias;
use crate::secret::{Secret, same};
use crate::state::ApiState;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, request::Parts};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use mcu_core::conference::roster::Role;
use mcu_core::id::{ConferenceId, ParticipantId};
use rand::CryptoRng;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Seconds that a participant token holds.
pub const TOKEN_EXPIRES_S: u64 = 15 * 60;
/// Bytes of anything that may be a token: ours have under 400.
pub const BEARER_BYTES_MAX: usize = 1_024;
const KEY_BYTES: usize = 32;
const AUDIENCE: &str = "mcu-participant";

/// Why a text is not a participant token (any more). Clients are told `unauthorized`, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not one of ours: another form, algorithm, key or audience.
    #[error("not a token of this run of the node")]
    Foreign,
    /// It was.
    #[error("expired")]
    Expired,
}

/// RFC 7519 §4.1 and our own: whom a token speaks for.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: String,
    sub: String,
    cid: u64,
    role: Role,
    alias: String,
    exp: u64,
    jti: String,
}

/// Makes and reads participant tokens; its key lives as long as the node runs.
pub struct Tokens {
    encode: EncodingKey,
    decode: DecodingKey,
    validation: Validation,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(***)")
    }
}

impl Tokens {
    /// With a key of 256 random bits.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, rand::rand_core::OsError> {
        use rand::TryRngCore;
        let mut key = [0; KEY_BYTES];
        OsRng.try_fill_bytes(&mut key)?;
        Ok(Self::from_key(&key))
    }

    /// With a key from elsewhere: several processes then take each other's tokens.
    pub fn from_key(key: &[u8; KEY_BYTES]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        // The library would read the system clock; `verify` judges `exp` by the clock that it is given.
        validation.validate_exp = false;
        Self { encode: EncodingKey::from_secret(key), decode: DecodingKey::from_secret(key), validation }
    }

    /// A token for `who`, holding until `now_unix_s` + [`TOKEN_EXPIRES_S`].
    pub fn issue(&self, who: &Identity, now_unix_s: u64) -> Secret<String> {
        let claims = Claims {
            aud: AUDIENCE.to_owned(),
            sub: who.participant.0.to_string(),
            cid: who.conference.0,
            role: who.role,
            alias: who.alias.as_str().to_owned(),
            exp: now_unix_s.saturating_add(TOKEN_EXPIRES_S),
            jti: format!("{:032x}", rand::random::<u128>()),
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encode);
        Secret::new(token.expect("an HMAC key signs with HS256, and the claims are plain"))
    }

    /// Whom a token speaks for.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, now_unix_s: u64) -> Result<Identity, TokenError> {
        if token.len() > BEARER_BYTES_MAX {
            return Err(TokenError::Foreign);
        }
        let data = jsonwebtoken::decode::<Claims>(token, &self.decode, &self.validation);
        let claims = data.map_err(|_| TokenError::Foreign)?.claims;
        if claims.exp <= now_unix_s {
            return Err(TokenError::Expired);
        }
        let participant = claims.sub.parse().map_err(|_| TokenError::Foreign)?;
        let alias = Alias::parse(&claims.alias).map_err(|_| TokenError::Foreign)?;
        Ok(Identity {
            participant: ParticipantId(participant),
            conference: ConferenceId(claims.cid),
            role: claims.role,
            alias,
        })
    }

    /// HMAC-SHA256 of `message` under this run's key, in base64url; `purpose` keeps tags of one kind from passing
    /// for another's (a JWT signs text with a dot and no line feed).
    pub(crate) fn tag(&self, purpose: &'static str, message: &str) -> String {
        let message = format!("{purpose}\n{message}");
        jsonwebtoken::crypto::sign(message.as_bytes(), &self.encode, Algorithm::HS256)
            .expect("an HMAC key signs with HS256")
    }
}

/// The administrator's token: 256 random bits.
#[derive(Debug, Clone)]
pub struct AdminToken(Secret<String>);

impl AdminToken {
    /// A new one, as 64 hexadecimal digits.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0_u8; KEY_BYTES];
        rng.fill_bytes(&mut bytes);
        Self(Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// One that was made before.
    pub const fn from_text(text: Secret<String>) -> Self {
        Self(text)
    }

    /// The text that an administrator presents.
    pub const fn secret(&self) -> &Secret<String> {
        &self.0
    }

    /// Whether somebody presented this token. Compares keyed hashes, so that not even the length shows.
    pub(crate) fn matches(&self, tokens: &Tokens, presented: &str) -> bool {
        let [own, other] = [self.0.expose(), presented].map(|text| tokens.tag("admin", text));
        same(own.as_bytes(), other.as_bytes())
    }
}

/// The bearer token of a request (RFC 6750 §2.1).
///
/// # Errors
/// [`ApiError::Unauthorized`] when there is none, or one that no token could be.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(ApiError::Unauthorized);
    };
    let text = value.to_str().map_err(|_| ApiError::Unauthorized)?;
    let (scheme, token) = text.split_once(' ').ok_or(ApiError::Unauthorized)?;
    let token = token.trim_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > BEARER_BYTES_MAX {
        return Err(ApiError::Unauthorized);
    }
    Ok(token)
}

/// A bearer token of whatever kind; that there is one proves nothing.
pub(crate) struct BearerToken(pub(crate) Secret<String>);

impl<S: Send + Sync> FromRequestParts<S> for BearerToken {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        bearer(&parts.headers).map(|token| Self(Secret::new(token.to_owned())))
    }
}

/// What a bearer token turned out to be.
enum Bearer {
    Admin,
    Participant(Identity),
}

fn authenticate(headers: &HeaderMap, state: &ApiState) -> Result<Bearer, ApiError> {
    let token = bearer(headers)?;
    if state.admin.matches(&state.tokens, token) {
        return Ok(Bearer::Admin);
    }
    let identity = state.tokens.verify(token, state.clock.unix_s());
    identity.map(Bearer::Participant).map_err(|_| ApiError::Unauthorized)
}

/// Proof that the administrator asks.
#[derive(Debug, Clone, Copy)]
pub struct AdminAuth(());

impl FromRequestParts<ApiState> for AdminAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        match authenticate(&parts.headers, state)? {
            Bearer::Admin => Ok(Self(())),
            Bearer::Participant(_) => Err(ApiError::Forbidden),
        }
    }
}

/// Proof that a participant asks, and which.
#[derive(Debug, Clone)]
pub struct ParticipantAuth(pub Identity);

impl FromRequestParts<ApiState> for ParticipantAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        match authenticate(&parts.headers, state)? {
            Bearer::Admin => Err(ApiError::Forbidden),
            Bearer::Participant(identity) => Ok(Self(identity)),
        }
    }
}

/// Proof that the administrator asks, or a host *of the room in the path* (`{alias}`).
#[derive(Debug, Clone)]
pub struct HostOrAdmin(pub Caller);

impl FromRequestParts<ApiState> for HostOrAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let identity = match authenticate(&parts.headers, state)? {
            Bearer::Admin => return Ok(Self(Caller::Admin)),
            Bearer::Participant(identity) => identity,
        };
        let path = RawPathParams::from_request_parts(parts, state).await.map_err(|_| ApiError::Internal)?;
        let own_room = path.iter().any(|(key, alias)| key == "alias" && alias == identity.alias.as_str());
        if own_room && identity.role == Role::Host {
            Ok(Self(Caller::Host(identity)))
        } else {
            Err(ApiError::Forbidden)
        }
    }
}
