//! The picture half of a conference's engine: at every tick, from decoded frames to renditions.
//!
//! Flow: slots -> scale (once per source and tile size) -> compose (once per scene) -> [`rendition`](super::rendition)
//! (once per encode). Thread: video pool, one tick job per conference; encodes are jobs of their own. Bound: the frame
//! pools; a scene that finds none free keeps its last canvas for this tick.

use super::PictureCommand;
use super::intake::PictureFeed;
use super::outgoing::Outlet;
use super::rendition::RenditionSeat;
use super::totals::MediaTotals;
use crate::config::{EncoderSection, H264Encoder};
use crate::threads::clock::PICTURE_GRID;
use crate::threads::compute::Compute;
use codecs::encode::{EncoderSettings, H264Backend, PictureKind};
use codecs::registry::CodecFactory;
use mcu_core::conference::plan::{Fit, MeetingPlan, RateClass, Rendition, Scene};
use mcu_core::hop::Hop;
use mcu_core::id::{ConferenceId, RenditionId, SceneId, SourceId, SourceKind};
use mcu_core::limits;
use mcu_core::media::frame::{Frame, FramePool, Size};
use mcu_core::queue::Queue;
use mcu_core::time::{FrameInterval, Mono};
use mixer::video::compose::Composer;
use mixer::video::overlay::Overlay;
use mixer::video::scale::{TileCache, TilePicture, fit_to};
use mixer::video::slot::Slot;
use mixer::video::text::Typeface;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Canvases of one scene: the composer's two, and one in the hands of each rendition.
const CANVASES_PER_SCENE: usize = 8;

/// Scaled canvases of one conference, for renditions of another size.
const RUNGS_MAX: usize = 16;

/// Sizes that a source's tiles have at once: a gallery with and one without the viewer, large and small of a speaker's view.
const TILE_SIZES_MAX: usize = 4;

/// Ticks between two countings of what slots have skipped: a second.
const COUNT_TICKS: u64 = 30;

/// Largest key frame of the low class, in mean frames: at 15 frames per second more would keep a narrow way busy for
/// longer than `limits::PACER_DELAY_MAX`, the picture after it would be skipped, and another key frame be needed.
const LOW_KEYFRAME_MEAN_FRAMES_MAX: u32 = 2;

/// Everything a picture engine is made of besides its conference.
#[derive(Clone)]
pub struct PictureParts {
    /// Makes encoders.
    pub codecs: Arc<dyn CodecFactory>,
    /// Runs encodes.
    pub compute: Compute,
    /// Takes what was encoded.
    pub outlet: Arc<dyn Outlet>,
    /// Writes names.
    pub typeface: Typeface,
    /// Which encoders.
    pub encoder: EncoderSection,
    /// What all engines count.
    pub totals: Arc<MediaTotals>,
}

/// One source on or off stage.
struct Source {
    feed: PictureFeed,
    slot: Slot,
    /// Frames that the slot had skipped when they were last counted.
    skipped: u64,
}

/// What one scene's tick works with; kept, so that ticks allocate nothing.
#[derive(Default)]
struct Scratch {
    /// In the order of the scene's tiles.
    pictures: Vec<Option<TilePicture>>,
    /// The canvas at other sizes.
    rungs: Vec<(Size, Frame)>,
}

impl Scratch {
    /// Gives the frames back to their pools.
    fn clear(&mut self) {
        self.pictures.clear();
        self.rungs.clear();
    }
}

/// The pictures of one conference.
pub struct PictureEngine {
    conference: ConferenceId,
    inbox: Queue<PictureCommand>,
    parts: PictureParts,
    plan: Option<Arc<MeetingPlan>>,
    pending: VecDeque<Arc<MeetingPlan>>,
    sources: BTreeMap<SourceId, Source>,
    tiles: TileCache,
    /// Tiles kept when they were last counted.
    tiles_kept: u64,
    rungs: FramePool,
    overlay: Overlay,
    composers: BTreeMap<SceneId, Composer>,
    renditions: BTreeMap<RenditionId, RenditionSeat>,
    scratch: Scratch,
}

impl PictureEngine {
    /// An engine with nothing to do until it is told of a plan.
    pub fn new(conference: ConferenceId, inbox: Queue<PictureCommand>, parts: PictureParts) -> Self {
        // Those shown, one that replaces another at a time, and two of the scaler's own.
        let tiles = FramePool::new("tiles", TILE_SIZES_MAX * limits::TILES_MAX + 3);
        Self {
            conference,
            inbox,
            overlay: Overlay::new(&parts.typeface),
            parts,
            plan: None,
            pending: VecDeque::new(),
            sources: BTreeMap::new(),
            tiles: TileCache::new(tiles),
            tiles_kept: 0,
            rungs: FramePool::new("rungs", RUNGS_MAX),
            composers: BTreeMap::new(),
            renditions: BTreeMap::new(),
            scratch: Scratch::default(),
        }
    }

