//! The registrar (RFC 3261 §10.3): devices of one's own say where they are, and prove by digest who they are.
//!
//! ```text
//! REGISTER ─ no nonce of ours that holds ──> 401, of which nothing is kept
//!     └─ a nonce that this address was sent ─> password ─ wrong, or no such user ──> 403, at one time
//!                                                └─ right ─> bindings ──> 200, and where calls to the device go
//! ```
//! Flow: `intake` -> `turn_away`, else `switchboard` -> `answer`; `Registrar::reach` for who calls a device; the API lists them.
//! Thread: the server's runtime; one lock, held for as long as a few hashes take. Bounds: those of `devices`, `bindings` and `guesses`;
//! whoever has not brought back a nonce costs an answer and no memory. What a device may do besides, it may not by this: it dials
//! as everybody does, with a PIN.

mod bindings;
pub mod devices;
pub(crate) mod digest;
pub(crate) mod fields;
mod guesses;
mod nonce;
mod registration;

pub use digest::Algorithm;
pub use registration::{EXPIRES_MIN, Terms};

use super::answer::Answer;
use super::dialog::written_once;
use super::flow::Flow;
use super::switchboard::{self, Switchboard, no_place};
use crate::auth::Tokens;
use crate::door::REFUSAL_TIME;
use crate::door::connections::Settled;
use crate::door::limiter::Source;
use crate::model::{SipBinding, SipDevice};
use crate::state::Clock;
use bindings::{Binding, Bindings};
use devices::{Devices, is_user};
use digest::Credentials;
use guesses::{Attempt, Guesses};
use mcu_core::conference::roster::DisplayName;
use mcu_core::time::Mono;
use nonce::Nonce;
use percent_encoding::percent_decode_str;
use registration::{Asked, Registration, Wish};
use rsipstack::sip::{Contact, Header, HeadersExt, Request, Require, StatusCode, Uri};
use rsipstack::transaction::Transaction;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// How often what has expired is forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// How a registrar is set up.
#[derive(Debug)]
pub struct RegistrarOptions {
    /// Who may register.
    pub devices: Devices,
    /// For how long.
    pub terms: Terms,
    /// By which digests, the one that is liked best first; each costs a header in every challenge.
    pub algorithms: &'static [Algorithm],
}

/// See the module.
pub struct Registrar {
    /// None: nobody registers here.
    options: Option<RegistrarOptions>,
    clock: Clock,
    /// Of nonces that were made.
    nonces: AtomicU64,
    desk: Mutex<Desk>,
}

/// What is remembered.
#[derive(Default)]
struct Desk {
    bindings: Bindings<Way>,
    guesses: Guesses,
    /// Of devices that have proved who they are, and of nobody else.
    proofs: BTreeMap<String, Proof>,
}

/// The newest proof of a device. Older nonces than its are taken no more: so none is taken twice, and one is enough to remember.
#[derive(Debug, Clone, Copy)]
struct Proof {
    nonce: Nonce,
    count: u32,
    from: Source,
}

/// Where calls to a device go: back where its REGISTER came from.
#[derive(Clone)]
struct Way {
    flow: Flow,
    /// Its connection is none of a stranger's for as long as this is held.
    _settled: Option<Arc<Settled>>,
}

/// A device that can be called.
pub(crate) struct Reached {
    /// The Request-URI (RFC 3261 §16.6): as the device wrote it.
    pub(crate) contact: Uri,
    /// Where it goes, whatever the address says.
    pub(crate) flow: Flow,
}

/// What is said to a REGISTER, and when.
enum Verdict {
    Now(Answer),
    /// At the time at which every refusal of this kind is said, whatever was wrong.
    InTime(Answer),
}

