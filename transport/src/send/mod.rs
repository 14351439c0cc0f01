//! Sending: what differs from receiver to receiver of one rendition.
//!
//! Flow: `payload` (once per rendition) -> **here** (per receiver) -> `peer/`. Thread: io. Copies no payload.

mod pacer;
mod rewrite;

pub use pacer::Pacer;
pub use rewrite::{Decision, Held, Placed, RenditionSwitch};
