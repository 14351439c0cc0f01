//! Faults planted for `mcu-load` to find. They exist in builds with the feature `planted-faults` alone, which release builds refuse;
//! which of them is planted says the environment variable [`VARIABLE`].
//!
//! Flow: environment -> [`check`] at the start -> asked by the engine where each of them bites. Without the variable such a build is as
//! sound as any other.

#[cfg(not(debug_assertions))]
compile_error!(
    "the feature `planted-faults` makes a node that does wrong on purpose: it is not for release builds"
);

use super::outgoing::{Outlet, SoundBurst, VideoBurst};
use crate::threads::clock::PICTURE_GRID;
use mcu_core::conference::input::Loudness;
use mcu_core::id::{ConferenceId, RenditionId};
use mcu_core::time::Mono;
use mixer::video::scale::TilePicture;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Which fault: the name of one, or nothing.
pub const VARIABLE: &str = "MCU_PLANTED_FAULT";

/// Pictures that are late are so by this many ticks: 300 ms.
const LATE_TICKS: u64 = 9;
/// Of so many ticks,
const FREEZE_EVERY_TICKS: u64 = 350;
/// so many show what the one before showed: 2 %, 233 ms at a time.
const FREEZE_TICKS: u64 = 7;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Who is heard hears itself.
    OwnVoice,
    /// All pictures come 300 ms later.
    Late,
    /// The first two tiles of a scene show each other's picture.
    Swapped,
    /// 2 % of the pictures do not move.
    Frozen,
}

/// The variable names no fault.
#[derive(Debug, thiserror::Error)]
#[error("{VARIABLE}={0}: there are own-voice, late, swapped and frozen")]
pub struct UnknownFault(String);

static PLANTED: OnceLock<Option<Fault>> = OnceLock::new();

/// Reads the variable and warns. Before it was called nothing is planted.
///
/// # Errors
/// [`UnknownFault`].
pub fn check() -> Result<(), UnknownFault> {
    let fault = match std::env::var(VARIABLE).ok().as_deref() {
        None | Some("") => None,
        Some("own-voice") => Some(Fault::OwnVoice),
        Some("late") => Some(Fault::Late),
        Some("swapped") => Some(Fault::Swapped),
        Some("frozen") => Some(Fault::Frozen),
        Some(other) => return Err(UnknownFault(other.to_owned())),
    };
    if let Some(fault) = fault {
        tracing::warn!(?fault, "this node does wrong on purpose: a fault is planted");
    }
    PLANTED.get_or_init(|| fault);
    Ok(())
}

fn is(fault: Fault) -> bool {
    PLANTED.get().is_some_and(|planted| *planted == Some(fault))
}

/// Whether one's own voice stays in one's mix.
pub(super) fn leaves_own_voice() -> bool {
    is(Fault::OwnVoice)
}

/// The moment whose pictures are shown at `tick`, which is due at `now`.
pub(super) fn shown_at(tick: u64, now: Mono) -> Mono {
    let into = tick % FREEZE_EVERY_TICKS;
    if is(Fault::Frozen) && into <= FREEZE_TICKS { PICTURE_GRID.at(tick - into).to_mono() } else { now }
}

/// Does to a scene's pictures, in the order of its tiles, what is planted.
pub(super) fn meddle(pictures: &mut [Option<TilePicture>]) {
    if let [Some(one), Some(other), ..] = pictures
        && is(Fault::Swapped)
        && one.frame.size() == other.frame.size()
    {
        std::mem::swap(one, other);
    }
}

/// The way out as it is, or one on which pictures wait.
pub fn on_the_way_out(outlet: Arc<dyn Outlet>) -> Arc<dyn Outlet> {
    if is(Fault::Late) { Arc::new(Late { outlet, waiting: Mutex::default() }) } else { outlet }
}

struct Late {
    outlet: Arc<dyn Outlet>,
    waiting: Mutex<BTreeMap<RenditionId, VecDeque<VideoBurst>>>,
}

impl Outlet for Late {
    fn video(&self, burst: VideoBurst) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = waiting.entry(burst.rendition).or_default();
        let tick = burst.tick;
        waiting.push_back(burst);
        while waiting.front().is_some_and(|first| first.tick + LATE_TICKS <= tick) {
            waiting.pop_front().into_iter().for_each(|first| self.outlet.video(first));
        }
    }

    fn sound(&self, burst: SoundBurst) {
        self.outlet.sound(burst);
    }

    fn loudness(&self, conference: ConferenceId, loudness: Loudness) {
        self.outlet.loudness(conference, loudness);
    }
}
