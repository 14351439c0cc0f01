//! Batches: `recvmmsg` with GRO in, GSO trains out, by `quinn-udp` on tokio's readiness.
//!
//! Works wherever tokio does, also inside a tokio-uring runtime. Memory: [`BATCH_SIZE`] receive buffers of `SLOT_BYTES`, made once.

use super::trains::Trains;
use super::{Backend, DatagramIo, Granted, IoCounters};
use crate::peer::{Datagram, Proto, Transmit};
use mcu_core::limits::DATAGRAM_BYTES_MAX;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Bytes of one receive buffer: the most that the kernel joins by GRO.
const SLOT_BYTES: usize = 65_536;

/// A UDP socket by batches.
pub struct BatchSocket {
    socket: AsyncFd<UdpSocket>,
    state: UdpSocketState,
    local: SocketAddr,
    granted: Granted,
    slots: Box<[u8]>,
    metas: [RecvMeta; BATCH_SIZE],
    trains: Trains,
    counters: IoCounters,
}

impl BatchSocket {
    /// Takes over a bound socket. Has to be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the kernel refuses options or registration.
    #[allow(unsafe_code)]
    pub fn new(socket: UdpSocket, granted: Granted) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let local = socket.local_addr()?;
        let trains = Trains::new(state.max_gso_segments());
        // SAFETY: `UdpSocket` owns its descriptor, always returns the same one, and closes it only when dropped, which
        // `AsyncFd` does after it has deregistered it.
        let socket = unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)?;
        Ok(Self {
            socket,
            state,
            local,
            granted,
            slots: vec![0; BATCH_SIZE * SLOT_BYTES].into_boxed_slice(),
            metas: [RecvMeta::default(); BATCH_SIZE],
            trains,
            counters: IoCounters::default(),
        })
    }

    fn receive_batch(&mut self) -> io::Result<usize> {
        let (state, metas) = (&self.state, &mut self.metas);
        let mut slots = self.slots.chunks_exact_mut(SLOT_BYTES);
        // `slots` has exactly BATCH_SIZE chunks; an empty slice would merely receive nothing.
        let mut bufs: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(slots.next().unwrap_or_default()));
        self.socket
            .try_io(Interest::READABLE, |socket| state.recv(UdpSockRef::from(socket), &mut bufs, metas))
    }
}

/// Sends without waiting to be told that there is room: nearly always there is. Only a refusal is entered in the readiness.
fn send_now(
    socket: &AsyncFd<UdpSocket>,
    state: &UdpSocketState,
    transmit: &quinn_udp::Transmit<'_>,
) -> io::Result<()> {
    match state.try_send(UdpSockRef::from(socket.get_ref()), transmit) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            socket.try_io(Interest::WRITABLE, |socket| state.try_send(UdpSockRef::from(socket), transmit))
        }
        done => done,
    }
}

impl DatagramIo for BatchSocket {
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn backend(&self) -> Backend {
        Backend::Batch
    }

    fn granted(&self) -> Granted {
        self.granted
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(readable) = self.socket.poll_read_ready(cx) {
            return Poll::Ready(readable.map(drop));
        }
        if !self.trains.is_empty()
            && let Poll::Ready(writable) = self.socket.poll_write_ready(cx)
        {
            return Poll::Ready(writable.map(drop));
        }
        Poll::Pending
    }

    fn receive(&mut self, each: &mut dyn FnMut(Datagram<'_>)) -> usize {
        // A refused send of before is reported here as well; it concerns no datagram.
        let Ok(messages) = self.receive_batch() else { return 0 };
        self.counters.receive_calls += 1;
        let mut datagrams = 0;
        for (meta, slot) in self.metas.iter().zip(self.slots.chunks_exact(SLOT_BYTES)).take(messages) {
            let ip = meta.dst_ip.unwrap_or_else(|| self.local.ip()).to_canonical();
            let destination = SocketAddr::new(ip, self.local.port());
            let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            for bytes in slot[..meta.len.min(SLOT_BYTES)].chunks(meta.stride.max(1)) {
                if bytes.len() > DATAGRAM_BYTES_MAX {
                    self.counters.oversized += 1;
                    continue;
                }
                datagrams += 1;
                each(Datagram { proto: Proto::Udp, source, destination, bytes });
            }
        }
        self.counters.received += datagrams as u64;
        datagrams
    }

    fn send(&mut self, datagram: &Transmit) {
        let source =
            self.local.ip().is_unspecified().then(|| datagram.source.ip()).filter(|ip| !ip.is_unspecified());
        if self.trains.push(source, datagram.destination, &datagram.bytes) {
            return;
        }
        self.flush();
        if !self.trains.push(source, datagram.destination, &datagram.bytes) {
            self.counters.send_dropped += 1;
        }
    }

    fn flush(&mut self) {
        while let Some(train) = self.trains.first() {
            let whole = quinn_udp::Transmit {
                destination: train.destination,
                ecn: None,
                contents: &train.bytes,
                segment_size: (train.segments > 1).then_some(train.segment_bytes),
                src_ip: train.source,
            };
            let (socket, state) = (&self.socket, &self.state);
            let send = |transmit: &quinn_udp::Transmit<'_>| send_now(socket, state, transmit);
            self.counters.send_calls += 1;
            match send(&whole) {
                Ok(()) => self.counters.sent += train.segments as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // A network card that cannot do GSO refuses the train, not its datagrams.
                Err(_) if train.segments > 1 => {
                    for contents in train.datagrams() {
                        self.counters.send_calls += 1;
                        match send(&quinn_udp::Transmit { contents, segment_size: None, ..whole }) {
                            Ok(()) => self.counters.sent += 1,
                            Err(_) => self.counters.send_errors += 1,
                        }
                    }
                }
                Err(_) => self.counters.send_errors += 1,
            }
            if let Some(done) = self.trains.take_first() {
                self.trains.give_back(done.bytes);
            }
        }
    }

    fn counters(&self) -> IoCounters {
        self.counters
    }
}
