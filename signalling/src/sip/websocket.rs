//! WebSockets to the SIP port for them (RFC 7118): opened for whoever speaks SIP and for pages that may, one message in each of theirs, and closed when
//! nobody is there.
//!
//! Flow: a connection of `streams` -> [`upgrade`] -> [`exchange`] -> `intake`, and answers back. Thread: the server's runtime, the connection's task. Bounds:
//! those of `streams` for places, the handshake and what is written; [`MESSAGE_BYTES_MAX`] a message; [`SILENCE_MAX`] without a sign of life, so that a message
//! is whole by then; [`IDLE_TIME_MAX`] without a word but answers to our pings, for a connection that no call is on.
//!
//! Requests of ours leave by the connection that theirs came by, as by TCP: a browser has no address, and its `Contact` names a host that is none (§5.2).

use super::flow::Flow;
use super::framing::{FrameError, alone};
use super::streams::{Ends, IDLE_TIME_MAX, LINGER_TIME, WRITE_TIME_MAX, both, open, take};
use super::switchboard::Switchboard;
use axum::http::header::{ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use mcu_core::limits::{SDP_BYTES_MAX, SIP_HEADER_BYTES_MAX};
use rsipstack::transport::TransportEvent;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

/// RFC 7118 §4.
const PROTOCOL: &str = "sip";
/// Bytes of a message: a header and a body, each at its limit.
const MESSAGE_BYTES_MAX: usize = SIP_HEADER_BYTES_MAX + SDP_BYTES_MAX;
/// Bytes read at a time, which every connection holds for as long as it is open.
const READ_BYTES: usize = 2 * 1024;
/// How often the other end is asked for a sign of life: browsers answer by themselves, and proxies forget silent connections after a minute.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(20);
/// After three pings without any answer, nobody is there.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(65);
/// Answer to a keep-alive of SIP's own (RFC 7118 §6).
const PONG: &str = "\r\n";

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The other end closed it, or broke the protocol.
    Left,
    /// Nobody is there, or wants anything.
    Silent,
    /// A message over its limit.
    TooLarge,
    /// A message that is not exactly one of SIP.
    NotOne,
}

impl End {
    /// RFC 6455 §7.4.1.
    const fn code(self) -> CloseCode {
        match self {
            Self::Left => CloseCode::Normal,
            Self::Silent => CloseCode::Away,
            Self::TooLarge => CloseCode::Size,
            Self::NotOne => CloseCode::Policy,
        }
    }
}

/// Answers the request for a WebSocket: 101, 403 to a page of another origin than `origins`, 400 to whoever does not speak SIP.
///
/// # Errors
/// When it was refused, or no such request.
pub(super) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    origins: &[String],
) -> io::Result<WebSocketStream<S>> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    #[expect(clippy::result_large_err, reason = "the library's, once a connection")]
    let answer = |request: &Request, mut response: Response| match admit(request.headers(), origins) {
        Ok(()) => {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
            Ok(response)
        }
        Err(status) => {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = status;
            Err(refusal)
        }
    };
    accept_hdr_async_with_config(stream, answer, Some(config)).await.map_err(io::Error::other)
}

/// Whether this is for us, and from where it may come. Browsers say whose page asks; who is none says nothing, or what it likes.
fn admit(headers: &HeaderMap, origins: &[String]) -> Result<(), StatusCode> {
    let may = |origin: &HeaderValue| origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
    if !headers.get_all(ORIGIN).iter().all(may) {
        return Err(StatusCode::FORBIDDEN);
    }
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let speaks_sip = offered.flat_map(|value| value.split(',')).any(|protocol| protocol.trim() == PROTOCOL);
    if speaks_sip { Ok(()) } else { Err(StatusCode::BAD_REQUEST) }
}

/// Reads and writes until either ends, and says why it did.
pub(super) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    socket: WebSocketStream<S>,
    ends: Ends,
    board: &Arc<Switchboard>,
) -> io::Result<()> {
    let (flow, outgoing, open) = open(ends).await?;
    let (ping, pings) = mpsc::channel(1);
    let (mut sink, stream) = socket.split();
    let (reading, writing) = (read(stream, &ping, &flow, board), write(&mut sink, outgoing, pings));
    let end = both(board, &flow, open, reading, writing).await?;
    let frame = CloseFrame { code: end.code(), reason: Utf8Bytes::default() };
    // Where the other end closed first, this sends the answer to that.
    let _ = timeout(LINGER_TIME, sink.send(Message::Close(Some(frame)))).await;
    Ok(())
}

