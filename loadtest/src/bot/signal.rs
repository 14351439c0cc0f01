//! The words: join, offer, events, leave, over the node's HTTP API and WebSocket.
//!
//! Flow: `life` -> **here** -> the node's API; its events -> `life`. Thread: the bot's tokio task and one small task
//! for the socket. Bounds: bodies of `BODY_BYTES_MAX`, events of `EVENT_BYTES_MAX`, a queue of `EVENTS_MAX`.
//! Knows the API by its documentation alone (docs/API.md); unknown events and fields are passed over.

use super::call::CallError;
use super::target::Target;
use futures_util::{SinkExt, StreamExt};
use mcu_core::conference::plan::Rect;
use mcu_core::id::SourceKind;
use reqwest::header::{self, HeaderValue};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

/// Bytes of an answer that are read: an SDP of the node is under 64 KiB.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one event: a roster of 200 people.
const EVENT_BYTES_MAX: usize = 256 * 1024;
/// Events waiting for the bot.
const EVENTS_MAX: usize = 256;
/// The longest that the node may take for an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(15);

/// Why the node was not reached, or said no.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// No HTTP client could be made: a broken CA file.
    #[error("cannot speak TLS: {0}")]
    Client(reqwest::Error),
    /// No answer.
    #[error("{step}: {source}")]
    Http {
        /// What was asked.
        step: &'static str,
        /// Why it failed.
        source: reqwest::Error,
    },
    /// The node refused.
    #[error("{step}: the node said {status} {code}: {detail}")]
    Refused {
        /// What was asked.
        step: &'static str,
        /// HTTP status.
        status: u16,
        /// The stable code of the problem, or `no-problem` when the body was none.
        code: String,
        /// Its text.
        detail: String,
    },
    /// An answer that is not what the API promises.
    #[error("{step}: the answer is not what the API promises: {detail}")]
    Answer {
        /// What was asked.
        step: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The WebSocket broke.
    #[error("events: {0}")]
    Socket(#[from] Box<SocketError>),
    /// A call by SIP did not come about, or broke off.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl SignalError {
    /// The stable code of the problem, where the node refused with one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Call(error) => error.code(),
            _ => None,
        }
    }
}

/// What `join` answers; unknown fields are the browser's.
#[derive(Debug, Clone, Deserialize)]
pub struct Joined {
    /// Bearer token.
    pub token: String,
    /// Who one is.
    pub participant_id: u64,
    /// `host` or `guest`.
    pub role: String,
    /// How long the token holds.
    pub expires_s: u64,
}

/// Somebody in the roster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Person {
    /// Who.
    pub id: u64,
    /// Display name.
    pub name: String,
}

/// One tile of a layout.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LayoutTile {
    /// Whose.
    pub participant_id: u64,
    /// Camera or share.
    pub kind: SourceKind,
    /// Where.
    #[serde(flatten)]
    pub rect: Rect,
    /// The receiver's own.
    #[serde(rename = "self")]
    pub is_self: bool,
    /// Whether there is a picture in it.
    pub video: bool,
}

/// Pixels of a canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Canvas {
    /// Across.
    pub width: u16,
    /// Down.
    pub height: u16,
}

/// An event of the node.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The socket is up.
    Welcome {},
    /// Everybody who is in.
    Roster {
        /// In order of joining.
        participants: Vec<Person>,
    },
    /// What one of the receiver's picture lines shows, from a picture on.
    Layout {
        /// Which line.
        line: SourceKind,
        /// The coordinates' canvas.
        canvas: Canvas,
        /// From the picture with this RTP timestamp on.
        rtp_timestamp: u32,
        /// Back to front.
        tiles: Vec<LayoutTile>,
    },
    /// What the node can use of this bot's picture.
    VideoRequest {
        /// Of which source.
        kind: SourceKind,
        /// At most this high.
        height: u16,
        /// At most this wide.
        kbps: u32,
        /// Nothing at all.
        paused: bool,
    },
    /// The node's view of the way to this bot.
    Stats {
        /// What it sends or could send.
        receive_kbps: u64,
        /// `high` or `low`.
        class: String,
    },
    /// The node muted this bot.
    Muted {},
    /// The end.
    Closing {
        /// Why.
        reason: String,
    },
    /// Anything else.
    #[serde(other)]
    Other,
}

/// What a bot tells the node about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StateChange {
    /// No sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// A picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<bool>,
    /// Wanted layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// The overlay promise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay: Option<bool>,
}

#[derive(Serialize)]
struct StateMessage<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    change: &'a StateChange,
}

#[derive(Serialize)]
struct JoinBody<'a> {
    display_name: &'a str,
    pin: &'a str,
    overlay: bool,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    #[serde(default)]
    detail: String,
}

