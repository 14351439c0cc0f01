//! A whole meeting in virtual time: seeded, and the same byte for byte whenever it is run again.
//!
//! What is the node's is the node's own code: conference, plan, engine, lanes, slots, composer, packetizer, playout,
//! mix, and of its io thread the receiving lines, `RenditionSwitch`, `PacerGate` and `RecoverPolicy`. Modelled are the
//! codecs (`coded`, `tones`), the network ([`crate::relay::way`]), the pacer and the bandwidth estimate
//! (`sending`) and the people (`client`). Everything runs on one thread, on an inline executor; nothing here reads
//! a clock.
//!
//! | file | holds |
//! |---|---|
//! | `mark` | what a synthetic picture shows, and how it is read off a canvas |
//! | `coded` | a video codec whose units hold the canvas's cells, and are as long as a rate allows |
//! | `tones` | a sound codec whose packets hold how loud each tone is |
//! | `wire` | what travels between client and node |
//! | `sender` | one source of a client, sane or mad |
//! | `client` | one person: what it sends, what it is shown and hears |
//! | `seat` | one participant on the node's io thread, without its association |
//! | `sending` | the model of an association's pacer and estimate |
//! | `node` | conference, engine and seats, wired as the node wires them |
//! | `world` | the queue of events, and the order of what happens at one moment |
//! | `record` | the event log, and what tests ask of it |
//! | `play` | a whole scenario, room after room, and its report |
//! | `meter` | one stay's figures, from what was seen and heard |

mod client;
mod coded;
mod mark;
mod meter;
mod node;
mod play;
mod record;
mod seat;
mod sender;
mod sending;
mod tones;
mod wire;
mod world;

pub use client::{Profile, Tile, Traffic};
pub use coded::Census;
pub use mark::Mark;
pub use play::{NotSimulated, ROOM_PEOPLE_MAX, Watcher, not_judged, play};
pub use record::{ClassChange, Heard, Plan, Record, Seen, Sent};
pub use sender::Madness;
pub use world::{Action, World};
