//! `mcu-load run`: one scenario against a node, a verdict, and the files of a report.
//!
//! Flow: command line -> `scenario`, `live` -> `screen` while it runs -> report folder -> exit code. Thread: the runtime's.

use crate::screen::{Screen, summary};
use clap::Args;
use loadtest::live::affinity::{AffinityError, CpuList, keep};
use loadtest::live::{Entrance, EntranceError, NodePid, NodePidError, Order, RunError, exit_code, run};
use loadtest::report::{Folder, FolderError};
use loadtest::scenario::{Scenario, ScenarioError, presets};
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
#[command(group(clap::ArgGroup::new("where").required(true).multiple(true).args(["target", "announce"])))]
pub(crate) struct RunArguments {
    /// A preset (`mcu-load scenarios` lists them), or a TOML file
    scenario: String,
    /// The join link, as in http://localhost:8080/m/demo
    #[arg(long, value_name = "JOIN_URL")]
    target: Option<String>,
    /// The JSON file that `mcu serve --announce` wrote: link, PIN, administrator's token, CA, metrics
    #[arg(long, value_name = "FILE")]
    announce: Option<PathBuf>,
    /// The room's PIN
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
    /// Write report.json, report.html, env.json and junit.xml to this folder
    #[arg(long, value_name = "DIR")]
    report_dir: Option<PathBuf>,
    /// Another seed than the scenario's
    #[arg(long)]
    seed: Option<u64>,
    /// Another duration than the scenario's, in seconds, from the last join of the ramp on
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    duration: Option<u64>,
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
    #[error(transparent)]
    Entrance(#[from] EntranceError),
    #[error(transparent)]
    Node(#[from] NodePidError),
    #[error(
        "--node-cpus needs the node as a process of this machine: none listens at the target, and no --node-pid was given"
    )]
    NoNode,
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
            | Self::Entrance(_)
            | Self::Node(_)
            | Self::NoNode
            | Self::Run(RunError::NeedsToken) => EXIT_USAGE,
            Self::Run(RunError::NeedsPin) => EXIT_PIN,
            Self::Signals(_) | Self::Run(_) | Self::Folder(_) => EXIT_NO_RUN,
            Self::Report(_) => EXIT_REPORT,
        }
    }
}

/// Runs it; the exit code of the verdict.
pub(crate) async fn go(arguments: RunArguments) -> Result<u8, Trouble> {
    let scenario = scenario(&arguments)?;
    let entrance = entrance(&arguments)?;
    let node = match arguments.node_pid {
        Some(pid) => Some(NodePid::new(pid)?),
        None => NodePid::listening_at(&entrance.target().base),
    };
    if arguments.node_cpus.is_some() && node.is_none() {
        return Err(Trouble::NoNode);
    }
    let folder = arguments.report_dir.as_deref().map(Folder::open).transpose().map_err(Trouble::Folder)?;
    let mut interrupts = crate::interrupts::Interrupts::new().map_err(Trouble::Signals)?;
    let screen = Screen::new(&scenario.name);
    let RunArguments { node_cpus, self_cpus, cache, .. } = arguments;
    let order = Order { scenario, entrance, cache, node, node_cpus, self_cpus };
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
    Ok(scenario)
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
    let entrance = match (&arguments.announce, link) {
        (Some(path), None) => Entrance::by_announcement(path)?,
        (Some(path), Some(link)) => Entrance::by_announcement(path)?.towards(link)?,
        // clap wants one of both.
        (None, link) => Entrance::by_link(link.unwrap_or_default())?,
    };
    entrance
        .with_pin(arguments.pin.as_deref())
        .with_token(arguments.token.clone())
        .with_ca_file(arguments.ca.as_deref())?
        .with_metrics(arguments.metrics.as_deref())
}
