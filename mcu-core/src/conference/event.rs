//! What participants are told over the event socket: the server's half of `docs/API.md`, "Events".
//!
//! Flow: conference (and the server's statistics) -> **here** -> signalling, as JSON. Thread: control.
//! A field here is a promise to clients: it is renamed nowhere and removed never.

use super::plan::RateClass;
use super::roster::{DisplayName, LayoutChoice, Role, Via};
use crate::id::{ParticipantId, SourceKind};
use crate::media::frame::Size;
use crate::privacy::ContentAccess;
use serde::{Deserialize, Serialize};

/// One message to a client; JSON with the field `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first message on a socket.
    Welcome {
        /// Who the receiver is.
        participant_id: ParticipantId,
        /// What it may do.
        role: Role,
        /// Where it is.
        room: RoomName,
        /// Who can look inside its media.
        access: ContentAccess,
        /// Only hosts come in from now on.
        locked: bool,
    },
    /// A host or the administrator has locked the meeting, or opened it again.
    Locked {
        /// Only hosts come in from now on.
        locked: bool,
    },
    /// Whether the meeting waits for its host. Told to a fresh socket while it does, and when it begins.
    Waiting {
        /// Until then everybody sees a card, and nobody is heard.
        waiting: bool,
    },
    /// Who can look inside the meeting's media has changed. Whose media go in the clear, the roster says.
    Access {
        /// Who can now.
        access: ContentAccess,
    },
    /// Everybody who is here. Sent whole, at most every 100 ms; who speaks comes as [`Event::Speaking`].
    Roster {
        /// In the order in which they joined.
        participants: Vec<RosterEntry>,
    },
    /// The receiver's picture from the frame with `rtp_timestamp` on.
    Layout(LayoutEvent),
    /// Somebody began or stopped speaking.
    Speaking {
        /// Who.
        participant_id: ParticipantId,
        /// Began.
        speaking: bool,
    },
    /// Somebody else has the word now.
    ActiveSpeaker {
        /// Who; nobody when whoever had it left or went silent for good (muted, disconnected).
        participant_id: Option<ParticipantId>,
    },
    /// What the node can use of the receiver's own picture.
    VideoRequest(VideoRequest),
    /// The node has muted the receiver.
    Muted {
        /// In whose name.
        by: MutedBy,
    },
    /// Who shares content.
    Floor {
        /// Nobody: the floor is free.
        holder: Option<ParticipantId>,
    },
    /// How the receiver's way does; made by the server, every 2 s.
    Stats {
        /// What it receives.
        receive_kbps: u32,
        /// Packets lost on the way to it.
        loss_permille: u32,
        /// There and back.
        rtt_ms: u32,
        /// Which rung of the ladder it gets.
        class: RateClass,
    },
    /// The last message on a socket.
    Closing {
        /// Why.
        reason: ClosingReason,
        /// When to try again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u32>,
    },
}

/// How a room is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomName {
    /// For people.
    pub name: String,
    /// In links.
    pub alias: String,
}

/// One line of the roster; the API's `participant`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterEntry {
    /// Who.
    pub id: ParticipantId,
    /// What others read.
    pub name: DisplayName,
    /// What it may do.
    pub role: Role,
    /// Which way it came.
    pub via: Via,
    /// Its microphone is off.
    pub muted: bool,
    /// Its camera is on.
    pub camera: bool,
    /// It shares.
    pub sharing: bool,
    /// It speaks.
    pub speaking: bool,
    /// What it wants to see.
    pub layout: LayoutChoice,
    /// Its media are encrypted on the way between it and the node; unknown until they were up for the first time.
    pub secured: Option<bool>,
    /// Seconds since 1970-01-01 UTC.
    pub joined_at: u64,
}

/// Where everybody is in one receiver's picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayoutEvent {
    /// Which of its pictures.
    pub line: SourceKind,
    /// What the tiles' coordinates count in; the coded picture may be smaller.
    pub canvas: Size,
    /// The first frame that looks like this (compare modulo 2^32).
    pub rtp_timestamp: u32,
    /// Back to front.
    pub tiles: Vec<LayoutTile>,
    /// What the receiver asked for.
    pub layout: LayoutChoice,
}

/// One place in a receiver's picture, in pixels of the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayoutTile {
    /// Whose.
    pub participant_id: ParticipantId,
    /// Its camera or what it shares.
    pub kind: SourceKind,
    /// Left edge.
    pub x: u16,
    /// Top edge.
    pub y: u16,
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
    /// The receiver's own, to paint its camera over.
    #[serde(rename = "self")]
    pub own: bool,
    /// There is a picture; without one, initials stand for it.
    pub video: bool,
}

