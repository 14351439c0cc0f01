//! Which call a request is for, and what is answered outside of any.
//!
//! Flow: `intake` -> [`Switchboard::take`] -> the call's task, or an answer at once. Thread: the server's runtime, one task
//! for each request, so that one which fails fails alone. Bounds: `limits::SIP_CALLS_MAX`, [`INQUIRIES_MAX`] requests waiting for one
//! call.

use super::answer::Answer;
use super::bfcp::FloorPort;
use super::call;
use super::dialog::tag_of;
use super::flow::{Flow, Told};
use super::intake::Gate;
use super::outbound::{Answers, Outbound};
use super::pending::Pending;
use super::registrar;
use super::transfer::Transfer;
use crate::command::Command;
use crate::state::ApiState;
use mcu_core::id::ParticipantId;
use mcu_core::limits::SIP_CALLS_MAX;
use rsipstack::sip::{HeadersExt, Method, StatusCode};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::{Transaction, random_text};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Requests waiting for one call: a re-INVITE, and what is said meanwhile.
const INQUIRIES_MAX: usize = 8;
/// Letters and digits of our tags: 95 bits.
const TAG_CHARS: usize = 16;

/// A request within a call.
pub(super) struct Inquiry {
    /// To be answered.
    pub(super) transaction: Transaction,
    /// How it came.
    pub(super) flow: Flow,
}

/// What an operator sees of SIP. Counters since the start, and one gauge.
#[derive(Debug, Default)]
pub struct SipCounters {
    /// Calls that were answered.
    pub answered: AtomicU64,
    /// INVITEs that were refused, for whatever reason.
    pub refused: AtomicU64,
    /// Calls of the node's own that were answered.
    pub made: AtomicU64,
    /// Calls of the node's own that came to nothing.
    pub failed: AtomicU64,
    /// Messages that were dropped: malformed, over a limit, or one too many.
    pub dropped: AtomicU64,
    /// BFCP messages that were no call's, one too many, or for a device that does not read.
    pub floor_dropped: AtomicU64,
    /// Calls now, those that ring with them.
    pub calls: AtomicU64,
    /// REGISTERs that were refused, for whatever reason but that they proved nothing yet.
    pub registrations_refused: AtomicU64,
    /// Devices that are registered now.
    pub devices: AtomicU64,
    /// Trunks at which the node is registered now.
    pub trunks_registered: AtomicU64,
    /// REGISTERs of the node's that came to nothing.
    pub trunk_registrations_failed: AtomicU64,
}

/// What all calls share.
pub(crate) struct Switchboard {
    pub(super) state: ApiState,
    pub(super) endpoint: EndpointInnerRef,
    pub(super) told: Told,
    pub(super) gate: Gate,
    /// Where devices come for the floor, when they may.
    pub(super) floors: Option<Arc<FloorPort>>,
    pub(super) counters: Arc<SipCounters>,
    /// One for each call there may be.
    pub(super) places: Arc<Semaphore>,
    /// RFC 3261 §13.3.1.4: how long an ACK may take.
    pub(super) ack_time_max: Duration,
    /// Calls of the node's own.
    pub(super) outbound: Outbound,
    /// Who waits for answers to them.
    pub(super) answers: Answers,
    calls: Mutex<BTreeMap<String, mpsc::Sender<Inquiry>>>,
    /// Where the calls of those in meetings are told to be transferred.
    desks: Mutex<BTreeMap<ParticipantId, mpsc::Sender<Transfer>>>,
}

impl Switchboard {
    pub(super) fn new(
        state: ApiState,
        endpoint: EndpointInnerRef,
        told: Told,
        floors: Option<Arc<FloorPort>>,
        counters: Arc<SipCounters>,
        outbound: Outbound,
    ) -> Arc<Self> {
        // The transaction gives up first and says so; this is for the case that its timer is lost.
        let ack_time_max = endpoint.option.t1x64 + endpoint.option.t1 * 4;
        Arc::new(Self {
            state,
            endpoint,
            told,
            gate: Gate::default(),
            floors,
            counters,
            places: Arc::new(Semaphore::new(SIP_CALLS_MAX)),
            ack_time_max,
            outbound,
            answers: Answers::default(),
            calls: Mutex::default(),
            desks: Mutex::default(),
        })
    }

    /// Takes a new transaction.
    pub(super) fn take(self: &Arc<Self>, transaction: Transaction, flow: Flow) {
        let board = Arc::clone(self);
        tokio::spawn(async move { board.route(transaction, flow).await });
    }

