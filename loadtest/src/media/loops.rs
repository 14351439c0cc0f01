//! Pre-encoded loops: what a bot sends, encoded once per sender and kept, so that sending costs encryption only.
//!
//! Flow: `picture`, `sound` -> encoders -> `cache` on disk -> **here** -> packetized once -> `bot/send`. A loop is
//! whole seconds long with a key frame at each; all rungs of a sender carry the same numbers, so that a bot changes
//! rung at a key frame and stays in step. Made in parallel by rayon; memory: one encoder and picture per core.

mod cache;
mod make;

use super::barcode::{NUMBERS, SenderId};
use super::picture::{FPS, Scenery};
use super::sound::Voice;
use bytes::Bytes;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::frame::Size;
use mcu_core::media::unit::EncodedUnit;
use mcu_core::time::FrameInterval;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use transport::payload::{PacketizedUnit, Packetizer};

/// Samples of one packet of a loop's sound, at 48 kHz: 20 ms.
pub const SOUND_PACKET_SAMPLES: u32 = 960;
/// The longest loop, in seconds: the bar code's numbers must not come round.
pub const SECONDS_MAX: u16 = NUMBERS / FPS as u16;

/// One size and rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rung {
    /// Pixels down; the width follows, 16:9.
    pub height: u16,
    /// Aim of the encoder.
    pub kbps: u32,
}

impl Rung {
    /// The picture's size.
    pub const fn size(self) -> Size {
        Size::new((self.height as u32 * 16 / 9) as u16 & !1, self.height)
    }
}

/// What is to be encoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LoopSpec {
    /// Whose.
    pub sender: SenderId,
    /// The picture.
    pub scenery: Scenery,
    /// The sound.
    pub voice: Voice,
    /// How the pictures are coded.
    pub codec: VideoCodec,
    /// How the sound is coded.
    pub sound: AudioCodec,
    /// Length, 1 to [`SECONDS_MAX`].
    pub seconds: u16,
    /// Sizes and rates; none: sound alone.
    pub rungs: Vec<Rung>,
}

impl LoopSpec {
    /// Three sizes and two rates each.
    pub const LADDER: [Rung; 6] = [
        Rung { height: 180, kbps: 100 },
        Rung { height: 180, kbps: 200 },
        Rung { height: 360, kbps: 350 },
        Rung { height: 360, kbps: 600 },
        Rung { height: 720, kbps: 1_200 },
        Rung { height: 720, kbps: 2_000 },
    ];

    /// Twenty seconds of a talking head in VP8, at every rung of [`Self::LADDER`].
    pub fn talking_head(sender: SenderId) -> Self {
        Self {
            sender,
            scenery: Scenery::TalkingHead,
            voice: Voice::Speech,
            codec: VideoCodec::Vp8,
            sound: AudioCodec::Opus,
            seconds: 20,
            rungs: Self::LADDER.to_vec(),
        }
    }

    /// The same in another codec.
    #[must_use]
    pub fn coded(mut self, codec: VideoCodec) -> Self {
        self.codec = codec;
        self
    }

    /// The same with its sound in another codec.
    #[must_use]
    pub fn sounding(mut self, codec: AudioCodec) -> Self {
        self.sound = codec;
        self
    }

    /// The same with only the rungs up to `height`.
    #[must_use]
    pub fn up_to(mut self, height: u16) -> Self {
        self.rungs.retain(|rung| rung.height <= height);
        self
    }

    /// The same, `seconds` long.
    #[must_use]
    pub fn lasting(mut self, seconds: u16) -> Self {
        self.seconds = seconds;
        self
    }

    fn check(&self) -> Result<(), LoopError> {
        let lasts = (1..=SECONDS_MAX).contains(&self.seconds);
        if lasts && self.sender <= SenderId::MAX {
            Ok(())
        } else {
            Err(LoopError::Spec { sender: self.sender, seconds: self.seconds })
        }
    }
}

