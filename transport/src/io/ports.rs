//! Ports of their own: the sockets of SIP legs, whose media lines share no port with anybody.
//!
//! Flow: [`PortRange::open`] (control) -> [`OwnPorts::add`] (io thread) -> datagrams, told apart from others by where they arrived. Thread: io.
//! Bounds: the configured range; `RECEIVE_MAX` datagrams of one socket a turn. A plain call per datagram: a leg has fifty packets of
//! sound a second, and trains (see `batch`) would need a train for each socket.

use super::IoCounters;
use crate::peer::{Datagram, LocalPorts, Proto, Transmit};
use mcu_core::limits::DATAGRAM_BYTES_MAX;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Datagrams read from one socket before the next has its turn.
const RECEIVE_MAX: usize = 64;
/// Sockets that get their turn in one go.
const READY_MAX: usize = 256;

/// A range of UDP ports to open pairs from. RTP has the even port of a pair, RTCP the odd one after it (RFC 3550 §11).
#[derive(Debug)]
pub struct PortRange {
    first: u16,
    pairs: u16,
    /// Where the next search begins, so that a port just given back rests.
    next: AtomicU32,
}

impl PortRange {
    /// From `first` to `last`, both included. A range of under two ports, or without an even one before its last, holds nothing.
    pub const fn new(first: u16, last: u16) -> Self {
        let first = first.saturating_add(first % 2);
        let pairs = if last > first { (last - first).div_ceil(2) } else { 0 };
        Self { first, pairs, next: AtomicU32::new(0) }
    }

    /// How many media lines it has room for.
    pub const fn pairs(&self) -> u16 {
        self.pairs
    }

    /// Opens the ports of one line at `address`; only the first of the pair when `shared`.
    ///
    /// # Errors
    /// `AddrInUse` when every pair is taken; what the system says otherwise.
    pub fn open(&self, address: IpAddr, shared: bool) -> io::Result<LinePorts> {
        for _ in 0..self.pairs {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % u32::from(self.pairs);
            let port = self.first + 2 * turn as u16;
            match LinePorts::open(address, port, shared) {
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                other => return other,
            }
        }
        Err(ErrorKind::AddrInUse.into())
    }
}

/// The open sockets of one media line.
#[derive(Debug)]
pub struct LinePorts {
    /// Their addresses.
    pub local: LocalPorts,
    rtp: UdpSocket,
    rtcp: Option<UdpSocket>,
}

impl LinePorts {
    fn open(address: IpAddr, port: u16, shared: bool) -> io::Result<Self> {
        let open = |port| {
            let socket = UdpSocket::bind((address, port))?;
            socket.set_nonblocking(true)?;
            io::Result::Ok(socket)
        };
        let rtp = open(port)?;
        let rtcp = if shared { None } else { Some(open(port + 1)?) };
        let rtp_at = rtp.local_addr()?;
        let rtcp_at = rtcp.as_ref().map_or(Ok(rtp_at), UdpSocket::local_addr)?;
        Ok(Self { local: LocalPorts { rtp: rtp_at, rtcp: rtcp_at }, rtp, rtcp })
    }
}

/// The sockets of all legs of one io thread: one thing to wait for, however many they are.
pub struct OwnPorts {
    /// Every socket is registered with it, level-triggered; it is itself what the runtime waits for.
    epoll: AsyncFd<OwnedFd>,
    sockets: BTreeMap<u64, (SocketAddr, UdpSocket)>,
    by_address: HashMap<SocketAddr, u64>,
    next_token: u64,
    ready: Vec<Event>,
    buffer: Box<[u8]>,
    counters: IoCounters,
}

