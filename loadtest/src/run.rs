//! `mcu-load run`: one scenario against a node, a verdict, and the files of a report.
//!
//! Flow: command line -> `scenario`, `live` -> `screen` while it runs -> report folder -> exit code; of a scenario that searches
//! for capacity, `find_capacity` does the rest. Thread: the runtime's.

use crate::find_capacity::find;
use crate::screen::{Screen, summary};
use crate::simulate::simulate;
use crate::size_name::SizeName;
use clap::Args;
use loadtest::bot::call::CallError;
use loadtest::capacity::{self, Claims, Ground, NoGround, Survey};
use loadtest::live::affinity::{AffinityError, CpuList, keep};
use loadtest::live::{
    Entrance, EntranceError, NodePid, NodePidError, Order, RunError, exit_code, leads_here, run,
};
use loadtest::report::{Folder, FolderError};
use loadtest::scenario::{Capacity, Place, Room, Scenario, ScenarioError, presets};
use loadtest::sim::NotSimulated;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The command line or the scenario is wrong.
const EXIT_USAGE: u8 = 2;
/// The room needs a PIN.
const EXIT_PIN: u8 = 3;
/// There was no run: the target cannot be reached or refused, or this machine cannot.
pub(crate) const EXIT_NO_RUN: u8 = 5;
/// There was a run, and its report could not be written.
pub(crate) const EXIT_REPORT: u8 = 6;

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("where").required(true).multiple(true).args(["target", "announce", "whip", "whep", "sip", "sim"])))]
pub(crate) struct RunArguments {
    /// A preset (`mcu-load scenarios` lists them), or a TOML file
    scenario: String,
    /// The join link, as in http://localhost:8080/m/demo
    #[arg(long, value_name = "JOIN_URL")]
    target: Option<String>,
    /// The JSON file that `mcu serve --announce` wrote: link, PIN, administrator's token, CA, metrics
    #[arg(long, value_name = "FILE")]
    announce: Option<PathBuf>,
    /// An address that takes WHIP, of whatever server: for scenarios of encoders (and players, with --whep) alone
    #[arg(long, value_name = "URL", conflicts_with_all = ["target", "announce"])]
    whip: Option<String>,
    /// An address that serves WHEP, of the same server
    #[arg(long, value_name = "URL", conflicts_with_all = ["target", "announce"])]
    whep: Option<String>,
    /// Where telephones and room systems call, of whatever server: sip:USER@HOST:PORT;transport=tls (or tcp, or udp). Without USER, beside --target or
    /// --announce, each room is dialled as our node has it: ALIAS.PIN
    #[arg(long, value_name = "URI", conflicts_with_all = ["whip", "whep"])]
    sip: Option<String>,
    /// PEM file of the CA that signed the certificate of the SIP server; without it, that of --ca or of the announce file
    #[arg(long, value_name = "FILE")]
    sip_ca: Option<PathBuf>,
    /// PEM file of the certificate that telephones and room systems show, for servers that ask for one
    #[arg(long, value_name = "FILE", requires = "sip_key")]
    sip_cert: Option<PathBuf>,
    /// PEM file of its key
    #[arg(long, value_name = "FILE", requires = "sip_cert")]
    sip_key: Option<PathBuf>,
    /// Play it in virtual time, against no node: everything between codecs and sockets is a node's own code, on one thread, and chance comes
    /// from the seed alone
    #[arg(long, conflicts_with_all = ["target", "announce", "whip", "whep", "sip", "node_pid", "node_cpus", "self_cpus", "node_cores"])]
    sim: bool,
    /// With --sim: write every event to this file, a line each
    #[arg(long, value_name = "FILE", requires = "sim")]
    event_log: Option<PathBuf>,
    /// The room's PIN; what --whip and --whep take as bearer
    #[arg(long, env = "MCU_PIN", hide_env_values = true)]
    pin: Option<String>,
    /// The administrator's token, for scenarios that make rooms of their own
    #[arg(long, env = "MCU_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// PEM file of the CA that signed the node's certificate
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where the node tells its metrics, as in http://127.0.0.1:9090/metrics (an announce file says it)
    #[arg(long, value_name = "URL")]
    metrics: Option<String>,
    /// The node's process on this machine; without it, whichever listens at the target
    #[arg(long, value_name = "PID")]
    node_pid: Option<u32>,
    /// Keep the node to these cores, as in 0-3,6
    #[arg(long, value_name = "CORES")]
    node_cpus: Option<CpuList>,
    /// Keep this program to these cores
    #[arg(long, value_name = "CORES")]
    self_cpus: Option<CpuList>,
    /// In a search for capacity: how many cores a node on another machine has
    #[arg(long, value_name = "CORES", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    node_cores: Option<u32>,
    /// Of a scenario that searches for capacity, play one step alone: with so many of what it raises
    #[arg(long, value_name = "COUNT", conflicts_with = "node_cores")]
    at: Option<u32>,
    /// In a search for capacity: no step begins that would end later than so many minutes from the start; what is known then is said
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=1_440), conflicts_with = "at")]
    within: Option<u64>,
    /// Write report.json, report.html, env.json and junit.xml to this folder (of a search: capacity.json, and each step's below steps/)
    #[arg(long, value_name = "DIR")]
    report_dir: Option<PathBuf>,
    /// Another seed than the scenario's
    #[arg(long)]
    seed: Option<u64>,
    /// Another duration than the scenario's, in seconds, from the last join of the ramp on
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    duration: Option<u64>,
    /// Another size of what is sent at most than the scenario's, in every group
    #[arg(long, value_enum)]
    size: Option<SizeName>,
    /// Where encoded loops are kept
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir().join("mcu-load-loops"))]
    cache: PathBuf,
}

