//! Offer of a SIP device: which of its media we take, in which format, and where it wants ours (RFC 3264).
//!
//! Flow: `signalling` (the body of an INVITE) -> **here** -> `answer`, `leg`. Parsed by `sdp-types` after `signalling` has looked at its
//! size; what is kept is at most one sound line and two of pictures. Bounds: `SDP_MEDIA_LINES_ANSWERED_MAX` media lines, [`FORMATS_MAX`]
//! formats of each. An offer contains addresses that its sender does not own: see `way` for what may be sent there.

use super::super::ClockBase;
use super::super::lines::{H264Format, Line, LineCodec, LineState, Medium, ReceiveCodec, SendCodec};
use super::super::negotiate::NegotiateError;
use super::super::{guard, narrow};
use super::floor::{self, FloorControl};
use super::limits;
use super::protection::Protection;
use super::standing::Standing;
use mcu_core::limits::{SDP_BYTES_MAX, SDP_MEDIA_LINES_ANSWERED_MAX};
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::picture_limits::PictureLimits;
use sdp_types::{
    BandwidthType, Connection, Direction, Fmtp, Media, MediaType, Rtcp, RtcpFb, RtcpFbCcm, RtcpFbNack,
    RtcpFbPt, RtcpFbVal, RtpMap, Session,
};
use std::net::{IpAddr, SocketAddr};

/// Formats of one media line that are looked at; a room system lists about twenty.
const FORMATS_MAX: usize = 64;
/// The most that a `b=` line is believed, in kilobits per second.
const KBPS_MAX: u64 = 100_000;

/// How a SIP leg is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipConfig {
    /// The address that media is told to come to; its family is that of the offer's.
    pub advertised: IpAddr,
    /// Signalling came over TLS, so that keys in SDP are secret.
    pub secure: bool,
    /// Where signalling came from.
    pub from: IpAddr,
    /// The device is a browser: what it is offered is DTLS-SRTP over ICE, as it takes no keys in SDP.
    pub browser: bool,
    /// Take RTP without encryption, where nothing better is offered: an operator has turned that on by name.
    pub plain_rtp: bool,
    /// Picture codecs that may be received.
    pub video_codecs: Vec<VideoCodec>,
    /// The most that the device may send on its picture line, in kilobits per second.
    pub receive_kbps_max: u32,
    /// Where the estimate of the way to the device starts, in kilobits per second.
    pub start_kbps: u32,
    /// What DTLS and ICE tell time by. Without one neither is taken.
    pub clock: Option<ClockBase>,
    /// The session before in the same call: its ports stay with the lines that stay.
    pub standing: Option<Standing>,
    /// The meeting's floor, for devices that ask for it by BFCP.
    pub floor: Option<FloorControl>,
}

impl Default for SipConfig {
    /// Signalling that everybody could read, from and to nowhere: each has to be said.
    fn default() -> Self {
        let nowhere = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        Self {
            advertised: nowhere,
            secure: false,
            browser: false,
            from: nowhere,
            plain_rtp: false,
            video_codecs: VideoCodec::ALL.to_vec(),
            receive_kbps_max: 2_500,
            start_kbps: 1_500,
            clock: None,
            standing: None,
            floor: None,
        }
    }
}

/// What the device can be asked for a key frame by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Feedback {
    /// Picture loss indication (RFC 4585 §6.3.1).
    pub(super) pli: bool,
    /// Full intra request (RFC 5104 §4.3.1).
    pub(super) fir: bool,
}

/// A format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Sound.
    Audio(AudioCodec),
    /// VP8 or VP9.
    Video(VideoCodec),
    /// H.264, with whether the offer allows each way a level of its own.
    H264(H264Format, bool),
}

impl Format {
    pub(super) const fn codec(self) -> LineCodec {
        match self {
            Self::Audio(codec) => LineCodec::Audio(codec),
            Self::Video(codec) => LineCodec::Video(codec),
            Self::H264(..) => LineCodec::Video(VideoCodec::H264),
        }
    }
}

/// How a device sends keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Events {
    pub(super) payload_type: u8,
    pub(super) clock_hz: u32,
}

