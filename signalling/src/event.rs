//! What the node tells a participant over its WebSocket, and how it is written.
//!
//! Flow: control thread -> [`Event::encode`] once -> the bounded queue of each receiver -> `ws.rs`. A roster that
//! goes to fifty is serialised once and shared.

use crate::model::{LayoutChoice, Participant, Role, RoomLabel};
use mcu_core::conference::plan::RateClass;
use mcu_core::id::{ParticipantId, SourceKind};
use mcu_core::privacy::ContentAccess;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// One event: a JSON object whose `type` is the variant's name.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first.
    Welcome {
        /// Who one is.
        #[schema(value_type = u64)]
        participant_id: ParticipantId,
        /// What one may do.
        role: Role,
        /// Where one is.
        room: RoomLabel,
        /// Who can see and hear the meeting.
        #[schema(value_type = String)]
        access: ContentAccess,
    },
    /// Everybody who is there.
    Roster {
        /// In the order in which they joined.
        participants: Vec<Participant>,
    },
    /// The picture of this receiver's line from one frame on.
    Layout {
        /// Which line.
        #[schema(value_type = String, example = "main")]
        line: SourceKind,
        /// What the tiles' places refer to.
        canvas: Canvas,
        /// The first frame that shows it; compare modulo 2^32.
        rtp_timestamp: u32,
        /// Back to front.
        tiles: Vec<Tile>,
        /// What was chosen.
        layout: LayoutChoice,
    },
    /// Somebody begins or ends to speak.
    Speaking {
        /// Who.
        #[schema(value_type = u64)]
        participant_id: ParticipantId,
        /// Begins, or ends.
        speaking: bool,
    },
    /// Whom the large tile shows.
    ActiveSpeaker {
        /// Nobody before the first word.
        #[schema(value_type = Option<u64>)]
        participant_id: Option<ParticipantId>,
    },
    /// What the node can use of this participant's picture.
    VideoRequest {
        /// Which of its pictures.
        #[schema(value_type = String, example = "main")]
        kind: SourceKind,
        /// Pixels.
        height: u16,
        /// Frames per second.
        fps: u8,
        /// Kilobits per second.
        kbps: u32,
        /// Nobody sees it: send nothing.
        paused: bool,
    },
    /// The node has muted this participant.
    Muted {
        /// On whose behalf.
        by: MutedBy,
    },
    /// Who shares content.
    Floor {
        /// Nobody: `null`.
        #[schema(value_type = Option<u64>)]
        holder: Option<ParticipantId>,
    },
    /// How this participant's way does, every two seconds.
    Stats {
        /// What the node receives of it.
        receive_kbps: u32,
        /// Of a thousand packets, lost.
        loss_permille: u16,
        /// Round-trip time.
        rtt_ms: u32,
        /// Which rendition it gets.
        #[schema(value_type = String, example = "high")]
        class: RateClass,
    },
    /// The last.
    Closing {
        /// Why.
        reason: ClosingReason,
        /// Seconds after which another attempt makes sense.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u32>,
    },
}

/// The size of a canvas, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Canvas {
    /// Across.
    pub width: u16,
    /// Down.
    pub height: u16,
}

/// One source on the canvas, in pixels of the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tile {
    /// Whose.
    #[schema(value_type = u64)]
    pub participant_id: ParticipantId,
    /// Camera or content.
    #[schema(value_type = String, example = "main")]
    pub kind: SourceKind,
    /// Left edge.
    pub x: u16,
    /// Top edge.
    pub y: u16,
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
    /// The receiver's own tile, for its overlay.
    #[serde(rename = "self")]
    pub own: bool,
    /// There is a picture; else initials stand for it.
    pub video: bool,
}

/// On whose behalf the node mutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MutedBy {
    /// A host of the meeting.
    Host,
    /// The administrator.
    Admin,
}

/// Why a socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClosingReason {
    /// The participant left.
    Left,
    /// A host or the administrator disconnected it.
    Disconnected,
    /// The room is no more.
    RoomDeleted,
    /// The node shuts down.
    Draining,
    /// Another socket of the same participant took over.
    Replaced,
}

/// An [`Event`] as it goes out. Cloning shares the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventText {
    text: Arc<str>,
    last: bool,
}

impl Event {
    /// Writes the event.
    pub fn encode(&self) -> EventText {
        let text = serde_json::to_string(self).expect("events have no map with keys other than text");
        EventText { text: text.into(), last: matches!(self, Self::Closing { .. }) }
    }
}

impl EventText {
    /// The JSON.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a `closing`, after which the socket closes with 1000.
    pub const fn is_last(&self) -> bool {
        self.last
    }
}
