//! Raw pictures: I420 in one pooled buffer whose rows start on 64-byte boundaries.
//!
//! A [`FrameMut`] is written by one owner, then frozen into a [`Frame`] that any number of readers share; when
//! the last of them lets go, the buffer returns to its [`FramePool`]. The pool bounds how many are out at a time.

use bytemuck::{Pod, Zeroable, cast_slice, cast_slice_mut};
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that every row starts a multiple of: one cache line, and what AVX-512 loads in one go.
pub const ROW_ALIGN: usize = 64;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; ROW_ALIGN]);

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Size {
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
}

impl Size {
    /// A size in pixels.
    pub const fn new(width: u16, height: u16) -> Self {
        Self { width, height }
    }

    /// Pixels in the picture.
    pub const fn area(self) -> u32 {
        self.width as u32 * self.height as u32
    }

    /// The size of the U and V planes: half, rounded up.
    pub const fn chroma(self) -> Self {
        Self { width: self.width.div_ceil(2), height: self.height.div_ceil(2) }
    }
}

/// One plane to read: rows of `stride` bytes, the first `size.width` of which are picture.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// `stride * size.height` bytes.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Pixels of this plane.
    pub size: Size,
}

impl<'a> Plane<'a> {
    /// The pixels of row `y`, without padding.
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..self.size.width as usize]
    }
}

/// One plane to write.
#[derive(Debug)]
pub struct PlaneMut<'a> {
    /// `stride * size.height` bytes.
    pub data: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Pixels of this plane.
    pub size: Size,
}

impl PlaneMut<'_> {
    /// The pixels of row `y`, without padding.
    pub fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.data[y * self.stride..][..self.size.width as usize]
    }
}

struct Buffer {
    lines: Vec<Line>,
    size: Size,
    home: Arc<Shelf>,
}

struct Shelf {
    name: &'static str,
    free: ArrayQueue<Vec<Line>>,
    out: AtomicUsize,
    out_max: usize,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.out.fetch_sub(1, Ordering::AcqRel);
        // A full shelf cannot happen while `out` is bounded; if it did, the buffer is simply freed.
        let _ = self.home.free.push(std::mem::take(&mut self.lines));
    }
}

const fn stride_of(width: u16) -> usize {
    (width as usize).next_multiple_of(ROW_ALIGN)
}

impl Buffer {
    fn split(&self) -> (usize, usize) {
        let y = stride_of(self.size.width) * self.size.height as usize;
        let chroma = self.size.chroma();
        (y, stride_of(chroma.width) * chroma.height as usize)
    }
}

/// A picture that many may read. Cloning shares it.
#[derive(Clone)]
pub struct Frame(Arc<Buffer>);

/// A picture being written.
pub struct FrameMut(Buffer);

impl Frame {
    /// Pixels of the luma plane.
    pub fn size(&self) -> Size {
        self.0.size
    }

    /// The Y, U and V planes.
    pub fn planes(&self) -> [Plane<'_>; 3] {
        planes(&self.0)
    }

    /// Whether both are the very same picture, not merely equal ones.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Takes the picture back to write on, content and all, when nobody else reads it.
    ///
    /// # Errors
    /// Hands the frame back while others hold it.
    pub fn into_mut(self) -> Result<FrameMut, Self> {
        Arc::try_unwrap(self.0).map(FrameMut).map_err(Self)
    }
}

fn planes(buffer: &Buffer) -> [Plane<'_>; 3] {
    let (y_len, c_len) = buffer.split();
    let bytes: &[u8] = cast_slice(&buffer.lines);
    let (y, rest) = bytes.split_at(y_len);
    let (u, v) = rest.split_at(c_len);
    let chroma = buffer.size.chroma();
    let stride = stride_of(chroma.width);
    [
        Plane { data: y, stride: stride_of(buffer.size.width), size: buffer.size },
        Plane { data: u, stride, size: chroma },
        Plane { data: &v[..c_len], stride, size: chroma },
    ]
}

impl FrameMut {
    /// Pixels of the luma plane.
    pub fn size(&self) -> Size {
        self.0.size
    }

    /// The Y, U and V planes, to read.
    pub fn planes(&self) -> [Plane<'_>; 3] {
        planes(&self.0)
    }

    /// The Y, U and V planes, to write.
    pub fn planes_mut(&mut self) -> [PlaneMut<'_>; 3] {
        let (y_len, c_len) = self.0.split();
        let size = self.0.size;
        let bytes: &mut [u8] = cast_slice_mut(&mut self.0.lines);
        let (y, rest) = bytes.split_at_mut(y_len);
        let (u, v) = rest.split_at_mut(c_len);
        let chroma = size.chroma();
        let stride = stride_of(chroma.width);
        [
            PlaneMut { data: y, stride: stride_of(size.width), size },
            PlaneMut { data: u, stride, size: chroma },
            PlaneMut { data: &mut v[..c_len], stride, size: chroma },
        ]
    }

