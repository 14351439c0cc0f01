//! The node put together: every thread and every queue between them, in the order in which media flows.
//!
//! ```text
//! sockets -> io threads ==lanes==> video pool ==slots==> tick jobs ==> outgoing ==> io threads -> sockets
//!                       ==sound packets==> sound jobs ==> outgoing ==^
//!            io threads ==news==> control ==plans==> engines and io threads
//!            sound jobs ==loudness==> control
//!            API ==commands==> control ==events==> sockets of clients
//! ```
//!
//! Lanes, slots and sound queues are made per source in `engine::intake`, inboxes per meeting in `engine`, event
//! queues per socket in `control::meeting`; all others are made here.

use crate::admin::{self, AdminTokenError};
use crate::announce::Announcement;
use crate::config::Config;
use crate::control::{Census, ControlState, Parts, Rooms, SipMedia, make_room};
use crate::devices::{self, DevicesFileError};
use crate::engine::outgoing::Outlet;
use crate::engine::pictures::PictureParts;
use crate::engine::totals::MediaTotals;
use crate::metrics::{Metrics, Sources};
use crate::peers::{NewsSender, Peers};
use crate::prompts::{PromptError, Prompts};
use crate::store::{Store, StoreError};
use crate::threads::NodeClock;
use crate::threads::clock::{ClockCounters, ClockThread};
use crate::threads::compute::{Compute, PoolError};
use crate::threads::control::{self, Inlets};
use crate::threads::hop_times::HopTimes;
use crate::threads::io::{IoAddress, IoPort, IoThread, NodeOutlet};
use crate::threads::standstill;
use codecs::opus::OpusSettings;
use codecs::registry::NativeCodecs;
use mcu_core::limits;
use mixer::video::text::Typeface;
use signalling::auth::{AdminToken, Tokens};
use signalling::command::Control;
use signalling::door::connections::Connections;
use signalling::sip::SipCounters;
use signalling::state::{Clock, RouterOptions};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use transport::io::{Backend, probe, ring};
use transport::peer::{LocalAddress, Proto};

/// API commands waiting for control.
const COMMANDS_MAX: usize = 1_024;
/// Peers' news waiting for control.
const NEWS_MAX: usize = 8_192;
/// Loudness reports waiting for control.
const LOUDNESS_MAX: usize = 1_024;
/// Answered offers waiting for control.
const NEGOTIATED_MAX: usize = 256;
/// Alias of the ready meeting of `--dev`.
const DEV_ALIAS: &str = "demo";

