//! The node: composition root of the library crates, and the binary `mcu`.
//!
//! | folder | holds |
//! |---|---|
//! | `config` | every key and its default |
//! | `threads` | what waits and reads clocks: io, clock, compute pools, control |
//! | `engine` | the media engine of a conference, sans-I/O |
//! | `peers` | the peers of one io thread, sans-I/O |
//! | `control` | rooms, meetings, what the API is answered |
//! | `prompts` | what is said by voice |
//! | `node` | every thread and queue, put together |
//! | `serve`, `listen` | listeners, signals, announcement |
//! | `trunks` | by which ways SIP calls out |
//! | `admin`, `devices`, `private` | the administrator's token; devices that may register; files that are their owner's alone |
//! | `doctor` | `mcu doctor` and `mcu check-config` |

#![allow(rustdoc::private_intra_doc_links, reason = "a file's header names its neighbours, private ones too")]

pub mod admin;
pub mod announce;
pub mod cli;
pub mod config;
pub mod control;
pub mod devices;
pub mod doctor;
pub mod engine;
mod ice;
pub mod listen;
pub mod logging;
pub mod metrics;
pub mod node;
pub mod peers;
mod private;
mod process;
pub mod prompts;
pub mod serve;
pub mod store;
pub mod threads;
pub mod tls;
pub mod trunks;
pub mod web;