async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: SplitStream<WebSocketStream<S>>,
    ping: &mpsc::Sender<()>,
    flow: &Flow,
    board: &Arc<Switchboard>,
) -> End {
    let idle = sleep(IDLE_TIME_MAX);
    tokio::pin!(idle);
    loop {
        let heard = tokio::select! {
            heard = timeout(SILENCE_MAX, stream.next()) => heard,
            () = &mut idle, if !flow.is_kept() => return End::Silent,
        };
        let Ok(heard) = heard else { return End::Silent };
        let bytes = match heard {
            Some(Ok(Message::Text(text))) => Bytes::from(text),
            Some(Ok(Message::Binary(bytes))) => bytes,
            // The library answers it.
            Some(Ok(Message::Ping(_))) => Bytes::new(),
            Some(Ok(Message::Pong(_))) => continue,
            Some(Err(Error::Capacity(_))) => {
                let _ = take(Err(FrameError::HeaderTooLarge), ping, flow, board).await;
                return End::TooLarge;
            }
            Some(Ok(Message::Close(_) | Message::Frame(_)) | Err(_)) | None => return End::Left,
        };
        idle.set(sleep(IDLE_TIME_MAX));
        let Some(frame) = alone(bytes).transpose() else { continue };
        if take(frame, ping, flow, board).await.is_err() {
            return End::NotOne;
        }
    }
}

async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    mut outgoing: mpsc::Receiver<TransportEvent>,
    mut pings: mpsc::Receiver<()>,
) -> io::Result<()> {
    let mut alive = interval(PING_INTERVAL);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once, and there has just been a handshake.
    alive.tick().await;
    loop {
        let message = tokio::select! {
            event = outgoing.recv() => match event {
                Some(TransportEvent::Incoming(message, ..)) => written(message.to_bytes()),
                Some(TransportEvent::New(_) | TransportEvent::Closed(_)) => continue,
                None => return Ok(()),
            },
            Some(()) = pings.recv() => Message::text(PONG),
            _ = alive.tick() => Message::Ping(Bytes::new()),
        };
        timeout(WRITE_TIME_MAX, sink.send(message)).await?.map_err(io::Error::other)?;
    }
}

/// RFC 7118 §5: as text, which scripts read most easily, unless it is none.
fn written(bytes: Vec<u8>) -> Message {
    String::from_utf8(bytes).map_or_else(|none| Message::binary(none.into_bytes()), Message::text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "https://phones.example";

    fn admitted(headers: &[(&'static str, &'static str)]) -> Result<(), u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        admit(&map, &[PAGE.to_owned()]).map_err(|status| status.as_u16())
    }

    #[test]
    fn whoever_speaks_sip_is_let_in_but_for_pages_of_elsewhere() {
        let sip = ("sec-websocket-protocol", "sip");
        assert_eq!(admitted(&[sip]), Ok(()), "no browser");
        assert_eq!(admitted(&[sip, ("origin", PAGE)]), Ok(()));
        assert_eq!(admitted(&[("sec-websocket-protocol", "mcu.v1, sip")]), Ok(()));
        assert_eq!(admitted(&[("sec-websocket-protocol", "mcu.v1"), sip]), Ok(()));
        for other in
            ["http://phones.example", "https://phones.example:8443", "https://PHONES.example", "null", ""]
        {
            assert_eq!(admitted(&[sip, ("origin", other)]), Err(403), "{other}");
        }
        assert_eq!(admitted(&[sip, ("origin", PAGE), ("origin", "null")]), Err(403), "each of them");
        assert_eq!(admitted(&[]), Err(400));
        for other in ["mcu.v1", "sips", "SIP", "sip;x"] {
            assert_eq!(admitted(&[("sec-websocket-protocol", other)]), Err(400), "{other}");
        }
    }
}
