//! What the words ask of the node: every request becomes one [`Command`] for the control thread.
//!
//! Flow: HTTP, WebSocket, WHIP, WHEP handlers -> [`Control`] -> **bounded queue** -> control thread -> oneshot reply.
//! The control thread owns rooms, PINs and conferences; nothing of them is kept on this side. A reply that is
//! dropped means [`ApiError::Internal`]; a request that is given up drops its end, and the reply's send fails,
//! which the control thread must take as nothing special.

use crate::event::EventText;
use crate::model::{ClientStats, IceServer, Lines, Room};
use crate::problem::ApiError;
use crate::room::{Alias, Pin, RoomTitle};
use crate::secret::Secret;
use mcu_core::conference::event::{RoomName, RosterEntry};
use mcu_core::conference::input::StateChange;
use mcu_core::conference::keypad::Digit;
use mcu_core::conference::reception::Shut;
use mcu_core::conference::roster::{DisplayName, LayoutChoice, Role, Via};
use mcu_core::id::{ConferenceId, ParticipantId};
use mcu_core::privacy::ContentAccess;
use std::net::IpAddr;
use tokio::sync::{mpsc, oneshot};

/// Where the control thread puts its answer.
pub type Reply<T> = oneshot::Sender<Result<T, ApiError>>;

/// Who a verified participant token speaks for. The token's word only: the control thread answers
/// [`ApiError::Unauthorized`] when the participant is no longer in that conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub participant: ParticipantId,
    /// In which meeting. An alias may come to mean another one; a token does not.
    pub conference: ConferenceId,
    /// What it may do.
    pub role: Role,
    /// The room's alias at the time of joining.
    pub alias: Alias,
}

/// Who asks for something that is done to a room or to somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The administrator.
    Admin,
    /// A host of the room with this alias. The control thread answers [`ApiError::Forbidden`] when the room's
    /// meeting is not [`Identity::conference`].
    Host(Identity),
}

/// A room to be made. PINs and alias have been made where the client gave none; the two PINs differ.
#[derive(Debug, Clone)]
pub struct NewRoom {
    /// For people.
    pub name: RoomTitle,
    /// For links; never `echo`.
    pub alias: Alias,
    /// Makes a host.
    pub host_pin: Pin,
    /// Makes a guest.
    pub guest_pin: Pin,
    /// 1 to `limits::PARTICIPANTS_MAX`.
    pub participants_max: u32,
}

/// Changes to a room; `None` stays as it is. When only one PIN changes, the control thread checks it against the
/// other and answers [`ApiError::BadRequest`] when they are the same.
#[derive(Debug, Clone, Default)]
pub struct RoomPatch {
    /// For people.
    pub name: Option<RoomTitle>,
    /// Makes a host.
    pub host_pin: Option<Pin>,
    /// Makes a guest.
    pub guest_pin: Option<Pin>,
    /// 1 to `limits::PARTICIPANTS_MAX`.
    pub participants_max: Option<u32>,
}

/// Somebody at the door.
///
/// Contract of the control thread: wrong PIN and unknown alias are both [`ApiError::JoinRefused`], after the same
/// work (compare with [`Pin::matches`] or [`crate::secret::same`], with a PIN of no room when there is none). The
/// door in front takes care of the rest: it holds refusals back to one fixed time, and counts them.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    /// Which room; `echo` needs no PIN and is a meeting of one's own.
    pub alias: Alias,
    /// How it wants to be called.
    pub display_name: Secret<DisplayName>,
    /// As entered: anything at all.
    pub pin: Secret<String>,
    /// The room has had too many wrong PINs: admit the host's only, and refuse every other, right or wrong, as
    /// [`ApiError::JoinRefused`] without letting anybody in.
    pub host_only: bool,
    /// It promises to paint its own camera over its own tile.
    pub overlay: bool,
    /// How it comes.
    pub via: Via,
    /// From where, for the audit.
    pub from: Secret<IpAddr>,
}

