//! Lane: one decoder's queue, from the io thread to the video pool.
//!
//! Flow: `transport` depacketizer -> [`LaneSender`] -> **queue** -> [`LaneDecoder`] (open, guard, decode) -> slot.
//! Threads: the sender belongs to one io thread, the decoder to whichever pool thread runs its one job in flight.
//! Bound: `limits::LANE_UNITS_MAX` units. Policy `DropToKeyframe`: after a loss, an overflow or a decode error
//! nothing passes until the next key frame, which is asked for. Never blocks, never locks.

mod receiver;
mod sender;
mod shared;

pub use receiver::{Decoded, LaneDecoder, LaneReport};
pub use sender::{LaneCounters, LaneSender, Pushed};
pub use shared::LaneGate;

use crate::registry::CodecFactory;
use std::sync::Arc;

/// Makes one lane. It is active, and waits for its first key frame.
///
/// Decoders are made by `codecs` when the first unit of a codec comes, and again when the codec changes.
pub fn lane(codecs: Arc<dyn CodecFactory>) -> (LaneSender, LaneDecoder) {
    let shared = Arc::new(shared::Shared::new());
    (LaneSender::new(Arc::clone(&shared)), LaneDecoder::new(shared, codecs))
}
