//! The plan: an immutable picture of what a conference composes, encodes, mixes and sends.
//!
//! The conference (control thread) makes a new plan at every change; the engine (clock and pools) takes it at the
//! tick `from_tick` and works out the difference to the one before. Nothing here is ever changed in place.

use super::card::Card;
use crate::id::{ConferenceId, ParticipantId, RenditionId, SceneId, SourceId, SourceKind};
use crate::media::codec::{AudioCodec, VideoCodec};
use crate::media::frame::Size;
use crate::time::FrameInterval;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A place on a canvas, in pixels; all four are even, so that chroma lines up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: u16,
    /// Top edge.
    pub y: u16,
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
}

/// How a picture of another shape is brought into its tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// Fills the tile, cutting what stands over: people.
    Cover,
    /// Shows everything, with bars: slides.
    Contain,
}

/// One source on a canvas.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Whose picture.
    pub source: SourceId,
    /// Where.
    pub rect: Rect,
    /// How it fits.
    pub fit: Fit,
    /// False: the source has no picture now; initials on a colour of its own stand for it.
    pub video: bool,
    /// The name on the tile.
    pub name: Arc<str>,
    /// Draw the border of who speaks.
    pub speaking: bool,
    /// Draw the mark of who is muted.
    pub muted: bool,
    /// Draw the mark of whose media go in the clear between it and the node.
    pub in_the_clear: bool,
}

/// One distinct picture. Viewers of the same scene share its canvas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// Stable while the picture keeps its meaning ("the gallery of all").
    pub id: SceneId,
    /// Pixels of the canvas.
    pub canvas: Size,
    /// The tick grid it is composed on.
    pub interval: FrameInterval,
    /// Back to front; none on a card.
    pub tiles: Arc<[Tile]>,
    /// What stands for the whole picture.
    pub card: Option<Arc<Card>>,
}

/// Which rung of the ladder a rendition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateClass {
    /// Full size.
    High,
    /// For receivers whose way is narrow.
    Low,
}

/// One encode of one scene, shared by everybody who takes exactly this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// Stable while scene, codec, size, interval and class stay.
    pub id: RenditionId,
    /// What is encoded.
    pub scene: SceneId,
    /// With which codec.
    pub codec: VideoCodec,
    /// At which size; the canvas is scaled when it differs.
    pub size: Size,
    /// How often; a multiple of the scene's interval.
    pub interval: FrameInterval,
    /// For which receivers.
    pub class: RateClass,
    /// At which rate: the lowest estimate among its receivers. Changes without a key frame.
    pub bitrate_kbps: u32,
}

/// Who receives what on which of its video lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The receiver.
    pub participant: ParticipantId,
    /// Its main or its content line.
    pub line: SourceKind,
    /// What it gets there.
    pub rendition: RenditionId,
}

/// What the sound job does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SoundPlan {
    /// Everybody whose sound may be heard, unmuted, in id order.
    pub speakers: Vec<SourceId>,
    /// Everybody who hears, in id order.
    pub listeners: Vec<Listener>,
}

/// Somebody who hears the mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Who.
    pub participant: ParticipantId,
    /// In which codec.
    pub codec: AudioCodec,
}

/// Everything the engine does for one conference, from one tick on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeetingPlan {
    /// Which conference.
    pub conference: ConferenceId,
    /// Grows by one with each plan.
    pub version: u64,
    /// Index of the first tick (of the scene's interval grid, see `FrameInterval::at`) that shows this plan.
    pub from_tick: u64,
    /// The distinct pictures.
    pub scenes: Vec<Scene>,
    /// The distinct encodes.
    pub renditions: Vec<Rendition>,
    /// Who receives which.
    pub views: Vec<View>,
    /// The video sources that some scene shows: only these are decoded.
    pub on_stage: BTreeSet<SourceId>,
    /// The sound.
    pub sound: SoundPlan,
}
