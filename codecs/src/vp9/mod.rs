//! VP9: header check; decoded by [`crate::decode`], not encoded.

pub(crate) mod guard;
