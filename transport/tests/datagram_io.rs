//! Both ways of datagrams over real loopback sockets, and ICE-TCP. Driven by events; bounded by counts, and by a long limit only against hanging.

use bytes::Bytes;
use mcu_core::time::Mono;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use transport::io::probe::{self, Runtime};
use transport::io::tcp::{CONNECTIONS_PER_ADDRESS_MAX, HELLO_TIMEOUT, TcpPorts};
use transport::io::{Backend, DatagramIo, ready, ring};
use transport::peer::{Proto, Transmit};

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("it comes to an end")
}

fn on_tokio(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(bounded(work));
}

fn transmit(from: &dyn DatagramIo, to: SocketAddr, bytes: Vec<u8>) -> Transmit {
    Transmit { proto: Proto::Udp, source: from.local_addr(), destination: to, bytes: Bytes::from(bytes) }
}

/// Trains of several lengths to two sockets: everything arrives whole, from and at the right addresses.
async fn trains_arrive(backend: Backend) {
    let mut sender = probe::open(backend, loopback()).expect("a sender");
    let mut receivers =
        [probe::open(backend, loopback()).expect("one"), probe::open(backend, loopback()).expect("another")];
    assert_eq!(sender.backend(), backend);
    assert!(receivers[0].granted().receive_bytes >= 64 * 1024, "{:?}", receivers[0].granted());
    let mut sent: [Vec<Vec<u8>>; 2] = [Vec::new(), Vec::new()];
    for round in 0..10u8 {
        for n in 0..20u8 {
            let to = usize::from(n % 3 == 0);
            let length = if n % 7 == 0 { 90 } else { 1_200 };
            let bytes = vec![round.wrapping_mul(20).wrapping_add(n); length];
            sender.send(&transmit(&*sender, receivers[to].local_addr(), bytes.clone()));
            sent[to].push(bytes);
        }
        sender.flush();
        for (receiver, expected) in receivers.iter_mut().zip(&sent) {
            let destination = receiver.local_addr();
            while (receiver.counters().received as usize) < expected.len() {
                ready(&mut **receiver).await.expect("a working socket");
                let source = sender.local_addr();
                receiver.receive(&mut |datagram| {
                    assert_eq!((datagram.source, datagram.destination), (source, destination));
                    assert!(expected.iter().any(|bytes| bytes == datagram.bytes));
                });
            }
        }
    }
    let counters = sender.counters();
    assert_eq!(counters.send_dropped + counters.send_errors, 0, "{counters:?}");
    assert!(counters.send_calls < 200, "datagrams ride together: {counters:?}");
}

/// Sound for a large meeting: one datagram to each, all at one moment. However few operations a backend has under way, none is lost.
async fn a_burst_to_everybody_arrives(backend: Backend) {
    const EVERYBODY: u64 = 400;
    let mut sender = probe::open(backend, loopback()).expect("a sender");
    let mut receivers =
        [probe::open(backend, loopback()).expect("one"), probe::open(backend, loopback()).expect("another")];
    // To one and the other in turn, so that none rides with the one before.
    for n in 0..EVERYBODY {
        let to = receivers[(n % 2) as usize].local_addr();
        sender.send(&transmit(&*sender, to, vec![n as u8; 120]));
    }
    sender.flush();
    while receivers.iter().map(|receiver| receiver.counters().received).sum::<u64>() < EVERYBODY {
        let [one, other] = &mut receivers;
        tokio::select! {
            more = ready(&mut **one) => more.expect("a working socket"),
            more = ready(&mut **other) => more.expect("a working socket"),
            more = ready(&mut *sender) => more.expect("a working socket"),
        }
        for receiver in &mut receivers {
            receiver.receive(&mut |_| {});
        }
        sender.flush();
    }
    assert_eq!(sender.counters().send_dropped, 0);
}

