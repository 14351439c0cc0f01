//! Packetizing: one coded picture to RTP payloads, once per rendition, shared by all its receivers.
//!
//! Flow: encoder -> **here** -> `send/rewrite`, which adds what differs per receiver. Thread: video pool.
//! Bound: `limits::PAYLOAD_BYTES_MAX` per payload, `limits::UNIT_BYTES_MAX` per picture. Writes no RTP header.

use super::{h264, vp8};
use mcu_core::limits::UNIT_BYTES_MAX;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::unit::EncodedUnit;
use mcu_core::time::MediaTime;
use std::sync::Arc;
use str0m::rtp::{Vp8Descriptor, Vp8Patch};

/// Why a unit could not be packetized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketizeError {
    /// The node does not send this codec.
    #[error("{codec:?} is never sent")]
    Codec {
        /// The codec.
        codec: VideoCodec,
    },
    /// It holds no picture: no bytes, or no NAL unit.
    #[error("the unit is empty")]
    Empty,
    /// Over `limits::UNIT_BYTES_MAX`.
    #[error("a unit of {bytes} bytes is over the limit")]
    Oversized {
        /// Its length.
        bytes: usize,
    },
}

/// The payloads of one coded picture, in order. The last one's packet carries the RTP marker bit.
#[derive(Debug, Clone)]
pub struct PacketizedUnit {
    /// RTP payloads, each at most `limits::PAYLOAD_BYTES_MAX` bytes; never empty.
    pub payloads: Vec<Arc<[u8]>>,
    /// Whether a decoder can start here.
    pub keyframe: bool,
    /// Moment of its tick.
    pub at: MediaTime,
    /// How it is coded.
    pub codec: VideoCodec,
    /// The VP8 descriptor, whose layout all payloads of the unit share.
    descriptor: Option<Vp8Descriptor>,
}

impl PacketizedUnit {
    /// Whether the packet of payload `index` carries the marker bit.
    pub const fn marker(&self, index: usize) -> bool {
        index + 1 == self.payloads.len()
    }

    /// Bytes of all payloads.
    pub fn byte_len(&self) -> usize {
        self.payloads.iter().map(|payload| payload.len()).sum()
    }

    /// The patch that gives every payload of this unit another PictureID (15 bits) and TL0PICIDX.
    /// `None` when the codec is not VP8.
    pub fn vp8_patch(&self, picture_id: u16, tl0_pic_idx: u8) -> Option<Vp8Patch> {
        let patch = self.descriptor?.patch().picture_id(picture_id & 0x7fff).tl0_pic_idx(tl0_pic_idx);
        patch.build().ok()
    }
}

/// Packetizes the units of one rendition.
#[derive(Debug)]
pub struct Packetizer {
    codec: VideoCodec,
    picture_id: u16,
    tl0_pic_idx: u8,
}

impl Packetizer {
    /// One for a rendition's codec.
    ///
    /// # Errors
    /// [`PacketizeError::Codec`] for a codec that the node does not encode.
    pub const fn new(codec: VideoCodec) -> Result<Self, PacketizeError> {
        if codec.encodes() {
            Ok(Self { codec, picture_id: 0, tl0_pic_idx: 0 })
        } else {
            Err(PacketizeError::Codec { codec })
        }
    }

    /// The payloads of `unit`.
    ///
    /// # Errors
    /// [`PacketizeError::Empty`] and [`PacketizeError::Oversized`]; neither changes the packetizer.
    pub fn packetize(&mut self, unit: &EncodedUnit) -> Result<PacketizedUnit, PacketizeError> {
        let bytes = unit.data.len();
        if bytes > UNIT_BYTES_MAX {
            return Err(PacketizeError::Oversized { bytes });
        }
        let mut payloads = Vec::with_capacity(bytes.div_ceil(mcu_core::limits::PAYLOAD_BYTES_MAX) + 1);
        match self.codec {
            VideoCodec::Vp8 => vp8::packetize(&unit.data, self.picture_id, self.tl0_pic_idx, &mut payloads),
            VideoCodec::H264 => h264::packetize(&unit.data, &mut payloads),
            VideoCodec::Vp9 => return Err(PacketizeError::Codec { codec: self.codec }),
        }
        let first = payloads.first().ok_or(PacketizeError::Empty)?;
        let descriptor = match self.codec {
            VideoCodec::Vp8 => Vp8Descriptor::parse(first).ok(),
            _ => None,
        };
        self.picture_id = (self.picture_id + 1) % vp8::PICTURE_IDS;
        self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
        let (keyframe, at) = (unit.keyframe, unit.at);
        Ok(PacketizedUnit { payloads, keyframe, at, codec: self.codec, descriptor })
    }
}
