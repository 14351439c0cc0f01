//! Answer to a SIP device: its media lines in its order, those that we do not take with port 0 (RFC 3264 §6).
//!
//! Flow: `offer`'s plan -> **here** -> `signalling`. One codec a line, the same both ways: what devices change in mid-call they offer
//! anew. Written by `sdp-types`, which lets no line break out of a value.

use super::LocalPorts;
use super::offer::{Format, Plan, Protection, SipConfig, Taken};
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use sdp_types::{
    Bandwidth, BandwidthType, Connection, Media, Origin, Rtcp, RtcpFb, RtcpFbCcm, RtcpFbNack, RtcpFbVal,
    RtpMap, Session, Time,
};

/// Milliseconds of sound in a packet of ours.
const PTIME_MS: u32 = 20;

/// Writes the answer. `ports` are those of `plan.taken`, in the same order; `session_id` is random.
pub(super) fn write(plan: &Plan, ports: &[LocalPorts], config: &SipConfig, session_id: u64) -> String {
    let mut answer = Session::new(Origin::with_ip_addr(session_id >> 1, 1, config.advertised), "-");
    answer.set_connection(Connection::from_ip_addr(config.advertised));
    answer.add_time(Time::new(0, 0));
    for (place, offered) in plan.session.medias.iter().enumerate() {
        let taken = plan.taken.iter().zip(ports).find(|(taken, _)| taken.place == place);
        answer.add_media(match taken {
            Some((taken, ports)) => accepted(offered, taken, ports, config),
            None => refused(offered),
        });
    }
    let mut text = Vec::with_capacity(2_048);
    // Writing to memory does not fail.
    let _ = answer.write(&mut text);
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
        media.fmt.push_str(&format!(" {events}"));
    }
    match taken.format {
        Format::Audio(AudioCodec::Opus) => {
            media.add_attribute(RtpMap::with_encoding_params(pt, "opus", 48_000, 2));
            media.add_attribute_with_value("fmtp", format!("{pt} minptime=10;useinbandfec=1"));
            media.add_attribute_with_value("ptime", PTIME_MS);
        }
        Format::Audio(codec) => {
            media.add_attribute(RtpMap::new(pt, codec.name(), codec.clock_rate().hz()));
            media.add_attribute_with_value("ptime", PTIME_MS);
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
    if let (Some(events), Format::Audio(codec)) = (taken.events, taken.format) {
        media.add_attribute(RtpMap::new(events, "telephone-event", codec.clock_rate().hz()));
        media.add_attribute_with_value("fmtp", format!("{events} 0-15"));
    }
    if taken.format.codec().video().is_some() {
        media.add_bandwidth(Bandwidth::new(BandwidthType::As, u64::from(config.receive_kbps_max)));
        if taken.feedback.pli {
            media.add_attribute(RtcpFb::new(pt, RtcpFbVal::Nack(Some(RtcpFbNack::Pli))));
        }
        if taken.feedback.fir {
            media.add_attribute(RtcpFb::new(pt, RtcpFbVal::Ccm(RtcpFbCcm::Fir)));
        }
    }
    if let Protection::Sdes(keys) = &taken.protection {
        media.add_attribute_with_value("crypto", keys.attribute());
    }
    if taken.mux {
        media.add_attribute_from_str("rtcp-mux");
    } else {
        media.add_attribute(Rtcp::with_port(ports.rtcp.port()));
    }
    media.add_attribute_from_str(taken.direction.as_str());
    media
}
