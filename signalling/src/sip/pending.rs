//! An INVITE on its way to an answer: 100 at once, then whatever the call says, and what comes meanwhile.
//!
//! Flow: `call` -> [`Pending::respond`] -> the library's transaction -> caller; CANCEL and ACK -> [`Pending::news`] -> `call`.
//! Thread: the server's runtime, one task for each INVITE until its transaction is over, since a transaction that is not listened
//! to neither repeats its answer nor takes an ACK. Bound: [`NEWS_MAX`] waiting; `limits::SIP_TRANSACTIONS_MAX` of all.
//! Dropped unanswered, it answers 487: no caller waits for what will not come.

use super::answer::Answer;
use super::invitation::offered;
use rsipstack::sip::{Header, HeadersExt, Method, Request, SipMessage, StatusCode, StatusCodeKind};
use rsipstack::transaction::Transaction;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::transaction::{TransactionEvent, TransactionEventSender};
use tokio::sync::mpsc;

/// One of each kind, and one to spare.
const NEWS_MAX: usize = 4;

/// What happens to an INVITE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// The caller has hung up before it was answered; the library has answered the CANCEL itself.
    Cancelled,
    /// The caller has our answer; with what it says to an offer of ours, if that is SDP.
    Acknowledged(Option<String>),
    /// Nothing more will come (RFC 3261 §17.2.1 timers H and L): without an ACK before, the answer never arrived.
    Over,
}

/// See the module.
pub(super) struct Pending {
    request: Request,
    endpoint: EndpointInnerRef,
    to: TransactionEventSender,
    news: mpsc::Receiver<News>,
    answered: bool,
}

impl Pending {
    /// Takes a transaction over. `tag` becomes that of `To` in every answer but the 100, unless there is one.
    pub(super) fn begin(transaction: Transaction, tag: &str) -> Self {
        let mut request = transaction.original.clone();
        if let Ok(to) = request.to_header().cloned()
            && to.tag().is_ok_and(|tag| tag.is_none())
        {
            request.headers.unique_push(to.with_tag(tag.into()).into());
        }
        let endpoint = transaction.endpoint_inner.clone();
        let to = transaction.tu_sender.clone();
        let (tell, news) = mpsc::channel(NEWS_MAX);
        tokio::spawn(drive(transaction, tell));
        Self { request, endpoint, to, news, answered: false }
    }

    /// The request, its `To` with our tag.
    pub(super) const fn request(&self) -> &Request {
        &self.request
    }

    /// Answers; a second final answer is not sent.
    pub(super) fn respond(&mut self, answer: Answer) {
        if self.answered {
            return;
        }
        self.answered = answer.status.kind() != StatusCodeKind::Provisional;
        let Answer { status, headers, body } = answer;
        let forms_dialog = status.kind() == StatusCodeKind::Successful;
        let mut response = self.endpoint.make_response(&self.request, status, body);
        if forms_dialog {
            // RFC 3261 §12.1.1: the caller builds its route from these.
            let routes =
                self.request.headers.iter().filter(|header| matches!(header, Header::RecordRoute(_)));
            response.headers.extend(routes.cloned().collect());
        }
        response.headers.extend(headers);
        // Fails when the transaction is over, which `news` tells.
        let _ = self.to.send(TransactionEvent::Respond(response));
    }

    /// What happens next; [`News::Over`] again and again once it is.
    pub(super) async fn news(&mut self) -> News {
        self.news.recv().await.unwrap_or(News::Over)
    }

    /// Returns when nobody waits for the answer any more.
    pub(super) async fn given_up(&mut self) {
        while matches!(self.news().await, News::Acknowledged(_)) {}
    }

    /// What the ACK says to an offer of ours; `None` when there is no ACK.
    pub(super) async fn acknowledged(&mut self) -> Option<Option<String>> {
        loop {
            match self.news().await {
                News::Acknowledged(sdp) => return Some(sdp),
                News::Cancelled => {}
                News::Over => return None,
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.respond(Answer::new(StatusCode::RequestTerminated));
    }
}

async fn drive(mut transaction: Transaction, tell: mpsc::Sender<News>) {
    // Fails only when the caller's connection is gone, and so is the INVITE then.
    let _ = transaction.send_trying().await;
    while let Some(message) = transaction.receive().await {
        let SipMessage::Request(request) = message else { continue };
        let news = match request.method {
            Method::Cancel => News::Cancelled,
            Method::Ack => News::Acknowledged(offered(&request).ok().flatten()),
            _ => continue,
        };
        // Repeated ones find it full, and say nothing new. Nobody listens once the call is over.
        let _ = tell.try_send(news);
    }
}
