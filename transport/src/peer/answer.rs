//! Answer: the library's answer to the narrowed offer becomes the answer to the whole one.
//!
//! Flow: the library -> **here** -> `signalling`. Refused lines come back in their places with port 0 (RFC 3264 §6), mids
//! are as the offerer spelt them, and picture lines carry the most that may be sent to us.

use super::lines::{Line, Medium};
use super::narrow::Plan;
use super::negotiate::PeerConfig;
use super::offer::Offer;
use mcu_core::id::SourceKind;

/// Puts the answer together. `None` when the library did not answer exactly the lines it was given.
pub(crate) fn assemble(
    answered: &str,
    offer: &Offer<'_>,
    plan: &Plan,
    config: &PeerConfig,
) -> Option<String> {
    let mut sections = answered.split_inclusive('\n').fold(vec![String::new()], |mut parts, line| {
        if line.starts_with("m=") {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
        }
        parts
    });
    let session = sections.remove(0);
    if sections.len() != plan.taken.len() {
        return None;
    }
    let mut sdp = String::with_capacity(answered.len() + 128 * offer.sections.len());
    write_session(&mut sdp, &session, offer, plan);
    for (place, refused) in offer.sections.iter().enumerate() {
        match plan.taken.iter().zip(&sections).find(|(taken, _)| taken.place == place) {
            Some((taken, section)) => {
                write_section(&mut sdp, section, &taken.mid, receive_kbps(config, taken.line))
            }
            None => {
                let [media, proto, formats] = refused.head;
                sdp.extend([
                    "m=",
                    media,
                    " 0 ",
                    proto,
                    " ",
                    formats,
                    "\r\nc=IN IP4 0.0.0.0\r\na=mid:",
                    refused.mid,
                ]);
                sdp.push_str("\r\na=inactive\r\n");
            }
        }
    }
    Some(sdp)
}

fn write_session(sdp: &mut String, session: &str, offer: &Offer<'_>, plan: &Plan) {
    for line in session.split_inclusive('\n') {
        if !line.starts_with("a=group:") {
            sdp.push_str(line);
        } else if !offer.bundle.is_empty() {
            sdp.push_str("a=group:BUNDLE");
            for taken in &plan.taken {
                sdp.extend([" ", &taken.mid]);
            }
            sdp.push_str("\r\n");
        }
    }
}

fn write_section(sdp: &mut String, section: &str, mid: &str, kbps: Option<u32>) {
    for line in section.split_inclusive('\n') {
        if line.starts_with("a=mid:") {
            sdp.extend(["a=mid:", mid, "\r\n"]);
            continue;
        }
        sdp.push_str(line);
        if let Some(kbps) = kbps.filter(|_| line.starts_with("c=")) {
            // RFC 8866 §5.8: after `c=`, before every attribute.
            sdp.push_str(&format!("b=AS:{kbps}\r\n"));
        }
    }
}

const fn receive_kbps(config: &PeerConfig, line: Line) -> Option<u32> {
    match (line.medium, line.kind) {
        (Medium::Audio, _) => None,
        (Medium::Video, SourceKind::Main) => config.main_receive_kbps_max,
        (Medium::Video, SourceKind::Content) => config.content_receive_kbps_max,
    }
}
