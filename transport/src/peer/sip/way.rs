//! Way: where a line's packets are sent, and from where its packets may come.
//!
//! Flow: `leg` asks. Pure. What SDP says is a claim: behind NAT it is wrong, and an attacker's names a stranger (RFC 3261 §26.3.2.5, the
//! "voice hammer"). So
//! - with SRTP, packets may come from anywhere, and where an authenticated packet *newer than all before* comes from, ours go;
//! - without, packets may come from the signalled address or from where signalling came from, any port; the first within
//!   [`LATCH_WITHIN`] of the answer settles it, and nothing moves it again but a new answer;
//! - pictures are sent to an address other than signalling's only after something of the far end has come from there.

use mcu_core::time::Mono;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long after the answer a way without SRTP may still settle elsewhere than SDP said.
pub(super) const LATCH_WITHIN: Duration = Duration::from_secs(5);

/// The way of one line.
#[derive(Debug)]
pub(super) struct Way {
    /// Where RTP goes.
    rtp: SocketAddr,
    /// Where RTCP goes.
    rtcp: SocketAddr,
    /// Where signalling came from.
    signalled_from: IpAddr,
    answered: Mono,
    /// Packets authenticate themselves.
    secured: bool,
    settled: bool,
    /// Something has come from where RTP goes.
    vouched: bool,
}

impl Way {
    pub(super) fn new(
        rtp: SocketAddr,
        rtcp: SocketAddr,
        signalled_from: IpAddr,
        secured: bool,
        answered: Mono,
    ) -> Self {
        let vouched = rtp.ip() == signalled_from;
        Self { rtp, rtcp, signalled_from, answered, secured, settled: false, vouched }
    }

    /// Whether a packet from `source` may be looked at. Asked before it is authenticated, if it ever is.
    pub(super) fn may_come_from(&self, source: SocketAddr, now: Mono) -> bool {
        if self.secured {
            return true;
        }
        if self.settled || now.since(self.answered) > LATCH_WITHIN {
            return source.ip() == self.rtp.ip()
                && (source.port() == self.rtp.port() || source.port() == self.rtcp.port());
        }
        source.ip() == self.rtp.ip() || source.ip() == self.signalled_from
    }

    /// An RTP packet of this line has come from `source`, newer than all before it, and authenticated where that exists. `mux`: RTCP
    /// goes where RTP goes.
    pub(super) fn heard_rtp(&mut self, source: SocketAddr, mux: bool, now: Mono) {
        let may_move = self.secured || (!self.settled && now.since(self.answered) <= LATCH_WITHIN);
        if source != self.rtp && may_move {
            if mux {
                self.rtcp = source;
            } else if source.ip() != self.rtp.ip() {
                // The best guess until RTCP itself comes: the port beside it (RFC 3550 §11).
                self.rtcp = SocketAddr::new(source.ip(), source.port().saturating_add(1));
            }
            self.rtp = source;
        }
        self.settled = true;
        self.vouched |= source == self.rtp;
    }

    /// RTCP of this line, authenticated where that exists, has come from `source` on a port of its own.
    pub(super) fn heard_rtcp(&mut self, source: SocketAddr) {
        if self.secured || source.ip() == self.rtp.ip() {
            self.rtcp = source;
        }
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

    fn way(secured: bool) -> Way {
        let (rtp, rtcp) = (at("10.0.0.7:5000"), at("10.0.0.7:5001"));
        Way::new(rtp, rtcp, at("203.0.113.9:1").ip(), secured, NOW)
    }

    #[test]
    fn with_srtp_packets_go_where_the_newest_came_from() {
        let mut way = way(true);
        assert!(!way.is_vouched());
        for source in ["203.0.113.9:61000", "203.0.113.9:61002", "192.0.2.1:7000"] {
            assert!(way.may_come_from(at(source), NOW + Duration::from_secs(3_600)));
            way.heard_rtp(at(source), false, NOW + Duration::from_secs(3_600));
            assert_eq!(way.rtp(), at(source));
            assert!(way.is_vouched());
        }
        assert_eq!(way.rtcp(), at("192.0.2.1:7001"));
        way.heard_rtcp(at("192.0.2.1:7999"));
        assert_eq!(way.rtcp(), at("192.0.2.1:7999"));
    }

    #[test]
    fn without_it_the_first_settles_the_way_and_nobody_else_is_heard() {
        let mut way = way(false);
        let (nat, other, stranger) = (at("203.0.113.9:61000"), at("203.0.113.9:61004"), at("192.0.2.1:7000"));
        assert!(!way.may_come_from(stranger, NOW));
        assert!(way.may_come_from(nat, NOW) && way.may_come_from(at("10.0.0.7:9"), NOW));
        way.heard_rtp(nat, false, NOW);
        assert_eq!(way.rtp(), nat);
        assert!(way.may_come_from(nat, NOW), "the control");
        assert!(!way.may_come_from(other, NOW) && !way.may_come_from(at("10.0.0.7:5000"), NOW));
        way.heard_rtp(other, false, NOW);
        assert_eq!(way.rtp(), nat, "never again");
    }

    #[test]
    fn without_it_nothing_settles_late() {
        let mut way = way(false);
        let late = NOW + LATCH_WITHIN + Duration::from_millis(1);
        assert!(!way.may_come_from(at("203.0.113.9:61000"), late));
        assert!(way.may_come_from(at("10.0.0.7:5000"), late), "the control");
        way.heard_rtp(at("203.0.113.9:61000"), false, late);
        assert_eq!(way.rtp(), at("10.0.0.7:5000"));
    }

    #[test]
    fn signallings_own_address_is_vouched_for_from_the_start() {
        let same = Way::new(at("10.0.0.7:5000"), at("10.0.0.7:5001"), at("10.0.0.7:1").ip(), true, NOW);
        assert!(same.is_vouched() && !way(true).is_vouched());
    }
}