#[derive(Serialize, Deserialize)]
struct Sdp {
    sdp: String,
}

/// One participant's session with the API.
#[derive(Debug)]
pub struct Session {
    client: reqwest::Client,
    target: Target,
    joined: Joined,
}

impl Session {
    /// Joins the room.
    ///
    /// # Errors
    /// [`SignalError`]; `Refused` carries the API's code.
    pub async fn join(target: &Target, name: &str, overlay: bool) -> Result<Self, SignalError> {
        let client = client(target.ca_pem.as_deref())?;
        let step = "join";
        let request = client
            .post(endpoint(target, &format!("api/v1/rooms/{}/join", target.alias)))
            .json(&JoinBody { display_name: name, pin: &target.pin, overlay });
        let joined: Joined = parse(step, ask(step, request).await?)?;
        Ok(Self { client, target: target.clone(), joined })
    }

    /// What the join brought.
    pub fn joined(&self) -> &Joined {
        &self.joined
    }

    /// Offers media; returns the answer's SDP.
    ///
    /// # Errors
    /// [`SignalError`].
    pub async fn offer(&self, sdp: String) -> Result<String, SignalError> {
        let step = "offer";
        let request = self.authorized(self.client.post(endpoint(&self.target, "api/v1/session/offer")));
        let answer: Sdp = parse(step, ask(step, request.json(&Sdp { sdp })).await?)?;
        Ok(answer.sdp)
    }

    /// Takes a fresh token before the old one ends.
    ///
    /// # Errors
    /// [`SignalError`].
    pub async fn refresh(&mut self) -> Result<(), SignalError> {
        #[derive(Deserialize)]
        struct Refreshed {
            token: String,
            expires_s: u64,
        }
        let step = "refresh";
        let request = self.authorized(self.client.post(endpoint(&self.target, "api/v1/session/refresh")));
        let fresh: Refreshed = parse(step, ask(step, request).await?)?;
        self.joined.token = fresh.token;
        self.joined.expires_s = fresh.expires_s;
        Ok(())
    }

    /// Leaves.
    ///
    /// # Errors
    /// [`SignalError`]; the node will notice by itself.
    pub async fn leave(&self) -> Result<(), SignalError> {
        let request = self.authorized(self.client.delete(endpoint(&self.target, "api/v1/session")));
        ask("leave", request).await.map(drop)
    }

    /// Opens the WebSocket of events.
    ///
    /// # Errors
    /// [`SignalError`].
    pub async fn events(&self) -> Result<Events, SignalError> {
        let step = "events";
        let key = generate_key();
        let protocols = format!("mcu.v1, token.{}", self.joined.token);
        let request = self
            .client
            .get(endpoint(&self.target, "api/v1/events"))
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key)
            .header(header::SEC_WEBSOCKET_PROTOCOL, protocols);
        let response = request.send().await.map_err(|source| SignalError::Http { step, source })?;
        if response.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS {
            return Err(refusal(step, response).await);
        }
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(SignalError::Answer { step, detail: "wrong Sec-WebSocket-Accept".into() });
        }
        let stream = response.upgrade().await.map_err(|source| SignalError::Http { step, source })?;
        let config = WebSocketConfig::default().max_message_size(Some(EVENT_BYTES_MAX));
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await;
        let (send_event, events) = mpsc::channel(EVENTS_MAX);
        let (outbox, states) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(serve(socket, send_event, states));
        Ok(Events { events, outbox })
    }

    fn authorized(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request.bearer_auth(&self.joined.token).timeout(ANSWER_WAIT_MAX)
    }
}

/// An open WebSocket.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<Result<Event, SignalError>>,
    outbox: mpsc::Sender<StateChange>,
}

impl Events {
    /// The next event; `None` when the socket is closed. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Event, SignalError>> {
        self.events.recv().await
    }

    /// Tells the node something; lost when the socket is closed, as it then is for a browser.
    pub async fn tell(&self, change: StateChange) {
        let _ = self.outbox.send(change).await;
    }
}

type Socket = WebSocketStream<reqwest::Upgraded>;

/// Moves messages both ways until either end has gone.
async fn serve(
    mut socket: Socket,
    events: mpsc::Sender<Result<Event, SignalError>>,
    mut states: mpsc::Receiver<StateChange>,
) {
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            state = states.recv() => {
                let Some(change) = state else { break };
                let text = serde_json::to_string(&StateMessage { r#type: "state", change: &change });
                let text = text.expect("options of bools and a string: always JSON");
                if socket.send(Message::text(text)).await.is_err() {
                    break;
                }
                continue;
            }
        };
        let event = match message {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text)
                .map_err(|error| SignalError::Answer { step: "events", detail: error.to_string() }),
            Some(Ok(Message::Close(_))) | None => break,
            Some(Ok(_)) => continue,
            Some(Err(error)) => Err(Box::new(error).into()),
        };
        let is_broken = matches!(event, Err(SignalError::Socket(_)));
        if events.send(event).await.is_err() || is_broken {
            break;
        }
    }
    // Best effort: the node may be gone already.
    let _ = socket.close(None).await;
}

