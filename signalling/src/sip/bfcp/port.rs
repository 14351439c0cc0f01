//! The BFCP port: one of UDP and one of TCP, for all calls; a message goes to the call whose conference number it bears.
//!
//! Flow: kernel -> **here** -> the [`FloorLine`](super::line::FloorLine) of a call, which answers by [`Back`]. Thread: the server's runtime, one
//! task for datagrams and one a connection. Bounds: [`SAID_MAX`] messages waiting for a call, of datagrams the rest are dropped;
//! `limits::SIP_CALLS_MAX` connections, of one address `server.connections_per_address_max`; [`FIRST_TIME_MAX`] until a connection has said
//! something of a call, and it ends with that call; [`WRITES_MAX`] answers waiting for one connection.
//!
//! What bears no number of a call is dropped without a word: a number is known from SDP alone, so whoever has none is nobody's device.

use super::super::switchboard::SipCounters;
use super::message::{BYTES_MAX, conference, length};
use crate::door::connections::Connections;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Messages that wait for one call.
const SAID_MAX: usize = 16;
/// Answers and notices that wait for one connection; whoever takes none is let go.
const WRITES_MAX: usize = 16;
/// How long a connection may say nothing of a call.
const FIRST_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the other end may take no byte of ours.
const WRITE_TIME_MAX: Duration = Duration::from_secs(10);
/// After a read or an accept that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// A message for a call, and where its answer goes.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) bytes: Vec<u8>,
    pub(super) back: Back,
}

/// The way back to a device. Cloning shares it; a connection is held open by it.
#[derive(Debug, Clone)]
pub(super) enum Back {
    Datagrams(Arc<UdpSocket>, SocketAddr),
    Connection(mpsc::Sender<Vec<u8>>),
}

impl Back {
    /// Sends what can be sent now; false where that is nothing, for somebody who does not read.
    #[must_use]
    pub(super) fn send(&self, bytes: Vec<u8>) -> bool {
        match self {
            Self::Datagrams(socket, to) => socket.try_send_to(&bytes, *to).is_ok(),
            Self::Connection(writes) => writes.try_send(bytes).is_ok(),
        }
    }
}

/// The sockets, until they are served.
pub(in crate::sip) struct FloorSockets {
    port: Arc<FloorPort>,
    socket: UdpSocket,
    listener: TcpListener,
}

impl FloorSockets {
    /// Both at `port`.
    pub(in crate::sip) fn new(
        port: u16,
        socket: UdpSocket,
        listener: TcpListener,
        counters: Arc<SipCounters>,
    ) -> Self {
        Self { port: Arc::new(FloorPort { port, calls: Mutex::default(), counters }), socket, listener }
    }

    /// What SDP says.
    pub(in crate::sip) fn port(&self) -> u16 {
        self.port.port
    }

    /// For the calls.
    pub(in crate::sip) fn port_of_calls(&self) -> Arc<FloorPort> {
        Arc::clone(&self.port)
    }

    /// Reads and accepts until `tasks` are ended.
    pub(in crate::sip) fn serve(self, tasks: &mut JoinSet<()>, connections: Arc<Connections>) {
        tasks.spawn(Arc::clone(&self.port).serve_datagrams(self.socket));
        tasks.spawn(self.port.serve_connections(self.listener, connections));
    }
}

/// The calls that a device may say something of.
#[derive(Debug)]
pub(in crate::sip) struct FloorPort {
    port: u16,
    calls: Mutex<BTreeMap<u32, mpsc::Sender<Said>>>,
    counters: Arc<SipCounters>,
}

