//! An INVITE of ours, from its sending to a 2xx, or to why there is none.
//!
//! ```text
//! INVITE -> 100 -> 180, 183 -> 2xx                              (ACK, by `coming_in`)
//!    |        |        +-> 3xx-6xx: why it came to nothing      (ACK, by the library)
//!    |        +-> called off, or rung too long: CANCEL -> 487, or a 2xx that came first
//!    +-> 401, 407: once more with credentials
//! ```
//! Flow: `coming_in` -> [`Dialling::ring`] -> `coming_in`. Thread: the call's own task, and one for each transaction. Bounds: the time that it may
//! ring, and 64*T1 to end after that; two challenges. What a 3xx points to is not called, and what comes before the answer (early media) is
//! not listened to: neither is anything that the operator has said may be.

use super::answers::Ear;
use super::book::{Failure, Page, Progress, Reason};
use super::challenge;
use super::way::Way;
use crate::sip::flow::Flow;
use crate::sip::switchboard::Switchboard;
use rsipstack::sip::{CSeq, Header, HeadersExt, Method, Request, Response, SipMessage, StatusCodeKind};
use rsipstack::transaction::Transaction;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

/// Answers of one transaction waiting to be looked at.
const HEARD_MAX: usize = 8;
/// How long after its connection has closed something is waited for that came before: who says no and hangs up has said no.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What an INVITE needs on its way.
pub(super) struct Dialling<'a> {
    pub(super) board: &'a Arc<Switchboard>,
    pub(super) flow: &'a Flow,
    pub(super) way: &'a Way,
    pub(super) page: &'a Page,
}

/// What became of it.
pub(super) enum Outcome {
    /// A 2xx.
    Answered(Response),
    /// None, or one that came too late.
    Failed(Failure, Option<Response>),
    /// A 401 or 407.
    Challenged(Response),
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure, None)
    }
}

impl From<Reason> for Outcome {
    fn from(reason: Reason) -> Self {
        Failure::from(reason).into()
    }
}

impl Dialling<'_> {
    /// Until it is answered, or will not be. `invite` becomes what was said last.
    pub(super) async fn ring(&self, invite: &mut Request, ear: &mut Ear, longest: Duration) -> Outcome {
        let ringing = sleep(longest);
        tokio::pin!(ringing);
        let mut challenges = 0;
        loop {
            let outcome = self.attempt(invite, ear, ringing.as_mut()).await;
            let Outcome::Challenged(challenged) = outcome else { return outcome };
            let credentials = self.way.credentials();
            match challenge::again(self.board, self.flow, credentials, (invite, &challenged), challenges) {
                Some(next) => *invite = next,
                None => return Failure::answered(challenged.status_code.code()).into(),
            }
            challenges += 1;
        }
    }

    async fn attempt(&self, invite: &Request, ear: &mut Ear, mut ringing: Pin<&mut Sleep>) -> Outcome {
        let Some(mut responses) = self.send(invite.clone()) else { return Reason::Unreachable.into() };
        let mut ending: Option<Failure> = None;
        let (mut heard_of, mut cancelled, mut answered, mut lost) = (false, false, false, false);
        let patience = sleep(self.board.ack_time_max);
        tokio::pin!(patience);
        loop {
            // RFC 3261 §9.1: no CANCEL before the INVITE has been heard of.
            if ending.is_some() && heard_of && !cancelled {
                self.cancel(invite);
                cancelled = true;
            }
            let over = tokio::select! {
                response = ear.next() => {
                    return match ending {
                        None => Outcome::Answered(response),
                        Some(failure) => Outcome::Failed(failure, Some(response)),
                    };
                }
                response = responses.recv(), if !answered => {
                    let Some(response) = response else { return Reason::Unreachable.into() };
                    let status = response.status_code.code();
                    match response.status_code.kind() {
                        StatusCodeKind::Provisional => {
                            heard_of = true;
                            if status > 100 && ending.is_none() {
                                self.page.write(Progress::Ringing);
                            }
                        }
                        // The ear has it, or is about to.
                        StatusCodeKind::Successful => answered = true,
                        _ if matches!(status, 401 | 407) && ending.is_none() => {
                            return Outcome::Challenged(response);
                        }
                        // The library's word for that nothing was heard at all.
                        _ if status == 408 && !heard_of => return Reason::Unreachable.into(),
                        _ => return ending.unwrap_or_else(|| Failure::answered(status)).into(),
                    }
                    continue;
                }
                () = self.page.called_off(), if ending.is_none() => Reason::Cancelled,
                () = ringing.as_mut(), if ending.is_none() => Reason::NoAnswer,
                () = self.flow.closed(), if !lost => {
                    lost = true;
                    patience.set(sleep(LAST_WORDS));
                    continue;
                }
                () = &mut patience, if lost || ending.is_some() => {
                    let unsaid = if lost { Reason::Unreachable } else { Reason::NoAnswer };
                    return ending.unwrap_or_else(|| unsaid.into()).into();
                }
            };
            ending = Some(over.into());
            patience.set(sleep(if lost { LAST_WORDS } else { self.board.ack_time_max }));
        }
    }

    /// Sends a request; what is heard of it, to its last answer.
    fn send(&self, request: Request) -> Option<mpsc::Receiver<Response>> {
        let key = TransactionKey::from_request(&request, TransactionRole::Client).ok()?;
        let (endpoint, connection) = (Arc::clone(&self.board.endpoint), self.flow.connection.clone());
        let mut transaction = Transaction::new_client(key, request, endpoint, Some(connection));
        transaction.destination = Some(self.flow.peer());
        let (tell, heard) = mpsc::channel(HEARD_MAX);
        tokio::spawn(async move {
            if transaction.send().await.is_err() {
                return;
            }
            while let Some(message) = transaction.receive().await {
                let SipMessage::Response(response) = message else { continue };
                let last = response.status_code.kind() != StatusCodeKind::Provisional;
                if tell.send(response).await.is_err() || last {
                    return;
                }
            }
        });
        Some(heard)
    }

    /// RFC 3261 §9.1: of the INVITE, all that names it.
    fn cancel(&self, invite: &Request) {
        let Ok(seq) = invite.cseq_header().and_then(CSeq::seq) else { return };
        let names = |header: &&Header| {
            matches!(
                header,
                Header::Via(_) | Header::From(_) | Header::To(_) | Header::CallId(_) | Header::MaxForwards(_)
            )
        };
        let mut headers: Vec<Header> = invite.headers.iter().filter(names).cloned().collect();
        headers.push(CSeq::new(format!("{seq} {}", Method::Cancel)).into());
        let cancel =
            Request { method: Method::Cancel, headers: headers.into(), body: Vec::new(), ..invite.clone() };
        // What is said to it says nothing of the INVITE.
        drop(self.send(cancel));
    }
}