/// Why the node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be made.
    #[error("data folder {}: {source}", path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The administrator's token.
    #[error(transparent)]
    Admin(#[from] AdminTokenError),
    /// The devices that may register.
    #[error(transparent)]
    Devices(#[from] DevicesFileError),
    /// The store.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// What is said by voice.
    #[error(transparent)]
    Prompts(#[from] PromptError),
    /// Threads.
    #[error(transparent)]
    Pools(#[from] PoolError),
    /// The clock thread.
    #[error("clock thread: {0}")]
    Clock(std::io::Error),
    /// A media socket: most often the port is taken.
    #[error("media port {address}: {source}; another node running? choose with --media-port")]
    Media {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// No address to tell peers.
    #[error("no address to tell peers: {0}; set media.advertise")]
    NoAddress(std::io::Error),
    /// The system has no randomness to give.
    #[error("no randomness: {0}")]
    Randomness(String),
    /// A metrics recorder exists already.
    #[error("metrics: {0}")]
    Metrics(String),
}

/// A running node.
pub struct Node {
    /// Where the API's router and SIP send their commands.
    pub control: Control,
    /// What the API's router and SIP need.
    pub options: Option<RouterOptions>,
    /// The administrator's token.
    pub admin: String,
    /// What `/metrics` renders.
    pub metrics: Metrics,
    /// The connections of the public listeners.
    pub connections: Arc<Connections>,
    /// What SIP counts, where it is served.
    pub sip: Arc<SipCounters>,
    /// The address of media that is told first.
    pub media_addr: SocketAddr,
    io: Vec<IoThread>,
    control_task: JoinHandle<()>,
    metrics_task: JoinHandle<()>,
    watch_task: JoinHandle<()>,
    drain: oneshot::Sender<oneshot::Sender<()>>,
    store: Store,
}

impl Node {
    /// Starts every thread but the HTTP listeners.
    ///
    /// # Errors
    /// [`StartError`]; what had started is stopped again.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let clock = NodeClock::start();
        let data_dir = &config.server.data_dir;
        crate::private::make_dir(data_dir)
            .map_err(|source| StartError::DataDir { path: data_dir.clone(), source })?;
        let admin = admin_token(config)?;
        let store = Store::open(data_dir).await?;

        // Queues, in flow order.
        let (news, news_inlet) = NewsSender::channel(NEWS_MAX);
        let (loudness, loudness_inlet) = mpsc::channel(LOUDNESS_MAX);
        let (control, commands) = Control::channel(COMMANDS_MAX);
        let (negotiated, negotiated_inlet) = mpsc::channel(NEGOTIATED_MAX);
        let (drain, drain_inlet) = oneshot::channel();
        let (census, census_seen) = watch::channel(Census::default());

        // Threads, in flow order.
        let totals: Arc<MediaTotals> = Arc::default();
        let times: Arc<HopTimes> = Arc::default();
        let io = start_io(config, clock, &news, &totals)?;
        let ports: Vec<IoPort> = io.iter().map(|thread| thread.port.clone()).collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let compute = Compute::threads(cores, cores.div_ceil(4), Arc::clone(&times))?;
        let beats = ClockThread::start(clock, compute.clone()).map_err(StartError::Clock)?;
        let beat_counters = Arc::clone(&beats.counters);

        let outlet: Arc<dyn Outlet> = Arc::new(NodeOutlet { ports: ports.clone(), loudness });
        #[cfg(feature = "planted-faults")]
        let outlet = crate::engine::faults::on_the_way_out(outlet);
        let parts = Parts {
            clock,
            beats,
            io: ports.clone(),
            pictures: picture_parts(config, compute, &outlet, &totals),
            opus: OpusSettings { complexity: config.encoder.opus_complexity, ..OpusSettings::default() },
            outlet,
            store: store.clone(),
            prompts: prompts(config)?,
            sip: SipMedia::new(config),
            config: config.clone(),
        };
        let state = ControlState::new(parts, Rooms::load(&store).await?, negotiated);
        let inlets = Inlets {
            commands,
            news: news_inlet,
            loudness: loudness_inlet,
            negotiated: negotiated_inlet,
            drain: drain_inlet,
        };
        let control_task = tokio::spawn(control::run(state, inlets, clock, census));
        let metrics = Metrics::install(times).map_err(|error| StartError::Metrics(error.to_string()))?;
        let connections =
            Connections::new(config.server.connections_per_address_max, limits::CONNECTIONS_MAX);
        let sip: Arc<SipCounters> = Arc::default();
        let watching =
            standstill::watch(clock, Arc::clone(&beat_counters), ports.clone(), Arc::clone(&totals));
        let watch_task = tokio::spawn(watching);
        let metrics_task = tokio::spawn(record_every_second(
            metrics.clone(),
            census_seen,
            beat_counters,
            ports,
            news,
            totals,
            (Arc::clone(&connections), Arc::clone(&sip)),
        ));

        Ok(Self {
            control,
            admin: admin.secret().expose().clone(),
            options: Some(router_options(config, clock, admin)?),
            metrics,
            connections,
            sip,
            media_addr: advertised(config, &io),
            io,
            control_task,
            metrics_task,
            watch_task,
            drain,
            store,
        })
    }

    /// Makes sure that the ready meeting of `--dev` exists, with new PINs; returns alias, host PIN and guest PIN.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ready_meeting(
        store_dir: &std::path::Path,
        participants_max: usize,
    ) -> Result<(), StoreError> {
        let store = Store::open(store_dir).await?;
        let fresh = make_room(DEV_ALIAS, "Demo meeting", participants_max, crate::threads::unix_s());
        match store.add(&fresh).await {
            Err(StoreError::AliasTaken) => store.update(&fresh).await,
            other => other,
        }
    }

    /// The ready meeting's alias, host PIN and guest PIN.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ready_pins(&self) -> Result<(String, String, String), StoreError> {
        let rooms = self.store.rooms().await?;
        let room = rooms.into_iter().find(|room| room.alias == DEV_ALIAS).ok_or(StoreError::NoRoom)?;
        Ok((room.alias, room.host_pin, room.guest_pin))
    }

    /// Ends everything: everybody is told and disconnected, then the threads stop.
    pub async fn stop(self) {
        let (done, drained) = oneshot::channel();
        if self.drain.send(done).is_ok() {
            let _ = drained.await;
        }
        // Goodbyes of peers leave within a turn of each io thread; sockets flush their closing events meanwhile.
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.metrics_task.abort();
        self.watch_task.abort();
        let _ = self.control_task.await;
        let io = self.io;
        let _ = tokio::task::spawn_blocking(move || drop(io)).await;
    }

    /// Fills in what only the node knows.
    pub fn announce(&self, announcement: &mut Announcement) {
        announcement.admin_token.clone_from(&self.admin);
        announcement.media_addr = self.media_addr.to_string();
    }
}

fn picture_parts(
    config: &Config,
    compute: Compute,
    outlet: &Arc<dyn Outlet>,
    totals: &Arc<MediaTotals>,
) -> PictureParts {
    PictureParts {
        codecs: Arc::new(NativeCodecs),
        compute,
        outlet: Arc::clone(outlet),
        typeface: Typeface::system(),
        encoder: config.encoder.clone(),
        totals: Arc::clone(totals),
    }
}

fn router_options(config: &Config, clock: NodeClock, admin: AdminToken) -> Result<RouterOptions, StartError> {
    let tokens = Tokens::generate().map_err(|error| StartError::Randomness(error.to_string()))?;
    let api_clock = Clock::new(move || clock.now(), crate::threads::unix_s);
    let mut options = RouterOptions::new(tokens, admin, api_clock, env!("CARGO_PKG_VERSION"));
    // Checked with the configuration: at most 200.
    options.participants_max = config.room.participants_max as u32;
    options.registrar = devices::registrar(&config.sip)?;
    Ok(options)
}

/// What is said by voice, to callers by SIP, where they can call; and what cards say.
fn prompts(config: &Config) -> Result<Prompts, PromptError> {
    let sip = &config.sip;
    if !sip.is_on() {
        return Prompts::unspoken(sip.language);
    }
    Prompts::load(sip.language, sip.prompts_dir.as_deref())
}

/// The administrator's token as it is set, or a new one.
fn admin_token(config: &Config) -> Result<AdminToken, AdminTokenError> {
    let given = config.server.admin_token_file.as_deref().map(admin::from_file).transpose()?;
    Ok(given.unwrap_or_else(|| AdminToken::random(&mut rand::rng())))
}

/// One io thread for each 8 cores, unless configured.
fn start_io(
    config: &Config,
    clock: NodeClock,
    news: &NewsSender,
    totals: &Arc<MediaTotals>,
) -> Result<Vec<IoThread>, StartError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if config.media.io_threads == 0 { cores.div_ceil(8) } else { config.media.io_threads };
    let bind = config.media.bind.unwrap_or(config.server.bind);
    let backend = choose_backend(clock);
    (0..threads)
        .map(|number| {
            let port = config.media.port + number as u16;
            let local = local_addresses(bind, port, config).map_err(StartError::NoAddress)?;
            let address =
                IoAddress { bind: SocketAddr::new(bind, port), local, tcp: config.media.tcp, backend };
            let peers = Peers::new(news.clone(), Arc::clone(totals));
            IoThread::start(number, address.clone(), clock, peers)
                .map_err(|source| StartError::Media { address: address.bind, source })
        })
        .collect()
}