    /// Fills the whole picture, padding included, with one colour (BT.601 limited range).
    pub fn fill(&mut self, yuv: [u8; 3]) {
        for (plane, value) in self.planes_mut().into_iter().zip(yuv) {
            plane.data.fill(value);
        }
    }

    /// Ends the writing.
    pub fn freeze(self) -> Frame {
        Frame(Arc::new(self.0))
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({}x{})", self.0.size.width, self.0.size.height)
    }
}

impl std::fmt::Debug for FrameMut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FrameMut({}x{})", self.0.size.width, self.0.size.height)
    }
}

impl std::fmt::Debug for FramePool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FramePool({}, {}/{} out)", self.0.name, self.frames_out(), self.0.out_max)
    }
}

/// Every buffer of a pool is out: somebody holds on to more frames than the flow allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("frame pool {name} is exhausted: {out_max} frames are out")]
pub struct PoolEmpty {
    /// The pool.
    pub name: &'static str,
    /// How many it lends.
    pub out_max: usize,
}

/// A bounded lender of picture buffers. Cloning shares the pool.
#[derive(Clone)]
pub struct FramePool(Arc<Shelf>);

impl FramePool {
    /// A pool that lends at most `out_max` frames at a time; allocates as they are first asked for.
    pub fn new(name: &'static str, out_max: usize) -> Self {
        let out_max = out_max.max(1);
        Self(Arc::new(Shelf { name, free: ArrayQueue::new(out_max), out: AtomicUsize::new(0), out_max }))
    }

    /// A frame of `size`, its content undefined (whatever was there before, or zeros).
    ///
    /// # Errors
    /// [`PoolEmpty`] when `out_max` frames are out already.
    pub fn get(&self, size: Size) -> Result<FrameMut, PoolEmpty> {
        let shelf = &self.0;
        if shelf.out.fetch_add(1, Ordering::AcqRel) >= shelf.out_max {
            shelf.out.fetch_sub(1, Ordering::AcqRel);
            return Err(PoolEmpty { name: shelf.name, out_max: shelf.out_max });
        }
        let mut buffer =
            Buffer { lines: shelf.free.pop().unwrap_or_default(), size, home: Arc::clone(shelf) };
        let (y_len, c_len) = buffer.split();
        buffer.lines.resize((y_len + 2 * c_len) / ROW_ALIGN, Line::zeroed());
        Ok(FrameMut(buffer))
    }

    /// How many frames are out now.
    pub fn frames_out(&self) -> usize {
        self.0.out.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_and_planes_do_not_overlap() {
        let pool = FramePool::new("test", 2);
        let mut frame = pool.get(Size::new(33, 17)).expect("pool has room");
        frame.fill([1, 2, 3]);
        let frame = frame.freeze();
        let [y, u, v] = frame.planes();
        assert_eq!((y.stride, u.stride, v.stride), (64, 64, 64));
        assert_eq!((u.size.width, u.size.height), (17, 9));
        assert!(y.row(16).iter().all(|p| *p == 1) && u.row(8).iter().all(|p| *p == 2));
        assert!(v.row(8).iter().all(|p| *p == 3));
        assert_eq!(y.data.as_ptr() as usize % ROW_ALIGN, 0);
    }

    #[test]
    fn a_pool_lends_no_more_than_it_has_and_takes_back() {
        let pool = FramePool::new("test", 1);
        let first = pool.get(Size::new(64, 64)).expect("one is free").freeze();
        let shared = first.clone();
        assert_eq!(pool.get(Size::new(64, 64)).err(), Some(PoolEmpty { name: "test", out_max: 1 }));
        drop(first);
        assert_eq!(pool.frames_out(), 1);
        drop(shared);
        assert!(pool.get(Size::new(128, 128)).is_ok());
    }

    #[test]
    fn only_a_lone_reader_may_write_again() {
        let pool = FramePool::new("test", 1);
        let mut frame = pool.get(Size::new(16, 16)).expect("one is free");
        frame.fill([7, 8, 9]);
        let frame = frame.freeze();
        let reader = frame.clone();
        let frame = frame.into_mut().expect_err("a reader is left");
        drop(reader);
        let again = frame.into_mut().expect("nobody else reads");
        assert_eq!((again.planes()[0].row(3)[5], pool.frames_out()), (7, 1));
    }
}
