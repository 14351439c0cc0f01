//! One run on the wall clock: a schedule played against a node, watched, and reported.
//!
//! Flow: [`Entrance`] (where, and what it takes to get in) and a scenario -> `rooms` (made where asked) -> loops ->
//! `crew` (bots that come and go) beside `node` and `machine` (what it costs) -> `report` and `verdict`. Thread: the caller's
//! task; every bot has its own. Bounds: those of the scenario; the timeline's. Uses the node's public interfaces only, and
//! `/proc` where the node is a process of this machine.

pub mod affinity;
mod cores;
mod crew;
mod entrance;
mod machine;
mod node;
mod rest;
mod rooms;
mod timeline;

pub use entrance::{Entrance, EntranceError};
pub use node::{NodePid, NodePidError, leads_here};
pub use rest::{Rest, Restless};
pub use timeline::{Phase, Standing};

use crate::bot::Stage;
use crate::bot::call::CallError;
use crate::bot::signal::SignalError;
use crate::clock::wait_until;
use crate::media::barcode::SenderId;
use crate::media::loops::{Library, LoopError, LoopSet, LoopSpec, Rung};
use crate::report::{Calls, EndedBy, NodeUse, RunReport, SCHEMA, ScenarioNote, Verdict, Versions, gather};
use crate::scenario::Scenario;
use crate::scenario::schedule::{Person, Schedule};
use crate::verdict;
use affinity::CpuList;
use crew::Crew;
use machine::Machine;
use mcu_core::time::Mono;
use node::{NodeSample, NodeWatch};
use rooms::Rooms;
use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use timeline::Timeline;

/// Between two looks at everybody: who begins to count, who has gone.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Between two entries of the timeline.
const SECOND: Duration = Duration::from_secs(1);
/// When nobody is in and nobody comes for so long, the run is over.
const EMPTY_WAIT_MAX: Duration = Duration::from_secs(10);

/// What to run, and where.
#[derive(Debug, Clone)]
pub struct Order {
    /// What.
    pub scenario: Scenario,
    /// Where.
    pub entrance: Entrance,
    /// Where encoded loops are kept.
    pub cache: PathBuf,
    /// The node's process, where it is one of this machine.
    pub node: Option<NodePid>,
    /// Cores that the node is kept to.
    pub node_cpus: Option<CpuList>,
    /// Cores that this process is kept to already.
    pub self_cpus: Option<CpuList>,
}

