//! The media: a WebRTC client by str0m in RTP mode, without I/O.
//!
//! Flow: `life` hands in datagrams and time, takes out datagrams and [`PeerEvent`]s. One `Rtc`, one UDP path, and the media
//! lines of a browser, an encoder or a player ([`Offered`]). Bound: what is written per call.

use bytes::Bytes;
use mcu_core::id::SourceKind;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::packet::Packet;
use mcu_core::time::{ClockRate, MediaTime, Mono};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};
use str0m::bwe::{Bitrate, BweKind};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcError};
use transport::payload::PacketizedUnit;

/// What a fresh way is believed to carry, as browsers believe.
pub const ESTIMATE_INITIAL_KBPS: u32 = 1_000;
/// A pacer that holds a picture for longer gets no further one.
const PACER_DELAY_MAX: Duration = mcu_core::limits::PACER_DELAY_MAX;
/// Outputs handled per poll: a bound on what one call does.
const OUTPUTS_MAX: usize = 4_096;
/// Constrained baseline, level 3.1 (RFC 6184 §8.1).
const H264_PROFILE: u32 = 0x42_e01f;
/// The least time.
const MOMENT: Duration = Duration::from_nanos(1);
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// Why there is no way, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// str0m refused.
    #[error(transparent)]
    Rtc(#[from] RtcError),
    /// The answer is not SDP.
    #[error("the answer is not sdp: {0}")]
    Sdp(String),
    /// The local address is no candidate.
    #[error("{0} cannot be a candidate")]
    Candidate(SocketAddr),
}

/// What happened.
#[derive(Debug)]
pub enum PeerEvent {
    /// ICE and DTLS are up.
    Connected,
    /// The node has closed DTLS. (A way that is only silent may come back.)
    Closed,
    /// Nothing at all has come from the node for too long; of calls, which nobody asks for consent.
    Silent,
    /// The node wants a key frame of the main picture.
    KeyframeRequest,
    /// What the way to the node carries.
    EstimateKbps(u32),
    /// Round trip.
    Rtt(Duration),
    /// The node's wall clock, in microseconds since 1970, and the RTP timestamp that stands for it; of a picture line, or of the sound.
    SenderReport(Option<SourceKind>, i64, u32),
    /// A packet of a picture line.
    Picture(SourceKind, VideoCodec, Packet),
    /// A packet of the mixed sound.
    Sound(Packet),
}

/// A datagram that is to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departing {
    /// By which socket, of those that the participant has.
    pub wire: usize,
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub bytes: Bytes,
}

/// What is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// Four lines as a browser's: sound and picture both ways, a shared picture both ways, shared sound.
    Page,
    /// Sound and picture to the node.
    Publish,
    /// Sound and picture from the node.
    Watch,
}

/// The media lines of an offer.
#[derive(Debug, Clone, Copy)]
struct Lines {
    sound: Mid,
    picture: Mid,
    /// A browser's alone.
    content: Option<Mid>,
}

/// One stream being sent.
#[derive(Debug)]
struct Outgoing {
    mid: Mid,
    pt: Pt,
    sequence: u64,
    /// Random in principle (RFC 3550 §5.1); fixed here, so that captures of runs can be compared.
    timestamp_base: u32,
}

/// A client peer.
#[derive(Debug)]
pub struct Peer {
    rtc: Rtc,
    local: SocketAddr,
    lines: Lines,
    pending: Option<SdpPendingOffer>,
    picture: Option<Outgoing>,
    sound: Option<Outgoing>,
    picture_id: u16,
    /// When the library last looked at its timers.
    looked: Option<Instant>,
    /// When it wants to be asked next; `None` when it was given something that it has not looked at.
    next: Option<Instant>,
    /// What the library said to datagrams, until `poll` is asked.
    datagrams: Vec<Departing>,
    events: Vec<PeerEvent>,
}

