//! `mcu serve`: listeners, announcement, signals, and an orderly end.

use crate::announce::Announcement;
use crate::cli::Serve;
use crate::config::{Config, ConfigError, ServerSection};
use crate::listen::{ListenError, Listening};
use crate::node::{Node, StartError};
use crate::store::StoreError;
use crate::tls::{self, TlsError};
use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// How long connections may finish what they are at after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

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
    /// A listener: most often the port is taken.
    #[error("{what} on {address}: {source}; choose another with --{flag}")]
    Listen {
        /// HTTPS, HTTP or metrics.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// The flag that moves it.
        flag: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Signals.
    #[error("signals: {0}")]
    Signals(std::io::Error),
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
    let server = &config.server;
    crate::private::make_dir(&server.data_dir)
        .map_err(|source| StartError::DataDir { path: server.data_dir.clone(), source })?;
    if flags.dev {
        Node::ready_meeting(&server.data_dir, config.room.participants_max).await?;
    }
    let https = listen("HTTPS", SocketAddr::new(server.bind, server.https_port), "https-port")?;
    let http = match server.http_port {
        0 => None,
        port => Some(listen("HTTP", SocketAddr::from((Ipv4Addr::LOCALHOST, port)), "http-port")?),
    };
    let metrics_at = SocketAddr::new(server.metrics_bind, server.metrics_port);
    let metrics = listen("metrics", metrics_at, "metrics-port")?;
    let identity = tls::identity(&config.tls, &server.data_dir, &tls::development_names(&[server.bind]))?;
    } else {
        println!("{}", admin_line(server, &node));

    let mut node = Node::start(config).await?;
    if flags.dev {
        let mut announcement = announcement(config, &https, http.as_ref(), metrics_at, &node).await?;
        announcement.ca_file = identity.ca_file.as_ref().map(|path| path.display().to_string());
        println!("{announcement}");
        if let Some(path) = &flags.announce {
            announcement.write(path)?;
        }
    }

    let app = application(&mut node);
    let handle = Handle::new();
    let mut listeners = JoinSet::new();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let tls = RustlsConfig::from_config(identity.config);
    spawn_https(&mut listeners, https, tls, handle.clone(), service.clone())?;
    if let Some(listener) = http {
        spawn_http(&mut listeners, "HTTP", listener, handle.clone(), service)?;
    }
    let metrics_service = node.metrics.router().into_make_service_with_connect_info::<SocketAddr>();
    spawn_http(&mut listeners, "metrics", metrics, handle.clone(), metrics_service)?;

    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    signals.wait().await;
    tracing::info!("shutting down; once more to stop at once");
    let orderly = async {
        handle.graceful_shutdown(Some(GRACE));
        node.stop().await;
/// What an administrator needs to know without `--dev`. A token that a file holds is not repeated: standard output may be kept.
fn admin_line(server: &ServerSection, node: &Node) -> String {
    match &server.admin_token_file {
        Some(path) => format!("admin token {}   (the one in this file)", path.display()),
        None => format!("admin token {}   (shown once)", node.admin),
    }
}

        while listeners.join_next().await.is_some() {}
    };
    tokio::select! {
        () = orderly => {}
        () = signals.wait() => tracing::warn!("stopped at once"),
    }
    Ok(())
}

fn application(node: &mut Node) -> Router {
    let options = node.options.take().expect("taken once, here");
    signalling::router(node.control.clone(), options).merge(crate::web::router())
}

fn listen(what: &'static str, address: SocketAddr, flag: &'static str) -> Result<TcpListener, ServeError> {
    let error = |source| ServeError::Listen { what, address, flag, source };
    let listener = TcpListener::bind(address).map_err(error)?;
    listener.set_nonblocking(true).map_err(error)?;
    Ok(listener)
}

type Service = axum::extract::connect_info::IntoMakeServiceWithConnectInfo<Router, SocketAddr>;
type Listeners = JoinSet<std::io::Result<()>>;

fn spawn_https(
    listeners: &mut Listeners,
    listener: TcpListener,
    tls: RustlsConfig,
    handle: Handle<SocketAddr>,
    service: Service,
) -> Result<(), ServeError> {
    let server = axum_server::from_tcp_rustls(listener, tls).map_err(ServeError::Signals)?;
    listeners.spawn(server.handle(handle).serve(service));
    Ok(())
}

fn spawn_http(
    listeners: &mut Listeners,
    _what: &'static str,
    listener: TcpListener,
    handle: Handle<SocketAddr>,
    service: Service,
) -> Result<(), ServeError> {
    let server = axum_server::from_tcp(listener).map_err(ServeError::Signals)?;
    listeners.spawn(server.handle(handle).serve(service));
    Ok(())
}

async fn announcement(
    config: &Config,
    https: &TcpListener,
    http: Option<&TcpListener>,
    metrics_addr: SocketAddr,
    node: &Node,
) -> Result<Announcement, ServeError> {
    let (meeting, host_pin, guest_pin) = node.ready_pins().await?;
    let https_addr =
        https.local_addr().unwrap_or(SocketAddr::new(config.server.bind, config.server.https_port));
    let host = match https_addr.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let https_base = format!("https://{host}:{}", https_addr.port());
    let (base, http_addr) = match http.and_then(|listener| listener.local_addr().ok()) {
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
        metrics_addr: metrics_addr.to_string(),
        media_addr: String::new(),
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
