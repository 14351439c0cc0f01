//! Offer: a bounded reader of SDP offers (RFC 8866, RFC 8829), which takes down only what we mean to speak.
//!
//! Flow: `signalling` -> **here** -> `narrow` -> the library. Runs once per join. Bounds: `SDP_BYTES_MAX`, `SDP_MEDIA_LINES_MAX`,
//! `SDP_MEDIA_LINES_ANSWERED_MAX`. Work and memory grow linearly with the bytes. Candidates, simulcast, data channels and unknown
//! attributes are not looked at; nothing is ever copied from here into an answer but tokens that were checked.

use super::lines::{H264Format, Medium};
use super::negotiate::NegotiateError;
use mcu_core::limits::{SDP_BYTES_MAX, SDP_MEDIA_LINES_ANSWERED_MAX, SDP_MEDIA_LINES_MAX};
use mcu_core::media::codec::VideoCodec;

/// Bytes of a mid; the library keeps 16 (RFC 9143 §15 bounds it to what fits a header extension).
pub const MID_BYTES_MAX: usize = 16;
/// Payload types of one line (they are 7 bits).
const PAYLOADS_MAX: usize = 128;

/// A payload format that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `opus/48000/2`.
    Opus,
    /// VP8, or VP9 profile 0.
    Video(VideoCodec),
    /// H.264 baseline, constrained wherever that is offered.
    H264(H264Format),
}

/// What feedback a payload type takes (`a=rtcp-fb`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Feedback {
    /// `nack`.
    pub nack: bool,
    /// `nack pli`.
    pub pli: bool,
    /// `ccm fir`.
    pub fir: bool,
    /// `transport-cc`.
    pub transport_cc: bool,
    /// `goog-remb`.
    pub remb: bool,
}

/// One payload type of a line that we could speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// Its number.
    pub payload_type: u8,
    /// The number of its resends (RFC 4588), if any.
    pub rtx: Option<u8>,
    /// What it is.
    pub format: Format,
    /// What feedback it takes.
    pub feedback: Feedback,
}

/// Which way the offerer wants media to flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// It sends.
    pub sends: bool,
    /// It receives.
    pub receives: bool,
}

impl Flow {
    /// The direction attribute's name, from the point of view of whoever `self` describes.
    pub(crate) const fn attribute(self) -> &'static str {
        match (self.sends, self.receives) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let (sends, receives) = match name {
            "sendrecv" => (true, true),
            "sendonly" => (true, false),
            "recvonly" => (false, true),
            "inactive" => (false, false),
            _ => return None,
        };
        Some(Self { sends, receives })
    }
}

/// A header extension that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderExtension {
    /// RFC 6464.
    AudioLevel,
    /// abs-send-time.
    AbsSendTime,
    /// Transport-wide sequence numbers.
    TransportSequence,
    /// RFC 9143 mid.
    Mid,
}

impl HeaderExtension {
    const ALL: [Self; 4] = [Self::AudioLevel, Self::AbsSendTime, Self::TransportSequence, Self::Mid];

    pub(crate) const fn uri(self) -> &'static str {
        match self {
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::TransportSequence => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
        }
    }
}

/// ICE and DTLS, at session level or of one line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Association<'a> {
    pub(crate) ufrag: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
    pub(crate) fingerprint: Option<&'a str>,
    pub(crate) setup: Option<&'a str>,
    pub(crate) ice_lite: bool,
}

/// One media line of an offer.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    /// `None` when it is neither sound nor picture, or not over DTLS-SRTP.
    pub medium: Option<Medium>,
    /// Its name.
    pub mid: &'a str,
    /// Whether the offerer has switched it off (port 0, and not merely bundled).
    pub off: bool,
    /// Which way media shall flow.
    pub flow: Flow,
    /// What we could speak of it, in the offerer's order.
    pub payloads: Vec<Payload>,
    /// Header extensions that we speak, with their ids.
    pub extensions: Vec<(u8, HeaderExtension)>,
    /// The announced stream and the stream of its resends.
    pub ssrcs: Option<(u32, Option<u32>)>,
    pub(crate) association: Association<'a>,
    /// Media, protocol and formats, for refusing the line in the answer.
    pub(crate) head: [&'a str; 3],
}

/// An offer.
#[derive(Debug, Clone)]
pub struct Offer<'a> {
    /// Its media lines, in order.
    pub sections: Vec<Section<'a>>,
    /// The mids of the first BUNDLE group (RFC 9143).
    pub bundle: Vec<&'a str>,
    pub(crate) association: Association<'a>,
}