impl Peer {
    /// A peer on `local`, and its offer.
    ///
    /// # Errors
    /// [`PeerError`] when `local` cannot be a candidate.
    pub fn offer(
        codecs: &[VideoCodec],
        offered: Offered,
        local: SocketAddr,
        now: Instant,
    ) -> Result<(Self, String), PeerError> {
        let mut config = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_bwe(Some(Bitrate::kbps(u64::from(ESTIMATE_INITIAL_KBPS))))
            .set_stats_interval(Some(STATS_INTERVAL));
        for codec in codecs {
            config = match codec {
                VideoCodec::Vp8 => config.enable_vp8(true),
                VideoCodec::Vp9 => config.enable_vp9(true),
                VideoCodec::H264 => {
                    config.codec_config().add_h264(108.into(), Some(109.into()), true, H264_PROFILE);
                    config
                }
            };
        }
        let mut rtc = config.build(now);
        let candidate = Candidate::host(local, "udp").map_err(|_| PeerError::Candidate(local))?;
        rtc.add_local_candidate(candidate);
        let mut change = rtc.sdp_api();
        let stream = Some("bot".to_owned());
        let way = match offered {
            Offered::Page => Direction::SendRecv,
            Offered::Publish => Direction::SendOnly,
            Offered::Watch => Direction::RecvOnly,
        };
        let mut lines = Lines {
            sound: change.add_media(MediaKind::Audio, way, stream.clone(), None, None),
            picture: change.add_media(MediaKind::Video, way, stream, None, None),
            content: None,
        };
        if offered == Offered::Page {
            let content = Some("content".to_owned());
            lines.content = Some(change.add_media(MediaKind::Video, way, content.clone(), None, None));
            change.add_media(MediaKind::Audio, Direction::SendOnly, content, None, None);
        }
        // Media lines were just added: there is an offer to make.
        let (offer, pending) = change.apply().ok_or(RtcError::ChangesOutOfOrder)?;
        let peer = Self {
            rtc,
            local,
            lines,
            pending: Some(pending),
            picture: None,
            sound: None,
            picture_id: 0,
            looked: None,
            next: None,
            datagrams: Vec::new(),
            events: Vec::new(),
        };
        Ok((peer, offer.to_sdp_string()))
    }

    /// Takes the answer; `sends` is the codec of the picture to be sent.
    ///
    /// # Errors
    /// [`PeerError`] when it is not an answer to the offer.
    pub fn accept(&mut self, answer: &str, sends: Option<VideoCodec>) -> Result<(), PeerError> {
        let answer = SdpAnswer::from_sdp_string(answer).map_err(|error| PeerError::Sdp(error.to_string()))?;
        let pending = self.pending.take().ok_or(RtcError::ChangesOutOfOrder)?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        self.sound = self.outgoing(self.lines.sound, Codec::Opus);
        self.picture = sends.and_then(|codec| self.outgoing(self.lines.picture, str0m_codec(codec)));
        self.next = None;
        Ok(())
    }

    /// Whether the answer takes the picture.
    pub fn sends_picture(&self) -> bool {
        self.picture.is_some()
    }

    fn outgoing(&self, mid: Mid, codec: Codec) -> Option<Outgoing> {
        let media = self.rtc.media(mid)?;
        if !media.direction().is_sending() {
            return None;
        }
        let speaks = |pt: &Pt| {
            self.rtc.codec_config().find(|params| params.pt() == *pt).is_some_and(|p| p.spec().codec == codec)
        };
        let pt = media.remote_pts().iter().copied().find(speaks)?;
        Some(Outgoing { mid, pt, sequence: 1, timestamp_base: 0x0001_0000 })
    }

