//! What travels between a client and the node, one datagram each, already authenticated.

use bytes::Bytes;
use mcu_core::id::SourceKind;
use mcu_core::media::packet::SenderReport;
use mcu_core::time::Mono;
use std::sync::Arc;
use std::time::Duration;
use transport::peer::Line;

/// Bytes of a datagram besides its payload: RTP header, extensions, SRTP tag.
const OVERHEAD_BYTES: usize = 40;
/// Bytes of a datagram of feedback.
const FEEDBACK_BYTES: usize = 80;
/// Bytes of a datagram of padding.
pub(super) const PADDING_BYTES: usize = 1_000;

/// From a client.
#[derive(Debug, Clone)]
pub(super) enum Up {
    /// A packet of a source.
    Media(Media),
    /// A sender report.
    Report(Line, SenderReport),
    /// A picture of this line cannot be decoded.
    KeyframeRequest(SourceKind),
    /// What has arrived since the feedback before, and how long it waited in queues, at the longest.
    Feedback { bytes: usize, span: Duration, waited: Duration },
}

/// One RTP packet.
#[derive(Debug, Clone)]
pub(super) struct Media {
    pub(super) line: Line,
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) level_dbov: Option<u8>,
    pub(super) payload: Bytes,
}

impl Up {
    /// Bytes of its datagram.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Media(media) => media.payload.len() + OVERHEAD_BYTES,
            _ => FEEDBACK_BYTES,
        }
    }
}

/// From the node, with the moment at which it left.
#[derive(Debug, Clone)]
pub(super) struct Down {
    pub(super) sent: Mono,
    pub(super) what: DownKind,
}

/// What the node sends.
#[derive(Debug, Clone)]
pub(super) enum DownKind {
    /// A packet of a picture.
    Video { kind: SourceKind, sequence: u64, timestamp: u32, marker: bool, payload: Arc<[u8]> },
    /// A whole picture, for those who only count: so many packets with so many bytes of payload.
    Picture { packets: u32, bytes: usize },
    /// 20 ms of sound, numbered.
    Sound { sequence: u64, payload: Arc<[u8]> },
    /// Nothing, to learn what the way carries.
    Padding,
    /// A picture of this source cannot be decoded.
    KeyframeRequest(SourceKind),
}

impl DownKind {
    /// Bytes of its datagram.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Video { payload, .. } | Self::Sound { payload, .. } => payload.len() + OVERHEAD_BYTES,
            Self::Picture { packets, bytes } => bytes + *packets as usize * OVERHEAD_BYTES,
            Self::Padding => PADDING_BYTES,
            Self::KeyframeRequest(_) => FEEDBACK_BYTES,
        }
    }
}
