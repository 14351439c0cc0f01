//! Leg: one media line of a SIP device, with sockets, keys and streams of its own.
//!
//! Flow: datagram -> [`Leg::rtp`] or [`Leg::rtcp`] -> `PeerEvent`s; payload -> [`Leg::seal`] -> datagram. Thread: io. Unauthenticated bytes change
//! nothing but counters and, without SRTP or before there are keys for it, what `way` allows. Bounds: `STREAMS_PER_PEER_MAX` streams are remembered; one is followed at a time,
//! another takes its place when it has been silent. No allocation per packet but the shared arena's pages.

use super::super::lines::{Line, LineCodec, Medium};
use super::LocalPorts;
use super::handshake::HandshakeError;
use super::link::Link;
use super::offer::{Feedback, Format, SipConfig, Taken};
use super::protection::Protection;
use super::received::Received;
use super::rtcp::{self, RTCP_BYTES_MAX, Sent, Words};
use super::seal::Seal;
use super::way::{Flow, Trust, Way};
use crate::payload::Vp8Numbers;
use crate::receive::TelephoneEvents;
use bytes::{Bytes, BytesMut};
use mcu_core::conference::keypad::Digit;
use mcu_core::limits::STREAMS_PER_PEER_MAX;
use mcu_core::media::packet::Packet;
use mcu_core::time::{ClockRate, Mono};
use rtp_types::RtpPacket;
use std::net::SocketAddr;

/// Bytes of the RTP header that we write: no contributing sources, no extension (RFC 3550 §5.1).
const HEADER_BYTES: usize = 12;

/// Where packets get memory: pages that are given back when the last packet on them is gone.
#[derive(Debug)]
pub(super) struct Arena {
    page: BytesMut,
    /// Where packets are sealed and opened in place.
    scratch: Vec<u8>,
}

impl Arena {
    const PAGE_BYTES: usize = 64 * 1024;

    pub(super) fn new() -> Self {
        Self {
            page: BytesMut::with_capacity(Self::PAGE_BYTES),
            scratch: Vec::with_capacity(mcu_core::limits::DATAGRAM_BYTES_MAX),
        }
    }

    fn keep(&mut self, bytes: std::ops::Range<usize>) -> Bytes {
        let bytes = self.scratch.get(bytes).unwrap_or_default();
        if self.page.capacity() < bytes.len() {
            self.page.reserve(Self::PAGE_BYTES);
        }
        self.page.extend_from_slice(bytes);
        self.page.split().freeze()
    }
}

/// What became of a packet.
#[derive(Debug)]
pub(super) enum Taking {
    /// It is one of the line's.
    Packet(LineCodec, Packet),
    /// Somebody pressed a key.
    Digit(Digit),
    /// It authenticated, and nobody needs it: the rest of an event, and what comes while the line is not to be received.
    Nothing,
    /// It did not authenticate, cannot be read, or came from where nothing may come from.
    Refused,
    /// Of a payload type that was not agreed.
    UnknownFormat,
    /// Of a second stream while the first flows.
    OtherStream,
}

/// What goes with a payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) wallclock: Mono,
    pub(super) vp8: Option<Vp8Numbers>,
}

/// One media line.
pub(super) struct Leg {
    pub(super) line: Line,
    pub(super) ports: LocalPorts,
    pub(super) mux: bool,
    pub(super) way: Way,
    receives: bool,
    sends: bool,
    codec: LineCodec,
    clock: ClockRate,
    payload_type: u8,
    events: Option<u8>,
    pressed: TelephoneEvents,
    feedback: Feedback,
    /// As agreed.
    protection: Protection,
    /// It holds against whoever is on the way.
    secured: bool,
    seal: Seal,
    /// Where the keys of `seal` do not stand in SDP: what gets them.
    link: Option<Link>,
    /// Streams that have authenticated, the last heard last.
    authenticated: Vec<u32>,
    stream: Option<Received>,
    /// Our stream.
    ssrc: u32,
    packets: u32,
    bytes: u32,
    /// RTP timestamp that was sent last, and its moment.
    last_sent: Option<(u32, Mono)>,
    /// Number of the last full intra request.
    fir_number: u8,
    wants_keyframe: bool,
}

