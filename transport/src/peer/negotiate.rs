//! Negotiation: an SDP offer and our configuration become a WebRTC session and its answer, or a reason why not.
//!
//! Flow: `signalling` -> **here** -> `peer/webrtc`. The offer is first read by our own bounded parser ([`offer`](super::offer)),
//! which keeps only what we mean to speak; the library sees nothing else.

use super::lines::{LineCodec, LineRoles, LineState, Medium, ReceiveCodec, SendCodec};
use super::narrow::{self, Plan, Taken};
use super::offer::{Format, HeaderExtension, Offer, Payload};
use super::webrtc::WebRtcPeer;
use super::{ClockBase, Proto, answer, guard};
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::picture_limits::PictureLimits;
use mcu_core::time::Mono;
use std::net::SocketAddr;
use std::time::Duration;
use str0m::bwe::Bitrate;
use str0m::change::SdpOffer;
use str0m::config::DtlsVersion;
use str0m::error::IceError;
use str0m::format::{Codec, FormatParams};
use str0m::media::Frequency;
use str0m::net::TcpType;
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{Candidate, Rtc, RtcConfig, RtcError};

/// How often the library's figures are read: its estimate of the present moment stands nowhere else (see `events`).
const LIBRARY_STATS_INTERVAL: Duration = Duration::from_millis(125);
/// How often sender and receiver reports leave. Sound's usual five seconds would leave a new receiver out of step as long.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Which way media flows, by how the peer joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A participant: both ways, except content sound, which is only received.
    Full,
    /// WHIP: we only receive.
    SendOnlyFromClient,
    /// WHEP: we only send.
    ReceiveOnly,
}

/// A local address that peers can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAddress {
    /// UDP, or TCP in the passive role (RFC 6544).
    pub proto: Proto,
    /// What the socket is bound to: what [`Datagram::destination`](super::Datagram::destination) will say.
    pub bound: SocketAddr,
    /// What peers are told; differs from `bound` behind NAT.
    pub advertised: SocketAddr,
}

impl LocalAddress {
    /// An address that peers reach as it is.
    pub const fn direct(proto: Proto, bound: SocketAddr) -> Self {
        Self { proto, bound, advertised: bound }
    }
}

/// Which DTLS is spoken. The library takes the client's first SRTP profile under DTLS 1.3, and Chromium puts AES-CM with SHA-1
/// first; under 1.2 AES-256-GCM comes out, which is the stronger and costs a third less per packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DtlsChoice {
    /// DTLS 1.2 with an AEAD for media. The default.
    #[default]
    V12Aead,
    /// Whatever the client's first hello asks for: 1.3 with current browsers.
    Auto,
}

/// How a peer is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConfig {
    /// Where the peer can reach us, best first.
    pub addresses: Vec<LocalAddress>,
    /// Which way media flows.
    pub kind: Kind,
    /// Picture codecs that may be received. What is sent is the subset that [encodes](VideoCodec::encodes).
    pub video_codecs: Vec<VideoCodec>,
    /// The order in which we would rather send; what the offer prefers where this says nothing.
    pub send_preference: Vec<VideoCodec>,
    /// Ask the peer to send nearly nothing in silence (`usedtx=1`, RFC 7587 §7.1).
    pub opus_dtx: bool,
    /// The most that the peer may send on its main picture line (`b=AS`), in kilobits per second.
    pub main_receive_kbps_max: Option<u32>,
    /// The same for its content line.
    pub content_receive_kbps_max: Option<u32>,
    /// Where the estimate of the way to the peer starts, in kilobits per second.
    pub start_kbps: u32,
    /// What we would send if we could, in kilobits per second: how far the estimator probes.
    pub desired_kbps: u32,
    /// Which DTLS.
    pub dtls: DtlsChoice,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            kind: Kind::Full,
            video_codecs: VideoCodec::ALL.to_vec(),
            send_preference: Vec::new(),
            opus_dtx: false,
            main_receive_kbps_max: None,
            content_receive_kbps_max: None,
            start_kbps: 1_500,
            desired_kbps: 2_500,
            dtls: DtlsChoice::default(),
        }
    }
}

