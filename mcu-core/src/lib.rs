//! Vocabulary and decisions of the node: everything that can be said without doing any I/O.
//!
//! Two halves. The *vocabulary* (time, ids, media types, limits, queues, pools) is shared by every crate.
//! The *decisions* (conference, layout, floor, mixing, renditions, privacy) are deterministic functions of
//! their inputs: they take `now` and return values. This crate does no I/O, reads no clock, spawns nothing
//! and contains no `unsafe`.

#![forbid(unsafe_code)]

pub mod conference;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod hop;
pub mod id;
pub mod limits;
pub mod media;
pub mod privacy;
pub mod queue;
pub mod time;