/// Somebody let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Who it is now.
    pub participant: ParticipantId,
    /// In which meeting.
    pub conference: ConferenceId,
    /// What it may do.
    pub role: Role,
    /// Where.
    pub room: RoomName,
    /// For its connection.
    pub ice_servers: Vec<IceServer>,
    /// Who can see and hear the meeting.
    pub access: ContentAccess,
}

/// Somebody whom the node calls: nobody in any roster yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Who it will be, once it has answered.
    pub participant: ParticipantId,
    /// What it is offered.
    pub sdp: String,
}

/// Who a participant is at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What it may do now: the next token says this.
    pub role: Role,
    /// For its connection.
    pub ice_servers: Vec<IceServer>,
}

/// A participant's offer of media.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Whose.
    pub who: Identity,
    /// Browser, SIP: both ways. WHIP: the node only receives. WHEP: the node only sends.
    pub via: Via,
    /// Within the limits of [`crate::sdp::precheck`], and no more is known of it.
    pub sdp: String,
    /// What each line is for; each `mid` is one of the offer's. `None`: the first of each kind is main, the second
    /// content.
    pub lines: Option<Lines>,
    /// What is known of the signalling, when it came by SIP.
    pub sip: Option<SipLeg>,
}

/// The signalling of a call by SIP, as far as its media need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SipLeg {
    /// Signalled over TLS or WSS, so that keys in the SDP are secret.
    pub secure: bool,
    /// The device is a browser, which takes no keys in SDP.
    pub browser: bool,
    /// Where the signalling came from.
    pub from: IpAddr,
    /// The local address that it came to.
    pub local: IpAddr,
    /// The meeting's floor, for a device that asks for it by BFCP.
    pub floor: Option<FloorTold>,
}

/// What SDP says of the floor of a call (RFC 8856 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloorTold {
    /// Where BFCP is listened to, by UDP and TCP.
    pub port: u16,
    /// `confid`: of this call alone.
    pub conference: u32,
    /// `userid`: the device.
    pub user: u16,
    /// `floorid`: the content.
    pub floor: u16,
}

/// What a WebSocket gets.
#[derive(Debug)]
pub struct Subscription {
    /// The state now, sent first, `welcome` at its head.
    pub snapshot: Vec<EventText>,
    /// What follows, `limits::EVENTS_QUEUED_MAX` at most waiting. The control thread never waits for it: when it is
    /// full, it drops its end, and the socket closes as stalled (1013). After a `closing` it closes with 1000.
    pub events: mpsc::Receiver<EventText>,
}

