//! What the fuzzer feeds: for each parser of this crate a function from any bytes to assertions that must hold.
//!
//! Compiled for tests, which replay `fuzz/corpus`, and with `--cfg fuzzing` for the targets of `fuzz/`; never shipped. Each asserts
//! more than that nothing panics: bounds, order, and that what we write we read again.

#[path = "../../../fuzz/shared.rs"]
mod shared;

mod datagrams;
mod offers;
mod payloads;
mod sip;
mod streams;

pub use datagrams::{demux, stream_gate, tcp_framing};
pub use offers::{answer, offer};
pub use payloads::{packetize_h264, packetize_vp8, payload_h264, payload_vp8, payload_vp9};
pub use sip::sip_leg;
pub use streams::{lip_sync, reorder, sound_stream, video_stream};

#[cfg(test)]
mod seeds;
