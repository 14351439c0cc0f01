//! An io thread: one UDP socket, the same TCP port, the ports of SIP legs, and all state of the peers behind them.
//!
//! Runs a current-thread `tokio-uring` runtime, or plain tokio where io_uring is refused (most containers). One loop:
//! commands and bursts in, datagrams in, what is due, everything out, sleep. Peers' state never leaves the thread.

use super::NodeClock;
use crate::engine::outgoing::{Outlet, SoundBurst, VideoBurst};
use crate::peers::{PeerCommand, Peers};
use mcu_core::conference::input::Loudness;
use mcu_core::id::ConferenceId;
use mcu_core::queue::Queue;
use mcu_core::time::Mono;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use transport::io::ports::OwnPorts;
use transport::io::tcp::TcpPorts;
use transport::io::{Backend, DatagramIo, IoCounters, probe, ring};
use transport::peer::{Datagram, LocalAddress, Proto};

/// Commands waiting for one io thread.
const COMMANDS_MAX: usize = 4_096;

/// Bursts waiting for one io thread: a tenth of a second of two hundred renditions and as much sound.
const OUTGOING_MAX: usize = 1_024;

/// Batches read before peers get to send again.
const RECEIVE_BATCHES_MAX: usize = 8;

/// The longest sleep: a wake-up that got lost costs this much, once.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// Something made by an engine, for this thread's peers.
#[derive(Debug, Clone)]
enum Outgoing {
    Video(Arc<VideoBurst>),
    Sound(Arc<SoundBurst>),
}

/// What the thread counts, for metrics; written by it alone.
#[derive(Debug, Default)]
pub struct IoGauges {
    /// Turns of its loop.
    pub rounds: AtomicU64,
    /// Peers it has.
    pub peers: AtomicUsize,
    /// See `IoCounters`: received, sent, dropped, errors.
    pub datagrams: [AtomicU64; 4],
    /// Datagrams of nobody's.
    pub strangers: AtomicU64,
}

/// The way to an io thread. Cloning shares it.
#[derive(Clone)]
pub struct IoPort {
    commands: Queue<PeerCommand>,
    outgoing: Queue<Outgoing>,
    wake: Arc<Notify>,
    addresses: Arc<[LocalAddress]>,
    gauges: Arc<IoGauges>,
}

impl IoPort {
    /// Tells the thread to do something with its peers.
    pub fn command(&self, command: PeerCommand) {
        if self.commands.push(command).is_err() {
            tracing::error!(capacity = self.commands.capacity(), "an io thread takes no more commands");
        }
        self.wake.notify_one();
    }

    fn send(&self, outgoing: Outgoing) {
        // What does not fit is counted by the queue; receivers then wait for the next key frame.
        let _ = self.outgoing.push(outgoing);
        self.wake.notify_one();
    }

    /// Where the thread can be reached.
    pub fn addresses(&self) -> &[LocalAddress] {
        &self.addresses
    }

    /// How many peers the thread has.
    pub fn peers(&self) -> usize {
        self.gauges.peers.load(Ordering::Relaxed)
    }

    /// What the thread counts.
    pub fn gauges(&self) -> &IoGauges {
        &self.gauges
    }

    /// Bursts that the thread did not take in time.
    pub fn bursts_dropped(&self) -> u64 {
        self.outgoing.dropped()
    }
}

/// Gives engines' results to every io thread, and loudness to control.
pub struct NodeOutlet {
    /// The io threads.
    pub ports: Vec<IoPort>,
    /// Control's ear.
    pub loudness: mpsc::Sender<(ConferenceId, Loudness)>,
}

impl Outlet for NodeOutlet {
    fn video(&self, burst: VideoBurst) {
        let burst = Arc::new(burst);
        for port in &self.ports {
            port.send(Outgoing::Video(Arc::clone(&burst)));
        }
    }

    fn sound(&self, burst: SoundBurst) {
        let burst = Arc::new(burst);
        for port in &self.ports {
            port.send(Outgoing::Sound(Arc::clone(&burst)));
        }
    }

    fn loudness(&self, conference: ConferenceId, loudness: Loudness) {
        // A report that control has no time for is followed by the next in 30 ms.
        let _ = self.loudness.try_send((conference, loudness));
    }
}

/// Where an io thread listens and what it tells peers.
#[derive(Debug, Clone)]
pub struct IoAddress {
    /// To bind, UDP and TCP.
    pub bind: SocketAddr,
    /// What peers are told, best first; each with the address that datagrams to it arrive at.
    pub local: Vec<LocalAddress>,
    /// Accept ICE-TCP.
    pub tcp: bool,
    /// Which way datagrams take.
    pub backend: Backend,
}

/// An io thread, held by the node. Dropping it ends the thread.
pub struct IoThread {
    /// The way to it.
    pub port: IoPort,
    stop: Arc<Notify>,
    join: Option<JoinHandle<()>>,
}

impl IoThread {
    /// Starts thread `io-N`, which owns `peers` from now on. The sockets are open when this returns.
    ///
    /// # Errors
    /// The system's, when the port is taken or a thread is refused.
    pub fn start(number: usize, address: IoAddress, clock: NodeClock, peers: Peers) -> std::io::Result<Self> {
        let port = IoPort {
            commands: Queue::new("io_commands", COMMANDS_MAX),
            outgoing: Queue::new("outgoing", OUTGOING_MAX),
            wake: Arc::new(Notify::new()),
            addresses: address.local.clone().into(),
            gauges: Arc::default(),
        };
        let stop = Arc::new(Notify::new());
        let (opened, is_open) = std::sync::mpsc::sync_channel(1);
        let (worker_port, worker_stop) = (port.clone(), Arc::clone(&stop));
        let join = std::thread::Builder::new().name(format!("io-{number}")).spawn(move || {
            let backend = address.backend;
            let work = async move {
                match Worker::open(&address, worker_port, clock, peers) {
                    Ok(worker) => {
                        let _ = opened.send(Ok(()));
                        worker.run(&worker_stop).await;
                    }
                    Err(error) => {
                        let _ = opened.send(Err(error));
                    }
                }
            };
            run_on(backend, work);
        })?;
        let gone = || Err(std::io::Error::other("the io thread ended before its sockets were open"));
        is_open.recv().unwrap_or_else(|_| gone())?;
        Ok(Self { port, stop, join: Some(join) })
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(join) = self.join.take() {
            let _ = join.join();
        }
    }
}

