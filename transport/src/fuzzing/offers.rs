//! Offers: read, cut down, and answered.

use crate::peer::lines::LINES_MAX;
use crate::peer::narrow::Plan;
use crate::peer::offer::{MID_BYTES_MAX, Offer, Payload};
use crate::peer::{
    ClockBase, Kind, LineRoles, LocalAddress, Medium, NegotiateError, PeerConfig, Proto, WebRtcPeer,
};
use mcu_core::limits::SDP_MEDIA_LINES_ANSWERED_MAX;
use mcu_core::time::Mono;
use std::collections::BTreeSet;
use std::time::Instant;

const KINDS: [Kind; 3] = [Kind::Full, Kind::SendOnlyFromClient, Kind::ReceiveOnly];

fn config(kind: Kind) -> PeerConfig {
    let address = LocalAddress::direct(Proto::Udp, ([10, 0, 0, 1], 5_000).into());
    PeerConfig { addresses: vec![address], kind, ..PeerConfig::default() }
}

/// Every number that the payloads of one line use.
fn numbers(payloads: &[Payload]) -> Vec<u8> {
    payloads.iter().flat_map(|payload| [Some(payload.payload_type), payload.rtx]).flatten().collect()
}

/// An offer as text: what is taken of it is bounded and unambiguous, and what is left of it reads as it was written.
pub fn offer(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(offer) = Offer::parse(text) else { return };
    assert!(offer.sections.len() <= SDP_MEDIA_LINES_ANSWERED_MAX);
    assert!(offer.sections.iter().all(|section| (1..=MID_BYTES_MAX).contains(&section.mid.len())));
    for kind in KINDS {
        let config = config(kind);
        let Ok(plan) = Plan::make(&offer, &config, &LineRoles::in_order()) else { continue };
        assert!((1..=LINES_MAX).contains(&plan.taken.len()));
        let lines: BTreeSet<_> = plan.taken.iter().map(|taken| taken.line).collect();
        assert_eq!(lines.len(), plan.taken.len(), "no line has two roles");
        for taken in &plan.taken {
            let numbers = numbers(&taken.payloads);
            let distinct: BTreeSet<_> = numbers.iter().collect();
            assert_eq!(distinct.len(), numbers.len(), "a number means one thing");
        }
        let roles = LineRoles::by_mid(plan.taken.iter().map(|taken| (taken.mid.clone(), taken.line.kind)));
        let again = Offer::parse(&plan.sdp).expect("we read what we write");
        let second = Plan::make(&again, &config, &roles).expect("and take it again");
        assert_eq!(second.sdp, plan.sdp, "nothing is left to cut");
        assert_eq!(second.announced, plan.announced);
    }
}

/// An offer as text, to the end: the library never fails on what we leave of one, and every line gets its answer.
#[expect(
    clippy::disallowed_methods,
    reason = "the library's epoch has to come from somewhere; nothing depends on it"
)]
pub fn answer(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let config = config(KINDS[usize::from(*first) % KINDS.len()]);
    let clock = ClockBase::new(Instant::now());
    match WebRtcPeer::accept(&config, clock, text, &LineRoles::in_order(), Mono::from_millis(1)) {
        Ok((peer, answer)) => {
            let sections = Offer::parse(text).expect("it was answered").sections;
            let answered = Offer::parse(&answer.sdp).expect("an answer reads like an offer").sections;
            assert_eq!(answered.len(), sections.len(), "each line in its place (RFC 3264 §6)");
            for (answered, offered) in answered.iter().zip(&sections) {
                assert_eq!((answered.mid, answered.head[0]), (offered.mid, offered.head[0]));
            }
            assert_eq!(answered.iter().filter(|section| !section.off).count(), peer.lines().count());
            assert!(peer.lines().all(|line| line.line.medium == Medium::Video || line.send_video.is_none()));
        }
        Err(NegotiateError::Refused { reason }) => {
            assert!(!reason.contains("the library"), "{reason}");
        }
        Err(_) => {}
    }
}
