//! One media line of a call: its stream to the server and the server's to us, in SRTP where there are keys.
//!
//! Flow: payload -> [`RtpLine::seal`] -> datagram; datagram -> [`RtpLine::open`] -> [`Opened`]. SRTP by libsrtp, RTP read by `rtp-types`. Sans-I/O:
//! takes `now`. Bounds: one stream each way; of the server's the newest SSRC.

use super::CallError;
use super::rtcp::{self, Heard, Reception, Sent, Words};
use super::sdp::{AnsweredLine, Format, MasterKey, OfferedLine};
use bytes::Bytes;
use mcu_core::media::packet::Packet;
use mcu_core::time::{ClockRate, Mono};
use rtp_types::RtpPacket;
use srtp::{CryptoPolicy, Session, StreamPolicy};
use std::net::SocketAddr;
use transport::payload::Vp8Numbers;

/// Bytes of an RTP header as we write it (RFC 3550 §5.1).
const HEADER_BYTES: usize = 12;
/// Packets of the server's that may come late and still be told from replays.
const REPLAY_WINDOW: u64 = 1_024;

/// What a datagram held.
#[derive(Debug)]
pub(super) enum Opened {
    /// A packet of the server's stream. Of sound, its timestamp counts at 48 kHz.
    Packet(Packet),
    /// What it says.
    Words(Vec<Heard>),
    /// It did not authenticate, or cannot be read.
    Refused,
}

/// See the module.
pub(super) struct RtpLine {
    pub(super) format: Format,
    clock: ClockRate,
    pub(super) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
    sealing: Option<Session>,
    opening: Option<Session>,
    scratch: Vec<u8>,
    ssrc: u32,
    sequence: u16,
    timestamp_base: u32,
    packets: u32,
    bytes: u32,
    /// RTP timestamp that was sent last, and its moment.
    last: Option<(u32, Mono)>,
    stream: Option<Stream>,
}

impl std::fmt::Debug for RtpLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtpLine").field("format", &self.format).finish_non_exhaustive()
    }
}

fn policy(key: &MasterKey) -> StreamPolicy<'_> {
    let policy = CryptoPolicy::aes_cm_128_hmac_sha1_80();
    StreamPolicy {
        rtp: policy,
        rtcp: policy,
        key: key.as_bytes(),
        window_size: REPLAY_WINDOW,
        ..StreamPolicy::default()
    }
}

impl RtpLine {
    /// A line as it was agreed. With `through`, the far end is reached there.
    ///
    /// # Errors
    /// [`CallError::Library`] when libsrtp does not take the keys.
    pub(super) fn new(
        offered: &OfferedLine,
        answered: &AnsweredLine,
        through: Option<SocketAddr>,
    ) -> Result<Self, CallError> {
        let failed = |_| CallError::Library("SRTP");
        let sealing = offered.key.as_ref().map(|key| Session::with_outbound_template(policy(key)));
        let opening = answered.key.as_ref().map(|key| Session::with_inbound_template(policy(key)));
        Ok(Self {
            format: offered.format,
            clock: match offered.format {
                Format::Sound(codec) => codec.clock_rate(),
                Format::Picture(_) => ClockRate::VIDEO,
            },
            rtp: through.unwrap_or(answered.rtp),
            rtcp: through.unwrap_or(answered.rtcp),
            sealing: sealing.transpose().map_err(failed)?,
            opening: opening.transpose().map_err(failed)?,
            scratch: Vec::new(),
            ssrc: rand::random(),
            sequence: rand::random(),
            timestamp_base: rand::random(),
            packets: 0,
            bytes: 0,
            last: None,
            stream: None,
        })
    }

    /// The clock of its timestamps.
    pub(super) const fn clock(&self) -> ClockRate {
        self.clock
    }

