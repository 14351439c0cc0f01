//! Hop `scale`: a sender's frame, brought to the size and shape of a tile.
//!
//! Flow: `slot` -> **here** -> `compose`. Thread: video pool, within a conference's tick. Each distinct
//! (source, frame, tile size, fit) is scaled once and shared by every scene that shows it. Bound: what the last
//! tick used; what it did not use is let go by [`TileCache::end_tick`].

use crate::sys::yuv::{self, Filter};
use crate::video::colour::BACKGROUND;
use crate::video::draw::{all_of, part, part_mut};
use mcu_core::conference::plan::{Fit, Rect};
use mcu_core::id::SourceId;
use mcu_core::media::frame::{Frame, FrameMut, FramePool, PoolEmpty, Size};
use mcu_core::media::unit::Rotation;

/// A picture of exactly the size of its tile.
#[derive(Debug, Clone)]
pub struct TilePicture {
    /// The pixels.
    pub frame: Frame,
    /// Two pictures of one version are the same picture; another frame, size or fit is another version.
    pub version: u64,
}

#[derive(Debug)]
struct Entry {
    source: SourceId,
    size: Size,
    fit: Fit,
    /// What `picture` was made of; held, so that its identity cannot pass to another frame.
    original: Frame,
    picture: TilePicture,
    used: bool,
}

/// The tiles of one conference.
#[derive(Debug)]
pub struct TileCache {
    pool: FramePool,
    entries: Vec<Entry>,
    version: u64,
    scaled: u64,
}

impl TileCache {
    /// A cache whose tiles come from `pool`: one frame per tile on any scene, as many again while the next tick
    /// replaces them, and one for the scaler's own use.
    pub fn new(pool: FramePool) -> Self {
        Self { pool, entries: Vec::new(), version: 0, scaled: 0 }
    }

    /// `frame` as a tile of `size` pixels. A frame of that very size is shared, not copied.
    ///
    /// # Errors
    /// [`PoolEmpty`] when the pool has lent all its frames; the tile should then stay as it was.
    pub fn tile(
        &mut self,
        source: SourceId,
        frame: &Frame,
        size: Size,
        fit: Fit,
    ) -> Result<TilePicture, PoolEmpty> {
        let place = self.entries.iter().position(|e| e.source == source && e.size == size && e.fit == fit);
        if let Some(entry) = place.map(|place| &mut self.entries[place])
            && entry.original.is_same(frame)
        {
            entry.used = true;
            return Ok(entry.picture.clone());
        }
        let scaled = if frame.size() == size { frame.clone() } else { fit_to(&self.pool, frame, size, fit)? };
        self.scaled += 1;
        self.version += 1;
        let picture = TilePicture { frame: scaled, version: self.version };
        let entry =
            Entry { source, size, fit, original: frame.clone(), picture: picture.clone(), used: true };
        match place {
            Some(place) => self.entries[place] = entry,
            None => self.entries.push(entry),
        }
        Ok(picture)
    }

    /// Lets go of every tile that no [`TileCache::tile`] asked for since the last call.
    pub fn end_tick(&mut self) {
        self.entries.retain_mut(|entry| std::mem::take(&mut entry.used));
    }

    /// Tiles made since the start: what the cost of scaling grows with.
    pub fn scaled(&self) -> u64 {
        self.scaled
    }
}

/// `frame` at `size`, by `fit`, in a frame of `pool`.
///
/// # Errors
/// [`PoolEmpty`] when the pool has nothing left to lend.
pub fn fit_to(pool: &FramePool, frame: &Frame, size: Size, fit: Fit) -> Result<Frame, PoolEmpty> {
    let mut tile = pool.get(size)?;
    let (from, to) = match fit {
        Fit::Cover => (cover(frame.size(), size), all_of(size)),
        Fit::Contain => (all_of(frame.size()), contain(frame.size(), size)),
    };
    if to != all_of(size) {
        tile.fill(BACKGROUND);
    }
    resample(pool, frame, from, &mut tile, to)?;
    Ok(tile.freeze())
}

/// The middle part of a picture of size `from` that has the shape of `to`.
fn cover(from: Size, to: Size) -> Rect {
    let (width, height) = same_shape(to, from);
    centred(from, width, height)
}

/// Where a picture of size `from` comes to lie inside `to`, so that all of it is seen.
fn contain(from: Size, to: Size) -> Rect {
    let (width, height) = same_shape(from, to);
    centred(to, width, height)
}

/// The largest width and height of the shape of `shape` within `room`, even where they are less than the room.
fn same_shape(shape: Size, room: Size) -> (u16, u16) {
    let (sw, sh) = (u32::from(shape.width.max(1)), u32::from(shape.height.max(1)));
    let (rw, rh) = (u32::from(room.width), u32::from(room.height));
    let even = |length: u32, all: u32| if length >= all { all } else { (length & !1).max(2).min(all) };
    let (width, height) =
        if rw * sh > rh * sw { (even(rh * sw / sh, rw), rh) } else { (rw, even(rw * sh / sw, rh)) };
    (width as u16, height as u16)
}

/// A part of `width` x `height` in the middle of `all`, its corner even.
const fn centred(all: Size, width: u16, height: u16) -> Rect {
    Rect { x: (all.width - width) / 2 & !1, y: (all.height - height) / 2 & !1, width, height }
}

fn resample(
    pool: &FramePool,
    frame: &Frame,
    from: Rect,
    tile: &mut FrameMut,
    to: Rect,
) -> Result<(), PoolEmpty> {
    let _ = pool;
    for (index, (src, dst)) in frame.planes().into_iter().zip(tile.planes_mut()).enumerate() {
        let chroma = index > 0;
        let (Some(src), Some(dst)) = (part(src, from, chroma), part_mut(dst, to, chroma)) else { continue };
        // Both parts lie inside their planes, so the sizes hold and libyuv refuses nothing.
        let _ = yuv::scale_plane(src, dst, Filter::Bilinear);
    }
    Ok(())
}

/// `frame` turned clockwise by `rotation`, for senders that leave the turning to the receiver. A frame that needs
/// no turn is shared.
///
/// # Errors
/// [`PoolEmpty`] when the pool has nothing left to lend.
pub fn rotate(pool: &FramePool, frame: &Frame, rotation: Rotation) -> Result<Frame, PoolEmpty> {
    let Size { width, height } = frame.size();
    let size = match rotation {
        Rotation::None => return Ok(frame.clone()),
        Rotation::Half => Size::new(width, height),
        Rotation::Quarter | Rotation::ThreeQuarters => Size::new(height, width),
    };
    let mut turned = pool.get(size)?;
    for (src, dst) in frame.planes().into_iter().zip(turned.planes_mut()) {
        // The sizes are each other's turns; an empty plane is the only thing that could be refused.
        let _ = yuv::rotate_plane(src, dst, rotation);
    }
    Ok(turned.freeze())
}
