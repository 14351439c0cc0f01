//! The way to a SIP server: a TLS or TCP connection, or a datagram socket, as the library knows one; what comes by it, message by message.
//!
//! Flow: socket -> **here**, which frames and parses -> `Call`; the library -> **here** -> socket. Thread: tasks of the call's own, so that a
//! message on which the library's parser fails costs one call. Bounds: [`CONNECT_TIME_MAX`], [`MESSAGE_BYTES_MAX`], [`MESSAGES_MAX`] each way.
//!
//! The library's own TLS would bring a second cryptography with it; a stream is given to it as what it calls a channel.

use super::CallError;
use super::address::{Carrier, SipAddress};
use bytes::{Buf, Bytes, BytesMut};
use rsipstack::sip::{SipMessage, Transport};
use rsipstack::transport::channel::ChannelConnection;
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipAddr, SipConnection, TransportEvent};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The longest that a server may take to let us connect, TLS included.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the server may take no byte of a message of ours.
const WRITE_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of a message, header and body.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Messages waiting, each way.
const MESSAGES_MAX: usize = 32;
const LINE_END: &[u8] = b"\r\n";
const HEADER_END: &[u8] = b"\r\n\r\n";

/// Whom TLS trusts, and what it shows of itself. All PEM.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The CA that signed the server's certificate.
    pub ca: Option<Vec<u8>>,
    /// A certificate of ours with its chain, and its key, for servers that ask for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// See the module. What came is in `messages`, until it is closed.
pub(super) struct Connection {
    pub(super) flow: SipConnection,
    /// The server, as the library names it.
    pub(super) peer: SipAddr,
    pub(super) local: SocketAddr,
    pub(super) messages: mpsc::Receiver<SipMessage>,
    /// Reading; over when this is dropped.
    _tasks: JoinSet<()>,
}

impl Connection {
    /// Connects to the server of `address`.
    ///
    /// # Errors
    /// [`CallError::Unreachable`], [`CallError::Credentials`].
    pub(super) async fn open(address: &SipAddress, credentials: &Credentials) -> Result<Self, CallError> {
        let unreachable = |error: io::Error| CallError::Unreachable(address.server(), error);
        let opening = async {
            let server = resolve(address).await.map_err(unreachable)?;
            match address.carrier() {
                Carrier::Udp => datagrams(server).await.map_err(unreachable),
                Carrier::Tcp => {
                    let stream = connect(server).await.map_err(unreachable)?;
                    let local = stream.local_addr().map_err(unreachable)?;
                    exchange(stream, Transport::Tcp, server, local).await.map_err(unreachable)
                }
                Carrier::Tls => {
                    let config = configuration(credentials)?;
                    let (host, _) = address.host_port();
                    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
                        CallError::Credentials("the server's name is none that a certificate could have")
                    })?;
                    let stream = connect(server).await.map_err(unreachable)?;
                    let local = stream.local_addr().map_err(unreachable)?;
                    let stream =
                        TlsConnector::from(config).connect(name, stream).await.map_err(unreachable)?;
                    exchange(stream, Transport::Tls, server, local).await.map_err(unreachable)
                }
            }
        };
        timeout(CONNECT_TIME_MAX, opening)
            .await
            .unwrap_or_else(|_| Err(unreachable(io::ErrorKind::TimedOut.into())))
    }
}

/// `localhost` may name both families, and nodes take IPv4 first.
async fn resolve(address: &SipAddress) -> io::Result<SocketAddr> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host(address.host_port()).await?.collect();
    let found = addresses.iter().find(|address| address.is_ipv4()).or_else(|| addresses.first());
    found.copied().ok_or_else(|| io::ErrorKind::NotFound.into())
}

async fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn configuration(credentials: &Credentials) -> Result<Arc<ClientConfig>, CallError> {
    let wrong = CallError::Credentials;
    let missing = || wrong("whom to trust is not said: pass --sip-ca FILE");
    let pem = credentials.ca.as_deref().ok_or_else(missing)?;
    let mut roots = RootCertStore::empty();
    for certificate in chain(pem).ok_or_else(|| wrong("the server's CA is not PEM"))? {
        roots.add(certificate).map_err(|_| wrong("the server's CA is no certificate"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| wrong("TLS"))?
        .with_root_certificates(roots);
    let config = match &credentials.identity {
        None => builder.with_no_client_auth(),
        Some((certificates, key)) => {
            let chain = chain(certificates).ok_or_else(|| wrong("our certificate is not PEM"))?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| wrong("our key is not PEM"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|_| wrong("our certificate and key do not fit"))?
        }
    };
    Ok(Arc::new(config))
}

/// The certificates of a PEM file; `None` where there is none, or something else.
fn chain(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!chain.is_empty()).then_some(chain)
}

async fn datagrams(server: SocketAddr) -> io::Result<Connection> {
    let route = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
    // Sends nothing: it looks up the route.
    route.connect(server).await?;
    let socket = Arc::new(UdpSocket::bind((route.local_addr()?.ip(), 0)).await?);
    let local = socket.local_addr()?;
    let known = Arc::clone(&socket) as Arc<dyn rsipstack::platform::net::UdpSocket>;
    let flow = UdpConnection::from_socket(known, None, None).await.map_err(io::Error::other)?;
    let (tell, messages) = mpsc::channel(MESSAGES_MAX);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        loop {
            // An error is that of an earlier send (ICMP): who is not there will not answer.
            let Ok((len, from)) = socket.recv_from(&mut buffer).await else { continue };
            let Ok(message) = SipMessage::try_from(&buffer[..len]) else { continue };
            if from == server && tell.send(message).await.is_err() {
                return;
            }
        }
    });
    let peer = SipAddr::new(Transport::Udp, server.into());
    Ok(Connection { flow: flow.into(), peer, local, messages, _tasks: tasks })
}

