//! Way: where a line's packets are sent, and from where its packets may come.
//!
//! Flow: `leg` asks. Pure. What SDP says is a claim: behind NAT it is wrong, and an attacker's names a stranger (RFC 3261 §26.3.2.5, the
//! "voice hammer"). So
//! - with SRTP, packets may come from anywhere, and where an authenticated packet *newer than all before* comes from, ours go;
//! - with ICE, packets go where its checks have found the device, and nothing else moves them;
//! - without SRTP, packets may come from the signalled address, or within [`LATCH_WITHIN`] of the answer from any port of where signalling came
//!   from; the first settles it, of RTP and of RTCP each, and nothing moves it again but an answer to another address;
//! - pictures are sent to an address other than signalling's only after something of the far end has come from there. Without SRTP whoever
//!   can send from that address in another's name can have it so.

use mcu_core::time::Mono;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long after the answer a way without SRTP may still settle elsewhere than SDP said.
pub(super) const LATCH_WITHIN: Duration = Duration::from_secs(5);

/// What tells where the device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// SDP and the address of signalling: packets do not authenticate themselves, or not yet.
    Signalling,
    /// Packets: they are SRTP.
    Packets,
    /// Checks of ICE.
    Checks,
}

/// What of a line a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// Media.
    Rtp,
    /// Reports, on a port of their own or, with `rtcp-mux`, on that of media.
    Rtcp,
}

/// The way of one line.
#[derive(Debug)]
pub(super) struct Way {
    /// Where SDP said that RTP and RTCP are to go.
    signalled: (SocketAddr, SocketAddr),
    /// Where RTP goes.
    rtp: SocketAddr,
    /// Where RTCP goes.
    rtcp: SocketAddr,
    /// Where signalling came from.
    signalled_from: IpAddr,
    answered: Mono,
    trust: Trust,
    /// RTP has come.
    rtp_settled: bool,
    /// RTCP has come.
    rtcp_settled: bool,
    /// Something has come from where RTP goes.
    vouched: bool,
}

impl Way {
    pub(super) fn new(
        rtp: SocketAddr,
        rtcp: SocketAddr,
        signalled_from: IpAddr,
        trust: Trust,
        answered: Mono,
    ) -> Self {
        let vouched = trust != Trust::Checks && rtp.ip() == signalled_from;
        Self {
            signalled: (rtp, rtcp),
            rtp,
            rtcp,
            signalled_from,
            answered,
            trust,
            rtp_settled: false,
            rtcp_settled: false,
            vouched,
        }
    }

    /// Goes on where the way of the session before has got to, if SDP says the same as then: a device behind NAT repeats an address that
    /// was wrong the first time. What ICE has found holds whatever SDP says, as long as it is the same ICE (`same`).
    pub(super) fn succeed(&mut self, before: &Self, same: bool) {
        let found = same && before.trust == Trust::Checks;
        if same {
            self.trust = before.trust;
        }
        if found || self.signalled == before.signalled {
            (self.rtp, self.rtcp) = (before.rtp, before.rtcp);
            (self.rtp_settled, self.rtcp_settled) = (before.rtp_settled, before.rtcp_settled);
            self.vouched = before.vouched;
        }
    }

    /// Whether a packet from `source` may be looked at. Asked before it is authenticated, if it ever is.
    pub(super) fn may_come_from(&self, flow: Flow, source: SocketAddr, now: Mono) -> bool {
        let (expected, settled) = match flow {
            Flow::Rtp => (self.rtp, self.rtp_settled),
            Flow::Rtcp => (self.rtcp, self.rtcp_settled),
        };
        self.trust != Trust::Signalling || source == expected || (!settled && self.may_settle_at(source, now))
    }

    fn may_settle_at(&self, source: SocketAddr, now: Mono) -> bool {
        source.ip() == self.signalled_from && now.since(self.answered) <= LATCH_WITHIN
    }

    /// An RTP packet of this line has come from `source`, newer than all before it, and authenticated where that exists. `mux`: RTCP
    /// goes where RTP goes.
    pub(super) fn heard_rtp(&mut self, source: SocketAddr, mux: bool, now: Mono) {
        let may_move = match self.trust {
            Trust::Signalling => !self.rtp_settled && self.may_settle_at(source, now),
            Trust::Packets => true,
            Trust::Checks => return,
        };
        if source != self.rtp && may_move {
            if mux {
                self.rtcp = source;
            } else if source.ip() != self.rtp.ip() && (self.trust == Trust::Packets || !self.rtcp_settled) {
                // The best guess until RTCP itself comes: the port beside it (RFC 3550 §11).
                self.rtcp = SocketAddr::new(source.ip(), source.port().saturating_add(1));
            }
            self.rtp = source;
        }
        self.rtp_settled = true;
        self.rtcp_settled |= mux;
        self.vouched |= source == self.rtp;
    }

