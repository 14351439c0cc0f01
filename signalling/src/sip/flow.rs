//! The way that a message came by, which answers and requests of ours go back.
//!
//! Flow: `datagrams`, `streams`, `websocket`, `outbound::trunk` -> [`Flow`] -> `intake`, `call`. A message without one does not exist here, so nothing is
//! ever sent but where something came from, and to the trunks of the configuration.

use super::framing::PING;
use crate::door::connections::{Place, Settled};
use rsipstack::sip::{HeadersExt, ToTypedHeader};
use rsipstack::sip::{Host, HostWithPort, Param, Port, Request, Scheme, Transport, Uri};
use rsipstack::transport::{SipAddr, SipConnection};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// See the module.
#[derive(Clone)]
pub(crate) struct Flow {
    /// What carries answers and requests of ours.
    pub(super) connection: SipConnection,
    /// UDP, TCP, TLS, or WebSocket over TLS.
    pub(super) transport: Transport,
    /// The other end, as the kernel saw it.
    pub(crate) from: SocketAddr,
    /// Our end, as it was bound.
    pub(super) local: SocketAddr,
    /// Held by every call and every registered address on this connection: it is not idle as long as there is one.
    pub(super) held: Arc<Held>,
}

/// What a connection is to others than itself; of datagrams it is nothing.
#[derive(Debug, Default)]
pub(crate) struct Held {
    place: Weak<Place>,
    registered: AtomicBool,
}

impl Held {
    /// Of a connection with a place.
    pub(super) fn at(place: &Arc<Place>) -> Arc<Self> {
        Arc::new(Self { place: Arc::downgrade(place), registered: AtomicBool::new(false) })
    }

    /// Takes the connection out of the crowd of strangers, as a device has registered on it; `None` where there is none.
    ///
    /// # Errors
    /// When there are too many such.
    pub(super) fn settle(&self) -> Result<Option<Settled>, ()> {
        self.registered.store(true, Ordering::Relaxed);
        self.place.upgrade().map_or(Ok(None), |place| place.settle().map(Some).ok_or(()))
    }

    /// Whether a device ever registered on it.
    pub(super) fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Relaxed)
    }
}

impl Flow {
    /// Whether nobody in between reads along.
    pub(super) const fn is_secure(&self) -> bool {
        matches!(self.transport, Transport::Tls | Transport::Wss)
    }

    /// Whether anybody but its connection holds it: a call, or a registered address.
    pub(super) fn is_kept(&self) -> bool {
        Arc::strong_count(&self.held) > 1
    }

    /// Whether a browser is at its other end, or what is made like one: RFC 7118 is for them.
    pub(super) const fn is_of_browser(&self) -> bool {
        matches!(self.transport, Transport::Wss)
    }

    /// Whether anything can still leave by it. Of datagrams nobody knows.
    pub(super) fn is_open(&self) -> bool {
        !self.connection.cancel_token().is_some_and(|token| token.is_cancelled())
    }