/// A media line that we take.
#[derive(Debug)]
pub(super) struct Taken {
    /// Its place among the offer's media lines.
    pub(super) place: usize,
    pub(super) line: Line,
    /// From our point of view.
    pub(super) direction: Direction,
    pub(super) format: Format,
    pub(super) payload_type: u8,
    /// Telephone events (RFC 4733).
    pub(super) events: Option<Events>,
    pub(super) protection: Protection,
    pub(super) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
    /// RTP and RTCP on one port (RFC 5761).
    pub(super) mux: bool,
    pub(super) feedback: Feedback,
    /// What the device takes at most, in kilobits per second.
    pub(super) kbps_max: Option<u32>,
    /// What it decodes at most, when it is a picture.
    pub(super) limits: PictureLimits,
}

impl Taken {
    pub(super) const fn sends(&self) -> bool {
        matches!(self.direction, Direction::SendRecv | Direction::SendOnly)
    }

    pub(super) const fn receives(&self) -> bool {
        matches!(self.direction, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The format that we send, when it is a picture.
    pub(super) fn send_video(&self) -> Option<SendCodec> {
        let codec = self.format.codec().video().filter(|codec| self.sends() && codec.encodes())?;
        let h264 = match self.format {
            Format::H264(h264, _) => Some(h264),
            _ => None,
        };
        let limits = self.limits;
        Some(SendCodec { codec, payload_type: self.payload_type, h264, limits, resend: false })
    }

    const fn receivable(&self) -> ReceiveCodec {
        ReceiveCodec { codec: self.format.codec(), payload_type: self.payload_type }
    }

    /// As everybody else knows the line.
    pub(super) fn line_state(&self) -> LineState {
        let audio = self.line.medium == Medium::Audio;
        LineState {
            line: self.line,
            mid: self.place.to_string().into(),
            receives: self.receives(),
            send_video: self.send_video(),
            send_audio: (audio && self.sends()).then_some(self.payload_type),
            receivable: vec![self.receivable()],
        }
    }
}

/// What we make of an offer.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) session: Session,
    /// In SDP order.
    pub(super) taken: Vec<Taken>,
    /// The place of the floor line, when that is taken.
    pub(super) floor: Option<usize>,
}

impl Plan {
    /// Decides what to take of `offer`.
    ///
    /// # Errors
    /// `TooLarge`, `TooManyLines`, `Invalid`; `NoMedia` without sound and picture; `NoCommonCodec` when nothing of what there is has
    /// a format that we speak; `Unacceptable` when it asks for media that is not protected well enough.
    pub(super) fn make(offer: &str, config: &SipConfig) -> Result<Self, NegotiateError> {
        if offer.len() > SDP_BYTES_MAX {
            return Err(NegotiateError::TooLarge { bytes: offer.len(), max: SDP_BYTES_MAX });
        }
        let invalid = NegotiateError::Invalid { reason: "it is not SDP" };
        let session = guard::contained(|| Session::parse(offer.as_bytes()).ok()).flatten().ok_or(invalid)?;
        let lines = session.medias.len();
        if lines > SDP_MEDIA_LINES_ANSWERED_MAX {
            return Err(NegotiateError::TooManyLines { lines, max: SDP_MEDIA_LINES_ANSWERED_MAX });
        }
        let (mut taken, mut refused) = (Vec::<Taken>::new(), None);
        for (place, media) in session.medias.iter().enumerate() {
            let Some(line) = role(media) else { continue };
            let held = taken.iter().position(|taken| taken.line == line);
            if held.is_some_and(|at| taken[at].protection.is_srtp()) {
                continue;
            }
            match (take(place, line, media, &session, config), held) {
                (Ok(new), None) => taken.push(new),
                // Devices that would rather have SRTP but need not say so by two lines.
                (Ok(new), Some(at)) if new.protection.is_srtp() => taken[at] = new,
                (Ok(_), Some(_)) => {}
                (Err(error), _) => refused = refused.or(Some(error)),
            }
        }
        taken.sort_by_key(|taken| taken.place);
        if taken.is_empty() {
            return Err(refused.unwrap_or(NegotiateError::NoMedia));
        }
        let floor = config.floor.and_then(|_| floor::place(&session, &taken));
        Ok(Self { session, taken, floor })
    }

