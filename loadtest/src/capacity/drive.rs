//! Plays a search: one step after the other, each a whole run with a report of its own, on a node that is at rest before each.
//!
//! Flow: `findings` (which step) -> **here** -> `live` -> `findings`, the folder. Thread: the caller's task. After every step
//! `capacity.json` is written anew, so that whatever ends the search, what it knows is kept.

use super::{CapacityReport, Findings, Ground, Planned, Step};
use crate::clock::Clock;
use crate::live::{Interrupt, Order, Progress, Rest, Restless, RunError, run};
use crate::report::{Folder, FolderError, RunReport};
use crate::scenario::Capacity;
use mcu_core::time::Mono;
use std::time::Duration;

/// File of a [`CapacityReport`].
const FILE: &str = "capacity.json";

/// A search, and where.
#[derive(Debug, Clone, Copy)]
pub struct Survey<'a> {
    /// The scenario, with the way to the node.
    pub order: &'a Order,
    /// What to search.
    pub capacity: &'a Capacity,
    /// Proof that node and harness share no core.
    pub ground: &'a Ground,
    /// Where reports go.
    pub folder: Option<&'a Folder>,
    /// No step begins that would end later than this, counted from the first.
    pub within: Option<Duration>,
}

/// What is told while a search goes on.
pub trait Told: Progress {
    /// A step begins.
    fn begins(&self, step: &Planned);
    /// It is over; the largest count that was carried so far, and the smallest above it that was not.
    fn ended(&self, step: &Step, bounds: (Option<u32>, Option<u32>));
}

/// Why a search was broken off.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A step could not begin.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The node is still busy with the step before.
    #[error(transparent)]
    Restless(#[from] Restless),
}

/// How a search ended.
#[derive(Debug)]
pub struct Surveyed {
    /// What is known.
    pub report: CapacityReport,
    /// What broke it off.
    pub trouble: Option<Trouble>,
    /// The first file that could not be written.
    pub unwritten: Option<FolderError>,
}

impl Survey<'_> {
    /// Plays it to its end, to `interrupt`, or until no further step can be played.
    pub async fn play(&self, told: &dyn Told, mut interrupt: Interrupt<'_>) -> Surveyed {
        let mut findings = Findings::new(&self.order.scenario, self.capacity);
        let mut unwritten = None;
        let rest = Rest::of(self.order).await;
        let mut trouble: Option<Trouble> = None;
        let clock = Clock::start();
        let mut longest = Duration::ZERO;
        while let Some(planned) = findings.next() {
            let step_began = clock.now();
            told.begins(&planned);
            let scenario = self.order.scenario.raised_to(planned.count);
            let report = match run(Order { scenario, ..self.order.clone() }, told, interrupt.as_mut()).await {
                Ok(report) => report,
                Err(error) => {
                    trouble = Some(error.into());
                    break;
                }
            };
            let folder = self.keep_step(&planned, &report).unwrap_or_else(|error| {
                unwritten.get_or_insert(error);
                None
            });
            findings.record(planned.played(&report, folder), &report.versions);
            if let Some(step) = findings.last() {
                told.ended(step, findings.bounds());
            }
            note(&mut unwritten, self.keep(&findings));
            if findings.next().is_none() {
                break;
            }
            tokio::select! {
                biased;
                () = &mut interrupt => findings.interrupt(),
                rested = rest.again() => if let Err(restless) = rested {
                    trouble = Some(restless.into());
                    break;
                },
            }
            let now = clock.now();
            longest = longest.max(now.since(step_began));
            if self.within.is_some_and(|within| now + longest > Mono::ZERO + within) {
                findings.time_is_up();
            }
        }
        if let Some(trouble) = &trouble {
            findings.break_off(trouble.to_string());
        }
        note(&mut unwritten, self.keep(&findings));
        Surveyed { report: self.report(&findings), trouble, unwritten }
    }

    fn report(&self, findings: &Findings<'_>) -> CapacityReport {
        findings.report(self.order.entrance.note(), self.ground)
    }

    /// Writes a step's own report; its folder.
    fn keep_step(&self, planned: &Planned, report: &RunReport) -> Result<Option<String>, FolderError> {
        let Some(folder) = self.folder else { return Ok(None) };
        let name = planned.folder();
        Folder::open(&folder.path().join(&name))?.keep(report)?;
        Ok(Some(name))
    }

    fn keep(&self, findings: &Findings<'_>) -> Result<(), FolderError> {
        self.folder.map_or(Ok(()), |folder| folder.keep_json(FILE, &self.report(findings)))
    }
}

/// Keeps the first failure; what can be written later is written all the same.
fn note(unwritten: &mut Option<FolderError>, written: Result<(), FolderError>) {
    if let Err(error) = written {
        unwritten.get_or_insert(error);
    }
}
