//! What happens on an events' socket: events out, two kinds of message in, and how it ends.
//!
//! Flow: control thread -> bounded queue -> **here** -> client, and back as `Command::State` and `Command::Stats`. A host's [`RoomCalls`] come in between.
//! Thread: the server's runtime, one task per socket; the only place of this crate that waits for a client.
//! Bounds: `limits::EVENTS_STALL_MAX` for a message to leave, [`MESSAGES_BURST`] messages in, [`SILENCE_MAX`].

use crate::command::{Command, Control, Identity, Subscription};
use crate::event::EventText;
use crate::model::ClientStats;
use crate::problem::ApiError;
use crate::state::Clock;
use crate::ws::MESSAGE_BYTES_MAX;
use crate::ws::calls::RoomCalls;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, close_code};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use mcu_core::conference::input::StateChange;
use mcu_core::limits::EVENTS_STALL_MAX;
use mcu_core::time::Mono;
use serde::Deserialize;
use std::future::pending;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// How often a client is asked for a sign of life; proxies forget silent connections after a minute.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(20);
/// After three pings without any answer, nobody is there.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(65);
/// How long a closing handshake may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// Messages that a client may send at once.
pub(crate) const MESSAGES_BURST: u32 = 40;
/// One more each.
const MESSAGE_INTERVAL: Duration = Duration::from_millis(100);

/// RFC 6455 §7.4.1: why a socket closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// After `closing`: 1000.
    Done,
    /// The client closed; the library answers with its own code.
    Left,
    /// A message that is not ours: 1008.
    Policy(&'static str),
    /// A message over its size: 1009.
    TooLarge,
    /// It takes nothing: 1013.
    Stalled,
    /// The connection is gone; nothing can be said.
    Gone,
}

impl Ending {
    const fn frame(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Done => Some((close_code::NORMAL, "")),
            Self::Policy(reason) => Some((close_code::POLICY, reason)),
            Self::TooLarge => Some((close_code::SIZE, "the message is too large")),
            Self::Stalled => Some((close_code::AGAIN, "the socket took no events")),
            Self::Left | Self::Gone => None,
        }
    }
}

/// What a client may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ClientWord {
    State(StateChange),
    Stats(ClientStats),
}

/// Runs a socket to its end.
pub(crate) async fn run<S, E>(
    mut socket: S,
    subscription: Subscription,
    calls: Option<RoomCalls>,
    control: &Control,
    who: &Identity,
    clock: &Clock,
) -> Ending
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    let ending = serve(&mut socket, subscription, calls, control, who, clock).await;
    if ending != Ending::Gone {
        // A client that does not answer is left alone.
        let _ = timeout(CLOSE_MAX, farewell(&mut socket, ending)).await;
    }
    ending
}

/// The closing handshake. Reading on is what sends the library's own answer to a client's close frame.
async fn farewell<S, E>(socket: &mut S, ending: Ending)
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    if let Some((code, reason)) = ending.frame() {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        if socket.send(Message::Close(Some(frame))).await.is_err() {
            return;
        }
    }
    while let Some(Ok(_)) = socket.next().await {}
}

async fn serve<S, E>(
    socket: &mut S,
    subscription: Subscription,
    mut calls: Option<RoomCalls>,
    control: &Control,
    who: &Identity,
    clock: &Clock,
) -> Ending
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    let Subscription { snapshot, mut events } = subscription;
    let mut pace = Pace::new(clock.mono());
    let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = clock.mono();
    for event in snapshot {
        if let Err(ending) = send_event(socket, &event).await {
            return ending;
        }
    }
    loop {
        let step = tokio::select! {
            event = events.recv() => match event {
                Some(event) => send_event(socket, &event).await,
                None => Err(Ending::Stalled),
            },
            event = next_of(&mut calls) => send_event(socket, &event).await,
            message = socket.next() => {
                heard = clock.mono();
                match message {
                    Some(Ok(message)) => take(message, &mut pace, control, who, heard).await,
                    Some(Err(_)) | None => Err(Ending::Gone),
                }
            }
            _ = pings.tick() => if clock.mono().since(heard) > SILENCE_MAX {
                Err(Ending::Stalled)
            } else {
                send(socket, Message::Ping(axum::body::Bytes::new())).await
            },
        };
        if let Err(ending) = step {
            return ending;
        }
    }
}

/// What there is to tell of calls next; for whom they are nothing, never.
async fn next_of(calls: &mut Option<RoomCalls>) -> EventText {
    match calls {
        Some(calls) => calls.next().await,
        None => pending().await,
    }
}

async fn send_event<S, E>(socket: &mut S, event: &EventText) -> Result<(), Ending>
where
    S: Sink<Message, Error = E> + Unpin,
{
    send(socket, Message::text(event.as_str())).await?;
    if event.closing().is_some() { Err(Ending::Done) } else { Ok(()) }
}

async fn send<S, E>(socket: &mut S, message: Message) -> Result<(), Ending>
where
    S: Sink<Message, Error = E> + Unpin,
{
    match timeout(EVENTS_STALL_MAX, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Ending::Gone),
        Err(_) => Err(Ending::Stalled),
    }
}

async fn take(
    message: Message,
    pace: &mut Pace,
    control: &Control,
    who: &Identity,
    now: Mono,
) -> Result<(), Ending> {
    if !pace.admits(now) {
        return Err(Ending::Policy("too many messages"));
    }
    match message {
        Message::Text(text) if text.len() > MESSAGE_BYTES_MAX => Err(Ending::TooLarge),
        Message::Text(text) => word(&text, control, who).await,
        Message::Binary(_) => Err(Ending::Policy("not a text message")),
        // Pings are answered by the library.
        Message::Ping(_) | Message::Pong(_) => Ok(()),
        Message::Close(_) => Err(Ending::Left),
    }
}

async fn word(text: &str, control: &Control, who: &Identity) -> Result<(), Ending> {
    let who = who.clone();
    match serde_json::from_str(text) {
        Ok(ClientWord::State(change)) => {
            let asked = control.ask(|reply| Command::State { who, change, reply });
            match timeout(EVENTS_STALL_MAX, asked).await {
                // The participant is gone, and `closing` is on its way, or the words made no sense.
                Ok(Err(ApiError::BadRequest(_))) => Err(Ending::Policy("not a state that can be")),
                // A conflict is told by a `floor` event.
                Ok(_) | Err(_) => Ok(()),
            }
        }
        Ok(ClientWord::Stats(stats)) => {
            control.tell(Command::Stats { who, stats });
            Ok(())
        }
        Err(_) => Err(Ending::Policy("not a message of mcu.v1")),
    }
}

/// A token bucket for messages of one client.
#[derive(Debug)]
struct Pace {
    full_at: Mono,
}

impl Pace {
    const fn new(now: Mono) -> Self {
        Self { full_at: now }
    }

    fn admits(&mut self, now: Mono) -> bool {
        let full_at = self.full_at.max(now) + MESSAGE_INTERVAL;
        let admitted = full_at.since(now) <= MESSAGE_INTERVAL * MESSAGES_BURST;
        if admitted {
            self.full_at = full_at;
        }
        admitted
    }
}
