//! What a request is answered with: status, headers, body; and how errors of the node are said in SIP.
//!
//! Flow: `intake`, `call`, [`ApiError`] -> **here** -> a transaction. Pure. Never carries a name, a PIN or a token.
//!
//! | why | answer |
//! |---|---|
//! | no such room, wrong PIN, no PIN | 403: one answer, said at one time by the door |
//! | too many attempts | 480 with Retry-After: 403 has none (RFC 3261 §20.33), and 503 would send a proxy to try the next node |
//! | meeting locked | 603: somebody there will have nobody else in, and no other node has the meeting (§21.6.2); 403 would say that the PIN was wrong |
//! | room full | 486 |
//! | node full, busy or shutting down | 503 with Retry-After: here another node is the very thing to try |
//! | offer not understood, or nothing in common | 488 with Warning (§20.43) |

use crate::problem::ApiError;
use mcu_core::limits::SDP_BYTES_MAX;
use rsipstack::sip::{
    Accept, Allow, ContentType, Header, Require, RetryAfter, StatusCode, Supported, Unsupported, Warning,
};

/// The media type of offers and answers (RFC 8866 §8.2.1).
pub(super) const SDP_TYPE: &str = "application/sdp";
/// Every method that is answered (RFC 3261 §20.5).
const ALLOWED: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY";
/// Wishes for key frames (RFC 5168 §9).
pub(super) const MEDIA_CONTROL_TYPE: &str = "application/media_control+xml";
/// What INFO may carry: that, and the digits of old devices.
pub(super) const INFO_TYPES: [&str; 2] = [MEDIA_CONTROL_TYPE, "application/dtmf-relay"];
/// Extensions that may be required of us: RFC 4028, and RFC 3262, which asks that whatever is said between 100 and the final answer be
/// repeated until it is acknowledged. Nothing is.
const EXTENSIONS: [&str; 2] = ["timer", "100rel"];

/// An answer to a request.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// RFC 3261 §21.
    pub(super) status: StatusCode,
    /// Besides those that a transaction brings: Via, From, To, Call-ID, CSeq, lengths.
    pub(super) headers: Vec<Header>,
    /// Its type is among the headers.
    pub(super) body: Option<Vec<u8>>,
}

