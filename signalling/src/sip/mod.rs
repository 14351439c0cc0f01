//! SIP (RFC 3261): room systems and telephones come in by an INVITE, theirs or ours, and devices of one's own register. A user agent and a
//! registrar, and nothing else.
//!
//! Flow: sockets (`datagrams`, `streams`, `websocket`) -> `intake`, which counts and parses -> the library's transactions -> `switchboard`
//! -> `registrar`, or `call`, one task each -> the door, then [`Command`](crate::command::Command)s, as for a browser; and from the API
//! -> `outbound` -> `call`. Thread: the server's runtime.
//! Bounds: each file names its own; those of the whole stand in `mcu_core::limits`. `docs/SIP.md` says what is spoken.
//!
//! Of rsipstack, the parser (RFC 3261 §7, §25), the transactions (§17) and the hash of a digest serve here. Its sockets and its dialogs do not: `streams`,
//! `intake` and `dialog` say why. What it does with a message it does on a task of its own or under a guard: a panic of it ends that
//! message, connection or call alone. Its logs quote whole messages, names and PINs with them: the node turns them off.

pub(crate) mod address;
mod answer;
mod bfcp;
mod call;
mod datagrams;
mod dialog;
mod flow;
pub(crate) mod framing;
mod goodbye;
mod intake;
mod invitation;
mod media_control;
pub(crate) mod outbound;
mod pending;
pub(crate) mod pressing;
mod reception;
pub mod registrar;
mod session;
mod session_timer;
mod sharing;
mod streams;
mod switchboard;
mod transfer;
mod websocket;
mod within;

pub use outbound::{
    CallRefusal, Credentials, OutboundOptions, RegistrationOptions, Rules, TrunkOptions, TrunkTransport,
};
pub use switchboard::SipCounters;
pub(crate) use switchboard::Switchboard;

use crate::door::connections::Connections;
use crate::state::ApiState;
use bfcp::FloorSockets;
use flow::Told;
use mcu_core::limits::{SIP_CALLS_MAX, SIP_CONNECTIONS_MAX, SIP_DEVICE_CONNECTIONS_MAX};
use outbound::Outbound;
use rsipstack::EndpointBuilder;
use rsipstack::platform::CancellationToken;
use rsipstack::transaction::Endpoint;
use rsipstack::transaction::endpoint::EndpointOption;
use rsipstack::transport::SipAddr;
use rsipstack::transport::transport_layer::{DomainResolver, TransportLayer};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use streams::Carrier;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Where and how SIP is served.
pub struct SipOptions {
    /// Address of all ports.
    pub bind: IpAddr,
    /// Host for `Contact` and `Via`: an address or a name at which others reach us.
    pub host: String,
    /// Port of TLS, and its configuration, which says whether peers must show certificates.
    pub tls: Option<(u16, Arc<ServerConfig>)>,
    /// WebSocket over TLS.
    pub wss: Option<WebSocketOptions>,
    /// Port of TCP without protection.
    pub tcp_port: Option<u16>,
    /// Port of UDP without protection.
    pub udp_port: Option<u16>,
    /// Port of BFCP, by UDP and TCP.
    pub bfcp_port: Option<u16>,
    /// TCP, TLS and WebSocket connections of one address at a time; 0: as many as of all.
    pub connections_per_address_max: usize,
    /// RFC 3261 §17 T1: the round trip that retransmissions begin with; 64 of it are the longest wait. 500 ms but in tests.
    pub t1: Duration,
    /// What an operator sees.
    pub counters: Arc<SipCounters>,
    /// Whom the node may call, and by which ways.
    pub outbound: OutboundOptions,
}

/// Where and for whom SIP over WebSocket is served.
pub struct WebSocketOptions {
    /// The port.
    pub port: u16,
    /// Its TLS, which says whether peers must show certificates.
    pub tls: Arc<ServerConfig>,
    /// Origins of the pages that may connect, as browsers write them.
    pub origins: Vec<String>,
}

impl fmt::Debug for WebSocketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketOptions").finish_non_exhaustive()
    }
}

impl fmt::Debug for SipOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SipOptions").finish_non_exhaustive()
    }
}

/// RFC 3261 §17.1.1.1.
pub const T1: Duration = Duration::from_millis(500);

