//! How much a node carries: whole runs with more and more people or rooms, until a threshold breaks.
//!
//! Flow: a scenario with `[capacity]` -> `search` (how many to try next) -> `drive` (plays each step by `live`, on a [`Ground`]
//! where node and harness share no core) -> `findings` (what is known) -> `report` (`capacity.json`). `search`, `findings`,
//! `spread` and `ground` are pure; `drive` runs in the caller's task. Bounds: those of the scenario, and of `search`.

mod drive;
mod findings;
mod ground;
mod report;
mod search;
mod spread;

pub use drive::{Survey, Surveyed, Told, Trouble};
pub use findings::Findings;
pub use ground::{Claims, Ground, NoGround};
pub use report::{Broken, CapacityReport, Carried, Cores, Edge, EdgeKind, Planned, SCHEMA, Step};
pub use spread::{REPETITIONS_MAX, Spread};