    /// RTCP of this line, authenticated where that exists, has come from `source` on a port of its own, whence it may come.
    pub(super) fn heard_rtcp(&mut self, source: SocketAddr) {
        if self.trust == Trust::Packets || !self.rtcp_settled {
            self.rtcp = source;
        }
        self.rtcp_settled = true;
    }

    /// A record of DTLS has come from `source`, whence it may. It settles the way as RTP would, as the handshake has to stay with one far end.
    pub(super) fn heard_handshake(&mut self, source: SocketAddr, now: Mono) {
        if self.trust == Trust::Signalling {
            self.heard_rtp(source, true, now);
        }
    }

    /// From now on packets authenticate themselves.
    pub(super) fn authenticates(&mut self) {
        if self.trust == Trust::Signalling {
            self.trust = Trust::Packets;
        }
    }

    /// The device answers checks at `path`, and has chosen it.
    pub(super) const fn choose(&mut self, path: SocketAddr) {
        (self.rtp, self.rtcp) = (path, path);
        self.vouched = true;
    }

    /// Where RTP goes.
    pub(super) const fn rtp(&self) -> SocketAddr {
        self.rtp
    }

    /// Where RTCP goes.
    pub(super) const fn rtcp(&self) -> SocketAddr {
        self.rtcp
    }

