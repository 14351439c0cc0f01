//! The floor line of a device's offer: BFCP for its content, agreed in SDP (RFC 8856).
//!
//! Flow: `offer` -> **here** -> `answer`. Pure. What is said on it is `signalling`'s: here it is one more media line, taken when the device
//! asks us to be the floor control server of a content line that is taken too.

use super::super::lines::Line;
use super::offer::Taken;
use sdp_types::{Media, Session};

/// The name of our content line (RFC 4574), by which the floor is tied to it.
pub(super) const CONTENT_LABEL: &str = "12";

/// The floor as a device is to be told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloorControl {
    /// Where we listen, by UDP and TCP.
    pub port: u16,
    /// `confid` (RFC 8856 §5.2).
    pub conference: u32,
    /// `userid` (§5.3): the device.
    pub user: u16,
    /// `floorid` (§5.4).
    pub floor: u16,
}

/// The place of the offer's floor line, when there is one that we take.
pub(super) fn place(session: &Session, taken: &[Taken]) -> Option<usize> {
    let has_content = taken.iter().any(|taken| taken.line == Line::CONTENT_VIDEO);
    has_content.then(|| session.medias.iter().position(is_spoken)).flatten()
}

fn is_spoken(media: &Media) -> bool {
    let value = |name| media.get_first_attribute_value(name).flatten();
    // Both may be said, and without any the device is a client (RFC 8856 §5.1).
    let client = value("floorctrl")
        .is_none_or(|roles| roles.split_ascii_whitespace().any(|role| matches!(role, "c-only" | "c-s")));
    let carried = match media.proto.as_str() {
        "UDP/BFCP" => true,
        // Who wants to be connected to names an address that it may not own.
        "TCP/BFCP" => value("setup").is_none_or(|setup| matches!(setup, "active" | "actpass")),
        _ => false,
    };
    media.media == "application" && media.port != 0 && client && carried
}

/// Completes the answer's line, which so far refuses.
pub(super) fn accept(media: &mut Media, control: FloorControl) {
    media.port = control.port;
    media.add_attribute_with_value("floorctrl", "s-only");
    media.add_attribute_with_value("confid", control.conference);
    media.add_attribute_with_value("userid", control.user);
    media.add_attribute_with_value("floorid", format!("{} mstrm:{CONTENT_LABEL}", control.floor));
    if media.proto == "TCP/BFCP" {
        media.add_attribute_with_value("setup", "passive");
        media.add_attribute_with_value("connection", "new");
    }
}

#[cfg(test)]
mod tests {
    use super::super::offer::{Plan, SipConfig};
    use super::super::tests::{ROOM_SYSTEM, config};
    use super::super::{LocalPorts, answer, standing::Standing};
    use super::*;

    const CONTROL: FloorControl = FloorControl { port: 5_070, conference: 4_294_967_295, user: 7, floor: 1 };
    /// [`ROOM_SYSTEM`], whose third line is what it shares.
    fn with_content() -> String {
        ROOM_SYSTEM.replace("a=content:sl", "a=content:slides")
    }

    /// Its last line.
    const FLOOR: &str = "m=application 50006 UDP/BFCP *\r\na=floorctrl:c-s\r\n";

    fn answered(offer: &str, floor: Option<FloorControl>) -> String {
        let config = SipConfig { floor, ..config() };
        let plan = Plan::make(offer, &config).expect("taken");
        let port = |place: usize| format!("192.0.2.1:{}", 40_000 + place * 2).parse().expect("an address");
        let ports: Vec<_> =
            (0..plan.taken.len()).map(|place| LocalPorts { rtp: port(place), rtcp: port(place) }).collect();
        answer::write(&plan, &ports, &config, Standing::next_origin(None).expect("randomness"))
    }

    /// The answer from its fourth media line on.
    fn floor_line(answer: &str) -> String {
        format!("m={}", answer.split("m=").nth(4).expect("four lines"))
    }

    #[test]
    fn a_floor_is_taken_with_the_content_that_it_is_of() {
        let answer = answered(&with_content(), Some(CONTROL));
        assert!(answer.contains("a=content:slides\r\na=label:12\r\n"), "{answer}");
        assert_eq!(
            floor_line(&answer),
            "m=application 5070 UDP/BFCP *\r\na=floorctrl:s-only\r\na=confid:4294967295\r\na=userid:7\r\na=floorid:1 mstrm:12\r\n"
        );
        let by_tcp =
            with_content().replace("UDP/BFCP", "TCP/BFCP") + "a=setup:actpass\r\na=connection:new\r\n";
        let answer = answered(&by_tcp, Some(CONTROL));
        assert!(floor_line(&answer).ends_with("a=setup:passive\r\na=connection:new\r\n"), "{answer}");
    }

    #[test]
    fn a_floor_that_cannot_be_ours_is_refused_and_nothing_else_with_it() {
        let refused = |from: &str, to: &str, control| {
            assert!(FLOOR.contains(from));
            let answer = answered(&with_content().replace(FLOOR, &FLOOR.replace(from, to)), control);
            assert!(answer.contains("a=content:slides\r\n"), "{answer}");
            floor_line(&answer).starts_with("m=application 0 ")
        };
        let given = Some(CONTROL);
        assert!(!refused("c-s", "c-s", given), "the control");
        assert!(!refused("c-s", "s-only c-only", given));
        assert!(!refused("a=floorctrl:c-s\r\n", "", given));
        assert!(refused("c-s", "c-s", None), "nobody listens");
        assert!(refused("c-s", "s-only", given), "two servers");
        assert!(refused("UDP/BFCP", "UDP/TLS/BFCP", given));
        assert!(refused("50006", "0", given));
        assert!(
            refused("UDP/BFCP *\r\n", "TCP/BFCP *\r\na=setup:passive\r\n", given),
            "it wants to be connected to"
        );
    }

    #[test]
    fn without_content_there_is_no_floor() {
        let second_camera = ROOM_SYSTEM.replace("a=content:sl", "a=content:main");
        for offer in [ROOM_SYSTEM, &second_camera] {
            let answer = answered(offer, Some(CONTROL));
            assert!(floor_line(&answer).starts_with("m=application 0 "), "{answer}");
        }
    }
}