    /// Makes the pictures of grid tick `tick`, which is due at `now`.
    pub fn tick(&mut self, tick: u64, now: Mono) {
        self.obey();
        while self.pending.front().is_some_and(|plan| plan.from_tick <= tick) {
            if let Some(plan) = self.pending.pop_front() {
                self.adopt(plan);
            }
        }
        let Some(plan) = self.plan.clone() else { return };
        if plan.renditions.is_empty() {
            return;
        }
        for scene in &plan.scenes {
            if is_on_grid(scene.interval, tick) {
                self.make(&plan, scene, tick, now);
            }
        }
        self.tiles.end_tick();
        if tick.is_multiple_of(COUNT_TICKS) {
            self.count();
        }
    }

    fn count(&mut self) {
        let kept = self.tiles.kept();
        self.parts.totals.tiles_kept.add(kept - std::mem::replace(&mut self.tiles_kept, kept));
        for source in self.sources.values_mut() {
            let skipped = source.slot.counters().skipped;
            self.parts.totals.slots_skipped.add(skipped - std::mem::replace(&mut source.skipped, skipped));
        }
    }

    fn obey(&mut self) {
        while let Some(command) = self.inbox.pop() {
            match command {
                PictureCommand::Plan(plan) => self.pending.push_back(plan),
                PictureCommand::Source(source, feed) => {
                    feed.set_active(self.plan.as_ref().is_some_and(|plan| plan.on_stage.contains(&source)));
                    let slot = Slot::new(feed.frames.clone());
                    self.sources.insert(source, Source { feed, slot, skipped: 0 });
                }
                PictureCommand::SourceGone(source) => {
                    self.sources.remove(&source);
                }
                PictureCommand::KeyframeWanted(rendition) => {
                    if let Some(seat) = self.renditions.get_mut(&rendition) {
                        seat.keyframes.request();
                    }
                }
            }
        }
    }

    /// Works out what is different from the plan before.
    fn adopt(&mut self, plan: Arc<MeetingPlan>) {
        for (id, source) in &mut self.sources {
            let on_stage = plan.on_stage.contains(id);
            source.feed.set_active(on_stage);
            if !on_stage {
                source.slot.clear();
            }
        }
        self.composers.retain(|id, _| plan.scenes.iter().any(|scene| scene.id == *id));
        for scene in &plan.scenes {
            self.overlay.prepare(&scene.tiles);
        }
        self.renditions.retain(|id, _| plan.renditions.iter().any(|rendition| rendition.id == *id));
        for rendition in &plan.renditions {
            match self.renditions.get_mut(&rendition.id) {
                Some(seat) => seat.spec = rendition.clone(),
                None => self.start_rendition(&plan, rendition),
            }
        }
        let before = self.plan.as_ref().map_or(&[][..], |plan| &plan.views);
        for view in plan.views.iter().filter(|view| !before.contains(view)) {
            if let Some(seat) = self.renditions.get_mut(&view.rendition) {
                seat.keyframes.request();
            }
        }
        self.plan = Some(plan);
    }

    fn start_rendition(&mut self, plan: &MeetingPlan, rendition: &Rendition) {
        let settings = encoder_settings(plan, rendition, &self.parts.encoder);
        let totals = Arc::clone(&self.parts.totals);
        let codecs = &*self.parts.codecs;
        match RenditionSeat::new(self.conference, rendition.clone(), &settings, codecs, totals) {
            Ok(seat) => {
                self.renditions.insert(rendition.id, seat);
            }
            Err(error) => {
                self.parts.totals.renditions_refused.one();
                tracing::error!(conference = %self.conference, %error, "a rendition cannot be encoded");
            }
        }
    }

    /// Composes one scene and starts the encodes of it that are due.
    fn make(&mut self, plan: &MeetingPlan, scene: &Scene, tick: u64, now: Mono) {
        let mut scratch = std::mem::take(&mut self.scratch);
        #[cfg(not(feature = "planted-faults"))]
        self.gather(scene, now, &mut scratch.pictures);
        #[cfg(feature = "planted-faults")]
        {
            self.gather(scene, super::faults::shown_at(tick, now), &mut scratch.pictures);
            super::faults::meddle(&mut scratch.pictures);
        }
        if let Some((canvas, changed)) = self.compose(scene, &scratch.pictures) {
            for rendition in plan.renditions.iter().filter(|rendition| rendition.scene == scene.id) {
                if is_on_grid(rendition.interval, tick) {
                    self.encode(rendition, &canvas, changed, &mut scratch.rungs, tick, now);
                }
            }
        }
        scratch.clear();
        self.scratch = scratch;
    }