async fn exchange<S: AsyncRead + AsyncWrite + Send + 'static>(
    stream: S,
    transport: Transport,
    server: SocketAddr,
    local: SocketAddr,
) -> io::Result<Connection> {
    let peer = SipAddr::new(transport, server.into());
    let (tell, outgoing) = mpsc::channel(MESSAGES_MAX);
    #[expect(
        clippy::disallowed_methods,
        reason = "the library asks for one; its sender is gone, so nothing is ever in it"
    )]
    let (_, nothing) = rsipstack::platform::mpsc::unbounded_channel();
    let flow = ChannelConnection::create_connection_bounded(nothing, tell, peer.clone(), None).await;
    let flow = SipConnection::from(flow.map_err(io::Error::other)?);
    let (tell, messages) = mpsc::channel(MESSAGES_MAX);
    let (reader, writer) = tokio::io::split(stream);
    let mut tasks = JoinSet::new();
    // Each ends in every way that connections end; that nothing more comes says it.
    tasks.spawn(async move {
        let _ = read(reader, &tell).await;
    });
    // Ends by itself when nobody can send any more: what was said last leaves first.
    tokio::spawn(async move {
        let _ = write(writer, outgoing).await;
    });
    Ok(Connection { flow, peer, local, messages, _tasks: tasks })
}

async fn read<S: AsyncRead>(mut reader: ReadHalf<S>, tell: &mpsc::Sender<SipMessage>) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        while let Some(message) = frame(&mut buffer)? {
            // What cannot be parsed is nobody's.
            let Ok(message) = SipMessage::try_from(&message[..]) else { continue };
            tell.send(message).await.map_err(io::Error::other)?;
        }
        if reader.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn write<S: AsyncWrite>(
    mut writer: WriteHalf<S>,
    mut outgoing: mpsc::Receiver<TransportEvent>,
) -> io::Result<()> {
    while let Some(event) = outgoing.recv().await {
        if let TransportEvent::Incoming(message, ..) = event {
            timeout(WRITE_TIME_MAX, async {
                writer.write_all(&message.to_bytes()).await?;
                writer.flush().await
            })
            .await??;
        }
    }
    Ok(())
}

/// Takes the first message out of a stream once it is whole (RFC 3261 §18.3).
fn frame(buffer: &mut BytesMut) -> io::Result<Option<Bytes>> {
    // RFC 3261 §7.5, RFC 5626 §4.4.1: empty lines between messages say nothing.
    while buffer.starts_with(LINE_END) {
        buffer.advance(LINE_END.len());
    }
    let end = buffer.windows(HEADER_END.len()).position(|window| window == HEADER_END);
    let bytes = match end {
        Some(end) => {
            let body = content_length(&buffer[..end]).ok_or(io::ErrorKind::InvalidData)?;
            end + HEADER_END.len() + body
        }
        None => buffer.len(),
    };
    if bytes > MESSAGE_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((end.is_some() && buffer.len() >= bytes).then(|| buffer.split_to(bytes).freeze()))
}

/// RFC 3261 §20.14, in its long or short form; of several that differ, none.
fn content_length(header: &[u8]) -> Option<usize> {
    let header = std::str::from_utf8(header).ok()?;
    let lengths = header.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length =
            name.trim().eq_ignore_ascii_case("content-length") || name.trim().eq_ignore_ascii_case("l");
        is_length.then(|| value.trim())
    });
    let mut lengths =
        lengths.map(|value| value.parse::<usize>().ok().filter(|bytes| *bytes <= MESSAGE_BYTES_MAX));
    let first = lengths.next()??;
    lengths.all(|other| other == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(stream: &[u8]) -> io::Result<Vec<Bytes>> {
        let mut buffer = BytesMut::from(stream);
        let mut frames = Vec::new();
        while let Some(message) = frame(&mut buffer)? {
            frames.push(message);
        }
        Ok(frames)
    }

    #[test]
    fn messages_come_out_of_a_stream_as_they_went_in() {
        let one = "SIP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nbody";
        let other = "SIP/2.0 100 Trying\r\nl:0\r\n\r\n";
        let stream = format!("{one}\r\n\r\n{other}{one}");
        let all = frames(stream.as_bytes()).expect("whole messages");
        assert_eq!(all, [one, other, one].map(|text| Bytes::copy_from_slice(text.as_bytes())));
        for cut in 0..one.len() {
            assert_eq!(frames(&one.as_bytes()[..cut]).expect("nothing wrong yet").len(), 0, "{cut}");
        }
    }

    #[test]
    fn a_message_without_a_clear_end_ends_the_stream() {
        for lengths in ["", "l: 4\r\nl: 5\r\n", "l: -1\r\n", "l: 65537\r\n", "l: x\r\n"] {
            assert!(frames(format!("SIP/2.0 200 OK\r\n{lengths}\r\nbody!").as_bytes()).is_err(), "{lengths}");
        }
        assert!(frames(b"SIP/2.0 200 OK\r\nl: 4\r\nl: 4\r\n\r\nbody").is_ok(), "the control");
        assert!(frames(&vec![b'x'; MESSAGE_BYTES_MAX]).is_ok(), "it could still end");
        assert!(frames(&vec![b'x'; MESSAGE_BYTES_MAX + 1]).is_err());
    }
}