/// What is told while a run goes on.
pub trait Progress: Sync {
    /// Loops are being made: so many pieces of so many.
    fn loops(&self, done: usize, total: usize);
    /// A second has passed.
    fn second(&self, standing: &Standing<'_>);
}

/// Why there was no run at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The room needs a PIN.
    #[error("this room needs a pin: pass --pin PIN, --announce FILE or MCU_PIN")]
    NeedsPin,
    /// Rooms are to be made, and nobody may.
    #[error(
        "this scenario makes rooms of its own, for which the node wants its administrator's token: pass --announce FILE or --token TOKEN"
    )]
    NeedsToken,
    /// Nobody answers at the address of SIP, or it says no.
    #[error("SIP: {0}")]
    Sip(CallError),
    /// Nobody answers at the target.
    #[error("{base} cannot be reached: {source}")]
    Unreachable {
        /// Where.
        base: String,
        /// Why.
        source: SignalError,
    },
    /// The node is there and says no.
    #[error(transparent)]
    Refused(SignalError),
    /// Loops could not be made.
    #[error(transparent)]
    Loops(#[from] LoopError),
    /// The thread that makes loops died.
    #[error("the loops could not be made: {0}")]
    Thread(#[from] tokio::task::JoinError),
    /// The node could not be kept to its cores.
    #[error(transparent)]
    Affinity(#[from] affinity::AffinityError),
}

/// What ends a run early.
pub type Interrupt<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send)>;

/// Plays `order`'s scenario and reports. An interrupted run is reported as far as it came.
///
/// # Errors
/// [`RunError`] when it could not even begin.
pub async fn run(
    order: Order,
    progress: &dyn Progress,
    mut interrupt: Interrupt<'_>,
) -> Result<RunReport, RunError> {
    let Order { scenario, entrance, .. } = &order;
    let schedule = scenario.schedule();
    let version = entrance.version().await?;
    entrance.knock_by_sip(scenario).await?;
    if version.is_some() {
        // What is not our node has no API to knock at: there, whoever comes first finds out.
        entrance.knock(scenario).await?;
    }
    if let (Some(node), Some(cpus)) = (order.node, &order.node_cpus) {
        affinity::keep(node.get(), cpus)?;
    }
    let sets = tokio::select! {
        sets = loops(&order, &schedule, progress) => Some(sets?),
        () = &mut interrupt => None,
    };
    let rooms = Rooms::open(entrance, scenario, &schedule).await?;
    let mut play = Play::begin(&order, &schedule, &rooms).await;
    let ended_by = match sets {
        Some(sets) => play.on(sets, progress, interrupt).await,
        None => EndedBy::Interrupt,
    };
    let report = play.end(ended_by, version).await;
    rooms.close().await;
    Ok(report)
}

/// Everybody's loops, made on the blocking pool; by sender.
async fn loops(
    order: &Order,
    schedule: &Schedule,
    progress: &dyn Progress,
) -> Result<HashMap<SenderId, Arc<LoopSet>>, RunError> {
    let specs: Vec<LoopSpec> =
        schedule.people.iter().filter(|person| person.group.sends()).map(loop_spec).collect();
    let library = Library::open(&order.cache)?;
    let (tell, mut told) = tokio::sync::watch::channel((0, 0));
    let making = tokio::task::spawn_blocking(move || {
        library.get_all(&specs, &|done, total| {
            tell.send_replace((done, total));
        })
    });
    // Ends when the thread has dropped its end.
    while told.changed().await.is_ok() {
        let (done, total) = *told.borrow_and_update();
        progress.loops(done, total);
    }
    let sets = making.await??;
    Ok(sets.into_iter().map(|set| (set.spec().sender, set)).collect())
}

fn loop_spec(person: &Person) -> LoopSpec {
    let group = &person.group;
    let spec = LoopSpec { scenery: group.scenery, ..LoopSpec::talking_head(person.sender) };
    let spec = spec.coded(group.codec).sounding(group.sound).up_to(group.height);
    match group.only_kbps {
        _ if !group.shows() => LoopSpec { rungs: Vec::new(), ..spec },
        Some(kbps) => LoopSpec { rungs: vec![Rung { height: group.height, kbps }], ..spec },
        None => spec,
    }
}

/// A run that is going on.
struct Play<'a> {
    order: &'a Order,
    schedule: &'a Schedule,
    stage: Stage,
    crew: Crew<'a>,
    machine: Machine,
    node: NodeWatch,
    /// What the node had used by the begin.
    node_before: NodeSample,
    begin: Mono,
    timeline: Timeline,
}

impl<'a> Play<'a> {
    async fn begin(order: &'a Order, schedule: &'a Schedule, rooms: &'a Rooms) -> Self {
        let stage = Stage::start();
        let (node, node_before) = NodeWatch::start(order.node, order.entrance.metrics()).await;
        let machine = Machine::new(order.self_cpus.as_ref(), order.node.is_some(), order.node_cpus.as_ref());
        let begin = stage.clock.now();
        let crew = Crew::new(&order.scenario, schedule, rooms, &stage, begin);
        Self {
            order,
            schedule,
            stage,
            crew,
            machine,
            node,
            node_before,
            begin,
            timeline: Timeline::default(),
        }
    }

    /// Plays the schedule until it ends, is interrupted, or nobody is left.
    async fn on(
        &mut self,
        sets: HashMap<SenderId, Arc<LoopSet>>,
        progress: &dyn Progress,
        mut interrupt: Interrupt<'_>,
    ) -> EndedBy {
        self.crew.give(sets);
        let mut deeds = self.schedule.deeds.iter().peekable();
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut second_due = self.begin + SECOND;
        let mut empty_since: Option<Mono> = None;
        loop {
            let next = deeds.peek().map_or(self.schedule.end, |(at, _)| *at);
            tokio::select! {
                biased;
                () = &mut interrupt => return EndedBy::Interrupt,
                () = wait_until(self.stage.clock, self.begin + next) => match deeds.next() {
                    Some((_, deed)) => self.crew.act(*deed).await,
                    None => return EndedBy::Schedule,
                },
                _ = look.tick() => {
                    let now = self.stage.clock.now();
                    self.crew.look(now).await;
                    if second_due <= now {
                        second_due = now + SECOND;
                        self.second(now, progress);
                    }
                    let is_empty = self.crew.is_empty() && self.crew.has_lost_somebody();
                    empty_since = is_empty.then(|| empty_since.unwrap_or(now));
                    if empty_since.is_some_and(|since| now.since(since) >= EMPTY_WAIT_MAX) {
                        return EndedBy::Nobody;
                    }
                }
            }
        }
    }

