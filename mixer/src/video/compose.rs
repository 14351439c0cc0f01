//! Hop `compose`: the tiles of one scene on its canvas.
//!
//! Flow: `scale` -> **here** (with `overlay`) -> encode. Thread: video pool, one job per scene and tick. Only tiles
//! that differ from the last canvas are drawn; a scene in which nothing changed hands out the same frame again.
//! Bound: the canvas in hand and the last one; encoders may hold older ones, as far as the pool lends.

use crate::video::colour::BACKGROUND;
use crate::video::damage::Damage;
use crate::video::draw;
use crate::video::overlay::Overlay;
use crate::video::scale::TilePicture;
use mcu_core::conference::Card;
use mcu_core::conference::plan::{Scene, Tile};
use mcu_core::id::SceneId;
use mcu_core::limits::TILES_MAX;
use mcu_core::media::frame::{Frame, FrameMut, FramePool, PoolEmpty};
use std::sync::Arc;

/// One canvas, finished.
#[derive(Debug, Clone)]
pub struct Composed {
    /// The picture.
    pub canvas: Frame,
    /// False: it is the very frame of the tick before.
    pub changed: bool,
    /// Where it differs from the frame before.
    pub damage: Damage,
}

/// What was drawn for one tile.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Drawn {
    tile: Tile,
    /// The picture's version; `None` for an avatar.
    version: Option<u64>,
}

/// Composes one scene, tick after tick.
#[derive(Debug)]
pub struct Composer {
    pool: FramePool,
    /// The last canvas, of which scene, and what is on it. Without a canvas the others say nothing.
    canvas: Option<Frame>,
    scene: SceneId,
    drawn: Vec<Drawn>,
    card: Option<Arc<Card>>,
    /// For each tile of the scene in hand, whether it must be drawn. Kept for its memory.
    stale: Vec<bool>,
    tiles_drawn: u64,
    canvases_copied: u64,
}

impl Composer {
    /// A composer whose canvases come from `pool`: two for itself and what its encoders hold.
    pub fn new(pool: FramePool) -> Self {
        Self {
            pool,
            canvas: None,
            scene: SceneId(0),
            drawn: Vec::with_capacity(TILES_MAX),
            card: None,
            stale: Vec::with_capacity(TILES_MAX),
            tiles_drawn: 0,
            canvases_copied: 0,
        }
    }

    /// Composes `scene`. `pictures[i]` is for `scene.tiles[i]`, as [`TileCache::tile`] made it for that tile's size
    /// and fit; a tile without video, or whose picture is not there yet, shows initials.
    ///
    /// # Errors
    /// [`PoolEmpty`] when encoders hold every canvas; [`Composer::last_canvas`] still stands.
    ///
    /// [`TileCache::tile`]: crate::video::scale::TileCache::tile
    pub fn compose(
        &mut self,
        scene: &Scene,
        pictures: &[Option<TilePicture>],
        overlay: &mut Overlay,
    ) -> Result<Composed, PoolEmpty> {
        let damage = self.find_stale(scene, pictures);
        if damage.is_empty()
            && let Some(canvas) = &self.canvas
        {
            return Ok(Composed { canvas: canvas.clone(), changed: false, damage });
        }
        let whole = damage == Damage::whole(scene.canvas);
        let mut canvas = self.begin(scene, whole)?;
        if whole {
            canvas.fill(BACKGROUND);
        }
        if let Some(card) = &scene.card {
            overlay.draw_card(&mut canvas, card);
        }
        for (index, tile) in scene.tiles.iter().enumerate() {
            if !self.stale[index] {
                continue;
            }
            self.tiles_drawn += 1;
            match picture_of(tile, pictures, index) {
                Some(picture) => draw::copy(&mut canvas, tile.rect, &picture.frame),
                None => overlay.draw_avatar(&mut canvas, tile),
            }
            overlay.draw(&mut canvas, tile);
        }
        let canvas = canvas.freeze();
        self.remember(scene, pictures, canvas.clone());
        Ok(Composed { canvas, changed: true, damage })
    }

    /// The canvas composed last.
    pub fn last_canvas(&self) -> Option<&Frame> {
        self.canvas.as_ref()
    }

    /// Tiles drawn since the start: what the cost of composing grows with.
    pub fn tiles_drawn(&self) -> u64 {
        self.tiles_drawn
    }

    /// Canvases copied because an encoder still held the one before.
    pub fn canvases_copied(&self) -> u64 {
        self.canvases_copied
    }

    /// Marks which tiles differ from the last canvas, and returns where they are.
    fn find_stale(&mut self, scene: &Scene, pictures: &[Option<TilePicture>]) -> Damage {
        self.stale.clear();
        if !self.keeps_geometry(scene) {
            self.stale.resize(scene.tiles.len(), true);
            return Damage::whole(scene.canvas);
        }
        let mut damage = Damage::none();
        for (index, (old, tile)) in self.drawn.iter().zip(scene.tiles.iter()).enumerate() {
            let version = picture_of(tile, pictures, index).map(|picture| picture.version);
            // Back to front: a tile over one that is drawn again must be drawn again, too. A tile under it need
            // not, for tiles are opaque; drawing it would even hurt what else lies over it.
            let stale = old.version != version || old.tile != *tile || damage.touches(tile.rect);
            self.stale.push(stale);
            if stale {
                damage.add(tile.rect);
            }
        }
        damage
    }