/// The way of datagrams that measures fastest here, on the kind of runtime that the io threads will have.
pub(crate) fn choose_backend(clock: NodeClock) -> Backend {
    let measured = std::thread::spawn(move || {
        let probe = |runtime| async move { probe::probe(runtime, &mut || clock.now()).await };
        if probe::uring_allowed() {
            ring::run(probe(probe::Runtime::Uring)).ok()
        } else {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(probe(probe::Runtime::Tokio)).ok()
        }
    });
    let probed = measured.join().ok().flatten();
    if let Some(probe::Probed { backend, batch, uring, .. }) = probed {
        tracing::info!(?backend, ?batch, ?uring, "way of datagrams, by time for each");
    }
    probed.map_or(Backend::Batch, |probed| probed.backend)
}

/// Every address that datagrams to this thread arrive at, and what peers are told for each.
fn local_addresses(bind: IpAddr, port: u16, config: &Config) -> std::io::Result<Vec<LocalAddress>> {
    let bound: Vec<IpAddr> = if bind.is_unspecified() {
        let interfaces = if_addrs::get_if_addrs()?;
        let addresses = interfaces.into_iter().map(|interface| interface.ip());
        addresses.filter(|address| wildcard_takes(bind, *address)).collect()
    } else {
        vec![bind]
    };
    let first = *bound.first().ok_or_else(|| {
        let text = format!("no interface has one that {bind} takes, but for loopback");
        std::io::Error::new(std::io::ErrorKind::AddrNotAvailable, text)
    })?;
    let pairs: Vec<(IpAddr, IpAddr)> = if config.media.advertise.is_empty() {
        bound.into_iter().map(|ip| (ip, ip)).collect()
    } else {
        config.media.advertise.iter().map(|advertised| (first, *advertised)).collect()
    };
    let mut addresses = Vec::new();
    for proto in [Proto::Udp, Proto::Tcp] {
        if proto == Proto::Tcp && !config.media.tcp {
            continue;
        }
        addresses.extend(pairs.iter().map(|(bound, advertised)| LocalAddress {
            proto,
            bound: SocketAddr::new(*bound, port),
            advertised: SocketAddr::new(*advertised, port),
        }));
    }
    Ok(addresses)
}