impl RunArguments {
    /// Keeps this process to its cores, before it has threads that would not follow.
    pub(crate) fn settle(&self) -> Result<(), AffinityError> {
        self.self_cpus.as_ref().map_or(Ok(()), |cpus| keep(std::process::id(), cpus))
    }
}

/// Why there is no verdict, or nothing to read it from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error("there is neither a preset nor a file called {name}; presets: {presets}")]
    NoScenario { name: String, presets: String },
    #[error("cannot read {path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("--duration {duration} is not longer than the {settle} s before figures count")]
    Duration { duration: u64, settle: f64 },
    #[error("--at: {name} searches for no capacity: it has no [capacity]")]
    NoSearch { name: String },
    #[error("--at {at} is not one of the {from} to {max} that the scenario searches")]
    At { at: u32, from: u32, max: u32 },
    #[error("--node-cores: {name} searches for no capacity: it has no [capacity]")]
    NoCores { name: String },
    #[error("--within: {name} searches for no capacity: it has no [capacity]")]
    NoTime { name: String },
    #[error("group {group:?} {why}")]
    ShutOut { group: String, why: &'static str },
    #[error(
        "endpoints, and a --sip that names whom to call, are one meeting, and this scenario has others: make it one [[rooms]] without alias, made and count"
    )]
    OneRoom,
    #[error("ticks_late_percent_max is told by the node's metrics: pass --metrics URL or --announce FILE")]
    NoMetrics,
    #[error(transparent)]
    Ground(#[from] NoGround),
    #[error(transparent)]
    Search(#[from] capacity::Trouble),
    #[error(transparent)]
    Entrance(#[from] EntranceError),
    #[error(transparent)]
    Node(#[from] NodePidError),
    #[error(
        "--node-cpus needs the node as a process of this machine: none listens at the target, and no --node-pid was given"
    )]
    NoNode,
    #[error("a search for capacity is of real cores: with --sim, pass --at COUNT for one step of it")]
    SimulatedSearch,
    #[error(transparent)]
    Simulated(#[from] NotSimulated),
    #[error("cannot write {path}: {source}")]
    EventLog { path: PathBuf, source: std::io::Error },
    #[error("the run broke off: {0}")]
    Thread(String),
    #[error("no signals can be taken: {0}")]
    Signals(std::io::Error),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("{0}; the run itself is over, its verdict stands above")]
    Report(FolderError),
    #[error("{0}")]
    Folder(FolderError),
}

impl Trouble {
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Scenario(_)
            | Self::NoScenario { .. }
            | Self::File { .. }
            | Self::Duration { .. }
            | Self::NoSearch { .. }
            | Self::At { .. }
            | Self::NoCores { .. }
            | Self::NoTime { .. }
            | Self::ShutOut { .. }
            | Self::OneRoom
            | Self::NoMetrics
            | Self::Ground(_)
            | Self::Entrance(_)
            | Self::Node(_)
            | Self::SimulatedSearch
            | Self::Simulated(_)
            | Self::NoNode => EXIT_USAGE,
            Self::Run(error) | Self::Search(capacity::Trouble::Run(error)) => match error {
                RunError::NeedsToken | RunError::Sip(CallError::Credentials(_)) => EXIT_USAGE,
                RunError::NeedsPin => EXIT_PIN,
                _ => EXIT_NO_RUN,
            },
            Self::Search(capacity::Trouble::Restless(_))
            | Self::Signals(_)
            | Self::Folder(_)
            | Self::Thread(_) => EXIT_NO_RUN,
            Self::Report(_) | Self::EventLog { .. } => EXIT_REPORT,
        }
    }
}

