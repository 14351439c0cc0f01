//! Probe: which way datagrams take on this machine, found out at start.
//!
//! Runs once per node, on loopback, with a bounded number of datagrams. Does not read a clock: the caller's is an argument.

use super::batch::BatchSocket;
use super::uring::UringSocket;
use super::{Backend, DatagramIo, Granted, ready};
use crate::peer::{Proto, Transmit};
use bytes::Bytes;
use mcu_core::time::Mono;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Socket buffer that we ask for: a second of 30 Mbit/s. The kernel grants up to `net.core.rmem_max`.
pub const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Datagrams of one measurement.
const PROBE_DATAGRAMS: usize = 4_000;
/// Datagrams sent before the other end is looked at.
const PROBE_BURST: usize = 40;
/// Bytes of each: a packet of sound.
const PROBE_BYTES: usize = 160;

/// What runtime the io thread runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// Plain tokio.
    Tokio,
    /// Inside [`super::ring::run`].
    Uring,
}

/// What the probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probed {
    /// The way to take.
    pub backend: Backend,
    /// Whether the kernel (or the container) lets us use io_uring at all.
    pub uring_allowed: bool,
    /// Time per datagram sent and received by batches.
    pub batch: Duration,
    /// The same by io_uring, where it could be measured.
    pub uring: Option<Duration>,
}

/// Binds a UDP socket with large buffers.
///
/// # Errors
/// What the kernel says. Buffers that are not granted are no error: see [`Granted`].
pub fn bind(address: SocketAddr) -> io::Result<(UdpSocket, Granted)> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
    socket.bind(&address.into())?;
    // Linux reports twice what it grants, for its own book-keeping (socket(7)).
    let granted = Granted {
        receive_bytes: socket.recv_buffer_size().unwrap_or(0) / 2,
        send_bytes: socket.send_buffer_size().unwrap_or(0) / 2,
    };
    Ok((socket.into(), granted))
}

/// Opens `address` the way of `backend`; by batches where io_uring cannot serve the address.
///
/// # Errors
/// What the kernel says.
pub fn open(backend: Backend, address: SocketAddr) -> io::Result<Box<dyn DatagramIo>> {
    let (socket, granted) = bind(address)?;
    match backend {
        Backend::Uring if !address.ip().is_unspecified() => Ok(Box::new(UringSocket::new(socket, granted)?)),
        Backend::Uring | Backend::Batch => Ok(Box::new(BatchSocket::new(socket, granted)?)),
    }
}

/// Whether the kernel lets us make a ring; most containers do not.
#[allow(unsafe_code)]
pub fn uring_allowed() -> bool {
    // `struct io_uring_params` is 120 bytes (io_uring_setup(2)); all zero means no flags.
    let mut params = [0u64; 15];
    // SAFETY: the call reads and writes 120 bytes at `params`, which is that large, aligned and outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, params.as_mut_ptr()) };
    if fd < 0 {
        return false;
    }
    // SAFETY: `fd` was returned by the call above, is a valid descriptor and owned by nobody else.
    unsafe { libc::close(fd as libc::c_int) };
    true
}

/// Finds out which way is faster here. io_uring is only tried inside its own runtime.
///
/// # Errors
/// When not even batches work on loopback.
pub async fn probe(runtime: Runtime, clock: &mut dyn FnMut() -> Mono) -> io::Result<Probed> {
    let uring_allowed = uring_allowed();
    let batch = measure(Backend::Batch, clock).await?;
    let uring = if runtime == Runtime::Uring && uring_allowed {
        measure(Backend::Uring, clock).await.ok()
    } else {
        None
    };
    let backend = if uring.is_some_and(|uring| uring < batch) { Backend::Uring } else { Backend::Batch };
    Ok(Probed { backend, uring_allowed, batch, uring })
}

/// Time per datagram on loopback, both ends on this thread.
///
/// # Errors
/// What the kernel says.
pub async fn measure(backend: Backend, clock: &mut dyn FnMut() -> Mono) -> io::Result<Duration> {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut sender = open(backend, loopback)?;
    let mut receivers = [open(backend, loopback)?, open(backend, loopback)?];
    let source = sender.local_addr();
    let transmits = receivers.each_ref().map(|receiver| Transmit {
        proto: Proto::Udp,
        source,
        destination: receiver.local_addr(),
        bytes: Bytes::from_static(&[0x80; PROBE_BYTES]),
    });
    let begin = clock();
    let mut received = 0;
    for _ in 0..PROBE_DATAGRAMS / PROBE_BURST {
        // To one and the other in turn, so that each is a train of its own: that is what fanning out is.
        for transmit in transmits.iter().cycle().take(PROBE_BURST) {
            sender.send(transmit);
        }
        sender.flush();
        for receiver in &mut receivers {
            received += receive_burst(&mut **receiver, &mut *sender).await?;
        }
    }
    Ok(clock().since(begin) / u32::try_from(received.max(1)).unwrap_or(u32::MAX))
}

/// Receives until its half of a burst is whole. Loopback loses nothing that fits the socket buffer; a burst does.
async fn receive_burst(receiver: &mut dyn DatagramIo, sender: &mut dyn DatagramIo) -> io::Result<usize> {
    let mut got = 0;
    while got < PROBE_BURST / 2 {
        let more = async {
            tokio::select! {
                more = ready(receiver) => more,
                // More than it may have under way waits until some has left.
                more = ready(sender) => more,
            }
        };
        let wait = tokio::time::timeout(Duration::from_millis(500), more);
        wait.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        sender.flush();
        got += receiver.receive(&mut |_| {});
    }
    Ok(got)
}