const fn invalid(reason: &'static str) -> NegotiateError {
    NegotiateError::Invalid { reason }
}

impl<'a> Offer<'a> {
    /// Reads an offer.
    ///
    /// # Errors
    /// `TooLarge`, `TooManyLines` or `Invalid`.
    pub fn parse(text: &'a str) -> Result<Self, NegotiateError> {
        if text.len() > SDP_BYTES_MAX {
            return Err(NegotiateError::TooLarge { bytes: text.len(), max: SDP_BYTES_MAX });
        }
        let media_lines =
            text.lines().filter(|line| line.starts_with("m=")).take(SDP_MEDIA_LINES_MAX + 1).count();
        if media_lines > SDP_MEDIA_LINES_ANSWERED_MAX {
            return Err(NegotiateError::TooManyLines {
                lines: media_lines,
                max: SDP_MEDIA_LINES_ANSWERED_MAX,
            });
        }
        let mut lines = text.lines().filter(|line| !line.is_empty()).map(split_line);
        if lines.next().ok_or(invalid("it is empty"))?? != ('v', "0") {
            return Err(invalid("it does not begin with v=0"));
        }
        let mut offer =
            Self { sections: Vec::new(), bundle: Vec::new(), association: Association::default() };
        let mut session_flow = Flow { sends: true, receives: true };
        let mut open: Option<Draft<'a>> = None;
        for line in lines {
            match (line?, &mut open) {
                (('m', value), _) => {
                    let next = Draft::begin(value, session_flow)?;
                    if let Some(done) = open.replace(next) {
                        offer.sections.push(done.finish()?);
                    }
                }
                (('a', value), Some(draft)) => draft.attribute(value)?,
                (('a', value), None) => {
                    if let Some(mids) = value.strip_prefix("group:BUNDLE").filter(|_| offer.bundle.is_empty())
                    {
                        offer.bundle = mids.split_ascii_whitespace().take(SDP_MEDIA_LINES_MAX).collect();
                    } else if let Some(flow) = Flow::parse(value) {
                        session_flow = flow;
                    } else {
                        offer.association.attribute(value)?;
                    }
                }
                _ => {}
            }
        }
        if let Some(done) = open {
            offer.sections.push(done.finish()?);
        }
        offer.check_mids()?;
        Ok(offer)
    }

    fn check_mids(&self) -> Result<(), NegotiateError> {
        for (place, section) in self.sections.iter().enumerate() {
            if self.sections[..place].iter().any(|other| other.mid == section.mid) {
                return Err(invalid("two media lines have the same mid"));
            }
        }
        Ok(())
    }
}

fn split_line(line: &str) -> Result<(char, &str), NegotiateError> {
    let mut rest = line.chars();
    match (rest.next(), rest.next()) {
        (Some(kind @ 'a'..='z'), Some('=')) if !line.contains('\0') => Ok((kind, rest.as_str())),
        _ => Err(invalid("a line is not of the form <type>=<value>")),
    }
}

fn is_token(text: &str) -> bool {
    // RFC 8866 §9 `token`.
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&b))
}

fn checked<'a>(
    text: &'a str,
    bytes: std::ops::RangeInclusive<usize>,
    allowed: fn(u8) -> bool,
    reason: &'static str,
) -> Result<&'a str, NegotiateError> {
    if bytes.contains(&text.len()) && text.bytes().all(allowed) { Ok(text) } else { Err(invalid(reason)) }
}

impl<'a> Association<'a> {
    /// Takes `a=<text>` when it speaks of ICE or DTLS.
    fn attribute(&mut self, text: &'a str) -> Result<(), NegotiateError> {
        // RFC 8839 §5.4 `ice-char`.
        let ice = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "ice-ufrag" => self.ufrag = Some(checked(value, 4..=256, ice, "ice-ufrag is malformed")?),
            "ice-pwd" => self.password = Some(checked(value, 22..=256, ice, "ice-pwd is malformed")?),
            "fingerprint" => {
                let allowed = |b: u8| b.is_ascii_alphanumeric() || b" :-".contains(&b);
                self.fingerprint = Some(checked(value, 8..=256, allowed, "fingerprint is malformed")?);
            }
            "setup" => match value {
                "actpass" | "active" | "passive" => self.setup = Some(value),
                _ => return Err(invalid("setup is not actpass, active or passive")),
            },
            "ice-lite" => self.ice_lite = true,
            _ => {}
        }
        Ok(())
    }
}

