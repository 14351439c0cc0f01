//! The router as a whole, in front of a control thread that knows one room and remembers what it was asked.
//!
//! Time is tokio's paused clock and two numbers: nothing here sleeps or reads a clock.

mod api;
mod door;
mod fuzz;
mod hanging_up;
mod openapi;
mod sip;
mod socket;
mod streaming;

use crate::auth::{AdminToken, Tokens};
use crate::command::{
    Caller, Command, Control, Identity, Invitation, JoinRequest, Joined, Session, Subscription,
};
use crate::event::EventText;
use crate::model::{IceServer, Room};
use crate::problem::ApiError;
use crate::room::{Alias, Pin};
use crate::secret::Secret;
use crate::state::{ApiState, Clock, RouterOptions};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::MockConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use mcu_core::conference::Event;
use mcu_core::conference::event::{RoomName, RosterEntry};
use mcu_core::conference::roster::{DisplayName, LayoutChoice, Role, Via};
use mcu_core::id::{ConferenceId, ParticipantId};
use mcu_core::privacy::ContentAccess;
use mcu_core::time::Mono;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tower::ServiceExt;

const ADMIN: &str = "the-administrator's-token";
const HOST_PIN: &str = "271828";
const GUEST_PIN: &str = "314159";
const WRONG_PIN: &str = "000000";
const KEY: [u8; 32] = [7; 32];
/// Who comes when the meeting is locked.
const LATECOMER: &str = "Latecomer";
const START_UNIX_S: u64 = 1_800_000_000;
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n";

/// The router, and everything around it that a test turns.
struct House {
    app: Router,
    seen: Arc<Mutex<Vec<Command>>>,
    mono_ms: Arc<AtomicU64>,
    unix_s: Arc<AtomicU64>,
    events: Arc<Mutex<Vec<mpsc::Sender<EventText>>>>,
}

/// A response, read to its end.
#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    /// Asserts that this is a problem of `code`, in form and headers.
    fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}", self.body);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
    }
}

impl House {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut RouterOptions)) -> Self {
        let (control, commands) = Control::channel(16);
        let (mono_ms, unix_s) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(START_UNIX_S)));
        let (mono, unix) = (Arc::clone(&mono_ms), Arc::clone(&unix_s));
        let clock = Clock::new(
            move || Mono::from_millis(mono.load(Ordering::Relaxed)),
            move || unix.load(Ordering::Relaxed),
        );
        let admin = AdminToken::from_text(Secret::new(ADMIN.into()));
        let mut options = RouterOptions::new(Tokens::from_key(&KEY), admin, clock, "1.2.3-test");
        change(&mut options);
        let app = crate::router(&ApiState::new(control, options));
        let seen = Arc::default();
        let events = Arc::default();
        tokio::spawn(control_thread(commands, Arc::clone(&seen), Arc::clone(&events)));
        Self { app, seen, mono_ms, unix_s, events }
    }

    async fn send_from(&self, address: IpAddr, request: Request<Body>) -> Answer {
        let app = self.app.clone().layer(MockConnectInfo(SocketAddr::new(address, 4_242)));
        let response = app.oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.expect("a body in memory");
        let body = String::from_utf8(bytes.into()).expect("every body is UTF-8");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        self.send_from(IpAddr::V4(Ipv4Addr::LOCALHOST), request).await
    }

    /// A request with a JSON body (`Null`: none) and a bearer token (empty: none).
    async fn call(&self, method: &str, path: &str, token: &str, body: Value) -> Answer {
        self.send(request(method, path, token, body)).await
    }

    fn seen_kinds(&self) -> Vec<String> {
        let word = |command: &Command| {
            format!("{command:?}").split([' ', '{']).next().expect("a variant has a name").to_owned()
        };
        self.seen.lock().expect("no test panics with it").iter().map(word).collect()
    }
}

fn request(method: &str, path: &str, token: &str, body: Value) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if body.is_null() {
        return request.body(Body::empty()).expect("a fair request");
    }
    request
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .expect("a fair request")
}

fn identity(participant: u64, role: Role, alias: &str) -> Identity {
    let alias = Alias::parse(alias).expect("a fair alias");
    Identity { participant: ParticipantId(participant), conference: ConferenceId(7), role, alias }
}

fn token(participant: u64, role: Role, alias: &str) -> String {
    Tokens::from_key(&KEY).issue(&identity(participant, role, alias), START_UNIX_S).into_exposed()
}

fn host() -> String {
    token(1, Role::Host, "daily")
}

fn guest() -> String {
    token(2, Role::Guest, "daily")
}

fn room() -> Room {
    Room {
        name: "Daily".into(),
        alias: "daily".into(),
        host_pin: Secret::new(HOST_PIN.into()),
        guest_pin: Secret::new(GUEST_PIN.into()),
        participants_max: 20,
        participants: 2,
        encoders: 1,
        created_at: START_UNIX_S,
    }
}