    /// Returns once nothing can leave by it any more, or come; of datagrams never.
    pub(super) async fn closed(&self) {
        match self.connection.cancel_token() {
            Some(token) => token.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Keeps a way of datagrams open through NAT by one that everybody passes over; streams have pings of their own.
    pub(super) async fn ping(&self) {
        if let SipConnection::Udp(connection) = &self.connection {
            // One that is lost is followed by another.
            let _ = connection.send_raw(PING, &self.peer()).await;
        }
    }

    /// Our address: the one that is bound, or the one that the kernel takes on the way to the other end.
    pub(super) fn local_address(&self) -> IpAddr {
        let bound = self.local.ip();
        if !bound.is_unspecified() {
            return bound.to_canonical();
        }
        let probe = || {
            let socket = std::net::UdpSocket::bind(SocketAddr::new(bound, 0))?;
            // Sends nothing: it looks up the route.
            socket.connect(self.from)?;
            socket.local_addr()
        };
        probe().map_or(bound, |local| local.ip().to_canonical())
    }

    /// The other end, as the library names it.
    pub(super) fn peer(&self) -> SipAddr {
        SipAddr::new(self.transport, self.from.into())
    }
}

/// Where we say that we are: one host, which is right from outside, and a port for each transport.
#[derive(Debug, Clone)]
pub(super) struct Told {
    host: Host,
    ports: [(Transport, u16); 4],
}

impl Told {
    /// `host` is an address or a name; `ports` says 0 of a transport that is not served.
    pub(super) fn new(host: &str, ports: impl Fn(Transport) -> u16) -> Self {
        let served = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Wss];
        Self { host: named(host), ports: served.map(|transport| (transport, ports(transport))) }
    }

    /// The host alone.
    pub(super) fn host(&self) -> String {
        self.host.to_string()
    }

    /// For `Via` (RFC 3261 §18.1.1).
    pub(super) fn address(&self, transport: Transport) -> SipAddr {
        let port = self.ports.iter().find(|(served, _)| *served == transport).map(|(_, port)| Port(*port));
        SipAddr::new(transport, HostWithPort { host: self.host.clone(), port })
    }

    /// For `Contact`: where requests within a call reach us. As secret as the address that was dialled (§12.1.1).
    pub(super) fn contact(&self, user: &str, transport: Transport, dialled: &Uri) -> Uri {
        let scheme = if dialled.scheme == Some(Scheme::Sips) { Scheme::Sips } else { Scheme::Sip };
        let params = match transport {
            Transport::Udp => Vec::new(),
            // RFC 7118 §5.2.2: addresses know one name for both kinds of WebSocket.
            Transport::Wss => vec![Param::Transport(Transport::Ws)],
            other => vec![Param::Transport(other)],
        };
        Uri {
            scheme: Some(scheme),
            auth: Some(user.into()),
            host_with_port: self.address(transport).addr,
            params,
            headers: Vec::new(),
        }
    }
}

/// An address or a name, as it stands in addresses.
pub(super) fn named(host: &str) -> Host {
    match host.parse::<IpAddr>() {
        Ok(address) => Host::IpAddr(address),
        Err(_) => Host::Domain(host.into()),
    }
}

/// Writes into the topmost Via where the request came from (RFC 3261 §18.2.1), and its port where it is asked for
/// (RFC 3581 §4), so that the answer finds its way back through NAT.
///
/// # Errors
/// When there is no Via that can be read.
pub(super) fn mark_source(request: &mut Request, from: SocketAddr) -> Result<(), rsipstack::sip::Error> {
    request.via_header_mut()?.update_first_value(|via| {
        let mut via = via.typed()?;
        let wants_port = via.params.iter().any(|param| matches!(param, Param::Rport(_)));
        via.params.retain(|param| !matches!(param, Param::Rport(_) | Param::Received(_)));
        via.params.push(Param::Received(from.ip().to_canonical().to_string().into()));
        if wants_port {
            via.params.push(Param::Rport(Some(from.port())));
        }
        Ok(via.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::connections::Connections;

    #[test]
    fn a_connection_on_which_a_device_has_registered_is_no_strangers() {
        let connections = Connections::settling(1, 1, 1);
        let here = IpAddr::from([192, 0, 2, 1]);
        let place = Arc::new(connections.admit(here).expect("the first"));
        let held = Held::at(&place);
        assert!(!held.is_registered() && connections.admit(here).is_none());
        let settled = held.settle().expect("a place apart");
        assert!(settled.is_some() && held.is_registered() && connections.admit(here).is_some());
        let second = Arc::new(connections.admit(here).expect("the place of the first"));
        assert!(Held::at(&second).settle().is_err(), "there are no more");
        assert!(Held::default().settle().is_ok_and(|settled| settled.is_none()), "a datagram has none");
    }

    fn marked(via: &str, from: &str) -> String {
        let text = format!("OPTIONS sip:a@b SIP/2.0\r\nVia: {via}\r\nContent-Length: 0\r\n\r\n");
        let mut request = Request::try_from(text.as_str()).expect("a fair request");
        mark_source(&mut request, from.parse().expect("an address")).expect("a fair Via");
        request.via_header().expect("a Via").value().to_owned()
    }

    #[test]
    fn the_source_is_written_down_and_the_port_where_it_is_asked_for() {
        let table = [
            (
                "SIP/2.0/UDP a:5060;branch=z9hG4bKx",
                "192.0.2.1:9",
                "SIP/2.0/UDP a:5060;branch=z9hG4bKx;received=192.0.2.1",
            ),
            (
                "SIP/2.0/UDP a;rport;branch=z9hG4bKx, SIP/2.0/UDP b;branch=z9hG4bKy",
                "192.0.2.1:9",
                "SIP/2.0/UDP a;branch=z9hG4bKx;received=192.0.2.1;rport=9, SIP/2.0/UDP b;branch=z9hG4bKy",
            ),
            (
                "SIP/2.0/TLS [2001:db8::1]:5061;received=198.51.100.1;rport=1;branch=z9hG4bKx",
                "[2001:db8::2]:9",
                "SIP/2.0/TLS [2001:db8::1]:5061;branch=z9hG4bKx;received=2001:db8::2;rport=9",
            ),
            (
                "SIP/2.0/UDP a;branch=z9hG4bKx",
                "[::ffff:192.0.2.1]:9",
                "SIP/2.0/UDP a;branch=z9hG4bKx;received=192.0.2.1",
            ),
        ];
        for (via, from, expected) in table {
            assert_eq!(marked(via, from), expected);
        }
    }

    #[test]
    fn contact_and_via_say_the_host_that_is_told_and_the_port_of_the_transport() {
        let dialled = |uri: &str| {
            let text = format!("OPTIONS {uri} SIP/2.0\r\nContent-Length: 0\r\n\r\n");
            Request::try_from(text.as_str()).expect("a fair request")
        };
        let told = Told::new("mcu.example.org", |transport| match transport {
            Transport::Tls => 5061,
            Transport::Wss => 5063,
            _ => 5060,
        });
        let contact = |transport, uri: &str| told.contact("daily", transport, &dialled(uri).uri).to_string();
        assert_eq!(contact(Transport::Udp, "sip:daily@x"), "sip:daily@mcu.example.org:5060");
        assert_eq!(contact(Transport::Tls, "sip:daily@x"), "sip:daily@mcu.example.org:5061;transport=TLS");
        assert_eq!(contact(Transport::Tls, "sips:daily@x"), "sips:daily@mcu.example.org:5061;transport=TLS");
        assert_eq!(contact(Transport::Wss, "sip:daily@x"), "sip:daily@mcu.example.org:5063;transport=WS");
        assert_eq!(told.address(Transport::Wss).to_string(), "WSS mcu.example.org:5063");
        let v6 = Told::new("2001:db8::1", |_| 5060);
        assert_eq!(v6.address(Transport::Udp).to_string(), "UDP [2001:db8::1]:5060");
    }
}