    /// Takes a datagram that came from `source`, and all that the library says to it: it keeps one packet at a time, so that
    /// a second datagram would push the first one's packet out.
    ///
    /// # Errors
    /// [`PeerError`] when the peer is beyond help.
    pub fn handle(
        &mut self,
        now: Instant,
        at: Mono,
        source: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), PeerError> {
        // What is no STUN, DTLS, RTP or RTCP is nobody's: passed over.
        let Ok(contents) = datagram.try_into() else { return Ok(()) };
        let receive = Receive { proto: Protocol::Udp, source, destination: self.local, contents };
        // It looks at all its timers with each datagram, unless that came before it last did: once for a batch is enough.
        let is_looked_at = self.looked.replace(now).is_some_and(|looked| looked >= now);
        let before = now.checked_sub(MOMENT).filter(|_| is_looked_at);
        self.rtc.handle_input(Input::Receive(before.unwrap_or(now), receive))?;
        self.next = self.drain(at)?;
        Ok(())
    }

    /// Lets time pass; fills `datagrams` and `events`; says when to call again.
    ///
    /// # Errors
    /// [`PeerError`] when the peer is beyond help.
    pub fn poll(
        &mut self,
        now: Instant,
        at: Mono,
        datagrams: &mut Vec<Departing>,
        events: &mut Vec<PeerEvent>,
    ) -> Result<Instant, PeerError> {
        // After a datagram it has just looked at everything: asking again costs as much as the datagram did.
        if self.next.is_none_or(|next| next <= now) {
            self.looked = Some(now);
            self.rtc.handle_input(Input::Timeout(now))?;
            self.next = self.drain(at)?;
        }
        datagrams.append(&mut self.datagrams);
        events.append(&mut self.events);
        Ok(self.next.unwrap_or(now))
    }

    /// Takes everything that the library has to say; `None` when that was not all.
    fn drain(&mut self, at: Mono) -> Result<Option<Instant>, PeerError> {
        for _ in 0..OUTPUTS_MAX {
            match self.rtc.poll_output()? {
                Output::Timeout(next) => return Ok(Some(next)),
                Output::Transmit(transmit) => {
                    let bytes = Vec::from(transmit.contents).into();
                    self.datagrams.push(Departing { wire: 0, to: transmit.destination, bytes });
                }
                Output::Event(event) => {
                    let event = self.translate(event, at);
                    self.events.extend(event);
                }
            }
        }
        Ok(None)
    }