/// Runs `work` on a tokio-uring runtime, or on plain tokio where io_uring is not to be had.
fn run_on(backend: Backend, work: impl Future<Output = ()>) {
    if backend == Backend::Uring || probe::uring_allowed() {
        ring::run(work);
        return;
    }
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => tracing::error!(%error, "no runtime for an io thread"),
    }
}

struct Worker {
    udp: Box<dyn DatagramIo>,
    tcp: Option<TcpPorts>,
    /// Of SIP legs.
    own: OwnPorts,
    peers: Peers,
    port: IoPort,
    clock: NodeClock,
}

impl Worker {
    fn open(address: &IoAddress, port: IoPort, clock: NodeClock, peers: Peers) -> std::io::Result<Self> {
        let udp = probe::open(address.backend, address.bind)?;
        let granted = udp.granted();
        tracing::info!(address = %udp.local_addr(), backend = ?udp.backend(),
            receive_bytes = granted.receive_bytes, send_bytes = granted.send_bytes, "media socket");
        let tcp =
            if address.tcp { Some(TcpPorts::new(std::net::TcpListener::bind(address.bind)?)?) } else { None };
        Ok(Self { udp, tcp, own: OwnPorts::new()?, peers, port, clock })
    }

    async fn run(mut self, stop: &Notify) {
        loop {
            let now = self.clock.now();
            self.take_in(now);
            self.peers.timeout(now);
            self.send_out(now);
            self.count();
            let sleep =
                self.peers.deadline().map_or(SLEEP_MAX, |at| at.since(self.clock.now()).min(SLEEP_MAX));
            let own = std::future::poll_fn(|cx| self.own.poll_ready(cx));
            let tcp = std::future::poll_fn(|cx| match &mut self.tcp {
                Some(tcp) => tcp.poll_ready(cx, now),
                None => std::task::Poll::Pending,
            });
            tokio::select! {
                biased;
                () = stop.notified() => return,
                readable = transport::io::ready(&mut *self.udp) => {
                    if let Err(error) = readable {
                        tracing::error!(%error, "the media socket is of no further use");
                        return;
                    }
                }
                () = self.port.wake.notified() => {}
                () = tcp => {}
                () = own => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Commands first, so that a burst finds the peers it is for.
    fn take_in(&mut self, now: Mono) {
        while let Some(mut command) = self.port.commands.pop() {
            if let PeerCommand::Add(new) = &mut command {
                for line in new.ports.drain(..) {
                    if let Err(error) = self.own.add(line) {
                        tracing::error!(%error, "a port cannot be served");
                    }
                }
            }
            self.peers.command(command, now);
        }
        while let Some(outgoing) = self.port.outgoing.pop() {
            match outgoing {
                Outgoing::Video(burst) => self.peers.video(&burst, now),
                Outgoing::Sound(burst) => self.peers.sound(&burst, now),
            }
        }
        for _ in 0..RECEIVE_BATCHES_MAX {
            let each = &mut |datagram: Datagram<'_>| {
                self.peers.datagram(datagram, now);
            };
            if self.udp.receive(each) == 0 {
                break;
            }
        }
        self.own.receive(&mut |datagram| {
            self.peers.datagram(datagram, now);
        });
        if let Some(tcp) = &mut self.tcp {
            let mut vouched = Vec::new();
            tcp.receive(&mut |datagram| {
                if self.peers.datagram(datagram, now) {
                    vouched.push(datagram.source);
                }
            });
            for source in vouched {
                tcp.keep(source);
            }
            tcp.expire(now);
            for source in tcp.take_closed() {
                self.peers.disconnected(Proto::Tcp, source);
            }
        }
    }

    fn send_out(&mut self, now: Mono) {
        let Self { udp, tcp, own, peers, .. } = self;
        peers.drain(now, &mut |transmit| match (transmit.proto, &mut *tcp) {
            (Proto::Udp, _) if own.has(transmit.source) => own.send(transmit),
            (Proto::Udp, _) => udp.send(transmit),
            (Proto::Tcp, Some(tcp)) => tcp.send(transmit),
            (Proto::Tcp, None) => {}
        });
        for address in peers.take_given_up() {
            own.remove(address);
        }
        udp.flush();
        if let Some(tcp) = tcp {
            tcp.flush();
        }
    }

    fn count(&self) {
        let gauges = &self.port.gauges;
        gauges.rounds.fetch_add(1, Ordering::Relaxed);
        let IoCounters { received, sent, send_dropped, send_errors, .. } = self.udp.counters();
        for (gauge, value) in gauges.datagrams.iter().zip([received, sent, send_dropped, send_errors]) {
            gauge.store(value, Ordering::Relaxed);
        }
        let demux = self.peers.demux_counters();
        gauges.strangers.store(demux.unknown_source + demux.unknown_ufrag, Ordering::Relaxed);
        gauges.peers.store(self.peers.len(), Ordering::Relaxed);
    }
}
