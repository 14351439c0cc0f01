//! The UDP port for SIP.
//!
//! Flow: kernel -> **here** -> `intake`; answers leave by the library, on the same socket. Thread: the server's runtime, one task.
//! Bound: [`DATAGRAM_BYTES_MAX`]; what comes faster than it is read, the kernel drops. A datagram on which the library's parser fails
//! costs that datagram alone.

use super::flow::Flow;
use super::intake;
use super::switchboard::Switchboard;
use futures_util::FutureExt;
use rsipstack::sip::Transport;
use rsipstack::transport::SipConnection;
use rsipstack::transport::udp::UdpConnection;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::sleep;

/// Bytes of a datagram: the most that IP carries.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// After a read that failed.
const READ_PAUSE: Duration = Duration::from_millis(100);
/// A ping (RFC 5626 §4.4.1 names STUN here; devices send this), and its answer.
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// Takes `address`, of one family: an IPv4 peer of a socket of both is written in two ways, and only one of them can be sent to.
///
/// # Errors
/// Those of the kernel.
pub(super) fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// The socket as the library knows one, for what the node sends, and where it is bound.
///
/// # Errors
/// When the library does not take it.
pub(super) async fn connection(socket: &Arc<UdpSocket>) -> io::Result<(SipConnection, SocketAddr)> {
    let bound = socket.local_addr()?;
    let known = UdpConnection::from_socket(
        Arc::clone(socket) as Arc<dyn rsipstack::platform::net::UdpSocket>,
        Some(bound),
        None,
    )
    .await;
    Ok((SipConnection::from(known.map_err(io::Error::other)?), bound))
}

/// Reads until the task is ended.
pub(super) async fn serve(
    socket: Arc<UdpSocket>,
    (connection, bound): (SipConnection, SocketAddr),
    board: Arc<Switchboard>,
) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // Errors are those of earlier sends (ICMP), or of the moment.
        let Ok((bytes, from)) = socket.recv_from(&mut buffer).await else {
            sleep(READ_PAUSE).await;
            continue;
        };
        let datagram = &buffer[..bytes];
        if datagram.iter().all(u8::is_ascii_whitespace) {
            if datagram == PING {
                let _ = socket.try_send_to(PONG, from);
            }
            continue;
        }
        let connection = connection.clone();
        let flow = Flow { connection, transport: Transport::Udp, from, local: bound, held: Arc::default() };
        let taken = AssertUnwindSafe(intake::take(&board, datagram, &flow)).catch_unwind().await;
        if !matches!(taken, Ok(Ok(()))) {
            board.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
