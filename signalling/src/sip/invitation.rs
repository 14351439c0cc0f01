//! What requests that set up or change a session say: offer, name, timer; and the headers of their 2xx.
//!
//! Flow: INVITE, UPDATE, INFO -> **here** -> `call`. Pure. Bounds: those of a message (`intake`), `limits::SDP_BYTES_MAX`.

use super::answer::{Answer, INFO_TYPES, MEDIA_CONTROL_TYPE, SDP_TYPE, allow, supported};
use super::media_control;
use super::session_timer::{self, Refused, SessionTimer};
use crate::problem::ApiError;
use crate::sdp::precheck;
use mcu_core::conference::keypad::Digit;
use mcu_core::conference::roster::DisplayName;
use mcu_core::time::Mono;
use percent_encoding::percent_decode_str;
use rsipstack::sip::{AcceptEncoding, Header, HeadersExt, Request, StatusCode};

/// What somebody is called who says no name.
const DEFAULT_NAME: &str = "Room system";

/// The offer in a request, looked at once; `None` where there is no body.
///
/// # Errors
/// 400 for a body that was cut off, 415 for one that is not SDP, 413 or 488 for one that is not worth parsing.
pub(super) fn offered(request: &Request) -> Result<Option<String>, Answer> {
    described(request, &request.body)
}

/// The session that a message describes, looked at once; `None` where there is no body.
///
/// # Errors
/// As of [`offered`].
pub(super) fn described(message: &impl HeadersExt, body: &[u8]) -> Result<Option<String>, Answer> {
    let length = message.header_value("Content-Length").map(|text| text.parse::<usize>());
    match length {
        // RFC 3261 §18.3: the rest of a datagram was lost, or the number is none.
        Some(Ok(bytes)) if bytes > body.len() => return Err(Answer::malformed()),
        Some(Err(_)) => return Err(Answer::malformed()),
        _ => {}
    }
    if body.is_empty() {
        return Ok(None);
    }
    if body_type(message).as_deref() != Some(SDP_TYPE) {
        return Err(Answer::not_a_body(&[SDP_TYPE]));
    }
    if message.header_value("Content-Encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"))
    {
        return Err(Answer::not_a_body(&[SDP_TYPE]).with(AcceptEncoding::new("identity")));
    }
    let sdp = String::from_utf8(body.to_vec());
    let sdp = sdp.map_err(|_| Answer::not_acceptable(399, "the offer is not UTF-8"))?;
    precheck(&sdp).map_err(|error| Answer::from(&ApiError::from(error)))?;
    Ok(Some(sdp))
}

/// The session timer that a request asks for.
///
/// # Errors
/// 422 for an interval that is too short (RFC 4028 §6), 400 for what is none.
pub(super) fn timer(request: &Request, now: Mono) -> Result<Option<SessionTimer>, Answer> {
    SessionTimer::agree(request, now).map_err(|refused| match refused {
        Refused::TooSmall => Answer::new(StatusCode::SessionIntervalTooSmall).with(session_timer::least()),
        Refused::Malformed => Answer::malformed(),
    })
}

/// 200 to a request that set up, changed or refreshed a session; its body is the caller's business.
pub(super) fn accepted(contact: &Header, timer: Option<SessionTimer>) -> Answer {
    let headers = timer.map(SessionTimer::headers).unwrap_or_default();
    Answer::new(StatusCode::OK).with_all([contact.clone(), allow(), supported()]).with_all(headers)
}

/// To INFO: what it may carry is taken; see [`keyed`] and [`wants_keyframe`].
pub(super) fn information(request: &Request) -> Answer {
    let known = body_type(request).is_some_and(|kind| INFO_TYPES.contains(&kind.as_str()));
    if known || request.body.is_empty() {
        Answer::new(StatusCode::OK)
    } else {
        Answer::not_a_body(&INFO_TYPES)
    }
}

/// The key that an INFO of `application/dtmf-relay` tells: a line `Signal=5`, and how long it was held, which nobody asks.
pub(super) fn keyed(request: &Request) -> Option<Digit> {
    if body_type(request).as_deref() != Some(INFO_TYPES[1]) {
        return None;
    }
    let said = std::str::from_utf8(&request.body).ok()?.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value.trim())
    })?;
    let mut keys = said.chars();
    Digit::parse(keys.next()?).filter(|_| keys.next().is_none())
}

/// Whether an INFO asks for a key frame (RFC 5168).
pub(super) fn wants_keyframe(request: &Request) -> bool {
    body_type(request).as_deref() == Some(MEDIA_CONTROL_TYPE) && media_control::wants_keyframe(&request.body)
}

