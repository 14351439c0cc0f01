//! TCP and TLS connections, to the SIP ports and to trunks: accepted where there is a place, framed (here, or as WebSockets), and closed when they say nothing.
//!
//! Flow: kernel -> **here**, `websocket` -> `intake`, and answers back. Thread: the server's runtime, one task a connection, so that one which
//! fails fails alone. Bounds: `limits::SIP_CONNECTIONS_MAX` and the bound of an address ([`Connections`]), [`HANDSHAKE_TIME_MAX`] for TLS and an upgrade,
//! [`MESSAGE_TIME_MAX`] from a message's first byte to its last, [`WRITE_TIME_MAX`] to take one of ours, [`WRITES_MAX`] of
//! those waiting, [`IDLE_TIME_MAX`] without a byte for a connection that no call is on.
//!
//! The library's own listeners have none of these but the last, and its TLS cannot ask for a client's certificate; a connection is
//! given to it as what it calls a channel, by which its answers come back here.

use super::flow::{Flow, Held};
use super::framing::{Frame, FrameError, Framer, PING, PONG};
use super::intake;
use super::switchboard::Switchboard;
use super::websocket;
use crate::door::connections::{Connections, Place};
use rsipstack::platform::CancellationToken;
use rsipstack::sip::Transport;
use rsipstack::transport::channel::ChannelConnection;
use rsipstack::transport::{SipAddr, SipConnection, TransportEvent};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Bytes read at a time: a REGISTER, say. Every connection holds as many for as long as it is open.
const READ_BYTES: usize = 2 * 1024;
/// How long a TLS handshake may take, with the upgrade to a WebSocket after it.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a message may take from its first byte to its last.
const MESSAGE_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the other end may take no byte of a message of ours.
pub(super) const WRITE_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a connection may be silent that no call is on; RFC 5626 §4.4.1 has clients say something every two minutes.
pub(super) const IDLE_TIME_MAX: Duration = Duration::from_secs(300);
/// After how much silence the kernel asks whether the other end is there.
const KEEPALIVE_TIME: Duration = Duration::from_secs(60);
/// How long a connection that is not read any more is still written to.
pub(super) const LINGER_TIME: Duration = Duration::from_millis(500);
/// Messages of ours waiting for one connection; whoever has one more waits.
const WRITES_MAX: usize = 16;
/// After an accept that failed (out of descriptors), others get time to close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the connections of a listener carry.
#[derive(Clone)]
pub(super) enum Carrier {
    /// Messages in the clear.
    Tcp,
    /// Messages in secret.
    Tls(TlsAcceptor),
    /// A WebSocket in secret, for pages of these origins.
    Wss(TlsAcceptor, Arc<[String]>),
}

/// Accepts until the task is ended.
pub(super) async fn serve(
    listener: TcpListener,
    carrier: Carrier,
    connections: Arc<Connections>,
    board: Arc<Switchboard>,
) {
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(place) = connections.admit(from.ip()) else { continue };
        let (carrier, board) = (carrier.clone(), Arc::clone(&board));
        tokio::spawn(async move {
            // Ends in every way that connections end; nobody is told.
            let _ = converse(stream, from, carrier, &board, &Arc::new(place)).await;
        });
    }
}

async fn converse(
    stream: TcpStream,
    from: SocketAddr,
    carrier: Carrier,
    board: &Arc<Switchboard>,
    place: &Arc<Place>,
) -> io::Result<()> {
    let local = stream.local_addr()?;
    stream.set_nodelay(true)?;
    // A device that lost its power says nothing of it, and its registration keeps its connection.
    SockRef::from(&stream).set_tcp_keepalive(
        &TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_TIME / 3),
    )?;
    let ends = |transport| Ends { transport, from, local, held: Held::at(place), ping: None };
    // Apart: whoever has not shaken hands has no room for messages.
    match carrier {
        Carrier::Tcp => Box::pin(exchange(stream, ends(Transport::Tcp), board, |_| ())).await,
        Carrier::Tls(acceptor) => {
            let stream = timeout(HANDSHAKE_TIME_MAX, acceptor.accept(stream)).await??;
            Box::pin(exchange(stream, ends(Transport::Tls), board, |_| ())).await
        }
        Carrier::Wss(acceptor, origins) => {
            let opening = async { websocket::upgrade(acceptor.accept(stream).await?, &origins).await };
            let socket = timeout(HANDSHAKE_TIME_MAX, opening).await??;
            Box::pin(websocket::exchange(socket, ends(Transport::Wss), board)).await
        }
    }
}