    fn translate(&mut self, event: Event, at: Mono) -> Option<PeerEvent> {
        match event {
            Event::Connected => Some(PeerEvent::Connected),
            Event::Closed => Some(PeerEvent::Closed),
            Event::KeyframeRequest(request) if request.mid == self.lines.picture => {
                Some(PeerEvent::KeyframeRequest)
            }
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. }) => {
                Some(PeerEvent::EstimateKbps((estimate.as_u64() / 1_000) as u32))
            }
            Event::PeerStats(stats) => stats.rtt.map(PeerEvent::Rtt),
            Event::SenderFeedback(report) => {
                let line =
                    if report.mid == self.lines.sound { None } else { Some(self.picture_line(report.mid)?) };
                let since = report.sender_info.ntp_time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
                let timestamp = report.sender_info.rtp_time.numer() as u32;
                Some(PeerEvent::SenderReport(line, i64::try_from(since.as_micros()).ok()?, timestamp))
            }
            Event::RtpPacket(packet) => self.received(&packet, at),
            _ => None,
        }
    }

    fn received(&mut self, packet: &RtpPacket, arrival: Mono) -> Option<PeerEvent> {
        let mid = self.rtc.direct_api().stream_rx(&packet.header.ssrc)?.mid();
        let payload = Packet {
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            arrival,
            audio_level_dbov: None,
            payload: Bytes::copy_from_slice(&packet.payload),
        };
        if mid == self.lines.sound {
            return Some(PeerEvent::Sound(payload));
        }
        let kind = self.picture_line(mid)?;
        let pt = packet.header.payload_type;
        let params = self.rtc.codec_config().find(|params| params.pt() == pt)?;
        Some(PeerEvent::Picture(kind, our_codec(params.spec().codec)?, payload))
    }

    fn picture_line(&self, mid: Mid) -> Option<SourceKind> {
        if mid == self.lines.picture {
            return Some(SourceKind::Main);
        }
        (Some(mid) == self.lines.content).then_some(SourceKind::Content)
    }

    /// Sends a picture; `at` is its moment on the sender's clock.
    pub fn send_picture(&mut self, now: Instant, unit: &PacketizedUnit, at: MediaTime) {
        let Some(out) = &mut self.picture else { return };
        self.next = None;
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(out.mid, None) else { return };
        let timestamp = out.timestamp_base.wrapping_add(at.to_rtp(ClockRate::VIDEO));
        self.picture_id = self.picture_id.wrapping_add(1);
        for (index, payload) in unit.payloads.iter().enumerate() {
            let mut write = RtpWrite::new(out.pt, out.sequence.into(), timestamp, now, payload.clone())
                .marker(unit.marker(index))
                .nackable(true);
            if let Some(patch) = unit.vp8_patch(self.picture_id, self.picture_id as u8) {
                write = write.vp8_patch(patch);
            }
            stream.write_rtp(write);
            out.sequence += 1;
        }
    }

    /// Sends 20 ms of sound; `at` is its moment on the sender's clock.
    pub fn send_sound(&mut self, now: Instant, packet: &Bytes, at: MediaTime, level_dbov: i8) {
        let Some(out) = &mut self.sound else { return };
        self.next = None;
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(out.mid, None) else { return };
        let timestamp = out.timestamp_base.wrapping_add(at.to_rtp(ClockRate::OPUS));
        let extensions = ExtensionValues {
            audio_level: Some(level_dbov),
            voice_activity: Some(level_dbov > -60),
            ..ExtensionValues::default()
        };
        let write = RtpWrite::new(out.pt, out.sequence.into(), timestamp, now, packet.to_vec());
        stream.write_rtp(write.ext_vals(extensions));
        out.sequence += 1;
    }

    /// Whether the pacer still holds a picture from too long ago.
    pub fn is_blocked(&mut self, now: Instant) -> bool {
        let Some(mid) = self.picture.as_ref().map(|out| out.mid) else { return false };
        let mut api = self.rtc.direct_api();
        let oldest = api
            .stream_tx_by_mid(mid, None)
            .and_then(|stream| stream.queue_info().and_then(|info| info.first_unsent()));
        oldest.is_some_and(|since| now.saturating_duration_since(since) > PACER_DELAY_MAX)
    }

    /// Tells the estimator what is sent now, and what one would like to send.
    pub fn set_rates(&mut self, current_kbps: u32, wanted_kbps: u32) {
        let rate = |kbps: u32| Bitrate::kbps(u64::from(kbps));
        self.rtc.bwe().set_bitrate(rate(current_kbps), rate(wanted_kbps));
        self.next = None;
    }

    /// Asks the node for a key frame of a picture line.
    pub fn request_keyframe(&mut self, line: SourceKind) {
        let mid = match line {
            SourceKind::Main => Some(self.lines.picture),
            SourceKind::Content => self.lines.content,
        };
        let mut api = self.rtc.direct_api();
        if let Some(stream) = mid.and_then(|mid| api.stream_rx_by_mid(mid, None)) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
            self.next = None;
        }
    }
}

const fn str0m_codec(codec: VideoCodec) -> Codec {
    match codec {
        VideoCodec::Vp8 => Codec::Vp8,
        VideoCodec::Vp9 => Codec::Vp9,
        VideoCodec::H264 => Codec::H264,
    }
}

const fn our_codec(codec: Codec) -> Option<VideoCodec> {
    match codec {
        Codec::Vp8 => Some(VideoCodec::Vp8),
        Codec::Vp9 => Some(VideoCodec::Vp9),
        Codec::H264 => Some(VideoCodec::H264),
        _ => None,
    }
}
