//! The 2xx to INVITEs of ours: for whoever called, each of them and each time it is said (RFC 3261 §13.2.2.4), not for a transaction.
//!
//! Flow: `intake` -> [`Answers::take`] -> [`Ear`] -> `dialling` for the first, [`Ear::attend`] for those that come after it. Thread: any; one
//! short lock. Bounds: one ear for each call, [`HEARD_MAX`] waiting (what finds no place is said again), [`FORKS_MAX`] others that are ended.
//!
//! The library would acknowledge a 2xx by itself, wherever its Contact points, and open a connection for that: this is turned off.

use super::super::dialog::Dialog;
use super::super::flow::Flow;
use super::super::goodbye;
use super::super::switchboard::Switchboard;
use rsipstack::sip::{ContentLength, Header, HeadersExt, Request, Response};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// 2xx of one call waiting to be looked at.
const HEARD_MAX: usize = 8;
/// Others that answer the same call and are told that it has been answered.
const FORKS_MAX: usize = 8;
/// For whoever answered too late (RFC 3326).
const ELSEWHERE: &str = "SIP;cause=200;text=\"answered elsewhere\"";
/// For whoever answered what had been called off.
const CALLED_OFF: &str = "SIP;cause=487;text=\"called off\"";

/// Who waits for the 2xx of which call, by our tag.
#[derive(Clone, Default)]
pub(in crate::sip) struct Answers {
    ears: Arc<Mutex<BTreeMap<String, mpsc::Sender<Response>>>>,
}

impl Answers {
    /// Gives a 2xx to whoever waits for it; whether anybody does.
    pub(in crate::sip) fn take(&self, response: &Response) -> bool {
        let tag = response.from_header().and_then(|from| from.tag()).ok().flatten();
        let ear = tag.and_then(|tag| self.ears().get(tag.value()).cloned());
        // A full ear hears it again: who answers repeats it until it is acknowledged.
        ear.is_some_and(|ear| ear.try_send(response.clone()).is_ok())
    }

    /// Listens for the 2xx to INVITEs with this tag of ours.
    pub(super) fn listen(&self, tag: &str) -> Ear {
        let (to, heard) = mpsc::channel(HEARD_MAX);
        self.ears().insert(tag.to_owned(), to);
        Ear { of: self.clone(), tag: tag.to_owned(), heard }
    }

    fn ears(&self) -> MutexGuard<'_, BTreeMap<String, mpsc::Sender<Response>>> {
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears until it is dropped.
pub(super) struct Ear {
    of: Answers,
    tag: String,
    heard: mpsc::Receiver<Response>,
}

impl Ear {
    /// The next 2xx.
    pub(super) async fn next(&mut self) -> Response {
        match self.heard.recv().await {
            Some(response) => response,
            // Its other end is in the map as long as this one is.
            None => std::future::pending().await,
        }
    }

    /// Sees to every 2xx that still comes, and to a `first` that came, for as long as one may (64*T1): of the call that is `kept`, acknowledged again; of any other,
    /// acknowledged and ended.
    pub(super) async fn attend(
        mut self,
        board: Arc<Switchboard>,
        flow: Flow,
        invite: Request,
        kept: Option<Dialog>,
        mut first: Option<Response>,
    ) {
        let reason = if kept.is_some() { ELSEWHERE } else { CALLED_OFF };
        let mut others: Vec<Dialog> = Vec::new();
        let over = sleep(board.ack_time_max);
        tokio::pin!(over);
        loop {
            let response = match first.take() {
                Some(response) => response,
                None => tokio::select! {
                    response = self.next() => response,
                    () = &mut over => return,
                },
            };
            let Some(mut dialog) = Dialog::answered(&invite, &response) else { continue };
            acknowledge(&board, &flow, &dialog, &invite).await;
            let known = kept.iter().chain(&others).any(|other| other.is_with(&dialog));
            if known || others.len() == FORKS_MAX {
                continue;
            }
            others.push(dialog.clone());
            let (board, flow) = (Arc::clone(&board), flow.clone());
            tokio::spawn(async move { goodbye::say(&board, &mut dialog, &flow, reason).await });
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.of.ears().remove(&self.tag);
    }
}

/// Says ACK to a 2xx, with the credentials that the INVITE had (RFC 3261 §13.2.2.4).
pub(super) async fn acknowledge(board: &Switchboard, flow: &Flow, dialog: &Dialog, invite: &Request) {
    let Ok(via) = board.endpoint.get_via(Some(board.told.address(flow.transport)), None) else { return };
    let own = |header: &&Header| matches!(header, Header::Authorization(_) | Header::ProxyAuthorization(_));
    let mut headers: Vec<Header> = invite.headers.iter().filter(own).cloned().collect();
    headers.push(ContentLength::from(0_u32).into());
    // One that is lost is asked for by the 2xx said again.
    let _ = flow.connection.send(dialog.ack(via, headers).into(), Some(&flow.peer())).await;
}
