//! What sender reports say about one received stream: the moment, on the node's clock, that a timestamp stands for (RFC 3550 §6.4.1).
//!
//! A receiver that obeys them shows pictures and plays sound of one such moment together, whatever each of their ways took. So it is
//! these moments that say how far apart it puts what was sent together.

use mcu_core::time::{ClockRate, Mono};

/// The newest report of a stream.
#[derive(Debug)]
pub(super) struct ReportLine {
    rate: ClockRate,
    report: Option<(i64, u32)>,
}

impl ReportLine {
    pub(super) const fn new(rate: ClockRate) -> Self {
        Self { rate, report: None }
    }

    /// Takes a report: `ntp_us`, in microseconds of any epoch, stands for `timestamp`.
    pub(super) const fn report(&mut self, ntp_us: i64, timestamp: u32) {
        self.report = Some((ntp_us, timestamp));
    }

    /// How much later the moment of `timestamp` is, by the node's clock, than when it was `sent`, by ours, in microseconds: a number
    /// that means nothing but beside that of another stream of the same node. `None` before the first report.
    pub(super) fn lead_us(&self, timestamp: u32, sent: Mono) -> Option<i64> {
        let (ntp_us, reported) = self.report?;
        let since = i64::from(timestamp.wrapping_sub(reported).cast_signed());
        let hz = i64::from(self.rate.hz());
        Some(ntp_us + since * 1_000_000 / hz - (sent.as_nanos() / 1_000) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_together_is_apart_by_what_reports_say() {
        let (mut picture, mut sound) = (ReportLine::new(ClockRate::VIDEO), ReportLine::new(ClockRate::OPUS));
        let sent = Mono::from_millis(7_000);
        assert_eq!(picture.lead_us(5, sent), None, "no report yet");
        // Reports of different moments; timestamps before and after them, over the end of the numbers.
        picture.report(1_000_000_000, 100);
        sound.report(1_000_500_000, u32::MAX - 47);
        let pictures = picture.lead_us(100_u32.wrapping_sub(9_000), sent).expect("reported");
        let sounds = sound.lead_us(48_000 - 48, sent).expect("reported");
        // 100 ms before the one, a second after the other.
        assert_eq!(pictures, 1_000_000_000 - 100_000 - 7_000_000);
        assert_eq!(sounds - pictures, 1_600_000);
    }
}