impl Answer {
    /// A status alone.
    pub(super) const fn new(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    /// With one more header.
    pub(super) fn with(mut self, header: impl Into<Header>) -> Self {
        self.headers.push(header.into());
        self
    }

    /// With more headers.
    pub(super) fn with_all(mut self, headers: impl IntoIterator<Item = Header>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// With an SDP body.
    pub(super) fn with_sdp(mut self, sdp: &str) -> Self {
        self.body = Some(sdp.as_bytes().to_vec());
        self.with(ContentType::new(SDP_TYPE))
    }

    /// 200, saying what can be asked of us (RFC 3261 §11.2).
    pub(super) fn capable() -> Self {
        Self::new(StatusCode::OK).with_all([allow(), Accept::new(SDP_TYPE).into(), supported()])
    }

    /// 405: a method that we know and do not take.
    pub(super) fn not_allowed() -> Self {
        Self::new(StatusCode::MethodNotAllowed).with(allow())
    }

    /// 501: a method that we do not know.
    pub(super) fn not_implemented() -> Self {
        Self::new(StatusCode::NotImplemented).with(allow())
    }

    /// 400.
    pub(super) const fn malformed() -> Self {
        Self::new(StatusCode::BadRequest)
    }

    /// 481: no such call.
    pub(super) const fn unknown_call() -> Self {
        Self::new(StatusCode::CallTransactionDoesNotExist)
    }

    /// 415: a body that is not `types`.
    pub(super) fn not_a_body(types: &[&str]) -> Self {
        Self::new(StatusCode::UnsupportedMediaType).with(Accept::new(types.join(", ")))
    }

    /// 420: required is what we do not do (RFC 3261 §8.2.2.3).
    pub(super) fn unsupported(extensions: &[String]) -> Self {
        Self::new(StatusCode::BadExtension).with(Unsupported::new(extensions.join(", ")))
    }

    /// 488: the session as asked for cannot be had; `code` of RFC 3261 §20.43.
    pub(super) fn not_acceptable(code: u16, text: &str) -> Self {
        // What would end the quoted text or the line has no place in it.
        let plain: String = text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
        let plain = plain.replace(['"', '\\'], "'");
        Self::new(StatusCode::NotAcceptableHere).with(Warning::new(format!("{code} mcu \"{plain}\"")))
    }

    /// A refusal that may be another answer after a while.
    pub(super) fn later(status: StatusCode, seconds: u64) -> Self {
        Self::new(status).with(RetryAfter::new(seconds.to_string()))
    }
}

impl From<&ApiError> for Answer {
    fn from(error: &ApiError) -> Self {
        match error {
            ApiError::JoinRefused | ApiError::Forbidden | ApiError::Unauthorized | ApiError::NotFound => {
                Self::new(StatusCode::Forbidden)
            }
            ApiError::CallRefused(refusal) => match refusal.retry_after_s() {
                Some(seconds) => Self::later(StatusCode::TemporarilyUnavailable, seconds),
                None => Self::new(StatusCode::Forbidden),
            },
            ApiError::TooManyRequests { retry_after_s } => {
                Self::later(StatusCode::TemporarilyUnavailable, *retry_after_s)
            }
            ApiError::Locked => Self::new(StatusCode::Decline),
            ApiError::RoomFull => Self::new(StatusCode::BusyHere),
            ApiError::Draining | ApiError::Overloaded => {
                Self::later(StatusCode::ServiceUnavailable, error.retry_after_s().unwrap_or(1))
            }
            ApiError::SdpInvalid(text) => Self::not_acceptable(399, text),
            ApiError::SdpNoCommonCodec => {
                Self::not_acceptable(305, "none of the offered formats is spoken here")
            }
            ApiError::TooLarge { .. } => too_large(),
            ApiError::UnsupportedMediaType { expected } => Self::not_a_body(&[expected]),
            ApiError::BadRequest(_) => Self::malformed(),
            ApiError::MethodNotAllowed | ApiError::Conflict(_) | ApiError::Internal => {
                Self::new(StatusCode::ServerInternalError)
            }
        }
    }
}

/// 413, and up to where it would do.
pub(super) fn too_large() -> Answer {
    Answer::new(StatusCode::RequestEntityTooLarge)
        .with(Warning::new(format!("399 mcu \"a body has at most {SDP_BYTES_MAX} bytes\"")))
}

/// `Allow`.
pub(super) fn allow() -> Header {
    Allow::new(ALLOWED).into()
}

/// `Supported`.
pub(super) fn supported() -> Header {
    Supported::new(EXTENSIONS.join(", ")).into()
}

/// Which of the extensions that a request requires we do not have.
pub(super) fn missing_extensions<'a>(headers: impl Iterator<Item = &'a Header>) -> Vec<String> {
    let required = headers.filter_map(|header| match header {
        Header::Require(Require(value)) => Some(value),
        _ => None,
    });
    let tags = required.flat_map(|value| value.split(',')).map(str::trim).filter(|tag| !tag.is_empty());
    tags.filter(|tag| !EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(tag)))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(answer: &Answer) -> (u16, Vec<String>) {
        (answer.status.code(), answer.headers.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_error_of_the_door_has_its_answer() {
        let table = [
            (ApiError::JoinRefused, 403, vec![]),
            (ApiError::TooManyRequests { retry_after_s: 30 }, 480, vec!["Retry-After: 30"]),
            (ApiError::Locked, 603, vec![]),
            (ApiError::RoomFull, 486, vec![]),
            (ApiError::Draining, 503, vec!["Retry-After: 5"]),
            (ApiError::Overloaded, 503, vec!["Retry-After: 1"]),
            (
                ApiError::SdpNoCommonCodec,
                488,
                vec!["Warning: 305 mcu \"none of the offered formats is spoken here\""],
            ),
            (ApiError::SdpInvalid("no \"m=\"\r\nline".into()), 488, vec!["Warning: 399 mcu \"no 'm='line\""]),
            (ApiError::UnsupportedMediaType { expected: SDP_TYPE }, 415, vec!["Accept: application/sdp"]),
            (ApiError::Internal, 500, vec![]),
        ];
        for (error, status, headers) in table {
            let headers = headers.into_iter().map(str::to_owned).collect();
            assert_eq!(said(&Answer::from(&error)), (status, headers), "{error:?}");
        }
        assert_eq!(Answer::from(&ApiError::TooLarge { limit_bytes: 1 }).status.code(), 413);
    }

    #[test]
    fn extensions_that_are_required_and_missing_are_named() {
        let headers: [Header; 3] = [
            Require::new("timer, 100rel, replaces").into(),
            Supported::new("outbound").into(),
            Require::new("Timer,x").into(),
        ];
        assert_eq!(missing_extensions(headers.iter()), ["replaces", "x"]);
        assert!(missing_extensions(headers[1..2].iter()).is_empty(), "the control: only Require counts");
    }
}
