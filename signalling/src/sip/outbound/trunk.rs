//! A trunk: the one way by which calls leave for a telephone network, another exchange, or a proxy, as the configuration names it.
//!
//! Flow: [`Trunk::keep`], one task, keeps a connection by TLS or TCP -> [`Trunk::flow`] -> `dialling`; by UDP the node's own socket serves.
//! Thread: the server's runtime. Bounds: `limits::SIP_TRUNKS_MAX` connections, [`CONNECT_TIME_MAX`] for one, [`PAUSE_MAX`] between two attempts,
//! [`WAIT_MAX`] for a call until there is one.
//!
//! What comes by the connection is taken as what comes by any (`intake`): a trunk may call as well. Its name, and what DNS names in its
//! place (`names`), are the only ones that the node ever looks up; where there are several servers, the next is tried where one cannot be connected to.

use super::super::flow::Flow;
use super::super::streams::{self, Ends};
use super::super::switchboard::Switchboard;
use super::callee::Callee;
use super::digest::Credentials;
use super::registering::{RegistrationOptions, Standing};
use crate::model::{SipTrunk, SipTrunkRegistration};
use rsipstack::sip::Transport;
use socket2::{SockRef, TcpKeepalive};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// How long the addresses of a name may take to be looked up, a connection to be made, and TLS to be agreed; each.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long it may take to look up where a name's servers are: three rounds of questions.
const LOOK_UP_TIME_MAX: Duration = Duration::from_secs(12);
/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Between two attempts: first this, doubled each time, and never longer than that.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long a call waits for a connection that is being made.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// After how much silence the kernel asks whether the other end is there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// After how much silence of ours a trunk that calls come in by is told that we are there (RFC 5626 §4.4.1: 95 to 120 s).
const PING_INTERVAL: Duration = Duration::from_secs(100);

/// How a trunk is spoken to.
#[derive(Clone)]
pub enum TrunkTransport {
    /// By TLS, its certificate verified as this says.
    Tls(Arc<ClientConfig>),
    /// By TCP, in the clear.
    Tcp,
    /// By UDP, in the clear, from the node's own port.
    Udp,
}

/// A trunk, as the configuration has it.
#[derive(Clone)]
pub struct TrunkOptions {
    /// For the log.
    pub name: String,
    /// Its name or address.
    pub host: String,
    /// Its port; `None`: where DNS says (RFC 3263), else the usual one of the transport.
    pub port: Option<u16>,
    /// How it is spoken to.
    pub transport: TrunkTransport,
    /// The host of addresses that it takes, in small letters.
    pub domain: String,
    /// What the numbers begin with that it takes; empty: all, and names.
    pub prefixes: Vec<String>,
    /// As whom the node calls there: the user part of `From` and `Contact`.
    pub caller_id: String,
    /// What it is told when it asks who calls.
    pub credentials: Option<Credentials>,
    /// That the node registers there; not without credentials.
    pub registration: Option<RegistrationOptions>,
}

impl fmt::Debug for TrunkOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrunkOptions").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TrunkOptions {
    /// Whether DNS is asked for more than the addresses of its name.
    pub(super) fn is_looked_up(&self) -> bool {
        self.port.is_none() && self.host.parse::<IpAddr>().is_err()
    }

    const fn protocol(&self) -> Transport {
        match self.transport {
            TrunkTransport::Tls(_) => Transport::Tls,
            TrunkTransport::Tcp => Transport::Tcp,
            TrunkTransport::Udp => Transport::Udp,
        }
    }

    /// RFC 3261 §19.1.2.
    const fn usual_port(&self) -> u16 {
        if matches!(self.transport, TrunkTransport::Tls(_)) { 5_061 } else { 5_060 }
    }
}

/// See the module.
pub(super) struct Trunk {
    options: TrunkOptions,
    /// The way that stands, if one does.
    flow: watch::Sender<Option<Flow>>,
    /// How its registration stands.
    standing: watch::Sender<Standing>,
}

impl Trunk {
    pub(super) fn new(options: TrunkOptions) -> Self {
        Self { options, flow: watch::Sender::new(None), standing: watch::Sender::new(Standing::default()) }
    }

    pub(super) const fn options(&self) -> &TrunkOptions {
        &self.options
    }

    pub(super) fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    pub(super) fn stands(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }

    /// For the administrator.
    pub(super) fn shown(&self) -> SipTrunk {
        let Standing { until, status } = self.standing();
        let registers = self.options.registration.is_some();
        let (transport, is_kept) = match self.options.transport {
            TrunkTransport::Tls(_) => ("tls", true),
            TrunkTransport::Tcp => ("tcp", true),
            TrunkTransport::Udp => ("udp", false),
        };
        SipTrunk {
            name: self.options.name.clone(),
            transport: transport.to_owned(),
            connected: is_kept.then(|| self.flow.borrow().as_ref().is_some_and(Flow::is_open)),
            registration: registers.then(|| SipTrunkRegistration {
                registered: until.is_some(),
                until,
                status,
            }),
        }
    }

    /// How well it serves an address: characters of the prefix that does, of several the longest; `None`: not at all.
    pub(super) fn serves(&self, callee: &Callee) -> Option<usize> {
        let TrunkOptions { domain, prefixes, .. } = &self.options;
        if callee.host() != domain {
            return None;
        }
        if prefixes.is_empty() {
            return Some(0);
        }
        let number = callee.number()?;
        prefixes.iter().filter(|prefix| number.starts_with(prefix.as_str())).map(String::len).max()
    }