    async fn route(self: Arc<Self>, transaction: Transaction, flow: Flow) {
        let request = &transaction.original;
        let method = request.method;
        // RFC 3261 §8.1.1.5.
        let told_method = request.cseq_header().and_then(|cseq| cseq.method());
        if told_method.ok() != Some(method) {
            return answer(transaction, Answer::malformed()).await;
        }
        if let Some(tag) = tag_of(request) {
            let call = self.calls().get(&tag).cloned();
            let Some(call) = call else { return answer(transaction, Answer::unknown_call()).await };
            // The call ended just now: the transaction comes back with the error.
            if let Err(gone) = call.send(Inquiry { transaction, flow }).await {
                answer(gone.0.transaction, Answer::unknown_call()).await;
            }
            return;
        }
        match method {
            Method::Invite => call::run(self, transaction, flow).await,
            Method::Options => {
                let ready = self.state.control.ask(|reply| Command::Ready { reply }).await;
                let said = ready.map_or_else(|error| Answer::from(&error), |()| Answer::capable());
                answer(transaction, said).await;
            }
            // Only within a call.
            Method::Bye
            | Method::Info
            | Method::Update
            | Method::PRack
            | Method::Ack
            | Method::Cancel
            | Method::Notify => answer(transaction, Answer::unknown_call()).await,
            // A host's word counts within its call: who says so from outside is nobody.
            Method::Refer => answer(transaction, Answer::new(StatusCode::Forbidden)).await,
            Method::Register if self.state.registrar.is_on() => {
                registrar::answer(&self, transaction, flow).await
            }
            Method::Message | Method::Publish | Method::Register | Method::Subscribe => {
                answer(transaction, Answer::not_allowed()).await
            }
        }
    }

    /// Opens a line for a call: requests that name `tag` come out of the other end until the line is dropped.
    pub(super) fn open_line(self: &Arc<Self>, tag: &str) -> (Line, mpsc::Receiver<Inquiry>) {
        let (to, inquiries) = mpsc::channel(INQUIRIES_MAX);
        self.calls().insert(tag.to_owned(), to);
        self.counters.calls.fetch_add(1, Ordering::Relaxed);
        (Line { board: Arc::clone(self), tag: tag.to_owned(), desk: None }, inquiries)
    }

    /// Where the call of a participant is told to be transferred; `None` when it has none by SIP.
    pub(super) fn desk(&self, participant: ParticipantId) -> Option<mpsc::Sender<Transfer>> {
        self.desks().get(&participant).cloned()
    }

    fn desks(&self) -> MutexGuard<'_, BTreeMap<ParticipantId, mpsc::Sender<Transfer>>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The map is whole after every step, so a panic elsewhere leaves nothing half done.
    fn calls(&self) -> MutexGuard<'_, BTreeMap<String, mpsc::Sender<Inquiry>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call's entry, which goes when it is dropped.
pub(super) struct Line {
    board: Arc<Switchboard>,
    tag: String,
    desk: Option<ParticipantId>,
}

impl Line {
    /// From here on it is this participant's call, and of nobody else.
    pub(super) fn belongs_to(&mut self, participant: ParticipantId) -> mpsc::Receiver<Transfer> {
        let (to, transfers) = mpsc::channel(1);
        let before = self.desk.replace(participant);
        let mut desks = self.board.desks();
        before.and_then(|before| desks.remove(&before));
        desks.insert(participant, to);
        transfers
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.board.calls().remove(&self.tag);
        if let Some(participant) = self.desk {
            self.board.desks().remove(&participant);
        }
        self.board.counters.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A tag that nobody guesses.
pub(super) fn new_tag() -> String {
    random_text(TAG_CHARS)
}

/// Answers any transaction for good.
pub(super) async fn answer(mut transaction: Transaction, answer: Answer) {
    if transaction.original.method == Method::Invite {
        // It waits for its ACK by itself.
        return Pending::begin(transaction, &new_tag()).respond(answer);
    }
    // RFC 3261 §17.2.2: what cannot be sent now cannot be sent at all.
    let Answer { status, headers, body } = answer;
    let _ = transaction.reply_with(status, headers, body).await;
}

/// A refusal that costs nothing to say: the node has no place for one more call.
pub(super) fn no_place() -> Answer {
    Answer::later(StatusCode::ServiceUnavailable, 5)
}
