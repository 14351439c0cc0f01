//! Loops on disk: one file per rung, named after the hash of what it was made from.
//!
//! A file is a line of JSON (the key), then for each entry a byte (0 skipped, 1 picture, 2 key frame), a little-endian
//! length of 4 bytes and the bytes, then the CRC-64 of all before. A file that is not exactly this is made anew.

use super::{Coded, LoopSpec, Rung};
use crate::media::barcode::SenderId;
use crate::media::picture::Scenery;
use crate::media::sound::Voice;
use bytes::{Buf, Bytes};
use crc::{CRC_64_XZ, Crc};
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use serde::Serialize;
use std::io;
use std::path::Path;

/// Grows whenever pictures, their encoder's settings or this file format change.
const PICTURE_VERSION: u32 = 1;
/// The same of sounds.
const SOUND_VERSION: u32 = 4;
/// Bytes of a file that are read: two minutes of 8 Mbit/s.
const FILE_BYTES_MAX: u64 = 128 * 1024 * 1024;
const CHECK: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);

/// What a file was made from, and nothing else.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Key {
    Picture { version: u32, sender: SenderId, scenery: Scenery, codec: VideoCodec, seconds: u16, rung: Rung },
    Sound { version: u32, sender: SenderId, voice: Voice, codec: AudioCodec, seconds: u16 },
}

impl Key {
    pub(super) fn picture(spec: &LoopSpec, rung: Rung) -> Self {
        let LoopSpec { sender, scenery, codec, seconds, .. } = *spec;
        Self::Picture { version: PICTURE_VERSION, sender, scenery, codec, seconds, rung }
    }

    pub(super) fn sound(spec: &LoopSpec) -> Self {
        let LoopSpec { sender, voice, sound: codec, seconds, .. } = *spec;
        Self::Sound { version: SOUND_VERSION, sender, voice, codec, seconds }
    }

    fn line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("numbers and names only: always JSON");
        line.push('\n');
        line
    }

    pub(super) fn file_name(&self) -> String {
        format!("{:016x}.loop", CHECK.checksum(self.line().as_bytes()))
    }
}

/// The entries of a file, if it is whole and of this key.
pub(super) fn load(path: &Path, key: &Key) -> Option<Vec<Option<Coded>>> {
    if std::fs::metadata(path).ok()?.len() > FILE_BYTES_MAX {
        return None;
    }
    let file = Bytes::from(std::fs::read(path).ok()?);
    let body_len = file.len().checked_sub(8)?;
    let mut sum = file.slice(body_len..);
    let mut body = file.slice(..body_len);
    if CHECK.checksum(&body) != sum.get_u64_le() || !body.starts_with(key.line().as_bytes()) {
        return None;
    }
    body.advance(key.line().len());
    let mut entries = Vec::new();
    while body.has_remaining() {
        let kind = body.try_get_u8().ok()?;
        let len = body.try_get_u32_le().ok()? as usize;
        if len > body.remaining() {
            return None;
        }
        let data = body.split_to(len);
        entries.push((kind != 0).then_some(Coded { keyframe: kind == 2, data }));
    }
    Some(entries)
}

/// Writes a file so that a reader never sees half of it.
pub(super) fn store(path: &Path, key: &Key, entries: &[Option<Coded>]) -> io::Result<()> {
    let mut file = key.line().into_bytes();
    for entry in entries {
        let (kind, data) = match entry {
            None => (0, &[][..]),
            Some(coded) => (1 + u8::from(coded.keyframe), &coded.data[..]),
        };
        file.push(kind);
        file.extend_from_slice(&(data.len() as u32).to_le_bytes());
        file.extend_from_slice(data);
    }
    file.extend_from_slice(&CHECK.checksum(&file).to_le_bytes());
    let partial = path.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&partial, file)?;
    std::fs::rename(&partial, path)
}
