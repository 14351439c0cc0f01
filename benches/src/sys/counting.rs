//! An allocator that counts, for each thread, how often it is asked for memory.
//!
//! Put in front of the system's allocator by a program's `#[global_allocator]`; a library's `malloc` of its own (libvpx,
//! FFmpeg, openh264) does not pass here. Taking and growing are counted; giving back is not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // A plain value with a constant start and nothing to drop: reading it allocates nothing, at any time of a thread's life.
    static TAKEN: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counting;

/// How often, and how much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allocations {
    /// Times that memory was taken or grown.
    pub count: u64,
    /// Bytes asked for.
    pub bytes: u64,
}

fn note(bytes: usize) {
    TAKEN.set(TAKEN.get() + 1);
    BYTES.set(BYTES.get() + bytes as u64);
}

// SAFETY: every call is passed on to `System` with the caller's own arguments, whose contract is the same; counting
// touches plain thread-local numbers, allocates nothing and cannot unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as the caller promised us.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size);
        // SAFETY: as the caller promised us; what we gave out came from `System`.
        unsafe { System.realloc(at, layout, new_size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised us; what we gave out came from `System`.
        unsafe { System.dealloc(at, layout) }
    }
}

/// What this thread asked for since it began; stays at zero unless [`Counting`] is the program's allocator.
pub fn taken() -> Allocations {
    Allocations { count: TAKEN.get(), bytes: BYTES.get() }
}

/// What `work` asked for on this thread.
pub fn of(work: impl FnOnce()) -> Allocations {
    let before = taken();
    work();
    let after = taken();
    Allocations { count: after.count - before.count, bytes: after.bytes - before.bytes }
}
