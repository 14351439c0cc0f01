//! RTCP of one line, by the library `rtcp-types`: what we say of ourselves and of the far end's stream, and what it says to us.
//!
//! Flow: `line` -> **here** -> `line`. RFC 3550 §6, RFC 4585 §6.3.1, RFC 5104 §4.3.1. Pure. Bounds: [`BYTES_MAX`]; of what came, [`PARTS_MAX`] parts.

use mcu_core::time::Mono;
use rtcp_types::prelude::*;
use rtcp_types::{
    Compound, Fir, Packet, PayloadFeedback, Pli, ReceiverReport, ReportBlock, Sdes, SdesChunk, SdesItem,
    SenderReport,
};
use std::time::Duration;

/// Bytes of a compound packet of ours: a report with one block, a name, a request.
pub(super) const BYTES_MAX: usize = 256;
const PARTS_MAX: usize = 32;
/// Seconds from the NTP epoch to that of our clock: RFC 3550 §4 asks for no time of day.
const NTP_EPOCH_S: u64 = 1 << 31;

/// What our stream has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) packets: u32,
    pub(super) bytes: u32,
    /// RTP timestamp of the moment of the report.
    pub(super) timestamp: u32,
}

/// What is known of the far end's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Reception {
    pub(super) ssrc: u32,
    /// Out of 256, since the report before.
    pub(super) fraction_lost: u8,
    /// Since the beginning; at most 24 bits.
    pub(super) lost: u32,
    pub(super) extended_sequence: u32,
    /// In units of the RTP clock.
    pub(super) jitter: u32,
    /// Middle of the NTP time of its last report, and the age of that in 1/65 536 s.
    pub(super) last_report: u32,
    pub(super) since_report: u32,
}

/// What one compound packet of ours says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Words<'a> {
    pub(super) ssrc: u32,
    pub(super) cname: &'a str,
    pub(super) sent: Option<Sent>,
    pub(super) reception: Option<Reception>,
    /// Ask this stream for a key frame.
    pub(super) pli: Option<u32>,
}

impl Words<'_> {
    /// Writes them into `buffer`; how many bytes. `None` only if they did not fit.
    pub(super) fn write(&self, now: Mono, buffer: &mut [u8; BYTES_MAX]) -> Option<usize> {
        let block = self.reception.map(|of| {
            ReportBlock::builder(of.ssrc)
                .fraction_lost(of.fraction_lost)
                .cumulative_lost(of.lost)
                .extended_sequence_number(of.extended_sequence)
                .interarrival_jitter(of.jitter)
                .last_sender_report_timestamp(of.last_report)
                .delay_since_last_sender_report_timestamp(of.since_report)
        });
        let name = SdesChunk::builder(self.ssrc).add_item(SdesItem::builder(SdesItem::CNAME, self.cname));
        let pli = Pli::builder();
        let mut compound = match self.sent {
            Some(sent) => {
                let mut report = SenderReport::builder(self.ssrc)
                    .ntp_timestamp(ntp(now))
                    .rtp_timestamp(sent.timestamp)
                    .packet_count(sent.packets)
                    .octet_count(sent.bytes);
                if let Some(block) = block {
                    report = report.add_report_block(block);
                }
                Compound::builder().add_packet(report)
            }
            None => {
                let mut report = ReceiverReport::builder(self.ssrc);
                if let Some(block) = block {
                    report = report.add_report_block(block);
                }
                Compound::builder().add_packet(report)
            }
        };
        compound = compound.add_packet(Sdes::builder().add_chunk(name));
        if let Some(media) = self.pli {
            compound =
                compound.add_packet(PayloadFeedback::builder(&pli).sender_ssrc(self.ssrc).media_ssrc(media));
        }
        compound.write_into(buffer).ok()
    }
}

/// `at` as NTP time, 32.32 fixed point.
fn ntp(at: Mono) -> u64 {
    let nanos = at.as_nanos();
    let fraction = ((nanos % 1_000_000_000) << 32) / 1_000_000_000;
    ((nanos / 1_000_000_000 + NTP_EPOCH_S) << 32) | fraction
}