/// The answer to an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The session description.
    pub sdp: String,
}

/// Why an offer was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NegotiateError {
    /// More bytes than `SDP_BYTES_MAX`.
    #[error("the offer has {bytes} bytes, more than {max}")]
    TooLarge {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// More media lines than we answer.
    #[error("the offer has {lines} media lines, more than {max}")]
    TooManyLines {
        /// How many it has (counted no further than `SDP_MEDIA_LINES_MAX + 1`).
        lines: usize,
        /// How many it may have.
        max: usize,
    },
    /// It cannot be read, or contradicts itself.
    #[error("the offer is not valid: {reason}")]
    Invalid {
        /// In words without anything from the offer.
        reason: &'static str,
    },
    /// The library refused what was left of it.
    #[error("the offer cannot be answered: {reason}")]
    Refused {
        /// What the library said; may quote the offer.
        reason: String,
    },
    /// It asks for media as we do not carry them: not protected well enough, or by no transport that we speak.
    #[error("the offer cannot be accepted: {reason}")]
    Unacceptable {
        /// In words without anything from the offer.
        reason: &'static str,
    },
    /// It offers no sound and no picture.
    #[error("the offer has no sound and no picture")]
    NoMedia,
    /// A main line offers nothing that we speak.
    #[error("no common codec for {medium:?}")]
    NoCommonCodec {
        /// Of which medium.
        medium: Medium,
    },
}

/// Answers `offer`: reads it, cuts it down, lets the library answer that, and builds the peer around the result.
pub(crate) fn accept(
    config: &PeerConfig,
    clock: ClockBase,
    offer: &str,
    roles: &LineRoles,
    now: Mono,
) -> Result<(WebRtcPeer, Answer), NegotiateError> {
    let offer = Offer::parse(offer)?;
    let plan = Plan::make(&offer, config, roles)?;
    let narrowed = || -> Result<(Rtc, String), RtcError> {
        let mut rtc = library_config(config, &plan).build(clock.instant(now));
        rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::kbps(u64::from(config.desired_kbps)));
        for address in &config.addresses {
            let _ = rtc.add_local_candidate(candidate(address)?);
        }
        let answer = rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(&plan.sdp)?)?;
        Ok((rtc, answer.to_sdp_string()))
    };
    let refused = |reason: String| NegotiateError::Refused { reason };
    let (rtc, answered) = guard::contained(narrowed)
        .ok_or_else(|| refused("the library failed on it".into()))?
        .map_err(|error| refused(error.to_string()))?;
    let sdp = answer::assemble(&answered, &offer, &plan, config)
        .ok_or_else(|| refused("the library answered other lines than it was given".into()))?;
    let lines = plan.taken.iter().map(|taken| line_state(taken, config)).collect();
    Ok((
        WebRtcPeer::new(rtc, clock, lines, &config.addresses, plan.announced.as_deref(), now),
        Answer { sdp },
    ))
}

/// The library set up to speak what the plan says and nothing else, with the offerer's numbers.
fn library_config(config: &PeerConfig, plan: &Plan) -> RtcConfig {
    let mut extensions = ExtensionMap::empty();
    for &(id, extension) in &plan.extensions {
        extensions.set(id, library_extension(extension));
    }
    let mut library = RtcConfig::new()
        .set_rtp_mode(true)
        .set_ice_lite(true)
        .clear_codecs()
        .set_extension_map(extensions)
        .enable_bwe(Some(Bitrate::kbps(u64::from(config.start_kbps))))
        .set_stats_interval(Some(LIBRARY_STATS_INTERVAL))
        .set_rtcp_report_interval_audio(REPORT_INTERVAL)
        .set_rtcp_report_interval_video(REPORT_INTERVAL)
        .set_dtls_version(match config.dtls {
            DtlsChoice::V12Aead => DtlsVersion::Dtls12,
            DtlsChoice::Auto => DtlsVersion::Auto,
        });
    let codecs = library.codec_config();
    for payload in &plan.payloads {
        let (codec, rate, channels, format) = library_format(payload.format, config.opus_dtx);
        codecs.add_config(
            payload.payload_type.into(),
            payload.rtx.map(Into::into),
            codec,
            rate,
            channels,
            format,
        );
        if let Some(added) = codecs.last_mut() {
            added.set_fb_transport_cc(payload.feedback.transport_cc);
            added.set_fb_nack(payload.feedback.nack);
            added.set_fb_pli(payload.feedback.pli);
            added.set_fb_fir(payload.feedback.fir);
            added.set_fb_remb(payload.feedback.remb);
        }
    }
    library
}

