//! BFCP (RFC 8855): who may share, as room systems ask for it. The meeting's content floor is the one floor there is.
//!
//! Flow: `port` (sockets) -> `line` (one a call) -> the call -> control thread, and back with its `floor` events. `message` is what travels,
//! `server` what is said.
//!
//! In the clear, by UDP and TCP: what goes over it is who may share, and the numbers by which a device is known come by signalling, so that only
//! who reads along can speak in its name. What it then shows is protected by itself.

mod line;
mod message;
mod port;
mod server;

pub(super) use line::FloorLine;
pub(super) use port::{FloorPort, FloorSockets};
pub(super) use server::{Asked, Holder};