    /// Whether the last canvas is of this scene, with the same card, or with tiles in the same places.
    fn keeps_geometry(&self, scene: &Scene) -> bool {
        self.scene == scene.id
            && self.canvas.as_ref().is_some_and(|canvas| canvas.size() == scene.canvas)
            && self.card == scene.card
            && self.drawn.len() == scene.tiles.len()
            && self.drawn.iter().zip(scene.tiles.iter()).all(|(old, new)| old.tile.rect == new.rect)
    }

    /// A canvas to draw on, holding what the last one held unless everything will be drawn. On failure the last
    /// one is kept.
    fn begin(&mut self, scene: &Scene, whole: bool) -> Result<FrameMut, PoolEmpty> {
        match self.canvas.take().map(|canvas| (canvas.size() == scene.canvas, canvas)) {
            None => self.pool.get(scene.canvas),
            Some((false, held)) => self.pool.get(scene.canvas).inspect_err(|_| self.canvas = Some(held)),
            Some((true, held)) => held.into_mut().or_else(|held| {
                let fresh = self.pool.get(scene.canvas).map(|mut fresh| {
                    if !whole {
                        draw::copy(&mut fresh, draw::all_of(scene.canvas), &held);
                        self.canvases_copied += 1;
                    }
                    fresh
                });
                fresh.inspect_err(|_| self.canvas = Some(held))
            }),
        }
    }

    fn remember(&mut self, scene: &Scene, pictures: &[Option<TilePicture>], canvas: Frame) {
        self.drawn.clear();
        self.drawn.extend(scene.tiles.iter().enumerate().map(|(index, tile)| Drawn {
            tile: tile.clone(),
            version: picture_of(tile, pictures, index).map(|picture| picture.version),
        }));
        self.card.clone_from(&scene.card);
        self.scene = scene.id;
        self.canvas = Some(canvas);
    }
}

