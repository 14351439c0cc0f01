//! The io thread's end of a lane: numbers units, drops to key frames, says when a decode job is due.

use super::shared::{LaneGate, Numbered, Shared};
use mcu_core::media::unit::{AccessUnit, Sealed};
use std::sync::Arc;

/// What became of a pushed unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits for the decoder.
    Queued {
        /// Schedule one decode job now. True for exactly one push while none is in flight.
        wake: bool,
    },
    /// It is gone.
    Dropped {
        /// A key frame would mend the picture: ask for one, within the request limit.
        want_keyframe: bool,
    },
}

/// Units seen by the sender's end since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneCounters {
    /// Queued for the decoder.
    pub queued: u64,
    /// Lost because the decoder did not keep up: the unit that met a full queue, and queued ones that a key
    /// frame overtook.
    pub dropped_full: u64,
    /// Dropped while waiting for a key frame.
    pub dropped_waiting: u64,
    /// Refused while the source was quarantined.
    pub dropped_quarantined: u64,
    /// Not decoded because nobody looks; no loss.
    pub passed_inactive: u64,
}

/// The io thread's end of a lane.
pub struct LaneSender {
    shared: Arc<Shared>,
    /// Number of the last unit that was queued.
    number: u64,
    /// Number of the last key frame that was queued; 0 for none.
    keyframe: u64,
    waiting: bool,
    counters: LaneCounters,
}

impl std::fmt::Debug for LaneSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaneSender")
            .field("queue", &self.shared.queue)
            .field("waiting", &self.waiting)
            .field("counters", &self.counters)
            .finish()
    }
}

impl LaneSender {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, number: 0, keyframe: 0, waiting: true, counters: LaneCounters::default() }
    }

    /// Hands `unit` to the decoder, or drops it by the lane's policy.
    pub fn push(&mut self, unit: AccessUnit<Sealed>) -> Pushed {
        if !self.shared.is_active() {
            self.waiting = true;
            self.counters.passed_inactive += 1;
            return Pushed::Dropped { want_keyframe: false };
        }
        if self.shared.serve_quarantine() {
            self.waiting = true;
            self.counters.dropped_quarantined += 1;
            return Pushed::Dropped { want_keyframe: false };
        }
        // Decoding broke at or after the last key frame that was queued: nothing since can mend it.
        let broken_at = self.shared.broken_at();
        self.waiting |= !unit.contiguous || (broken_at != 0 && broken_at >= self.keyframe);
        if unit.keyframe {
            self.push_keyframe(unit)
        } else if self.waiting {
            self.counters.dropped_waiting += 1;
            Pushed::Dropped { want_keyframe: true }
        } else {
            self.push_delta(unit)
        }
    }

    /// A key frame needs nothing that waits before it: when the queue is full, it takes the queue's place.
    fn push_keyframe(&mut self, unit: AccessUnit<Sealed>) -> Pushed {
        let queue = &self.shared.queue;
        if queue.len() == queue.capacity() {
            while queue.pop().is_some() {
                self.counters.dropped_full += 1;
            }
        }
        self.number += 1;
        // Only this end pushes, so there is room now.
        if queue.push(Numbered { number: self.number, unit }).is_err() {
            self.waiting = true;
            self.counters.dropped_full += 1;
            return Pushed::Dropped { want_keyframe: true };
        }
        self.keyframe = self.number;
        self.waiting = false;
        self.queued()
    }

    fn push_delta(&mut self, unit: AccessUnit<Sealed>) -> Pushed {
        self.number += 1;
        if self.shared.queue.push(Numbered { number: self.number, unit }).is_err() {
            self.waiting = true;
            self.counters.dropped_full += 1;
            return Pushed::Dropped { want_keyframe: true };
        }
        self.queued()
    }

    fn queued(&mut self) -> Pushed {
        self.counters.queued += 1;
        Pushed::Queued { wake: self.shared.schedule() }
    }

    /// A handle that opens and closes the lane from any thread.
    pub fn gate(&self) -> LaneGate {
        LaneGate(Arc::clone(&self.shared))
    }

    /// Makes the lane decode, or not; see [`LaneGate::set_active`].
    pub fn set_active(&self, active: bool) -> bool {
        LaneGate(Arc::clone(&self.shared)).set_active(active)
    }

    /// Whether nothing passes before the next key frame.
    pub const fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// What this end has seen since the start.
    pub const fn counters(&self) -> LaneCounters {
        self.counters
    }
}