/// Whether a socket bound to `wildcard` takes what is sent to `address` from elsewhere: it takes one family, as
/// `transport` binds it, and neither loopback nor link-local addresses mean anything elsewhere.
const fn wildcard_takes(wildcard: IpAddr, address: IpAddr) -> bool {
    match (wildcard, address) {
        (IpAddr::V4(_), IpAddr::V4(address)) => !address.is_loopback(),
        (IpAddr::V6(_), IpAddr::V6(address)) => !address.is_loopback() && !address.is_unicast_link_local(),
        _ => false,
    }
}

/// The host that SIP tells others: as configured, or the address that media tell first, or the one that is bound.
///
/// # Errors
/// When no interface has an address for a wildcard.
pub fn sip_host(config: &Config) -> std::io::Result<String> {
    if let Some(host) = &config.sip.advertise {
        return Ok(host.clone());
    }
    let local = local_addresses(config.server.bind, 0, config)?;
    Ok(local.first().map_or(config.server.bind, |local| local.advertised.ip()).to_string())
}

fn advertised(config: &Config, io: &[IoThread]) -> SocketAddr {
    let fallback = SocketAddr::new(config.server.bind, config.media.port);
    io.first().and_then(|thread| thread.port.addresses().first()).map_or(fallback, |local| local.advertised)
}

async fn record_every_second(
    metrics: Metrics,
    census: watch::Receiver<Census>,
    beats: Arc<ClockCounters>,
    io: Vec<IoPort>,
    news: NewsSender,
    totals: Arc<MediaTotals>,
    (connections, sip): (Arc<Connections>, Arc<SipCounters>),
) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        let census = *census.borrow();
        let news_dropped = news.dropped();
        metrics.record(&Sources {
            census,
            beats: &beats,
            io: &io,
            news_dropped,
            totals: &totals,
            connections: &connections,
            sip: &sip,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_takes_its_own_family_only() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let addresses = ["192.0.2.1", "127.0.0.1", "2001:db8::1", "::1", "fe80::1"].map(address);
        let taken = |wildcard| addresses.map(|address| wildcard_takes(wildcard, address));
        assert_eq!(taken(address("0.0.0.0")), [true, false, false, false, false]);
        assert_eq!(taken(address("::")), [false, false, true, false, false]);
    }

    #[test]
    fn every_address_of_a_wildcard_is_of_its_family_and_one_that_is_bound_is_told_as_it_is() {
        let config = Config::default();
        for wildcard in ["0.0.0.0", "::"].map(|text| text.parse::<IpAddr>().expect("an address")) {
            let told = local_addresses(wildcard, 7, &config).unwrap_or_default();
            assert!(told.iter().all(|local| local.advertised.is_ipv4() == wildcard.is_ipv4()), "{told:?}");
        }
        let bound = IpAddr::from([127, 0, 0, 1]);
        let told = local_addresses(bound, 7, &config).expect("no interface is asked");
        assert!(told.len() == 2 && told.iter().all(|local| local.advertised.ip() == bound), "{told:?}");
    }
}