/// What a connection connects.
pub(super) struct Ends {
    /// TCP, TLS, or WebSocket over TLS.
    pub(super) transport: Transport,
    /// The other end.
    pub(super) from: SocketAddr,
    /// Ours.
    pub(super) local: SocketAddr,
    /// What keeps it open.
    pub(super) held: Arc<Held>,
    /// After how long without a word of ours one is said that keeps it open at the other end (RFC 5626 §4.4.1).
    pub(super) ping: Option<Duration>,
}

/// Reads and writes until either ends, having told `opened` of the way that there is now. A connection whose way somebody keeps is not idle.
pub(super) async fn exchange<S: AsyncRead + AsyncWrite>(
    stream: S,
    ends: Ends,
    board: &Arc<Switchboard>,
    opened: impl FnOnce(&Flow),
) -> io::Result<()> {
    let quiet = ends.ping;
    let (flow, outgoing, open) = open(ends).await?;
    opened(&flow);
    let (ping, pings) = mpsc::channel(1);
    let (reader, writer) = tokio::io::split(stream);
    let (reading, writing) = (read(reader, &ping, &flow, board), write(writer, outgoing, pings, quiet));
    both(board, &flow, open, reading, writing).await?
}

/// The way that a connection makes, what is to leave by it, and what closes it for others.
pub(super) async fn open(
    Ends { transport, from, local, held, ping: _ }: Ends,
) -> io::Result<(Flow, mpsc::Receiver<TransportEvent>, CancellationToken)> {
    let (tell, outgoing) = mpsc::channel(WRITES_MAX);
    let open = CancellationToken::new();
    let connection = channel(tell, SipAddr::new(transport, from.into()), open.clone()).await?;
    Ok((Flow { connection, transport, from, local, held }, outgoing, open))
}

/// Reads and writes until either ends; returns how reading did.
///
/// # Errors
/// That of writing, when that ends first.
pub(super) async fn both<T>(
    board: &Switchboard,
    flow: &Flow,
    open: CancellationToken,
    reading: impl Future<Output = T>,
    writing: impl Future<Output = io::Result<()>>,
) -> io::Result<T> {
    let _leaving = Leaving { board, flow };
    let ended = open.drop_guard();
    tokio::pin!(writing);
    let done = tokio::select! {
        done = reading => done,
        done = &mut writing => return Err(done.err().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())),
    };
    drop(ended);
    // What was said last, a refusal perhaps, leaves first.
    let _ = timeout(LINGER_TIME, writing).await;
    Ok(done)
}

/// Takes the addresses that were registered on a connection with it, however it ends.
struct Leaving<'a> {
    board: &'a Switchboard,
    flow: &'a Flow,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.board.state.registrar.close(self.flow);
    }
}

/// A connection as the library knows one: what it sends comes out of the other end of `tell`.
async fn channel(
    tell: mpsc::Sender<TransportEvent>,
    from: SipAddr,
    open: CancellationToken,
) -> io::Result<SipConnection> {
    #[expect(clippy::disallowed_methods, reason = "the library asks for them; nothing is ever in either")]
    let ((_, nothing), (nobody, _)) =
        (rsipstack::platform::mpsc::unbounded_channel(), rsipstack::platform::mpsc::unbounded_channel());
    let made = ChannelConnection::create_connection_bounded(nothing, tell, from, Some(open)).await;
    let made = made.map_err(io::Error::other)?;
    // Ends at once, and gives the room of what never comes back: a third of the memory of an idle connection.
    let _ = made.serve_loop(nobody).await;
    Ok(SipConnection::from(made))
}