/// What others read: the name in From, else its user part, else a word for whoever says neither.
pub(super) fn name_of(request: &Request) -> DisplayName {
    let from = request.from_header().ok();
    let said = from.and_then(|from| from.value().split_once('<')).map(|(name, _)| unquoted(name.trim()));
    let user = from.and_then(|from| from.uri().ok()?.auth);
    let user = user.map(|auth| percent_decode_str(&auth.user).decode_utf8_lossy().into_owned());
    let name = [said, user].into_iter().flatten().find_map(|text| DisplayName::parse(&text).ok());
    name.unwrap_or_else(|| DisplayName::parse(DEFAULT_NAME).expect("a word of our own is a name"))
}

/// RFC 3261 §25.1 `display-name`, quoted or not.
fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(text) = inner else { return text.to_owned() };
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// RFC 3261 §20.15: the type of the body without its parameters.
fn body_type(message: &impl HeadersExt) -> Option<String> {
    let value = message.header_value("Content-Type")?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/SAVP 0\r\n";

    fn request(headers: &str, body: &str) -> Request {
        let text =
            format!("INVITE sip:daily@b SIP/2.0\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len());
        Request::try_from(text.as_str()).expect("a fair request")
    }

    fn status(headers: &str, body: &str) -> Result<bool, u16> {
        offered(&request(headers, body)).map(|offer| offer.is_some()).map_err(|answer| answer.status.code())
    }

    #[test]
    fn an_offer_is_sdp_and_whole() {
        assert_eq!(status("Content-Type: application/sdp\r\n", SDP), Ok(true));
        assert_eq!(status("c: Application/SDP ; charset=utf-8\r\n", SDP), Ok(true));
        assert_eq!(status("", ""), Ok(false), "an INVITE that asks us to offer");
        assert_eq!(status("", SDP), Err(415));
        assert_eq!(status("Content-Type: multipart/mixed;boundary=x\r\n", SDP), Err(415));
        assert_eq!(status("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", SDP), Err(415));
        assert_eq!(status("Content-Type: application/sdp\r\n", "v=1\r\n"), Err(488));
        let cut =
            "INVITE sip:a@b SIP/2.0\r\nContent-Length: 9\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n";
        let cut = offered(&Request::try_from(cut).expect("a fair request"));
        assert_eq!(cut.map_err(|answer| answer.status.code()), Err(400));
    }

    #[test]
    fn a_name_is_what_the_caller_says_or_how_it_is_dialled() {
        let named = |from: &str| name_of(&request(&format!("From: {from}\r\n"), "")).as_str().to_owned();
        assert_eq!(named("\"Room \\\"Ada\\\"\" <sip:room@x>;tag=1"), "Room \"Ada\"");
        assert_eq!(named("Grace Hopper <sip:room@x>;tag=1"), "Grace Hopper");
        assert_eq!(named("<sip:board%20room@x>;tag=1"), "board room");
        assert_eq!(named("\"\u{202E}\" <sip:board@x>;tag=1"), "board", "a name of nothing is none");
        assert_eq!(named(&format!("\"{}\" <sip:board@x>", "x".repeat(65))), "board");
        assert_eq!(named("<sip:x>;tag=1"), DEFAULT_NAME);
    }

    #[test]
    fn information_is_taken_where_its_kind_is_known() {
        let said = |kind: &str, body: &str| {
            information(&request(&format!("Content-Type: {kind}\r\n"), body)).status.code()
        };
        assert_eq!(said("application/media_control+xml", "<media_control/>"), 200);
        assert_eq!(said("application/dtmf-relay", "Signal=1"), 200);
        assert_eq!(said("text/plain", "hello"), 415);
        assert_eq!(said("text/plain", ""), 200, "nothing is nothing of a kind");
    }

    #[test]
    fn a_short_session_is_asked_for_again() {
        let asked = |seconds: &str| {
            let headers = format!("Session-Expires: {seconds}\r\nSupported: timer\r\n");
            timer(&request(&headers, ""), Mono::ZERO).map(|timer| timer.is_some())
        };
        let refused = asked("60").expect_err("too short");
        assert_eq!(refused.status.code(), 422);
        assert_eq!(refused.headers[0].to_string(), "Min-SE: 90");
        assert_eq!(asked("600").ok(), Some(true), "the control");
        assert_eq!(asked("soon").expect_err("no number").status.code(), 400);
    }
}
