//! Payload formats: RTP packets to coded pictures (hop `depacketize`) and back (hop `packetize`).
//!
//! Flow: `receive/reorder` -> [`Depacketizer`] -> `receive/video`; encoders -> [`Packetizer`] -> `send/`.
//! Thread: io (depacketize), video pool (packetize). Bound: `limits::UNIT_BYTES_MAX`, `limits::UNIT_PACKETS_MAX`,
//! `limits::PAYLOAD_BYTES_MAX`. Malformed payloads are counted and break their own picture only; nothing here decodes.

mod assemble;
mod bits;
mod h264;
mod packetize;
mod vp8;
mod vp9;

#[cfg(any(test, fuzzing))]
pub(crate) use h264::nal_units;
pub use packetize::{PacketizeError, PacketizedUnit, Packetizer};
pub use vp8::Vp8Numbers;

use assemble::Assembler;
use bytes::Bytes;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::packet::Packet;

/// One coded picture put together from packets; not yet placed in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// A VP8 or VP9 frame, or an H.264 access unit in Annex B whose IDRs carry their parameter sets.
    pub data: Bytes,
    /// Whether decoding can start here, as the payload claims.
    pub keyframe: bool,
    /// False when something between the previous picture and this one is missing, and for the very first.
    pub contiguous: bool,
    /// The RTP timestamp of its packets.
    pub timestamp: u32,
}

/// What went wrong while assembling, counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DepacketizeCounters {
    /// Payloads that are not what their format says.
    pub malformed: u64,
    /// Pictures dropped because a packet of theirs was lost or malformed.
    pub incomplete: u64,
    /// Pictures dropped for being over `limits::UNIT_BYTES_MAX` or `limits::UNIT_PACKETS_MAX`.
    pub oversized: u64,
}

/// Why a payload was refused; it is counted and its picture is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends inside its own header.
    #[error("payload ends inside its descriptor after {bytes} bytes")]
    Truncated {
        /// Bytes there are.
        bytes: usize,
    },
    /// A NAL unit type that packetization modes 0 and 1 do not have.
    #[error("nal unit type {nal_type} is not of packetization mode 0 or 1")]
    NalType {
        /// The type.
        nal_type: u8,
    },
    /// A fragment that continues nothing, or something begun before the last fragment ended.
    #[error("fragment out of place")]
    FragmentOutOfPlace,
    /// More reference indices than RFC 9628 §4.2 allows.
    #[error("more than three reference indices")]
    References,
}

/// Assembles the pictures of one stream. Feed it packets in order; say where packets are missing.
#[derive(Debug)]
pub enum Depacketizer {
    /// RFC 7741.
    Vp8(Vp8Depacketizer),
    /// RFC 9628.
    Vp9(Vp9Depacketizer),
    /// RFC 6184, packetization modes 0 and 1.
    H264(H264Depacketizer),
}

/// Assembles VP8 frames (RFC 7741).
#[derive(Debug, Default)]
pub struct Vp8Depacketizer(Assembler<vp8::Vp8Format>);
/// Assembles VP9 frames (RFC 9628); of a picture with spatial layers, the base layer, which decodes by itself.
#[derive(Debug, Default)]
pub struct Vp9Depacketizer(Assembler<vp9::Vp9Format>);
/// Assembles H.264 access units in Annex B (RFC 6184).
#[derive(Debug, Default)]
pub struct H264Depacketizer(Assembler<h264::H264Format>);

macro_rules! each {
    ($self:ident, $inner:ident => $body:expr) => {
        match $self {
            Self::Vp8(Vp8Depacketizer($inner)) => $body,
            Self::Vp9(Vp9Depacketizer($inner)) => $body,
            Self::H264(H264Depacketizer($inner)) => $body,
        }
    };
}

impl Depacketizer {
    /// One that has seen nothing.
    pub fn new(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::Vp8 => Self::Vp8(Vp8Depacketizer::default()),
            VideoCodec::Vp9 => Self::Vp9(Vp9Depacketizer::default()),
            VideoCodec::H264 => Self::H264(H264Depacketizer::default()),
        }
    }

    /// The codec it was made for.
    pub const fn codec(&self) -> VideoCodec {
        match self {
            Self::Vp8(_) => VideoCodec::Vp8,
            Self::Vp9(_) => VideoCodec::Vp9,
            Self::H264(_) => VideoCodec::H264,
        }
    }

    /// Takes the next packet in order. Then call [`poll`](Self::poll) until it is empty.
    pub fn push(&mut self, packet: &Packet) {
        each!(self, inner => inner.push(packet));
    }

    /// Says that `count` packets before the next one will never come.
    pub fn lost(&mut self, count: u64) {
        each!(self, inner => inner.lost(count));
    }

    /// The next complete picture. At most two wait after a packet.
    pub fn poll(&mut self) -> Option<Assembled> {
        each!(self, inner => inner.poll())
    }

    /// What went wrong so far.
    pub fn counters(&self) -> DepacketizeCounters {
        each!(self, inner => inner.counters())
    }
}

#[cfg(test)]
mod tests;