fn picture_of<'a>(tile: &Tile, pictures: &'a [Option<TilePicture>], index: usize) -> Option<&'a TilePicture> {
    pictures.get(index).and_then(Option::as_ref).filter(|_| tile.video)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::text::Typeface;
    use mcu_core::conference::plan::{Fit, Rect};
    use mcu_core::id::{ParticipantId, SourceId};
    use mcu_core::media::frame::Size;
    use mcu_core::time::FrameInterval;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    const CANVAS: Size = Size::new(128, 96);

    fn tile(person: u64, x: u16, y: u16, width: u16, height: u16) -> Tile {
        Tile {
            source: SourceId::main(ParticipantId(person)),
            rect: Rect { x, y, width, height },
            fit: Fit::Cover,
            video: true,
            name: "".into(),
            speaking: false,
            muted: false,
            in_the_clear: false,
        }
    }

    fn scene(tiles: &[Tile]) -> Scene {
        let interval = FrameInterval::FPS_30;
        Scene { id: SceneId(1), canvas: CANVAS, interval, tiles: tiles.into(), card: None }
    }

    fn picture(pool: &FramePool, tile: &Tile, luma: u8, version: u64) -> Option<TilePicture> {
        let mut frame = pool.get(Size::new(tile.rect.width, tile.rect.height)).expect("the pool has room");
        frame.fill([luma, luma / 2, 255 - luma]);
        Some(TilePicture { frame: frame.freeze(), version })
    }

    fn bytes(frame: &Frame) -> Vec<u8> {
        frame
            .planes()
            .iter()
            .flat_map(|p| (0..usize::from(p.size.height)).flat_map(|y| p.row(y)))
            .copied()
            .collect()
    }

    struct Bench {
        composer: Composer,
        overlay: Overlay,
        tiles: FramePool,
    }

    fn bench(canvases: usize) -> Bench {
        Bench {
            composer: Composer::new(FramePool::new("canvas", canvases)),
            overlay: Overlay::new(&Typeface::none()),
            tiles: FramePool::new("tiles", 64),
        }
    }

    #[test]
    fn an_unchanged_scene_is_the_same_frame_and_costs_nothing() {
        let Bench { mut composer, mut overlay, tiles } = bench(4);
        let scene = scene(&[tile(1, 0, 0, 64, 96), tile(2, 64, 0, 64, 96)]);
        let pictures = [picture(&tiles, &scene.tiles[0], 50, 1), picture(&tiles, &scene.tiles[1], 90, 2)];
        let first = composer.compose(&scene, &pictures, &mut overlay).expect("room");
        let second = composer.compose(&scene, &pictures, &mut overlay).expect("room");
        assert!(first.changed && first.damage == Damage::whole(CANVAS));
        assert!(!second.changed && second.damage.is_empty() && second.canvas.is_same(&first.canvas));
        assert_eq!(composer.tiles_drawn(), 2);
    }

    #[test]
    fn only_what_changed_is_drawn_and_what_an_encoder_holds_is_left_alone() {
        let Bench { mut composer, mut overlay, tiles } = bench(3);
        let scene = scene(&[tile(1, 0, 0, 64, 96), tile(2, 64, 0, 64, 96)]);
        let mut pictures = [picture(&tiles, &scene.tiles[0], 50, 1), picture(&tiles, &scene.tiles[1], 90, 2)];
        let held = composer.compose(&scene, &pictures, &mut overlay).expect("room").canvas;
        let before = bytes(&held);

        pictures[1] = picture(&tiles, &scene.tiles[1], 200, 3);
        let next = composer.compose(&scene, &pictures, &mut overlay).expect("room");
        assert_eq!(next.damage.rects(), [scene.tiles[1].rect]);
        assert_eq!((composer.tiles_drawn(), composer.canvases_copied()), (3, 1));
        assert_eq!(bytes(&held), before, "a frozen frame never changes");
        let luma = next.canvas.planes()[0];
        assert_eq!((luma.row(50)[10], luma.row(50)[100]), (50, 200));

        // Nobody holds the last one: it is drawn on, not copied.
        drop((next, held));
        pictures[0] = picture(&tiles, &scene.tiles[0], 70, 4);
        let last = composer.compose(&scene, &pictures, &mut overlay).expect("room");
        let luma = last.canvas.planes()[0];
        assert_eq!((luma.row(50)[10], luma.row(50)[100], composer.canvases_copied()), (70, 200, 1));
    }

    #[test]
    fn a_card_is_drawn_when_it_is_another_and_only_then() {
        let Bench { mut composer, mut overlay, .. } = bench(3);
        let card = |title: &str| Some(Arc::new(Card { title: title.into(), lines: Vec::new() }));
        let mut show = |card: Option<Arc<Card>>| {
            let scene = Scene { card, ..scene(&[]) };
            composer.compose(&scene, &[], &mut overlay).expect("room")
        };
        assert!(show(None).changed);
        let first = show(card("Daily"));
        assert!(first.changed && first.damage == Damage::whole(CANVAS));
        let again = show(card("Daily"));
        assert!(!again.changed && again.canvas.is_same(&first.canvas), "another copy of the same words");
        assert!(show(card("Nightly")).changed);
        let empty = show(None);
        assert!(empty.changed && empty.canvas.planes()[0].row(48)[64] == BACKGROUND[0]);
    }

    #[test]
    fn without_a_free_canvas_the_last_one_stands() {
        let Bench { mut composer, mut overlay, tiles } = bench(1);
        let scene = scene(&[tile(1, 0, 0, 128, 96)]);
        let first = composer.compose(&scene, &[picture(&tiles, &scene.tiles[0], 50, 1)], &mut overlay);
        let first = first.expect("one is free").canvas;
        let next = [picture(&tiles, &scene.tiles[0], 60, 2)];
        assert!(composer.compose(&scene, &next, &mut overlay).is_err());
        assert!(composer.last_canvas().is_some_and(|last| last.is_same(&first)));
        drop(first);
        let next = composer.compose(&scene, &next, &mut overlay).expect("it came back");
        assert_eq!(next.canvas.planes()[0].row(9)[9], 60);
    }

    #[test]
    fn drawing_only_the_changes_gives_the_picture_that_drawing_everything_gives() {
        let mut random = StdRng::seed_from_u64(0xc0_05e);
        let Bench { mut composer, mut overlay, tiles: pool } = bench(4);
        let mut held = std::collections::VecDeque::new();
        let (mut tiles, mut pictures, mut version) = (Vec::new(), Vec::new(), 0_u64);
        let mut partial = 0;
        for step in 0..600 {
            let kind = random.random_range(0..12);
            if step == 0 || kind == 0 {
                tiles = (0..random.random_range(1..7))
                    .map(|person| {
                        let mut even = |max: u16| random.random_range(0..max / 2) * 2;
                        let (x, y) = (even(110), even(80));
                        tile(person, x, y, even(60) + 16, even(50) + 16)
                    })
                    .collect::<Vec<_>>();
                pictures = vec![None; tiles.len()];
            }
            let which = random.random_range(0..tiles.len());
            match kind {
                1 => tiles[which].speaking ^= true,
                2 => tiles[which].muted ^= true,
                3 => tiles[which].video ^= true,
                _ => {
                    version += 1;
                    pictures[which] = picture(&pool, &tiles[which], random.random(), version);
                }
            }
            let scene = scene(&tiles);
            let composed = composer.compose(&scene, &pictures, &mut overlay).expect("room");
            partial += usize::from(composed.changed && composed.damage != Damage::whole(CANVAS));
            let mut fresh = Composer::new(FramePool::new("fresh", 1));
            let expected = fresh.compose(&scene, &pictures, &mut overlay).expect("room");
            assert!(bytes(&composed.canvas) == bytes(&expected.canvas), "step {step} differs");
            held.push_back(composed.canvas);
            held.truncate(random.random_range(0..3));
        }
        assert!(partial > 300, "the control: only {partial} steps were partial");
    }
}
