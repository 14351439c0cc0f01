//! The node's registration at a trunk, kept for as long as the node runs: the task that asks, refreshes, comes back, and takes leave.
//!
//! ```text
//! a way there -> REGISTER -> 401, 407: once more with credentials
//!      ^            |     -> 423: once more, for longer
//!      |            +-> 2xx: registered, until shortly before its end      its connection lost: at once, by the next one
//!      +------------------- after a pause                                  the node goes: REGISTER for nought seconds
//! ```
//! Flow: [`keep`] -> `trunk` (the way) -> the library's transaction -> `registration` (what it means, when the next is due) -> [`Standing`], which the
//! API reads. Thread: the server's runtime, a task for each trunk with `register`. Bounds: one request at a time, [`REQUESTS_MAX`] with
//! its challenges, those of `registration` between two, [`LEAVE_TIME_MAX`] to take leave.
//!
//! It goes by the trunk's way and nowhere else. Which calls then come in by it is the trunk's business: they come as anybody's do.

use super::challenge;
use super::digest::Credentials;
use super::registration::{Outcome, SPACING, Schedule, least};
use super::trunk::Trunk;
use crate::sip::answer::allow;
use crate::sip::flow::{Flow, named};
use crate::sip::goodbye;
use crate::sip::switchboard::{SipCounters, Switchboard, new_tag};
use rsipstack::platform::CancellationToken;
use rsipstack::sip::{
    Auth, CSeq, Contact, Expires, Header, HostWithPort, MaxForwards, Method, Request, Response, Scheme, Uri,
    Version,
};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Sleep, sleep, timeout};

/// Requests of one attempt: two answers to challenges, a longer time, and two answers more.
const REQUESTS_MAX: usize = 6;
/// How long taking leave may take; where it takes longer, the registration ends by itself.
const LEAVE_TIME_MAX: Duration = Duration::from_secs(2);
/// How often a datagram keeps the way open through NAT (RFC 5626 §4.4.2).
const DATAGRAM_INTERVAL: Duration = Duration::from_secs(25);

/// That the node registers at a trunk.
#[derive(Debug, Clone)]
pub struct RegistrationOptions {
    /// For how long it asks.
    pub lasts: Duration,
    /// The user part of the address at which it wants to be called: what calls that come in by it dial.
    pub user: String,
}

/// How a registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Standing {
    /// Unix seconds at which it ends, unless it is refreshed; `None`: there is none.
    pub(super) until: Option<u64>,
    /// The status of the last answer; `None`: there was none.
    pub(super) status: Option<u16>,
}

/// Keeps a trunk's registration until it is `leaving`, and takes leave; returns at once where there is none to keep.
pub(super) async fn keep(trunk: &Trunk, board: &Arc<Switchboard>, leaving: &CancellationToken) {
    let (Some(options), Some(credentials)) = (&trunk.options().registration, &trunk.options().credentials)
    else {
        return;
    };
    let mut client = Client {
        board,
        trunk,
        options,
        credentials,
        call_id: new_tag(),
        seq: 0,
        asked: options.lasts,
        schedule: Schedule::default(),
        held: None,
    };
    tokio::select! {
        () = client.run() => {}
        () = leaving.cancelled() => client.leave().await,
    }
}

/// See the module.
struct Client<'a> {
    board: &'a Arc<Switchboard>,
    trunk: &'a Trunk,
    options: &'a RegistrationOptions,
    credentials: &'a Credentials,
    /// One for all requests (RFC 3261 §10.2).
    call_id: String,
    seq: u32,
    asked: Duration,
    schedule: Schedule,
    held: Option<Held>,
}

/// A registration that holds.
struct Held {
    by: Flow,
    ends: Pin<Box<Sleep>>,
    counters: Arc<SipCounters>,
}

