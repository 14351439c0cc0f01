//! One call by SIP (RFC 3261): a room system or a telephone, as any server sees it.
//!
//! Flow: `ring` -> `Call::connect`, `Call::invite` -> the server; what it asks within the call is answered here, its BYE -> `life`. Media are
//! `media`'s. Thread: the bot's task and small ones of the call's own, which end with it. Bounds: `ANSWER_TIME_MAX`, `GOODBYE_TIME_MAX`,
//! `REQUESTS_MAX`; those of `connection`.
//!
//! The library's parser and transactions serve here; its dialogs do not: they look names up and connect to wherever `Contact` points. Everything
//! leaves by the way that the INVITE took. Its logs quote whole messages, PINs with them: `main` turns them off.

pub mod address;
mod connection;
mod dialog;
mod line;
mod media;
mod rtcp;
mod sdp;

pub use address::{Carrier, NoSipAddress, SipAddress};
pub use connection::Credentials;
pub(super) use media::CallMedia;
pub(super) use sdp::{Answer, Offer};

use connection::Connection;
use dialog::{ALLOWED, Dialog};
use rsipstack::EndpointBuilder;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::{
    Allow, Contact, ContentType, Header, Method, Request, Response, SipMessage, StatusCode, StatusCodeKind,
};
use rsipstack::transaction::Transaction;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transport::transport_layer::{DomainResolver, TransportLayer};
use rsipstack::transport::{SipAddr, SipConnection};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The longest that a server may take to answer an INVITE: nobody is to be rung up.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);
/// The longest to wait for the answer to a BYE, and for what follows a CANCEL.
const GOODBYE_TIME_MAX: Duration = Duration::from_secs(2);
/// How long an answer may take from the connection to whoever waits for it.
const LINGER_TIME: Duration = Duration::from_millis(100);
/// Requests of the server that wait for us.
const REQUESTS_MAX: usize = 16;
/// Responses of one transaction that wait for us.
const RESPONSES_MAX: usize = 8;

/// The way to a SIP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Where, and perhaps whom to call.
    pub address: SipAddress,
    /// For TLS.
    pub credentials: Credentials,
}

impl Exchange {
    /// Connects, and hangs up without a word; by datagrams nothing is asked.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn knock(&self) -> Result<(), CallError> {
        Connection::open(&self.address, &self.credentials).await.map(drop)
    }
}

/// Why there is no call, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody there, or no TLS.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, std::io::Error),
    /// Of TLS, something is missing or wrong.
    #[error("TLS for SIP: {0}")]
    Credentials(&'static str),
    /// A final answer that is no 2xx.
    #[error("the server said {status}{}", meaning.map(|meaning| format!(" ({meaning})")).unwrap_or_default())]
    Refused {
        /// RFC 3261 §21.
        status: u16,
        /// The same for reports.
        code: String,
        /// What it means, of those that are met most often.
        meaning: Option<&'static str>,
    },
    /// No final answer in time.
    #[error("the server did not answer the INVITE within {ANSWER_TIME_MAX:?}")]
    NoAnswer,
    /// An answer of which no session comes.
    #[error("the answer to the INVITE: {0}")]
    Answer(&'static str),
    /// The SIP library would not.
    #[error("the SIP library failed at {0}")]
    Library(&'static str),
    /// The connection went before there was an answer.
    #[error(
        "the server has closed the connection instead of answering: it may want a certificate (--sip-cert)"
    )]
    Closed,
    /// The connection has gone.
    #[error("the server has closed the connection of the call")]
    Lost,
}

impl CallError {
    fn refused(response: &Response) -> Self {
        let status = response.status_code.code();
        let meaning = match status {
            401 | 407 => Some("it asks for a password, which is not built"),
            403 => Some("forbidden: no such room, or a wrong PIN"),
            404 => Some("nobody of that name"),
            408 => Some("no answer in time"),
            480 => Some("not now: too many calls or attempts from here"),
            486 | 600 => Some("busy, or full"),
            488 | 606 => Some("nothing of what was offered is taken; without TLS, media in the clear"),
            503 => Some("the server is full, busy or shutting down"),
            603 => Some("declined: the meeting is locked"),
            _ => None,
        };
        Self::Refused { status, code: format!("sip-{status}"), meaning }
    }

    /// The stable code of a refusal: `sip-403`.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

/// A call, from the connection on.
pub(super) struct Call {
    endpoint: EndpointInnerRef,
    flow: SipConnection,
    peer: SipAddr,
    dialog: Dialog,
    requests: mpsc::Receiver<Request>,
    /// What was agreed, to be said again.
    agreed: Option<(Offer, Answer)>,
    is_secure: bool,
    local: IpAddr,
    /// Transactions, the library's timers and the connection; over when this is dropped.
    work: JoinSet<()>,
    /// The answer to the server's BYE.
    farewell: JoinSet<()>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("is_secure", &self.is_secure).finish_non_exhaustive()
    }
}

