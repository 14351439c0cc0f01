//! Events: what the library says happened, in our words.
//!
//! Flow: the library -> **here** -> `webrtc`'s outbox. Runs per packet: array look-ups only, no allocation but the `Bytes` handle that
//! shares the library's buffer.

use super::lines::{LINES_MAX, Line, LineCodec, LineState, Medium};
use super::{ClockBase, PeerEvent, PeerStats};
use bytes::Bytes;
use mcu_core::limits::STREAMS_PER_PEER_MAX;
use mcu_core::media::packet::{Packet, SenderReport};
use mcu_core::time::Mono;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use str0m::media::Mid;
use str0m::rtp::{RtpPacket, Ssrc};
use str0m::stats::PeerStats as LibraryStats;
use str0m::{Event, Rtc};

/// Seconds from the NTP epoch (1900) to the Unix epoch (RFC 5905 §6).
const NTP_TO_UNIX_SECONDS: u64 = 2_208_988_800;

/// How often `PeerEvent::Stats` comes.
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// What it takes to tell which line an event is about.
#[derive(Debug)]
pub(crate) struct Translator {
    lines: Vec<(Mid, Line)>,
    /// The codec of each payload type.
    codecs: [Option<LineCodec>; 128],
    /// Lines of the streams seen last; the library knows the rest.
    streams: Vec<(Ssrc, Line)>,
    unknown_format: u64,
    last_stats: Option<(Mono, u64, u64)>,
    estimate_kbps: Option<u32>,
}

impl Translator {
    pub(crate) fn new(lines: &[LineState], mids: &[Mid]) -> Self {
        let mut codecs = [None; 128];
        for format in lines.iter().flat_map(|line| &line.receivable) {
            if let Some(codec) = codecs.get_mut(usize::from(format.payload_type)) {
                *codec = Some(format.codec);
            }
        }
        let mut known = Vec::with_capacity(LINES_MAX);
        known.extend(mids.iter().copied().zip(lines.iter().map(|line| line.line)));
        Self {
            lines: known,
            codecs,
            streams: Vec::with_capacity(STREAMS_PER_PEER_MAX),
            unknown_format: 0,
            last_stats: None,
            estimate_kbps: None,
        }
    }

    pub(crate) const fn unknown_format(&self) -> u64 {
        self.unknown_format
    }

    /// `None` for what nobody needs to know.
    pub(crate) fn translate(&mut self, event: Event, rtc: &mut Rtc, clock: &ClockBase) -> Option<PeerEvent> {
        match event {
            Event::RtpPacket(packet) => self.packet(packet, rtc, clock),
            Event::SenderFeedback(feedback) => {
                let report = SenderReport {
                    ntp: ntp_of(feedback.sender_info.ntp_time),
                    timestamp: feedback.sender_info.rtp_time.numer() as u32,
                };
                Some(PeerEvent::SenderReport { line: self.line(feedback.mid)?, report })
            }
            Event::KeyframeRequest(request) => {
                Some(PeerEvent::KeyframeRequested { line: self.line(request.mid)? })
            }
            Event::PeerStats(stats) => {
                self.stats(&stats, clock).map(PeerEvent::Stats).or_else(|| self.estimate(&stats))
            }
            _ => None,
        }
    }

    fn packet(&mut self, packet: RtpPacket, rtc: &mut Rtc, clock: &ClockBase) -> Option<PeerEvent> {
        let line = self.line_of_stream(packet.header.ssrc, rtc);
        let codec = self.codecs.get(usize::from(*packet.header.payload_type)).copied().flatten();
        let (Some(line), Some(codec)) = (line, codec) else {
            self.unknown_format += 1;
            return None;
        };
        if (line.medium == Medium::Video) != codec.video().is_some() {
            self.unknown_format += 1;
            return None;
        }
        let packet = Packet {
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            arrival: clock.mono(packet.timestamp),
            audio_level_dbov: packet.header.ext_vals.audio_level.map(|level| level.unsigned_abs().min(127)),
            payload: shared(packet.payload),
        };
        Some(PeerEvent::Packet { line, codec, packet })
    }

    fn line(&self, mid: Mid) -> Option<Line> {
        self.lines.iter().find(|(known, _)| *known == mid).map(|(_, line)| *line)
    }

    fn line_of_stream(&mut self, ssrc: Ssrc, rtc: &mut Rtc) -> Option<Line> {
        if let Some((_, line)) = self.streams.iter().find(|(known, _)| *known == ssrc) {
            return Some(*line);
        }
        let mid = rtc.direct_api().stream_rx(&ssrc)?.mid();
        let line = self.line(mid)?;
        if self.streams.len() == STREAMS_PER_PEER_MAX {
            self.streams.clear();
        }
        self.streams.push((ssrc, line));
        Some(line)
    }

    /// The estimate, if it is another than before. The library's own event of it tells the mean of what it held in the last
    /// three seconds, which knows of a squeeze, and of its end, two to three seconds late.
    fn estimate(&mut self, stats: &LibraryStats) -> Option<PeerEvent> {
        let kbps = u32::try_from(stats.bwe_tx?.as_u64() / 1_000).unwrap_or(u32::MAX);
        (self.estimate_kbps.replace(kbps) != Some(kbps)).then_some(PeerEvent::Estimate { kbps })
    }

    /// Figures of the last second, once a second.
    fn stats(&mut self, stats: &LibraryStats, clock: &ClockBase) -> Option<PeerStats> {
        let at = clock.mono(stats.timestamp);
        let (received, sent) = (stats.peer_bytes_rx, stats.peer_bytes_tx);
        let (since, received_before, sent_before) = self.last_stats.unwrap_or((at, received, sent));
        if self.last_stats.is_some() && at.since(since) < STATS_INTERVAL {
            return None;
        }
        self.last_stats = Some((at, received, sent));
        let kbps = |bytes: u64| {
            let micros = at.since(since).as_micros().max(1);
            u32::try_from(u128::from(bytes) * 8_000 / micros).unwrap_or(u32::MAX)
        };
        Some(PeerStats {
            rtt: stats.rtt,
            send_loss_permille: stats.egress_loss_fraction.map(permille),
            receive_loss_permille: stats.ingress_loss_fraction.map(permille),
            receive_kbps: kbps(received.saturating_sub(received_before)),
            send_kbps: kbps(sent.saturating_sub(sent_before)),
        })
    }
}

/// The library's buffer as `Bytes`, not copied.
fn shared(payload: Arc<[u8]>) -> Bytes {
    if payload.is_empty() { Bytes::new() } else { Bytes::from_owner(payload) }
}

fn permille(fraction: f32) -> u16 {
    // Saturates; NaN becomes zero.
    (fraction.clamp(0.0, 1.0) * 1_000.0).round() as u16
}

/// NTP time, 32.32 fixed point (RFC 3550 §4); zero for what lies before 1970.
fn ntp_of(time: SystemTime) -> u64 {
    let since: Duration = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    if since.is_zero() {
        return 0;
    }
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    ((since.as_secs() + NTP_TO_UNIX_SECONDS) << 32) | fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_of_known_moments() {
        assert_eq!(ntp_of(SystemTime::UNIX_EPOCH), 0);
        assert_eq!(
            ntp_of(SystemTime::UNIX_EPOCH + Duration::from_millis(1_500)),
            ((NTP_TO_UNIX_SECONDS + 1) << 32) | 1 << 31
        );
    }

    #[test]
    fn permille_saturates() {
        assert_eq!([permille(0.05), permille(7.0), permille(f32::NAN), permille(-1.0)], [50, 1_000, 0, 0]);
    }
}