const fn library_extension(extension: HeaderExtension) -> Extension {
    match extension {
        HeaderExtension::AudioLevel => Extension::AudioLevel,
        HeaderExtension::AbsSendTime => Extension::AbsoluteSendTime,
        HeaderExtension::TransportSequence => Extension::TransportSequenceNumber,
        HeaderExtension::Mid => Extension::RtpMid,
    }
}

fn library_format(format: Format, opus_dtx: bool) -> (Codec, Frequency, Option<u8>, FormatParams) {
    let mut params = FormatParams::default();
    let (codec, rate, channels) = match format {
        Format::Opus => {
            params.min_p_time = Some(10);
            params.use_inband_fec = Some(true);
            params.use_dtx = opus_dtx.then_some(true);
            (Codec::Opus, Frequency::FORTY_EIGHT_KHZ, Some(2))
        }
        Format::Video(VideoCodec::Vp9) => {
            params.profile_id = Some(0);
            (Codec::Vp9, Frequency::NINETY_KHZ, None)
        }
        Format::Video(_) => (Codec::Vp8, Frequency::NINETY_KHZ, None),
        Format::H264(offered) => {
            let answered = narrow::h264_answered(offered);
            params.level_asymmetry_allowed = Some(true);
            params.packetization_mode = Some(answered.packetization_mode);
            params.profile_level_id = Some(answered.profile_level_id);
            (Codec::H264, Frequency::NINETY_KHZ, None)
        }
    };
    (codec, rate, channels, params)
}

/// A host candidate of the advertised address; the library compares it with what datagrams say they arrived at, which the
/// peer translates from the bound address.
fn candidate(address: &LocalAddress) -> Result<Candidate, IceError> {
    match address.proto {
        Proto::Udp => Candidate::builder().udp().host(address.advertised).build(),
        Proto::Tcp => Candidate::builder().tcp().host(address.advertised).tcptype(TcpType::Passive).build(),
    }
}

fn line_state(taken: &Taken, config: &PeerConfig) -> LineState {
    let receivable = |payload: &Payload| ReceiveCodec {
        codec: narrow::codec(payload.format).map_or(LineCodec::Audio(AudioCodec::Opus), LineCodec::Video),
        payload_type: payload.payload_type,
    };
    let audio = taken.line.medium == Medium::Audio;
    LineState {
        line: taken.line,
        mid: taken.mid.clone(),
        receives: taken.flow.receives,
        send_video: taken.flow.sends.then(|| send_format(&taken.payloads, &config.send_preference)).flatten(),
        send_audio: taken
            .payloads
            .first()
            .filter(|_| audio && taken.flow.sends)
            .map(|payload| payload.payload_type),
        receivable: taken.payloads.iter().map(receivable).collect(),
    }
}

/// The first format that we encode, by our preference, then by the offer's order.
fn send_format(payloads: &[Payload], preference: &[VideoCodec]) -> Option<SendCodec> {
    let rank =
        |codec: VideoCodec| preference.iter().position(|&liked| liked == codec).unwrap_or(preference.len());
    let encodable = payloads.iter().filter_map(|payload| {
        let codec = narrow::codec(payload.format).filter(|codec| codec.encodes())?;
        let h264 = match payload.format {
            Format::H264(h264) => Some(h264),
            _ => None,
        };
        let (payload_type, limits) = (payload.payload_type, PictureLimits::expected_of(codec));
        Some(SendCodec { codec, payload_type, h264, limits, resend: payload.rtx.is_some() })
    });
    encodable.min_by_key(|send| rank(send.codec))
}
