//! Calls that the node makes: what may be called, by which way, and what becomes of each.
//!
//! Flow: API, REFER -> [`call`] -> `callee` (may it be called?) -> `way` (a trunk, a registered device) -> `dialling` (INVITE to 2xx) -> `coming_in` (the
//! meeting) -> `sip::call`, which does not know any more who called whom. Thread: the server's runtime, a task for each call and trunk.
//! Bounds: [`Rules`], `limits::SIP_CALLS_OUT_MAX`, `limits::SIP_TRUNKS_MAX`, and a place of `limits::SIP_CALLS_MAX` for each call.
//!
//! **Where a request goes is the operator's word alone**: a trunk of the configuration, or where a device of its own registered from. What a caller, a callee or an API client writes
//! chooses among those, and nothing of it is looked up or connected to. `docs/SIP.md` says what that stands against.

mod answers;
mod book;
pub(crate) mod callee;
mod challenge;
mod coming_in;
mod dialling;
mod digest;
mod names;
mod registering;
mod registration;
mod targets;
mod trunk;
mod way;

pub(super) use answers::Answers;
pub(crate) use book::{CallId, Progress, Written};
pub(super) use book::{Failure, Page, Reason};
pub use callee::Rules;
pub use digest::Credentials;
pub use registering::RegistrationOptions;
pub use trunk::{TrunkOptions, TrunkTransport};

use super::switchboard::Switchboard;
use super::transfer::Transfer;
use crate::command::Caller;
use crate::door::limiter::{Buckets, ROOMS_TRACKED_MAX};
use crate::model::SipTrunk;
use crate::problem::ApiError;
use crate::room::Alias;
use crate::secret::Secret;
use crate::state::ApiState;
use book::Book;
use callee::Callee;
use mcu_core::conference::roster::{DisplayName, Role};
use mcu_core::id::ParticipantId;
use mcu_core::limits::SIP_CALLS_MAX;
use mcu_core::time::Mono;
use names::Names;
use rsipstack::platform::CancellationToken;
use rsipstack::transport::SipConnection;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use trunk::Trunk;
use way::Way;

/// Seconds of a minute, as limits count them.
const MINUTE: Duration = Duration::from_secs(60);

/// What may be called, and by which ways. The default: nobody, by none.
#[derive(Debug, Clone, Default)]
pub struct OutboundOptions {
    /// The operator's rules.
    pub rules: Rules,
    /// The ways there are.
    pub trunks: Vec<TrunkOptions>,
    /// Name servers that are asked where trunks are which have no port; none: those of the system.
    pub dns_servers: Vec<SocketAddr>,
}

/// Why somebody is not called. Each names the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallRefusal {
    /// SIP is off, or going off.
    #[error("the node makes no calls: SIP is not on")]
    Off,
    /// Nobody there may be called.
    #[error(
        "that host may not be called: it is not one of sip.dial_out.domains, and no device of that name is registered here"
    )]
    Domain,
    /// Not such a number.
    #[error("that number may not be called: it begins with none of sip.dial_out.prefixes")]
    Prefix,
    /// It may be called, but nothing leads there.
    #[error("no trunk leads there")]
    NoWay,
    /// One too many at a time.
    #[error("the node is making as many calls as it may at a time: sip.dial_out.calls_max")]
    CallsMax,
    /// The room has called too often.
    #[error("the room has begun as many calls as it may in a minute: sip.dial_out.room_calls_per_minute")]
    RoomRate {
        /// Whole seconds until the next.
        retry_after_s: u64,
    },
    /// All rooms together have.
    #[error("the node has begun as many calls as it may in a minute: sip.dial_out.calls_per_minute")]
    NodeRate {
        /// Whole seconds until the next.
        retry_after_s: u64,
    },
}

impl CallRefusal {
    /// When asking again may do; `None`: never.
    pub const fn retry_after_s(self) -> Option<u64> {
        match self {
            Self::Off | Self::Domain | Self::Prefix | Self::NoWay => None,
            Self::CallsMax => Some(10),
            Self::RoomRate { retry_after_s } | Self::NodeRate { retry_after_s } => Some(retry_after_s),
        }
    }
}

/// A call that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Into which room.
    pub(crate) room: Alias,
    /// Who wants it.
    pub(crate) by: Caller,
    /// Whom.
    pub(crate) callee: Callee,
    /// What others are to read of it.
    pub(crate) name: Secret<DisplayName>,
    /// What it may do there.
    pub(crate) role: Role,
    /// How long it may ring.
    pub(crate) ring: Duration,
    /// What is pressed once it has answered; maybe a PIN.
    pub(crate) keys: Secret<String>,
}

