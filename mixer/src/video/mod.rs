//! Pictures: frames of many senders become one canvas for each distinct scene.
//!
//! Flow: decode -> [`slot`] -> [`scale`] -> [`compose`] (with [`overlay`] and [`text`]) -> encode.
//! Thread: video pool, one job per conference and tick; the slot's queue is the only thing that another thread
//! touches. All pictures are I420, BT.601 limited range; every blend is integer.

pub mod avatar;
mod card;
pub mod colour;
pub mod compose;
pub mod damage;
mod draw;
pub mod overlay;
pub mod scale;
pub mod slot;
mod sprite;
pub mod text;
