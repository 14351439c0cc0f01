//! What is known of the one stream that a line receives: its unwrapped numbers, and what a receiver report says of it.
//!
//! Flow: `leg` -> **here** -> `rtcp`. RFC 3550 §6.4.1, appendix A.1, A.3 and A.8. Pure.

use mcu_core::time::{ClockRate, Mono};
use std::time::Duration;

/// How long a stream may be silent before another SSRC on its line is believed to follow it.
const SUCCEEDS_AFTER: Duration = Duration::from_millis(200);
/// Packets behind the newest that still have a place; further back is a stream that began again.
const MISORDER_MAX: u16 = 1_000;

/// One received stream.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) ssrc: u32,
    /// Unwrapped, with a first cycle of nothing before it, so that what is older than the first packet has a number.
    highest: u64,
    first: u64,
    packets: u64,
    last: Mono,
    /// In units of the clock, times 16 (RFC 3550 §A.8).
    jitter: u32,
    transit: Option<u32>,
    expected_before: u64,
    packets_before: u64,
    /// Middle of the NTP time of the last sender report, and when it came.
    report: Option<(u32, Mono)>,
}

/// Where a packet stands in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Unwrapped sequence number.
    pub(super) sequence: u64,
    /// Newer than all before.
    pub(super) newest: bool,
}

/// What a report block says, less the SSRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Block {
    /// Out of 256, since the block before.
    pub(super) fraction_lost: u8,
    /// Since the beginning; at most 24 bits.
    pub(super) cumulative_lost: u32,
    pub(super) extended_sequence: u32,
    pub(super) jitter: u32,
    pub(super) last_report: u32,
    pub(super) since_report: u32,
}

impl Received {
    pub(super) const fn new(ssrc: u32, sequence: u16, now: Mono) -> Self {
        let first = (1 << 16) + sequence as u64;
        Self {
            ssrc,
            highest: first,
            first,
            packets: 0,
            last: now,
            jitter: 0,
            transit: None,
            expected_before: 0,
            packets_before: 0,
            report: None,
        }
    }

    /// Whether a packet of another SSRC may take its place.
    pub(super) const fn has_gone_silent(&self, now: Mono) -> bool {
        now.since(self.last).as_nanos() >= SUCCEEDS_AFTER.as_nanos()
    }

    /// Takes a packet. `None`: it is so far back that the stream has begun again; it is to be taken as a new one.
    pub(super) fn take(
        &mut self,
        sequence: u16,
        timestamp: u32,
        clock: ClockRate,
        now: Mono,
    ) -> Option<Place> {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        let place = if ahead < 0x8000 {
            Place { sequence: self.highest + u64::from(ahead), newest: ahead != 0 || self.packets == 0 }
        } else {
            let behind = ahead.wrapping_neg();
            if behind > MISORDER_MAX {
                return None;
            }
            Place { sequence: self.highest - u64::from(behind), newest: false }
        };
        self.highest = self.highest.max(place.sequence);
        self.packets += 1;
        self.last = now;
        let arrival = (u128::from(now.as_nanos()) * u128::from(clock.hz()) / 1_000_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let step = (transit.wrapping_sub(before) as i32).unsigned_abs();
            self.jitter =
                self.jitter.saturating_add(step).saturating_sub((self.jitter.saturating_add(8)) >> 4);
        }
        Some(place)
    }

    /// A sender report of it has come.
    pub(super) const fn reported(&mut self, ntp: u64, now: Mono) {
        self.report = Some(((ntp >> 16) as u32, now));
    }

    /// What to report, once for each interval.
    pub(super) fn block(&mut self, now: Mono) -> Block {
        let expected = self.highest - self.first + 1;
        let (in_interval, came) = (expected - self.expected_before, self.packets - self.packets_before);
        (self.expected_before, self.packets_before) = (expected, self.packets);
        let lost = in_interval.saturating_sub(came);
        let (last_report, since_report) =
            self.report.map_or((0, 0), |(middle, at)| (middle, ntp_short(now.since(at))));
        Block {
            fraction_lost: (lost * 256).checked_div(in_interval).map_or(0, |lost| lost.min(255) as u8),
            cumulative_lost: expected.saturating_sub(self.packets).min(0x7f_ff_ff) as u32,
            extended_sequence: (self.highest - (1 << 16)) as u32,
            jitter: self.jitter >> 4,
            last_report,
            since_report,
        }
    }
}

/// In units of 1/65 536 s (RFC 3550 §6.4.1).
pub(super) fn ntp_short(span: Duration) -> u32 {
    u32::try_from((span.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    fn feed(stream: &mut Received, sequences: impl IntoIterator<Item = u16>) {
        for (n, sequence) in sequences.into_iter().enumerate() {
            let at = n as u64 * 20;
            assert!(stream.take(sequence, 960 * n as u32, ClockRate::OPUS, ms(at)).is_some());
        }
    }

    #[test]
    fn numbers_go_on_over_the_end_of_sixteen_bits_and_back_before_the_first() {
        let mut stream = Received::new(7, 65_534, ms(0));
        let mut take = |sequence| stream.take(sequence, 0, ClockRate::OPUS, ms(0)).expect("near");
        assert_eq!(take(65_534), Place { sequence: (1 << 16) + 65_534, newest: true });
        assert_eq!(take(1), Place { sequence: (2 << 16) + 1, newest: true });
        assert_eq!(take(65_535), Place { sequence: (1 << 16) + 65_535, newest: false });
        assert_eq!(take(65_530), Place { sequence: (1 << 16) + 65_530, newest: false });
        assert_eq!(take(1), Place { sequence: (2 << 16) + 1, newest: false }, "twice is not new");
        assert_eq!(stream.take(64_000, 0, ClockRate::OPUS, ms(0)), None, "it has begun again");
    }

    #[test]
    fn a_block_tells_what_was_lost_since_the_one_before() {
        let mut stream = Received::new(7, 10, ms(0));
        feed(&mut stream, (10..110).filter(|n| n % 4 != 1));
        let block = stream.block(ms(2_000));
        assert_eq!((block.fraction_lost, block.cumulative_lost, block.extended_sequence), (62, 24, 108));
        feed(&mut stream, 109..209);
        let block = stream.block(ms(4_000));
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 24), "the control");
        assert_eq!(stream.block(ms(4_000)).fraction_lost, 0, "nothing expected, nothing lost");
    }

    #[test]
    fn jitter_is_how_unevenly_packets_come() {
        let (mut even, mut uneven) = (Received::new(1, 0, ms(0)), Received::new(1, 0, ms(0)));
        for n in 0..500_u64 {
            let timestamp = 960 * n as u32;
            even.take(n as u16, timestamp, ClockRate::OPUS, ms(20 * n));
            uneven.take(n as u16, timestamp, ClockRate::OPUS, ms(20 * n + 10 * (n % 2)));
        }
        assert_eq!(even.block(ms(0)).jitter, 0);
        // Ten milliseconds either way, each time.
        assert!((400..=480).contains(&uneven.block(ms(0)).jitter), "{}", uneven.block(ms(0)).jitter);
    }

    #[test]
    fn a_report_of_the_sender_comes_back_with_its_age() {
        let mut stream = Received::new(7, 1, ms(0));
        stream.reported(0x1234_5678_9abc_def0, ms(1_000));
        let block = stream.block(ms(1_500));
        assert_eq!((block.last_report, block.since_report), (0x5678_9abc, 1 << 15));
    }
}
