//! io_uring: one receive operation per buffer always under way, one send operation per train, by `tokio-uring`.
//!
//! Only inside [`super::ring::run`]. `tokio-uring` 0.5 reads no control data, so the destination of a datagram is known only when the
//! socket is bound to one address: [`UringSocket::new`] refuses a wildcard. Memory: `BUFFERS` receive buffers, made once.

use super::ring::Lent;
use super::trains::{Train, Trains};
use super::{Backend, DatagramIo, Granted, IoCounters};
use crate::peer::{Datagram, Proto, Transmit};
use mcu_core::limits::DATAGRAM_BYTES_MAX;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_uring::net::UdpSocket;

/// Receive operations under way at a time.
const RECEIVES_IN_FLIGHT: usize = 32;
/// Receive buffers: those under way, and as many that wait to be looked at.
const BUFFERS: usize = 2 * RECEIVES_IN_FLIGHT;
/// Send operations under way at a time.
const SENDS_IN_FLIGHT_MAX: usize = 32;
/// Datagrams that one send may carry (`UDP_MAX_SEGMENTS`).
const SEGMENTS_MAX: usize = 64;

/// What the operations and the socket share; all on one thread.
struct Shared {
    arrived: VecDeque<(SocketAddr, Vec<u8>)>,
    free: Vec<Vec<u8>>,
    trains: Trains,
    sends_in_flight: usize,
    waker: Option<Waker>,
    counters: IoCounters,
}

impl Shared {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A UDP socket by io_uring.
pub struct UringSocket {
    socket: Rc<UdpSocket>,
    shared: Rc<RefCell<Shared>>,
    freed: Rc<Notify>,
    receivers: Vec<JoinHandle<()>>,
    local: SocketAddr,
    granted: Granted,
}

impl UringSocket {
    /// Takes over a bound socket. Has to be called inside [`super::ring::run`].
    ///
    /// # Errors
    /// `InvalidInput` when the socket is bound to a wildcard.
    pub fn new(socket: std::net::UdpSocket, granted: Granted) -> io::Result<Self> {
        let local = socket.local_addr()?;
        if local.ip().is_unspecified() {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "io_uring cannot tell where a datagram to a wildcard went",
            ));
        }
        socket.set_nonblocking(false)?;
        let mut io = Self {
            socket: Rc::new(UdpSocket::from_std(socket)),
            shared: Rc::new(RefCell::new(Shared {
                arrived: VecDeque::with_capacity(BUFFERS),
                free: (0..BUFFERS).map(|_| Vec::with_capacity(DATAGRAM_BYTES_MAX + 1)).collect(),
                trains: Trains::new(SEGMENTS_MAX),
                sends_in_flight: 0,
                waker: None,
                counters: IoCounters::default(),
            })),
            freed: Rc::new(Notify::new()),
            receivers: Vec::with_capacity(RECEIVES_IN_FLIGHT),
            local,
            granted,
        };
        for _ in 0..RECEIVES_IN_FLIGHT {
            let receive = receive_on(Rc::clone(&io.socket), Rc::clone(&io.shared), Rc::clone(&io.freed));
            io.receivers.push(tokio_uring::spawn(receive));
        }
        Ok(io)
    }
}

/// Keeps one receive operation under way until it is aborted.
async fn receive_on(socket: Rc<UdpSocket>, shared: Rc<RefCell<Shared>>, freed: Rc<Notify>) {
    loop {
        let buffer = shared.borrow_mut().free.pop();
        let Some(mut buffer) = buffer else {
            freed.notified().await;
            continue;
        };
        buffer.clear();
        let (result, buffer) = socket.recv_from(Lent::new(buffer)).await;
        let buffer = buffer.back();
        let mut shared = shared.borrow_mut();
        match result {
            Ok((_, source)) if buffer.len() <= DATAGRAM_BYTES_MAX => {
                shared.counters.receive_calls += 1;
                shared.arrived.push_back((source, buffer));
                shared.wake();
            }
            Ok(_) => {
                shared.counters.oversized += 1;
                shared.free.push(buffer);
            }
            // Errors of earlier sends come up here and concern no datagram.
            Err(_) => shared.free.push(buffer),
        }
    }
}

