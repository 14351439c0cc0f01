//! Narrowing: which lines and formats of an offer we take, and the offer cut down to exactly those.
//!
//! Flow: `offer` -> **here** -> `negotiate`. The library never sees a codec, a line, a candidate or an attribute that we do not mean
//! to speak, so its work is bounded by four lines and five formats however large the offer was.
//!
//! What is left out, and why:
//! - simulcast and `rid`: one encoding is asked for by signalling; refused in the answer, a sender sends its first;
//! - candidates: ICE-lite never checks, and learns where a peer is from its signed checks;
//! - `msid`: replaced by ours, one stream for sound and main picture, so that a browser plays the two in step;
//! - video orientation: left out, so that senders turn their pictures themselves;
//! - lines without a role, without a codec or outside the BUNDLE group: refused with port 0 (RFC 3264 §6).

use super::lines::{H264Format, LINES_MAX, Line, LineRoles, Medium};
use super::negotiate::{Kind, NegotiateError, PeerConfig};
use super::offer::{Association, Flow, Format, HeaderExtension, Offer, Payload, Section};
use mcu_core::id::SourceKind;
use mcu_core::media::codec::VideoCodec;
use std::fmt::Write as _;

/// Highest H.264 level that we say we decode: 4.0, 1920x1080 at 30 frames per second (H.264 table A-1).
const H264_LEVEL_MAX: u32 = 40;

/// One line that we answer.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) line: Line,
    pub(crate) mid: Box<str>,
    /// Its place among the offer's media lines.
    pub(crate) place: usize,
    /// Which way media flows, from our point of view.
    pub(crate) flow: Flow,
    /// The formats, in the offerer's order.
    pub(crate) payloads: Vec<Payload>,
}

/// What we make of an offer.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The lines that we answer, in SDP order.
    pub(crate) taken: Vec<Taken>,
    /// Every format of them once, in the order of the first line that has it.
    pub(crate) payloads: Vec<Payload>,
    /// Header extensions with their ids, one meaning for the whole session.
    pub(crate) extensions: Vec<(u8, HeaderExtension)>,
    /// The streams that the peer will send, when it announced them for every line that we receive.
    pub(crate) announced: Option<Vec<u32>>,
    /// The offer cut down to all this.
    pub(crate) sdp: String,
}

/// The `msid` of a line: its stream, by what is played in step, and its track.
pub(crate) const fn msid(line: Line) -> (&'static str, &'static str) {
    match (line.kind, line.medium) {
        (SourceKind::Main, Medium::Audio) => ("mcu-main", "mcu-main-audio"),
        (SourceKind::Main, Medium::Video) => ("mcu-main", "mcu-main-video"),
        (SourceKind::Content, Medium::Audio) => ("mcu-content", "mcu-content-audio"),
        (SourceKind::Content, Medium::Video) => ("mcu-content", "mcu-content-video"),
    }
}