pub(crate) fn client(ca_pem: Option<&[u8]>) -> Result<reqwest::Client, SignalError> {
    // Another part of the process may have chosen a provider already; either serves.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // HTTP/1.1 only: the WebSocket is an upgrade of it. A load test never goes through a proxy.
    let mut builder = reqwest::Client::builder().http1_only().no_proxy().connect_timeout(ANSWER_WAIT_MAX);
    if let Some(pem) = ca_pem {
        let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(SignalError::Client)?;
        builder = builder.tls_certs_only(roots);
    }
    builder.build().map_err(SignalError::Client)
}

pub(crate) fn endpoint(target: &Target, path: &str) -> reqwest::Url {
    let mut url = target.base.clone();
    url.set_path(path);
    url
}

async fn ask(step: &'static str, request: reqwest::RequestBuilder) -> Result<Vec<u8>, SignalError> {
    body(step, send(step, request).await?).await
}

/// The response, if it is not a refusal.
pub(crate) async fn send(
    step: &'static str,
    request: reqwest::RequestBuilder,
) -> Result<reqwest::Response, SignalError> {
    let sent = request.timeout(ANSWER_WAIT_MAX).send().await;
    let response = sent.map_err(|source| SignalError::Http { step, source })?;
    if !response.status().is_success() {
        return Err(refusal(step, response).await);
    }
    Ok(response)
}

/// The body, if it is not longer than [`BODY_BYTES_MAX`].
pub(crate) async fn body(
    step: &'static str,
    mut response: reqwest::Response,
) -> Result<Vec<u8>, SignalError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|source| SignalError::Http { step, source })? {
        if body.len() + piece.len() > BODY_BYTES_MAX {
            return Err(SignalError::Answer { step, detail: format!("longer than {BODY_BYTES_MAX} bytes") });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

async fn refusal(step: &'static str, response: reqwest::Response) -> SignalError {
    let status = response.status().as_u16();
    let problem = match body(step, response).await {
        Ok(body) => serde_json::from_slice(&body).ok(),
        Err(_) => None,
    };
    let Problem { code, detail } =
        problem.unwrap_or_else(|| Problem { code: "no-problem".into(), detail: String::new() });
    SignalError::Refused { step, status, code, detail }
}

fn parse<T: serde::de::DeserializeOwned>(step: &'static str, body: Vec<u8>) -> Result<T, SignalError> {
    serde_json::from_slice(&body).map_err(|error| SignalError::Answer { step, detail: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_the_documentation_parse_and_unknown_ones_are_passed_over() {
        let layout = r#"{"type":"layout","line":"main","canvas":{"width":1280,"height":720},"rtp_timestamp":4294967295,
            "tiles":[{"participant_id":3,"kind":"main","x":0,"y":2,"width":640,"height":360,"self":true,"video":true}],
            "layout":"grid"}"#;
        let Event::Layout { line, rtp_timestamp, tiles, canvas } = serde_json::from_str(layout).unwrap()
        else {
            panic!("is a layout")
        };
        assert_eq!((line, rtp_timestamp, canvas.height), (SourceKind::Main, u32::MAX, 720));
        assert_eq!(tiles[0].rect, Rect { x: 0, y: 2, width: 640, height: 360 });
        assert!(tiles[0].is_self);
        let request =
            r#"{"type":"video_request","kind":"main","height":360,"fps":30,"kbps":500,"paused":false}"#;
        let expected = Event::VideoRequest { kind: SourceKind::Main, height: 360, kbps: 500, paused: false };
        assert_eq!(serde_json::from_str::<Event>(request).unwrap(), expected);
        let closing = r#"{"type":"closing","reason":"draining","retry_after_s":5}"#;
        assert_eq!(
            serde_json::from_str::<Event>(closing).unwrap(),
            Event::Closing { reason: "draining".into() }
        );
        let welcome = r#"{"type":"welcome","participant_id":3,"role":"guest","access":"node-decrypted"}"#;
        assert_eq!(serde_json::from_str::<Event>(welcome).unwrap(), Event::Welcome {});
        assert_eq!(serde_json::from_str::<Event>(r#"{"type":"news","x":1}"#).unwrap(), Event::Other);
    }

    #[test]
    fn a_state_message_holds_only_what_changes() {
        let change = StateChange { muted: Some(true), ..StateChange::default() };
        let text = serde_json::to_string(&StateMessage { r#type: "state", change: &change }).unwrap();
        assert_eq!(text, r#"{"type":"state","muted":true}"#);
    }
}
