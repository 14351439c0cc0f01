//! Interarrival jitter of received sound (RFC 3550 §6.4.1), in milliseconds. Pure: takes the moments.

use mcu_core::time::{ClockRate, MediaTime, Mono, TimestampLine};

/// The estimate of one stream.
#[derive(Debug, Default)]
pub(super) struct Jitter {
    line: TimestampLine,
    /// Arrival minus timestamp of the newest packet, in nanoseconds.
    transit_ns: Option<i128>,
    estimate_ns: f64,
}

impl Jitter {
    /// A packet with this RTP timestamp has arrived; the estimate, from the second one on.
    pub(super) fn arrived(&mut self, timestamp: u32, at: Mono) -> Option<f64> {
        let said = MediaTime::from_rtp(self.line.unwrap(timestamp), ClockRate::OPUS);
        // 720 000 ticks a second: 12 500 / 9 ns each.
        let transit = i128::from(at.as_nanos()) - i128::from(said.ticks()) * 12_500 / 9;
        let change = (transit - self.transit_ns.replace(transit)?).unsigned_abs() as f64;
        self.estimate_ns += (change - self.estimate_ns) / 16.0;
        Some(self.estimate_ns / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The estimate after packets of 20 ms that arrive `late_ms` after their moments.
    fn after(late_ms: impl IntoIterator<Item = u64>) -> Option<f64> {
        let mut jitter = Jitter::default();
        let start = u32::MAX - 2_000;
        let arrive = |(n, late): (usize, u64)| {
            let at = Mono::from_millis(1_000 + 20 * n as u64 + late);
            jitter.arrived(start.wrapping_add(960 * n as u32), at)
        };
        late_ms.into_iter().enumerate().map(arrive).last().flatten()
    }

    #[test]
    fn an_even_stream_has_none_and_one_packet_says_nothing() {
        assert_eq!(after([7; 50]), Some(0.0));
        assert_eq!(after([7]), None);
    }

    #[test]
    fn it_approaches_the_mean_change_of_transit_also_over_the_end_of_timestamps() {
        let swinging = after((0..400).map(|n| if n % 2 == 0 { 0 } else { 8 })).expect("many packets");
        assert!((swinging - 8.0).abs() < 0.01, "{swinging}");
        // One packet late by 16 ms: a sixteenth of it, and the sixteenth of that goes with the next.
        let one = after((0..11).map(|n| if n == 10 { 16 } else { 0 })).expect("many packets");
        assert!((one - 1.0).abs() < 1e-6, "{one}");
    }
}
