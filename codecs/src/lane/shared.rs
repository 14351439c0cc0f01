//! What the two ends of a lane share: the queue, and a few atomics.
//!
//! Every pushed unit has a number, counted from 1 by the sender. The receiver reports damage as "broken at unit
//! N"; the sender knows the number of the last key frame it queued and so whether the damage is mended already.
//! No message can be lost between the two, and none can be stale.

use mcu_core::limits;
use mcu_core::media::unit::{AccessUnit, Sealed};
use mcu_core::queue::Queue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// A unit and its number.
pub(super) struct Numbered {
    pub(super) number: u64,
    pub(super) unit: AccessUnit<Sealed>,
}

/// The shared half of a lane.
pub(super) struct Shared {
    pub(super) queue: Queue<Numbered>,
    /// True from the push that asks for a decode job until that job has found the queue empty.
    scheduled: AtomicBool,
    active: AtomicBool,
    /// The highest unit number at which decoding broke; 0 for none.
    broken_at: AtomicU64,
    /// Units still to be refused because the source's stream is hopeless.
    quarantine_units: AtomicU32,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            queue: Queue::new("lane", limits::LANE_UNITS_MAX),
            scheduled: AtomicBool::new(false),
            active: AtomicBool::new(true),
            broken_at: AtomicU64::new(0),
            quarantine_units: AtomicU32::new(0),
        }
    }

    /// Claims the lane's one job. True when the caller must see to it that the job runs.
    ///
    /// Called after a push. The swap is a read-modify-write on the same atomic as [`Self::unschedule`]: either it
    /// comes later in that atomic's order and reads `false`, or it comes earlier and `unschedule` acquires the
    /// push that preceded it, and finds the unit.
    pub(super) fn schedule(&self) -> bool {
        !self.scheduled.swap(true, Ordering::AcqRel)
    }

    /// Gives the job up. The caller must look at the queue once more afterwards.
    pub(super) fn unschedule(&self) {
        self.scheduled.swap(false, Ordering::AcqRel);
    }

    pub(super) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    pub(super) fn break_at(&self, number: u64) {
        self.broken_at.fetch_max(number, Ordering::AcqRel);
    }

    pub(super) fn broken_at(&self) -> u64 {
        self.broken_at.load(Ordering::Acquire)
    }

    pub(super) fn quarantine(&self, units: u32) {
        self.quarantine_units.store(units, Ordering::Release);
    }

    pub(super) fn is_quarantined(&self) -> bool {
        self.quarantine_units.load(Ordering::Acquire) != 0
    }

    /// Counts one unit of a running quarantine; false when none runs. Only the sender counts down.
    pub(super) fn serve_quarantine(&self) -> bool {
        self.quarantine_units
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1))
            .is_ok()
    }
}

/// Opens and closes a lane from any thread: a source that no scene shows need not be decoded.
#[derive(Clone)]
pub struct LaneGate(pub(super) Arc<Shared>);

impl std::fmt::Debug for LaneGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LaneGate({})", if self.is_active() { "active" } else { "inactive" })
    }
}

impl LaneGate {
    /// Makes the lane decode, or not. True when that opened a closed lane: ask the sender for a key frame.
    pub fn set_active(&self, active: bool) -> bool {
        let before = self.0.active.swap(active, Ordering::AcqRel);
        active && !before
    }

    /// Whether units are decoded.
    pub fn is_active(&self) -> bool {
        self.0.is_active()
    }
}