/// A destination where nobody listens is counted at most, and everybody else is still served.
async fn refusals_are_not_fatal(backend: Backend) {
    let mut sender = probe::open(backend, loopback()).expect("a sender");
    let mut receiver = probe::open(backend, loopback()).expect("a receiver");
    let gone = probe::bind(loopback()).and_then(|(socket, _)| socket.local_addr()).expect("a free port");
    let unroutable = SocketAddr::from(([255, 255, 255, 255], 9)); // broadcast is not permitted: EACCES
    for n in 0..50u8 {
        for to in [gone, unroutable, receiver.local_addr()] {
            sender.send(&transmit(&*sender, to, vec![n; 100]));
        }
        sender.flush();
        while receiver.counters().received <= u64::from(n) {
            tokio::select! {
                more = ready(&mut *receiver) => more.expect("a working socket"),
                more = ready(&mut *sender) => more.expect("a working socket"),
            }
            receiver.receive(&mut |_| {});
            sender.receive(&mut |_| {});
            sender.flush();
        }
    }
    assert!(sender.counters().send_errors >= 40, "{:?}", sender.counters());
    assert_eq!(receiver.counters().received, 50);
}

async fn long_datagrams_are_dropped(backend: Backend) {
    let mut receiver = probe::open(backend, loopback()).expect("a receiver");
    let plain = std::net::UdpSocket::bind(loopback()).expect("a sender");
    plain.send_to(&[1; 9_000], receiver.local_addr()).expect("sent");
    plain.send_to(&[2; 100], receiver.local_addr()).expect("sent");
    let mut lengths = Vec::new();
    while lengths.is_empty() {
        ready(&mut *receiver).await.expect("a working socket");
        receiver.receive(&mut |datagram| lengths.push(datagram.bytes.len()));
    }
    assert_eq!((lengths, receiver.counters().oversized), (vec![100], 1));
}

#[test]
fn batches() {
    on_tokio(async {
        trains_arrive(Backend::Batch).await;
        a_burst_to_everybody_arrives(Backend::Batch).await;
        refusals_are_not_fatal(Backend::Batch).await;
        long_datagrams_are_dropped(Backend::Batch).await;
    });
}

#[test]
fn a_wildcard_socket_tells_where_a_datagram_went() {
    on_tokio(async {
        let mut receiver =
            probe::open(Backend::Batch, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))).expect("a receiver");
        let port = receiver.local_addr().port();
        let plain = std::net::UdpSocket::bind(loopback()).expect("a sender");
        let mut seen = BTreeMap::new();
        for last in [1u8, 2, 3] {
            plain.send_to(&[last; 8], (Ipv4Addr::new(127, 0, 0, last), port)).expect("sent");
            while !seen.contains_key(&last) {
                ready(&mut *receiver).await.expect("a working socket");
                receiver.receive(&mut |datagram| {
                    seen.insert(datagram.bytes[0], datagram.destination);
                });
            }
            assert_eq!(seen[&last], SocketAddr::from(([127, 0, 0, last], port)));
        }
        // And answers from there.
        let from = seen[&2];
        let to = plain.local_addr().expect("bound");
        receiver.send(&Transmit {
            proto: Proto::Udp,
            source: from,
            destination: to,
            bytes: Bytes::from_static(b"answer"),
        });
        receiver.flush();
        let mut buffer = [0; 16];
        let (bytes, source) = plain.recv_from(&mut buffer).expect("an answer");
        assert_eq!((&buffer[..bytes], source), (&b"answer"[..], from));
    });
}

#[test]
fn io_uring_where_it_is_allowed() {
    if !probe::uring_allowed() {
        eprintln!("SKIPPED: the kernel refuses io_uring");
        return;
    }
    ring::run(bounded(async {
        trains_arrive(Backend::Uring).await;
        a_burst_to_everybody_arrives(Backend::Uring).await;
        refusals_are_not_fatal(Backend::Uring).await;
        long_datagrams_are_dropped(Backend::Uring).await;
        // Batches work inside its runtime as well.
        trains_arrive(Backend::Batch).await;
    }));
}