/// Runs it; the exit code of the verdict.
pub(crate) async fn go(arguments: RunArguments) -> Result<u8, Trouble> {
    let scenario = scenario(&arguments)?;
    if arguments.sim {
        if scenario.capacity.is_some() && arguments.at.is_none() {
            return Err(Trouble::SimulatedSearch);
        }
        let folder =
            arguments.report_dir.as_deref().map(Folder::open).transpose().map_err(Trouble::Folder)?;
        let mut interrupts = crate::interrupts::Interrupts::new().map_err(Trouble::Signals)?;
        let event_log = arguments.event_log.as_deref();
        return simulate(scenario, folder, event_log, std::pin::pin!(interrupts.any())).await;
    }
    let entrance = entrance(&arguments)?;
    let groups = scenario.rooms.iter().flat_map(|room| &room.groups);
    if let Some((group, why)) = groups.filter_map(|group| Some((group, entrance.shuts_out(group)?))).next() {
        return Err(Trouble::ShutOut { group: group.name.clone(), why });
    }
    if entrance.has_one_room() && !matches!(&scenario.rooms[..], [Room { place: Place::Target, .. }]) {
        return Err(Trouble::OneRoom);
    }
    let node = match arguments.node_pid {
        Some(pid) => Some(NodePid::new(pid)?),
        None => NodePid::listening_at(&entrance.target().base),
    };
    if arguments.node_cpus.is_some() && node.is_none() {
        return Err(Trouble::NoNode);
    }
    if scenario.thresholds.ticks_late_percent_max.is_some() && !entrance.has_metrics() {
        return Err(Trouble::NoMetrics);
    }
    let search = match scenario.capacity.clone() {
        Some(capacity) => Some((capacity, ground(&arguments, &entrance, node)?)),
        None if arguments.node_cores.is_some() => return Err(Trouble::NoCores { name: scenario.name }),
        None if arguments.within.is_some() => return Err(Trouble::NoTime { name: scenario.name }),
        None => None,
    };
    let folder = arguments.report_dir.as_deref().map(Folder::open).transpose().map_err(Trouble::Folder)?;
    let mut interrupts = crate::interrupts::Interrupts::new().map_err(Trouble::Signals)?;
    let RunArguments { node_cpus, self_cpus, cache, within, .. } = arguments;
    let order = Order { scenario, entrance, cache, node, node_cpus, self_cpus };
    if let Some((capacity, ground)) = search {
        let survey = Survey {
            order: &order,
            capacity: &capacity,
            ground: &ground,
            folder: folder.as_ref(),
            within: within.map(|minutes| Duration::from_secs(minutes * 60)),
        };
        return find(&survey, std::pin::pin!(interrupts.any())).await;
    }
    let screen = Screen::new(&order.scenario.name);
    let report = run(order, &screen, std::pin::pin!(interrupts.any())).await;
    screen.clear();
    let report = report?;
    print!("{}", summary(&report));
    if let Some(folder) = folder {
        folder.keep(&report).map_err(Trouble::Report)?;
        println!("report: {}", folder.path().join("report.html").display());
    }
    Ok(exit_code(report.verdict))
}

