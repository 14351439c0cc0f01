//! Gate: how many streams (SSRCs) a peer may make us follow.
//!
//! The library keeps state for each stream that authenticates, for ever; a sender that changes its SSRC with every packet would grow
//! it without end. So a packet of an unknown stream passes only while there is allowance: as many as [`STREAMS_PER_PEER_MAX`]
//! at once, one more every [`REFILL`]. A known stream always passes, and is never forgotten for a newer one that is used less.
//! A peer that announced its streams in SDP for every line, as browsers do, has exactly those: the library maps an unknown stream to
//! a line *before* it authenticates it, so that a spoofer of the peer's address could else take a line away from its stream.
//! Looks at unauthenticated bytes: without announced streams a spoofer can use the allowance up, and harms no stream that flows.

use mcu_core::limits::STREAMS_PER_PEER_MAX;
use mcu_core::time::Mono;
use std::time::Duration;

/// How long one new stream takes to be allowed again.
const REFILL: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
struct Known {
    ssrc: u32,
    used: Mono,
}

/// The streams of one peer.
#[derive(Debug)]
pub(crate) struct StreamGate {
    known: Vec<Known>,
    /// Only the streams known from the start.
    closed: bool,
    allowance: usize,
    refilled: Mono,
}

impl StreamGate {
    /// A gate for the `announced` streams, or for those that come where not all were announced.
    pub(crate) fn new(announced: Option<&[u32]>, now: Mono) -> Self {
        let mut known = Vec::with_capacity(STREAMS_PER_PEER_MAX);
        if let Some(announced) = announced {
            // Stream 0 is the library's own name for probes that belong to no line.
            let all = announced.iter().chain(&[0]).take(STREAMS_PER_PEER_MAX);
            known.extend(all.map(|&ssrc| Known { ssrc, used: now }));
        }
        Self { known, closed: announced.is_some(), allowance: STREAMS_PER_PEER_MAX, refilled: now }
    }

    /// Whether `datagram` may go on: anything but RTP, or RTP of a stream that we follow.
    pub(crate) fn admits(&mut self, now: Mono, datagram: &[u8]) -> bool {
        rtp_ssrc(datagram).is_none_or(|ssrc| self.admits_stream(now, ssrc))
    }

    fn admits_stream(&mut self, now: Mono, ssrc: u32) -> bool {
        if let Some(known) = self.known.iter_mut().find(|known| known.ssrc == ssrc) {
            known.used = now;
            return true;
        }
        if self.closed {
            return false;
        }
        while self.allowance < STREAMS_PER_PEER_MAX && now.since(self.refilled) >= REFILL {
            self.refilled += REFILL;
            self.allowance += 1;
        }
        if self.allowance == STREAMS_PER_PEER_MAX {
            self.refilled = now;
        }
        if self.allowance == 0 {
            return false;
        }
        self.allowance -= 1;
        let new = Known { ssrc, used: now };
        if self.known.len() < STREAMS_PER_PEER_MAX {
            self.known.push(new);
        } else if let Some(oldest) = self.known.iter_mut().min_by_key(|known| known.used) {
            *oldest = new;
        }
        true
    }
}

/// The SSRC of an RTP packet (RFC 3550 §5.1); `None` for RTCP (RFC 5761 §4), STUN, DTLS and what is too short.
fn rtp_ssrc(datagram: &[u8]) -> Option<u32> {
    let header = datagram.first_chunk::<12>()?;
    let rtp = (128..192).contains(&header[0]) && !(64..96).contains(&(header[1] & 0x7f));
    rtp.then(|| u32::from_be_bytes([header[8], header[9], header[10], header[11]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtp(ssrc: u32) -> Vec<u8> {
        let mut packet = vec![0x80, 96, 0, 1, 0, 0, 0, 0];
        packet.extend(ssrc.to_be_bytes());
        packet
    }

    #[test]
    fn a_flood_of_streams_stops_and_the_known_one_flows() {
        let mut gate = StreamGate::new(None, Mono::ZERO);
        assert!(gate.admits(Mono::ZERO, &rtp(7)));
        let mut admitted = 0;
        for ssrc in 1_000..3_000 {
            let now = Mono::from_millis(u64::from(ssrc));
            admitted += usize::from(gate.admits(now, &rtp(ssrc)));
            assert!(gate.admits(now, &rtp(7)), "the stream that flows is never refused");
        }
        assert_eq!(admitted, STREAMS_PER_PEER_MAX - 1);
        assert_eq!(gate.known.len(), STREAMS_PER_PEER_MAX);
        let later = Mono::from_millis(3_000) + REFILL;
        assert!(gate.admits(later, &rtp(5_000)), "a new stream is allowed again after a while");
        assert!(!gate.admits(later, &rtp(5_001)));
    }

    #[test]
    fn announced_streams_are_all_there_are() {
        let mut gate = StreamGate::new(Some(&[7, 8]), Mono::ZERO);
        for (ssrc, admitted) in [(7, true), (8, true), (0, true), (9, false), (7, true)] {
            assert_eq!(gate.admits(Mono::from_millis(60_000), &rtp(ssrc)), admitted, "{ssrc}");
        }
    }

    #[test]
    fn what_is_not_rtp_is_not_its_business() {
        let mut gate = StreamGate::new(None, Mono::ZERO);
        for ssrc in 0..STREAMS_PER_PEER_MAX as u32 {
            assert!(gate.admits(Mono::ZERO, &rtp(ssrc)));
        }
        assert!(!gate.admits(Mono::ZERO, &rtp(999)));
        let mut rtcp = rtp(999);
        rtcp[1] = 200;
        for other in [&rtcp[..], &[22; 40], &[0; 20], &[0x80, 96]] {
            assert!(gate.admits(Mono::ZERO, other));
        }
    }
}
