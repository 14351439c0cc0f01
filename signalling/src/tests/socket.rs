//! The events' socket: over an in-memory connection from handshake to close, and on a sink that takes nothing.

use super::*;
use crate::ws::pump::{self, Ending, MESSAGES_BURST, PING_INTERVAL, SILENCE_MAX};
use axum::extract::ws::Message;
use axum::serve::Listener;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use mcu_core::conference::event::ClosingReason;
use mcu_core::limits::EVENTS_STALL_MAX;
use std::convert::Infallible;
use std::pin::Pin as PinBox;
use std::task::{Context, Poll};
use tokio::io::{DuplexStream, duplex};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message as Frame};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Accepts connections that are two ends of a pipe.
struct Pipes(mpsc::Receiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(pipe) => (pipe, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) type Client = WebSocketStream<DuplexStream>;

async fn connect(house: &House, headers: &[(&'static str, String)]) -> Result<Client, tungstenite::Error> {
    connect_to(&house.app, headers).await
}

pub(super) async fn connect_to(
    app: &Router,
    headers: &[(&'static str, String)],
) -> Result<Client, tungstenite::Error> {
    let (tx, rx) = mpsc::channel(1);
    let app = app.clone().layer(MockConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
    tokio::spawn(async move { axum::serve(Pipes(rx), app).await });
    let (near, far) = duplex(1 << 16);
    tx.send(far).await.expect("the server listens");
    let mut request = "ws://meet.example/api/v1/events".into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a fair header"));
    }
    let (client, response) = client_async(request, near).await?;
    assert_eq!(response.headers()["sec-websocket-protocol"], "mcu.v1");
    Ok(client)
}

pub(super) fn protocols(token: &str) -> (&'static str, String) {
    ("sec-websocket-protocol", format!("mcu.v1, token.{token}"))
}

async fn open(house: &House) -> Client {
    let mut client = connect(house, &[protocols(&guest())]).await.expect("a fair handshake");
    let welcome = client.next().await.expect("open").expect("a frame");
    let welcome: Value = serde_json::from_str(welcome.to_text().expect("text")).expect("JSON");
    assert_eq!((&welcome["type"], &welcome["participant_id"]), (&json!("welcome"), &json!(2)));
    client
}

/// The code of the close frame that comes next.
async fn closed(client: &mut Client) -> u16 {
    loop {
        match client.next().await {
            Some(Ok(Frame::Close(Some(frame)))) => return frame.code.into(),
            Some(Ok(Frame::Ping(_))) => (),
            other => panic!("{other:?}"),
        }
    }
}

fn events(house: &House) -> mpsc::Sender<EventText> {
    house.events.lock().expect("whole").last().expect("a subscription").clone()
}

#[tokio::test(start_paused = true)]
async fn events_come_in_order_and_closing_is_the_last() {
    let house = House::new();
    let mut client = open(&house).await;
    let events = events(&house);
    let closing = Event::Closing { reason: ClosingReason::RoomDeleted, retry_after_s: None };
    for event in [Event::Floor { holder: None }, Event::Roster { participants: vec![entry(1)] }, closing] {
        events.send(EventText::from(&event)).await.expect("the socket lives");
        let got = client.next().await.expect("open").expect("a frame");
        assert_eq!(got.to_text().expect("text"), serde_json::to_string(&event).expect("plain data"));
    }
    assert_eq!(closed(&mut client).await, 1000);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_says_reaches_the_control_thread() {
    let house = House::new();
    let mut client = open(&house).await;
    for text in [
        r#"{"type":"state","muted":true,"layout":"speaker"}"#,
        r#"{"type":"state","sharing":true}"#,
        r#"{"type":"stats","freezes":1,"fps":30}"#,
    ] {
        client.send(Frame::text(text)).await.expect("open");
    }
    client.close(None).await.expect("open");
    assert_eq!(client.next().await.map(|end| end.is_ok()), Some(true));
    assert_eq!(house.seen_kinds(), ["State", "State", "Stats"]);
    let seen = house.seen.lock().expect("whole");
    let Command::State { who, change, .. } = &seen[0] else { panic!("{seen:?}") };
    assert_eq!(who.participant, ParticipantId(2));
    assert_eq!((change.muted, change.layout, change.camera), (Some(true), Some(LayoutChoice::Speaker), None));
}

#[tokio::test(start_paused = true)]
async fn anything_else_closes() {
    let house = House::new();
    let large = format!(r#"{{"type":"state"{}}}"#, " ".repeat(5_000));
    let bad: [(Frame, u16); 7] = [
        (Frame::text(r#"{"type":"shout"}"#), 1008),
        (Frame::text(r#"{"type":"state","surprise":1}"#), 1008),
        (Frame::text(r#"{"type":"stats","freezes":-1,"fps":3}"#), 1008),
        (Frame::text("[]"), 1008),
        (Frame::text("hello"), 1008),
        (Frame::binary(vec![1, 2, 3]), 1008),
        (Frame::text(large), 1009),
    ];
    for (frame, code) in bad {
        let mut client = open(&house).await;
        client.send(frame.clone()).await.expect("open");
        assert_eq!(closed(&mut client).await, code, "{frame:?}");
    }
    assert!(house.seen_kinds().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_talks_too_much_is_closed() {
    let house = House::new();
    let mut client = open(&house).await;
    for _ in 0..=MESSAGES_BURST {
        client.send(Frame::text(r#"{"type":"state"}"#)).await.expect("open");
    }
    assert_eq!(closed(&mut client).await, 1008);
    assert_eq!(house.seen_kinds().len(), MESSAGES_BURST as usize);
}

#[tokio::test(start_paused = true)]
async fn a_control_thread_that_dropped_the_events_closes_the_socket_as_stalled() {
    let house = House::new();
    let mut client = open(&house).await;
    house.events.lock().expect("whole").clear();
    assert_eq!(closed(&mut client).await, 1013);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_listen_is_told_before_the_upgrade() {
    let house = House::new();
    let origin = |origin: &str| ("origin", origin.to_owned());
    let old =
        Tokens::from_key(&KEY).issue(&identity(2, Role::Guest, "daily"), START_UNIX_S - 901).into_exposed();
    let refused = [
        (vec![], 400),
        (vec![("sec-websocket-protocol", "mcu.v1".to_owned())], 401),
        (vec![protocols("nonsense")], 401),
        (vec![protocols(&old)], 401),
        (vec![protocols(ADMIN)], 401),
        (vec![protocols(&token(100, Role::Guest, "daily"))], 401),
        (vec![protocols(&guest()), origin("https://evil.example")], 403),
        (vec![protocols(&guest()), origin("null")], 403),
    ];
    for (headers, status) in refused {
        match connect(&house, &headers).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), status, "{headers:?}"),
            other => panic!("{headers:?}: {other:?}"),
        }
    }
    assert!(connect(&house, &[protocols(&guest()), origin("https://meet.example")]).await.is_ok());
    let open = House::with(|options| options.origins = vec!["https://a.example".into()]);
    assert!(connect(&open, &[protocols(&guest()), origin("https://a.example")]).await.is_ok());
    let full = House::with(|options| options.sockets_max = 0);
    let refused = connect(&full, &[protocols(&guest())]).await;
    assert!(matches!(refused, Err(tungstenite::Error::Http(response)) if response.status() == 503));
}

/// A socket that takes `takes` messages and then nothing, and never says a word.
struct Mute {
    takes: usize,
    sent: Arc<Mutex<Vec<Message>>>,
}

impl Stream for Mute {
    type Item = Result<Message, Infallible>;

    fn poll_next(self: PinBox<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl Sink<Message> for Mute {
    type Error = Infallible;

    fn poll_ready(self: PinBox<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let full = self.sent.lock().expect("whole").len() >= self.takes;
        if full { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn start_send(self: PinBox<&mut Self>, message: Message) -> Result<(), Infallible> {
        self.sent.lock().expect("whole").push(message);
        Ok(())
    }

    fn poll_flush(self: PinBox<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: PinBox<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs a socket that is [`Mute`]; the clock given to it is tokio's paused one.
async fn run_mute(takes: usize, events_sent: usize) -> (Ending, std::time::Duration, Vec<Message>) {
    let (control, _commands) = Control::channel(1);
    let (tx, events) = mpsc::channel(8);
    for _ in 0..events_sent {
        tx.try_send(EventText::from(&Event::Floor { holder: None })).expect("room for it");
    }
    let start = Instant::now();
    let clock = Clock::new(move || Mono::ZERO + start.elapsed(), || START_UNIX_S);
    let sent = Arc::default();
    let socket = Mute { takes, sent: Arc::clone(&sent) };
    let subscription = Subscription { snapshot: Vec::new(), events };
    let who = identity(2, Role::Guest, "daily");
    let ending = pump::run(socket, subscription, None, &control, &who, &clock).await;
    let sent = sent.lock().expect("whole").clone();
    (ending, start.elapsed(), sent)
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_takes_nothing_is_given_up_after_the_limit() {
    let (ending, after, sent) = run_mute(2, 3).await;
    assert_eq!((ending, sent.len()), (Ending::Stalled, 2));
    // One second more for a close frame that nobody takes either.
    let limit = EVENTS_STALL_MAX + std::time::Duration::from_secs(1);
    assert!((EVENTS_STALL_MAX..=limit + std::time::Duration::from_millis(5)).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_takes_everything_and_answers_no_ping_is_given_up_later() {
    let (ending, after, sent) = run_mute(100, 3).await;
    assert_eq!(ending, Ending::Stalled);
    let pings = sent.iter().filter(|message| matches!(message, Message::Ping(_))).count();
    assert_eq!(pings, 3, "{sent:?}");
    assert!(matches!(sent.last(), Some(Message::Close(Some(frame))) if frame.code == 1013), "{sent:?}");
    assert!(after >= SILENCE_MAX && after < SILENCE_MAX + PING_INTERVAL, "{after:?}");
}