    fn second(&mut self, now: Mono, progress: &dyn Progress) {
        let at = now.since(self.begin);
        let is_counting = at >= self.schedule.count_from;
        let own_cores = self.machine.second(now, is_counting);
        let mut moment = self.crew.moment(now);
        moment.node_cores = self.node.cores();
        moment.harness_cores = own_cores;
        let joined = self.schedule.count_from.saturating_sub(self.order.scenario.settle);
        progress.second(&Standing {
            phase: Phase::at(at, joined, self.schedule.count_from),
            end: self.schedule.end,
            people: self.schedule.people.len(),
            moment: &moment,
            send_late_ms_p99: self.stage.lateness.percentile_ms(99),
            failures: self.crew.new_failures(),
        });
        self.timeline.push(moment);
    }

    /// Sees everybody out and writes it all down.
    async fn end(self, ended_by: EndedBy, version: Option<String>) -> RunReport {
        let Self { order, schedule, stage, crew, machine, node, node_before, begin, timeline } = self;
        let passages = crew.end().await;
        let end = stage.clock.now();
        let node_after = node.end().await;
        let participants = gather(&passages, begin);
        let calls = Calls::of(&participants);
        let connected = passages.iter().filter_map(|p| Some(p.ended.since(p.connected()?).as_secs_f64()));
        let participant_s: f64 = connected.sum();
        let unmeasured = passages.iter().map(|passage| passage.report.received.unmeasured).sum();
        let cpus = order.self_cpus.as_ref().map(ToString::to_string);
        let node = node_use(order, (node_before, node_after), participant_s, machine.stolen_of_node());
        let harness = machine.end(cpus, &stage.lateness, unmeasured);
        let sentence = verdict::judge(&order.scenario.thresholds, &participants, &node, &harness, ended_by);
        RunReport {
            schema: SCHEMA,
            scenario: ScenarioNote::of(&order.scenario, schedule),
            target: order.entrance.note(),
            started_unix_ms: stage.clock.unix_ms(begin),
            ended_unix_ms: stage.clock.unix_ms(end),
            ended_by,
            versions: Versions { harness: env!("CARGO_PKG_VERSION").to_owned(), node: version },
            participants,
            calls,
            node,
            harness,
            timeline: timeline.into_entries(),
            thresholds: sentence.judgements,
            verdict: sentence.verdict,
            because: sentence.because,
        }
    }
}

fn node_use(
    order: &Order,
    (before, after): (NodeSample, node::NodeSpent),
    participant_s: f64,
    stolen_mean: Option<f64>,
) -> NodeUse {
    let since = |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before?));
    let cpu_s = after.last.cpu_s.zip(before.cpu_s).map(|(after, before)| after - before);
    NodeUse {
        source: after.last.source,
        cpus: order.node_cpus.as_ref().filter(|_| order.node.is_some()).map(ToString::to_string),
        cpu_s,
        participant_s,
        cpu_s_per_participant_s: cpu_s.filter(|_| participant_s > 0.0).map(|cpu_s| cpu_s / participant_s),
        memory_bytes_max: after.memory_bytes_max,
        ticks_late: since(before.ticks_late, after.last.ticks_late),
        ticks: since(before.ticks, after.last.ticks),
        encoders_max: after.encoders_max,
        stolen_mean,
    }
}

/// The exit code that a verdict asks for: 0 good, 1 a threshold broken, 4 the run says nothing.
pub const fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass => 0,
        Verdict::Fail => 1,
        Verdict::Invalid => 4,
    }
}
