//! Hop `compose`: a gallery of four with names, and the whole picture tick of an engine around it.

use super::codecs::pictures;
use super::{Case, Idle};
use crate::meeting::{Meeting, wide};
use mcu_core::conference::input::Loudness;
use mcu_core::hop::Hop;
use mcu_core::id::ConferenceId;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::FramePool;
use mcu_core::privacy::{Ledger, Purpose};
use mcu_core::time::FrameInterval;
use mcu_server::config::EncoderSection;
use mcu_server::engine::PictureCommand;
use mcu_server::engine::intake::picture_intake;
use mcu_server::engine::outgoing::{Outlet, SoundBurst, VideoBurst};
use mcu_server::engine::pictures::{PictureEngine, PictureParts};
use mcu_server::threads::compute::Compute;
use mixer::video::compose::Composer;
use mixer::video::overlay::Overlay;
use mixer::video::scale::{TileCache, TilePicture};
use mixer::video::slot::SlotFrame;
use mixer::video::text::Typeface;
use std::hint::black_box;
use std::sync::Arc;

/// People in the gallery.
const PEOPLE: u64 = 4;

pub(super) fn cases() -> Vec<Case> {
    let compose = |name: &'static str, changing: usize| {
        Case::new(Hop::Compose, name, (1, "canvas"), move || compose(changing))
    };
    vec![
        compose("720p, four tiles, nothing changed", 0),
        compose("720p, four tiles, one changed", 1),
        compose("720p, four tiles, all changed", 4),
        Case::new(Hop::Compose, "whole tick of four in 720p, encoder idle", (1, "tick"), tick),
    ]
}

fn meeting() -> Meeting {
    Meeting { people: PEOPLE, codec: VideoCodec::Vp8, canvas: wide(720), overlay: true }
}

/// A canvas of which `changing` tiles show another picture than before.
fn compose(changing: usize) -> impl FnMut() {
    let plan = meeting().plan();
    let scene = plan.scenes[0].clone();
    let pool = FramePool::new("tiles", 8);
    let mut cache = TileCache::new(pool);
    // Of the tiles' own size: what is measured is composing.
    let frames = pictures(360);
    let mut overlay = Overlay::new(&Typeface::system());
    overlay.prepare(&scene.tiles);
    let mut composer = Composer::new(FramePool::new("canvas", 8));
    let mut tick = 0_usize;
    let mut shown: Vec<Option<TilePicture>> = vec![None; scene.tiles.len()];
    move || {
        tick += 1;
        for (index, tile) in scene.tiles.iter().enumerate() {
            if index < changing || shown[index].is_none() {
                let frame = &frames[tick % frames.len()];
                let size = mcu_core::media::frame::Size::new(tile.rect.width, tile.rect.height);
                shown[index] =
                    Some(cache.tile(tile.source, frame, size, tile.fit).expect("shared, not scaled"));
            }
        }
        let composed = composer.compose(&scene, &shown, &mut overlay).expect("a canvas is free");
        assert_eq!(composed.changed, changing > 0 || tick == 1);
        black_box(composed.canvas);
    }
}

/// Nobody listens.
struct Nowhere;

impl Outlet for Nowhere {
    fn video(&self, burst: VideoBurst) {
        drop(burst);
    }

    fn sound(&self, burst: SoundBurst) {
        drop(burst);
    }

    fn loudness(&self, _: ConferenceId, _: Loudness) {}
}

/// An outlet that drops everything, for benches of engines.
pub(super) fn nowhere() -> Arc<dyn Outlet> {
    Arc::new(Nowhere)
}

/// `PictureEngine::tick` with a new frame from each of four, jobs inline, encoder and decoders idle.
fn tick() -> impl FnMut() {
    let plan = meeting().plan();
    let inbox = mcu_server::engine::EngineInbox::new();
    let parts = PictureParts {
        codecs: Arc::new(Idle),
        compute: Compute::inline(),
        outlet: nowhere(),
        typeface: Typeface::system(),
        encoder: EncoderSection::default(),
        totals: Arc::default(),
    };
    let token = Arc::new(Ledger::new().issue(plan.conference, Purpose::Mixing));
    let mut engine = PictureEngine::new(plan.conference, inbox.pictures.clone(), parts.clone());
    let mut queues = Vec::new();
    for source in &plan.on_stage {
        let totals = Arc::clone(&parts.totals);
        let (intake, feed) =
            picture_intake(Arc::clone(&token), Arc::new(Idle), parts.compute.clone(), totals);
        queues.push((intake, feed.frames.clone()));
        let _ = inbox.pictures.push(PictureCommand::Source(*source, feed));
    }
    let mut tick = plan.from_tick;
    let _ = inbox.pictures.push(PictureCommand::Plan(plan));
    let frames = pictures(360);
    move || {
        tick += 1;
        let now = FrameInterval::FPS_30.at(tick).to_mono();
        for (index, (_, queue)) in queues.iter().enumerate() {
            let frame = frames[(tick as usize + index) % frames.len()].clone();
            queue.push_newest(SlotFrame { frame, due: now });
        }
        engine.tick(tick, now);
    }
}
