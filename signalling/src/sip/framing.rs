//! Messages in a stream (RFC 3261 §18.3): where one ends and the next begins, by Content-Length alone; and those that come one by one.
//!
//! Flow: bytes of a TCP or TLS connection -> [`Framer`] -> `streams`; a message of a WebSocket -> [`alone`] -> `websocket`. Pure: no clock, no socket.
//! Bounds: `limits::SIP_HEADER_BYTES_MAX`, `limits::SDP_BYTES_MAX`. What has no clear length ends the connection: guessing where a
//! message ends is how one is smuggled inside another.

use bytes::{Buf, Bytes, BytesMut};
use mcu_core::limits::{SDP_BYTES_MAX, SIP_HEADER_BYTES_MAX};

/// RFC 5626 §4.4.1: a client asks whether its flow still stands, and is told.
pub(super) const PING: &[u8] = b"\r\n\r\n";
/// What it is told.
pub(super) const PONG: &[u8] = b"\r\n";
const HEADER_END: &[u8] = b"\r\n\r\n";

/// What a stream held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A keep-alive that wants an answer.
    Ping,
    /// A whole message; its header is within its limit, and whether it can be parsed is another matter.
    Message(Bytes),
}

/// Why nothing more can be read from a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// No end of a header within `limits::SIP_HEADER_BYTES_MAX`.
    #[error("a header is over its limit")]
    HeaderTooLarge,
    /// No Content-Length, none that is a number, two that differ, or one that contradicts what the message came in.
    #[error("a message has no clear length")]
    NoLength,
    /// The body is over `limits::SDP_BYTES_MAX`.
    #[error("a body is over its limit")]
    BodyTooLarge {
        /// The header, which can still be answered.
        header: Bytes,
    },
}

/// Takes bytes as they come, gives messages.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    buffer: BytesMut,
    /// Bytes of the buffer in which no header ends.
    searched: usize,
    /// Bytes of the message that the buffer begins with, once its header has ended.
    message_bytes: Option<usize>,
}

impl Framer {
    /// Whether a message has begun and not ended; half a ping is none.
    pub(crate) fn is_within(&self) -> bool {
        !PING.starts_with(&self.buffer)
    }

    /// Takes what came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, once it is whole. No byte is looked at for each one that comes after it.
    ///
    /// # Errors
    /// [`FrameError`], after which nothing more comes of this stream.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.message_bytes.is_none() {
            if self.buffer.starts_with(PING) {
                self.buffer.advance(PING.len());
                return Ok(Some(Frame::Ping));
            }
            // RFC 3261 §7.5: empty lines before a message are nothing. One alone may be the first half of a ping.
            while self.buffer.starts_with(PONG) && !PING.starts_with(&self.buffer) {
                self.buffer.advance(PONG.len());
            }
            if PING.starts_with(&self.buffer) {
                return Ok(None);
            }
            self.message_bytes = self.find_message()?;
        }
        match self.message_bytes {
            Some(bytes) if self.buffer.len() >= bytes => {
                (self.searched, self.message_bytes) = (0, None);
                Ok(Some(Frame::Message(self.buffer.split_to(bytes).freeze())))
            }
            _ => Ok(None),
        }
    }

    /// How long the message is that the buffer begins with, once its header has ended.
    fn find_message(&mut self) -> Result<Option<usize>, FrameError> {
        let from = self.searched.saturating_sub(HEADER_END.len() - 1);
        self.searched = self.buffer.len();
        let end = self.buffer[from..].windows(HEADER_END.len()).position(|window| window == HEADER_END);
        let header_bytes = end.map(|at| from + at + HEADER_END.len());
        if header_bytes.unwrap_or(self.buffer.len()) > SIP_HEADER_BYTES_MAX {
            return Err(FrameError::HeaderTooLarge);
        }
        let Some(header_bytes) = header_bytes else { return Ok(None) };
        let body_bytes = content_length(&self.buffer[..header_bytes])?.ok_or(FrameError::NoLength)?;
        if body_bytes > SDP_BYTES_MAX {
            return Err(FrameError::BodyTooLarge { header: self.buffer.split_to(header_bytes).freeze() });
        }
        Ok(Some(header_bytes + body_bytes))
    }
}

