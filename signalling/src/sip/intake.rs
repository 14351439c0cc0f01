//! The way of one message from the network into the library: checked, counted, parsed, and then at its transaction.
//!
//! Flow: `datagrams`, `streams` -> **here** -> a transaction that is waiting for it, or a new one -> `switchboard`.
//! Thread: the server's runtime, on the task of the socket. Bounds: `limits::SIP_HEADER_BYTES_MAX`,
//! `limits::SIP_HEADER_LINES_MAX`, `limits::SIP_TRANSACTIONS_MAX`, [`MESSAGES_BURST`] and [`INVITES_BURST`] of one address. What is
//! over one is dropped and counted; a call too many is told so without keeping anything of it.
//!
//! The library bounds the size of a message in a stream (64 KiB) and in a datagram (8 KiB) and ends idle streams, no more: not how
//! many transactions there are, nor header lines, nor sources. Its queues between sockets, transactions and their users
//! have no bound of their own; they are passed by here (a new transaction is made on this side of them), and what remains of them
//! fills no faster than these limits let messages through.

use super::answer::{Answer, too_large};
use super::dialog::tag_of;
use super::flow::{Flow, mark_source};
use super::registrar;
use super::switchboard::Switchboard;
use crate::door::limiter::{ADDRESSES_TRACKED_MAX, Buckets, Source};
use mcu_core::limits::{SIP_HEADER_BYTES_MAX, SIP_HEADER_LINES_MAX, SIP_TRANSACTIONS_MAX};
use mcu_core::time::Mono;
use rsipstack::sip::{HeadersExt, Method, Request, Response, SipMessage, StatusCode, StatusCodeKind};
use rsipstack::transaction::Transaction;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Messages of one address (an IPv6 /64 is one) at once: thirty calls of a proxy that begin together, each said three times.
pub(super) const MESSAGES_BURST: u32 = 400;
/// One more each: a hundred a second.
const MESSAGE_REFILL: Duration = Duration::from_millis(10);
/// New calls of one address at once.
pub(super) const INVITES_BURST: u32 = 50;
/// One more each: ten a second.
const INVITE_REFILL: Duration = Duration::from_millis(100);

/// Why a message went no further; counted as dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Dropped {
    /// Over a limit of size.
    #[error("a header over its limits")]
    TooLarge,
    /// Its address has sent too many, or all together have.
    #[error("too many messages")]
    TooMany,
    /// Not SIP, or without what every message has (RFC 3261 §8.1.1).
    #[error("not a SIP message")]
    Malformed,
    /// The library could do nothing with it: an answer to nothing, or a way that is gone.
    #[error("nobody's message")]
    Nobodys,
}

/// How much each address may ask.
#[derive(Debug)]
pub(super) struct Gate {
    buckets: Mutex<(Buckets<Source>, Buckets<Source>)>,
}

impl Default for Gate {
    fn default() -> Self {
        let messages = Buckets::new(MESSAGES_BURST, MESSAGE_REFILL, ADDRESSES_TRACKED_MAX);
        let invites = Buckets::new(INVITES_BURST, INVITE_REFILL, ADDRESSES_TRACKED_MAX);
        Self { buckets: Mutex::new((messages, invites)) }
    }
}

impl Gate {
    fn admits_message(&self, from: IpAddr, now: Mono) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        admits(&mut buckets.0, from, now)
    }

    fn admits_invite(&self, from: IpAddr, now: Mono) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        admits(&mut buckets.1, from, now)
    }
}

fn admits(buckets: &mut Buckets<Source>, from: IpAddr, now: Mono) -> bool {
    let source = Source::from(from);
    let admitted = buckets.wait(&source, now).is_none();
    if admitted {
        buckets.take(source, 1, now);
    }
    admitted
}

/// Takes one message, header and body.
///
/// # Errors
/// [`Dropped`].
pub(super) async fn take(board: &Arc<Switchboard>, bytes: &[u8], flow: &Flow) -> Result<(), Dropped> {
    within_limits(bytes)?;
    let now = board.state.clock.mono();
    if !board.gate.admits_message(flow.from.ip(), now) {
        return Err(Dropped::TooMany);
    }
    let Ok(message) = SipMessage::try_from(bytes) else {
        return refuse_unknown_method(board, bytes, flow).await;
    };
    let mut request = match message {
        SipMessage::Request(request) => request,
        SipMessage::Response(response) => return answered(board, response, flow).await,
    };
    mark_source(&mut request, flow.from).map_err(|_| Dropped::Malformed)?;
    let key =
        TransactionKey::from_request(&request, TransactionRole::Server).map_err(|_| Dropped::Malformed)?;
    let endpoint = &board.endpoint;
    let known = endpoint.transactions.contains_key(&key) || endpoint.finished_transactions.contains_key(&key);
    if known || matches!(request.method, Method::Ack | Method::Cancel) {
        return pass_on(board, request.into(), flow).await;
    }
    if request.method == Method::Register
        && tag_of(&request).is_none()
        && let Some(answer) = registrar::turn_away(board, &request, flow)
    {
        return refuse(board, &request, answer, flow).await;
    }
    let remembered = endpoint.transactions.len() + endpoint.finished_transactions.len();
    if remembered >= SIP_TRANSACTIONS_MAX {
        return Err(Dropped::TooMany);
    }
    let begins_a_call = request.method == Method::Invite && tag_of(&request).is_none();
    if begins_a_call && !board.gate.admits_invite(flow.from.ip(), now) {
        let answer = Answer::later(StatusCode::TemporarilyUnavailable, 1);
        return refuse(board, &request, answer, flow).await;
    }
    let connection = Some(flow.connection.clone());
    board.take(Transaction::new_server(key, request, endpoint.clone(), connection), flow.clone());
    Ok(())
}