impl Leg {
    /// A leg for what was agreed. `None` when a library refuses the keys, or what is to get them.
    pub(super) fn new(
        taken: &Taken,
        ports: LocalPorts,
        config: &SipConfig,
        ssrc: u32,
        now: Mono,
    ) -> Option<Self> {
        let (seal, link, trust) = match &taken.protection {
            Protection::Plain => (Seal::Clear, None, Trust::Signalling),
            Protection::Sdes(keys) => (keys.seal()?, None, Trust::Packets),
            Protection::Dtls(terms) => {
                let here = SocketAddr::new(config.advertised, ports.rtp.port());
                let link = Link::new(terms, here, config.clock?, now)?;
                let trust = if terms.ice.is_some() { Trust::Checks } else { Trust::Signalling };
                (Seal::Awaited, Some(link), trust)
            }
        };
        Some(Self {
            line: taken.line,
            ports,
            mux: taken.mux,
            way: Way::new(taken.rtp, taken.rtcp, config.from, trust, now),
            receives: taken.receives(),
            sends: taken.sends(),
            codec: taken.format.codec(),
            clock: clock_rate(taken.format),
            payload_type: taken.payload_type,
            events: taken.events.map(|events| events.payload_type),
            pressed: TelephoneEvents::default(),
            feedback: taken.feedback,
            protection: taken.protection.clone(),
            secured: taken.protection.is_secured(config),
            seal,
            link,
            authenticated: Vec::with_capacity(STREAMS_PER_PEER_MAX),
            stream: None,
            ssrc,
            packets: 0,
            bytes: 0,
            last_sent: None,
            fir_number: 0,
            wants_keyframe: false,
        })
    }

    /// Takes over from the leg on the same ports in the session before: where the device was heard, and, as long as its key is the same,
    /// what is known of its streams. A stream that goes on has a roll-over count that no packet says (RFC 3711 §3.3.1), and packets that were
    /// opened then must not be opened again. Our own stream goes on as well while its codec does, and true says so: devices take a new
    /// SSRC for somebody else, or not at all. With another codec it begins anew, as under one key no two have the same numbers.
    pub(super) fn succeed(&mut self, before: &mut Self) -> bool {
        let same = self.protection.goes_on(&before.protection);
        self.way.succeed(&before.way, same);
        if !same {
            return false;
        }
        std::mem::swap(&mut self.authenticated, &mut before.authenticated);
        let goes_on = self.codec == before.codec;
        self.seal.succeed(&mut before.seal, goes_on);
        // The one before is to begin no handshake of its own meanwhile.
        self.link = before.link.take();
        if goes_on {
            // Swapped, so that the one before says goodbye for a stream that nobody knows.
            std::mem::swap(&mut self.ssrc, &mut before.ssrc);
            (self.packets, self.bytes, self.last_sent) = (before.packets, before.bytes, before.last_sent);
        }
        goes_on
    }

    /// Whether datagrams to `destination` are this line's.
    pub(super) fn is_at(&self, destination: SocketAddr) -> bool {
        destination == self.ports.rtp || destination == self.ports.rtcp
    }

    pub(super) const fn receives(&self) -> bool {
        self.receives
    }

    pub(super) fn sends(&self) -> bool {
        self.sends && self.may_send()
    }

    /// Whether its packets are SRTP, both ways, under keys that nobody on the way could have made his own.
    pub(super) const fn is_secured(&self) -> bool {
        self.secured
    }

    pub(super) const fn protection(&self) -> &Protection {
        &self.protection
    }

    /// Whether it has all that packets need to flow.
    pub(super) const fn is_ready(&self) -> bool {
        self.seal.is_ready()
    }

