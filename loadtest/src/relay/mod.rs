//! A seeded UDP relay between one bot and the node: a network that is bad on purpose, and the same each time.
//!
//! - [`profile`]: what a network does, as values; the named presets N0 to N10.
//! - [`way`]: one direction's decisions, without I/O and without a clock: the part that is tested.
//! - [`socket`]: the thin loop that moves datagrams through two ways.
//! - [`candidates`]: rewrites an answer's ICE candidates to the relay's address.

pub mod candidates;
pub mod profile;
pub mod socket;
pub mod way;
