//! Datagrams and TCP bytes before anything has authenticated them.

use super::shared::Script;
use crate::demux::{ADDRESSES_PER_PEER_MAX, Demux, Route, checked_ufrag};
use crate::peer::gate::StreamGate;
use crate::peer::{Datagram, Proto};
use crate::tcp_framing::{Deframer, FramingError, HEADER_BYTES, frame_header};
use mcu_core::id::PeerId;
use mcu_core::limits::{DATAGRAM_BYTES_MAX, STREAMS_PER_PEER_MAX};
use mcu_core::time::Mono;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

/// Peers of the demultiplexer under test, and their user fragments.
const PEERS: [(PeerId, &str); 2] = [(PeerId(1), "aaaa"), (PeerId(2), "bbbb")];

/// Datagrams from few sources: one byte that says from where and whether a claim is authentic, and a piece each.
pub fn demux(data: &[u8]) {
    let mut demux = Demux::default();
    for (peer, ufrag) in PEERS {
        demux.register(ufrag, peer).expect("two peers fit");
    }
    let mut opened = HashSet::new();
    let mut script = Script::new(data);
    while let (Some(flags), Some(bytes)) = (script.byte(), script.piece()) {
        let source = SocketAddr::from(([10, 0, 0, 9], u16::from(flags & 0x3f)));
        let proto = if flags & 0x40 == 0 { Proto::Udp } else { Proto::Tcp };
        let destination = SocketAddr::from(([10, 0, 0, 1], 5_000));
        match demux.route(&Datagram { proto, source, destination, bytes }) {
            Route::Peer(peer) => {
                assert!(opened.contains(&(peer, proto, source)), "a way that nobody opened");
            }
            Route::Claims(peer) => {
                let (_, named) = PEERS.into_iter().find(|(id, _)| *id == peer).expect("a registered peer");
                assert_eq!(checked_ufrag(bytes), Some(named));
                if flags & 0x80 != 0 {
                    assert!(demux.admit(peer, proto, source));
                    opened.insert((peer, proto, source));
                }
            }
            Route::Nobody => {}
        }
        assert!(demux.sources() <= PEERS.len() * ADDRESSES_PER_PEER_MAX);
    }
    for (peer, _) in PEERS {
        demux.remove(peer);
    }
    assert_eq!((demux.peers(), demux.sources()), (0, 0));
}

/// What a stream holds when it comes in pieces of `piece_bytes`, and how it ended.
fn deframed(stream: &[u8], piece_bytes: usize) -> (Vec<Vec<u8>>, Option<FramingError>) {
    let (mut deframer, mut datagrams) = (Deframer::default(), Vec::new());
    for mut piece in stream.chunks(piece_bytes) {
        loop {
            match deframer.next(&mut piece) {
                Ok(Some(datagram)) => datagrams.push(datagram.to_vec()),
                Ok(None) => break,
                Err(error) => return (datagrams, Some(error)),
            }
        }
        assert!(piece.is_empty(), "all of a piece is taken");
    }
    (datagrams, None)
}

/// A TCP stream: the first byte says how it is cut.
pub fn tcp_framing(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let (datagrams, ended) = deframed(stream, usize::from(*cut).max(1));
    assert_eq!((&datagrams, ended), (&deframed(stream, stream.len().max(1)).0, deframed(stream, 1).1));
    let mut written = Vec::new();
    for datagram in &datagrams {
        assert!((1..=DATAGRAM_BYTES_MAX).contains(&datagram.len()));
        written.extend(frame_header(datagram).expect("it came through the same limit"));
        written.extend(datagram);
    }
    assert!(written.len() <= stream.len());
    assert_eq!(written.len(), datagrams.iter().map(|d| HEADER_BYTES + d.len()).sum::<usize>());
    assert_eq!(deframed(&written, 7), (datagrams, None), "what we write we read");
}

/// Datagrams of one peer: the first byte says whether its streams are announced, then a byte of time and a piece each.
pub fn stream_gate(data: &[u8]) {
    let mut script = Script::new(data);
    let Some(closed) = script.byte().map(|byte| byte & 1 == 1) else { return };
    let announced = [7, 8];
    let mut now = Mono::ZERO;
    let mut gate = StreamGate::new(closed.then_some(&announced[..]), now);
    let mut streams = HashSet::new();
    while let (Some(tenths), Some(datagram)) = (script.byte(), script.piece()) {
        now += Duration::from_millis(100) * u32::from(tenths);
        let rtp = datagram.len() >= 12 && datagram[0] >> 6 == 2 && !(64..96).contains(&(datagram[1] & 0x7f));
        let admitted = gate.admits(now, datagram);
        assert!(admitted || rtp, "only streams are refused");
        if admitted && rtp {
            streams.insert(datagram[8..12].to_vec());
        }
        // As many at once, and one more for each ten seconds since.
        let allowed = STREAMS_PER_PEER_MAX as u64 + now.as_millis() / 10_000;
        assert!(streams.len() as u64 <= if closed { 3 } else { allowed });
    }
}
