//! Traffic: what a leg carried, and the figures of it once a second.
//!
//! Flow: `SipPeer` counts -> **here** -> `PeerEvent::Stats`. Pure; plain fields.

use super::super::PeerStats;
use super::rtcp;
use mcu_core::time::Mono;
use std::time::Duration;

/// What the next figures are made of.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
    pub(super) since: Mono,
    pub(super) rtt: Option<Duration>,
    /// Out of 256.
    pub(super) send_loss: Option<u8>,
}

impl Traffic {
    /// The figures since the last time.
    pub(super) fn take(&mut self, now: Mono) -> PeerStats {
        let micros = now.since(self.since).as_micros().max(1);
        let kbps = |bytes: u64| u32::try_from(u128::from(bytes) * 8_000 / micros).unwrap_or(u32::MAX);
        let figures = PeerStats {
            rtt: self.rtt,
            send_loss_permille: self.send_loss.map(|lost| (u32::from(lost) * 1_000 / 256) as u16),
            receive_loss_permille: None,
            receive_kbps: kbps(self.received_bytes),
            send_kbps: kbps(self.sent_bytes),
        };
        *self = Self { since: now, rtt: self.rtt, ..Self::default() };
        figures
    }
}

/// RFC 3550 §6.4.1: from the report of ours that the far end speaks of. `None` where it speaks of none.
pub(super) fn round_trip(last_report: u32, since_report: u32, now: Mono) -> Option<Duration> {
    if last_report == 0 {
        return None;
    }
    let middle = (rtcp::ntp(now) >> 16) as u32;
    let units = middle.wrapping_sub(last_report).wrapping_sub(since_report);
    // Under an hour, and not before it was sent: anything else is a far end that cannot count.
    (units < 3_600 << 16).then(|| Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16))
}