/// What the node can use of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoRequest {
    /// Which source of the receiver's.
    pub kind: SourceKind,
    /// Rows.
    pub height: u16,
    /// Frames per second.
    pub fps: u32,
    /// At most.
    pub kbps: u32,
    /// Nobody sees it: send nothing.
    pub paused: bool,
}

/// In whose name somebody was muted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MutedBy {
    /// A host of the meeting.
    Host,
    /// The holder of the admin token.
    Admin,
}

/// Why a participant's stay ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClosingReason {
    /// It left.
    Left,
    /// It was sent away, or its media path stayed down too long.
    Disconnected,
    /// The room is gone.
    RoomDeleted,
    /// The node is shutting down.
    Draining,
    /// The same participant came again.
    Replaced,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(event: &Event) -> String {
        let text = serde_json::to_string(event).expect("an event is plain data");
        let back: Event = serde_json::from_str(&text).expect("our own words parse");
        assert_eq!(&back, event);
        text
    }

    #[test]
    fn events_are_spelled_as_the_api_says() {
        let tile = LayoutTile {
            participant_id: ParticipantId(7),
            kind: SourceKind::Main,
            x: 0,
            y: 180,
            width: 640,
            height: 360,
            own: true,
            video: false,
        };
        let layout = Event::Layout(LayoutEvent {
            line: SourceKind::Main,
            canvas: Size::new(1280, 720),
            rtp_timestamp: 3_000,
            tiles: vec![tile],
            layout: LayoutChoice::Auto,
        });
        assert_eq!(
            json(&layout),
            r#"{"type":"layout","line":"main","canvas":{"width":1280,"height":720},"rtp_timestamp":3000,"tiles":[{"participant_id":7,"kind":"main","x":0,"y":180,"width":640,"height":360,"self":true,"video":false}],"layout":"auto"}"#
        );
        assert_eq!(
            json(&Event::ActiveSpeaker { participant_id: None }),
            r#"{"type":"active_speaker","participant_id":null}"#
        );
        let closing = Event::Closing { reason: ClosingReason::RoomDeleted, retry_after_s: None };
        assert_eq!(json(&closing), r#"{"type":"closing","reason":"room-deleted"}"#);
        assert_eq!(json(&Event::Muted { by: MutedBy::Host }), r#"{"type":"muted","by":"host"}"#);
        assert_eq!(json(&Event::Locked { locked: true }), r#"{"type":"locked","locked":true}"#);
        assert_eq!(json(&Event::Waiting { waiting: false }), r#"{"type":"waiting","waiting":false}"#);
        assert_eq!(json(&Event::Floor { holder: None }), r#"{"type":"floor","holder":null}"#);
        let request = VideoRequest { kind: SourceKind::Content, height: 720, fps: 15, kbps: 9, paused: true };
        assert_eq!(
            json(&Event::VideoRequest(request)),
            r#"{"type":"video_request","kind":"content","height":720,"fps":15,"kbps":9,"paused":true}"#
        );
    }

    #[test]
    fn the_roster_is_spelled_as_the_api_says() {
        let entry = RosterEntry {
            id: ParticipantId(1),
            name: DisplayName::parse("Ada").expect("a fair name"),
            role: Role::Host,
            via: Via::Browser,
            muted: false,
            camera: true,
            sharing: false,
            speaking: false,
            layout: LayoutChoice::Grid,
            secured: Some(true),
            joined_at: 12,
        };
        let before = RosterEntry { secured: None, ..entry.clone() };
        assert_eq!(
            json(&Event::Roster { participants: vec![entry] }),
            r#"{"type":"roster","participants":[{"id":1,"name":"Ada","role":"host","via":"browser","muted":false,"camera":true,"sharing":false,"speaking":false,"layout":"grid","secured":true,"joined_at":12}]}"#
        );
        assert!(json(&Event::Roster { participants: vec![before] }).contains(r#""secured":null"#));
        assert_eq!(
            json(&Event::Access { access: ContentAccess::InTheClear }),
            r#"{"type":"access","access":"in-the-clear"}"#
        );
        let welcome = Event::Welcome {
            participant_id: ParticipantId(1),
            role: Role::Guest,
            room: RoomName { name: "Room".into(), alias: "room".into() },
            access: ContentAccess::NodeDecrypted,
            locked: false,
        };
        assert_eq!(
            json(&welcome),
            r#"{"type":"welcome","participant_id":1,"role":"guest","room":{"name":"Room","alias":"room"},"access":"node-decrypted","locked":false}"#
        );
    }
}