impl Plan {
    /// Decides what to take of `offer`.
    ///
    /// # Errors
    /// `NoMedia`, `NoCommonCodec` (of a main line), or `Invalid` when ICE or DTLS attributes are missing.
    pub(crate) fn make(
        offer: &Offer<'_>,
        config: &PeerConfig,
        roles: &LineRoles,
    ) -> Result<Self, NegotiateError> {
        let candidates: Vec<(usize, &Section<'_>, Medium)> = offer
            .sections
            .iter()
            .enumerate()
            .filter(|(_, section)| !section.off)
            .filter_map(|(place, section)| Some((place, section, section.medium?)))
            .collect();
        if candidates.is_empty() {
            return Err(NegotiateError::NoMedia);
        }
        let named: Vec<(Medium, &str)> =
            candidates.iter().map(|&(_, section, medium)| (medium, section.mid)).collect();
        let mut plan = Self {
            taken: Vec::with_capacity(LINES_MAX),
            payloads: Vec::new(),
            extensions: Vec::new(),
            announced: None,
            sdp: String::new(),
        };
        for ((place, section, medium), role) in candidates.into_iter().zip(roles.assign(&named)) {
            let Some(line) = role else { continue };
            // One transport for all: a line outside the group would need its own.
            if !offer.bundle.contains(&section.mid) && !plan.taken.is_empty() {
                continue;
            }
            let payloads = plan.agree(section, config);
            if payloads.is_empty() {
                if line.kind == SourceKind::Main {
                    return Err(NegotiateError::NoCommonCodec { medium });
                }
                continue;
            }
            let allowed = allowed(config.kind, line);
            let flow = Flow {
                sends: allowed.sends && section.flow.receives,
                receives: allowed.receives && section.flow.sends,
            };
            plan.taken.push(Taken { line, mid: section.mid.into(), place, flow, payloads });
            for &(id, extension) in &section.extensions {
                let taken = |&(other, known): &(u8, HeaderExtension)| other == id || known == extension;
                if !plan.extensions.iter().any(taken) {
                    plan.extensions.push((id, extension));
                }
            }
        }
        if plan.taken.is_empty() {
            return Err(NegotiateError::NoMedia);
        }
        plan.announced = plan.announced(offer);
        plan.sdp = plan.write(offer)?;
        Ok(plan)
    }

    /// The payloads of `section` that we take: configured, and each number and each format with one meaning in the whole session.
    fn agree(&mut self, section: &Section<'_>, config: &PeerConfig) -> Vec<Payload> {
        let mut agreed: Vec<Payload> = Vec::new();
        for payload in &section.payloads {
            if codec(payload.format).is_some_and(|codec| !config.video_codecs.contains(&codec)) {
                continue;
            }
            if self.payloads.iter().any(|known| known == payload) {
                agreed.push(*payload);
            } else if !self.payloads.iter().any(|known| clash(known, payload)) {
                self.payloads.push(*payload);
                agreed.push(*payload);
            }
        }
        agreed
    }

    fn announced(&self, offer: &Offer<'_>) -> Option<Vec<u32>> {
        let mut all = Vec::with_capacity(2 * LINES_MAX);
        for taken in self.taken.iter().filter(|taken| taken.flow.receives) {
            let (main, rtx) = offer.sections[taken.place].ssrcs?;
            // Resends that were agreed but not announced will come from a stream yet unknown.
            if rtx.is_none() && taken.payloads.iter().any(|payload| payload.rtx.is_some()) {
                return None;
            }
            all.push(main);
            all.extend(rtx);
        }
        Some(all)
    }

    fn write(&self, offer: &Offer<'_>) -> Result<String, NegotiateError> {
        let association = association(offer, &self.taken)
            .ok_or(NegotiateError::Invalid { reason: "ice-ufrag, ice-pwd or fingerprint is missing" })?;
        let mut sdp = String::with_capacity(4_096);
        sdp.push_str("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE");
        for taken in &self.taken {
            sdp.push(' ');
            sdp.push_str(&taken.mid);
        }
        sdp.push_str("\r\n");
        if offer.association.ice_lite {
            sdp.push_str("a=ice-lite\r\n");
        }
        for taken in &self.taken {
            // Writing to a String cannot fail.
            let _ = self.write_section(&mut sdp, &offer.sections[taken.place], taken, &association);
        }
        Ok(sdp)
    }

    fn write_section(
        &self,
        sdp: &mut String,
        section: &Section<'_>,
        taken: &Taken,
        association: &Whole<'_>,
    ) -> std::fmt::Result {
        let [media, proto, _] = section.head;
        write!(sdp, "m={media} 9 {proto}")?;
        for payload in &taken.payloads {
            write!(sdp, " {}", payload.payload_type)?;
            if let Some(rtx) = payload.rtx {
                write!(sdp, " {rtx}")?;
            }
        }
        let Whole { ufrag, password, fingerprint, setup } = association;
        write!(sdp, "\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n")?;
        write!(sdp, "a=fingerprint:{fingerprint}\r\na=setup:{setup}\r\na=mid:{}\r\n", taken.mid)?;
        for (id, extension) in
            section.extensions.iter().filter(|extension| self.extensions.contains(extension))
        {
            write!(sdp, "a=extmap:{id} {}\r\n", extension.uri())?;
        }
        // The offerer's direction that leaves us exactly ours.
        let offered = Flow { sends: taken.flow.receives, receives: taken.flow.sends };
        let (stream, track) = msid(taken.line);
        write!(
            sdp,
            "a={}\r\na=msid:{stream} {track}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n",
            offered.attribute()
        )?;
        for payload in &taken.payloads {
            write_payload(sdp, payload)?;
        }
        if let Some((main, rtx)) = section.ssrcs.filter(|_| taken.flow.receives) {
            if let Some(rtx) = rtx {
                write!(
                    sdp,
                    "a=ssrc-group:FID {main} {rtx}\r\na=ssrc:{main} cname:c\r\na=ssrc:{rtx} cname:c\r\n"
                )?;
            } else {
                write!(sdp, "a=ssrc:{main} cname:c\r\n")?;
            }
        }
        Ok(())
    }
}

/// The most that a line does, from our point of view.
const fn allowed(kind: Kind, line: Line) -> Flow {
    let content_audio = matches!((line.kind, line.medium), (SourceKind::Content, Medium::Audio));
    Flow {
        sends: !matches!(kind, Kind::SendOnlyFromClient) && !content_audio,
        receives: !matches!(kind, Kind::ReceiveOnly),
    }
}

/// The picture codec of a format.
pub(crate) const fn codec(format: Format) -> Option<VideoCodec> {
    match format {
        Format::Opus => None,
        Format::Video(codec) => Some(codec),
        Format::H264(_) => Some(VideoCodec::H264),
    }
}

/// What tells formats apart when lines are matched: for H.264 the packetization mode, not the level.
const fn distinct(format: Format) -> (Option<VideoCodec>, u8) {
    match format {
        Format::H264(h264) => (Some(VideoCodec::H264), h264.packetization_mode),
        other => (codec(other), 0),
    }
}

/// Whether two payloads cannot be in one session: a number or a format would mean two things.
fn clash(known: &Payload, new: &Payload) -> bool {
    let numbers = [Some(known.payload_type), known.rtx];
    distinct(known.format) == distinct(new.format)
        || numbers.contains(&Some(new.payload_type))
        || (new.rtx.is_some() && numbers.contains(&new.rtx))
        || new.rtx == Some(new.payload_type)
}

/// What we say we decode of an H.264 offer: its profile, its level up to ours.
pub(crate) const fn h264_answered(offered: H264Format) -> H264Format {
    let level = offered.profile_level_id & 0xff;
    let level = if level > H264_LEVEL_MAX { H264_LEVEL_MAX } else { level };
    H264Format { profile_level_id: (offered.profile_level_id & 0xff_ff_00) | level, ..offered }
}

fn write_payload(sdp: &mut String, payload: &Payload) -> std::fmt::Result {
    let pt = payload.payload_type;
    match payload.format {
        Format::Opus => {
            write!(sdp, "a=rtpmap:{pt} opus/48000/2\r\na=fmtp:{pt} minptime=10;useinbandfec=1\r\n")?
        }
        Format::Video(VideoCodec::Vp9) => {
            write!(sdp, "a=rtpmap:{pt} VP9/90000\r\na=fmtp:{pt} profile-id=0\r\n")?
        }
        Format::Video(codec) => write!(sdp, "a=rtpmap:{pt} {}/90000\r\n", codec.name())?,
        Format::H264(h264) => write!(
            sdp,
            "a=rtpmap:{pt} H264/90000\r\na=fmtp:{pt} level-asymmetry-allowed=1;packetization-mode={};profile-level-id={:06x}\r\n",
            h264.packetization_mode,
            h264_answered(h264).profile_level_id,
        )?,
    }
    let feedback = payload.feedback;
    let offered = [
        (feedback.transport_cc, "transport-cc"),
        (feedback.nack, "nack"),
        (feedback.pli, "nack pli"),
        (feedback.fir, "ccm fir"),
        (feedback.remb, "goog-remb"),
    ];
    for (_, name) in offered.into_iter().filter(|(has, _)| *has) {
        write!(sdp, "a=rtcp-fb:{pt} {name}\r\n")?;
    }
    if let Some(rtx) = payload.rtx {
        write!(sdp, "a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={pt}\r\n")?;
    }
    Ok(())
}

/// ICE and DTLS with nothing missing.
struct Whole<'a> {
    ufrag: &'a str,
    password: &'a str,
    fingerprint: &'a str,
    setup: &'a str,
}

/// The association of the bundle: the session's, or that of the first taken line that says it.
fn association<'a>(offer: &Offer<'a>, taken: &[Taken]) -> Option<Whole<'a>> {
    let sections = || taken.iter().map(|taken| &offer.sections[taken.place].association);
    let first = |of: fn(&Association<'a>) -> Option<&'a str>| {
        of(&offer.association).or_else(|| sections().find_map(of))
    };
    Some(Whole {
        ufrag: first(|a| a.ufrag)?,
        password: first(|a| a.password)?,
        fingerprint: first(|a| a.fingerprint)?,
        setup: first(|a| a.setup).unwrap_or("actpass"),
    })
}