/// One thing asked of the control thread.
#[derive(Debug)]
pub enum Command {
    /// Makes a room. [`ApiError::Conflict`] when the alias is taken, [`ApiError::RoomFull`] when there are too many.
    CreateRoom {
        /// What to make.
        room: NewRoom,
        /// As made.
        reply: Reply<Room>,
    },
    /// All rooms, in order of alias.
    ListRooms {
        /// Those.
        reply: Reply<Vec<Room>>,
    },
    /// One room, or [`ApiError::NotFound`].
    GetRoom {
        /// Which.
        alias: Alias,
        /// That.
        reply: Reply<Room>,
    },
    /// Changes a room, or [`ApiError::NotFound`].
    PatchRoom {
        /// Which.
        alias: Alias,
        /// How.
        patch: RoomPatch,
        /// As changed.
        reply: Reply<Room>,
    },
    /// Ends the meeting (`closing: room-deleted`) and forgets the room, or [`ApiError::NotFound`].
    DeleteRoom {
        /// Which.
        alias: Alias,
        /// When done.
        reply: Reply<()>,
    },
    /// Who is in a room.
    ListParticipants {
        /// Which.
        alias: Alias,
        /// Who asks.
        by: Caller,
        /// In order of joining.
        reply: Reply<Vec<RosterEntry>>,
    },
    /// Mutes somebody, or unmutes the caller itself: `muted: false` comes only with `by: Host(h)` and
    /// `h.participant == participant`.
    Mute {
        /// In which room.
        alias: Alias,
        /// Whom.
        participant: ParticipantId,
        /// Off, or on.
        muted: bool,
        /// Who asks.
        by: Caller,
        /// When done.
        reply: Reply<()>,
    },
    /// Throws somebody out (`closing: disconnected`); its token is worth nothing from then on.
    Disconnect {
        /// From which room.
        alias: Alias,
        /// Whom.
        participant: ParticipantId,
        /// Who asks.
        by: Caller,
        /// When done.
        reply: Reply<()>,
    },
    /// Chooses what somebody sees.
    SetLayout {
        /// In which room.
        alias: Alias,
        /// Whose picture.
        participant: ParticipantId,
        /// Which.
        layout: LayoutChoice,
        /// Who asks.
        by: Caller,
        /// When done.
        reply: Reply<()>,
    },
    /// Keeps guests who are not in out of a room's meeting, or lets them in again; [`ApiError::NotFound`] when none runs.
    Lock {
        /// Which room.
        alias: Alias,
        /// Kept out.
        locked: bool,
        /// Who asks.
        by: Caller,
        /// When done.
        reply: Reply<()>,
    },
    /// Mutes all guests of a room's meeting.
    MuteAll {
        /// Which room.
        alias: Alias,
        /// Who asks.
        by: Caller,
        /// When done.
        reply: Reply<()>,
    },
    /// Two people of a room exchange their places in the gallery, in everybody's picture.
    SwapSeats {
        /// In which room.
        alias: Alias,
        /// One.
        one: ParticipantId,
        /// The other, who is somebody else.
        other: ParticipantId,
        /// Who asks.
        by: Caller,
        /// When done: the next pictures show it.
        reply: Reply<()>,
    },
    /// Somebody at the door: see [`JoinRequest`]. [`ApiError::Locked`], [`ApiError::RoomFull`] and [`ApiError::Draining`] only after the
    /// PIN was found right. When the reply cannot be sent any more, nobody came: take the participant out again.
    Join {
        /// Who, and with what.
        request: JoinRequest,
        /// Let in.
        reply: Reply<Joined>,
    },
    /// A caller without a PIN, to be asked for it: into a reception of its own, whatever meeting it dialled and whether there is
    /// one. [`ApiError::Overloaded`] when there are too many, [`ApiError::Draining`].
    Receive {
        /// Who; its PIN is not looked at.
        request: JoinRequest,
        /// In a reception.
        reply: Reply<Joined>,
    },
    /// Whether somebody may act on a room; with a participant, who has to be in its meeting, on that one: [`ApiError::NotFound`] when not.
    Permit {
        /// Which room.
        alias: Alias,
        /// On whom.
        participant: Option<ParticipantId>,
        /// Who asks.
        by: Caller,
        /// It may.
        reply: Reply<()>,
    },
    /// An offer for somebody whom the node calls into a room. No PIN: whoever may ask for this lets it in. [`ApiError::RoomFull`] when the
    /// meeting is full now; [`ApiError::Draining`]. A lock keeps nobody out whom a host calls. Forgotten after
    /// `limits::SIP_RING_MAX` and a minute, or by [`Self::Uninvite`].
    Invite {
        /// Into which room.
        alias: Alias,
        /// Its signalling.
        leg: SipLeg,
        /// Who calls.
        by: Caller,
        /// What to say to it.
        reply: Reply<Invitation>,
    },
    /// Somebody who was invited has answered, and comes in; its answer is for [`Self::Settle`]. Into the meeting that it was invited to, be
    /// that locked by now: [`ApiError::NotFound`] when it is over, [`ApiError::RoomFull`]. Where none ran, one begins.
    Admit {
        /// Who.
        participant: ParticipantId,
        /// What others read of it.
        display_name: Secret<DisplayName>,
        /// What it may do.
        role: Role,
        /// Let in.
        reply: Reply<Joined>,
    },
    /// Somebody who was invited has not answered; nobody waits for an answer.
    Uninvite {
        /// Who.
        participant: ParticipantId,
    },
    /// The PIN that was entered at a reception opened nothing.
    Refused {
        /// Whose.
        who: Identity,
        /// Why.
        why: Shut,
        /// When it has been told.
        reply: Reply<()>,
    },
    /// A participant goes on as another one, in another meeting, by the connection that it has; it leaves where it was. A caller
    /// that was let in goes so from its reception to its meeting.
    Transfer {
        /// Who it was.
        from: Identity,
        /// Who it is: somebody let in who has no connection yet.
        to: Identity,
        /// Its events from there on.
        reply: Reply<Subscription>,
    },
    /// Somebody pressed a key, as its signalling says; nobody waits for an answer.
    Digit {
        /// The participant.
        who: Identity,
        /// Which.
        digit: Digit,
    },
    /// Who this participant is now, before its next token.
    Session {
        /// The participant.
        who: Identity,
        /// What it is.
        reply: Reply<Session>,
    },
    /// Connects, or replaces the connection. [`ApiError::SdpInvalid`], [`ApiError::SdpNoCommonCodec`].
    Offer {
        /// Of whom, and what.
        offer: Offer,
        /// The answer's SDP.
        reply: Reply<String>,
    },
    /// Wants an offer of ours, of a caller by SIP that made none. [`ApiError::SdpInvalid`] where there can be none. The connection changes with
    /// [`Self::Settle`] only; a proposal before this one is forgotten.
    Propose {
        /// The participant.
        who: Identity,
        /// Its signalling.
        leg: SipLeg,
        /// The offer's SDP.
        reply: Reply<String>,
    },
    /// The answer to the last proposal: connects, or replaces the connection. [`ApiError::Unauthorized`] when there is none.
    Settle {
        /// The participant.
        who: Identity,
        /// Within the limits of [`crate::sdp::precheck`], and no more is known of it.
        sdp: String,
        /// When done.
        reply: Reply<()>,
    },
    /// Leaves the meeting (`closing: left`).
    Leave {
        /// The participant.
        who: Identity,
        /// When done.
        reply: Reply<()>,
    },
    /// What a client says of itself. [`ApiError::Conflict`] when it asks for the content floor and another holds it;
    /// a `floor` event says who.
    State {
        /// The participant.
        who: Identity,
        /// What changed.
        change: StateChange,
        /// When done.
        reply: Reply<()>,
    },
    /// What a client says of its picture; nobody waits for an answer.
    Stats {
        /// The participant.
        who: Identity,
        /// What it says.
        stats: ClientStats,
    },
    /// The participant's device cannot decode the main picture that it is sent, and says so in words (RFC 5168); nobody waits for an answer.
    /// Its encoder's own limit to key frames holds, as for a wish that comes by RTCP.
    KeyframeWanted {
        /// The participant.
        who: Identity,
    },
    /// Opens the events of a participant; a socket that it had gets `closing: replaced`.
    Subscribe {
        /// The participant.
        who: Identity,
        /// Its events.
        reply: Reply<Subscription>,
    },
    /// Whether the node takes new meetings: [`ApiError::Draining`] or [`ApiError::Overloaded`] when not.
    Ready {
        /// It does.
        reply: Reply<()>,
    },
}

/// The way to the control thread. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Control {
    tx: mpsc::Sender<Command>,
}

impl Control {
    /// A way on which at most `commands_max` wait, and its other end for the control thread.
    pub fn channel(commands_max: usize) -> (Self, mpsc::Receiver<Command>) {
        let (tx, rx) = mpsc::channel(commands_max);
        (Self { tx }, rx)
    }

    /// Asks, and waits for the answer. How long at most is up to the caller (the router's request timeout).
    ///
    /// # Errors
    /// What the control thread answers; [`ApiError::Draining`] when it is gone; [`ApiError::Internal`] when it
    /// dropped the question.
    pub async fn ask<T>(&self, question: impl FnOnce(Reply<T>) -> Command) -> Result<T, ApiError> {
        let (reply, answer) = oneshot::channel();
        self.tx.send(question(reply)).await.map_err(|_| ApiError::Draining)?;
        answer.await.unwrap_or(Err(ApiError::Internal))
    }

    /// Tells, without waiting: what does not fit is lost, and that is all right.
    pub fn tell(&self, command: Command) {
        let _ = self.tx.try_send(command);
    }
}
