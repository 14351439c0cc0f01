//! SIP legs: an offer, answered, and datagrams at its ports.

use super::shared::Script;
use crate::peer::{ClockBase, Datagram, LocalPorts, PeerEvent, PeerOutput, Proto, SipConfig, SipPeer};
use mcu_core::time::Mono;
use sdp_types::Session;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The first port that a leg gets here.
const PORT: u16 = 40_000;

/// An offer as text, then datagrams, each with a byte that says to which port and whether from a stranger. Every line of an offer that is
/// answered gets its answer, nothing of a packet is made up, and nothing that a datagram says moves media without SRTP to a stranger.
#[expect(
    clippy::disallowed_methods,
    reason = "the libraries' epoch has to come from somewhere; nothing depends on it"
)]
pub fn sip_leg(data: &[u8]) {
    let mut script = Script::new(data);
    let Some(offer) = script.piece().and_then(|text| std::str::from_utf8(text).ok()) else { return };
    let device = SocketAddr::new([198, 51, 100, 7].into(), 50_000);
    let stranger = SocketAddr::new([192, 0, 2, 66].into(), 50_000);
    let config = SipConfig {
        advertised: [203, 0, 113, 1].into(),
        secure: true,
        from: device.ip(),
        plain_rtp: true,
        clock: Some(ClockBase::new(Instant::now())),
        ..SipConfig::default()
    };
    let mut next = PORT;
    let mut open = |shared| {
        let port = |port| SocketAddr::new([10, 0, 0, 1].into(), port);
        let ports = LocalPorts { rtp: port(next), rtcp: port(if shared { next } else { next + 1 }) };
        next += 2;
        Ok(ports)
    };
    let mut now = Mono::from_millis(1_000);
    let Ok((mut peer, answer)) = SipPeer::accept(&config, offer, &mut open, now) else { return };
    let offered = Session::parse(offer.as_bytes()).expect("it was answered");
    let answered = Session::parse(answer.sdp.as_bytes()).expect("we read what we write");
    assert_eq!(answered.medias.len(), offered.medias.len(), "each line in its place (RFC 3264 §6)");
    for (answered, offered) in answered.medias.iter().zip(&offered.medias) {
        assert_eq!((&answered.media, &answered.proto), (&offered.media, &offered.proto));
    }
    let taken = answered.medias.iter().filter(|media| media.port != 0).count();
    assert!((1..=3).contains(&taken));
    // Checks of ICE go where candidates say.
    let plain = !offer.contains("SAVP") && !offer.to_ascii_lowercase().contains("fingerprint");
    while let (Some(to), Some(bytes)) = (script.byte(), script.piece()) {
        now += Duration::from_millis(u64::from(to >> 4) * 100);
        let destination = SocketAddr::new([10, 0, 0, 1].into(), PORT + u16::from(to & 3));
        let source = if to & 4 == 0 { device } else { stranger };
        peer.handle_datagram(now, &Datagram { proto: Proto::Udp, source, destination, bytes });
        peer.handle_timeout(now);
        while let Some(output) = peer.poll(now) {
            match output {
                PeerOutput::Event(PeerEvent::Packet { packet, .. }) => {
                    assert!(packet.payload.len() < bytes.len())
                }
                PeerOutput::Event(_) => {}
                PeerOutput::Transmit(transmit) => {
                    assert!(
                        !plain || transmit.destination.ip() != stranger.ip(),
                        "media go where nobody asked for them"
                    );
                }
            }
        }
    }
}
