//! Which receiver gets which rendition, tick by tick: plans become valid at their `from_tick`, on this thread as on
//! the engine's.
//!
//! Thread: io. Bound: `PLANS_PENDING_MAX` plans wait; an older one that never had its tick is simply overtaken.

use mcu_core::conference::plan::MeetingPlan;
use std::collections::VecDeque;
use std::sync::Arc;

/// Plans that wait for their tick: a tenth of a second ahead, at most twenty a second.
const PLANS_PENDING_MAX: usize = 8;

/// The plan that holds and those to come.
#[derive(Debug, Default)]
pub struct ViewTable {
    current: Option<Arc<MeetingPlan>>,
    pending: VecDeque<Arc<MeetingPlan>>,
}

impl ViewTable {
    /// Takes a plan that begins at its `from_tick`.
    pub fn plan(&mut self, plan: Arc<MeetingPlan>) {
        if self.pending.len() == PLANS_PENDING_MAX {
            self.pending.pop_front();
        }
        self.pending.push_back(plan);
    }

    /// The newest plan whose time has come at `tick`, if that is a change.
    pub fn advance(&mut self, tick: u64) -> Option<Arc<MeetingPlan>> {
        let mut changed = None;
        while self.pending.front().is_some_and(|plan| plan.from_tick <= tick) {
            changed = self.pending.pop_front();
        }
        if let Some(plan) = &changed {
            self.current = Some(Arc::clone(plan));
        }
        changed
    }

    /// The plan that holds now.
    pub fn current(&self) -> Option<&Arc<MeetingPlan>> {
        self.current.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcu_core::conference::plan::SoundPlan;
    use mcu_core::id::ConferenceId;
    use std::collections::BTreeSet;

    fn plan(version: u64, from_tick: u64) -> Arc<MeetingPlan> {
        Arc::new(MeetingPlan {
            conference: ConferenceId(1),
            version,
            from_tick,
            scenes: Vec::new(),
            renditions: Vec::new(),
            views: Vec::new(),
            on_stage: BTreeSet::new(),
            sound: SoundPlan::default(),
        })
    }

    #[test]
    fn a_plan_holds_from_its_tick_and_the_newest_wins() {
        let mut table = ViewTable::default();
        table.plan(plan(1, 10));
        table.plan(plan(2, 12));
        table.plan(plan(3, 20));
        assert!(table.advance(9).is_none());
        assert_eq!(table.advance(13).map(|p| p.version), Some(2));
        assert!(table.advance(14).is_none());
        assert_eq!(table.current().map(|p| p.version), Some(2));
        assert_eq!(table.advance(20).map(|p| p.version), Some(3));
    }

    #[test]
    fn waiting_plans_are_bounded() {
        let mut table = ViewTable::default();
        for version in 0..100 {
            table.plan(plan(version, 1_000));
        }
        assert!(table.pending.len() <= PLANS_PENDING_MAX);
        assert_eq!(table.advance(1_000).map(|p| p.version), Some(99));
    }
}
