//! ICE-TCP: passive connections (RFC 6544), whose framed datagrams (RFC 4571) look like any others from here on.
//!
//! Flow: TCP -> **here** -> `demux`; `peer/` -> **here** -> TCP. Thread: io. Bounds: [`CONNECTIONS_MAX`] connections, [`CONNECTIONS_PER_ADDRESS_MAX`]
//! from one address, [`UNSENT_BYTES_MAX`] unsent bytes each, [`HELLO_TIMEOUT`] until a peer has authenticated one. What does not
//! keep to them is closed and counted; datagrams that do not fit are dropped, as UDP would.

use super::IoCounters;
use crate::peer::{Datagram, Proto, Transmit};
use crate::tcp_framing::{Deframer, frame_header};
use mcu_core::time::Mono;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Connections of one listener.
pub const CONNECTIONS_MAX: usize = 512;
/// Connections from one address: a household behind one NAT, each with its candidates.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 32;
/// How long a connection may last before a peer has authenticated it.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that may wait for one connection: half a second at 2 Mbit/s.
pub const UNSENT_BYTES_MAX: usize = 128 * 1024;
/// Bytes read from one connection before the next has its turn.
const READ_BYTES_MAX: usize = 16 * 1024;

/// What the listener counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpCounters {
    /// Datagrams, as for UDP.
    pub io: IoCounters,
    /// Connections taken.
    pub accepted: u64,
    /// Connections refused because there were too many.
    pub refused: u64,
    /// Connections closed because nobody authenticated them in time.
    pub silent: u64,
}

struct Connection {
    stream: TcpStream,
    deframer: Deframer,
    unsent: Vec<u8>,
    opened: Mono,
    authenticated: bool,
}

/// A TCP listener and its connections.
pub struct TcpPorts {
    listener: TcpListener,
    local: SocketAddr,
    connections: HashMap<SocketAddr, Connection>,
    closed: Vec<SocketAddr>,
    read: Box<[u8]>,
    counters: TcpCounters,
}

impl TcpPorts {
    /// Takes over a listening socket. Has to be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the kernel refuses registration.
    pub fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            local,
            connections: HashMap::new(),
            closed: Vec::new(),
            read: vec![0; READ_BYTES_MAX].into_boxed_slice(),
            counters: TcpCounters::default(),
        })
    }

    /// The address that it listens on.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Connections open.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Counters since it was opened.
    pub const fn counters(&self) -> TcpCounters {
        self.counters
    }

    /// Ready when a connection came, has something to read, or has room for what waits. Takes new connections.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>, now: Mono) -> Poll<()> {
        let mut ready = false;
        while let Poll::Ready(accepted) = self.listener.poll_accept(cx) {
            match accepted {
                Ok((stream, source)) => self.take(stream, source, now),
                // Such as too many open files: not ours to mend, and not the listener's end.
                Err(_) => {
                    self.counters.refused += 1;
                    break;
                }
            }
        }
        for connection in self.connections.values() {
            ready |= connection.stream.poll_read_ready(cx).is_ready();
            ready |= !connection.unsent.is_empty() && connection.stream.poll_write_ready(cx).is_ready();
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }

    fn take(&mut self, stream: TcpStream, source: SocketAddr, now: Mono) {
        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
        let same = |ip: IpAddr| self.connections.keys().filter(|other| other.ip() == ip).count();
        if self.connections.len() >= CONNECTIONS_MAX || same(source.ip()) >= CONNECTIONS_PER_ADDRESS_MAX {
            self.counters.refused += 1;
            return;
        }
        let _ = stream.set_nodelay(true);
        self.counters.accepted += 1;
        let connection = Connection {
            stream,
            deframer: Deframer::default(),
            unsent: Vec::new(),
            opened: now,
            authenticated: false,
        };
        self.connections.insert(source, connection);
    }

    /// Hands each datagram that can be read to `each`, a bounded number per connection. Returns how many.
    pub fn receive(&mut self, each: &mut dyn FnMut(Datagram<'_>)) -> usize {
        let mut datagrams = 0;
        let closed = &mut self.closed;
        let before = closed.len();
        for (&source, connection) in &mut self.connections {
            let Ok(destination) = connection.stream.local_addr() else {
                closed.push(source);
                continue;
            };
            let destination = SocketAddr::new(destination.ip().to_canonical(), destination.port());
            match connection.stream.try_read(&mut self.read) {
                Ok(0) => closed.push(source),
                Ok(bytes) => {
                    let mut input = &self.read[..bytes];
                    loop {
                        match connection.deframer.next(&mut input) {
                            Ok(Some(bytes)) => {
                                datagrams += 1;
                                each(Datagram { proto: Proto::Tcp, source, destination, bytes });
                            }
                            Ok(None) => break,
                            Err(_) => {
                                self.counters.io.oversized += 1;
                                closed.push(source);
                                break;
                            }
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => closed.push(source),
            }
        }
        for source in &closed[before..] {
            self.connections.remove(source);
        }
        self.counters.io.received += datagrams as u64;
        datagrams
    }

    /// Queues a datagram for the connection with its destination.
    pub fn send(&mut self, datagram: &Transmit) {
        let header = frame_header(&datagram.bytes);
        let (Some(connection), Ok(header)) = (self.connections.get_mut(&datagram.destination), header) else {
            self.counters.io.send_errors += 1;
            return;
        };
        // A half-written frame must be finished, so only whole datagrams are dropped.
        if connection.unsent.len() + header.len() + datagram.bytes.len() > UNSENT_BYTES_MAX {
            self.counters.io.send_dropped += 1;
            return;
        }
        connection.unsent.extend_from_slice(&header);
        connection.unsent.extend_from_slice(&datagram.bytes);
        self.counters.io.sent += 1;
    }

    /// Hands what is queued to the kernel, as far as it takes it.
    pub fn flush(&mut self) {
        let closed = &mut self.closed;
        let before = closed.len();
        for (&source, connection) in &mut self.connections {
            while !connection.unsent.is_empty() {
                self.counters.io.send_calls += 1;
                match connection.stream.try_write(&connection.unsent) {
                    Ok(bytes) => drop(connection.unsent.drain(..bytes)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => {
                        closed.push(source);
                        break;
                    }
                }
            }
        }
        for source in &closed[before..] {
            self.connections.remove(source);
        }
    }

    /// A peer has authenticated this connection: it may stay.
    pub fn keep(&mut self, source: SocketAddr) {
        if let Some(connection) = self.connections.get_mut(&source) {
            connection.authenticated = true;
        }
    }

    /// Closes one connection, such as a removed peer's.
    pub fn close(&mut self, source: SocketAddr) {
        self.connections.remove(&source);
    }

    /// Closes those that nobody authenticated in time. Call about once a second.
    pub fn expire(&mut self, now: Mono) {
        let (closed, silent) = (&mut self.closed, &mut self.counters.silent);
        self.connections.retain(|&source, connection| {
            let stays = connection.authenticated || now.since(connection.opened) < HELLO_TIMEOUT;
            if !stays {
                *silent += 1;
                closed.push(source);
            }
            stays
        });
    }

    /// Sources whose connection has closed since the last call, for [`Demux::forget`](crate::demux::Demux::forget).
    pub fn take_closed(&mut self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.closed.drain(..)
    }
}