/// What all calls of the node's share.
pub(super) struct Outbound {
    rules: Rules,
    trunks: Vec<Arc<Trunk>>,
    /// The socket that datagrams of ours leave by, and where it is bound.
    datagrams: Option<(SipConnection, SocketAddr)>,
    /// Who knows where trunks are that have a name and no port; none: as if DNS had no more than their addresses.
    names: Option<Names>,
    pub(super) book: Book,
    /// One for each call that may be made at a time.
    places: Arc<Semaphore>,
    rates: Mutex<Rates>,
    /// The node is going.
    leaving: CancellationToken,
}

/// How many calls were begun of late.
#[derive(Debug)]
struct Rates {
    rooms: Buckets<Alias>,
    node: Buckets<()>,
}

impl Rates {
    /// Each at least one.
    fn new(room: u32, node: u32) -> Self {
        Self {
            rooms: Buckets::new(room, MINUTE / room, ROOMS_TRACKED_MAX),
            node: Buckets::new(node, MINUTE / node, 1),
        }
    }

    /// Counts a call, or says which limit is against it; one that is refused counts nowhere.
    fn count(&mut self, room: &Alias, now: Mono) -> Result<(), CallRefusal> {
        let seconds = |wait: Duration| wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        if let Some(wait) = self.rooms.wait(room, now) {
            return Err(CallRefusal::RoomRate { retry_after_s: seconds(wait) });
        }
        if let Some(wait) = self.node.wait(&(), now) {
            return Err(CallRefusal::NodeRate { retry_after_s: seconds(wait) });
        }
        self.rooms.take(room.clone(), 1, now);
        self.node.take((), 1, now);
        Ok(())
    }
}

impl Outbound {
    /// With a connection to each trunk still to be made, by [`Self::connect`].
    pub(super) fn new(options: OutboundOptions, datagrams: Option<(SipConnection, SocketAddr)>) -> Self {
        let OutboundOptions { rules, trunks, dns_servers } = options;
        let names = trunks.iter().any(TrunkOptions::is_looked_up).then(|| Names::new(&dns_servers));
        let names = names.transpose().unwrap_or_else(|error| {
            tracing::warn!(%error, "no name server is known: trunks are where their names' addresses are");
            None
        });
        let rates = Rates::new(rules.room_calls_per_minute.max(1), rules.calls_per_minute.max(1));
        Self {
            places: Arc::new(Semaphore::new(rules.calls_max.min(SIP_CALLS_MAX))),
            trunks: trunks.into_iter().map(|options| Arc::new(Trunk::new(options))).collect(),
            rates: Mutex::new(rates),
            book: Book::default(),
            rules,
            datagrams,
            names,
            leaving: CancellationToken::new(),
        }
    }

    fn count(&self, room: &Alias, now: Mono) -> Result<(), CallRefusal> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner).count(room, now)
    }

    /// What keeps the connections to trunks, one after the other made anew.
    pub(super) fn connect(
        board: &Arc<Switchboard>,
    ) -> impl Iterator<Item = impl Future<Output = ()> + Send + use<>> {
        let board = Arc::clone(board);
        let trunks = board.outbound.trunks.clone();
        trunks.into_iter().map(move |trunk| {
            let board = Arc::clone(&board);
            async move { trunk.keep(&board).await }
        })
    }

    /// What keeps the node registered at trunks, until it is to [leave](Self::leave); a task ends once it has taken leave.
    pub(super) fn register(board: &Arc<Switchboard>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for trunk in &board.outbound.trunks {
            let (board, trunk) = (Arc::clone(board), Arc::clone(trunk));
            tasks.spawn(async move { registering::keep(&trunk, &board, &board.outbound.leaving).await });
        }
        tasks
    }

    /// No more calls are to come by registrations of the node's.
    pub(super) fn leave(&self) {
        self.leaving.cancel();
    }
}

/// Whom the node calls, as far as it is said to those who may have it call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Hosts of addresses.
    pub(crate) domains: Vec<String>,
    /// What numbers at these begin with.
    pub(crate) prefixes: Vec<String>,
    /// The host of devices that register here, where they may.
    pub(crate) device_host: Option<String>,
}

/// Whom the node calls, and what changes whenever [`list`] may; `None` where it calls nobody.
pub(crate) fn reach(state: &ApiState) -> Option<(Reach, watch::Receiver<()>)> {
    let board = state.switchboard()?;
    let Outbound { rules, trunks, book, .. } = &board.outbound;
    let device_host = state.registrar.is_on().then(|| board.told.host().to_ascii_lowercase());
    let is_anybody = device_host.is_some() || !trunks.is_empty() && !rules.domains.is_empty();
    let (domains, prefixes) = (rules.domains.clone(), rules.prefixes.clone());
    (rules.calls_max > 0 && is_anybody).then(|| (Reach { domains, prefixes, device_host }, book.news()))
}