    /// Whether the device has given the line up, or does not answer for it any more.
    pub(super) fn is_lost(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_lost)
    }

    fn may_send(&self) -> bool {
        self.is_ready() && !self.is_lost()
    }

    /// Takes a datagram that is neither RTP nor RTCP; false when it was refused. [`go_on`](Self::go_on) afterwards.
    pub(super) fn negotiate(&mut self, bytes: &[u8], source: SocketAddr, now: Mono) -> bool {
        self.link.as_mut().is_some_and(|link| link.take(bytes, source, &mut self.way, now))
    }

    /// Lets the negotiation of its keys and its path go on; its datagrams go to `send`.
    ///
    /// # Errors
    /// The line will not have keys.
    pub(super) fn go_on(
        &mut self,
        now: Mono,
        send: &mut dyn FnMut(SocketAddr, Bytes),
    ) -> Result<(), HandshakeError> {
        let Some(link) = &mut self.link else { return Ok(()) };
        if let Some(seal) = link.run(now, &mut self.way, send)? {
            self.seal = seal;
        }
        Ok(())
    }

    /// When [`go_on`](Self::go_on) is due, if ever.
    pub(super) fn due(&self) -> Option<Mono> {
        self.link.as_ref().and_then(Link::due)
    }

    /// Ends what was negotiated; the last datagrams go to `send`.
    pub(super) fn close(&mut self, send: &mut dyn FnMut(SocketAddr, Bytes)) {
        if let Some(link) = &mut self.link {
            link.close(&self.way, send);
        }
    }

    #[cfg(test)]
    pub(super) const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    #[cfg(test)]
    pub(super) const fn remembered(&self) -> usize {
        self.authenticated.len()
    }

    /// Whether pictures may go where they were asked for.
    pub(super) fn may_send_pictures(&self) -> bool {
        self.sends() && self.way.is_vouched()
    }

    /// Takes an RTP packet.
    pub(super) fn rtp(&mut self, bytes: &[u8], source: SocketAddr, arena: &mut Arena, now: Mono) -> Taking {
        if !self.way.may_come_from(Flow::Rtp, source, now) {
            return Taking::Refused;
        }
        arena.scratch.clear();
        arena.scratch.extend_from_slice(bytes);
        if !self.seal.open(&mut arena.scratch) {
            return Taking::Refused;
        }
        let Ok(packet) = RtpPacket::parse(&arena.scratch) else { return Taking::Refused };
        let (sequence, timestamp) = (packet.sequence_number(), packet.timestamp());
        let (marker, payload_type) = (packet.marker_bit(), packet.payload_type());
        let payload = packet.payload_offset()..packet.payload_offset() + packet.payload_len();
        let ssrc = packet.ssrc();
        self.remember(ssrc);
        let Some(place) = self.place(ssrc, sequence, timestamp, now) else { return Taking::OtherStream };
        if place.newest {
            self.way.heard_rtp(source, self.mux, now);
        }
        if !self.receives {
            return Taking::Nothing;
        }
        if Some(payload_type) == self.events {
            let payload = arena.scratch.get(payload).unwrap_or_default();
            return self.pressed.take(timestamp, payload, now).map_or(Taking::Nothing, Taking::Digit);
        }
        if payload_type != self.payload_type {
            return Taking::UnknownFormat;
        }
        let packet = Packet {
            sequence: place.sequence,
            timestamp,
            marker,
            arrival: now,
            audio_level_dbov: None,
            payload: arena.keep(payload),
        };
        Taking::Packet(self.codec, packet)
    }

    /// The library keeps a context for each stream that has authenticated, for ever: a device that changes its SSRC with every packet
    /// would grow it without end. So it forgets the one that was silent longest. What does not authenticate leaves nothing behind.
    fn remember(&mut self, ssrc: u32) {
        if self.authenticated.last() == Some(&ssrc) {
            return;
        }
        self.authenticated.retain(|known| *known != ssrc);
        if self.authenticated.len() == STREAMS_PER_PEER_MAX {
            let silent = self.authenticated.remove(0);
            self.seal.forget(silent);
        }
        self.authenticated.push(ssrc);
    }

    /// Where a packet stands in its stream; `None` when it is of a second stream while the first flows.
    fn place(
        &mut self,
        ssrc: u32,
        sequence: u16,
        timestamp: u32,
        now: Mono,
    ) -> Option<super::received::Place> {
        let clock = self.clock;
        match &mut self.stream {
            Some(stream) if stream.ssrc == ssrc => {
                if let Some(place) = stream.take(sequence, timestamp, clock, now) {
                    return Some(place);
                }
            }
            Some(stream) if !stream.has_gone_silent(now) => return None,
            _ => {}
        }
        self.stream.insert(Received::new(ssrc, sequence, now)).take(sequence, timestamp, clock, now)
    }

    /// Opens a compound packet and hands what it says to `each`; false when it was refused.
    pub(super) fn rtcp(
        &mut self,
        bytes: &[u8],
        source: SocketAddr,
        arena: &mut Arena,
        now: Mono,
        each: &mut dyn FnMut(rtcp::Heard),
    ) -> bool {
        if !self.way.may_come_from(Flow::Rtcp, source, now) {
            return false;
        }
        arena.scratch.clear();
        arena.scratch.extend_from_slice(bytes);
        if !self.seal.open_rtcp(&mut arena.scratch) {
            return false;
        }
        if let Some(ssrc) = arena.scratch.get(4..8).and_then(|bytes| bytes.first_chunk()) {
            self.remember(u32::from_be_bytes(*ssrc));
        }
        if !self.mux {
            self.way.heard_rtcp(source);
        }
        let stream = &mut self.stream;
        rtcp::read(&arena.scratch, self.ssrc, &mut |heard| {
            if let rtcp::Heard::Report { ssrc, report } = heard {
                // Of a stream that we do not follow nothing is to be known.
                let Some(stream) = stream.as_mut().filter(|stream| stream.ssrc == ssrc) else { return };
                stream.reported(report.ntp, now);
            }
            each(heard);
        });
        true
    }

    /// Seals a payload; `None` when there is no key, or one at the end of its life.
    pub(super) fn seal(&mut self, payload: &[u8], head: &Head, arena: &mut Arena) -> Option<Bytes> {
        let scratch = &mut arena.scratch;
        scratch.clear();
        let marker = if head.marker { 0x80 } else { 0 };
        scratch.extend_from_slice(&[0x80, marker | self.payload_type]);
        scratch.extend_from_slice(&(head.sequence as u16).to_be_bytes());
        scratch.extend_from_slice(&head.timestamp.to_be_bytes());
        scratch.extend_from_slice(&self.ssrc.to_be_bytes());
        scratch.extend_from_slice(payload);
        if let Some(numbers) = head.vp8 {
            numbers.write(&mut scratch[HEADER_BYTES..]);
        }
        if !self.seal.close(scratch) {
            return None;
        }
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(payload.len() as u32);
        self.last_sent = Some((head.timestamp, head.wallclock));
        let len = scratch.len();
        Some(arena.keep(0..len))
    }

    /// Remembers to ask for a key frame with the next report; false when there is no stream to ask.
    pub(super) fn ask_for_keyframe(&mut self) -> bool {
        self.wants_keyframe = self.line.medium == Medium::Video && self.receives && self.stream.is_some();
        self.wants_keyframe
    }

    /// Whether a report should leave before its time.
    pub(super) const fn has_urgent_words(&self) -> bool {
        self.wants_keyframe
    }

    /// Our words of this moment, sealed. `None` when there is no key for them, or nobody who wants them.
    pub(super) fn words(
        &mut self,
        cname: &str,
        goodbye: bool,
        arena: &mut Arena,
        now: Mono,
    ) -> Option<Bytes> {
        let asked = std::mem::take(&mut self.wants_keyframe)
            .then(|| self.stream.as_ref().map(|stream| stream.ssrc))
            .flatten();
        // Where nothing was agreed, a loss indication is what most devices obey all the same.
        let by_fir = self.feedback.fir && !self.feedback.pli;
        if asked.is_some() && by_fir {
            self.fir_number = self.fir_number.wrapping_add(1);
        }
        let sent = self.last_sent.map(|(timestamp, at)| {
            let since = now.since(at).as_nanos() * u128::from(self.clock.hz()) / 1_000_000_000;
            Sent {
                packets: self.packets,
                bytes: self.bytes,
                rtp_timestamp: timestamp.wrapping_add(since as u32),
            }
        });
        let words = Words {
            ssrc: self.ssrc,
            cname,
            sent,
            block: self.stream.as_mut().map(|stream| (stream.ssrc, stream.block(now))),
            pli: asked.filter(|_| !by_fir),
            fir: asked.filter(|_| by_fir).map(|ssrc| (ssrc, self.fir_number)),
            goodbye,
        };
        let mut buffer = [0; RTCP_BYTES_MAX];
        let len = words.write(now, &mut buffer)?;
        arena.scratch.clear();
        arena.scratch.extend_from_slice(&buffer[..len]);
        if self.is_lost() || !self.seal.close_rtcp(&mut arena.scratch) {
            return None;
        }
        let len = arena.scratch.len();
        Some(arena.keep(0..len))
    }
}

/// The clock of a line's RTP timestamps.
const fn clock_rate(format: Format) -> ClockRate {
    match format {
        Format::Audio(codec) => codec.clock_rate(),
        Format::Video(_) | Format::H264(..) => ClockRate::VIDEO,
    }
}
