//! Datagrams to and from the kernel (hops `receive` and `send`).
//!
//! Flow: kernel -> **here** -> `demux`; `peer/` -> **here** -> kernel. Thread: io, inside a tokio or tokio-uring current-thread runtime.
//! Bound: fixed receive buffers, a fixed number of unsent trains. Errors of sending are counted, never fatal. Nothing here knows what a datagram says.

pub mod batch;
pub mod ports;
pub mod probe;
pub mod ring;
pub mod tcp;
mod trains;
pub mod uring;

use crate::peer::{Datagram, Transmit};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

/// What a socket counted since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IoCounters {
    /// Datagrams received.
    pub received: u64,
    /// System calls (or completions) that received them.
    pub receive_calls: u64,
    /// Datagrams handed to the kernel.
    pub sent: u64,
    /// System calls (or submissions) that sent them.
    pub send_calls: u64,
    /// Datagrams dropped because the kernel would not take them in time.
    pub send_dropped: u64,
    /// Sends that the kernel refused (unreachable, not permitted, too long).
    pub send_errors: u64,
    /// Received datagrams longer than our buffers, dropped.
    pub oversized: u64,
}

/// Which way datagrams take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// `recvmmsg`, GRO and GSO on an `AsyncFd`.
    Batch,
    /// io_uring, one operation a datagram received, one a train sent.
    Uring,
}

/// Bytes of socket buffer that the kernel granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// For receiving.
    pub receive_bytes: usize,
    /// For sending.
    pub send_bytes: usize,
}

/// A UDP socket of an io thread.
///
/// The loop: [`ready`] (or `poll_ready` beside other things), `receive`, work, `send` for each, `flush`.
pub trait DatagramIo {
    /// The address that it is bound to.
    fn local_addr(&self) -> SocketAddr;
    /// Which way datagrams take.
    fn backend(&self) -> Backend;
    /// What socket buffers the kernel granted.
    fn granted(&self) -> Granted;
    /// Ready when there may be something to `receive`, or room to `flush` what waited for it. Nothing is lost when not awaited to the end.
    ///
    /// # Errors
    /// Only when the socket is of no further use.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Hands each datagram of the next batch to `each`; zero when none waits. Never blocks.
    fn receive(&mut self, each: &mut dyn FnMut(Datagram<'_>)) -> usize;
    /// Queues a datagram; consecutive ones of equal length to one destination leave in one train.
    fn send(&mut self, datagram: &Transmit);
    /// Hands everything queued to the kernel, as far as it takes it. Never blocks.
    fn flush(&mut self);
    /// Counters since it was opened.
    fn counters(&self) -> IoCounters;
}

/// Waits for [`DatagramIo::poll_ready`].
///
/// # Errors
/// When the socket is of no further use.
pub async fn ready(io: &mut dyn DatagramIo) -> io::Result<()> {
    std::future::poll_fn(|cx| io.poll_ready(cx)).await
}