    /// Whether the far end is known to want packets there: what is large is not sent before.
    pub(super) const fn is_vouched(&self) -> bool {
        self.vouched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Mono = Mono::from_millis(1_000);

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn way(trust: Trust) -> Way {
        let (rtp, rtcp) = (at("10.0.0.7:5000"), at("10.0.0.7:5001"));
        Way::new(rtp, rtcp, at("203.0.113.9:1").ip(), trust, NOW)
    }

    #[test]
    fn with_srtp_packets_go_where_the_newest_came_from() {
        let mut way = way(Trust::Packets);
        assert!(!way.is_vouched());
        for source in ["203.0.113.9:61000", "203.0.113.9:61002", "192.0.2.1:7000"] {
            assert!(way.may_come_from(Flow::Rtp, at(source), NOW + Duration::from_secs(3_600)));
            way.heard_rtp(at(source), false, NOW + Duration::from_secs(3_600));
            assert_eq!(way.rtp(), at(source));
            assert!(way.is_vouched());
        }
        assert_eq!(way.rtcp(), at("192.0.2.1:7001"));
        way.heard_rtcp(at("192.0.2.1:7999"));
        assert_eq!(way.rtcp(), at("192.0.2.1:7999"));
    }

    /// Whether RTP may come from each, at `now`.
    fn heard(way: &Way, sources: &[&str], now: Mono) -> Vec<bool> {
        sources.iter().map(|source| way.may_come_from(Flow::Rtp, at(source), now)).collect()
    }

    const SIGNALLED: &str = "10.0.0.7:5000";
    const NAT: &str = "203.0.113.9:61000";
    const NAT_AGAIN: &str = "203.0.113.9:61004";
    const STRANGER: &str = "192.0.2.1:7000";
    const NEIGHBOUR: &str = "10.0.0.7:5002";

    #[test]
    fn without_it_the_first_settles_the_way_and_nobody_else_is_heard() {
        let all = [SIGNALLED, NAT, NAT_AGAIN, STRANGER, NEIGHBOUR];
        let mut nat = way(Trust::Signalling);
        assert_eq!(heard(&nat, &all, NOW), [true, true, true, false, false]);
        nat.heard_rtp(at(NAT), false, NOW);
        assert_eq!((nat.rtp(), nat.rtcp()), (at(NAT), at("203.0.113.9:61001")));
        assert_eq!(heard(&nat, &all, NOW), [false, true, false, false, false]);
        nat.heard_rtp(at(NAT_AGAIN), false, NOW);
        assert_eq!(nat.rtp(), at(NAT), "never again");

        let mut direct = way(Trust::Signalling);
        direct.heard_rtp(at(SIGNALLED), false, NOW);
        assert_eq!(heard(&direct, &all, NOW), [true, false, false, false, false]);
    }

    #[test]
    fn without_it_nothing_settles_late() {
        let mut way = way(Trust::Signalling);
        let last = NOW + LATCH_WITHIN;
        let late = last + Duration::from_millis(1);
        assert_eq!(heard(&way, &[NAT, SIGNALLED], last), [true, true], "the control");
        assert_eq!(heard(&way, &[NAT, SIGNALLED], late), [false, true]);
        way.heard_rtp(at(NAT), false, late);
        assert_eq!(way.rtp(), at(SIGNALLED));
    }

    #[test]
    fn without_it_rtcp_settles_by_itself_and_once_too() {
        let mut way = way(Trust::Signalling);
        let may = |way: &Way, source| way.may_come_from(Flow::Rtcp, at(source), NOW);
        way.heard_rtp(at(NAT), false, NOW);
        assert!(may(&way, NAT_AGAIN) && !may(&way, STRANGER) && !may(&way, SIGNALLED));
        way.heard_rtcp(at(NAT_AGAIN));
        assert_eq!((way.rtp(), way.rtcp()), (at(NAT), at(NAT_AGAIN)));
        assert!(may(&way, NAT_AGAIN) && !may(&way, "203.0.113.9:61001"));
        let mut shared = self::way(Trust::Signalling);
        shared.heard_rtp(at(NAT), true, NOW);
        assert_eq!((shared.rtcp(), may(&shared, NAT), may(&shared, NAT_AGAIN)), (at(NAT), true, false));
    }

    #[test]
    fn a_way_goes_on_while_sdp_says_the_same() {
        let mut before = way(Trust::Packets);
        before.heard_rtp(at("203.0.113.9:61000"), false, NOW);
        let mut same = way(Trust::Packets);
        same.succeed(&before, true);
        assert_eq!((same.rtp(), same.rtcp(), same.is_vouched()), (before.rtp(), before.rtcp(), true));
        let mut moved =
            Way::new(at("10.0.0.7:5004"), at("10.0.0.7:5005"), at("203.0.113.9:1").ip(), Trust::Packets, NOW);
        moved.succeed(&before, true);
        assert_eq!((moved.rtp(), moved.is_vouched()), (at("10.0.0.7:5004"), false), "the device has moved");
    }

    #[test]
    fn signallings_own_address_is_vouched_for_from_the_start() {
        let same =
            Way::new(at("10.0.0.7:5000"), at("10.0.0.7:5001"), at("10.0.0.7:1").ip(), Trust::Packets, NOW);
        assert!(same.is_vouched() && !way(Trust::Packets).is_vouched());
    }

    #[test]
    fn what_ice_has_found_stays_until_ice_finds_another() {
        let mut way = way(Trust::Checks);
        assert!(!way.is_vouched(), "nobody has answered yet");
        way.choose(at(NAT));
        way.heard_rtp(at(STRANGER), true, NOW);
        assert_eq!((way.rtp(), way.rtcp(), way.is_vouched()), (at(NAT), at(NAT), true));
        let after = || Way::new(at("10.0.0.7:6000"), at("10.0.0.7:6000"), at(NAT).ip(), Trust::Checks, NOW);
        let (mut goes_on, mut anew) = (after(), after());
        goes_on.succeed(&way, true);
        anew.succeed(&way, false);
        assert_eq!(
            (goes_on.rtp(), anew.rtp()),
            (at(NAT), at("10.0.0.7:6000")),
            "SDP says what was found, or not"
        );
        way.choose(at(NAT_AGAIN));
        assert_eq!(way.rtp(), at(NAT_AGAIN));
    }

    #[test]
    fn a_handshake_settles_the_way_once_and_packets_move_it_when_it_is_over() {
        let mut way = way(Trust::Signalling);
        way.heard_handshake(at(NAT), NOW);
        assert_eq!((way.rtp(), way.rtcp()), (at(NAT), at(NAT)));
        assert!(
            !way.may_come_from(Flow::Rtp, at(NAT_AGAIN), NOW) && way.may_come_from(Flow::Rtp, at(NAT), NOW)
        );
        way.authenticates();
        assert!(way.may_come_from(Flow::Rtp, at(STRANGER), NOW));
        way.heard_handshake(at(STRANGER), NOW);
        assert_eq!(way.rtp(), at(NAT), "a record that nobody has sealed moves nothing");
        way.heard_rtp(at(NAT_AGAIN), true, NOW);
        assert_eq!(way.rtp(), at(NAT_AGAIN));
    }
}
