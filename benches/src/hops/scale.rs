//! Hop `scale`: a frame into the tiles of common layouts.

use super::Case;
use super::codecs::pictures;
use mcu_core::conference::plan::Fit;
use mcu_core::hop::Hop;
use mcu_core::id::{ParticipantId, SourceId};
use mcu_core::media::frame::{FramePool, Size};
use mixer::video::scale::TileCache;
use std::hint::black_box;

pub(super) fn cases() -> Vec<Case> {
    let tiles = [Size::new(1_280, 720), Size::new(640, 360), Size::new(426, 240), Size::new(320, 180)];
    let case = |from: u16, to: Size| {
        let name = format!("{from}p to {}x{}", to.width, to.height);
        Case::new(Hop::Scale, name, (1, "tile"), move || scale(from, to))
    };
    [720, 360]
        .into_iter()
        .flat_map(|from| tiles.map(|to| (from, to)))
        .map(|(from, to)| case(from, to))
        .collect()
}

/// The cache sees another frame each time, so that it scales each time; a frame of the tile's size is only shared.
fn scale(from: u16, to: Size) -> impl FnMut() {
    let pictures = pictures(from);
    let mut cache = TileCache::new(FramePool::new("tiles", 4));
    let source = SourceId::main(ParticipantId(1));
    let mut tick = 0;
    move || {
        tick += 1;
        let picture = &pictures[tick % pictures.len()];
        black_box(cache.tile(source, picture, to, Fit::Cover).expect("the pool has room"));
        cache.end_tick();
    }
}