impl Call {
    /// Connects to the server of `address`, to call it under `name`.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn connect(
        address: &SipAddress,
        credentials: &Credentials,
        name: &str,
    ) -> Result<Self, CallError> {
        let connection = Connection::open(address, credentials).await?;
        let stack = CancellationToken::new();
        let layer = TransportLayer::new_with_domain_resolver(stack.clone(), Box::new(NoNames));
        let endpoint = EndpointBuilder::new()
            .with_user_agent("mcu-load")
            .with_transport_layer(layer)
            .with_cancel_token(stack)
            .build();
        let inner = Arc::clone(&endpoint.inner);
        let mut work = JoinSet::new();
        // Its timers; no message passes there.
        work.spawn(async move { endpoint.serve().await });
        let (flow, peer, local) = (connection.flow.clone(), connection.peer.clone(), connection.local);
        let (tell, requests) = mpsc::channel(REQUESTS_MAX);
        work.spawn(dispatch(connection, Arc::clone(&inner), tell));
        Ok(Self {
            endpoint: inner,
            flow,
            peer,
            dialog: Dialog::begin(address, name, local),
            requests,
            agreed: None,
            is_secure: address.carrier() == Carrier::Tls,
            local: local.ip(),
            work,
            farewell: JoinSet::new(),
        })
    }

    /// Our address on the way to the server.
    pub(super) const fn local_ip(&self) -> IpAddr {
        self.local
    }

    /// Whether keys in SDP are secret.
    pub(super) const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Calls with an offer; what was answered. The 200 is acknowledged by then.
    ///
    /// # Errors
    /// [`CallError`]; there is no call then.
    pub(super) async fn invite(&mut self, offer: Offer) -> Result<Answer, CallError> {
        let request = self.dialog.request("INVITE", Some(&offer.text()))?;
        let mut responses = self.ask(request).await?;
        let answered = tokio::select! {
            biased;
            answered = timeout(ANSWER_TIME_MAX, last(&mut responses)) => answered.map_err(|_| CallError::NoAnswer),
            // What came just before the connection went is on its way here.
            _ = self.ended() => Ok(timeout(LINGER_TIME, last(&mut responses)).await.unwrap_or_default()),
        };
        let response = match answered {
            Ok(response) => response.ok_or(CallError::Closed)?,
            Err(error) => {
                self.cancel(&mut responses).await;
                return Err(error);
            }
        };
        if response.status_code.kind() != StatusCodeKind::Successful {
            return Err(CallError::refused(&response));
        }
        self.dialog.answered(&response)?;
        let answer = match std::str::from_utf8(&response.body) {
            Ok(text) => Answer::parse(text, &offer),
            Err(_) => Err(CallError::Answer("not SDP")),
        };
        match answer {
            Ok(answer) => {
                self.agreed = Some((offer, answer.clone()));
                Ok(answer)
            }
            // There is a call, of which nothing can come.
            Err(error) => {
                self.say_goodbye().await;
                Err(error)
            }
        }
    }

    async fn cancel(&self, responses: &mut mpsc::Receiver<Response>) {
        if let Ok(cancel) = self.dialog.cancel() {
            // Best effort: the server gives up by itself as well. Its 487 is acknowledged by the transaction.
            let _ = self.flow.send(cancel.into(), Some(&self.peer)).await;
            let _ = timeout(GOODBYE_TIME_MAX, last(responses)).await;
        }
    }

    /// Sends a request; its responses come until its transaction is over.
    async fn ask(&mut self, request: Request) -> Result<mpsc::Receiver<Response>, CallError> {
        let failed = CallError::Library("a transaction");
        let Ok(key) = TransactionKey::from_request(&request, TransactionRole::Client) else {
            return Err(failed);
        };
        let (endpoint, flow) = (Arc::clone(&self.endpoint), self.flow.clone());
        let mut transaction = Transaction::new_client(key, request, endpoint, Some(flow));
        transaction.destination = Some(self.peer.clone());
        transaction.send().await.map_err(|_| CallError::Lost)?;
        let (tell, responses) = mpsc::channel(RESPONSES_MAX);
        // Listened to until its end: a 200 that comes again is acknowledged again.
        self.work.spawn(async move {
            while let Some(message) = transaction.receive().await {
                if let SipMessage::Response(response) = message {
                    // Nobody may want it any more.
                    let _ = tell.send(response).await;
                }
            }
        });
        Ok(responses)
    }

    /// Waits until the server ends the call; why it says it does. What else it asks meanwhile is answered. Cancel safe.
    ///
    /// # Errors
    /// [`CallError::Lost`] when its connection has gone.
    pub(super) async fn ended(&mut self) -> Result<String, CallError> {
        loop {
            let request = self.requests.recv().await.ok_or(CallError::Lost)?;
            let goodbye = (request.method == Method::Bye).then(|| reason(&request));
            let is_of_call = self.dialog.admits(&request);
            let (status, headers, body) = self.answer_to(&request, is_of_call);
            let Ok(key) = TransactionKey::from_request(&request, TransactionRole::Server) else { continue };
            let (endpoint, flow) = (Arc::clone(&self.endpoint), self.flow.clone());
            let mut transaction = Transaction::new_server(key, request, endpoint, Some(flow));
            transaction.destination = Some(self.peer.clone());
            let answering = async move {
                let _ = transaction.reply_with(status, headers, body).await;
                // The ACK, and whatever comes again, finds it as long as it is listened to.
                while transaction.receive().await.is_some() {}
            };
            if let Some(reason) = goodbye.filter(|_| is_of_call) {
                self.agreed = None;
                self.farewell.spawn(answering);
                return Ok(reason);
            }
            self.work.spawn(answering);
        }
    }

    fn answer_to(&self, request: &Request, is_of_call: bool) -> (StatusCode, Vec<Header>, Option<Vec<u8>>) {
        let allow = || Allow::new(ALLOWED).into();
        match request.method {
            Method::Options => (StatusCode::OK, vec![allow()], None),
            _ if !is_of_call => (StatusCode::CallTransactionDoesNotExist, Vec::new(), None),
            Method::Bye => (StatusCode::OK, Vec::new(), None),
            Method::Update if request.body.is_empty() => (StatusCode::OK, vec![self.contact()], None),
            Method::Invite | Method::Update => match self.session_again(&request.body) {
                Some(sdp) => {
                    let headers = vec![self.contact(), ContentType::new("application/sdp").into()];
                    (StatusCode::OK, headers, Some(sdp.into_bytes()))
                }
                None => (StatusCode::NotAcceptableHere, Vec::new(), None),
            },
            _ => (StatusCode::MethodNotAllowed, vec![allow()], None),
        }
    }

    fn contact(&self) -> Header {
        Contact::new(self.dialog.contact()).into()
    }

    /// Our side of the session that stands, where `body` asks for it or offers the same again. Another one is refused, and this one stays
    /// (RFC 3261 §14.1).
    fn session_again(&self, body: &[u8]) -> Option<String> {
        let (offer, answer) = self.agreed.as_ref()?;
        let is_same = || {
            let text = std::str::from_utf8(body).ok()?;
            Some(Answer::parse(text, offer).ok()? == *answer)
        };
        (body.is_empty() || is_same() == Some(true)).then(|| offer.text())
    }

    /// Hangs up, if there is a call; if the server did, it is answered first.
    pub(super) async fn hang_up(&mut self) {
        if self.agreed.take().is_some() {
            self.say_goodbye().await;
        }
        let answered = async { while self.farewell.join_next().await.is_some() {} };
        let _ = timeout(GOODBYE_TIME_MAX, answered).await;
    }

    async fn say_goodbye(&mut self) {
        let Ok(bye) = self.dialog.request("BYE", None) else { return };
        if let Ok(mut responses) = self.ask(bye).await {
            // A server that has gone answers nobody.
            let _ = timeout(GOODBYE_TIME_MAX, last(&mut responses)).await;
        }
    }
}