/// What is said of one payload type, before it is known which are whole.
#[derive(Debug, Clone, Copy, Default)]
struct Said<'a> {
    map: Option<&'a str>,
    parameters: Option<&'a str>,
    feedback: Feedback,
}

/// A media line being read.
struct Draft<'a> {
    section: Section<'a>,
    mid: Option<&'a str>,
    port_zero: bool,
    bundle_only: bool,
    order: Vec<u8>,
    said: Vec<Said<'a>>,
    /// `a=ssrc` seen first, and the first FID group.
    first_ssrc: Option<u32>,
}

impl<'a> Draft<'a> {
    fn begin(value: &'a str, flow: Flow) -> Result<Self, NegotiateError> {
        let mut parts = value.splitn(4, ' ');
        let mut part =
            || parts.next().filter(|part| !part.is_empty()).ok_or(invalid("a media line is not whole"));
        let (media, port, proto, formats) = (part()?, part()?, part()?, part()?);
        if !is_token(media) || !proto.split('/').all(is_token) {
            return Err(invalid("a media line has a malformed word"));
        }
        let port: u32 =
            port.split('/').next().and_then(|p| p.parse().ok()).ok_or(invalid("a port is no number"))?;
        let medium = match media {
            "audio" => Some(Medium::Audio),
            "video" => Some(Medium::Video),
            _ => None,
        };
        // A number that is named twice means one thing still, and is answered once.
        let mut named = 0_u128;
        let first = |pt: &u8| {
            let known = named >> *pt & 1 == 1;
            named |= 1 << *pt;
            !known
        };
        let order = formats.split_ascii_whitespace().filter_map(payload_type).filter(first).collect();
        // A refused line repeats its formats (RFC 3264 §6), so they have to be words.
        if !formats.split_ascii_whitespace().all(is_token) {
            return Err(invalid("a media line has a malformed format"));
        }
        Ok(Self {
            section: Section {
                medium: medium.filter(|_| proto.ends_with("RTP/SAVPF")),
                mid: "",
                off: false,
                flow,
                payloads: Vec::new(),
                extensions: Vec::new(),
                ssrcs: None,
                association: Association::default(),
                head: [media, proto, formats],
            },
            mid: None,
            port_zero: port == 0,
            bundle_only: false,
            order,
            said: vec![Said::default(); PAYLOADS_MAX],
            first_ssrc: None,
        })
    }