/// What came by itself (RFC 7118 §5): a keep-alive, or exactly one message, given back with the Content-Length that it need not have said. `None` is an
/// answer to a keep-alive.
///
/// # Errors
/// [`FrameError`].
pub(crate) fn alone(bytes: Bytes) -> Result<Option<Frame>, FrameError> {
    if bytes == PING {
        return Ok(Some(Frame::Ping));
    }
    if bytes.is_empty() || bytes == PONG {
        return Ok(None);
    }
    let end =
        bytes.windows(HEADER_END.len()).take(SIP_HEADER_BYTES_MAX).position(|window| window == HEADER_END);
    let header_bytes = end.map(|end| end + HEADER_END.len()).filter(|bytes| *bytes <= SIP_HEADER_BYTES_MAX);
    let (header, body) = bytes.split_at(header_bytes.ok_or(FrameError::HeaderTooLarge)?);
    if header.starts_with(PONG) {
        return Err(FrameError::NoLength);
    }
    if body.len() > SDP_BYTES_MAX {
        return Err(FrameError::BodyTooLarge { header: Bytes::copy_from_slice(header) });
    }
    match content_length(header)? {
        Some(length) if length == body.len() => Ok(Some(Frame::Message(bytes))),
        Some(_) => Err(FrameError::NoLength),
        None => {
            let (lines, length) = (&header[..header.len() - PONG.len()], body.len());
            let told = [lines, format!("Content-Length: {length}\r\n\r\n").as_bytes(), body].concat();
            Ok(Some(Frame::Message(told.into())))
        }
    }
}

