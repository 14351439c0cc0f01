//! Datagrams of strangers at a real UDP port of the node: counted, never answered, and nothing is kept of them.

use mcu_server::peers::{NewsSender, Peers};
use mcu_server::threads::NodeClock;
use mcu_server::threads::io::{IoAddress, IoThread};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use transport::io::Backend;
use transport::peer::{LocalAddress, Proto};

const SEED: u64 = 0x57a2;
/// Datagrams on their way at a time: less than a socket's buffer holds, so that none is lost and all are counted.
const FLIGHT: usize = 64;
/// Sources: each bound to a port of its own, as a flood's are.
const SOURCES: usize = 32;

/// Noise, or something that begins like STUN, DTLS, RTP or RTCP; a check names a user fragment that nobody has.
fn datagram(random: &mut StdRng) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..random.random_range(1..1_200)).map(|_| random.random()).collect();
    match random.random_range(0..5) {
        0 => bytes[0] = 22,
        1 => bytes[0] = 0x80,
        2 => {
            bytes.resize(32, 0);
            bytes[..8].copy_from_slice(&[0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42]);
            bytes[20..24].copy_from_slice(&[0, 6, 0, 8]);
            bytes[24..32].copy_from_slice(b"abcd:xyz");
        }
        _ => {}
    }
    bytes
}

/// Bytes of memory in use that belong to this process alone.
fn memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux 4.5 or newer");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
}

#[test]
fn a_flood_of_strangers_is_counted_unanswered_and_forgotten() {
    let bind = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|socket| socket.local_addr())
        .expect("a free port");
    let address = IoAddress {
        bind,
        local: vec![LocalAddress::direct(Proto::Udp, bind)],
        tcp: false,
        backend: Backend::Batch,
    };
    let (news, _inlet) = NewsSender::channel(16);
    let peers = Peers::new(news, Arc::default());
    let thread = IoThread::start(0, address, NodeClock::start(), peers).expect("the port was free");
    let gauges = thread.port.gauges();
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let sources: Vec<UdpSocket> = (0..SOURCES).map(|_| UdpSocket::bind(any).expect("a free port")).collect();
    let mut random = StdRng::seed_from_u64(SEED);
    let mut sent = 0;
    let mut flood = |datagrams: u64| {
        for n in 0..datagrams {
            let source = &sources[random.random_range(0..SOURCES)];
            sent += u64::from(source.send_to(&datagram(&mut random), bind).is_ok());
            while (n as usize).is_multiple_of(FLIGHT) && gauges.datagrams[0].load(Ordering::Relaxed) < sent {
                std::thread::yield_now();
            }
        }
        while gauges.strangers.load(Ordering::Relaxed) < sent {
            std::thread::yield_now();
        }
        sent
    };
    // What is allocated once is allocated by then.
    flood(20_000);
    let before = memory_bytes();
    let all = flood(200_000);
    let after = memory_bytes();
    assert_eq!(all, 220_000, "the control: every one of them arrived and was nobody's");
    // 200 000 of them are 120 MB: keeping one in fifty would show.
    assert!(after < before + 2 * 1_024 * 1_024, "{before} bytes became {after}, seed {SEED:#x}");
    assert_eq!(gauges.datagrams[1].load(Ordering::Relaxed), 0, "nobody was answered");
    assert_eq!(thread.port.peers(), 0);
    for source in &sources {
        source.set_nonblocking(true).expect("a socket");
        assert!(source.recv(&mut [0; 16]).is_err(), "nothing came back");
    }
}
