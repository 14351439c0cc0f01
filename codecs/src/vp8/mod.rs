//! VP8 (RFC 6386): header check and encoder; decoded by [`crate::decode`].

pub mod encode;
pub(crate) mod guard;
