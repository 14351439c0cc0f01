//! Codecs: compressed <-> raw, behind two small traits each way.
//!
//! Pictures: [`decode`] (FFmpeg; VP8, VP9, H.264) and [`encode`] (libvpx for VP8; openh264 or x264 for H.264).
//! Sound: [`sound`] has the traits, [`opus`] and [`telephone`] (G.711 and G.722) what fulfils them. [`guard`] reads
//! headers and parameter sets before any library sees them; [`lane`] is one decoder's queue, hops lane, open and
//! decode; [`registry`] is the one door through which the rest of the node makes codecs, so that a simulation can put
//! others in. [`selftest`] serves `mcu doctor`.
//!
//! This crate knows neither RTP nor conferences, reads no clock and starts no thread. `unsafe` lives in `sys`.

pub mod decode;
pub mod encode;
pub mod guard;
pub mod h264;
pub mod lane;
pub mod opus;
pub mod registry;
pub mod selftest;
pub mod sound;
pub mod telephone;
pub mod vp8;
pub mod vp9;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;

mod bits;
mod picture;
mod sys;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