/// How long ago our report left that the far end speaks of (RFC 3550 §6.4.1), less what it took itself; `None` where it speaks of none.
pub(super) fn round_trip(last_report: u32, since_report: u32, now: Mono) -> Option<Duration> {
    let middle = (ntp(now) >> 16) as u32;
    let units = middle.wrapping_sub(last_report).wrapping_sub(since_report);
    // Under an hour, and not before it was sent.
    (last_report != 0 && units < 3_600 << 16)
        .then(|| Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16))
}

/// Something that the far end says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The two clocks of a stream of its own: NTP as 32.32 fixed point, RTP.
    Clocks { ssrc: u32, ntp: u64, timestamp: u32 },
    /// How our stream reached it.
    Reception { fraction_lost: u8, last_report: u32, since_report: u32 },
    /// It cannot go on without a key frame.
    KeyframeWanted,
}

/// Reads one compound packet; `ours` is the SSRC of our stream. What is damaged ends it.
pub(super) fn read(bytes: &[u8], ours: u32) -> Vec<Heard> {
    let mut all = Vec::new();
    let Ok(compound) = Compound::parse(bytes) else { return all };
    let reception = |block: ReportBlock<'_>| {
        (block.ssrc() == ours).then(|| Heard::Reception {
            fraction_lost: block.fraction_lost(),
            last_report: block.last_sender_report_timestamp(),
            since_report: block.delay_since_last_sender_report_timestamp(),
        })
    };
    for part in compound.take(PARTS_MAX) {
        match part {
            Ok(Packet::Sr(report)) => {
                let (ntp, timestamp) = (report.ntp_timestamp(), report.rtp_timestamp());
                all.push(Heard::Clocks { ssrc: report.ssrc(), ntp, timestamp });
                all.extend(report.report_blocks().filter_map(&reception));
            }
            Ok(Packet::Rr(report)) => all.extend(report.report_blocks().filter_map(&reception)),
            Ok(Packet::PayloadFeedback(feedback)) => {
                let lost = feedback.media_ssrc() == ours && feedback.parse_fci::<Pli<'_>>().is_ok();
                let asked = |fir: Fir<'_>| fir.entries().any(|entry| entry.ssrc() == ours);
                if lost || feedback.parse_fci::<Fir<'_>>().is_ok_and(asked) {
                    all.push(Heard::KeyframeWanted);
                }
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_by_whom_it_is_for() {
        let reception = Reception {
            ssrc: 2,
            fraction_lost: 12,
            last_report: 77,
            since_report: 5,
            ..Reception::default()
        };
        let words = Words {
            ssrc: 1,
            cname: "a-name-of-sixteen",
            sent: Some(Sent { packets: 10, bytes: 1_000, timestamp: 90_000 }),
            reception: Some(reception),
            pli: Some(2),
        };
        let mut buffer = [0; BYTES_MAX];
        let len = words.write(Mono::from_millis(1_500), &mut buffer).expect("fits");
        let clocks = Heard::Clocks { ssrc: 1, ntp: ((NTP_EPOCH_S + 1) << 32) | 1 << 31, timestamp: 90_000 };
        let told = Heard::Reception { fraction_lost: 12, last_report: 77, since_report: 5 };
        assert_eq!(read(&buffer[..len], 2), [clocks, told, Heard::KeyframeWanted]);
        assert_eq!(read(&buffer[..len], 3), [clocks], "what is said of another stream is not ours");
        let listener = Words { sent: None, pli: None, ..words };
        let len = listener.write(Mono::from_millis(1_500), &mut buffer).expect("fits");
        assert_eq!(read(&buffer[..len], 2), [told]);
    }

    #[test]
    fn a_round_trip_is_of_a_report_of_ours_and_garbage_says_nothing() {
        let sent = Mono::from_millis(10_000);
        let middle = (ntp(sent) >> 16) as u32;
        let trip = round_trip(middle, 65_536 / 2, Mono::from_millis(10_540)).expect("a report of ours");
        assert!(trip.as_millis().abs_diff(40) <= 1, "{trip:?}");
        assert_eq!(round_trip(0, 0, sent), None);
        assert_eq!(round_trip(middle, 65_536, sent), None, "before it was sent");
        for bytes in [&[][..], &[0x80], &[0x80, 200, 0, 200], &[0xff; 64]] {
            assert_eq!(read(bytes, 2), []);
        }
    }
}
