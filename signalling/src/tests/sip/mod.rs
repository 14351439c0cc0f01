//! SIP as a whole, between a telephone that writes its messages letter by letter and a control thread that remembers.
//!
//! Real sockets on loopback, and the library's timers, which no test can stop: they are set twelve times as fast, and nothing is
//! asserted of how long anything takes.

mod calls;
mod calls_told;
mod crowds;
mod late_offers;
mod names;
mod outbound;
mod phone;
mod reception;
mod refusals;
mod registering;
mod registrar;
mod transfer;
mod websocket;

use super::*;
use crate::sip::registrar::RegistrarOptions;
use crate::sip::{OutboundOptions, SipCounters, SipOptions, SipServer, WebSocketOptions};
use phone::{Heard, Phone};
use std::time::Duration;
use tokio::time::timeout;

/// 64 of it, the longest wait, are 2.56 s.
const T1: Duration = Duration::from_millis(40);
/// Ten times what anything here takes.
const WAIT_MAX: Duration = Duration::from_secs(20);
const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0\r\n";

/// A node's SIP, and everything around it that a test turns.
struct Exchange {
    server: SipServer,
    counters: Arc<SipCounters>,
    mono_ms: Arc<AtomicU64>,
    seen: Arc<Mutex<Vec<Command>>>,
    events: Arc<Mutex<Vec<mpsc::Sender<EventText>>>>,
    state: ApiState,
}

impl Exchange {
    /// In front of the control thread of all these tests.
    async fn new() -> Self {
        Self::on(IpAddr::V4(Ipv4Addr::LOCALHOST)).await
    }

    async fn on(bind: IpAddr) -> Self {
        Self::with(bind, None, OutboundOptions::default()).await
    }

    /// With devices that may register, or calls that may be made.
    async fn with(bind: IpAddr, registrar: Option<RegistrarOptions>, outbound: OutboundOptions) -> Self {
        let (control, commands) = Control::channel(16);
        let (seen, events) = (Arc::default(), Arc::default());
        tokio::spawn(control_thread(commands, Arc::clone(&seen), Arc::clone(&events)));
        Self { seen, events, ..Self::before(control, bind, registrar, outbound).await }
    }

    /// In front of a control thread that is the test itself.
    async fn asking() -> (Self, mpsc::Receiver<Command>) {
        let (control, commands) = Control::channel(16);
        let bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
        (Self::before(control, bind, None, OutboundOptions::default()).await, commands)
    }

    async fn before(
        control: Control,
        bind: IpAddr,
        registrar: Option<RegistrarOptions>,
        outbound: OutboundOptions,
    ) -> Self {
        let mono_ms: Arc<AtomicU64> = Arc::default();
        let mono = Arc::clone(&mono_ms);
        let clock = Clock::new(move || Mono::from_millis(mono.load(Ordering::Relaxed)), || START_UNIX_S);
        let admin = AdminToken::from_text(Secret::new(ADMIN.into()));
        let mut options = RouterOptions::new(Tokens::from_key(&KEY), admin, clock, "1.2.3-test");
        options.registrar = registrar;
        let counters: Arc<SipCounters> = Arc::default();
        let options = (
            ApiState::new(control, options),
            SipOptions {
                bind,
                host: "mcu.example.org".into(),
                tls: None,
                wss: Some(websocket::options()),
                tcp_port: Some(0),
                udp_port: Some(0),
                bfcp_port: None,
                connections_per_address_max: 8,
                t1: T1,
                counters: Arc::clone(&counters),
                outbound,
            },
        );
        let state = options.0.clone();
        let server = SipServer::start(options.0, options.1).await.expect("loopback has free ports");
        Self { server, counters, mono_ms, seen: Arc::default(), events: Arc::default(), state }
    }

    fn address(&self, transport: &str) -> SocketAddr {
        let served = self.server.addresses().iter().find(|(name, _)| *name == transport);
        served.expect("it is served").1
    }

    async fn phone(&self) -> Phone {
        Phone::by_udp(self.address("UDP")).await
    }

    async fn phone_by_tcp(&self) -> Phone {
        Phone::by_tcp(self.address("TCP")).await
    }

    async fn phone_by_wss(&self) -> Phone {
        Phone::by_wss(self.address("WSS")).await
    }

    /// Waits until control has seen what `of` finds.
    async fn until<T>(&self, of: impl Fn(&[Command]) -> Option<T>) -> T {
        let wait = async {
            loop {
                let found = of(&self.seen.lock().expect("no test panics with it"));
                match found {
                    Some(found) => return found,
                    None => tokio::task::yield_now().await,
                }
            }
        };
        timeout(WAIT_MAX, wait).await.expect("it happens")
    }

    /// Waits until somebody has left.
    async fn left(&self) -> Identity {
        let leave = |command: &Command| match command {
            Command::Leave { who, .. } => Some(who.clone()),
            _ => None,
        };
        self.until(|seen| seen.iter().find_map(leave)).await
    }

    fn has_left(&self) -> bool {
        let seen = self.seen.lock().expect("no test panics with it");
        seen.iter().any(|command| matches!(command, Command::Leave { .. }))
    }

    fn offers(&self) -> Vec<crate::command::Offer> {
        let seen = self.seen.lock().expect("no test panics with it");
        let offers = seen.iter().filter_map(|command| match command {
            Command::Offer { offer, .. } => Some(offer.clone()),
            _ => None,
        });
        offers.collect()
    }

    fn joins(&self) -> usize {
        let seen = self.seen.lock().expect("no test panics with it");
        seen.iter().filter(|command| matches!(command, Command::Join { .. })).count()
    }

    /// Lets the node say something to everybody who listens.
    async fn tell(&self, event: &Event) {
        let events = self.events.lock().expect("no test panics with it").clone();
        assert!(!events.is_empty(), "nobody listens");
        for to in events {
            to.send(EventText::from(event)).await.expect("it is heard");
        }
    }
}
