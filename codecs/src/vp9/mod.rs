//! VP9: header check, and a sender for tests and the self-test. Decoded by [`crate::decode`]; the node offers no
//! VP9 of its own.

pub(crate) mod guard;
pub(crate) mod sender;