/// A port cannot be had: most often it is taken.
#[derive(Debug, thiserror::Error)]
#[error("SIP over {transport} on {address}: {source}; choose another port in [sip]")]
pub struct SipError {
    /// UDP, TCP, TLS or WSS.
    pub transport: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Why.
    pub source: std::io::Error,
}

/// SIP while it is served.
pub struct SipServer {
    board: Arc<Switchboard>,
    tasks: JoinSet<()>,
    /// What keeps the node registered at trunks.
    registrations: JoinSet<()>,
    stack: CancellationToken,
    addresses: Vec<(&'static str, SocketAddr)>,
}

impl fmt::Debug for SipServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SipServer").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl SipServer {
    /// Takes the ports and serves them.
    ///
    /// # Errors
    /// [`SipError`]; ports that were taken are free again.
    pub async fn start(state: ApiState, options: SipOptions) -> Result<Self, SipError> {
        let bind = options.bind;
        let listening = listening(&options).await?;
        let udp = match options.udp_port {
            Some(port) => {
                let socket = Arc::new(bound("UDP", bind, port)?.0);
                let error =
                    |source| SipError { transport: "UDP", address: SocketAddr::new(bind, port), source };
                let connection = datagrams::connection(&socket).await.map_err(error)?;
                Some((socket, connection))
            }
            None => None,
        };
        let floors = match options.bfcp_port {
            Some(port) => Some(floors(bind, port, &options.counters).await?),
            None => None,
        };

        let of_datagrams = [
            udp.as_ref().map(|(_, (_, address))| ("UDP", *address)),
            floors.as_ref().map(|floors| ("BFCP", SocketAddr::new(bind, floors.port()))),
        ];
        let addresses: Vec<_> = listening
            .iter()
            .map(|(name, (_, address), _)| (*name, *address))
            .chain(of_datagrams.into_iter().flatten())
            .collect();
        let port = |name: &str| {
            addresses.iter().find(|(transport, _)| *transport == name).map_or(0, |(_, at)| at.port())
        };
        let told = Told::new(&options.host, |transport| port(&transport.to_string()));

        let stack = CancellationToken::new();
        let endpoint = endpoint(&stack, options.t1);
        let inner = Arc::clone(&endpoint.inner);
        let outbound =
            Outbound::new(options.outbound, udp.as_ref().map(|(_, connection)| connection.clone()));
        let of_calls = floors.as_ref().map(FloorSockets::port_of_calls);
        let board = Switchboard::new(state, inner, told, of_calls, options.counters, outbound);
        board.state.attach(&board);
        let mut tasks = JoinSet::new();
        // Its timers; no message of the network passes there.
        tasks.spawn(async move { endpoint.serve().await });
        if board.state.registrar.is_on() {
            tasks.spawn(registrar::sweep(Arc::clone(&board)));
        }
        let connections = Connections::settling(
            options.connections_per_address_max,
            SIP_CONNECTIONS_MAX,
            SIP_DEVICE_CONNECTIONS_MAX,
        );
        for (_, (listener, _), carrier) in listening {
            let (connections, board) = (Arc::clone(&connections), Arc::clone(&board));
            tasks.spawn(streams::serve(listener, carrier, connections, board));
        }
        if let Some((socket, connection)) = udp {
            tasks.spawn(datagrams::serve(socket, connection, Arc::clone(&board)));
        }
        for trunk in Outbound::connect(&board) {
            tasks.spawn(trunk);
        }
        if let Some(floors) = floors {
            // Of their own: a connection for the floor takes no place from one for a call.
            floors.serve(&mut tasks, Connections::new(options.connections_per_address_max, SIP_CALLS_MAX));
        }
        let registrations = Outbound::register(&board);
        Ok(Self { board, tasks, registrations, stack, addresses })
    }

