//! Raw to raw: pictures of many senders become one canvas, their sounds become one mix for each set of ears.
//!
//! Flow: `codecs` decode -> **here** -> `codecs` encode. Runs wherever the caller is: the video pool for
//! [`video`], the audio pool for [`audio`]. Nothing here waits, locks, reads a clock or knows a codec or a packet.
//!
//! - Pictures are I420, BT.601 limited range, integer throughout; the same input gives the same bytes.
//! - Sound is 48 kHz mono `f32` in blocks of 10 ms (`mcu_core::media::samples`).

pub mod audio;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod sys;
pub mod video;
