//! Requests of ours within a call: BYE with its reason (RFC 3326), the UPDATE that keeps a session alive, REFER and NOTIFY of `transfer`.
//! [`send`] serves the REGISTER of `outbound::registering` as well.
//!
//! Flow: `call` -> **here** -> the way that the call's last request came by, or that we called by, and nowhere else. Thread: the call's own task.
//! Bound: the transaction's own time (RFC 3261 §17.1.2.2 timer F, 32 s).

use super::dialog::Dialog;
use super::flow::Flow;
use super::switchboard::Switchboard;
use mcu_core::conference::event::ClosingReason;
use rsipstack::sip::{Header, Method, Reason, Request, Response, SipMessage, StatusCodeKind};
use rsipstack::transaction::Transaction;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use std::sync::Arc;
use tokio::time::timeout;

/// Why a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The caller said BYE.
    HungUp,
    /// Our answer never arrived, or the caller never said so (RFC 3261 §13.3.1.4).
    NotAcknowledged,
    /// The caller has not answered our offer, or so that no session came of it.
    NotAgreed,
    /// Nobody refreshed the session (RFC 4028 §10).
    Expired,
    /// The device has called somebody else, as a host wanted.
    Transferred,
    /// A call of the node's own has lasted as long as one may.
    TooLong,
    /// The node has ended the stay; it says why, or had no time to.
    Closed(Option<ClosingReason>),
}

impl End {
    /// For the BYE that is owed: `Reason` (RFC 3326 §2), Q.850 cause 16 being a call that ends as calls do.
    pub(super) const fn reason(self) -> Option<&'static str> {
        Some(match self {
            Self::HungUp => return None,
            Self::NotAcknowledged => "SIP;cause=408;text=\"no ACK\"",
            Self::NotAgreed => "SIP;cause=488;text=\"no session was agreed\"",
            Self::Expired => "SIP;cause=408;text=\"the session was not refreshed\"",
            Self::Transferred => "Q.850;cause=16;text=\"transferred\"",
            Self::TooLong => "Q.850;cause=16;text=\"as long as a call may last\"",
            Self::Closed(Some(ClosingReason::Draining)) => "SIP;cause=503;text=\"shutting down\"",
            Self::Closed(Some(ClosingReason::RoomDeleted)) => "Q.850;cause=16;text=\"the meeting is over\"",
            Self::Closed(Some(ClosingReason::Disconnected)) => "Q.850;cause=16;text=\"disconnected\"",
            Self::Closed(Some(ClosingReason::Left | ClosingReason::Replaced)) => {
                "Q.850;cause=16;text=\"left\""
            }
            Self::Closed(None) => "SIP;cause=500;text=\"lost\"",
        })
    }
}

/// Says BYE; returns when it was answered, or never will be.
pub(super) async fn say(board: &Switchboard, dialog: &mut Dialog, flow: &Flow, reason: &'static str) {
    let headers = vec![Reason::new(reason).into()];
    let asked = ask(board, dialog, flow.clone(), Method::Bye, headers, Vec::new());
    // The transaction has the same bound, by a timer of the library's.
    let _ = timeout(board.ack_time_max, asked).await;
}

/// Sends a request within the call; the status that it was answered with, in the end.
pub(super) fn ask(
    board: &Switchboard,
    dialog: &mut Dialog,
    flow: Flow,
    method: Method,
    headers: Vec<Header>,
    body: Vec<u8>,
) -> impl Future<Output = Option<u16>> + Send + use<> {
    let via = board.endpoint.get_via(Some(board.told.address(flow.transport)), None);
    let request = via.map(|via| Request { body, ..dialog.request(method, via, headers) });
    let endpoint = Arc::clone(&board.endpoint);
    async move { Some(send(endpoint, &flow, request.ok()?).await?.status_code.code()) }
}

/// Sends a request, no INVITE; what it was answered in the end, 408 being the library's word for nothing at all.
pub(super) async fn send(endpoint: EndpointInnerRef, flow: &Flow, request: Request) -> Option<Response> {
    let key = TransactionKey::from_request(&request, TransactionRole::Client).ok()?;
    // A connection that is gone is not opened anew: whoever dials us may choose what we answer, not whom we dial.
    if !flow.is_open() {
        return None;
    }
    let mut transaction = Transaction::new_client(key, request, endpoint, Some(flow.connection.clone()));
    transaction.destination = Some(flow.peer());
    transaction.send().await.ok()?;
    while let Some(message) = transaction.receive().await {
        let SipMessage::Response(response) = message else { continue };
        if response.status_code.kind() != StatusCodeKind::Provisional {
            return Some(response);
        }
    }
    None
}