impl Held {
    fn new(by: Flow, lasts: Duration, counters: &Arc<SipCounters>) -> Self {
        counters.trunks_registered.fetch_add(1, Ordering::Relaxed);
        Self { by, ends: Box::pin(sleep(lasts)), counters: Arc::clone(counters) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.counters.trunks_registered.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns once a registration holds no more; never, where there is none. Until then datagrams keep their way open.
async fn lost(held: &mut Option<Held>) {
    let Some(Held { by, ends, .. }) = held else { return std::future::pending().await };
    loop {
        tokio::select! {
            () = by.closed() => return,
            () = ends.as_mut() => return,
            () = sleep(DATAGRAM_INTERVAL) => by.ping().await,
        }
    }
}

impl Client<'_> {
    /// Until it is dropped.
    async fn run(&mut self) {
        let (due, spacing) = (sleep(Duration::ZERO), sleep(Duration::ZERO));
        tokio::pin!(due, spacing);
        loop {
            tokio::select! {
                () = due.as_mut() => {}
                () = lost(&mut self.held) => {
                    self.forget();
                    if self.schedule.is_failing() {
                        continue;
                    }
                }
            }
            spacing.as_mut().await;
            let flow = self.way().await;
            spacing.set(sleep(SPACING));
            let outcome = match &flow {
                Some(flow) => self.register(flow, self.asked).await,
                None => Outcome::UNHEARD,
            };
            due.set(sleep(self.take(flow, outcome)));
        }
    }

    /// The way there, once there is one; `None` where none can be had for now.
    async fn way(&mut self) -> Option<Flow> {
        loop {
            tokio::select! {
                flow = self.trunk.opened(self.board) => return flow,
                () = lost(&mut self.held) => self.forget(),
            }
        }
    }

    /// Writes down what became of a REGISTER; how long until the next.
    fn take(&mut self, flow: Option<Flow>, outcome: Outcome) -> Duration {
        let pause = self.schedule.next(outcome, rand::random());
        let name = &self.trunk.options().name;
        match (outcome, flow) {
            (Outcome::Granted(lasts), Some(flow)) => {
                if self.held.is_none() {
                    tracing::info!(trunk = name, lasts_s = lasts.as_secs(), "registered at a trunk");
                }
                self.held = Some(Held::new(flow, lasts, &self.board.counters));
                let until = self.board.state.clock.unix_s() + lasts.as_secs();
                self.trunk.stands(Standing { until: Some(until), status: Some(200) });
            }
            (Outcome::Granted(_), None) => {}
            (Outcome::Failed { status, .. }, _) => {
                self.board.counters.trunk_registrations_failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(trunk = name, ?status, pause_s = pause.as_secs(), "not registered at a trunk");
                self.trunk.stands(Standing { status, ..self.trunk.standing() });
            }
        }
        pause
    }

    /// A registration has ended before there was another.
    fn forget(&mut self) {
        self.held = None;
        self.trunk.stands(Standing { until: None, ..self.trunk.standing() });
        tracing::warn!(trunk = self.trunk.options().name, "a registration at a trunk is lost");
    }

    /// Says that calls are to come no more.
    async fn leave(&mut self) {
        let Some(held) = self.held.take() else { return };
        let told = timeout(LEAVE_TIME_MAX, self.register(&held.by, Duration::ZERO)).await;
        self.trunk.stands(Standing { until: None, ..self.trunk.standing() });
        if told.is_err() {
            tracing::warn!(
                trunk = self.trunk.options().name,
                "a registration at a trunk was not taken back in time"
            );
        }
    }

    /// Asks for a registration that `lasts` so long, answering what is asked in turn.
    async fn register(&mut self, flow: &Flow, lasts: Duration) -> Outcome {
        let Some((mut request, contact)) = self.request(flow, lasts) else { return Outcome::UNHEARD };
        let (mut lasts, mut challenges, mut is_longer) = (lasts, 0, false);
        for _ in 0..REQUESTS_MAX {
            let Some(response) = self.send(flow, request.clone()).await else { return Outcome::UNHEARD };
            let credentials = Some(self.credentials);
            let next = match (response.status_code.code(), least(&response, lasts)) {
                (401 | 407, _) => {
                    challenges += 1;
                    challenge::again(self.board, flow, credentials, (&request, &response), challenges - 1)
                }
                (423, Some(least)) if !is_longer => {
                    (self.asked, lasts, challenges, is_longer) = (least, least, 0, true);
                    self.request(flow, least).map(|(request, _)| request)
                }
                _ => None,
            };
            match next {
                Some(next) => request = next,
                None => return Outcome::of(&response, &contact, lasts),
            }
        }
        Outcome::UNHEARD
    }

    async fn send(&mut self, flow: &Flow, request: Request) -> Option<Response> {
        // Whatever is said next comes after it, be it said again with credentials.
        self.seq += 1;
        tokio::select! {
            response = goodbye::send(Arc::clone(&self.board.endpoint), flow, request) => response,
            () = flow.closed() => None,
        }
    }

    /// A REGISTER (RFC 3261 §10.2), and the address in it at which the node is to be called.
    fn request(&self, flow: &Flow, lasts: Duration) -> Option<(Request, Uri)> {
        let board = self.board;
        let host = HostWithPort { host: named(&self.trunk.options().domain), port: None };
        let target = Uri { scheme: Some(Scheme::Sip), host_with_port: host, ..Uri::default() };
        let auth = Auth { user: self.credentials.username.clone(), password: None };
        let of = Uri { auth: Some(auth), ..target.clone() };
        let contact = board.told.contact(&self.options.user, flow.transport, &target);
        let via = board.endpoint.get_via(Some(board.told.address(flow.transport)), None).ok()?;
        let headers = vec![
            Header::Via(via.into()),
            Header::From(format!("<{of}>;tag={}", new_tag()).into()),
            Header::To(format!("<{of}>").into()),
            Header::CallId(self.call_id.as_str().into()),
            CSeq::new(format!("{} {}", self.seq + 1, Method::Register)).into(),
            MaxForwards::new("70").into(),
            Contact::new(format!("<{contact}>")).into(),
            Expires::new(lasts.as_secs().to_string()).into(),
            allow(),
        ];
        let request = Request {
            method: Method::Register,
            uri: target,
            version: Version::V2,
            headers: headers.into(),
            body: Vec::new(),
        };
        Some((request, contact))
    }
}
