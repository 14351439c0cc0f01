//! The io_uring runtime of a thread, which ends only when the kernel is done with every buffer that it was lent.
//!
//! `tokio-uring` 0.5 frees the data of an operation that nobody waits for any more when its driver is dropped, *before* it cancels the
//! operation: the kernel then writes into freed memory. So every buffer is lent with a token, and [`run`] lets the ring go on until all
//! tokens are back; where one does not come back, the process ends rather than let that memory go. Thread: io, and the one that probes.

#![allow(unsafe_code)]

use std::future::Future;
use std::rc::Rc;
use tokio_uring::buf::{IoBuf, IoBufMut};

/// How often the ring goes round for the buffers that are out: about a second.
const ROUNDS_MAX: u32 = 100_000;

thread_local! {
    static TOKEN: Rc<()> = Rc::new(());
}

/// Bytes that the kernel reads or writes.
pub(super) struct Lent {
    bytes: Vec<u8>,
    _token: Rc<()>,
}

impl Lent {
    /// Lends a buffer; received is into its capacity.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, _token: TOKEN.with(Rc::clone) }
    }

    /// Takes it back.
    pub(super) fn back(self) -> Vec<u8> {
        self.bytes
    }
}

// SAFETY: the pointer and both lengths are those of a `Vec`, whose memory stays where it is while this value moves and until it is dropped;
// nothing here gives out the `Vec` itself before it is taken back.
unsafe impl IoBuf for Lent {
    fn stable_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.bytes.len()
    }

    fn bytes_total(&self) -> usize {
        self.bytes.capacity()
    }
}

// SAFETY: as above, and `set_init` is the `Vec`'s own.
unsafe impl IoBufMut for Lent {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, pos: usize) {
        // SAFETY: the caller has written `pos` bytes, as this method's own contract says.
        unsafe { self.bytes.set_init(pos) }
    }
}

/// Buffers of this thread that the kernel holds.
pub(super) fn lent() -> usize {
    TOKEN.with(|token| Rc::strong_count(token) - 1)
}

/// Runs `work` on an io_uring runtime of this thread, and afterwards the ring until the kernel has given every buffer back.
///
/// # Panics
/// Where io_uring is not to be had: see [`super::probe::uring_allowed`].
#[allow(clippy::disallowed_methods)] // this is what makes it safe
pub fn run<F: Future>(work: F) -> F::Output {
    tokio_uring::start(async {
        let result = work.await;
        // Whoever was receiving has gone with `work`, and its socket is shut: each round takes in what has ended meanwhile.
        for _ in 0..ROUNDS_MAX {
            if lent() == 0 || tokio_uring::no_op().await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if lent() > 0 {
            tracing::error!(
                buffers = lent(),
                "the kernel keeps buffers of a ring that ends: it would write into freed memory"
            );
            std::process::abort();
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Backend, probe};
    use std::net::{Ipv4Addr, SocketAddr};

    #[test]
    fn the_ring_ends_when_every_buffer_is_back() {
        if !probe::uring_allowed() {
            eprintln!("SKIPPED: the kernel refuses io_uring");
            return;
        }
        for _ in 0..50 {
            let during = run(async {
                let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let socket = probe::open(Backend::Uring, loopback).expect("loopback is there");
                tokio_uring::no_op().await.expect("the ring works");
                tokio::task::yield_now().await;
                let during = lent();
                drop(socket);
                assert_eq!(lent(), during, "nothing has come back by then");
                during
            });
            assert!(during > 0, "the control: receives were under way");
            assert_eq!(lent(), 0);
        }
    }
}