    /// What the way to the device carries at most, in kilobits per second: what it says of its picture. What it says of its sound is no bound for
    /// that.
    pub(super) fn kbps_max(&self) -> u32 {
        let picture = self.taken.iter().find(|taken| taken.line.medium == Medium::Video);
        picture.and_then(|taken| taken.kbps_max).unwrap_or(u32::MAX)
    }
}

/// Which line a medium is, unless it is turned off: sound, the person, or what the person shows (RFC 4796).
fn role(media: &Media) -> Option<Line> {
    if media.port == 0 {
        return None;
    }
    match media.try_parse_mediatype().ok()? {
        MediaType::Audio => Some(Line::MAIN_AUDIO),
        MediaType::Video => match media.get_first_attribute_value("content").flatten() {
            None | Some("main" | "speaker") => Some(Line::MAIN_VIDEO),
            Some("slides" | "alt") => Some(Line::CONTENT_VIDEO),
            // Sign language is neither.
            Some(_) => None,
        },
        _ => None,
    }
}

fn take(
    place: usize,
    line: Line,
    media: &Media,
    session: &Session,
    config: &SipConfig,
) -> Result<Taken, NegotiateError> {
    let (format, payload_type) =
        format(media, line, config).ok_or(NegotiateError::NoCommonCodec { medium: line.medium })?;
    let (rtp, rtcp) = addresses(media, session, config.advertised)?;
    let protection = Protection::of(media, session, rtp, config)?;
    let mux = media.has_attribute("rtcp-mux");
    let offered = direction(media).or_else(|| session_direction(session)).unwrap_or_default();
    // RFC 3264 §8.4: an unspecified address is how devices put on hold before there were directions. With ICE it says that candidates tell.
    let held = rtp.ip().is_unspecified() && !protection.has_ice();
    let wants = if held { Direction::SendOnly } else { offered };
    Ok(Taken {
        place,
        line,
        direction: wants.reverse(),
        format,
        payload_type,
        events: events(media, format),
        protection,
        rtp,
        rtcp: if mux { rtp } else { rtcp },
        mux,
        feedback: feedback(media, payload_type),
        kbps_max: kbps_max(media).or_else(|| kbps_of(&session.bandwidths)),
        limits: picture_limits(media, payload_type, format),
    })
}

/// Payload types of a media line, in its order.
fn payload_types(media: &Media) -> impl Iterator<Item = u8> + '_ {
    media
        .fmt
        .split_ascii_whitespace()
        .take(FORMATS_MAX)
        .filter_map(|number| number.parse().ok())
        .filter(|pt| *pt < 128)
}

fn rtpmap(media: &Media, payload_type: u8) -> Option<RtpMap> {
    let maps = media.attributes_typed::<RtpMap>().take(FORMATS_MAX);
    maps.filter_map(Result::ok).find(|map| map.payload_type == payload_type)
}

fn fmtp(media: &Media, payload_type: u8, name: &str) -> Option<String> {
    let all = media.attributes_typed::<Fmtp>().take(FORMATS_MAX);
    let ours = all.filter_map(Result::ok).find(|fmtp| fmtp.fmt == payload_type)?;
    ours.format_specific_params.into_iter().find(|param| param.param.eq_ignore_ascii_case(name))?.val
}

/// The first format of the offer that we speak, and would send: its order is its preference (RFC 3264 §5.1).
fn format(media: &Media, line: Line, config: &SipConfig) -> Option<(Format, u8)> {
    payload_types(media).find_map(|pt| {
        let format = match line.medium {
            Medium::Audio => audio(media, pt).map(Format::Audio),
            Medium::Video => video(media, pt),
        }?;
        let spoken = format
            .codec()
            .video()
            .is_none_or(|codec| codec.encodes() && config.video_codecs.contains(&codec));
        spoken.then_some((format, pt))
    })
}

fn audio(media: &Media, payload_type: u8) -> Option<AudioCodec> {
    match rtpmap(media, payload_type) {
        Some(map) => AudioCodec::ALL.into_iter().find(|codec| {
            map.encoding_name.eq_ignore_ascii_case(codec.name()) && map.clock_rate == codec.clock_rate().hz()
        }),
        // RFC 3551 §6: some numbers speak for themselves.
        None => AudioCodec::ALL.into_iter().find(|codec| codec.static_payload_type() == Some(payload_type)),
    }
}

fn video(media: &Media, payload_type: u8) -> Option<Format> {
    let map = rtpmap(media, payload_type).filter(|map| map.clock_rate == 90_000)?;
    let codec =
        VideoCodec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(&map.encoding_name))?;
    match codec {
        VideoCodec::H264 => h264(media, payload_type),
        VideoCodec::Vp8 | VideoCodec::Vp9 => Some(Format::Video(codec)),
    }
}

