//! The TCP listeners for words: HTTPS, plain HTTP and metrics, HTTP/1.1 only.
//!
//! Flow: kernel -> **here** -> the routers of `signalling`, `web` and `metrics`. Thread: control runtime, one task a connection.
//! Bounds: [`Connections`] at a time, `HANDSHAKE_TIME_MAX` for TLS, `HEADER_TIME_MAX` for a connection's first byte, and again for each request's header,
//! so that whoever connects and says nothing, or says it a byte at a time, is gone soon. What a request may take after its
//! header is bounded by `signalling`.

use axum::Router;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use signalling::door::connections::{Connections, Place};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Sleep;

/// How long a TLS handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
/// How long the header of a request may take, counted from when it could have begun.
const HEADER_TIME_MAX: Duration = Duration::from_secs(5);
/// How a client begins that wants HTTP/2 without having negotiated it (RFC 9113 §3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A listener cannot be had: most often the port is taken.
#[derive(Debug, thiserror::Error)]
#[error("{what} on {address}: {source}; choose another with --{flag}")]
pub struct ListenError {
    /// HTTPS, HTTP or metrics.
    pub what: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// The flag that moves it.
    pub flag: &'static str,
    /// Why.
    pub source: io::Error,
}

/// What answers the requests of a listener.
pub(crate) type Service = IntoMakeServiceWithConnectInfo<Router, SocketAddr>;
/// The listeners at work; each ends when its handle says so.
pub(crate) type Listeners = JoinSet<io::Result<()>>;

/// A port that is taken but not served yet.
pub(crate) struct Listening {
    /// HTTPS, HTTP or metrics.
    what: &'static str,
    address: SocketAddr,
    flag: &'static str,
    socket: TcpListener,
}

impl Listening {
    /// Takes `address`.
    ///
    /// # Errors
    /// [`ListenError`].
    pub(crate) fn open(
        what: &'static str,
        address: SocketAddr,
        flag: &'static str,
    ) -> Result<Self, ListenError> {
        let error = |source| ListenError { what, address, flag, source };
        let socket = TcpListener::bind(address).map_err(error)?;
        socket.set_nonblocking(true).map_err(error)?;
        // With port 0 the kernel has chosen one.
        let address = socket.local_addr().map_err(error)?;
        Ok(Self { what, address, flag, socket })
    }

    /// The address that it listens on.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves it in plain text until `handle` says otherwise, as many `connections` at a time as there may be.
    ///
    /// # Errors
    /// [`ListenError`].
    pub(crate) fn spawn_http(
        self,
        listeners: &mut Listeners,
        connections: &Arc<Connections>,
        handle: Handle<SocketAddr>,
        service: Service,
    ) -> Result<(), ListenError> {
        let Self { what, address, flag, socket } = self;
        let server = axum_server::from_tcp(socket)
            .map_err(|source| ListenError { what, address, flag, source })?
            .map(|inner| PromptAcceptor { inner, connections: Arc::clone(connections) });
        listeners.spawn(prompt(server).handle(handle).serve(service));
        Ok(())
    }

    /// The same over TLS.
    ///
    /// # Errors
    /// [`ListenError`].
    pub(crate) fn spawn_https(
        self,
        listeners: &mut Listeners,
        connections: &Arc<Connections>,
        tls: RustlsConfig,
        handle: Handle<SocketAddr>,
        service: Service,
    ) -> Result<(), ListenError> {
        let Self { what, address, flag, socket } = self;
        let server = axum_server::from_tcp_rustls(socket, tls)
            .map_err(|source| ListenError { what, address, flag, source })?
            .map(|inner| PromptAcceptor {
                inner: inner.handshake_timeout(HANDSHAKE_TIME_MAX),
                connections: Arc::clone(connections),
            });
        listeners.spawn(prompt(server).handle(handle).serve(service));
        Ok(())
    }
}

/// Sets the time that a header may take.
fn prompt<A>(mut server: Server<SocketAddr, A>) -> Server<SocketAddr, A> {
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME_MAX);
    server
}

/// Accepts as `inner` does, where there is a place, and hands on a connection that must begin to speak HTTP/1.1 in time.
#[derive(Clone)]
struct PromptAcceptor<A> {
    inner: A,
    connections: Arc<Connections>,
}

impl<A, S> Accept<TcpStream, S> for PromptAcceptor<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
{
    type Stream = Prompt<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = stream.peer_addr().ok().and_then(|peer| self.connections.admit(peer.ip()));
        let Some(place) = place else {
            return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
        };
        let accepted = self.inner.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((Prompt::new(stream, place), service))
        })
    }
}

/// A connection that fails while it says nothing, or only what HTTP/2 begins with.
///
/// The library looks at these first bytes to tell the versions apart, and does so without any limit of time; once they
/// differ from [`HTTP2_PREFACE`] its own limit for headers holds, and this one ends.
struct Prompt<S> {
    stream: S,
    opening: Option<Opening>,
    /// Held as long as the connection, also when it has become a socket of events.
    _place: Place,
}