fn entry(id: u64) -> RosterEntry {
    RosterEntry {
        id: ParticipantId(id),
        name: DisplayName::parse("Ada").expect("a fair name"),
        role: Role::Host,
        via: Via::Browser,
        muted: false,
        camera: true,
        sharing: false,
        speaking: false,
        layout: LayoutChoice::Auto,
        secured: Some(true),
        joined_at: START_UNIX_S,
    }
}

fn ice_servers() -> Vec<IceServer> {
    vec![
        IceServer { urls: vec!["stun:stun.example.org".into()], username: None, credential: None },
        IceServer {
            urls: vec!["turn:turn.example.org?transport=udp".into()],
            username: Some("1800:u\"ser".into()),
            credential: Some(Secret::new("pass\\word".into())),
        },
    ]
}

/// A control thread of one room, `daily`, with the participants 1 and 2 in conference 7.
#[expect(clippy::too_many_lines, reason = "one flat arm per command")]
async fn control_thread(
    mut commands: mpsc::Receiver<Command>,
    seen: Arc<Mutex<Vec<Command>>>,
    sockets: Arc<Mutex<Vec<mpsc::Sender<EventText>>>>,
) {
    while let Some(command) = commands.recv().await {
        let mut copy = None;
        match command {
            Command::Join { request, reply } => {
                copy = Some(Command::Join { request: request.clone(), reply: silent() });
                let _ = reply.send(admit(&request));
            }
            Command::Receive { request, reply } => {
                copy = Some(Command::Receive { request: request.clone(), reply: silent() });
                let _ = reply
                    .send(admit(&JoinRequest { alias: Alias::parse(Alias::ECHO).expect("fair"), ..request }));
            }
            Command::Permit { alias, participant, by, reply } => {
                let on = participant.unwrap_or(ParticipantId(1));
                let _ = reply.send(known(&alias).and_then(|()| in_meeting(on, &by)));
            }
            Command::Invite { alias, leg, by, reply } => {
                copy = Some(Command::Invite { alias, leg, by: by.clone(), reply: silent() });
                let sdp = "v=0\r\noffer".into();
                let invitation = Invitation { participant: ParticipantId(9), sdp };
                let _ = reply.send(in_meeting(ParticipantId(1), &by).map(|()| invitation));
            }
            Command::Admit { participant, display_name, role, reply } => {
                let copied = display_name.clone();
                copy = Some(Command::Admit { participant, display_name: copied, role, reply: silent() });
                let full = display_name.expose().as_str() == LATECOMER;
                let _ =
                    reply.send(if full { Err(ApiError::RoomFull) } else { Ok(joined(participant, role)) });
            }
            Command::Uninvite { participant } => copy = Some(Command::Uninvite { participant }),
            Command::Refused { reply, .. } => drop(reply.send(Ok(()))),
            Command::Transfer { reply, .. } => drop(reply.send(Err(ApiError::Internal))),
            Command::Digit { .. } => {}
            Command::CreateRoom { room: new, reply } => {
                let made = Room {
                    name: new.name.as_str().into(),
                    alias: new.alias.to_string(),
                    host_pin: new.host_pin.secret().clone(),
                    guest_pin: new.guest_pin.secret().clone(),
                    participants_max: new.participants_max,
                    ..room()
                };
                let taken = new.alias.as_str() == "daily";
                let _ = reply.send(if taken {
                    Err(ApiError::Conflict("the alias is taken".into()))
                } else {
                    Ok(made)
                });
            }
            Command::ListRooms { reply } => drop(reply.send(Ok(vec![room()]))),
            Command::GetRoom { alias, reply } => drop(reply.send(known(&alias).map(|()| room()))),
            Command::PatchRoom { alias, patch, reply } => {
                let name = patch.name.as_ref().map_or("Daily", |name| name.as_str()).to_owned();
                let _ = reply.send(known(&alias).map(|()| Room { name, ..room() }));
            }
            Command::DeleteRoom { alias, reply } => drop(reply.send(known(&alias))),
            Command::ListParticipants { alias, reply, .. } => {
                let _ = reply.send(known(&alias).map(|()| vec![entry(1), entry(2)]));
            }
            Command::Mute { alias, participant, muted, by, reply } => {
                copy = Some(Command::Mute {
                    alias: alias.clone(),
                    participant,
                    muted,
                    by: by.clone(),
                    reply: silent(),
                });
                let _ = reply.send(known(&alias).and_then(|()| in_meeting(participant, &by)));
            }
            Command::Disconnect { alias, participant, by, reply } => {
                let _ = reply.send(known(&alias).and_then(|()| in_meeting(participant, &by)));
            }
            Command::SetLayout { alias, participant, by, reply, .. } => {
                let _ = reply.send(known(&alias).and_then(|()| in_meeting(participant, &by)));
            }
            Command::SwapSeats { alias, one, other, by, reply } => {
                let kept =
                    Command::SwapSeats { alias: alias.clone(), one, other, by: by.clone(), reply: silent() };
                copy = Some(kept);
                let both = in_meeting(one, &by).and_then(|()| in_meeting(other, &by));
                let _ = reply.send(known(&alias).and(both));
            }
            Command::Lock { alias, locked, by, reply } => {
                copy = Some(Command::Lock { alias: alias.clone(), locked, by: by.clone(), reply: silent() });
                let _ = reply.send(known(&alias).and_then(|()| in_meeting(ParticipantId(1), &by)));
            }
            Command::MuteAll { alias, by, reply } => {
                copy = Some(Command::MuteAll { alias: alias.clone(), by: by.clone(), reply: silent() });
                let _ = reply.send(known(&alias).and_then(|()| in_meeting(ParticipantId(1), &by)));
            }
            Command::Session { who, reply } => {
                let session = Session { role: who.role, ice_servers: ice_servers() };
                let _ = reply.send(still_there(&who).map(|()| session));
            }
            Command::Offer { offer, reply } => {
                copy = Some(Command::Offer { offer: offer.clone(), reply: silent() });
                let speaks = !offer.sdp.contains("H265");
                let answer =
                    if speaks { Ok("v=0\r\nanswer".into()) } else { Err(ApiError::SdpNoCommonCodec) };
                let _ = reply.send(still_there(&offer.who).and(answer));
            }
            Command::Propose { who, leg, reply } => {
                copy = Some(Command::Propose { who: who.clone(), leg, reply: silent() });
                let _ = reply.send(still_there(&who).map(|()| "v=0\r\noffer".into()));
            }
            Command::Settle { who, sdp, reply } => {
                copy = Some(Command::Settle { who: who.clone(), sdp: sdp.clone(), reply: silent() });
                let speaks = !sdp.contains("H265");
                let _ = reply.send(if speaks { still_there(&who) } else { Err(ApiError::SdpNoCommonCodec) });
            }
            Command::Leave { who, reply } => {
                copy = Some(Command::Leave { who: who.clone(), reply: silent() });
                let _ = reply.send(still_there(&who));
            }
            Command::State { who, change, reply } => {
                copy = Some(Command::State { who: who.clone(), change, reply: silent() });
                let shared = ApiError::Conflict("somebody else shares".into());
                let _ =
                    reply.send(if change.sharing == Some(true) { Err(shared) } else { still_there(&who) });
            }
            Command::Subscribe { who, reply } => {
                let (tx, events) = mpsc::channel(4);
                sockets.lock().expect("no test panics with it").push(tx);
                let welcome = Event::Welcome {
                    participant_id: who.participant,
                    role: who.role,
                    room: RoomName { name: "Daily".into(), alias: "daily".into() },
                    access: ContentAccess::NodeDecrypted,
                    locked: false,
                };
                let subscription = Subscription { snapshot: vec![EventText::from(&welcome)], events };
                let _ = reply.send(still_there(&who).map(|()| subscription));
            }
            Command::Ready { reply } => drop(reply.send(Ok(()))),
            Command::Stats { who, stats } => copy = Some(Command::Stats { who, stats }),
            Command::KeyframeWanted { who } => copy = Some(Command::KeyframeWanted { who }),
        }
        seen.lock().expect("no test panics with it").extend(copy);
    }
}