impl fmt::Debug for Registrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrar").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Registrar {
    /// With nobody registered.
    pub(crate) fn new(options: Option<RegistrarOptions>, clock: Clock) -> Self {
        Self { options, clock, nonces: AtomicU64::new(1), desk: Mutex::default() }
    }

    /// Whether anybody may register.
    pub(super) const fn is_on(&self) -> bool {
        self.options.is_some()
    }

    /// Where a device is: its newest address that can still be reached.
    pub(crate) fn reach(&self, user: &str) -> Option<Reached> {
        let now = self.clock.mono();
        let desk = self.desk();
        let binding = desk.bindings.of(user, now).find(|binding| binding.way.flow.is_open())?;
        let mut contact = written_once(Uri::try_from(binding.contact.as_str()).ok()?);
        contact.headers.clear();
        Some(Reached { contact, flow: binding.way.flow.clone() })
    }

    /// Every device, and where each is registered.
    pub(crate) fn list(&self) -> Vec<SipDevice> {
        let Some(options) = &self.options else { return Vec::new() };
        let now = self.clock.mono();
        let desk = self.desk();
        let device = |(user, name): (&str, Option<&DisplayName>)| SipDevice {
            user: user.to_owned(),
            name: name.map(|name| name.as_str().to_owned()),
            bindings: desk.bindings.of(user, now).map(|binding| shown(binding, now)).collect(),
        };
        options.devices.names().map(device).collect()
    }

    /// Forgets who came by a connection that is gone.
    pub(super) fn close(&self, flow: &Flow) {
        if flow.held.is_registered() {
            self.desk().bindings.close(|way| Arc::ptr_eq(&way.flow.held, &flow.held));
        }
    }

    /// Forgets what has expired; returns how many devices are registered.
    fn sweep(&self) -> usize {
        let mut desk = self.desk();
        desk.bindings.sweep(self.clock.mono());
        desk.bindings.devices()
    }

    /// What a request is answered that proves nothing; nothing is kept of it.
    fn turn_away(&self, tokens: &Tokens, request: &Request, from: IpAddr) -> Option<Answer> {
        let options = self.options.as_ref()?;
        let now = self.clock.mono();
        let credentials = options.credentials(request);
        let nonce = credentials.as_ref().map(|said| Nonce::read(tokens, said.nonce, from, now));
        let (Some(credentials), Some(Some(_))) = (&credentials, nonce) else {
            return Some(self.challenge(options, tokens, (from, now), credentials.is_some()));
        };
        let desk = self.desk();
        desk.guesses.wait(desk.attempt(credentials.username, from), now).map(too_many)
    }

    fn register(&self, tokens: &Tokens, request: &Request, flow: &Flow) -> Verdict {
        let Some(options) = &self.options else { return Verdict::Now(Answer::not_allowed()) };
        let (now, from) = (self.clock.mono(), flow.from.ip());
        let credentials = options.credentials(request);
        let read = |said: &Credentials<'_>| Nonce::read(tokens, said.nonce, from, now);
        let (Some(credentials), Some(nonce)) = (&credentials, credentials.as_ref().and_then(read)) else {
            return Verdict::Now(self.challenge(options, tokens, (from, now), credentials.is_some()));
        };
        let right = options.devices.prove(credentials, "REGISTER");
        let mut desk = self.desk();
        let attempt = desk.attempt(credentials.username, from);
        if let Some(wait) = desk.guesses.wait(attempt, now) {
            return Verdict::Now(too_many(wait));
        }
        if !right {
            desk.guesses.wrong(attempt, now);
            return Verdict::InTime(Answer::new(StatusCode::Forbidden));
        }
        let proof = Proof { nonce, count: credentials.count, from: attempt.from };
        match desk.proofs.get(credentials.username) {
            Some(last) if last.nonce == proof.nonce && last.count >= proof.count => {
                return Verdict::InTime(Answer::new(StatusCode::Forbidden));
            }
            // Two telephones of one user, and the other was faster: it is asked anew, and asks no person.
            Some(last) if last.nonce > proof.nonce => {
                return Verdict::Now(self.challenge(options, tokens, (from, now), true));
            }
            _ => {}
        }
        desk.proofs.insert(credentials.username.to_owned(), proof);
        let answer =
            desk.bind(credentials.username, request, options.terms, flow, (now, self.clock.unix_s()));
        Verdict::Now(answer.unwrap_or_else(|refusal| refusal))
    }

    /// 401, the same for every user, and without looking for one.
    fn challenge(
        &self,
        options: &RegistrarOptions,
        tokens: &Tokens,
        (from, now): (IpAddr, Mono),
        stale: bool,
    ) -> Answer {
        let nonce = nonce::make(tokens, from, now, self.nonces.fetch_add(1, Ordering::Relaxed));
        let realm = options.devices.realm();
        let challenges =
            options.algorithms.iter().map(|algorithm| digest::challenge(*algorithm, realm, &nonce, stale));
        Answer::new(StatusCode::Unauthorized).with_all(challenges)
    }

    /// Tables that are whole after every step, so a panic elsewhere leaves nothing half done.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RegistrarOptions {
    /// Those in a request, if they answer a challenge of ours.
    fn credentials<'a>(&self, request: &'a Request) -> Option<Credentials<'a>> {
        let found = Credentials::find(request.headers.iter(), self.devices.realm())?;
        self.algorithms.contains(&found.algorithm).then_some(found)
    }
}