struct Opening {
    deadline: Pin<Box<Sleep>>,
    /// Bytes of [`HTTP2_PREFACE`] that were said.
    matched: usize,
}

impl<S> Prompt<S> {
    fn new(stream: S, place: Place) -> Self {
        let deadline = Box::pin(tokio::time::sleep(HEADER_TIME_MAX));
        Self { stream, opening: Some(Opening { deadline, matched: 0 }), _place: place }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prompt<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, opening, .. } = &mut *self;
        let Some(Opening { deadline, matched }) = opening else {
            return Pin::new(stream).poll_read(context, buffer);
        };
        let before = buffer.filled().len();
        if Pin::new(stream).poll_read(context, buffer)?.is_pending() {
            ready!(deadline.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let said = &buffer.filled()[before..];
        let unsaid = &HTTP2_PREFACE[*matched..];
        if said.starts_with(unsaid) {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        }
        if unsaid.starts_with(said) {
            *matched += said.len();
        } else {
            *opening = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prompt<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    /// A listener that answers `well`, and how many may be connected to it.
    fn listen(connections: &Arc<Connections>) -> (SocketAddr, Listeners) {
        let router = Router::new()
            .route("/", get(|| async { "well" }))
            .route("/wait", get(std::future::pending::<&'static str>));
        let port = Listening::open("HTTP", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), "none").expect("free");
        let address = port.address();
        let mut listeners = JoinSet::new();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        port.spawn_http(&mut listeners, connections, Handle::new(), service).expect("serves");
        (address, listeners)
    }

    /// What a client hears that says `words` and then nothing, and after what (virtual) time the connection ends.
    async fn hear_at(address: SocketAddr, words: &[u8]) -> (String, Duration) {
        let mut client = TcpStream::connect(address).await.expect("connects");
        let began = Instant::now();
        // Fails where the other end is closed already.
        let _ = client.write_all(words).await;
        let mut heard = Vec::new();
        // Ends with or without a reset, by what the kernel still held.
        let _ = client.read_to_end(&mut heard).await;
        (String::from_utf8_lossy(&heard).into_owned(), began.elapsed())
    }

    async fn hear(words: &[u8]) -> (String, Duration) {
        let (address, _listeners) = listen(&Connections::new(0, 10));
        hear_at(address, words).await
    }

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn who_is_too_many_is_closed_at_once_and_comes_in_when_another_leaves() {
        let connections = Connections::new(0, 3);
        let (address, _listeners) = listen(&connections);
        let mut crowd = Vec::new();
        for _ in 0..3 {
            let mut client = TcpStream::connect(address).await.expect("connects");
            client.write_all(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("is heard");
            crowd.push(client);
        }
        while connections.open() < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hear_at(address, ASK).await.0, "", "closed without a word");
        assert_eq!((connections.open(), connections.refused()), (3, 1));
        drop(crowd.pop());
        while connections.open() == 3 {
            tokio::task::yield_now().await;
        }
        assert!(hear_at(address, ASK).await.0.ends_with("well"), "there is a place again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_that_says_nothing_loses_its_places_in_time() {
        let connections = Connections::new(0, 50);
        let (address, _listeners) = listen(&connections);
        // Without waiting: time stands still until all are in.
        let crowd: Vec<_> =
            (0..50).map(|_| std::net::TcpStream::connect(address).expect("connects")).collect();
        while connections.open() < 50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hear_at(address, ASK).await.0, "", "while it waits nobody else comes in");
        tokio::time::sleep(2 * HEADER_TIME_MAX).await;
        assert!(hear_at(address, ASK).await.0.ends_with("well"), "gone by itself, none of it has closed");
        assert_eq!((connections.refused(), crowd.len()), (1, 50));
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_too_little_is_gone_in_time() {
        for words in ["", "P", "PRI * HTTP/2.0\r\n", "G", "GET / HTTP/1.1\r\nHost: x\r\n"] {
            let (heard, after) = hear(words.as_bytes()).await;
            assert_eq!(heard, "", "{words:?}");
            assert!(after >= HEADER_TIME_MAX && after < 2 * HEADER_TIME_MAX, "{words:?} after {after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn http2_is_not_spoken() {
        let (heard, _) = hear(HTTP2_PREFACE).await;
        assert_eq!(heard, "");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_is_answered_even_if_the_first_letter_is_that_of_http2() {
        for words in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "PRINT / HTTP/1.1\r\nHost: x\r\n\r\n"] {
            let (heard, _) = hear(words.as_bytes()).await;
            assert!(heard.starts_with("HTTP/1.1 ") && heard.contains("\r\n\r\n"), "{words:?}: {heard}");
        }
        assert!(hear(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.0.ends_with("well"));
    }
}