    /// The scene's canvas, and whether it is another than before; `None` while there has never been one.
    fn compose(&mut self, scene: &Scene, pictures: &[Option<TilePicture>]) -> Option<(Frame, bool)> {
        let composer = self
            .composers
            .entry(scene.id)
            .or_insert_with(|| Composer::new(FramePool::new("canvas", CANVASES_PER_SCENE)));
        match composer.compose(scene, pictures, &mut self.overlay) {
            Ok(composed) => Some((composed.canvas, composed.changed)),
            Err(_) => {
                self.parts.totals.canvases_missing.one();
                composer.last_canvas().map(|canvas| (canvas.clone(), false))
            }
        }
    }

    /// Adds the tiles' pictures to `pictures`, in the order of the scene's tiles.
    fn gather(&mut self, scene: &Scene, now: Mono, pictures: &mut Vec<Option<TilePicture>>) {
        for tile in scene.tiles.iter() {
            let source = if tile.video { self.sources.get_mut(&tile.source) } else { None };
            let frame = source.and_then(|source| source.slot.take(now).frame);
            let size = Size::new(tile.rect.width, tile.rect.height);
            // Without a free frame and a picture from before: initials, for a tick.
            pictures.push(frame.and_then(|frame| self.tiles.tile(tile.source, frame, size, tile.fit).ok()));
        }
    }

    fn encode(
        &mut self,
        rendition: &Rendition,
        canvas: &Frame,
        changed: bool,
        rungs: &mut Vec<(Size, Frame)>,
        tick: u64,
        now: Mono,
    ) {
        let Some(seat) = self.renditions.get_mut(&rendition.id) else { return };
        if !seat.is_due(now, changed) {
            return;
        }
        let Some(picture) = at_size(canvas, rendition.size, rungs, &self.rungs) else {
            self.parts.totals.canvases_missing.one();
            return;
        };
        if let Some(job) = seat.start(picture, tick, PICTURE_GRID.at(tick), now) {
            let outlet = Arc::clone(&self.parts.outlet);
            self.parts.compute.spawn_video(Hop::Encode, move || job.run(&*outlet));
        }
    }
}

/// The canvas at another size, scaled once however many renditions take it.
fn at_size(canvas: &Frame, size: Size, rungs: &mut Vec<(Size, Frame)>, pool: &FramePool) -> Option<Frame> {
    if canvas.size() == size {
        return Some(canvas.clone());
    }
    if let Some((_, frame)) = rungs.iter().find(|(rung, _)| *rung == size) {
        return Some(frame.clone());
    }
    let frame = fit_to(pool, canvas, size, Fit::Contain).ok()?;
    rungs.push((size, frame.clone()));
    Some(frame)
}

fn is_on_grid(interval: FrameInterval, tick: u64) -> bool {
    let steps = (interval.span().ticks() / PICTURE_GRID.span().ticks()).max(1) as u64;
    tick.is_multiple_of(steps)
}

fn encoder_settings(plan: &MeetingPlan, rendition: &Rendition, section: &EncoderSection) -> EncoderSettings {
    let fps = rendition.interval.fps_rounded();
    let mut settings = EncoderSettings::new(rendition.codec, rendition.size, fps, rendition.bitrate_kbps);
    let scene = plan.scenes.iter().find(|scene| scene.id == rendition.scene);
    let slides =
        |scene: &Scene| scene.tiles.first().is_some_and(|tile| tile.source.kind == SourceKind::Content);
    if scene.is_some_and(slides) {
        settings.kind = PictureKind::Screen;
    }
    if rendition.class == RateClass::Low {
        settings.keyframe_mean_frames_max = LOW_KEYFRAME_MEAN_FRAMES_MAX;
    }
    settings.vp8_speed = i32::from(section.vp8_cpu_used);
    settings.h264 = match section.h264 {
        H264Encoder::OpenH264 => H264Backend::OpenH264,
        H264Encoder::X264 => H264Backend::X264,
    };
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_rate_takes_every_other_tick() {
        let at_15: Vec<u64> = (0..6).filter(|tick| is_on_grid(FrameInterval::FPS_15, *tick)).collect();
        let at_30: Vec<u64> = (0..6).filter(|tick| is_on_grid(FrameInterval::FPS_30, *tick)).collect();
        assert_eq!((at_15, at_30.len()), (vec![0, 2, 4], 6));
    }
}