impl Desk {
    fn attempt<'a>(&self, user: &'a str, from: IpAddr) -> Attempt<'a> {
        let from = Source::from(from);
        let at_home = self.proofs.get(user).is_some_and(|proof| proof.from == from);
        // What no device can be called is one name.
        Attempt { user: if is_user(user) { user } else { "" }, from, at_home }
    }

    /// Does what a device asks that has proved to be `user`.
    fn bind(
        &mut self,
        user: &str,
        request: &Request,
        terms: Terms,
        flow: &Flow,
        (now, unix_s): (Mono, u64),
    ) -> Result<Answer, Answer> {
        // RFC 3261 §10.3, 4: its own addresses, and nobody else's; the same whether there is somebody else.
        if registered_user(request).as_deref() != Some(user) {
            return Err(Answer::new(StatusCode::Forbidden));
        }
        let registration = Registration::read(request, terms)?;
        let wishes: &[Wish] = if let Asked::Each(wishes) = &registration.asked { wishes } else { &[] };
        let comes = wishes.iter().any(|wish| !wish.expires.is_zero());
        let settled = if comes { flow.held.settle().map_err(|()| no_place())? } else { None };
        let way = Way { flow: flow.clone(), _settled: settled.map(Arc::new) };
        let changed = self.bindings.change(user, &registration, &way, (now, unix_s));
        changed.map_err(|_| Answer::new(StatusCode::ServerInternalError))?;
        let mut answer = Answer::new(StatusCode::OK);
        for binding in self.bindings.of(user, now) {
            answer = answer.with(contact(binding, now));
        }
        let outbound = wishes.iter().any(|wish| wish.instance.is_some());
        // RFC 5626 §6: so that the device knows that its flow is what counts.
        Ok(if outbound { answer.with(Require::new("outbound")) } else { answer })
    }
}

/// The answer to a REGISTER that needs no more than itself (RFC 3261 §8.2.7); `None`: it is worth a transaction.
pub(super) fn turn_away(board: &Switchboard, request: &Request, flow: &Flow) -> Option<Answer> {
    let state = &board.state;
    let answer = state.registrar.turn_away(&state.tokens, request, flow.from.ip())?;
    count(board, &answer);
    Some(answer)
}

/// Answers a REGISTER.
pub(super) async fn answer(board: &Switchboard, transaction: Transaction, flow: Flow) {
    let said_at = sleep(REFUSAL_TIME);
    let state = &board.state;
    let verdict = state.registrar.register(&state.tokens, &transaction.original, &flow);
    let answer = match verdict {
        Verdict::Now(answer) => answer,
        Verdict::InTime(answer) => {
            said_at.await;
            answer
        }
    };
    count(board, &answer);
    switchboard::answer(transaction, answer).await;
}

/// Forgets what has expired, and shows how many there are, until the task is ended.
pub(super) async fn sweep(board: Arc<Switchboard>) {
    loop {
        sleep(SWEEP_INTERVAL).await;
        let devices = board.state.registrar.sweep();
        board.counters.devices.store(devices as u64, Ordering::Relaxed);
    }
}

fn count(board: &Switchboard, answer: &Answer) {
    if !matches!(answer.status, StatusCode::OK | StatusCode::Unauthorized) {
        board.counters.registrations_refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// Rounded up, so that an attempt after that time is not too early.
fn too_many(wait: Duration) -> Answer {
    Answer::later(StatusCode::TemporarilyUnavailable, wait.as_millis().div_ceil(1_000) as u64)
}

/// Whose addresses are to be changed.
fn registered_user(request: &Request) -> Option<String> {
    let auth = request.to_header().ok()?.uri().ok()?.auth?;
    percent_decode_str(&auth.user).decode_utf8().ok().map(|user| user.into_owned())
}

fn contact(binding: &Binding<Way>, now: Mono) -> Header {
    let seconds = binding.expires_in(now).as_millis().div_ceil(1_000);
    let instance = binding.instance.as_ref().map_or_else(String::new, |instance| {
        format!(";+sip.instance=\"{}\";reg-id={}", instance.id, instance.way)
    });
    Contact::new(format!("<{}>;expires={seconds}{instance}", binding.contact)).into()
}

fn shown(binding: &Binding<Way>, now: Mono) -> SipBinding {
    SipBinding {
        transport: binding.way.flow.transport.to_string().to_ascii_lowercase(),
        since: binding.since_unix_s,
        expires_s: binding.expires_in(now).as_secs(),
        user_agent: binding.agent.clone(),
    }
}
