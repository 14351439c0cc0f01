//! Media types, from the wire inwards: [`packet`] -> [`mod@unit`] -> [`frame`] and [`samples`].

pub mod codec;
pub mod frame;
pub mod packet;
pub mod picture_limits;
pub mod samples;
pub mod unit;
