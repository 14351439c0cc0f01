//! WHIP (RFC 9725): a sender joins with one POST; and what WHEP shares with it.
//!
//! Flow: POST -> bearer, offer's outline -> `door` (a PIN) or session (a participant's token) -> `Command::Offer` ->
//! 201. The resource in `Location` is kept nowhere: it names the participant and is sealed with this run's key
//! together with the bearer token that made it, so only the same bearer ends it, and nobody guesses one.

use crate::api::field;
use crate::auth::BearerToken;
use crate::command::{Command, Identity, JoinRequest, Offer};
use crate::extract::{DoorPath, Peer, SdpBody, StreamPath};
use crate::guest::Guest;
use crate::model::IceServer;
use crate::problem::{ApiError, Problem};
use crate::room::Alias;
use crate::sdp::precheck;
use crate::secret::{Secret, same};
use crate::state::ApiState;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::header::{CONTENT_TYPE, LINK, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use mcu_core::conference::roster::{DisplayName, Role, Via};
use mcu_core::id::{ConferenceId, ParticipantId};
use serde::Deserialize;
use std::net::IpAddr;

/// The query of a POST.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Named {
    name: Option<Secret<String>>,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<Self>::from_request_parts(parts, state).await;
        query.map(|Query(named)| named).map_err(|_| ApiError::bad_request("name: given twice, or not UTF-8"))
    }
}

