//! VP8 payload format (RFC 7741): reading any descriptor, writing the one form that can be rewritten per receiver.
//!
//! Flow: `assemble` and `packetize` -> **here**. Never looks behind the first byte of the VP8 header.

use super::Malformed;
use super::assemble::{Finish, Format, Part, PictureId};
use super::bits::Cursor;
use bytes::BytesMut;
use mcu_core::limits::PAYLOAD_BYTES_MAX;
use std::sync::Arc;

/// Ids after which a 15-bit PictureID comes round.
pub(super) const PICTURE_IDS: u16 = 1 << 15;
/// Bytes of the descriptor that we write: X, I|L|T, two of PictureID, TL0PICIDX, TID|Y.
const DESCRIPTOR_BYTES: usize = 6;

/// The numbers of a picture in the descriptor that we write (RFC 7741 §4.2), which differ from receiver to receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp8Numbers {
    /// PictureID, 15 bits.
    pub picture_id: u16,
    /// TL0PICIDX.
    pub tl0_pic_idx: u8,
}

impl Vp8Numbers {
    /// Puts them into a payload that [`Packetizer`](super::Packetizer) made, or a copy of one.
    pub fn write(self, payload: &mut [u8]) {
        if let Some(descriptor) = payload.first_chunk_mut::<DESCRIPTOR_BYTES>() {
            let [high, low] = self.picture_id.to_be_bytes();
            descriptor[2..5].copy_from_slice(&[0x80 | high, low, self.tl0_pic_idx]);
        }
    }
}

/// Reads the payload descriptor of RFC 7741 §4.2.
#[derive(Debug, Default)]
pub(super) struct Vp8Format;

impl Format for Vp8Format {
    fn append(&mut self, payload: &[u8], unit: &mut BytesMut) -> Result<Part, Malformed> {
        let mut cursor = Cursor::new(payload);
        let first = cursor.byte()?;
        let picture = if first & 0x80 != 0 { extension(&mut cursor)? } else { None };
        let content = cursor.rest()?;
        // The first partition begins with the frame header, whose lowest bit is 0 in a key frame (RFC 6386 §9.1).
        let starts = first & 0x10 != 0 && first & 0x07 == 0;
        let keyframe = starts && unit.is_empty() && content[0] & 1 == 0;
        unit.extend_from_slice(content);
        Ok(Part::Piece { starts, ends: false, keyframe, picture })
    }

    fn finish(&mut self, unit: &mut BytesMut, keyframe: bool) -> Finish {
        Finish::Picture { data: unit.split().freeze(), keyframe }
    }

    fn abandon(&mut self) {}
}

fn extension(cursor: &mut Cursor<'_>) -> Result<Option<PictureId>, Malformed> {
    let flags = cursor.byte()?;
    let mut picture = None;
    if flags & 0x80 != 0 {
        let high = cursor.byte()?;
        picture = Some(if high & 0x80 != 0 {
            PictureId { value: u16::from_be_bytes([high & 0x7f, cursor.byte()?]), modulus: PICTURE_IDS }
        } else {
            PictureId { value: u16::from(high), modulus: 128 }
        });
    }
    if flags & 0x40 != 0 {
        cursor.skip(1)?; // TL0PICIDX
    }
    if flags & 0x30 != 0 {
        cursor.skip(1)?; // TID, Y and KEYIDX share a byte
    }
    Ok(picture)
}

/// Cuts one VP8 frame into payloads of near-equal length, all with a descriptor of the same layout, so that one
/// `Vp8Patch` serves each of them.
pub(super) fn packetize(frame: &[u8], picture_id: u16, tl0_pic_idx: u8, payloads: &mut Vec<Arc<[u8]>>) {
    let room = PAYLOAD_BYTES_MAX - DESCRIPTOR_BYTES;
    let count = frame.len().div_ceil(room).max(1);
    let mut scratch = [0_u8; PAYLOAD_BYTES_MAX];
    for (index, part) in frame.chunks(frame.len().div_ceil(count).max(1)).enumerate() {
        let [high, low] = picture_id.to_be_bytes();
        let starts = if index == 0 { 0x10 } else { 0 };
        scratch[..DESCRIPTOR_BYTES].copy_from_slice(&[0x80 | starts, 0xe0, 0x80 | high, low, tl0_pic_idx, 0]);
        let end = DESCRIPTOR_BYTES + part.len();
        scratch[DESCRIPTOR_BYTES..end].copy_from_slice(part);
        payloads.push(Arc::from(&scratch[..end]));
    }
}