async fn send_one(socket: Rc<UdpSocket>, shared: Rc<RefCell<Shared>>, train: Train) {
    let control = (train.segments > 1).then(|| segment_control(train.segment_bytes));
    let (result, mut slices, _) =
        socket.sendmsg(vec![Lent::new(train.bytes)], Some(train.destination), control).await;
    let mut shared = shared.borrow_mut();
    shared.sends_in_flight -= 1;
    match result {
        Ok(_) => shared.counters.sent += train.segments as u64,
        Err(_) => shared.counters.send_errors += train.segments as u64,
    }
    if let Some(buffer) = slices.pop() {
        shared.trains.give_back(buffer.back());
    }
    if !shared.trains.is_empty() {
        shared.wake();
    }
}

/// The control message that makes the kernel cut a send into datagrams (udp(7), `UDP_SEGMENT`): `cmsghdr` and a `u16`, padded.
fn segment_control(segment_bytes: usize) -> Vec<u8> {
    const HEADER_BYTES: usize = size_of::<usize>() + 2 * size_of::<i32>();
    let mut control = Vec::with_capacity(HEADER_BYTES + size_of::<usize>());
    control.extend((HEADER_BYTES + size_of::<u16>()).to_ne_bytes());
    control.extend(libc::SOL_UDP.to_ne_bytes());
    control.extend(libc::UDP_SEGMENT.to_ne_bytes());
    control.extend((segment_bytes as u16).to_ne_bytes());
    control.resize(HEADER_BYTES + size_of::<usize>(), 0);
    control
}

impl DatagramIo for UringSocket {
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn backend(&self) -> Backend {
        Backend::Uring
    }

    fn granted(&self) -> Granted {
        self.granted
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.shared.borrow_mut();
        let room = !shared.trains.is_empty() && shared.sends_in_flight < SENDS_IN_FLIGHT_MAX;
        if room || !shared.arrived.is_empty() {
            return Poll::Ready(Ok(()));
        }
        shared.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn receive(&mut self, each: &mut dyn FnMut(Datagram<'_>)) -> usize {
        let mut datagrams = 0;
        // As many as were there: what arrives meanwhile is the next batch.
        let waiting = self.shared.borrow().arrived.len();
        for _ in 0..waiting {
            let next = self.shared.borrow_mut().arrived.pop_front();
            let Some((source, buffer)) = next else { break };
            let source = SocketAddr::new(source.ip().to_canonical(), source.port());
            each(Datagram { proto: Proto::Udp, source, destination: self.local, bytes: &buffer });
            datagrams += 1;
            self.shared.borrow_mut().free.push(buffer);
            self.freed.notify_one();
        }
        self.shared.borrow_mut().counters.received += datagrams as u64;
        datagrams
    }

    fn send(&mut self, datagram: &Transmit) {
        if self.shared.borrow_mut().trains.push(None, datagram.destination, &datagram.bytes) {
            return;
        }
        self.flush();
        let mut shared = self.shared.borrow_mut();
        if !shared.trains.push(None, datagram.destination, &datagram.bytes) {
            shared.counters.send_dropped += 1;
        }
    }

    fn flush(&mut self) {
        loop {
            let mut shared = self.shared.borrow_mut();
            if shared.sends_in_flight == SENDS_IN_FLIGHT_MAX {
                return;
            }
            let Some(train) = shared.trains.take_first() else { return };
            shared.sends_in_flight += 1;
            shared.counters.send_calls += 1;
            drop(shared);
            tokio_uring::spawn(send_one(Rc::clone(&self.socket), Rc::clone(&self.shared), train));
        }
    }

    fn counters(&self) -> IoCounters {
        self.shared.borrow().counters
    }
}

impl Drop for UringSocket {
    fn drop(&mut self) {
        // First the tasks, so that nobody looks at the results: tokio-uring 0.5 takes a receive without a source for impossible.
        for receiver in &self.receivers {
            receiver.abort();
        }
        // Then the receives under way, so that the port is free: the kernel ends them although an unconnected socket
        // "is not connected" (inet_shutdown).
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}