/// Begins a call that the API asks for, of whoever has the right to.
///
/// # Errors
/// Those of [`call`].
pub(crate) fn order(state: &ApiState, order: Order) -> Result<CallId, ApiError> {
    let board = state.switchboard().ok_or(CallRefusal::Off)?;
    call(&board, order).map(|(id, _)| id)
}

/// Has a participant's device call somebody else, in a call by SIP: under the same rules, as the bill may be the node's all the same.
///
/// # Errors
/// [`ApiError::CallRefused`]; [`ApiError::NotFound`] for who is not in a call by SIP, [`ApiError::Overloaded`] where its call does not listen.
pub(crate) fn transfer(
    state: &ApiState,
    room: &Alias,
    participant: ParticipantId,
    to: Callee,
) -> Result<CallId, ApiError> {
    let board = state.switchboard().ok_or(CallRefusal::Off)?;
    let outbound = &board.outbound;
    outbound.rules.allow(&to)?;
    let desk = board.desk(participant).ok_or(ApiError::NotFound)?;
    let now = state.clock.mono();
    outbound.count(room, now)?;
    let page = outbound.book.begin(room, &to, None, Some(participant), now);
    let id = page.id();
    desk.try_send(Transfer { to, page }).map_err(|_| ApiError::Overloaded)?;
    Ok(id)
}

/// The calls of a room that are under way, or came to nothing within the last minute.
pub(crate) fn list(state: &ApiState, room: &Alias) -> Vec<Written> {
    state.switchboard().map_or_else(Vec::new, |board| board.outbound.book.list(room, state.clock.mono()))
}

/// Every trunk, and how it stands.
pub(crate) fn trunks(state: &ApiState) -> Vec<SipTrunk> {
    let shown = |board: Arc<Switchboard>| board.outbound.trunks.iter().map(|trunk| trunk.shown()).collect();
    state.switchboard().map_or_else(Vec::new, shown)
}

/// Calls off a call of a room; who is in the meeting by it, if it has been answered.
///
/// # Errors
/// [`ApiError::NotFound`].
pub(crate) fn call_off(
    state: &ApiState,
    room: &Alias,
    id: CallId,
) -> Result<Option<ParticipantId>, ApiError> {
    let board = state.switchboard().ok_or(ApiError::NotFound)?;
    board.outbound.book.call_off(room, id).ok_or(ApiError::NotFound)
}

/// Begins a call, of whoever has the right to; what becomes of it stands in the book.
///
/// # Errors
/// [`ApiError::CallRefused`], [`ApiError::Overloaded`] when the node has no place for one more call of any kind.
pub(super) fn call(
    board: &Arc<Switchboard>,
    order: Order,
) -> Result<(CallId, watch::Receiver<Progress>), ApiError> {
    let outbound = &board.outbound;
    // A device of one's own costs nothing to call, and is called by nobody's leave but a host's.
    let way = match Way::to_device(board, &order.callee) {
        Some(way) => way,
        None => {
            outbound.rules.allow(&order.callee)?;
            Way::find(&outbound.trunks, &order.callee)?
        }
    };
    let own = Arc::clone(&outbound.places).try_acquire_owned().map_err(|_| CallRefusal::CallsMax)?;
    let place = Arc::clone(&board.places).try_acquire_owned().map_err(|_| ApiError::Overloaded)?;
    let now = board.state.clock.mono();
    outbound.count(&order.room, now)?;
    let page = outbound.book.begin(&order.room, &order.callee, Some(&order.name), None, now);
    let begun = (page.id(), page.watch());
    let board = Arc::clone(board);
    tokio::spawn(async move {
        let _own = own;
        coming_in::run(board, order, way, page, place).await;
    });
    Ok(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_which_limit_and_counts_nowhere() {
        let alias = |text: &str| Alias::parse(text).expect("a fair alias");
        let (daily, weekly) = (alias("daily"), alias("weekly"));
        let mut rates = Rates::new(2, 3);
        let at = Mono::from_millis;
        assert_eq!([0, 1].map(|ms| rates.count(&daily, at(ms))), [Ok(()), Ok(())]);
        for _ in 0..10 {
            assert_eq!(rates.count(&daily, at(2)), Err(CallRefusal::RoomRate { retry_after_s: 30 }));
        }
        assert_eq!(rates.count(&weekly, at(3)), Ok(()), "the control: another room");
        assert_eq!(rates.count(&weekly, at(4)), Err(CallRefusal::NodeRate { retry_after_s: 20 }));
        assert_eq!(rates.count(&daily, at(30_001)), Ok(()), "half a minute later");
    }
}
