//! What a search for capacity knows so far: its steps, where each repetition's search ended, and what follows for the whole.
//!
//! Flow: `search` (what to try next), steps that were played -> **here** -> [`CapacityReport`]. Pure. Each repetition is a search
//! of its own: from the second on it begins beside the edge that the one before found, which saves steps, but it counts nothing
//! of what that one saw. Bound: `Capacity::repetitions` searches; each step is one entry.

use super::report::{CapacityReport, Carried, Cores, Edge as EdgeNote, EdgeKind, Planned, SCHEMA, Step};
use super::search::{Edge, Next, Range, Search};
use super::{Ground, Spread};
use crate::report::{EndedBy, TargetNote, Verdict, Versions};
use crate::scenario::{Capacity, Scenario};

/// Steps that may be disturbed one after the other before the search is given up.
const DISTURBED_MAX: usize = 5;

/// A search that is going on, or is over.
#[derive(Debug, Clone)]
pub struct Findings<'a> {
    scenario: &'a Scenario,
    capacity: &'a Capacity,
    search: Search,
    steps: Vec<Step>,
    edges: Vec<Edge>,
    /// Why no further step is played, though the search is not over.
    broken_off: Option<String>,
    versions: Option<Versions>,
}

impl<'a> Findings<'a> {
    /// Before the first step of `scenario`'s search.
    pub fn new(scenario: &'a Scenario, capacity: &'a Capacity) -> Self {
        Self {
            scenario,
            capacity,
            search: Search::cold(range(capacity)),
            steps: Vec::new(),
            edges: Vec::new(),
            broken_off: None,
            versions: None,
        }
    }

    /// The step that is to be played next; `None`: it is over.
    pub fn next(&self) -> Option<Planned> {
        let Next::Try(count) = self.search.next() else { return None };
        let (each, besides) = self.scenario.people_raised();
        self.broken_off.is_none().then(|| Planned {
            number: self.steps.len() as u32 + 1,
            repetition: self.edges.len() as u32 + 1,
            count,
            people: each * count + besides,
            steps_left_max: self.search.steps_left_max(),
        })
    }

    /// Takes what came of the step that was next. One that was interrupted is kept, decides nothing, and is the last; one that was
    /// disturbed is kept, decides nothing, and is next again, `DISTURBED_MAX` times in a row.
    pub fn record(&mut self, step: Step, versions: &Versions) {
        self.versions.get_or_insert_with(|| versions.clone());
        if step.ended_by == EndedBy::Interrupt {
            self.steps.push(step);
            return self.interrupt();
        }
        if step.disturbed {
            self.steps.push(step);
            if self.steps.iter().rev().take_while(|step| step.disturbed).count() >= DISTURBED_MAX {
                self.break_off(format!(
                    "the last {DISTURBED_MAX} steps were disturbed: this machine's host gave its cores to others"
                ));
            }
            return;
        }
        self.search.record(step.count, step.verdict);
        self.steps.push(step);
        if let Next::Over(edge) = self.search.next() {
            self.edges.push(edge);
            if let Edge::At(count) | Edge::Above(count) = edge
                && (self.edges.len() as u32) < self.capacity.repetitions
            {
                self.search = Search::near(range(self.capacity), count);
            }
        }
    }

    /// Somebody does not want to wait for more.
    pub fn interrupt(&mut self) {
        self.break_off("interrupted".to_owned());
    }

    /// There is no time for another step: what the first search has seen carried is the least that the node carries. A later one
    /// that is not over says nothing.
    pub fn time_is_up(&mut self) {
        if self.next().is_none() {
            return;
        }
        if let (true, (Some(carried), _)) = (self.edges.is_empty(), self.search.bounds()) {
            self.edges.push(Edge::Unmet(carried));
        }
        self.break_off("the time was up".to_owned());
    }

    /// No further step can be played.
    pub fn break_off(&mut self, why: String) {
        self.broken_off = Some(why);
    }

    /// The newest step.
    pub fn last(&self) -> Option<&Step> {
        self.steps.last()
    }

    /// What the search that is going on has learnt: the largest count that was carried, the smallest above it that was not.
    pub fn bounds(&self) -> (Option<u32>, Option<u32>) {
        self.search.bounds()
    }