impl FloorPort {
    /// What SDP says.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Counts a message that was no call's, one too many, or for a device that does not read.
    pub(super) fn dropped(&self) {
        self.counters.floor_dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// A place for the call with this number; `None` when another has it.
    pub(super) fn open(&self, conference: u32) -> Option<mpsc::Receiver<Said>> {
        let mut calls = self.calls();
        let std::collections::btree_map::Entry::Vacant(place) = calls.entry(conference) else { return None };
        let (to, said) = mpsc::channel(SAID_MAX);
        place.insert(to);
        Some(said)
    }

    /// The call is over.
    pub(super) fn close(&self, conference: u32) {
        self.calls().remove(&conference);
    }

    fn call(&self, bytes: &[u8]) -> Option<mpsc::Sender<Said>> {
        let known = conference(bytes).and_then(|number| self.calls().get(&number).cloned());
        if known.is_none() {
            self.dropped();
        }
        known
    }

    /// The map is whole after every step, so a panic elsewhere leaves nothing half done.
    fn calls(&self) -> MutexGuard<'_, BTreeMap<u32, mpsc::Sender<Said>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads datagrams until the task is ended.
    async fn serve_datagrams(self: Arc<Self>, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let mut buffer = [0; BYTES_MAX];
        loop {
            let Ok((bytes, from)) = socket.recv_from(&mut buffer).await else {
                sleep(PAUSE).await;
                continue;
            };
            let Some(call) = self.call(&buffer[..bytes]) else { continue };
            let back = Back::Datagrams(Arc::clone(&socket), from);
            if call.try_send(Said { bytes: buffer[..bytes].to_vec(), back }).is_err() {
                self.dropped();
            }
        }
    }

    /// Accepts connections until the task is ended.
    async fn serve_connections(self: Arc<Self>, listener: TcpListener, connections: Arc<Connections>) {
        loop {
            let Ok((stream, from)) = listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            let Some(place) = connections.admit(from.ip()) else { continue };
            let port = Arc::clone(&self);
            tokio::spawn(async move {
                let _place = place;
                // Ends in every way that connections end; nobody is told.
                let _ = port.converse(stream).await;
            });
        }
    }

    async fn converse(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut reader, writer) = stream.into_split();
        let mut framer = Framer::default();
        let first = timeout(FIRST_TIME_MAX, framer.next(&mut reader)).await??;
        let call = self.call(&first).ok_or(io::ErrorKind::NotFound)?;
        let (writes, outgoing) = mpsc::channel(WRITES_MAX);
        // Held by the call alone from here on: when it lets go, the connection ends.
        let held = writes.downgrade();
        let said = Said { bytes: first, back: Back::Connection(writes) };
        call.send(said).await.map_err(|_| io::ErrorKind::NotFound)?;
        tokio::select! {
            read = self.read(&mut reader, &mut framer, &held) => read,
            written = write(writer, outgoing) => written,
        }
    }

    async fn read(
        &self,
        reader: &mut OwnedReadHalf,
        framer: &mut Framer,
        held: &mpsc::WeakSender<Vec<u8>>,
    ) -> io::Result<()> {
        loop {
            let bytes = framer.next(reader).await?;
            let call = self.call(&bytes).ok_or(io::ErrorKind::NotFound)?;
            let back = Back::Connection(held.upgrade().ok_or(io::ErrorKind::NotConnected)?);
            // Waits: who talks faster than it is listened to is read slower.
            call.send(Said { bytes, back }).await.map_err(|_| io::ErrorKind::NotFound)?;
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut outgoing: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(bytes) = outgoing.recv().await {
        timeout(WRITE_TIME_MAX, writer.write_all(&bytes)).await??;
    }
    Ok(())
}

/// Messages out of a stream.
#[derive(Debug, Default)]
struct Framer {
    buffer: Vec<u8>,
}

impl Framer {
    /// The next message. One over [`BYTES_MAX`] is an error: behind it nobody knows where the next begins.
    async fn next(&mut self, reader: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
        loop {
            if let Some(bytes) = length(&self.buffer) {
                if bytes > BYTES_MAX {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                if bytes <= self.buffer.len() {
                    let behind = self.buffer.split_off(bytes);
                    return Ok(std::mem::replace(&mut self.buffer, behind));
                }
            }
            let mut chunk = [0; BYTES_MAX];
            match reader.read(&mut chunk).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                bytes => self.buffer.extend_from_slice(&chunk[..bytes]),
            }
        }
    }
}
