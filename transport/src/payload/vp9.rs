//! VP9 payload format (RFC 9628), reading only: flexible and non-flexible mode, scalability structures passed over.
//!
//! Flow: `assemble` -> **here**. Of a picture with spatial layers the base is kept: it decodes by itself with any
//! decoder, whereas frames of several layers in one unit need a decoder that shows only the last.

use super::Malformed;
use super::assemble::{Finish, Format, Part, PictureId};
use super::bits::Cursor;
use bytes::BytesMut;

/// Reference indices of one picture (RFC 9628 §4.2).
const REFERENCES_MAX: usize = 3;

/// Reads the payload descriptor of RFC 9628 §4.2.
#[derive(Debug, Default)]
pub(super) struct Vp9Format;

impl Format for Vp9Format {
    fn append(&mut self, payload: &[u8], unit: &mut BytesMut) -> Result<Part, Malformed> {
        let mut cursor = Cursor::new(payload);
        let flags = cursor.byte()?;
        let has = |bit: u8| flags & bit != 0;
        let (predicted, flexible) = (has(0x40), has(0x10));
        let picture = if has(0x80) { Some(picture_id(&mut cursor)?) } else { None };
        let mut spatial = 0;
        if has(0x20) {
            spatial = (cursor.byte()? >> 1) & 7;
            if !flexible {
                cursor.skip(1)?; // TL0PICIDX
            }
        }
        if flexible && predicted {
            reference_indices(&mut cursor)?;
        }
        if has(0x02) {
            scalability_structure(&mut cursor)?;
        }
        let content = cursor.rest()?;
        if spatial != 0 {
            return Ok(Part::Nothing);
        }
        unit.extend_from_slice(content);
        let starts = has(0x08);
        Ok(Part::Piece { starts, ends: has(0x04), keyframe: starts && !predicted, picture })
    }

    fn finish(&mut self, unit: &mut BytesMut, keyframe: bool) -> Finish {
        Finish::Picture { data: unit.split().freeze(), keyframe }
    }

    fn abandon(&mut self) {}
}

fn picture_id(cursor: &mut Cursor<'_>) -> Result<PictureId, Malformed> {
    let high = cursor.byte()?;
    Ok(if high & 0x80 != 0 {
        PictureId { value: u16::from_be_bytes([high & 0x7f, cursor.byte()?]), modulus: 1 << 15 }
    } else {
        PictureId { value: u16::from(high), modulus: 128 }
    })
}

fn reference_indices(cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
    for _ in 0..REFERENCES_MAX {
        if cursor.byte()? & 1 == 0 {
            return Ok(());
        }
    }
    Err(Malformed::References)
}

fn scalability_structure(cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
    let head = cursor.byte()?;
    let layers = usize::from(head >> 5) + 1;
    if head & 0x10 != 0 {
        cursor.skip(4 * layers)?; // width and height of each layer
    }
    if head & 0x08 != 0 {
        for _ in 0..cursor.byte()? {
            let references = usize::from((cursor.byte()? >> 2) & 3);
            cursor.skip(references)?;
        }
    }
    Ok(())
}
