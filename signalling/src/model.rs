//! What the API's bodies look like: plain structs, as JSON and as OpenAPI schemas.
//!
//! The control thread fills the ones that go out; the ones that come in have been read by serde only, and the
//! handlers turn their texts into the types of [`crate::room`]. Ids are JSON numbers, times Unix seconds. What
//! `mcu-core` has words for (roles, roster, state) is its own; [`crate::schema`] describes those for OpenAPI.

use crate::schema;
use crate::secret::Secret;
use mcu_core::conference::event::{RoomName, RosterEntry};
use mcu_core::conference::roster::{LayoutChoice, Role};
use mcu_core::id::{ParticipantId, SourceKind};
use mcu_core::privacy::ContentAccess;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A room, for the administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Room {
    /// For people.
    pub name: String,
    /// For links.
    pub alias: String,
    /// Makes a host.
    #[serde(serialize_with = "Secret::serialize_exposed")]
    #[schema(value_type = String)]
    pub host_pin: Secret<String>,
    /// Makes a guest.
    #[serde(serialize_with = "Secret::serialize_exposed")]
    #[schema(value_type = String)]
    pub guest_pin: Secret<String>,
    /// How many may be in it at a time.
    pub participants_max: u32,
    /// How many are in it.
    pub participants: u32,
    /// How many video encoders run for it.
    pub encoders: u32,
    /// Unix seconds.
    pub created_at: u64,
}

/// All rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rooms {
    /// In order of their aliases.
    pub rooms: Vec<Room>,
}

/// A SIP device of one's own, for the administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SipDevice {
    /// By which it registers.
    pub user: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is registered, newest first; empty while it is not.
    pub bindings: Vec<SipBinding>,
}

/// An address at which a device is registered; the address itself is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SipBinding {
    /// `tls`, `wss`, `tcp` or `udp`.
    pub transport: String,
    /// Unix seconds at which it came; it has come again since.
    pub since: u64,
    /// Seconds until it ends, unless it comes again.
    pub expires_s: u64,
    /// What the device calls itself: up to 64 characters of ASCII, or none.
    pub user_agent: String,
}

/// All devices of one's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SipDevices {
    /// In order of their users.
    pub devices: Vec<SipDevice>,
}

/// A trunk, for the administrator: how it stands, and nothing of where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SipTrunk {
    /// As the configuration has it.
    pub name: String,
    /// `tls`, `tcp` or `udp`.
    pub transport: String,
    /// Whether its connection stands; by UDP there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// How the node's registration there stands, where it is to have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<SipTrunkRegistration>,
}

/// A registration of the node's at a trunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SipTrunkRegistration {
    /// Whether there is one.
    pub registered: bool,
    /// Unix seconds at which it ends, unless it is refreshed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// The SIP status that the node heard last there; none where nothing was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// All trunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SipTrunks {
    /// In the order of the configuration.
    pub trunks: Vec<SipTrunk>,
}

/// A new room, as the client writes it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomCreation {
    /// For people: 1 to 64 characters.
    pub name: String,
    /// For links, `[a-z0-9-]`; one is made when it is missing.
    pub alias: Option<String>,
    /// 4 to 12 digits; six random ones when it is missing.
    #[schema(value_type = Option<String>)]
    pub host_pin: Option<Secret<String>>,
    /// 4 to 12 digits, other than the host's; six random ones when it is missing.
    #[schema(value_type = Option<String>)]
    pub guest_pin: Option<Secret<String>>,
    /// 1 to 200; the node's own default when it is missing.
    pub participants_max: Option<u32>,
}

/// Changes to a room, as the client writes them; what is missing stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomChange {
    /// For people.
    pub name: Option<String>,
    /// 4 to 12 digits.
    #[schema(value_type = Option<String>)]
    pub host_pin: Option<Secret<String>>,
    /// 4 to 12 digits, other than the host's.
    #[schema(value_type = Option<String>)]
    pub guest_pin: Option<Secret<String>>,
    /// Who is in it stays, even over the new limit.
    pub participants_max: Option<u32>,
}

/// Everybody in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Participants {
    /// In the order in which they joined.
    #[schema(value_type = Vec<schema::Participant>)]
    pub participants: Vec<RosterEntry>,
}

/// Body of `mute`.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MuteChange {
    /// `false` only for oneself.
    pub muted: bool,
}

/// Body of `transfer`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferTarget {
    /// `sip:USER@HOST`, as of a call that the node makes.
    #[schema(value_type = String)]
    pub to: Secret<String>,
}

/// Body of `layout`.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LayoutChange {
    /// What the participant shall see.
    #[schema(value_type = schema::LayoutChoice)]
    pub layout: LayoutChoice,
}

/// Body of `seats/swap`.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeatSwap {
    /// The id of one.
    #[schema(value_type = u64)]
    pub one: ParticipantId,
    /// The id of the other, who is somebody else.
    #[schema(value_type = u64)]
    pub other: ParticipantId,
}

