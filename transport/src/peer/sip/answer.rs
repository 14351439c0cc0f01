//! Answer to a SIP device: its media lines in its order, those that we do not take with port 0 (RFC 3264 §6). And how a line of ours is
//! written, in an answer and in an offer.
//!
//! Flow: `offer`'s plan, `proposal` -> **here** -> `signalling`. One codec a line, the same both ways: what devices change in mid-call they offer
//! anew. Written by `sdp-types`, which lets no line break out of a value.

use super::super::lines::Line;
use super::floor;
use super::offer::{Events, Feedback, Format, Plan, SipConfig, Taken};
use super::protection::Protection;
use super::standing::{LocalPorts, SdpOrigin};
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use sdp_types::{
    Bandwidth, BandwidthType, Connection, Media, Origin, Rtcp, RtcpFb, RtcpFbCcm, RtcpFbNack, RtcpFbVal,
    RtpMap, Session, Time,
};
use std::net::SocketAddr;

/// Milliseconds of sound in a packet of ours.
pub(super) const PTIME_MS: u32 = 20;

/// Writes the answer. `ports` are those of `plan.taken`, in the same order.
pub(super) fn write(plan: &Plan, ports: &[LocalPorts], config: &SipConfig, origin: SdpOrigin) -> String {
    let mut answer = session(origin, config);
    for (place, offered) in plan.session.medias.iter().enumerate() {
        let taken = plan.taken.iter().zip(ports).find(|(taken, _)| taken.place == place);
        let mut media = match taken {
            Some((taken, ports)) => accepted(offered, taken, ports, config),
            None => refused(offered),
        };
        if let Some(control) = config.floor.filter(|_| plan.floor == Some(place)) {
            floor::accept(&mut media, control);
        }
        answer.add_media(media);
    }
    text(&answer)
}

/// A session of ours without media lines.
pub(super) fn session(origin: SdpOrigin, config: &SipConfig) -> Session {
    let origin = Origin::with_ip_addr(origin.session, origin.version, config.advertised);
    let mut session = Session::new(origin, "-");
    session.set_connection(Connection::from_ip_addr(config.advertised));
    session.add_time(Time::new(0, 0));
    session
}

/// As it goes into a body.
pub(super) fn text(session: &Session) -> String {
    let mut text = Vec::with_capacity(2_048);
    // Writing to memory does not fail.
    let _ = session.write(&mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// The offer's line with nothing behind it.
fn refused(offered: &Media) -> Media {
    Media {
        media: offered.media.clone(),
        port: 0,
        num_ports: None,
        proto: offered.proto.clone(),
        fmt: offered.fmt.clone(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

fn accepted(offered: &Media, taken: &Taken, ports: &LocalPorts, config: &SipConfig) -> Media {
    let pt = taken.payload_type;
    let mut media = refused(offered);
    media.port = ports.rtp.port();
    media.fmt = pt.to_string();
    if let Some(events) = taken.events {
        media.fmt.push_str(&format!(" {}", events.payload_type));
    }
    describe(&mut media, taken.format, pt);
    if let Some(Events { payload_type, clock_hz }) = taken.events {
        describe_events(&mut media, payload_type, clock_hz);
    }
    if let Format::Audio(_) = taken.format {
        media.add_attribute_with_value("ptime", PTIME_MS);
    } else {
        media.add_bandwidth(Bandwidth::new(BandwidthType::As, u64::from(config.receive_kbps_max)));
        describe_feedback(&mut media, pt, taken.feedback);
    }
    match &taken.protection {
        Protection::Plain => {}
        Protection::Sdes(keys) => media.add_attribute_with_value("crypto", keys.attribute()),
        Protection::Dtls(terms) => {
            let here = SocketAddr::new(config.advertised, ports.rtp.port());
            terms.describe(&mut media, here);
        }
    }
    describe_rtcp(&mut media, ports, taken.mux);
    if taken.line == Line::CONTENT_VIDEO {
        media.add_attribute_with_value("content", "slides");
        media.add_attribute_with_value("label", floor::CONTENT_LABEL);
    }
    media.add_attribute_from_str(taken.direction.as_str());
    media
}

/// What a format is called, and its parameters.
pub(super) fn describe(media: &mut Media, format: Format, pt: u8) {
    match format {
        Format::Audio(AudioCodec::Opus) => {
            media.add_attribute(RtpMap::with_encoding_params(pt, "opus", 48_000, 2));
            media.add_attribute_with_value("fmtp", format!("{pt} minptime=10;useinbandfec=1"));
        }
        Format::Audio(codec) => {
            media.add_attribute(RtpMap::new(pt, codec.name(), codec.clock_rate().hz()));
        }
        Format::Video(codec) => {
            media.add_attribute(RtpMap::new(pt, codec.name(), 90_000));
        }
        Format::H264(h264, asymmetric) => {
            let asymmetry = if asymmetric { "level-asymmetry-allowed=1;" } else { "" };
            let (profile, mode) = (h264.profile_level_id, h264.packetization_mode);
            media.add_attribute(RtpMap::new(pt, VideoCodec::H264.name(), 90_000));
            media.add_attribute_with_value(
                "fmtp",
                format!("{pt} {asymmetry}profile-level-id={profile:06x};packetization-mode={mode}"),
            );
        }
    }
}

/// Telephone events of 0 to 15: the keys (RFC 4733).
pub(super) fn describe_events(media: &mut Media, pt: u8, clock_hz: u32) {
    media.add_attribute(RtpMap::new(pt, "telephone-event", clock_hz));
    media.add_attribute_with_value("fmtp", format!("{pt} 0-15"));
}

/// By what we can be asked for a key frame.
pub(super) fn describe_feedback(media: &mut Media, pt: u8, feedback: Feedback) {
    if feedback.pli {
        media.add_attribute(RtcpFb::new(pt, RtcpFbVal::Nack(Some(RtcpFbNack::Pli))));
    }
    if feedback.fir {
        media.add_attribute(RtcpFb::new(pt, RtcpFbVal::Ccm(RtcpFbCcm::Fir)));
    }
}

/// Where RTCP is to come.
pub(super) fn describe_rtcp(media: &mut Media, ports: &LocalPorts, mux: bool) {
    if mux {
        media.add_attribute_from_str("rtcp-mux");
    } else {
        media.add_attribute(Rtcp::with_port(ports.rtcp.port()));
    }
}