/// The final response of a transaction; `None` when it ended without one.
async fn last(responses: &mut mpsc::Receiver<Response>) -> Option<Response> {
    loop {
        let response = responses.recv().await?;
        if response.status_code.kind() != StatusCodeKind::Provisional {
            return Some(response);
        }
    }
}

/// Why a BYE comes, as far as it says (RFC 3326).
fn reason(bye: &Request) -> String {
    let told = bye.headers.iter().find_map(|header| match header {
        Header::Reason(reason) => Some(reason.value().to_owned()),
        _ => None,
    });
    told.unwrap_or_else(|| "bye".to_owned())
}

/// Brings what came to the transaction that waits for it, and new requests to the call.
async fn dispatch(mut connection: Connection, endpoint: EndpointInnerRef, tell: mpsc::Sender<Request>) {
    while let Some(message) = connection.messages.recv().await {
        let request = match message {
            SipMessage::Request(request) if !is_expected(&request, &endpoint) => request,
            message => {
                // What nobody waits for is nobody's.
                let (flow, peer) = (connection.flow.clone(), &connection.peer);
                let _ = endpoint.on_received_message(message, flow, peer).await;
                continue;
            }
        };
        // One too many comes again, or was not worth it.
        let _ = tell.try_send(request);
    }
}

/// Whether a transaction waits for a request, or had it already.
fn is_expected(request: &Request, endpoint: &EndpointInnerRef) -> bool {
    if matches!(request.method, Method::Ack | Method::Cancel) {
        return true;
    }
    let key = TransactionKey::from_request(request, TransactionRole::Server);
    key.is_ok_and(|key| {
        endpoint.transactions.contains_key(&key) || endpoint.finished_transactions.contains_key(&key)
    })
}

/// The library asks for the addresses of names in headers: here they have none, as everything goes to the server that was named.
struct NoNames;

#[async_trait::async_trait]
impl DomainResolver for NoNames {
    async fn resolve(&self, target: &SipAddr) -> rsipstack::Result<SipAddr> {
        Err(rsipstack::Error::DnsResolutionError(target.addr.to_string()))
    }
}

#[cfg(test)]
mod tests;
