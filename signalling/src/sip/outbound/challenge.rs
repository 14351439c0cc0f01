//! A request of ours said again to a trunk that asks who we are: once, and once more where only its nonce was too old (RFC 3261 §22.2).
//!
//! Flow: 401, 407 -> [`again`] -> `dialling`, `registering`. Pure but for a branch and a cnonce. Bound: two answers to a request.

use super::digest::{self, Credentials};
use crate::sip::flow::Flow;
use crate::sip::switchboard::Switchboard;
use rsipstack::sip::{CSeq, Header, HeadersExt, Request, Response};

/// `request`, which was `challenged` after `challenges` others, with credentials; `None` where none are given, or not again.
pub(super) fn again(
    board: &Switchboard,
    flow: &Flow,
    credentials: Option<&Credentials>,
    (request, challenged): (&Request, &Response),
    challenges: u8,
) -> Option<Request> {
    let credentials = credentials?;
    let fair = challenges == 0 || challenges == 1 && digest::is_stale(challenged, credentials);
    if !fair {
        return None;
    }
    let answer = digest::answer(challenged, credentials, request.method, &request.uri.to_string())?;
    let seq = request.cseq_header().and_then(CSeq::seq).ok()? + 1;
    let via = board.endpoint.get_via(Some(board.told.address(flow.transport)), None).ok()?;
    let stays = |header: &&Header| {
        !matches!(
            header,
            Header::Via(_)
                | Header::CSeq(_)
                | Header::Authorization(_)
                | Header::ProxyAuthorization(_)
                | Header::ContentLength(_)
        )
    };
    let mut headers =
        vec![Header::Via(via.into()), CSeq::new(format!("{seq} {}", request.method)).into(), answer];
    headers.extend(request.headers.iter().filter(stays).cloned());
    Some(Request { headers: headers.into(), ..request.clone() })
}
