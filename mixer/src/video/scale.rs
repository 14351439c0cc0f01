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
use mcu_core::media::frame::{Frame, FrameMut, FramePool, Plane, PoolEmpty, Size};
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
    kept: u64,
}

impl TileCache {
    /// A cache whose tiles come from `pool`: one frame per tile on any scene, as many again while the next tick
    /// replaces them, and two for the scaler's own use.
    pub fn new(pool: FramePool) -> Self {
        Self { pool, entries: Vec::new(), version: 0, scaled: 0, kept: 0 }
    }

    /// `frame` as a tile of `size` pixels. A frame of that very size is shared, not copied. Where the pool has lent all its frames, the
    /// tile of the tick before, and [`Self::kept`] counts it.
    ///
    /// # Errors
    /// [`PoolEmpty`] when there was none.
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
        let scaled =
            if frame.size() == size { Ok(frame.clone()) } else { fit_to(&self.pool, frame, size, fit) };
        let scaled = match (scaled, place.map(|place| &mut self.entries[place])) {
            (Ok(scaled), _) => scaled,
            (Err(_), Some(before)) => {
                self.kept += 1;
                before.used = true;
                return Ok(before.picture.clone());
            }
            (Err(empty), None) => return Err(empty),
        };
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

    /// Tiles that stayed as they were since the start, because no frame was free.
    pub fn kept(&self) -> u64 {
        self.kept
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
    if size.area() == 0 || frame.size().area() == 0 {
        tile.fill(BACKGROUND);
        return Ok(tile.freeze());
    }
    let (from, to) = match fit {
        Fit::Cover => (cover(frame.size(), size), all_of(size)),
        Fit::Contain => (all_of(frame.size()), contain(frame.size(), size)),
    };
    if to != all_of(size) {
        tile.fill(BACKGROUND);
    }
    let [y, u, v] = frame.planes();
    if let (Some(y), Some(u), Some(v)) = (part(y, from, false), part(u, from, true), part(v, from, true)) {
        resample(pool, [y, u, v], &mut tile, to)?;
    }
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
    Rect { x: ((all.width - width) / 2) & !1, y: ((all.height - height) / 2) & !1, width, height }
}

/// Scales `from` to the part `to` of `tile`.
///
/// Which filter: libyuv's box reads every pixel and is fast for exact halves and quarters (80 us for 720p), slow
/// for all else (970 us for a third). Bilinear takes 270 us for a third, but reads four pixels however many lie
/// under one, which flickers from a quarter down. So: exact halves and quarters by box, anything beyond a quarter
/// by box to the quarter and on from there, the rest bilinear.
fn resample(pool: &FramePool, from: [Plane<'_>; 3], tile: &mut FrameMut, to: Rect) -> Result<(), PoolEmpty> {
    let (src, dst) = (from[0].size, Size::new(to.width, to.height));
    let exact = |n: u32| is_multiple(src, dst, n, u32::eq);
    if !exact(4) && is_multiple(src, dst, 4, |src, dst| src >= dst) {
        let mut quarter = pool.get(Size::new(src.width / 4, src.height / 4))?;
        let all = all_of(quarter.size());
        scale_planes(from, &mut quarter, all, Filter::Box);
        return resample(pool, quarter.planes(), tile, to);
    }
    let filter = if exact(2) || exact(4) { Filter::Box } else { Filter::Bilinear };
    scale_planes(from, tile, to, filter);
    Ok(())
}

/// Whether both sides of `src` compare with `n` times those of `dst` as told.
fn is_multiple(src: Size, dst: Size, n: u32, compare: fn(&u32, &u32) -> bool) -> bool {
    compare(&u32::from(src.width), &(n * u32::from(dst.width)))
        && compare(&u32::from(src.height), &(n * u32::from(dst.height)))
}

fn scale_planes(from: [Plane<'_>; 3], tile: &mut FrameMut, to: Rect, filter: Filter) {
    for (index, (src, dst)) in from.into_iter().zip(tile.planes_mut()).enumerate() {
        if let Some(dst) = part_mut(dst, to, index > 0) {
            // Parts lie inside their planes, so that libyuv has nothing to refuse but an empty source.
            let _ = yuv::scale_plane(src, dst, filter);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::draw;
    use mcu_core::id::ParticipantId;

    const RED: [u8; 3] = [82, 90, 240];
    const GREEN: [u8; 3] = [144, 54, 34];

    fn at(frame: &Frame, x: usize, y: usize) -> [u8; 3] {
        let [luma, u, v] = frame.planes();
        [luma.row(y)[x], u.row(y / 2)[x / 2], v.row(y / 2)[x / 2]]
    }

    /// A red picture with a green part.
    fn picture(pool: &FramePool, size: Size, green: Rect) -> Frame {
        let mut frame = pool.get(size).expect("the pool has room");
        frame.fill(RED);
        draw::fill(&mut frame, green, GREEN);
        frame.freeze()
    }

    #[test]
    fn shapes_are_kept_and_corners_even() {
        let rect = |x, y, width, height| Rect { x, y, width, height };
        let cases = [
            // A 4:3 picture in a 16:9 tile: the top and bottom go, or bars stand at the sides.
            (Size::new(640, 480), Size::new(640, 360), rect(0, 60, 640, 360), rect(80, 0, 480, 360)),
            // An upright one.
            (Size::new(360, 640), Size::new(320, 180), rect(0, 218, 360, 202), rect(110, 0, 100, 180)),
            // The same shape: nothing is cut, whatever the size, odd ones included.
            (Size::new(1280, 720), Size::new(426, 240), rect(0, 0, 1278, 720), rect(0, 0, 426, 238)),
            (Size::new(33, 17), Size::new(66, 34), rect(0, 0, 33, 17), rect(0, 0, 66, 34)),
            // As wide and flat as a decoder is ever given.
            (Size::new(2560, 16), Size::new(160, 90), rect(1266, 0, 28, 16), rect(0, 44, 160, 2)),
        ];
        for (from, to, cut, placed) in cases {
            assert_eq!((cover(from, to), contain(from, to)), (cut, placed), "{from:?} in {to:?}");
        }
    }

    #[test]
    fn cover_cuts_what_contain_shows() {
        let pool = FramePool::new("test", 4);
        // Green are the top and bottom sixth of an upright picture.
        let mut frame = pool.get(Size::new(180, 320)).expect("the pool has room");
        frame.fill(GREEN);
        draw::fill(&mut frame, Rect { x: 0, y: 54, width: 180, height: 212 }, RED);
        let frame = frame.freeze();
        let size = Size::new(160, 90);
        let covered = fit_to(&pool, &frame, size, Fit::Cover).expect("the pool has room");
        for (x, y) in [(0, 0), (159, 0), (0, 89), (159, 89), (80, 45)] {
            assert_eq!(at(&covered, x, y), RED, "cover at {x},{y}");
        }
        let contained = fit_to(&pool, &frame, size, Fit::Contain).expect("the pool has room");
        assert_eq!((at(&contained, 0, 45), at(&contained, 159, 45)), (BACKGROUND, BACKGROUND));
        assert_eq!(
            (at(&contained, 80, 2), at(&contained, 80, 45), at(&contained, 80, 87)),
            (GREEN, RED, GREEN)
        );
    }

    #[test]
    fn every_ratio_keeps_a_flat_picture_flat_and_edges_in_place() {
        // libyuv's box rounds down where the ratio is no whole number.
        let near = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 1);
        let pool = FramePool::new("test", 6);
        let from = Size::new(1280, 720);
        let frame = picture(&pool, from, Rect { x: 0, y: 0, width: 640, height: 720 });
        for (width, height) in
            [(640, 360), (320, 180), (426, 240), (212, 120), (160, 90), (64, 36), (20, 12), (1920, 1080)]
        {
            let tile =
                fit_to(&pool, &frame, Size::new(width, height), Fit::Cover).expect("the pool has room");
            let (last, middle, low) =
                (usize::from(width) - 1, usize::from(width) / 2, usize::from(height) - 1);
            for y in [0, low] {
                assert!(near(at(&tile, 0, y), GREEN) && near(at(&tile, last, y), RED), "{width}x{height}");
                assert!(near(at(&tile, middle - 4, y), GREEN), "{width}x{height} left of the edge");
                assert!(near(at(&tile, middle + 4, y), RED), "{width}x{height} right of the edge");
            }
        }
        assert_eq!(pool.frames_out(), 1, "nothing is kept");
    }

    #[test]
    fn a_fine_pattern_far_down_becomes_grey_and_not_noise() {
        let pool = FramePool::new("test", 4);
        let mut frame = pool.get(Size::new(1280, 720)).expect("the pool has room");
        frame.fill([16, 128, 128]);
        let [mut luma, ..] = frame.planes_mut();
        for y in 0..720 {
            luma.row_mut(y).iter_mut().skip(y % 2).step_by(2).for_each(|pixel| *pixel = 216);
        }
        let frame = frame.freeze();
        for (width, height) in [(640, 360), (320, 180), (212, 120), (128, 72)] {
            let tile =
                fit_to(&pool, &frame, Size::new(width, height), Fit::Cover).expect("the pool has room");
            let row = tile.planes()[0].row(usize::from(height) / 2).to_vec();
            assert!(row.iter().all(|pixel| (112..=120).contains(pixel)), "{width}x{height}: {row:?}");
        }
    }

    #[test]
    fn nothing_to_show_and_no_room_are_survived() {
        let pool = FramePool::new("test", 4);
        let frame = picture(&pool, Size::new(64, 64), Rect { x: 0, y: 0, width: 2, height: 2 });
        for size in [Size::new(0, 0), Size::new(0, 90), Size::new(2, 2), Size::new(1, 1)] {
            for fit in [Fit::Cover, Fit::Contain] {
                assert_eq!(fit_to(&pool, &frame, size, fit).map(|tile| tile.size()), Ok(size));
            }
        }
        let _others: Vec<_> = (0..3).map(|_| pool.get(Size::new(2, 2))).collect();
        assert!(fit_to(&pool, &frame, Size::new(32, 32), Fit::Cover).is_err());
    }

    #[test]
    fn a_frame_is_scaled_once_however_many_scenes_show_it() {
        let pool = FramePool::new("test", 8);
        let mut cache = TileCache::new(FramePool::new("tiles", 8));
        let source = SourceId::main(ParticipantId(1));
        let green = Rect { x: 0, y: 0, width: 32, height: 32 };
        let first = picture(&pool, Size::new(64, 64), green);
        let size = Size::new(32, 32);
        let tile = |cache: &mut TileCache, frame: &Frame, size| {
            cache.tile(source, frame, size, Fit::Cover).expect("the pool has room")
        };
        let a = tile(&mut cache, &first, size);
        let b = tile(&mut cache, &first, size);
        assert_eq!((a.version, a.frame.is_same(&b.frame), cache.scaled()), (b.version, true, 1));
        let other_size = tile(&mut cache, &first, Size::new(16, 16));
        assert_ne!(other_size.version, a.version);
        let second = picture(&pool, Size::new(64, 64), green);
        let c = tile(&mut cache, &second, size);
        assert_ne!(c.version, a.version);
        assert_eq!(cache.scaled(), 3);
        // A frame of the tile's very size is the tile.
        assert!(tile(&mut cache, &second, Size::new(64, 64)).frame.is_same(&second));

        cache.end_tick();
        tile(&mut cache, &second, size);
        cache.end_tick();
        drop((a, b, c, other_size));
        assert_eq!(cache.pool.frames_out(), 1, "what the last tick did not use is gone");
        drop(first);
        assert_eq!(pool.frames_out(), 1, "and so is the frame that nobody shows");
    }

    #[test]
    fn without_a_free_frame_a_tile_stays_as_it_was() {
        let pool = FramePool::new("test", 8);
        let green = Rect { x: 0, y: 0, width: 32, height: 32 };
        let [first, second] = [1, 2].map(|_| picture(&pool, Size::new(64, 64), green));
        let tiles = FramePool::new("tiles", 2);
        let mut cache = TileCache::new(tiles.clone());
        let mut tile = |id, frame| {
            let tile = cache.tile(SourceId::main(ParticipantId(id)), frame, Size::new(32, 32), Fit::Cover);
            (tile.map(|tile| tile.version), cache.kept())
        };
        let (before, _) = tile(1, &first);
        let others: Vec<_> = std::iter::from_fn(|| tiles.get(Size::new(2, 2)).ok()).collect();
        assert_eq!(tile(1, &second), (before, 1));
        assert!(tile(2, &second).0.is_err(), "there was none");
        drop(others);
        let (after, kept) = tile(1, &second);
        assert!(after.is_ok() && after != before && kept == 1, "the control: room again, and it moves on");
    }

    #[test]
    fn a_turned_picture_is_turned_in_all_its_planes() {
        let pool = FramePool::new("test", 4);
        let frame = picture(&pool, Size::new(64, 32), Rect { x: 0, y: 0, width: 16, height: 8 });
        let cases =
            [(Rotation::Quarter, (31, 0)), (Rotation::Half, (63, 31)), (Rotation::ThreeQuarters, (0, 63))];
        for (turn, (x, y)) in cases {
            let turned = rotate(&pool, &frame, turn).expect("the pool has room");
            assert_eq!(at(&turned, x, y), GREEN, "{turn:?}");
            assert_eq!(at(&turned, x / 2 + 8, y / 2 + 8), RED, "{turn:?}");
        }
        assert!(rotate(&pool, &frame, Rotation::None).is_ok_and(|same| same.is_same(&frame)));
    }
}