/// A reply that nobody waits for, so that a command can be kept.
fn silent<T>() -> crate::command::Reply<T> {
    tokio::sync::oneshot::channel().0
}

fn known(alias: &Alias) -> Result<(), ApiError> {
    if alias.as_str() == "daily" { Ok(()) } else { Err(ApiError::NotFound) }
}

fn still_there(who: &Identity) -> Result<(), ApiError> {
    if who.participant.0 < 100 { Ok(()) } else { Err(ApiError::Unauthorized) }
}

fn in_meeting(participant: ParticipantId, by: &Caller) -> Result<(), ApiError> {
    match by {
        Caller::Host(host) if host.conference != ConferenceId(7) => Err(ApiError::Forbidden),
        _ if participant.0 > 2 => Err(ApiError::NotFound),
        _ => Ok(()),
    }
}

fn admit(request: &JoinRequest) -> Result<Joined, ApiError> {
    let pin = |text| Pin::parse(text).expect("a fair PIN");
    let exists = request.alias.as_str() == "daily";
    let entered = request.pin.expose();
    let (host, guest) = (pin(HOST_PIN).matches(entered), pin(GUEST_PIN).matches(entered));
    let role = match (exists, host, guest) {
        _ if request.alias.is_echo() => Role::Guest,
        (true, true, _) => Role::Host,
        (true, _, true) if request.display_name.expose().as_str() == LATECOMER => {
            return Err(ApiError::Locked);
        }
        (true, _, true) if !request.host_only => Role::Guest,
        _ => return Err(ApiError::JoinRefused),
    };
    let room = RoomName { name: "Daily".into(), alias: request.alias.to_string() };
    Ok(Joined { room, ..joined(ParticipantId(3), role) })
}

fn joined(participant: ParticipantId, role: Role) -> Joined {
    Joined {
        participant,
        conference: ConferenceId(7),
        role,
        room: RoomName { name: "Daily".into(), alias: "daily".into() },
        ice_servers: ice_servers(),
        access: ContentAccess::NodeDecrypted,
    }
}

fn join_body(pin: &str) -> Value {
    json!({"display_name": "Ada", "pin": pin})
}
