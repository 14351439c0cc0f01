//! `mcu serve`: listeners, announcement, signals, and an orderly end.

use crate::announce::{Announcement, sip_url};
use crate::cli::Serve;
use crate::config::{Config, ConfigError, ServerSection, SipSection};
use crate::listen::{ListenError, Listening};
use crate::node::{self, Node, StartError};
use crate::store::StoreError;
use crate::tls::{self, Identity, TlsError};
use crate::trunks::{self, TrunkError};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use signalling::door::connections::Connections;
use signalling::sip::{self, SipError, SipOptions, SipServer, WebSocketOptions};
use signalling::state::ApiState;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// How long connections may finish what they are at after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// Connections to the metrics' port: a few scrapers.
const METRICS_CONNECTIONS_MAX: usize = 64;

/// Why `mcu serve` ended with an error. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The node.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A port of SIP.
    #[error(transparent)]
    Sip(#[from] SipError),
    /// A trunk.
    #[error(transparent)]
    Trunk(#[from] TrunkError),
    /// Signals.
    #[error("signals: {0}")]
    Signals(std::io::Error),
    /// There is no such fault to plant.
    #[cfg(feature = "planted-faults")]
    #[error(transparent)]
    Fault(#[from] crate::engine::faults::UnknownFault),
}

/// Loads what the flags say.
///
/// # Errors
/// [`ConfigError`].
pub fn configuration(flags: &Serve) -> Result<Config, ConfigError> {
    let mut config = Config::load(flags.config.as_deref())?;
    flags.apply(&mut config);
    Ok(config)
}

/// Runs the node until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(flags: &Serve, config: &Config) -> Result<(), ServeError> {
    #[cfg(feature = "planted-faults")]
    crate::engine::faults::check()?;
    let server = &config.server;
    crate::private::make_dir(&server.data_dir)
        .map_err(|source| StartError::DataDir { path: server.data_dir.clone(), source })?;
    if flags.dev {
        Node::ready_meeting(&server.data_dir, config.room.participants_max).await?;
    }
    let https = Listening::open("HTTPS", SocketAddr::new(server.bind, server.https_port), "https-port")?;
    let http = match server.http_port {
        0 => None,
        port => Some(Listening::open("HTTP", SocketAddr::from((Ipv4Addr::LOCALHOST, port)), "http-port")?),
    };
    let metrics_at = SocketAddr::new(server.metrics_bind, server.metrics_port);
    let metrics = Listening::open("metrics", metrics_at, "metrics-port")?;
    let identity = tls::identity(&config.tls, &server.data_dir, &tls::development_names(&[server.bind]))?;
    let tls = RustlsConfig::from_config(identity.https()?);

    let mut node = Node::start(config).await?;
    if flags.dev {
        let mut announcement = announcement(&https, http.as_ref(), &metrics, &config.sip, &node).await?;
        announcement.ca_file = identity.ca_file.as_ref().map(|path| path.display().to_string());
        println!("{announcement}");
        if let Some(path) = &flags.announce {
            announcement.write(path)?;
        }
    } else {
        println!("{}", admin_line(server, &node));
    }

    let shared = ApiState::new(node.control.clone(), node.options.take().expect("taken once, here"));
    let app = signalling::router(&shared).merge(crate::web::router());
    let sip = start_sip(config, &identity, shared, &node).await?;
    let handle = Handle::new();
    let mut listeners = JoinSet::new();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    https.spawn_https(&mut listeners, &node.connections, tls, handle.clone(), service.clone())?;
    if let Some(listener) = http {
        listener.spawn_http(&mut listeners, &node.connections, handle.clone(), service)?;
    }
    let metrics_service = node.metrics.router().into_make_service_with_connect_info::<SocketAddr>();
    // Apart from the crowd: whoever fills the places of the others cannot hide it from the operator.
    let scrapers = Connections::new(0, METRICS_CONNECTIONS_MAX);
    metrics.spawn_http(&mut listeners, &scrapers, handle.clone(), metrics_service)?;

    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    signals.wait().await;
    tracing::info!("shutting down; once more to stop at once");
    let orderly = async {
        handle.graceful_shutdown(Some(GRACE));
        node.stop().await;
        // Calls have heard that the node is going; their BYEs leave.
        if let Some(sip) = sip {
            sip.stop(GRACE).await;
        }
        while listeners.join_next().await.is_some() {}
    };
    tokio::select! {
        () = orderly => {}
        () = signals.wait() => tracing::warn!("stopped at once"),
    }
    Ok(())
}

/// What an administrator needs to know without `--dev`. A token that a file holds is not repeated: standard output may be kept.
fn admin_line(server: &ServerSection, node: &Node) -> String {
    match &server.admin_token_file {
        Some(path) => format!("admin token {}   (the one in this file)", path.display()),
        None => format!("admin token {}   (shown once)", node.admin),
    }
}

/// SIP beside the HTTP listeners, where a port is set.
async fn start_sip(
    config: &Config,
    identity: &Identity,
    shared: ApiState,
    node: &Node,
) -> Result<Option<SipServer>, ServeError> {
    let section = &config.sip;
    if !section.is_on() {
        return Ok(None);
    }
    for (key, means) in section.dangers() {
        tracing::warn!(key, means, "loosened");
    }
    let set = |port: u16| (port != 0).then_some(port);
    let tls = || identity.sip(section.tls_client_ca.as_deref());
    let origins = section.wss_origins.clone();
    let options = SipOptions {
        bind: config.server.bind,
        host: node::sip_host(config).map_err(StartError::NoAddress)?,
        tls: set(section.tls_port).map(|port| tls().map(|tls| (port, tls))).transpose()?,
        wss: set(section.wss_port)
            .map(|port| tls().map(|tls| WebSocketOptions { port, tls, origins }))
            .transpose()?,
        tcp_port: set(section.dangerous_tcp_port),
        udp_port: set(section.dangerous_udp_port),
        bfcp_port: set(section.bfcp_port),
        connections_per_address_max: config.server.connections_per_address_max,
        t1: sip::T1,
        counters: Arc::clone(&node.sip),
        outbound: trunks::outbound(section, identity)?,
    };
    let server = SipServer::start(shared, options).await?;
    for (transport, address) in server.addresses() {
        tracing::info!(transport, port = address.port(), "SIP");
    }
    Ok(Some(server))
}

async fn announcement(
    https: &Listening,
    http: Option<&Listening>,
    metrics: &Listening,
    sip: &SipSection,
    node: &Node,
) -> Result<Announcement, ServeError> {
    let (meeting, host_pin, guest_pin) = node.ready_pins().await?;
    let https_addr = https.address();
    let host = match https_addr.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let https_base = format!("https://{host}:{}", https_addr.port());
    let (base, http_addr) = match http.map(Listening::address) {
        Some(address) => (format!("http://localhost:{}", address.port()), address),
        None => (https_base.clone(), https_addr),
    };
    let mut announcement = Announcement {
        join_url: format!("{base}/m/{meeting}"),
        https_url: format!("{https_base}/m/{meeting}"),
        whip_url: format!("{base}/whip/{meeting}"),
        whep_url: format!("{base}/whep/{meeting}"),
        meeting,
        host_pin,
        guest_pin,
        admin_token: String::new(),
        http_addr: http_addr.to_string(),
        metrics_addr: metrics.address().to_string(),
        media_addr: String::new(),
        sip_url: sip_url(sip, &host),
        ca_file: None,
    };
    node.announce(&mut announcement);
    Ok(announcement)
}

/// SIGTERM and SIGINT, as often as they come.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