    /// The next packet of our stream; `timestamp` counts from the stream's beginning. `None` when libsrtp refuses.
    pub(super) fn seal(
        &mut self,
        payload: &[u8],
        timestamp: u32,
        marker: bool,
        numbers: Option<Vp8Numbers>,
        now: Mono,
    ) -> Option<Bytes> {
        let timestamp = self.timestamp_base.wrapping_add(timestamp);
        let marker = if marker { 0x80 } else { 0 };
        self.scratch.clear();
        self.scratch.extend_from_slice(&[0x80, marker | self.format.payload_type()]);
        self.scratch.extend_from_slice(&self.sequence.to_be_bytes());
        self.scratch.extend_from_slice(&timestamp.to_be_bytes());
        self.scratch.extend_from_slice(&self.ssrc.to_be_bytes());
        self.scratch.extend_from_slice(payload);
        if let Some(numbers) = numbers {
            numbers.write(&mut self.scratch[HEADER_BYTES..]);
        }
        if let Some(session) = &mut self.sealing {
            session.protect(&mut self.scratch).ok()?;
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(payload.len() as u32);
        self.last = Some((timestamp, now));
        Some(Bytes::copy_from_slice(&self.scratch))
    }

    /// Takes a datagram.
    pub(super) fn open(&mut self, datagram: &[u8], now: Mono) -> Opened {
        self.scratch.clear();
        self.scratch.extend_from_slice(datagram);
        // RFC 5761 §4.
        match datagram {
            [128..=191, 192..=223, ..] => self.words_of(now),
            [128..=191, _, ..] => self.packet_of(now).map_or(Opened::Refused, Opened::Packet),
            _ => Opened::Refused,
        }
    }

    fn words_of(&mut self, now: Mono) -> Opened {
        if self.opening.as_mut().is_some_and(|session| session.unprotect_rtcp(&mut self.scratch).is_err()) {
            return Opened::Refused;
        }
        let mut heard = rtcp::read(&self.scratch, self.ssrc);
        // Of a stream that is not followed nothing is to be known.
        let followed = self.stream.as_ref().map(|stream| stream.ssrc);
        heard.retain(|heard| !matches!(heard, Heard::Clocks { ssrc, .. } if Some(*ssrc) != followed));
        for heard in &mut heard {
            if let Heard::Clocks { ntp, timestamp, .. } = heard {
                *timestamp = at_48_khz(self.format, *timestamp);
                if let Some(stream) = &mut self.stream {
                    stream.reported = Some(((*ntp >> 16) as u32, now));
                }
            }
        }
        Opened::Words(heard)
    }

    fn packet_of(&mut self, now: Mono) -> Option<Packet> {
        if let Some(session) = &mut self.opening {
            session.unprotect(&mut self.scratch).ok()?;
        }
        let packet = RtpPacket::parse(&self.scratch).ok()?;
        if packet.payload_type() != self.format.payload_type() {
            return None;
        }
        let ssrc = packet.ssrc();
        let stream = match &mut self.stream {
            Some(stream) if stream.ssrc == ssrc => stream,
            other => other.insert(Stream::new(ssrc, packet.sequence_number())),
        };
        let sequence = stream.take(packet.sequence_number(), packet.timestamp(), self.clock, now);
        Some(Packet {
            sequence,
            timestamp: at_48_khz(self.format, packet.timestamp()),
            marker: packet.marker_bit(),
            arrival: now,
            audio_level_dbov: None,
            payload: Bytes::copy_from_slice(packet.payload()),
        })
    }

    /// A report of this moment, with a request for a key frame where it is `wanted`. `None` when libsrtp refuses.
    pub(super) fn report(&mut self, cname: &str, wanted: bool, now: Mono) -> Option<Bytes> {
        let sent = self.last.map(|(timestamp, at)| {
            let since = now.since(at).as_nanos() * u128::from(self.clock.hz()) / 1_000_000_000;
            Sent { packets: self.packets, bytes: self.bytes, timestamp: timestamp.wrapping_add(since as u32) }
        });
        let pli = self.stream.as_ref().filter(|_| wanted).map(|stream| stream.ssrc);
        let reception = self.stream.as_mut().map(|stream| stream.report(now));
        let words = Words { ssrc: self.ssrc, cname, sent, reception, pli };
        let mut buffer = [0; rtcp::BYTES_MAX];
        let len = words.write(now, &mut buffer)?;
        self.scratch.clear();
        self.scratch.extend_from_slice(&buffer[..len]);
        if let Some(session) = &mut self.sealing {
            session.protect_rtcp(&mut self.scratch).ok()?;
        }
        Some(Bytes::copy_from_slice(&self.scratch))
    }
}

/// Sound is measured at 48 kHz, whatever its clock.
const fn at_48_khz(format: Format, timestamp: u32) -> u32 {
    match format {
        Format::Sound(codec) => codec.timestamp_at_48_khz(timestamp),
        Format::Picture(_) => timestamp,
    }
}

/// What is known of the server's stream (RFC 3550 §6.4.1, appendix A).
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// Unwrapped, with a first cycle of nothing before it.
    first: u64,
    highest: u64,
    packets: u64,
    /// At the report before: expected, come.
    before: (u64, u64),
    transit: Option<u32>,
    /// Times 16.
    jitter: u32,
    /// Middle of the NTP time of its last report, and when that came.
    reported: Option<(u32, Mono)>,
}

impl Stream {
    const fn new(ssrc: u32, sequence: u16) -> Self {
        let first = (1 << 16) + sequence as u64;
        Self {
            ssrc,
            first,
            highest: first,
            packets: 0,
            before: (0, 0),
            transit: None,
            jitter: 0,
            reported: None,
        }
    }

    /// Takes a packet; its number, unwrapped.
    fn take(&mut self, sequence: u16, timestamp: u32, clock: ClockRate, now: Mono) -> u64 {
        let ahead = sequence.wrapping_sub(self.highest as u16).cast_signed();
        let sequence = self.highest.saturating_add_signed(i64::from(ahead));
        self.highest = self.highest.max(sequence);
        self.packets += 1;
        let arrival = (u128::from(now.as_nanos()) * u128::from(clock.hz()) / 1_000_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let step = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            self.jitter = self.jitter.saturating_add(step).saturating_sub(self.jitter.saturating_add(8) >> 4);
        }
        sequence
    }