/// RFC 3261 §20.14, in its long or short form.
fn content_length(header: &[u8]) -> Result<Option<usize>, FrameError> {
    let mut found = None;
    for line in header.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = line[..colon].trim_ascii();
        if !name.eq_ignore_ascii_case(b"content-length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        let value = line[colon + 1..].trim_ascii();
        let digits = !value.is_empty() && value.len() <= 9 && value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).ok().filter(|_| digits);
        let length: usize = text.and_then(|text| text.parse().ok()).ok_or(FrameError::NoLength)?;
        if found.replace(length).is_some_and(|before| before != length) {
            return Err(FrameError::NoLength);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> String {
        format!("BYE sip:a@b SIP/2.0\r\nCall-ID: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn frames(chunks: &[&[u8]]) -> Result<Vec<Frame>, FrameError> {
        let mut framer = Framer::default();
        let mut frames = Vec::new();
        for chunk in chunks {
            framer.push(chunk);
            while let Some(frame) = framer.next_frame()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    fn whole(text: &str) -> Frame {
        Frame::Message(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn messages_come_out_as_they_went_in_however_they_are_cut() {
        let (one, other) = (message("v=0\r\n\r\nx"), message(""));
        let stream = format!("\r\n\r\n{one}\r\n{other}\r\n\r\n\r\n\r\n{one}").into_bytes();
        let expected = vec![Frame::Ping, whole(&one), whole(&other), Frame::Ping, Frame::Ping, whole(&one)];
        assert_eq!(frames(&[&stream]), Ok(expected.clone()));
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(frames(&bytes), Ok(expected.clone()));
        for cut in 1..stream.len() {
            assert_eq!(frames(&[&stream[..cut], &stream[cut..]]), Ok(expected.clone()), "{cut}");
        }
    }

    #[test]
    fn a_length_is_named_once_or_alike() {
        let with = |lines: &str| frames(&[format!("BYE sip:a@b SIP/2.0\r\n{lines}\r\nxx").as_bytes()]);
        for fair in ["l: 2\r\n", "CONTENT-LENGTH:2\r\n", "Content-Length : 2\r\nl:2\r\n"] {
            assert_eq!(with(fair).map(|frames| frames.len()), Ok(1), "{fair}");
        }
        for odd in [
            "",
            "l: \r\n",
            "l: -2\r\n",
            "l: +2\r\n",
            "l: 2x\r\n",
            "l: 2\r\nl: 3\r\n",
            "l: 18446744073709551615\r\n",
        ] {
            assert_eq!(with(odd), Err(FrameError::NoLength), "{odd}");
        }
    }

    fn taken_alone(text: &str) -> Result<Option<Frame>, FrameError> {
        alone(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn what_comes_alone_is_one_message_and_says_its_length_or_not() {
        let fair = message("v=0\r\n\r\nx");
        assert_eq!(taken_alone(&fair), Ok(Some(whole(&fair))));
        let untold = fair.replace("Content-Length: 8\r\n", "");
        let told = whole(&fair);
        assert_eq!(taken_alone(&untold), Ok(Some(told)), "the rest of it is its body");
        assert_eq!(
            taken_alone(&message("").replace("Content-Length: 0\r\n", "")),
            Ok(Some(whole(&message(""))))
        );
        for odd in [
            format!("{fair}{fair}"),
            format!("{fair}\r\n"),
            format!("\r\n{fair}"),
            format!("\r\n\r\n{fair}"),
            fair.replace(": 8", ": 7"),
            fair.replace(": 8", ": 9"),
            fair.replace(": 8", ": x"),
            fair.replace(": 8", ": 8\r\nl: 0"),
        ] {
            assert_eq!(taken_alone(&odd), Err(FrameError::NoLength), "{odd}");
        }
        assert_eq!(taken_alone("\r\n\r\n"), Ok(Some(Frame::Ping)));
        for nothing in ["", "\r\n"] {
            assert_eq!(taken_alone(nothing), Ok(None), "{nothing:?}");
        }
    }

    #[test]
    fn what_comes_alone_has_the_same_limits() {
        let header = |bytes: usize| {
            let rest = "BYE sip:a@b SIP/2.0\r\nX: \r\nl: 0\r\n\r\n".len();
            format!("BYE sip:a@b SIP/2.0\r\nX: {}\r\nl: 0\r\n\r\n", "x".repeat(bytes - rest))
        };
        assert!(taken_alone(&header(SIP_HEADER_BYTES_MAX)).is_ok(), "the control: just fits");
        assert_eq!(taken_alone(&header(SIP_HEADER_BYTES_MAX + 1)), Err(FrameError::HeaderTooLarge));
        assert_eq!(taken_alone("BYE sip:a@b SIP/2.0\r\n"), Err(FrameError::HeaderTooLarge), "it never ends");
        assert!(taken_alone(&message(&"x".repeat(SDP_BYTES_MAX))).is_ok(), "the control: just fits");
        let large = message(&"x".repeat(SDP_BYTES_MAX + 1));
        assert!(matches!(taken_alone(&large), Err(FrameError::BodyTooLarge { .. })));
    }

    #[test]
    fn each_part_has_its_limit() {
        let endless = vec![b'x'; SIP_HEADER_BYTES_MAX];
        assert_eq!(frames(&[&endless]), Ok(vec![]), "the control: it could still end");
        assert_eq!(frames(&[&endless, b"x"]), Err(FrameError::HeaderTooLarge));
        let padded =
            format!("BYE sip:a@b SIP/2.0\r\nX: {}\r\nl: 0\r\n\r\n", "x".repeat(SIP_HEADER_BYTES_MAX));
        assert_eq!(frames(&[padded.as_bytes()]), Err(FrameError::HeaderTooLarge), "whole, and too long");
        let fits = message(&"x".repeat(SDP_BYTES_MAX));
        assert_eq!(frames(&[fits.as_bytes()]).map(|frames| frames.len()), Ok(1));
        let header = format!("BYE sip:a@b SIP/2.0\r\nl: {}\r\n\r\n", SDP_BYTES_MAX + 1);
        let refused = FrameError::BodyTooLarge { header: Bytes::copy_from_slice(header.as_bytes()) };
        assert_eq!(frames(&[header.as_bytes()]), Err(refused), "before a byte of it has come");
    }
}
