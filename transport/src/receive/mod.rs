//! Receiving: packets of one stream to coded pictures with a due time, and to sound in blocks of 10 ms.
//!
//! Flow: `peer/` -> [`reorder`] -> `payload/` -> [`sync`] -> lane ([`video`] ties these together, thread: io);
//! `peer/` -> [`playout`] -> mixer (thread: audio pool); `peer/` -> [`telephone_event`] -> control. Every buffer is bounded, no clock is read.

mod concealment;
mod delay;
mod jitter;
pub mod playout;
pub mod reorder;
mod stretch;
pub mod sync;
pub mod telephone_event;
pub mod video;

pub use playout::{DecodeFailed, Played, SoundBuffer, SoundCounters, SoundDecoder, SoundPacket};
pub use reorder::{ReorderBuffer, Reordered};
pub use sync::{LipSync, StreamKey};
pub use telephone_event::TelephoneEvents;
pub use video::{VideoCounters, VideoReceiver};

#[cfg(test)]
mod simulation;
#[cfg(test)]
pub(crate) use simulation::Random;