    /// What is served, and where: `UDP`, `TCP`, `TLS`, `WSS`, `BFCP`.
    pub fn addresses(&self) -> &[(&'static str, SocketAddr)] {
        &self.addresses
    }

    /// Ends: takes leave of trunks, waits up to `grace` for the calls whose stays control has ended to say BYE, then closes every port.
    pub async fn stop(mut self, grace: Duration) {
        let all = SIP_CALLS_MAX as u32;
        self.board.outbound.book.call_off_all();
        self.board.outbound.leave();
        let left = async { while self.registrations.join_next().await.is_some() {} };
        // Whoever still calls is told that the node is draining, by control.
        let (ended, ()) = tokio::join!(timeout(grace, self.board.places.acquire_many(all)), left);
        if ended.is_err() {
            tracing::warn!("some calls by SIP did not end in time");
        }
        self.stack.cancel();
        self.tasks.shutdown().await;
    }
}

#[cfg(test)]
impl SipServer {
    /// Transactions that are kept, those that are over with them.
    pub(crate) fn transactions(&self) -> usize {
        let endpoint = &self.board.endpoint;
        endpoint.transactions.len() + endpoint.finished_transactions.len()
    }

    /// Who may register, and where they are.
    pub(crate) fn registrar(&self) -> &registrar::Registrar {
        &self.board.state.registrar
    }
}

/// The library's half, with the timers of RFC 3261 §17, table 4.
fn endpoint(stack: &CancellationToken, t1: Duration) -> Endpoint {
    let layer = TransportLayer::new_with_domain_resolver(stack.clone(), Box::new(NoNames));
    let option = EndpointOption {
        t1,
        t2: t1 * 8,
        t4: t1 * 10,
        t1x64: t1 * 64,
        // It would be sent where a Contact points: `outbound::answers` says it.
        auto_ack_2xx: false,
        ..EndpointOption::default()
    };
    EndpointBuilder::new()
        .with_user_agent("mcu")
        .with_transport_layer(layer)
        .with_cancel_token(stack.clone())
        .with_option(option)
        .build()
}

type Listening = (&'static str, (TcpListener, SocketAddr), Carrier);

/// Takes the ports by which connections come.
async fn listening(options: &SipOptions) -> Result<Vec<Listening>, SipError> {
    let acceptor = |config: &Arc<ServerConfig>| TlsAcceptor::from(Arc::clone(config));
    let tls = options.tls.iter().map(|(port, config)| ("TLS", *port, Carrier::Tls(acceptor(config))));
    let wss = options.wss.iter().map(|WebSocketOptions { port, tls, origins }| {
        ("WSS", *port, Carrier::Wss(acceptor(tls), origins.as_slice().into()))
    });
    let tcp = options.tcp_port.iter().map(|port| ("TCP", *port, Carrier::Tcp));
    let mut all = Vec::new();
    for (name, port, carrier) in tls.chain(wss).chain(tcp) {
        all.push((name, listen(name, options.bind, port).await?, carrier));
    }
    Ok(all)
}

/// Takes the port of BFCP, by UDP and TCP.
async fn floors(bind: IpAddr, port: u16, counters: &Arc<SipCounters>) -> Result<FloorSockets, SipError> {
    let (socket, address) = bound("UDP (BFCP)", bind, port)?;
    let (listener, address) = listen("TCP (BFCP)", bind, address.port()).await?;
    Ok(FloorSockets::new(address.port(), socket, listener, Arc::clone(counters)))
}

fn bound(transport: &'static str, bind: IpAddr, port: u16) -> Result<(UdpSocket, SocketAddr), SipError> {
    let address = SocketAddr::new(bind, port);
    let error = |source| SipError { transport, address, source };
    let socket = datagrams::open(address).map_err(error)?;
    let address = socket.local_addr().map_err(error)?;
    Ok((socket, address))
}

async fn listen(
    transport: &'static str,
    bind: IpAddr,
    port: u16,
) -> Result<(TcpListener, SocketAddr), SipError> {
    let address = SocketAddr::new(bind, port);
    let error = |source| SipError { transport, address, source };
    let listener = TcpListener::bind(address).await.map_err(error)?;
    let address = listener.local_addr().map_err(error)?;
    Ok((listener, address))
}

/// The library asks for the addresses of names that strangers wrote into headers: here they have none.
struct NoNames;

#[async_trait::async_trait]
impl DomainResolver for NoNames {
    async fn resolve(&self, target: &SipAddr) -> rsipstack::Result<SipAddr> {
        Err(rsipstack::Error::DnsResolutionError(target.addr.to_string()))
    }
}
