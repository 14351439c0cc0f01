//! One search for the edge: how many to try next, and when the edge is found.
//!
//! Flow: verdict of a step -> **here** -> the next step, or an [`Edge`]. Pure: no clock, no chance, no I/O. Bound: each count is
//! tried three times at most.
//!
//! The rule. The search grows in doubling strides until a step is not carried, then halves the gap between the largest count
//! that was carried and the smallest that was not. What disturbs a run from outside only ever makes it worse, so a PASS holds
//! at once and for every smaller count; a step that did not pass only says where to look, and decides nothing until it stands
//! one step above what was carried *and has come out the same twice*. So the edge is the largest count that passed, where the
//! next one failed twice; a count that failed by accident is tried again when the search comes back to it.
//!
//! INVALID is a wall and not an edge: there the harness failed, not the node. The node's edge may still lie below it, so the
//! search goes on there; where it does not, the search ends with [`Edge::Harness`].

use crate::report::Verdict;
use std::collections::BTreeMap;

/// What did not pass is believed once it has come out the same so many times.
const AGREEING: u8 = 2;

/// The counts to search: `from`, and on in steps, up to the last that is not over `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// The smallest; at least 1.
    pub(super) from: u32,
    /// None is larger; at least `from`.
    pub(super) max: u32,
    /// From one to the next; at least 1.
    pub(super) step: u32,
}

impl Range {
    /// The largest.
    pub(super) const fn top(self) -> u32 {
        self.from + (self.max - self.from) / self.step * self.step
    }

    /// The largest that is not over `count`, which is `from` at least.
    const fn down_to(self, count: u32) -> u32 {
        self.from + (count - self.from) / self.step * self.step
    }
}

/// Where a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// This was carried, and one step more was not.
    At(u32),
    /// The largest count of the range was carried: the edge lies above it.
    Above(u32),
    /// Not even the smallest was carried: the edge lies below it.
    Below(u32),
    /// One step more than this, the harness could not keep up; `None`: at the smallest already.
    Harness(Option<u32>),
    /// This was carried when there was no time for more: the edge may lie above it.
    Unmet(u32),
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A step of this count.
    Try(u32),
    /// Nothing more.
    Over(Edge),
}

/// How often a count did not pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Refusals {
    failed: u8,
    invalid: u8,
}

/// One search.
#[derive(Debug, Clone)]
pub(super) struct Search {
    range: Range,
    /// The first count to try.
    start: u32,
    /// How far the next count lies from the last while only one side of the edge is known.
    stride: u32,
    /// The largest count that passed.
    carried: Option<u32>,
    /// What did not pass; also what passed later, and is looked at no more.
    refused: BTreeMap<u32, Refusals>,
}

impl Search {
    /// A search that knows nothing: it begins at the smallest count and doubles.
    pub(super) fn cold(range: Range) -> Self {
        let stride = range.step.max(range.from / range.step * range.step);
        Self { range, start: range.from, stride, carried: None, refused: BTreeMap::new() }
    }

    /// A search that begins where another found the edge. Nothing but the place is taken over: what that one saw does not count.
    pub(super) fn near(range: Range, edge: u32) -> Self {
        let start = range.down_to(edge.clamp(range.from, range.top()));
        Self { start, stride: range.step, ..Self::cold(range) }
    }

    /// What to do now.
    pub(super) fn next(&self) -> Next {
        let Range { from, step, .. } = self.range;
        let (top, lowest_refused) = (self.range.top(), self.lowest_refused());
        match (self.carried, lowest_refused) {
            (None, None) => Next::Try(self.start),
            (Some(carried), None) if carried >= top => Next::Over(Edge::Above(carried)),
            (Some(carried), None) => Next::Try(carried.saturating_add(self.stride).min(top)),
            (None, Some((refused, _))) if refused > from => {
                Next::Try(refused.saturating_sub(self.stride).max(from))
            }
            (Some(carried), Some((refused, _))) if refused - carried > step => {
                Next::Try(self.range.down_to(carried + (refused - carried) / 2).max(carried + step))
            }
            (carried, Some((refused, refusals))) => {
                if refusals.failed >= AGREEING {
                    Next::Over(carried.map_or(Edge::Below(from), Edge::At))
                } else if refusals.invalid >= AGREEING {
                    Next::Over(Edge::Harness(carried))
                } else {
                    Next::Try(refused)
                }
            }
        }
    }

    /// Takes what came of a step of `count`.
    pub(super) fn record(&mut self, count: u32, verdict: Verdict) {
        let is_first = self.carried.is_none() && self.refused.is_empty();
        match verdict {
            Verdict::Pass => self.carried = self.carried.max(Some(count)),
            Verdict::Fail => self.refused.entry(count).or_default().failed += 1,
            Verdict::Invalid => self.refused.entry(count).or_default().invalid += 1,
        }
        let is_enclosed = self.carried.is_some() && self.lowest_refused().is_some();
        if is_enclosed {
            self.stride = self.range.step;
        } else if !is_first {
            self.stride = self.stride.saturating_mul(2);
        }
    }

    /// The largest count that was carried so far, and the smallest above it that was not.
    pub(super) fn bounds(&self) -> (Option<u32>, Option<u32>) {
        (self.carried, self.lowest_refused().map(|(count, _)| count))
    }

    /// How many steps may still come, if the edge is sharp: the most, over every edge that is still possible.
    pub(super) fn steps_left_max(&self) -> u32 {
        let Range { from, step, .. } = self.range;
        let (carried, refused) = self.bounds();
        // Below the smallest count there is one more possible edge, zero.
        let least = carried.unwrap_or(0);
        let most = refused.map_or_else(|| self.range.top(), |refused| refused - 1);
        let counts = (from..=most).step_by(step as usize).filter(|edge| *edge >= least);
        let edges = counts.chain((least == 0).then_some(0));
        let steps_to = |edge: u32| {
            let mut search = self.clone();
            let mut steps = 0;
            while let Next::Try(count) = search.next() {
                search.record(count, if count <= edge { Verdict::Pass } else { Verdict::Fail });
                steps += 1;
            }
            steps
        };
        edges.map(steps_to).max().unwrap_or(0)
    }

    fn lowest_refused(&self) -> Option<(u32, Refusals)> {
        let above = self.carried.map_or(0, |carried| carried + 1);
        self.refused.range(above..).next().map(|(count, refusals)| (*count, *refusals))
    }
}

#[cfg(test)]
mod tests;
