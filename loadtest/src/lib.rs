//! Synthetic participants, and a network that is bad on purpose.
//!
//! A bot joins a meeting as a browser would (HTTP API, WebSocket, WebRTC), sends a pre-encoded loop in which every
//! frame carries a bar code of (sender, frame number) and every sender has a tone of its own, and measures what it
//! is shown and hears. Nothing here looks into the node: only its public interfaces are used. The end-to-end tests
//! call [`bot::run`] and [`bot::start`]; the program `mcu-load` calls the same.
//!
//! - [`media`]: what is sent, and how it is recognised again: bar codes, pictures, sounds, loops.
//! - [`bot`]: one participant, and its [`bot::report::Report`].
//! - [`report`]: what a whole run came to: the schema of `report.json`.
//! - [`scenario`]: what a run is to do, from TOML to a timeline.
//! - [`capacity`]: how much a node carries, by playing a scenario with more and more people.
//! - [`live`]: plays a scenario against a node.
//! - [`verdict`]: whether a run was good.
//! - [`compare`]: whether it was worse than another.
//! - [`relay`]: a seeded UDP relay between a bot and the node.
//! - [`sim`]: a whole meeting in virtual time, around the node's own engine and conference.
//! - [`clock`]: the only place that reads a clock.

#![forbid(unsafe_code)]

pub mod bot;
pub mod capacity;
pub mod clock;
pub mod compare;
pub mod live;
pub mod media;
pub mod relay;
pub mod report;
pub mod scenario;
pub mod sim;
mod student;
pub mod verdict;