/// Why a loop could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    /// A length or sender id out of range.
    #[error("no loop can be made of sender {sender}, {seconds} s")]
    Spec {
        /// Whose.
        sender: SenderId,
        /// Asked for.
        seconds: u16,
    },
    /// The cache directory or a file in it cannot be used.
    #[error("loop cache {path}: {source}")]
    Cache {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The picture encoder refused.
    #[error(transparent)]
    Encode(#[from] codecs::encode::EncodeError),
    /// The sound encoder refused.
    #[error(transparent)]
    Sound(#[from] codecs::sound::SoundEncodeError),
    /// An encoded picture does not fit into packets.
    #[error(transparent)]
    Packetize(#[from] transport::payload::PacketizeError),
    /// The encoder made no picture at all of a loop.
    #[error("the encoder made no key frame at the start of {rung:?}")]
    NoKeyframe {
        /// Of which rung.
        rung: Rung,
    },
}

/// One rung of a loop, ready to send.
#[derive(Debug)]
pub struct Loop {
    /// Size and rate.
    pub rung: Rung,
    /// Picture `n` at index `n`; `None` where the encoder skipped it to hold its rate.
    pub units: Vec<Option<PacketizedUnit>>,
}

impl Loop {
    /// The coded pictures, packetized. The first is a key frame.
    fn new(rung: Rung, codec: VideoCodec, coded: Vec<Option<Coded>>) -> Result<Self, LoopError> {
        let mut packetizer = Packetizer::new(codec)?;
        let mut units = Vec::with_capacity(coded.len());
        for (number, coded) in coded.into_iter().enumerate() {
            units.push(match coded {
                Some(Coded { keyframe, data }) => {
                    let at = FrameInterval::FPS_30.at(number as u64);
                    Some(packetizer.packetize(&EncodedUnit { data, keyframe, at })?)
                }
                None => None,
            });
        }
        let starts = units.first().is_some_and(|unit| unit.as_ref().is_some_and(|unit| unit.keyframe));
        if starts { Ok(Self { rung, units }) } else { Err(LoopError::NoKeyframe { rung }) }
    }

    /// The number of the first key frame at or after `number`, going round the end.
    pub fn keyframe_from(&self, number: u16) -> u16 {
        let len = self.units.len();
        let from = usize::from(number) % len;
        let is_keyframe = |at: &usize| self.units[at % len].as_ref().is_some_and(|unit| unit.keyframe);
        // The first picture is a key frame, so that the search always ends.
        ((from..from + len).find(is_keyframe).unwrap_or(0) % len) as u16
    }
}

/// Everything one sender sends.
#[derive(Debug)]
pub struct LoopSet {
    spec: LoopSpec,
    loops: Vec<Loop>,
    sound: Vec<Bytes>,
    silence: Bytes,
}

impl LoopSet {
    /// What it was made from.
    pub fn spec(&self) -> &LoopSpec {
        &self.spec
    }

    /// Its pictures' codec.
    pub fn codec(&self) -> VideoCodec {
        self.spec.codec
    }

    /// Its rungs, cheapest first; none where there is sound alone.
    pub fn loops(&self) -> &[Loop] {
        &self.loops
    }

    /// Its sound in packets of 20 ms, for as long as the pictures last.
    pub fn sound(&self) -> &[Bytes] {
        &self.sound
    }

    /// 20 ms of silence in the same codec: what a telephone sends while it is muted.
    pub fn silence(&self) -> &Bytes {
        &self.silence
    }

    /// The index of the best rung that is at most `height` high and `kbps` wide; else the cheapest.
    pub fn best(&self, height: u16, kbps: u32) -> usize {
        let fits = |l: &Loop| l.rung.height <= height && l.rung.kbps <= kbps;
        self.loops.iter().rposition(fits).unwrap_or(0)
    }
}

/// One coded picture, as cached.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Coded {
    keyframe: bool,
    data: Bytes,
}

/// Makes loops, and keeps them in a directory.
#[derive(Debug, Clone)]
pub struct Library {
    directory: PathBuf,
}

/// How far a batch is: pieces done, and all pieces.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

impl Library {
    /// A library in `directory`, which is made if missing.
    ///
    /// # Errors
    /// [`LoopError::Cache`] when it cannot be made.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, LoopError> {
        let directory = directory.as_ref().to_owned();
        std::fs::create_dir_all(&directory)
            .map_err(|source| LoopError::Cache { path: directory.clone(), source })?;
        Ok(Self { directory })
    }

    /// One sender's loops, from disk or made now. Blocks for seconds when they must be made.
    ///
    /// # Errors
    /// [`LoopError`].
    pub fn get(&self, spec: &LoopSpec) -> Result<Arc<LoopSet>, LoopError> {
        let mut sets = self.get_all(std::slice::from_ref(spec), &|_, _| {})?;
        Ok(sets.remove(0))
    }

    /// Many senders' loops, made in parallel; one result per spec, in order. `progress` is called after each piece
    /// (one rung of one sender), from whichever thread made it.
    ///
    /// # Errors
    /// The first [`LoopError`].
    pub fn get_all(
        &self,
        specs: &[LoopSpec],
        progress: Progress<'_>,
    ) -> Result<Vec<Arc<LoopSet>>, LoopError> {
        specs.iter().try_for_each(LoopSpec::check)?;
        let total = specs.iter().map(|spec| spec.rungs.len()).sum();
        let done = AtomicUsize::new(0);
        specs
            .par_iter()
            .map(|spec| {
                let mut rungs = spec.rungs.clone();
                rungs.sort_unstable();
                let loops = rungs
                    .par_iter()
                    .map(|rung| {
                        let made = self.rung(spec, *rung);
                        progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                        made
                    })
                    .collect::<Result<_, _>>()?;
                let (sound, silence) = (self.sound(spec)?, make::silence(spec.sound)?);
                Ok(Arc::new(LoopSet { spec: spec.clone(), loops, sound, silence }))
            })
            .collect()
    }

    fn rung(&self, spec: &LoopSpec, rung: Rung) -> Result<Loop, LoopError> {
        let key = cache::Key::picture(spec, rung);
        let path = self.directory.join(key.file_name());
        let coded = match cache::load(&path, &key) {
            Some(coded) => coded,
            None => {
                let coded = make::picture(spec, rung)?;
                cache::store(&path, &key, &coded).map_err(|source| LoopError::Cache { path, source })?;
                coded
            }
        };
        Loop::new(rung, spec.codec, coded)
    }

    fn sound(&self, spec: &LoopSpec) -> Result<Vec<Bytes>, LoopError> {
        let key = cache::Key::sound(spec);
        let path = self.directory.join(key.file_name());
        let coded = match cache::load(&path, &key) {
            Some(coded) => coded,
            None => {
                let coded = make::sound(spec)?;
                cache::store(&path, &key, &coded).map_err(|source| LoopError::Cache { path, source })?;
                coded
            }
        };
        Ok(coded.into_iter().flatten().map(|packet| packet.data).collect())
    }
}

#[cfg(test)]
mod tests;