    /// The way there; `None` when there is none for now.
    pub(super) async fn flow(&self, board: &Switchboard) -> Option<Flow> {
        timeout(WAIT_MAX, self.opened(board)).await.ok().flatten()
    }

    /// The way there, once its connection stands; `None` where there is none to wait for, and none can be had.
    pub(super) async fn opened(&self, board: &Switchboard) -> Option<Flow> {
        if matches!(self.options.transport, TrunkTransport::Udp) {
            let (connection, local) = board.outbound.datagrams.clone()?;
            let found = self.addresses(board).await.ok()?;
            let from = found.into_iter().find(|at| at.is_ipv4() == local.is_ipv4())?;
            return Some(Flow { connection, transport: Transport::Udp, from, local, held: Arc::default() });
        }
        let mut flows = self.flow.subscribe();
        let open = flows.wait_for(|flow| flow.as_ref().is_some_and(Flow::is_open)).await;
        open.ok()?.clone()
    }

    /// Keeps a connection, until the task is ended. By UDP there is none to keep.
    pub(super) async fn keep(&self, board: &Arc<Switchboard>) {
        if matches!(self.options.transport, TrunkTransport::Udp) {
            return;
        }
        let mut pause = PAUSE_MIN;
        loop {
            let ended = self.converse(board).await;
            if self.flow.send_replace(None).is_some() {
                pause = PAUSE_MIN;
            }
            let error = ended.err().map(|error| error.kind());
            tracing::warn!(
                trunk = self.options.name,
                ?error,
                pause_s = pause.as_secs(),
                "no connection to a trunk"
            );
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One connection, from its beginning to its end, to the first of its addresses where there is one.
    async fn converse(&self, board: &Arc<Switchboard>) -> io::Result<()> {
        let mut failed = io::ErrorKind::NotFound.into();
        for from in self.addresses(board).await? {
            match self.connect(from).await {
                Ok(connected) => return self.exchange(connected, from, board).await,
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn connect(&self, from: SocketAddr) -> io::Result<Connected> {
        let stream = timeout(CONNECT_TIME_MAX, TcpStream::connect(from)).await??;
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        let local = stream.local_addr()?;
        let TrunkTransport::Tls(config) = &self.options.transport else {
            return Ok(Connected::Tcp(stream, local));
        };
        // RFC 5922 §4: of the name that the operator wrote, wherever DNS led.
        let name = ServerName::try_from(self.options.host.clone()).map_err(io::Error::other)?;
        let connecting = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        Ok(Connected::Tls(Box::new(timeout(CONNECT_TIME_MAX, connecting).await??), local))
    }

    async fn exchange(
        &self,
        connected: Connected,
        from: SocketAddr,
        board: &Arc<Switchboard>,
    ) -> io::Result<()> {
        let ping = self.options.registration.is_some().then_some(PING_INTERVAL);
        let transport = self.options.protocol();
        let ends = |local| Ends { transport, from, local, held: Arc::default(), ping };
        let opened = |flow: &Flow| {
            tracing::info!(trunk = self.options.name, "connected to a trunk");
            self.flow.send_replace(Some(flow.clone()));
        };
        match connected {
            Connected::Tls(stream, local) => streams::exchange(*stream, ends(local), board, opened).await,
            Connected::Tcp(stream, local) => streams::exchange(stream, ends(local), board, opened).await,
        }
    }

    /// Where it is now, the first to be tried first; not none.
    async fn addresses(&self, board: &Switchboard) -> io::Result<Vec<SocketAddr>> {
        let options = &self.options;
        let named = match board.outbound.names.as_ref().filter(|_| options.is_looked_up()) {
            Some(names) => {
                let found = names.find(&options.host, options.protocol());
                timeout(LOOK_UP_TIME_MAX, found).await.ok().flatten()
            }
            None => None,
        };
        let found = match named {
            Some(found) => found,
            None => {
                let at = (&*options.host, options.port.unwrap_or_else(|| options.usual_port()));
                timeout(CONNECT_TIME_MAX, lookup_host(at)).await??.take(ADDRESSES_MAX).collect()
            }
        };
        if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }
}

/// A connection that has been made, and our end of it.
enum Connected {
    Tls(Box<TlsStream<TcpStream>>, SocketAddr),
    Tcp(TcpStream, SocketAddr),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk(domain: &str, prefixes: &[&str]) -> Trunk {
        Trunk::new(TrunkOptions {
            name: "test".into(),
            host: "192.0.2.1".into(),
            port: Some(5_060),
            transport: TrunkTransport::Tcp,
            domain: domain.into(),
            prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
            caller_id: "mcu".into(),
            credentials: None,
            registration: None,
        })
    }

    #[test]
    fn a_trunk_serves_the_numbers_of_its_prefixes_at_its_domain() {
        let callee = |text: &str| Callee::parse(text).expect(text);
        let some = trunk("t.example", &["+49", "+4930"]);
        let table = [
            ("sip:+4930123@t.example", Some(5)),
            ("sip:+4940123@t.example", Some(3)),
            ("sip:+31@t.example", None),
            ("sip:room@t.example", None),
            ("sip:+4930123@other.example", None),
        ];
        for (text, expected) in table {
            assert_eq!(some.serves(&callee(text)), expected, "{text}");
        }
        assert_eq!(
            trunk("t.example", &[]).serves(&callee("sip:room@t.example")),
            Some(0),
            "every address there"
        );
    }
}
