//! OpenAPI schemas of words that belong to `mcu-core`, which knows no OpenAPI.
//!
//! Never constructed by the node; a test compares each with what the real type writes.

use serde::Serialize;
use utoipa::ToSchema;

/// What a participant may do.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs the meeting.
    Host,
    /// Takes part.
    Guest,
}

/// How a participant came in.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// By `join` and `offer`.
    Browser,
    /// By WHIP: sends only.
    Whip,
    /// By WHEP: receives only.
    Whep,
    /// By SIP: a room system or a telephone.
    Sip,
}

/// What picture a receiver wants.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LayoutChoice {
    /// The node chooses.
    Auto,
    /// Everybody in the same size.
    Grid,
    /// Who speaks large, the others small.
    Speaker,
}

/// Which of a participant's two sources.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Camera and microphone.
    Main,
    /// Screen share and its sound.
    Content,
}

/// Who can see and hear the meeting.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Nobody but the participants.
    EndToEnd,
    /// The node decodes and mixes.
    NodeDecrypted,
    /// As before, and somebody's media go in the clear between them and the node: `secured` says whose.
    InTheClear,
}

/// A room, as its participants know it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RoomLabel {
    /// For people.
    pub name: String,
    /// For links.
    pub alias: String,
}

/// Somebody in a room.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Participant {
    /// For this run of the node.
    pub id: u64,
    /// The display name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// How it came in.
    pub via: Via,
    /// Nobody hears it.
    pub muted: bool,
    /// Its camera is on.
    pub camera: bool,
    /// It holds the content floor.
    pub sharing: bool,
    /// It speaks now.
    pub speaking: bool,
    /// What it wants to see.
    pub layout: LayoutChoice,
    /// Its media are encrypted on the way between it and the node; `null` until they were up for the first time.
    pub secured: Option<bool>,
    /// Unix seconds.
    pub joined_at: u64,
}

/// What a client says of itself; what is missing stays.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StateChange {
    /// The microphone is off.
    pub muted: Option<bool>,
    /// The camera is on.
    pub camera: Option<bool>,
    /// Asks for the content floor, or gives it back.
    pub sharing: Option<bool>,
    /// What picture it wants.
    pub layout: Option<LayoutChoice>,
    /// Whether it paints its own camera over its own tile.
    pub overlay: Option<bool>,
}