    fn attribute(&mut self, text: &'a str) -> Result<(), NegotiateError> {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "mid" => {
                if !is_token(value) || value.len() > MID_BYTES_MAX {
                    return Err(invalid("a mid is malformed or longer than 16 bytes"));
                }
                self.mid = Some(value);
            }
            "bundle-only" => self.bundle_only = true,
            "rtpmap" | "fmtp" | "rtcp-fb" => self.of_payload(name, value),
            "extmap" => self.extension(value),
            "ssrc" => {
                let ssrc = value.split(' ').next().and_then(|n| n.parse().ok());
                self.first_ssrc = self.first_ssrc.or(ssrc);
            }
            "ssrc-group" => {
                let mut parts = value.split_ascii_whitespace();
                if parts.next() == Some("FID") && self.section.ssrcs.is_none() {
                    let mut ssrc = || parts.next().and_then(|n| n.parse().ok());
                    self.section.ssrcs = ssrc().map(|main| (main, ssrc()));
                }
            }
            _ => match Flow::parse(text) {
                Some(flow) => self.section.flow = flow,
                None => self.section.association.attribute(text)?,
            },
        }
        Ok(())
    }

    fn of_payload(&mut self, name: &str, value: &'a str) {
        let Some((number, rest)) = value.split_once(' ') else { return };
        let Some(said) = payload_type(number).and_then(|pt| self.said.get_mut(usize::from(pt))) else {
            return;
        };
        match name {
            "rtpmap" => said.map = said.map.or(Some(rest)),
            "fmtp" => said.parameters = said.parameters.or(Some(rest)),
            _ => match rest {
                "nack" => said.feedback.nack = true,
                "nack pli" => said.feedback.pli = true,
                "ccm fir" => said.feedback.fir = true,
                "transport-cc" => said.feedback.transport_cc = true,
                "goog-remb" => said.feedback.remb = true,
                _ => {}
            },
        }
    }

    fn extension(&mut self, value: &str) {
        let mut parts = value.split_ascii_whitespace();
        // `extmap:<id>[/<direction>] <uri>` (RFC 8285 §8); ids over 14 need the two-byte form, which nobody needs for four.
        let id = parts.next().and_then(|id| id.split('/').next()).and_then(|id| id.parse::<u8>().ok());
        let known =
            parts.next().and_then(|uri| HeaderExtension::ALL.into_iter().find(|known| known.uri() == uri));
        let (Some(id @ 1..=14), Some(known)) = (id, known) else { return };
        let taken = |&(other, extension): &(u8, HeaderExtension)| other == id || extension == known;
        if !self.section.extensions.iter().any(taken) {
            self.section.extensions.push((id, known));
        }
    }

    fn finish(mut self) -> Result<Section<'a>, NegotiateError> {
        self.section.mid = self.mid.ok_or(invalid("a media line has no mid"))?;
        self.section.off = self.port_zero && !self.bundle_only;
        self.section.ssrcs = self.section.ssrcs.or_else(|| self.first_ssrc.map(|main| (main, None)));
        if let Some(medium) = self.section.medium {
            let resends: Vec<(u8, u8)> = self.order.iter().filter_map(|&pt| self.resend(pt)).collect();
            self.section.payloads = self
                .order
                .iter()
                .filter_map(|&payload_type| {
                    let said = self.said[usize::from(payload_type)];
                    let format = format_of(medium, said.map?, said.parameters.unwrap_or(""))?;
                    let rtx = resends.iter().find(|(_, apt)| *apt == payload_type).map(|(rtx, _)| *rtx);
                    Some(Payload { payload_type, rtx, format, feedback: said.feedback })
                })
                .collect();
            prefer_constrained(&mut self.section.payloads);
        }
        Ok(self.section)
    }

    /// The payload type and the one it repairs, when `payload_type` is RTX (RFC 4588 §8.6).
    fn resend(&self, payload_type: u8) -> Option<(u8, u8)> {
        let said = self.said[usize::from(payload_type)];
        let map = said.map?.get(..4)?;
        map.eq_ignore_ascii_case("rtx/").then_some(())?;
        let repaired = parameter(said.parameters?, "apt")?.parse().ok()?;
        Some((payload_type, repaired))
    }
}

/// A payload type that can be told from RTCP when the two share a port (RFC 5761 §4).
fn payload_type(text: &str) -> Option<u8> {
    text.parse().ok().filter(|pt| matches!(pt, 0..=63 | 96..=127))
}

fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn format_of(medium: Medium, map: &str, parameters: &str) -> Option<Format> {
    let map = map.trim_end().to_ascii_lowercase();
    match (medium, map.as_str()) {
        (Medium::Audio, "opus/48000/2") => Some(Format::Opus),
        (Medium::Video, "vp8/90000") => Some(Format::Video(VideoCodec::Vp8)),
        (Medium::Video, "vp9/90000") => {
            let profile = parameter(parameters, "profile-id").unwrap_or("0");
            (profile == "0").then_some(Format::Video(VideoCodec::Vp9))
        }
        (Medium::Video, "h264/90000") => h264_of(parameters).map(Format::H264),
        _ => None,
    }
}

/// Whether the profile is *constrained* baseline: constraint_set1 (RFC 6184 §8.1, table 5).
const fn is_constrained(format: H264Format) -> bool {
    format.profile_level_id & 0x4000 != 0
}

/// Leaves plain baseline out where the line offers constrained baseline as well. Alone it is taken: what such a peer decodes
/// includes what we send, and of what it may send only the rare tools of plain baseline are refused, picture by picture.
fn prefer_constrained(payloads: &mut Vec<Payload>) {
    let constrained =
        |payload: &Payload| matches!(payload.format, Format::H264(format) if is_constrained(format));
    if payloads.iter().any(constrained) {
        payloads.retain(|payload| !matches!(payload.format, Format::H264(format) if !is_constrained(format)));
    }
}

/// Baseline only: profile 66. Without a `profile-level-id` senders in the field mean what browsers do.
fn h264_of(parameters: &str) -> Option<H264Format> {
    let profile_level_id = match parameter(parameters, "profile-level-id") {
        Some(hex) if hex.len() == 6 => u32::from_str_radix(hex, 16).ok()?,
        Some(_) => return None,
        None => 0x42_e0_1f,
    };
    let packetization_mode = parameter(parameters, "packetization-mode").unwrap_or("0").parse().ok()?;
    (profile_level_id >> 16 == 0x42 && packetization_mode <= 1)
        .then_some(H264Format { profile_level_id, packetization_mode })
}