/// Body of `calls`: a call to make.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallCreation {
    /// `sip:USER@HOST`, USER a number or a name.
    #[schema(value_type = String)]
    pub to: Secret<String>,
    /// What others are to read: 1 to 64 characters; what is dialled, where that is a name, when it is missing.
    #[schema(value_type = Option<String>)]
    pub name: Option<Secret<String>>,
    /// `guest` when it is missing.
    #[schema(value_type = Option<schema::Role>)]
    pub role: Option<Role>,
    /// Seconds that it may ring, 5 to 120; 45 when it is missing.
    pub ring_s: Option<u64>,
    /// Keys to press once it has answered, by INFO; a comma is a pause of 2 s.
    #[schema(value_type = Option<String>)]
    pub dtmf: Option<Secret<String>>,
}

/// Answer to a call that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallBegun {
    /// Which.
    pub id: u64,
}

/// The calls that a room makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Calls {
    /// In the order in which they began.
    pub calls: Vec<OutgoingCall>,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CallState {
    /// On its way.
    Calling,
    /// It rings.
    Ringing,
    /// In the meeting.
    Answered,
    /// It came to nothing; said for a minute.
    Failed,
    /// Of a transfer: done, and the participant gone; said for a minute.
    Transferred,
}

/// A call that the node makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OutgoingCall {
    /// Which.
    pub id: u64,
    /// Whom.
    #[serde(serialize_with = "Secret::serialize_exposed")]
    #[schema(value_type = String)]
    pub to: Secret<String>,
    /// What others are to read, unless it is a transfer.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_exposed")]
    #[schema(value_type = Option<String>)]
    pub name: Option<Secret<String>>,
    /// Who is to go there, where a participant's own device calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub transfers: Option<ParticipantId>,
    /// How far it is.
    pub state: CallState,
    /// Who it is in the meeting, once it has been answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub participant_id: Option<ParticipantId>,
    /// Why it came to nothing, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "busy")]
    pub reason: Option<&'static str>,
    /// What the far end said, by SIP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// Body of `join`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinBody {
    /// 1 to 64 characters.
    #[schema(value_type = String)]
    pub display_name: Secret<String>,
    /// The host's or the guests'; the echo test needs none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub pin: Secret<String>,
    /// The client promises to paint its own camera over its own tile.
    #[serde(default)]
    pub overlay: bool,
}

/// A STUN or TURN server, as `RTCIceServer` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` addresses.
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_exposed")]
    #[schema(value_type = Option<String>)]
    pub credential: Option<Secret<String>>,
}

/// Answer to `join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JoinAnswer {
    /// Bearer token of this participant.
    #[serde(serialize_with = "Secret::serialize_exposed")]
    #[schema(value_type = String)]
    pub token: Secret<String>,
    /// Who one is.
    #[schema(value_type = u64)]
    pub participant_id: ParticipantId,
    /// What one may do.
    #[schema(value_type = schema::Role)]
    pub role: Role,
    /// Where one is.
    #[schema(value_type = schema::RoomLabel)]
    pub room: RoomName,
    /// For the browser's `RTCPeerConnection`.
    pub ice_servers: Vec<IceServer>,
    /// Seconds that the token holds; refresh it before.
    pub expires_s: u64,
    /// Who can see and hear the meeting.
    #[schema(value_type = schema::Access)]
    pub access: ContentAccess,
}

/// Answer to `refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefreshAnswer {
    /// The next bearer token.
    #[serde(serialize_with = "Secret::serialize_exposed")]
    #[schema(value_type = String)]
    pub token: Secret<String>,
    /// Seconds that it holds.
    pub expires_s: u64,
}

/// What each media line of an offer is for, by its `mid`.
pub type Lines = BTreeMap<String, SourceKind>;

/// Body of `offer`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferBody {
    /// RFC 8866, at most 64 KiB.
    pub sdp: String,
    /// By `mid`: `main` or `content`; without it, the first of each kind is `main` and the second `content`.
    #[schema(value_type = Option<BTreeMap<String, schema::SourceKind>>)]
    pub lines: Option<Lines>,
}

/// Answer to `offer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OfferAnswer {
    /// RFC 8866.
    pub sdp: String,
}

/// What a client says of the picture that it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientStats {
    /// Times that the picture stood still, since the start.
    pub freezes: u32,
    /// Pictures shown per second.
    pub fps: u32,
}

/// Answer of `livez`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Liveness {
    /// Always `ok`.
    pub status: String,
    /// Of the node.
    pub version: String,
}

/// Answer of `readyz` when it is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// Always `ready`.
    pub status: String,
}

fn some_exposed<S: serde::Serializer>(
    secret: &Option<Secret<String>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => Secret::serialize_exposed(secret, serializer),
        None => serializer.serialize_none(),
    }
}
