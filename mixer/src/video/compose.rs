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
use mcu_core::conference::plan::{Scene, Tile};
use mcu_core::id::SceneId;
use mcu_core::limits::TILES_MAX;
use mcu_core::media::frame::{Frame, FrameMut, FramePool, PoolEmpty};

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
    /// The last canvas, of which scene, and what is on it. Without a canvas the other two say nothing.
    canvas: Option<Frame>,
    scene: SceneId,
    drawn: Vec<Drawn>,
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
        let damage = self.damage(scene, pictures);
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
        for (index, tile) in scene.tiles.iter().enumerate() {
            if !damage.touches(tile.rect) {
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

    /// Where the scene differs from the last canvas, closed under overlap: no tile is drawn in part.
    fn damage(&self, scene: &Scene, pictures: &[Option<TilePicture>]) -> Damage {
        let whole = Damage::whole(scene.canvas);
        let Some(canvas) = &self.canvas else { return whole };
        let moved = || self.drawn.iter().zip(scene.tiles.iter()).any(|(old, new)| old.tile.rect != new.rect);
        let other = self.scene != scene.id || canvas.size() != scene.canvas;
        if other || self.drawn.len() != scene.tiles.len() || moved() {
            return whole;
        }
        let mut damage = Damage::none();
        for (index, (old, tile)) in self.drawn.iter().zip(scene.tiles.iter()).enumerate() {
            let version = picture_of(tile, pictures, index).map(|picture| picture.version);
            // Back to front: a tile over one that is drawn again must be drawn again, too. A tile under it need
            // not, for tiles are opaque.
            if old.version != version || old.tile != *tile || damage.touches(tile.rect) {
                damage.add(tile.rect);
            }
        }
        damage
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
        self.scene = scene.id;
        self.canvas = Some(canvas);
    }
}

fn picture_of<'a>(tile: &Tile, pictures: &'a [Option<TilePicture>], index: usize) -> Option<&'a TilePicture> {
    pictures.get(index).and_then(Option::as_ref).filter(|_| tile.video)
}