    fn report(&mut self, now: Mono) -> Reception {
        let expected = self.highest - self.first + 1;
        let (expected_before, come_before) = std::mem::replace(&mut self.before, (expected, self.packets));
        let (in_interval, come) = (expected - expected_before, self.packets - come_before);
        let lost = in_interval.saturating_sub(come);
        let (last_report, since_report) = self.reported.map_or((0, 0), |(middle, at)| {
            (middle, ((now.since(at).as_nanos() << 16) / 1_000_000_000) as u32)
        });
        Reception {
            ssrc: self.ssrc,
            fraction_lost: (lost * 256).checked_div(in_interval).map_or(0, |lost| lost.min(255) as u8),
            lost: expected.saturating_sub(self.packets).min(0x7f_ffff) as u32,
            extended_sequence: self.highest as u32,
            jitter: self.jitter >> 4,
            last_report,
            since_report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sdp::{Answer, Offer};
    use super::*;
    use mcu_core::media::codec::AudioCodec;

    /// Both ends of a line of A-law, sealed or not.
    fn pair(secure: bool) -> [RtpLine; 2] {
        let at = [4_000, 4_002].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let offer = |at| Offer::new(AudioCodec::Pcma, None, &[at], secure).expect("there is randomness");
        let offers = at.map(offer);
        let end = |own: usize| {
            let answer = Answer::parse(&offers[1 - own].text(), &offers[own])
                .expect("what one offers the other may answer");
            RtpLine::new(&offers[own].lines[0], &answer.lines[0], None).expect("libsrtp takes it")
        };
        [end(0), end(1)]
    }

    fn at(ms: u64) -> Mono {
        Mono::from_millis(1_000 + ms)
    }

    #[test]
    fn what_one_end_seals_the_other_opens_with_times_at_48_khz() {
        for secure in [true, false] {
            let [mut one, mut other] = pair(secure);
            let mut opened = Vec::new();
            for n in 0..3_u32 {
                let datagram =
                    one.seal(&[n as u8; 160], n * 160, n == 0, None, at(u64::from(n) * 20)).expect("sealed");
                assert_eq!(datagram.len(), 172 + if secure { 10 } else { 0 });
                let Opened::Packet(packet) = other.open(&datagram, at(u64::from(n) * 20)) else {
                    panic!("{secure}")
                };
                opened.push(packet);
            }
            assert!(opened[0].marker && opened[2].payload[..] == [2; 160]);
            assert_eq!(opened[2].sequence - opened[0].sequence, 2);
            assert_eq!(opened[2].timestamp.wrapping_sub(opened[0].timestamp), 1_920);
        }
    }

    #[test]
    fn what_was_sealed_with_another_key_or_changed_on_the_way_is_refused() {
        let ([mut one, mut other], [mut stranger, _]) = (pair(true), pair(true));
        let theirs = stranger.seal(&[1; 160], 0, false, None, at(0)).expect("sealed");
        assert!(matches!(other.open(&theirs, at(0)), Opened::Refused));
        let good = one.seal(&[1; 160], 0, false, None, at(0)).expect("sealed");
        let mut bad = good.to_vec();
        bad[20] ^= 1;
        assert!(matches!(other.open(&bad, at(0)), Opened::Refused));
        assert!(matches!(other.open(&good, at(0)), Opened::Packet(_)), "the control");
        assert!(matches!(other.open(&good, at(0)), Opened::Refused), "once");
        for garbage in [&[][..], &[0], &[0x80], &[0x80, 8, 0], &[0x80, 200, 0, 0]] {
            assert!(matches!(other.open(garbage, at(0)), Opened::Refused), "{garbage:?}");
        }
    }

    #[test]
    fn reports_say_what_was_lost_and_how_far_the_way_is() {
        let [mut one, mut other] = pair(true);
        for n in 0..40_u32 {
            let datagram = one.seal(&[0; 160], n * 160, false, None, at(u64::from(n) * 20)).expect("sealed");
            // Every fourth is lost, but for the first and the last.
            if n % 4 != 2 {
                other.open(&datagram, at(u64::from(n) * 20));
            }
        }
        let report = one.report("one", false, at(800)).expect("sealed");
        let Opened::Words(words) = other.open(&report, at(805)) else { panic!("refused") };
        let [Heard::Clocks { .. }] = words[..] else { panic!("{words:?}") };
        let report = other.report("other", true, at(905)).expect("sealed");
        let Opened::Words(words) = one.open(&report, at(910)) else { panic!("refused") };
        let [Heard::Reception { fraction_lost, last_report, since_report }, Heard::KeyframeWanted] =
            words[..]
        else {
            panic!("{words:?}")
        };
        assert_eq!(fraction_lost, 64, "a quarter");
        let trip = rtcp::round_trip(last_report, since_report, at(910)).expect("of our report");
        assert!(trip.as_millis().abs_diff(10) <= 1, "{trip:?}");
    }
}
