//! RTCP of one line, by the library `rtcp-types`: what we say of ourselves and of the far end's stream, and what it says to us.
//!
//! Flow: `leg` -> **here** -> `leg`. RFC 3550 §6, RFC 4585 §6, RFC 5104 §4.3.1. Compound packets both ways, as devices that never heard of
//! reduced size expect. Bounds: [`RTCP_BYTES_MAX`]; of what came, [`PARTS_MAX`] parts and of each the library's own 31 blocks.

use super::received::Block;
use mcu_core::media::packet::SenderReport;
use mcu_core::time::Mono;
use rtcp_types::prelude::*;
use rtcp_types::{
    Bye, Compound, Fir, Packet, PayloadFeedback, Pli, ReceiverReport, ReportBlock, ReportBlockBuilder, Sdes,
    SdesChunk, SdesItem,
};

/// Bytes of a compound packet of ours: a report with one block, a name, two requests.
pub(super) const RTCP_BYTES_MAX: usize = 256;
/// Parts of a compound packet that are read.
const PARTS_MAX: usize = 32;
/// Seconds from the NTP epoch to ours. Our clock counts from the node's start: RFC 3550 §4 asks for no time of day, and nobody learns
/// one.
const NTP_EPOCH_S: u64 = 1 << 31;

/// What our stream has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) packets: u32,
    pub(super) bytes: u32,
    /// RTP timestamp of the moment of the report.
    pub(super) rtp_timestamp: u32,
}

/// What one compound packet of ours says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Words<'a> {
    pub(super) ssrc: u32,
    /// The participant's name for all its streams, random.
    pub(super) cname: &'a str,
    pub(super) sent: Option<Sent>,
    /// Of which stream, and what.
    pub(super) block: Option<(u32, Block)>,
    /// Ask this stream for a key frame.
    pub(super) pli: Option<u32>,
    /// The same, with the number of the request.
    pub(super) fir: Option<(u32, u8)>,
    pub(super) goodbye: bool,
}

impl Words<'_> {
    /// Writes them into `buffer`; how many bytes. `None` only if they did not fit.
    pub(super) fn write(&self, now: Mono, buffer: &mut [u8; RTCP_BYTES_MAX]) -> Option<usize> {
        let block = self.block.map(|(of, block)| builder(of, &block));
        let name = SdesChunk::builder(self.ssrc).add_item(SdesItem::builder(SdesItem::CNAME, self.cname));
        let (pli, mut fir) = (Pli::builder(), Fir::builder());
        let mut compound = match self.sent {
            Some(sent) => {
                let mut report = rtcp_types::SenderReport::builder(self.ssrc)
                    .ntp_timestamp(ntp(now))
                    .rtp_timestamp(sent.rtp_timestamp)
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
        if let Some((media, number)) = self.fir {
            // RFC 5104 §4.3.1.2: the media's SSRC stands in the entry, the header's is nought.
            fir = fir.add_ssrc(media, number);
            compound = compound.add_packet(PayloadFeedback::builder(&fir).sender_ssrc(self.ssrc));
        }
        if self.goodbye {
            compound = compound.add_packet(Bye::builder().add_source(self.ssrc));
        }
        compound.write_into(buffer).ok()
    }
}

fn builder(of: u32, block: &Block) -> ReportBlockBuilder {
    ReportBlock::builder(of)
        .fraction_lost(block.fraction_lost)
        .cumulative_lost(block.cumulative_lost)
        .extended_sequence_number(block.extended_sequence)
        .interarrival_jitter(block.jitter)
        .last_sender_report_timestamp(block.last_report)
        .delay_since_last_sender_report_timestamp(block.since_report)
}

/// `at` as NTP time, 32.32 fixed point.
pub(super) fn ntp(at: Mono) -> u64 {
    let nanos = at.as_nanos();
    let fraction = ((nanos % 1_000_000_000) << 32) / 1_000_000_000;
    ((nanos / 1_000_000_000 + NTP_EPOCH_S) << 32) | fraction
}

/// Something that the far end says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Its stream's two clocks.
    Report { ssrc: u32, report: SenderReport },
    /// How our stream reached it.
    Reception {
        /// Out of 256.
        fraction_lost: u8,
        /// Middle of the NTP time of the report of ours that it speaks of, and its age, in 1/65 536 s.
        last_report: u32,
        since_report: u32,
    },
    /// It cannot go on without a key frame.
    KeyframeWanted,
}

/// Reads one compound packet; `ours` is the SSRC of our stream. What is damaged ends it.
pub(super) fn read(bytes: &[u8], ours: u32, each: &mut dyn FnMut(Heard)) {
    let Ok(compound) = Compound::parse(bytes) else { return };
    let reception = |block: ReportBlock<'_>, each: &mut dyn FnMut(Heard)| {
        if block.ssrc() == ours {
            each(Heard::Reception {
                fraction_lost: block.fraction_lost(),
                last_report: block.last_sender_report_timestamp(),
                since_report: block.delay_since_last_sender_report_timestamp(),
            });
        }
    };
    for part in compound.take(PARTS_MAX) {
        match part {
            Ok(Packet::Sr(report)) => {
                let clocks = SenderReport { ntp: report.ntp_timestamp(), timestamp: report.rtp_timestamp() };
                each(Heard::Report { ssrc: report.ssrc(), report: clocks });
                report.report_blocks().for_each(|block| reception(block, each));
            }
            Ok(Packet::Rr(report)) => report.report_blocks().for_each(|block| reception(block, each)),
            Ok(Packet::PayloadFeedback(feedback)) => {
                let lost = feedback.media_ssrc() == ours && feedback.parse_fci::<Pli<'_>>().is_ok();
                let asked = |fir: Fir<'_>| fir.entries().any(|entry| entry.ssrc() == ours);
                if lost || feedback.parse_fci::<Fir<'_>>().is_ok_and(asked) {
                    each(Heard::KeyframeWanted);
                }
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(words: &Words<'_>, ours: u32) -> Vec<Heard> {
        let mut buffer = [0; RTCP_BYTES_MAX];
        let len = words.write(Mono::from_millis(1_500), &mut buffer).expect("fits");
        let mut all = Vec::new();
        read(&buffer[..len], ours, &mut |heard| all.push(heard));
        all
    }

    #[test]
    fn what_is_written_is_read() {
        let block = Block { fraction_lost: 12, last_report: 77, since_report: 5, ..Block::default() };
        let words = Words {
            ssrc: 1,
            cname: "a-name-of-sixteen",
            sent: Some(Sent { packets: 10, bytes: 1_000, rtp_timestamp: 90_000 }),
            block: Some((2, block)),
            pli: Some(2),
            fir: Some((2, 9)),
            goodbye: true,
        };
        let report = SenderReport { ntp: ((NTP_EPOCH_S + 1) << 32) | 1 << 31, timestamp: 90_000 };
        let reception = Heard::Reception { fraction_lost: 12, last_report: 77, since_report: 5 };
        let all =
            [Heard::Report { ssrc: 1, report }, reception, Heard::KeyframeWanted, Heard::KeyframeWanted];
        assert_eq!(heard(&words, 2), all);
        assert_eq!(heard(&words, 3), all[..1], "what is said of another stream is not ours");
        assert_eq!(heard(&Words { sent: None, ..words }, 2), all[1..]);
    }

    #[test]
    fn garbage_says_nothing() {
        for bytes in [
            &[][..],
            &[0x80],
            &[0x80, 200, 0, 200],
            &[0xff; 64],
            &[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 9],
        ] {
            read(bytes, 2, &mut |heard| panic!("{heard:?}"));
        }
    }
}