    /// Everything, as it is to be written.
    pub fn report(&self, target: TargetNote, ground: &Ground) -> CapacityReport {
        let Capacity { raised, from, max, step, repetitions } = self.capacity.clone();
        let (people_each, people_besides) = self.scenario.people_raised();
        let cores = match ground {
            Ground::Apart { node, harness } => Cores {
                node_cpus: Some(node.to_string()),
                node_cores: ground.node_cores(),
                harness_cpus: Some(harness.to_string()),
            },
            Ground::Elsewhere { node_cores } => {
                Cores { node_cpus: None, node_cores: *node_cores, harness_cpus: None }
            }
        };
        CapacityReport {
            schema: SCHEMA,
            scenario: self.scenario.name.clone(),
            seed: self.scenario.seed,
            toml: self.scenario.toml.clone(),
            target,
            versions: self.versions.clone(),
            raised,
            from,
            max,
            step,
            repetitions,
            people_each,
            people_besides,
            capacity: self.carried(cores.node_cores),
            cores,
            steps: self.steps.clone(),
            edges: (1..).zip(&self.edges).map(|(repetition, edge)| note(repetition, *edge)).collect(),
            verdict: self.verdict(),
            because: self.because(),
        }
    }

    fn searches_over(&self) -> usize {
        self.edges.iter().filter(|edge| !matches!(edge, Edge::Unmet(_))).count()
    }

    fn carried(&self, node_cores: Option<u32>) -> Option<Carried> {
        let counts: Option<Vec<f64>> =
            self.edges.iter().map(|edge| note(0, *edge).count.map(f64::from)).collect();
        let count = Spread::of(&counts?)?;
        let (each, besides) = self.scenario.people_raised();
        let people = count.scaled(f64::from(each), f64::from(besides));
        Some(Carried {
            count,
            people,
            people_per_core: node_cores.map(|cores| people.scaled(1.0 / f64::from(cores.max(1)), 0.0)),
            at_least: self.edges.iter().any(|edge| !matches!(edge, Edge::At(_))),
        })
    }

    fn verdict(&self) -> Verdict {
        match self.edges.last() {
            Some(Edge::Below(_)) => Verdict::Fail,
            Some(Edge::At(_) | Edge::Above(_) | Edge::Unmet(_)) => Verdict::Pass,
            Some(Edge::Harness(_)) | None => Verdict::Invalid,
        }
    }

    fn because(&self) -> Vec<String> {
        let raised = |count: u32| self.capacity.raised.said(count);
        let of_edges = (1..).zip(&self.edges).filter_map(|(repetition, edge)| {
            let (at, said) = match *edge {
                Edge::At(_) => return None,
                Edge::Above(count) => {
                    return Some(format!(
                        "search {repetition}: {} were carried, and no more was asked",
                        raised(count)
                    ));
                }
                Edge::Unmet(count) => {
                    let refused = self.search.bounds().1;
                    let beyond = refused.map_or_else(
                        || "no more was tried".to_owned(),
                        |refused| format!("{} not, when it was tried", raised(refused)),
                    );
                    return Some(format!("search {repetition}: {} were carried, {beyond}", raised(count)));
                }
                Edge::Below(from) => (from, format!("not even {} were carried", raised(from))),
                Edge::Harness(Some(count)) => (
                    count + self.capacity.step,
                    format!(
                        "the harness' edge was reached, not the node's, which carries {} at least",
                        raised(count)
                    ),
                ),
                Edge::Harness(None) => {
                    (self.capacity.from, "no step said anything about the node".to_owned())
                }
            };
            let why = self.last_refusal(repetition, at);
            Some(format!("search {repetition}: {said}; with {}: {why}", raised(at)))
        });
        let broken_off = self.broken_off.as_ref().map(|why| {
            format!("{why} after {} of {} searches", self.searches_over(), self.capacity.repetitions)
        });
        of_edges.chain(broken_off).collect()
    }

    /// Why `count` was not carried the last time, in search `repetition`.
    fn last_refusal(&self, repetition: u32, count: u32) -> String {
        let refused = |step: &&Step| {
            step.repetition == repetition
                && step.count == count
                && step.verdict != Verdict::Pass
                && !step.disturbed
        };
        let step = self.steps.iter().rev().find(refused);
        step.map(|step| step.because.join("; ")).unwrap_or_default()
    }
}

const fn range(capacity: &Capacity) -> Range {
    Range { from: capacity.from, max: capacity.max, step: capacity.step }
}

fn note(repetition: u32, edge: Edge) -> EdgeNote {
    let (kind, count) = match edge {
        Edge::At(count) => (EdgeKind::Node, Some(count)),
        Edge::Above(count) => (EdgeKind::Max, Some(count)),
        Edge::Unmet(count) => (EdgeKind::Time, Some(count)),
        Edge::Below(_) => (EdgeKind::From, None),
        Edge::Harness(count) => (EdgeKind::Harness, count),
    };
    EdgeNote { repetition, kind, count }
}

#[cfg(test)]
mod tests;