#[test]
fn the_probe_chooses_a_way_that_works() {
    #[allow(clippy::disallowed_methods)] // the probe's clock is the caller's
    let epoch = std::time::Instant::now();
    let mut clock = move || Mono::ZERO + epoch.elapsed();
    on_tokio(async move {
        let probed = probe::probe(Runtime::Tokio, &mut clock).await.expect("loopback works");
        assert_eq!((probed.backend, probed.uring), (Backend::Batch, None));
        eprintln!("on tokio: {probed:?}");
    });
    if probe::uring_allowed() {
        let mut clock = move || Mono::ZERO + epoch.elapsed();
        ring::run(bounded(async move {
            let probed = probe::probe(Runtime::Uring, &mut clock).await.expect("loopback works");
            assert!(probed.uring.is_some(), "it can be measured where it is allowed: {probed:?}");
            let faster = probed.uring.is_some_and(|uring| uring < probed.batch);
            assert_eq!(probed.backend == Backend::Uring, faster);
            eprintln!("on io_uring: {probed:?}");
        }));
    }
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

#[test]
fn tcp_datagrams_are_framed_both_ways_and_silence_is_closed() {
    on_tokio(async {
        let listener = std::net::TcpListener::bind(loopback()).expect("a port");
        let mut ports = TcpPorts::new(listener).expect("a listener");
        let mut talker = std::net::TcpStream::connect(ports.local_addr()).expect("connected");
        let mut silent = std::net::TcpStream::connect(ports.local_addr()).expect("connected");
        let source = talker.local_addr().expect("bound");
        talker.write_all(&[frame(b"one"), frame(b"two")].concat()).expect("written");
        let mut got = Vec::new();
        while got.len() < 2 || ports.connections() < 2 {
            poll_fn(|cx| ports.poll_ready(cx, Mono::ZERO)).await;
            ports.receive(&mut |datagram| got.push((datagram.source, datagram.bytes.to_vec())));
        }
        assert_eq!(got, [(source, b"one".to_vec()), (source, b"two".to_vec())]);
        let answer = Transmit {
            proto: Proto::Tcp,
            source: ports.local_addr(),
            destination: source,
            bytes: Bytes::from_static(b"three"),
        };
        ports.send(&answer);
        ports.flush();
        let mut read = [0; 7];
        talker.read_exact(&mut read).expect("an answer");
        assert_eq!(read[..], frame(b"three")[..]);

        ports.keep(source);
        ports.expire(Mono::ZERO + HELLO_TIMEOUT);
        assert_eq!((ports.connections(), ports.counters().silent), (1, 1));
        assert_eq!(silent.read(&mut read).expect("closed"), 0);
        assert_eq!(ports.take_closed().collect::<Vec<_>>(), [silent.local_addr().expect("bound")]);

        // A frame longer than any datagram ends the connection.
        talker.write_all(&[0xff; 4]).expect("written");
        while ports.connections() > 0 {
            poll_fn(|cx| ports.poll_ready(cx, Mono::ZERO)).await;
            ports.receive(&mut |_| panic!("nothing whole arrived"));
        }
        assert_eq!(ports.counters().io.oversized, 1);
    });
}

#[test]
fn tcp_connections_of_one_address_are_bounded() {
    on_tokio(async {
        let listener = std::net::TcpListener::bind(loopback()).expect("a port");
        let mut ports = TcpPorts::new(listener).expect("a listener");
        let connect = || std::net::TcpStream::connect(ports.local_addr()).expect("connected");
        let _kept: Vec<_> = (0..CONNECTIONS_PER_ADDRESS_MAX + 8).map(|_| connect()).collect();
        poll_fn(|cx| {
            let _ = ports.poll_ready(cx, Mono::ZERO);
            let counters = ports.counters();
            let all = counters.accepted + counters.refused == (CONNECTIONS_PER_ADDRESS_MAX + 8) as u64;
            if all { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        assert_eq!((ports.connections(), ports.counters().refused), (CONNECTIONS_PER_ADDRESS_MAX, 8));
    });
}