/// What the device decodes of a format that we send it.
fn picture_limits(media: &Media, payload_type: u8, format: Format) -> PictureLimits {
    let param = |name: &str| fmtp(media, payload_type, name);
    match format {
        // What we answer is as high as we decode; what the device decodes stands in its own words.
        Format::H264(..) => h264_offered(media, payload_type)
            .map_or(PictureLimits::expected_of(VideoCodec::H264), |offered| limits::h264(offered, &param)),
        Format::Video(VideoCodec::Vp8) => limits::vp8(&param),
        Format::Video(codec) => PictureLimits::expected_of(codec),
        Format::Audio(_) => PictureLimits::NONE,
    }
}

fn h264(media: &Media, payload_type: u8) -> Option<Format> {
    let offered = h264_offered(media, payload_type)?;
    // Baseline, main and high decoders all take the constrained baseline that we send.
    let profile_known = matches!(offered.profile_level_id >> 16, 0x42 | 0x4d | 0x64);
    let asymmetric = fmtp(media, payload_type, "level-asymmetry-allowed").as_deref() == Some("1");
    (profile_known && offered.packetization_mode <= 1)
        .then_some(Format::H264(narrow::h264_answered(offered), asymmetric))
}

/// RFC 6184 §8.1: without `profile-level-id` it is baseline of level 1, without `packetization-mode` mode 0.
fn h264_offered(media: &Media, payload_type: u8) -> Option<H264Format> {
    let number =
        |name: &str, radix| fmtp(media, payload_type, name).map(|text| u32::from_str_radix(&text, radix));
    let profile_level_id = number("profile-level-id", 16).unwrap_or(Ok(0x42_00_0a)).ok()?;
    let packetization_mode = number("packetization-mode", 10).unwrap_or(Ok(0)).ok()?;
    Some(H264Format { profile_level_id, packetization_mode: u8::try_from(packetization_mode).ok()? })
}

/// Telephone events: at the clock rate of `format`, so that one clock serves the line (RFC 4733 §2.1), or at the one that there is: room
/// systems offer those of 8 kHz beside Opus.
fn events(media: &Media, format: Format) -> Option<Events> {
    let Format::Audio(codec) = format else { return None };
    let offered = |payload_type| {
        let map = rtpmap(media, payload_type)?;
        let is_events = map.encoding_name.eq_ignore_ascii_case("telephone-event");
        is_events.then_some(Events { payload_type, clock_hz: map.clock_rate })
    };
    let all = || payload_types(media).filter_map(offered);
    all().find(|events| events.clock_hz == codec.clock_rate().hz()).or_else(|| all().next())
}

/// Where the device wants RTP and RTCP (RFC 3605 for the latter).
fn addresses(
    media: &Media,
    session: &Session,
    advertised: IpAddr,
) -> Result<(SocketAddr, SocketAddr), NegotiateError> {
    let invalid = |reason| NegotiateError::Invalid { reason };
    let parse = |connection: &Connection| connection.try_address().map(|address| address.ip).ok();
    let ip = media.connections.first().or(session.connection.as_ref()).and_then(parse);
    let ip = ip.ok_or_else(|| invalid("no address of the media"))?;
    let (same_family, single) =
        (ip.is_ipv4() == advertised.is_ipv4(), !ip.is_multicast() && ip != broadcast());
    if !same_family || !single {
        return Err(invalid("the address of the media cannot be reached"));
    }
    let after = media.port.checked_add(1).ok_or_else(|| invalid("no port for RTCP"))?;
    let told = media.get_first_attribute_typed::<Rtcp>().and_then(Result::ok).map(|rtcp| rtcp.port);
    // Of an address of its own for RTCP nothing is believed: it has to be the media's.
    let rtcp = told.filter(|port| *port != 0).unwrap_or(after);
    Ok((SocketAddr::new(ip, media.port), SocketAddr::new(ip, rtcp)))
}

const fn broadcast() -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::BROADCAST)
}

const DIRECTIONS: [Direction; 4] =
    [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];

fn direction(media: &Media) -> Option<Direction> {
    DIRECTIONS.into_iter().find(|direction| media.has_attribute(direction.as_str()))
}

fn session_direction(session: &Session) -> Option<Direction> {
    DIRECTIONS.into_iter().find(|direction| session.has_attribute(direction.as_str()))
}

