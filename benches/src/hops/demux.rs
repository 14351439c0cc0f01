//! Hop `demux`: media of a hundred known ways, one look-up each.

use super::Case;
use mcu_core::hop::Hop;
use mcu_core::id::PeerId;
use std::net::SocketAddr;
use transport::demux::{Demux, Route};
use transport::peer::{Datagram, Proto};

const PEERS: u16 = 100;
const ROUNDS: u64 = 10;

pub(super) fn cases() -> Vec<Case> {
    let name = format!("media of {PEERS} peers");
    vec![Case::new(Hop::Demux, name, (u64::from(PEERS) * ROUNDS, "datagram"), || {
        let at = |port: u16| SocketAddr::from(([10, 0, 0, 2], 4_000 + port));
        let (mut demux, destination) = (Demux::default(), SocketAddr::from(([10, 0, 0, 1], 5_000)));
        for n in 0..PEERS {
            let peer = PeerId(u64::from(n) + 1);
            demux.register(&format!("ufrag{n}"), peer).expect("there is room");
            assert!(demux.admit(peer, Proto::Udp, at(n)));
        }
        let bytes = [0x80_u8; 1_200];
        move || {
            for _ in 0..ROUNDS {
                for n in 0..PEERS {
                    let datagram = Datagram { proto: Proto::Udp, source: at(n), destination, bytes: &bytes };
                    assert!(matches!(demux.route(&datagram), Route::Peer(_)));
                }
            }
        }
    })]
}