fn scenario(arguments: &RunArguments) -> Result<Scenario, Trouble> {
    let name = &arguments.scenario;
    let mut scenario = match presets::find(name) {
        Some(text) => Scenario::parse(text, name)?,
        None => Scenario::parse(&read(Path::new(name))?, name)?,
    };
    if let Some(seed) = arguments.seed {
        scenario.seed = seed;
    }
    if let Some(duration) = arguments.duration {
        scenario.duration = Duration::from_secs(duration);
        if scenario.duration <= scenario.settle {
            return Err(Trouble::Duration { duration, settle: scenario.settle.as_secs_f64() });
        }
    }
    if let Some(size) = arguments.size {
        scenario = scenario.sized(size.height());
    }
    if let Some(at) = arguments.at {
        scenario = match scenario.capacity {
            None => return Err(Trouble::NoSearch { name: scenario.name }),
            Some(Capacity { from, max, .. }) if !(from..=max).contains(&at) => {
                return Err(Trouble::At { at, from, max });
            }
            Some(_) => scenario.raised_to(at),
        };
    }
    Ok(scenario)
}

/// Whether the node's capacity may be said: see [`Ground`].
fn ground(arguments: &RunArguments, entrance: &Entrance, node: Option<NodePid>) -> Result<Ground, NoGround> {
    let online = CpuList::online();
    Ground::of(Claims {
        node_is_seen: node.is_some(),
        node_is_here: leads_here(&entrance.target().base),
        node_cpus: arguments.node_cpus.as_ref(),
        self_cpus: arguments.self_cpus.as_ref(),
        node_cores: arguments.node_cores,
        online: online.as_ref(),
    })
}

fn read(path: &Path) -> Result<String, Trouble> {
    std::fs::read_to_string(path).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            let presets: Vec<&str> = presets::PRESETS.iter().map(|(name, _)| *name).collect();
            return Trouble::NoScenario { name: path.display().to_string(), presets: presets.join(", ") };
        }
        Trouble::File { path: path.to_owned(), source }
    })
}

fn entrance(arguments: &RunArguments) -> Result<Entrance, EntranceError> {
    let link = arguments.target.as_deref();
    let (whip, whep) = (arguments.whip.as_deref(), arguments.whep.as_deref());
    let sip = arguments.sip.as_deref();
    let entrance = match (&arguments.announce, link) {
        _ if whip.or(whep).is_some() => Entrance::by_endpoints(whip, whep)?,
        (Some(path), None) => Entrance::by_announcement(path)?,
        (Some(path), Some(link)) => Entrance::by_announcement(path)?.towards(link)?,
        (None, None) if sip.is_some() => Entrance::by_sip(sip.unwrap_or_default())?,
        // clap wants one of them.
        (None, link) => Entrance::by_link(link.unwrap_or_default())?,
    };
    entrance
        .with_pin(arguments.pin.as_deref())
        .with_token(arguments.token.clone())
        .with_ca_file(arguments.ca.as_deref())?
        .with_sip(sip)?
        .with_credentials(
            arguments.sip_ca.as_deref(),
            arguments.sip_cert.as_deref().zip(arguments.sip_key.as_deref()),
        )?
        .with_metrics(arguments.metrics.as_deref())
}
