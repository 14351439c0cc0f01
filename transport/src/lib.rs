//! Datagrams to access units and back: WebRTC peers, payload formats, jitter buffers, rate control and UDP.
//!
//! Flow: kernel -> [`io`] -> [`demux`] -> [`peer`] -> [`receive`] and [`payload`] -> decoders, and the same way back. Thread: io, except
//! packetizing. Everything but [`io`] is sans-I/O: `now` and bytes go in, values come out.

pub mod demux;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod io;
pub mod payload;
pub mod peer;
pub mod rate;
pub mod receive;
pub mod send;
pub mod tcp_framing;