/// Answers a request of which only the header came, its body being over the limit (RFC 3261 §21.4.11).
///
/// # Errors
/// [`Dropped`].
pub(super) async fn refuse_body(board: &Arc<Switchboard>, header: &[u8], flow: &Flow) -> Result<(), Dropped> {
    within_limits(header)?;
    if !board.gate.admits_message(flow.from.ip(), board.state.clock.mono()) {
        return Err(Dropped::TooMany);
    }
    let Ok(SipMessage::Request(mut request)) = SipMessage::try_from(header) else {
        return Err(Dropped::Malformed);
    };
    mark_source(&mut request, flow.from).map_err(|_| Dropped::Malformed)?;
    refuse(board, &request, too_large(), flow).await
}

fn within_limits(bytes: &[u8]) -> Result<(), Dropped> {
    let end = bytes.windows(4).take(SIP_HEADER_BYTES_MAX).position(|window| window == b"\r\n\r\n");
    let header = &bytes[..end.ok_or(Dropped::TooLarge)?];
    let lines = header.iter().filter(|byte| **byte == b'\n').count() + 1;
    if lines > SIP_HEADER_LINES_MAX { Err(Dropped::TooLarge) } else { Ok(()) }
}

/// An answer to a request of ours. Each 2xx to an INVITE is for whoever called (RFC 3261 §13.2.2.4); the first is for its transaction as well,
/// and no further one may be: the library would answer it, wherever its headers point.
async fn answered(board: &Switchboard, response: Response, flow: &Flow) -> Result<(), Dropped> {
    let begins_a_call = response.status_code.kind() == StatusCodeKind::Successful
        && response.cseq_header().and_then(|cseq| cseq.method()).ok() == Some(Method::Invite);
    if begins_a_call {
        let key = TransactionKey::from_response(&response, TransactionRole::Client)
            .map_err(|_| Dropped::Malformed)?;
        let heard = board.answers.take(&response);
        if !board.endpoint.transactions.contains_key(&key) {
            return if heard { Ok(()) } else { Err(Dropped::Nobodys) };
        }
    }
    pass_on(board, response.into(), flow).await
}

/// To whoever waits for it; an ACK or CANCEL of nothing is answered or dropped as RFC 3261 §9.2 and §17 say.
async fn pass_on(board: &Switchboard, message: SipMessage, flow: &Flow) -> Result<(), Dropped> {
    let passed = board.endpoint.on_received_message(message, flow.connection.clone(), &flow.peer()).await;
    passed.map_err(|_| Dropped::Nobodys)
}

/// RFC 3261 §8.2.1. The library's parser knows no methods but its own: with another in its place the rest is read.
async fn refuse_unknown_method(board: &Switchboard, bytes: &[u8], flow: &Flow) -> Result<(), Dropped> {
    let space = bytes.iter().take(32).position(|byte| *byte == b' ').ok_or(Dropped::Malformed)?;
    let (method, rest) = bytes.split_at(space);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte);
    let text = std::str::from_utf8(method).map_err(|_| Dropped::Malformed)?;
    if method.is_empty() || !method.iter().all(is_token) || text.parse::<Method>().is_ok() {
        return Err(Dropped::Malformed);
    }
    let readable = [b"OPTIONS", rest].concat();
    let mut request = Request::try_from(readable.as_slice()).map_err(|_| Dropped::Malformed)?;
    mark_source(&mut request, flow.from).map_err(|_| Dropped::Malformed)?;
    refuse(board, &request, Answer::not_implemented(), flow).await
}

/// Answers without a transaction (RFC 3261 §8.2.7): the same question gets the same answer, and nothing is kept of it.
async fn refuse(board: &Switchboard, request: &Request, answer: Answer, flow: &Flow) -> Result<(), Dropped> {
    let mut request = request.clone();
    let whole =
        request.from_header().is_ok() && request.call_id_header().is_ok() && request.cseq_header().is_ok();
    let to = request.to_header().map_err(|_| Dropped::Malformed)?.clone();
    if !whole {
        return Err(Dropped::Malformed);
    }
    if to.tag().map_err(|_| Dropped::Malformed)?.is_none() {
        let via = request.via_header().map_err(|_| Dropped::Malformed)?.value();
        let tag = board.state.tokens.tag("sip-refusal", via);
        let tag = tag.get(..16).unwrap_or(&tag).to_owned();
        request.headers.unique_push(to.with_tag(tag.into()).into());
    }
    let mut response = board.endpoint.make_response(&request, answer.status, answer.body);
    response.headers.extend(answer.headers);
    let destination = match flow.connection.is_reliable() {
        true => None,
        false => board.endpoint.get_destination_from_request(&request).await,
    };
    let sent = flow.connection.send(response.into(), destination.as_ref()).await;
    sent.map_err(|_| Dropped::Nobodys)
}