fn feedback(media: &Media, payload_type: u8) -> Feedback {
    let mut feedback = Feedback::default();
    for offered in media.attributes_typed::<RtcpFb>().take(FORMATS_MAX).filter_map(Result::ok) {
        if !matches!(offered.pt, RtcpFbPt::Wildcard) && offered.pt != RtcpFbPt::Fmt(payload_type) {
            continue;
        }
        feedback.pli |= offered.val == RtcpFbVal::Nack(Some(RtcpFbNack::Pli));
        feedback.fir |= offered.val == RtcpFbVal::Ccm(RtcpFbCcm::Fir);
    }
    feedback
}

fn kbps_max(media: &Media) -> Option<u32> {
    kbps_of(&media.bandwidths)
}

/// `b=TIAS` in bits per second (RFC 3890), else `b=AS` in kilobits.
fn kbps_of(bandwidths: &[sdp_types::Bandwidth]) -> Option<u32> {
    let of =
        |name: &str| bandwidths.iter().find(|b| b.bwtype.eq_ignore_ascii_case(name)).map(|b| b.bandwidth);
    let kbps = of("TIAS").map(|bits| bits / 1_000).or_else(|| of(BandwidthType::As.as_str()))?;
    u32::try_from(kbps.min(KBPS_MAX)).ok().filter(|kbps| *kbps > 0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ROOM_SYSTEM, config};
    use super::*;

    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n";
    const CRYPTO: &str =
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";

    fn plan(offer: &str) -> Result<Plan, NegotiateError> {
        Plan::make(offer, &config())
    }

    /// Which lines of what was taken are SRTP.
    fn srtp(offer: &str, config: &SipConfig) -> Vec<bool> {
        let plan = Plan::make(offer, config).expect("taken");
        plan.taken.iter().map(|taken| taken.protection.is_srtp()).collect()
    }

    #[test]
    fn a_room_system_is_taken_with_sound_and_one_picture() {
        let plan = plan(ROOM_SYSTEM).expect("taken");
        let [sound, picture] = &plan.taken[..] else { panic!("{plan:?}") };
        assert_eq!(
            (sound.place, sound.line, sound.payload_type, sound.events.map(|events| events.payload_type)),
            (0, Line::MAIN_AUDIO, 114, Some(101))
        );
        assert_eq!(sound.rtp, "198.51.100.7:50000".parse().expect("an address"));
        assert_eq!((sound.rtcp.port(), sound.mux), (50_001, false));
        assert_eq!((picture.place, picture.line, picture.payload_type), (1, Line::MAIN_VIDEO, 97));
        let h264 = H264Format { profile_level_id: 0x0042_8016, packetization_mode: 1 };
        assert_eq!(picture.format, Format::H264(h264, false));
        assert_eq!((picture.limits.macroblocks_max, picture.limits.macroblocks_per_s_max), (1_620, 108_000));
        let limits = picture.send_video().map(|send| send.limits);
        assert_eq!(limits, Some(picture.limits), "they go with the codec");
        assert_eq!(picture.feedback, Feedback { pli: true, fir: true });
        assert_eq!(picture.kbps_max, Some(1_920));
        assert!(matches!(picture.protection, Protection::Sdes(_)));
        assert!(sound.sends() && sound.receives());
    }

    #[test]
    fn hold_in_all_its_spellings_stops_what_we_send() {
        let held = |offer: String| {
            let plan = plan(&offer).expect("taken");
            (plan.taken[0].sends(), plan.taken[0].receives())
        };
        assert_eq!(held(ROOM_SYSTEM.to_owned()), (true, true), "the control");
        assert_eq!(held(ROOM_SYSTEM.replace("a=sendrecv", "a=sendonly")), (false, true));
        assert_eq!(held(ROOM_SYSTEM.replace("a=sendrecv", "a=inactive")), (false, false));
        assert_eq!(held(ROOM_SYSTEM.replace("a=sendrecv", "a=recvonly")), (true, false));
        assert_eq!(held(ROOM_SYSTEM.replace("c=IN IP4 198.51.100.7", "c=IN IP4 0.0.0.0")), (false, true));
    }

    #[test]
    fn media_that_is_not_protected_is_taken_only_where_that_was_turned_on() {
        let plain = ROOM_SYSTEM.replace("RTP/SAVP", "RTP/AVP").replace("a=crypto", "a=x");
        assert!(matches!(plan(&plain), Err(NegotiateError::Unacceptable { .. })));
        let loosened = SipConfig { plain_rtp: true, ..config() };
        assert_eq!(srtp(&plain, &loosened), [false, false]);
        // Keys that everybody on the way could read are not believed to be keys, whatever is turned on.
        let overheard = SipConfig { secure: false, ..loosened };
        assert!(matches!(Plan::make(ROOM_SYSTEM, &overheard), Err(NegotiateError::Unacceptable { .. })));
        assert_eq!(srtp(&ROOM_SYSTEM.replace("RTP/SAVP", "RTP/AVP"), &overheard), [false, false]);
    }

    #[test]
    fn srtp_is_taken_before_nothing_however_it_is_offered() {
        let loosened = SipConfig { plain_rtp: true, ..config() };
        let either = ROOM_SYSTEM.replace("RTP/SAVP", "RTP/AVP");
        assert_eq!(srtp(&either, &config()), [true, true], "keys beside the plain profile");
        let twice = |first: &str, second: &str| {
            let line = |profile: &str, port: u16| {
                let keys = if profile == "RTP/SAVP" { CRYPTO } else { "" };
                format!("m=audio {port} {profile} 8\r\n{keys}")
            };
            let offer = format!("{HEAD}{}{}", line(first, 4_000), line(second, 4_002));
            let plan = Plan::make(&offer, &loosened).expect("taken");
            assert_eq!(plan.taken.len(), 1, "one sound line");
            (plan.taken[0].place, plan.taken[0].protection.is_srtp())
        };
        assert_eq!(twice("RTP/SAVP", "RTP/AVP"), (0, true));
        assert_eq!(twice("RTP/AVP", "RTP/SAVP"), (1, true));
        assert_eq!(twice("RTP/AVP", "RTP/AVP"), (0, false), "the control: of two alike the first");
    }

    #[test]
    fn what_cannot_be_answered_is_refused_with_its_reason() {
        let cases = [
            (String::new(), "it is not SDP"),
            ("INVITE".to_owned(), "it is not SDP"),
            (ROOM_SYSTEM.replace("IP4 198.51.100.7", "IP6 2001:db8::7"), "cannot be reached"),
            (ROOM_SYSTEM.replace("198.51.100.7", "224.0.0.1"), "cannot be reached"),
            (ROOM_SYSTEM.replace("opus", "SPEEX").replace("H264", "H263"), "no common codec"),
            (ROOM_SYSTEM.replace("AES_CM_128", "F8_128"), "no common SRTP crypto suite"),
            (
                ROOM_SYSTEM.replace("m=audio 50000", "m=audio 0").replace("m=video 50002", "m=video 0"),
                "no sound and no picture",
            ),
        ];
        assert!(plan(ROOM_SYSTEM).is_ok(), "the control");
        for (offer, reason) in cases {
            let error = plan(&offer).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_telephone_is_taken_in_the_first_codec_that_it_names_with_its_clock_or_by_a_number_alone() {
        let sound = |formats: &str, maps: &str| {
            let offer = format!("{HEAD}m=audio 4000 RTP/AVP {formats}\r\n{maps}");
            let plan = Plan::make(&offer, &SipConfig { plain_rtp: true, ..config() }).expect("taken");
            let events = plan.taken[0].events.map(|events| (events.payload_type, events.clock_hz));
            (plan.taken[0].format, plan.taken[0].payload_type, events)
        };
        let audio = Format::Audio;
        assert_eq!(sound("18 8 0", ""), (audio(AudioCodec::Pcma), 8, None));
        assert_eq!(sound("13 0 8 9", ""), (audio(AudioCodec::Pcmu), 0, None));
        let events = "a=rtpmap:101 telephone-event/8000\r\na=rtpmap:102 telephone-event/48000\r\n";
        assert_eq!(sound("9 102 101", events), (audio(AudioCodec::G722), 9, Some((101, 8_000))));
        let opus = "a=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n";
        assert_eq!(
            sound("96 101", opus),
            (audio(AudioCodec::Opus), 96, Some((101, 8_000))),
            "better than none"
        );
        let wide = "a=rtpmap:99 PCMA/16000\r\na=rtpmap:98 pcma/8000\r\n";
        assert_eq!(
            sound("99 98", wide),
            (audio(AudioCodec::Pcma), 98, None),
            "of another clock it is another codec"
        );
    }

    #[test]
    fn sound_alone_is_a_call_and_a_picture_nobody_speaks_does_not_end_it() {
        let plan = plan(&ROOM_SYSTEM.replace("H264", "H263")).expect("taken");
        assert_eq!(plan.taken.iter().map(|taken| taken.line).collect::<Vec<_>>(), [Line::MAIN_AUDIO]);
    }
}
