//! What every handler and every call by SIP reaches: the way to the control thread, the keys, the clock, the door, the limits.

use crate::auth::{AdminToken, Tokens};
use crate::command::Control;
use crate::door::Door;
use crate::sip::Switchboard;
use crate::sip::registrar::{Registrar, RegistrarOptions};
use mcu_core::limits::PARTICIPANTS_MAX;
use mcu_core::time::Mono;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The two clocks, read by whoever made them: this crate reads none.
#[derive(Clone)]
pub struct Clock {
    mono: Arc<dyn Fn() -> Mono + Send + Sync>,
    unix_s: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Clock {
    /// From a reader of the node's monotonic clock and one of Unix time in seconds.
    pub fn new(
        mono: impl Fn() -> Mono + Send + Sync + 'static,
        unix_s: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self { mono: Arc::new(mono), unix_s: Arc::new(unix_s) }
    }

    /// Now, for spans.
    pub fn mono(&self) -> Mono {
        (self.mono)()
    }

    /// Now, for people and tokens: seconds since 1970.
    pub fn unix_s(&self) -> u64 {
        (self.unix_s)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// How the router is set up.
#[derive(Debug)]
pub struct RouterOptions {
    /// This run's tokens.
    pub tokens: Tokens,
    /// The administrator's.
    pub admin: AdminToken,
    /// The clocks.
    pub clock: Clock,
    /// Of the node; said by `livez` and nowhere else.
    pub version: &'static str,
    /// Origins (`https://meet.example.org`) besides the node's own whose pages may open events and use WHIP and
    /// WHEP. Empty: none.
    pub origins: Vec<String>,
    /// Requests answered at a time; one more is `overloaded`. 20 000 requests per second of 50 ms each.
    pub requests_max: usize,
    /// Participants that a room may hold whose maker says no number; 1 to [`PARTICIPANTS_MAX`].
    pub participants_max: u32,
    /// Event sockets open at a time; one more is `overloaded`.
    pub sockets_max: usize,
    /// How long a request may take, its body included.
    pub request_time_max: Duration,
    /// Devices that may register by SIP; none: nobody.
    pub registrar: Option<RegistrarOptions>,
}

impl RouterOptions {
    /// With the default limits: rooms of [`PARTICIPANTS_MAX`], 1 024 requests, 20 000 sockets, 10 s.
    pub const fn new(tokens: Tokens, admin: AdminToken, clock: Clock, version: &'static str) -> Self {
        Self {
            tokens,
            admin,
            clock,
            version,
            origins: Vec::new(),
            participants_max: PARTICIPANTS_MAX as u32,
            requests_max: 1_024,
            sockets_max: 20_000,
            request_time_max: Duration::from_secs(10),
            registrar: None,
        }
    }
}

/// What the router and SIP share: made once, given to both. Cloning shares it.
#[derive(Debug, Clone)]
pub struct ApiState(Arc<Shared>);

/// See [`ApiState`].
pub struct Shared {
    pub(crate) control: Control,
    pub(crate) tokens: Tokens,
    pub(crate) admin: AdminToken,
    pub(crate) clock: Clock,
    pub(crate) version: &'static str,
    pub(crate) origins: Vec<String>,
    pub(crate) participants_max: u32,
    pub(crate) requests: Semaphore,
    pub(crate) sockets: Arc<Semaphore>,
    pub(crate) request_time_max: Duration,
    pub(crate) door: Door,
    pub(crate) registrar: Registrar,
    /// SIP, where it is served: it holds this state in turn, so this is no hold on it.
    switchboard: OnceLock<Weak<Switchboard>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl ApiState {
    /// With one door, so that guesses by SIP and by HTTP count together.
    pub fn new(control: Control, options: RouterOptions) -> Self {
        Self(Arc::new(Shared {
            control,
            tokens: options.tokens,
            admin: options.admin,
            registrar: Registrar::new(options.registrar, options.clock.clone()),
            clock: options.clock,
            version: options.version,
            origins: options.origins,
            participants_max: options.participants_max,
            requests: Semaphore::new(options.requests_max),
            sockets: Arc::new(Semaphore::new(options.sockets_max)),
            request_time_max: options.request_time_max,
            door: Door::default(),
            switchboard: OnceLock::new(),
        }))
    }

    /// From here on the API reaches SIP as well; the first that is attached stays.
    pub(crate) fn attach(&self, switchboard: &Arc<Switchboard>) {
        let _ = self.switchboard.set(Arc::downgrade(switchboard));
    }

    /// SIP, while it is served.
    pub(crate) fn switchboard(&self) -> Option<Arc<Switchboard>> {
        self.switchboard.get()?.upgrade()
    }
}

impl Deref for ApiState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