/// Joins as a sender.
#[utoipa::path(post, path = "/whip/{alias}", tag = "streaming", security(("pin_or_participant" = [])),
    params(("alias" = String, Path), ("name" = Option<String>, Query)),
    request_body(content = String, content_type = "application/sdp"), responses(
    (status = 201, body = String, content_type = "application/sdp", description = "`Location` is the session, `Link` the ICE servers"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn publish(
    State(state): State<ApiState>,
    token: BearerToken,
    Peer(from): Peer,
    DoorPath(alias): DoorPath,
    named: Named,
    SdpBody(sdp): SdpBody,
) -> Result<Response, ApiError> {
    connect(&state, Via::Whip, (token, from), alias, named, sdp).await
}

/// Leaves.
#[utoipa::path(delete, path = "/whip/{alias}/{resource}", tag = "streaming", security(("pin_or_participant" = [])),
    params(("alias" = String, Path), ("resource" = String, Path)), responses(
    (status = 200),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn end(
    State(state): State<ApiState>,
    token: BearerToken,
    path: StreamPath,
) -> Result<StatusCode, ApiError> {
    disconnect(&state, Via::Whip, &path, &token).await
}

/// WHIP's and WHEP's POST.
pub(crate) async fn connect(
    state: &ApiState,
    via: Via,
    (token, from): (BearerToken, Secret<IpAddr>),
    alias: Alias,
    named: Named,
    sdp: String,
) -> Result<Response, ApiError> {
    let token = token.0.expose().as_str();
    precheck(&sdp)?;
    let default_name = if via == Via::Whep { "Watcher" } else { "Encoder" };
    let name = named.name.as_ref().map_or(default_name, |name| name.expose().as_str());
    let name = field("name", DisplayName::parse(name))?;
    let is_pin = token.bytes().all(|byte| byte.is_ascii_digit());
    let (who, ice_servers) = if is_pin {
        let request = JoinRequest {
            alias: alias.clone(),
            display_name: Secret::new(name),
            pin: Secret::new(token.to_owned()),
            host_only: false,
            overlay: false,
            via,
            from,
        };
        let joined = state.door.knock(state, request).await?;
        let (participant, conference, role) = (joined.participant, joined.conference, joined.role);
        (Identity { participant, conference, role, alias }, joined.ice_servers)
    } else {
        let verified = state.tokens.verify(token, state.clock.unix_s());
        let who = verified.map_err(|_| ApiError::Unauthorized)?;
        if who.alias != alias {
            return Err(ApiError::Forbidden);
        }
        let asked = who.clone();
        let session = state.control.ask(|reply| Command::Session { who: asked, reply }).await?;
        (who, session.ice_servers)
    };
    // Who came in by this request alone goes out with it, also when the client hangs up before it is answered.
    let guest = is_pin.then(|| Guest::new(state.control.clone(), who.clone()));
    let offer = Offer { who: who.clone(), via, sdp, lines: None, sip: None };
    let answer = state.control.ask(|reply| Command::Offer { offer, reply }).await;
    match (&answer, guest) {
        (Ok(_), Some(guest)) => guest.stay(),
        (Err(_), Some(guest)) => guest.leave().await,
        (_, None) => {}
    }
    Ok(created(&resource(state, via, &who, token), &ice_servers, answer?))
}

/// WHIP's and WHEP's DELETE.
pub(crate) async fn disconnect(
    state: &ApiState,
    via: Via,
    StreamPath(alias, id): &StreamPath,
    token: &BearerToken,
) -> Result<StatusCode, ApiError> {
    let token = token.0.expose().as_str();
    let who = open(state, via, alias, id, token).ok_or(ApiError::Unauthorized)?;
    match state.control.ask(|reply| Command::Leave { who, reply }).await {
        // The bearer may know: it is gone already.
        Err(ApiError::Unauthorized) => Err(ApiError::NotFound),
        other => other.map(|()| StatusCode::OK),
    }
}

const fn scheme(via: Via) -> &'static str {
    if matches!(via, Via::Whep) { "whep" } else { "whip" }
}

/// The path of a session: `/whip/{alias}/{participant}-{conference}-{role}-{seal}`.
pub(crate) fn resource(state: &ApiState, via: Via, who: &Identity, token: &str) -> String {
    let role = if who.role == Role::Host { "h" } else { "g" };
    let name = format!("{:x}-{:x}-{role}", who.participant.0, who.conference.0);
    let seal = seal(state, via, who.alias.as_str(), &name, token);
    format!("/{}/{}/{name}-{seal}", scheme(via), who.alias)
}

fn seal(state: &ApiState, via: Via, alias: &str, name: &str, token: &str) -> String {
    state.tokens.tag("stream", &format!("{}\n{alias}\n{name}\n{token}", scheme(via)))
}

/// Whom a resource names, if it is one that this bearer made.
pub(crate) fn open(state: &ApiState, via: Via, alias: &str, id: &str, token: &str) -> Option<Identity> {
    let mut parts = id.splitn(4, '-');
    let (participant, conference, role, sealed) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let name = format!("{participant}-{conference}-{role}");
    if !same(seal(state, via, alias, &name, token).as_bytes(), sealed.as_bytes()) {
        return None;
    }
    Some(Identity {
        participant: ParticipantId(u64::from_str_radix(participant, 16).ok()?),
        conference: ConferenceId(u64::from_str_radix(conference, 16).ok()?),
        role: if role == "h" { Role::Host } else { Role::Guest },
        alias: Alias::parse(alias).ok()?,
    })
}

fn created(location: &str, ice_servers: &[IceServer], answer: String) -> Response {
    let sdp_type = (CONTENT_TYPE, HeaderValue::from_static("application/sdp"));
    let mut response = (StatusCode::CREATED, [sdp_type], answer).into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(location) {
        headers.insert(LOCATION, location);
    }
    for link in ice_servers.iter().flat_map(links) {
        headers.append(LINK, link);
    }
    response
}

/// RFC 9725 §4.6: a link for each address of a server. One that no header can carry is left out.
fn links(server: &IceServer) -> impl Iterator<Item = HeaderValue> + '_ {
    server.urls.iter().filter(|url| !url.contains(['<', '>', ' '])).filter_map(|url| {
        let mut link = format!("<{url}>; rel=\"ice-server\"");
        if let (Some(username), Some(credential)) = (&server.username, &server.credential) {
            let (username, credential) = (quoted(username), quoted(credential.expose()));
            link += &format!("; username={username}; credential={credential}; credential-type=\"password\"");
        }
        HeaderValue::from_str(&link).ok()
    })
}

/// RFC 9110 §5.6.4.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