async fn read<S: AsyncRead>(
    mut reader: ReadHalf<S>,
    ping: &mpsc::Sender<()>,
    flow: &Flow,
    board: &Arc<Switchboard>,
) -> io::Result<()> {
    let mut framer = Framer::default();
    let mut chunk = [0; READ_BYTES];
    // From the first byte of a message on: it is whole in time, however many pieces it comes in.
    let whole = sleep(MESSAGE_TIME_MAX);
    tokio::pin!(whole);
    loop {
        match framer.next_frame() {
            Ok(None) => {}
            Ok(Some(frame)) => {
                take(Ok(frame), ping, flow, board).await?;
                whole.set(sleep(MESSAGE_TIME_MAX));
                continue;
            }
            Err(error) => return take(Err(error), ping, flow, board).await,
        }
        let bytes = if framer.is_within() {
            tokio::select! {
                read = reader.read(&mut chunk) => some(read?)?,
                () = &mut whole => return Err(io::ErrorKind::TimedOut.into()),
            }
        } else {
            let bytes = first(&mut reader, &mut chunk, flow).await?;
            whole.set(sleep(MESSAGE_TIME_MAX));
            bytes
        };
        framer.push(&chunk[..bytes]);
    }
}

/// The first bytes after silence.
async fn first<S: AsyncRead>(reader: &mut ReadHalf<S>, chunk: &mut [u8], flow: &Flow) -> io::Result<usize> {
    loop {
        match timeout(IDLE_TIME_MAX, reader.read(chunk)).await {
            Ok(read) => return some(read?),
            Err(_) if flow.is_kept() => {}
            Err(silent) => return Err(silent.into()),
        }
    }
}

/// No bytes are the end.
fn some(bytes: usize) -> io::Result<usize> {
    if bytes == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

/// One frame, or what ends the connection.
pub(super) async fn take(
    frame: Result<Frame, FrameError>,
    ping: &mpsc::Sender<()>,
    flow: &Flow,
    board: &Arc<Switchboard>,
) -> io::Result<()> {
    let taken = match &frame {
        Ok(Frame::Ping) => {
            // One answer is enough for as many pings as come before it has left.
            let _ = ping.try_send(());
            return Ok(());
        }
        // Apart: the room that one message takes is not that of a connection that says nothing.
        Ok(Frame::Message(message)) => Box::pin(intake::take(board, message, flow)).await,
        Err(FrameError::BodyTooLarge { header }) => intake::refuse_body(board, header, flow).await,
        Err(FrameError::HeaderTooLarge | FrameError::NoLength) => Err(intake::Dropped::TooLarge),
    };
    if let Err(dropped) = taken {
        tracing::debug!(%dropped, "a SIP message was dropped");
        board.counters.dropped.fetch_add(1, Ordering::Relaxed);
    }
    frame.map(|_| ()).map_err(io::Error::other)
}

async fn write<S: AsyncWrite>(
    mut writer: WriteHalf<S>,
    mut outgoing: mpsc::Receiver<TransportEvent>,
    mut pings: mpsc::Receiver<()>,
    quiet: Option<Duration>,
) -> io::Result<()> {
    loop {
        let bytes = tokio::select! {
            event = outgoing.recv() => match event {
                Some(TransportEvent::Incoming(message, ..)) => message.to_bytes(),
                Some(TransportEvent::New(_) | TransportEvent::Closed(_)) => continue,
                None => return Ok(()),
            },
            Some(()) = pings.recv() => PONG.to_vec(),
            () = sleep(quiet.unwrap_or_default()), if quiet.is_some() => PING.to_vec(),
        };
        timeout(WRITE_TIME_MAX, async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        })
        .await??;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_to_stay_open_says_so_in_silence() {
        let (near, mut far) = tokio::io::duplex(64);
        let (_reader, writer) = tokio::io::split(near);
        let ((_tell, outgoing), (ping, pings)) = (mpsc::channel(1), mpsc::channel(1));
        let began = tokio::time::Instant::now();
        tokio::spawn(write(writer, outgoing, pings, Some(Duration::from_secs(100))));
        let mut ping_heard = [0; 4];
        far.read_exact(&mut ping_heard).await.expect("it is open");
        assert_eq!((&ping_heard, began.elapsed().as_secs()), (b"\r\n\r\n", 100));
        sleep(Duration::from_secs(60)).await;
        ping.send(()).await.expect("it is open");
        let mut pong_heard = [0; 2];
        far.read_exact(&mut pong_heard).await.expect("it is open");
        far.read_exact(&mut ping_heard).await.expect("it is open");
        assert_eq!((&pong_heard, began.elapsed().as_secs()), (b"\r\n", 260), "from the last word on");
    }
}