impl OwnPorts {
    /// None yet. Has to be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the kernel refuses another descriptor.
    #[allow(unsafe_code)]
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        // SAFETY: `OwnedFd` owns its descriptor, always returns the same one, and closes it only when dropped, which
        // `AsyncFd` does after it has deregistered it.
        let epoll =
            unsafe { AsyncFd::register_with_interest(epoll, Interest::READABLE) }.map_err(io::Error::from)?;
        Ok(Self {
            epoll,
            sockets: BTreeMap::new(),
            by_address: HashMap::new(),
            next_token: 0,
            ready: Vec::with_capacity(READY_MAX),
            // A byte more than may be, so that what was cut off shows.
            buffer: vec![0; DATAGRAM_BYTES_MAX + 1].into_boxed_slice(),
            counters: IoCounters::default(),
        })
    }

    /// Takes over the sockets of a line.
    ///
    /// # Errors
    /// When the kernel refuses registration; what was registered of the line until then stays, until it is removed.
    pub fn add(&mut self, line: LinePorts) -> io::Result<()> {
        let LinePorts { local, rtp, rtcp } = line;
        for (address, socket) in
            [Some((local.rtp, rtp)), rtcp.map(|rtcp| (local.rtcp, rtcp))].into_iter().flatten()
        {
            let token = self.next_token;
            epoll::add(self.epoll.get_ref(), &socket, EventData::new_u64(token), EventFlags::IN)?;
            self.next_token += 1;
            self.sockets.insert(token, (address, socket));
            self.by_address.insert(address, token);
        }
        Ok(())
    }

    /// Closes the socket at `address`.
    pub fn remove(&mut self, address: SocketAddr) {
        // Closing takes it out of the epoll, too: nobody else holds it.
        if let Some(token) = self.by_address.remove(&address) {
            self.sockets.remove(&token);
        }
    }

    /// Whether a socket at `address` is among them.
    pub fn has(&self, address: SocketAddr) -> bool {
        self.by_address.contains_key(&address)
    }

    /// Ready when some socket has something to read.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.epoll.poll_read_ready(cx).map(drop)
    }

    /// Hands datagrams that can be read to `each`, a bounded number per socket. Returns how many.
    pub fn receive(&mut self, each: &mut dyn FnMut(Datagram<'_>)) -> usize {
        self.ready.clear();
        if !self.sockets.is_empty() {
            let at_once = Some(&Timespec { tv_sec: 0, tv_nsec: 0 });
            // What a signal interrupts is tried again in the next turn.
            let _ = epoll::wait(self.epoll.get_ref(), spare_capacity(&mut self.ready), at_once);
        }
        if self.ready.is_empty() {
            self.wait_anew();
            return 0;
        }
        let mut datagrams = 0;
        for token in self.ready.iter().map(|event| event.data.u64()) {
            let Some((destination, socket)) = self.sockets.get(&token) else { continue };
            for _ in 0..RECEIVE_MAX {
                self.counters.receive_calls += 1;
                match socket.recv_from(&mut self.buffer) {
                    Ok((len, _)) if len > DATAGRAM_BYTES_MAX => self.counters.oversized += 1,
                    Ok((len, source)) => {
                        datagrams += 1;
                        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
                        let bytes = &self.buffer[..len];
                        each(Datagram { proto: Proto::Udp, source, destination: *destination, bytes });
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // What an ICMP message says of a packet sent earlier; the socket goes on.
                    Err(_) => {}
                }
            }
        }
        self.counters.received += datagrams as u64;
        datagrams
    }

    /// Nothing can be read any more, also because the last socket is gone: the runtime is to wait again, or its io thread would never
    /// sleep. What came just now is found when it asks the kernel anew.
    fn wait_anew(&self) {
        let mut nobody = Context::from_waker(Waker::noop());
        if let Poll::Ready(Ok(mut guard)) = self.epoll.poll_read_ready(&mut nobody) {
            guard.clear_ready();
        }
    }

    /// Hands a datagram to the kernel from the socket that it says; what the kernel does not take at once is dropped and counted.
    pub fn send(&mut self, datagram: &Transmit) {
        let socket = self.by_address.get(&datagram.source).and_then(|token| self.sockets.get(token));
        let Some((_, socket)) = socket else {
            self.counters.send_errors += 1;
            return;
        };
        self.counters.send_calls += 1;
        match socket.send_to(&datagram.bytes, datagram.destination) {
            Ok(_) => self.counters.sent += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.counters.send_dropped += 1,
            Err(_) => self.counters.send_errors += 1,
        }
    }

    /// Counters since the start.
    pub const fn counters(&self) -> IoCounters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_range_gives_every_pair_once_and_begins_with_an_even_port() {
        let range = PortRange::new(45_011, 45_016);
        assert_eq!(range.pairs(), 2);
        let lines: Vec<LinePorts> = (0..2).map(|_| range.open(HERE, false).expect("free")).collect();
        let mut ports: Vec<u16> =
            lines.iter().flat_map(|line| [line.local.rtp.port(), line.local.rtcp.port()]).collect();
        ports.sort_unstable();
        assert_eq!(ports, [45_012, 45_013, 45_014, 45_015]);
        assert_eq!(
            range.open(HERE, false).map(|_| ()).map_err(|error| error.kind()),
            Err(ErrorKind::AddrInUse)
        );
        drop(lines);
        let shared = range.open(HERE, true).expect("given back");
        assert_eq!(shared.local.rtp, shared.local.rtcp);
        assert_eq!(PortRange::new(45_013, 45_014).pairs(), 0);
        assert_eq!(PortRange::new(u16::MAX, u16::MAX).pairs(), 0);
    }

    #[tokio::test]
    async fn a_datagram_comes_with_the_port_that_it_arrived_at_and_leaves_from_it() {
        let range = PortRange::new(45_020, 45_029);
        let mut ports = OwnPorts::new().expect("a descriptor");
        let (here, there) = (range.open(HERE, false).expect("free"), range.open(HERE, false).expect("free"));
        let (from, to) = (here.local.rtcp, there.local.rtp);
        ports.add(here).expect("registered");
        ports.add(there).expect("registered");
        for destination in [to, from] {
            ports.send(&Transmit {
                proto: Proto::Udp,
                source: from,
                destination,
                bytes: Bytes::from_static(b"words"),
            });
        }
        let mut came = Vec::new();
        while came.len() < 2 {
            std::future::poll_fn(|cx| ports.poll_ready(cx)).await;
            ports.receive(&mut |datagram| {
                assert_eq!((datagram.source, datagram.bytes), (from, &b"words"[..]));
                came.push(datagram.destination);
            });
        }
        came.sort_unstable();
        let mut expected = [from, to];
        expected.sort_unstable();
        assert_eq!(came, expected);
        ports.remove(from);
        ports.send(&Transmit { proto: Proto::Udp, source: from, destination: to, bytes: Bytes::new() });
        assert_eq!((ports.counters().sent, ports.counters().send_errors), (2, 1));
        assert!(!ports.has(from) && ports.has(to));
    }

    #[tokio::test]
    async fn a_socket_that_goes_with_something_to_read_leaves_nobody_awake() {
        let mut ports = OwnPorts::new().expect("a descriptor");
        let line = PortRange::new(45_030, 45_039).open(HERE, true).expect("free");
        let here = line.local.rtp;
        ports.add(line).expect("registered");
        let words = Bytes::from_static(b"words");
        ports.send(&Transmit { proto: Proto::Udp, source: here, destination: here, bytes: words });
        std::future::poll_fn(|cx| ports.poll_ready(cx)).await;
        ports.remove(here);
        assert_eq!(ports.receive(&mut |_| panic!("it is gone")), 0);
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(ports.poll_ready(&mut nobody).is_pending());
    }
}
