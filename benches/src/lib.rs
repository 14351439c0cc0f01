//! What the node's parts cost: by hop, as a whole meeting without a node (the floor), and in allocations.
//!
//! | what | is |
//! |---|---|
//! | `hops` | the work of each hop (`mcu_core::hop::Hop`), described once |
//! | `benches/hops.rs` | times it, by criterion: `cargo bench --workspace --bench hops -- compose` |
//! | `bin/allocations.rs` | counts what it asks of the allocator |
//! | `floor`, `bin/floor.rs` | a meeting's codecs and kernels in one thread |
//! | `meeting`, `streams` | the plan and the material of all of them |
//! | `node_cost.sh` | a node's processor time beside the floor |
//! | `run.sh` | everything, as rows for `benches/RESULTS.md` |
//!
//! The only clock is the load test's; figures with machine and date go to `benches/RESULTS.md`.

pub mod floor;
pub mod hops;
pub mod meeting;
pub mod streams;
pub mod sys;

use mcu_core::media::samples::{Block, SAMPLE_RATE_HZ};

/// Ten milliseconds of a sine of `hz` at `amplitude`.
pub fn tone(hz: f32, amplitude: f32) -> Block {
    std::array::from_fn(|at| {
        amplitude * (std::f32::consts::TAU * hz * at as f32 / SAMPLE_RATE_HZ as f32).sin()
    })
}
