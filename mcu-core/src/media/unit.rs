//! An access unit: one coded picture, sealed until a [`Plaintext`](crate::privacy::Plaintext) token opens it.

use crate::id::{ConferenceId, SourceId};
use crate::media::codec::VideoCodec;
use crate::time::{MediaTime, Mono};
use bytes::Bytes;
use std::marker::PhantomData;

/// The unit's content may not be looked at.
#[derive(Debug, Clone, Copy)]
pub enum Sealed {}

/// The unit was opened by a token of its conference; decoders take only these.
#[derive(Debug, Clone, Copy)]
pub enum Clear {}

/// One coded picture of one stream, complete or marked as what it is.
#[derive(Debug, Clone)]
pub struct AccessUnit<State> {
    /// The conference that its sender was admitted to.
    pub conference: ConferenceId,
    /// Whose picture.
    pub source: SourceId,
    /// How it is coded.
    pub codec: VideoCodec,
    /// Whether the payload header says that decoding can start here. A claim until decoded.
    pub keyframe: bool,
    /// False when packets between the previous unit and this one were lost.
    pub contiguous: bool,
    /// Moment of capture on the stream's own scale (RTP timestamp, unwrapped).
    pub captured: MediaTime,
    /// When the picture is to be shown, lip-synced to the sender's sound (design law 3).
    pub due: Mono,
    /// Clockwise turn that brings the picture upright, from the video-orientation extension.
    pub rotation: Rotation,
    data: Bytes,
    state: PhantomData<fn() -> State>,
}

/// Clockwise rotation to apply before showing (3GPP TS 26.114 §7.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rotation {
    /// Upright.
    #[default]
    None,
    /// A quarter turn.
    Quarter,
    /// Half a turn.
    Half,
    /// Three quarter turns.
    ThreeQuarters,
}

/// What a depacketizer knows of a unit, apart from its bytes.
#[derive(Debug, Clone, Copy)]
pub struct UnitHeader {
    /// See [`AccessUnit::conference`].
    pub conference: ConferenceId,
    /// See [`AccessUnit::source`].
    pub source: SourceId,
    /// See [`AccessUnit::codec`].
    pub codec: VideoCodec,
    /// See [`AccessUnit::keyframe`].
    pub keyframe: bool,
    /// See [`AccessUnit::contiguous`].
    pub contiguous: bool,
    /// See [`AccessUnit::captured`].
    pub captured: MediaTime,
    /// See [`AccessUnit::due`].
    pub due: Mono,
    /// See [`AccessUnit::rotation`].
    pub rotation: Rotation,
}

impl AccessUnit<Sealed> {
    /// Seals the bytes that a depacketizer assembled.
    pub fn seal(header: UnitHeader, data: Bytes) -> Self {
        Self {
            conference: header.conference,
            source: header.source,
            codec: header.codec,
            keyframe: header.keyframe,
            contiguous: header.contiguous,
            captured: header.captured,
            due: header.due,
            rotation: header.rotation,
            data,
            state: PhantomData,
        }
    }

    /// Only `privacy` may turn a sealed unit into a clear one.
    pub(crate) fn into_clear(self) -> AccessUnit<Clear> {
        AccessUnit {
            conference: self.conference,
            source: self.source,
            codec: self.codec,
            keyframe: self.keyframe,
            contiguous: self.contiguous,
            captured: self.captured,
            due: self.due,
            rotation: self.rotation,
            data: self.data,
            state: PhantomData,
        }
    }
}

impl AccessUnit<Clear> {
    /// The coded picture: a VP8/VP9 frame, or H.264 in Annex B.
    pub fn data(&self) -> &Bytes {
        &self.data
    }
}

impl<State> AccessUnit<State> {
    /// Length in bytes; the one thing about the content that is no secret.
    pub fn byte_len(&self) -> usize {
        self.data.len()
    }
}

/// One coded picture that the node made.
#[derive(Debug, Clone)]
pub struct EncodedUnit {
    /// A VP8 frame, or H.264 in Annex B with slices small enough for one packet each.
    pub data: Bytes,
    /// Whether a decoder can start here.
    pub keyframe: bool,
    /// Moment of its tick.
    pub at: MediaTime,
}
