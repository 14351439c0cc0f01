//! `mcu-load join`: fills a meeting with talking heads, and measures if asked.
//!
//! Flow: command line -> loops -> bots, one a fifth of a second -> a line per second -> the report. Thread: the runtime's.

use crate::interrupts::Interrupts;
use crate::size_name::SizeName;
use crate::window::{Step, Window};
use crate::{EXIT_FAILED, EXIT_PIN};
use clap::{Args, ValueEnum};
use loadtest::bot::report::{Outcome, Report};
use loadtest::bot::target::{Target, TargetError};
use loadtest::bot::{self, Bot, BotSpec, Command, Stage};
use loadtest::media::barcode::SenderId;
use loadtest::media::loops::{Library, LoopError, LoopSet, LoopSpec, Rung};
use loadtest::relay::profile::Profile;
use mcu_core::media::codec::VideoCodec;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Between two joins: five people a second come through the door.
const JOIN_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("where").required(true).args(["url", "announce"])))]
pub(crate) struct JoinArguments {
    /// The join link, as in http://localhost:8080/m/first
    url: Option<String>,
    /// The JSON file that `mcu serve --announce` wrote: link, PIN and CA
    #[arg(long)]
    announce: Option<PathBuf>,
    /// The room's PIN
    #[arg(long, env = "MCU_PIN", hide_env_values = true)]
    pin: Option<String>,
    /// PEM file of the CA that signed the node's certificate
    #[arg(long)]
    ca: Option<PathBuf>,
    /// How many talking heads
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=200))]
    count: u16,
    /// How long they stay, in seconds; without it, until Ctrl-C
    #[arg(long)]
    seconds: Option<u64>,
    /// What they send
    #[arg(long, value_enum, default_value_t = CodecName::Vp8)]
    codec: CodecName,
    /// The largest picture that they send
    #[arg(long, value_enum, default_value_t = SizeName::P360)]
    size: SizeName,
    /// Send one picture of --size at this rate in kbit/s, whatever the node asks for and the way carries
    #[arg(long, value_parser = clap::value_parser!(u32).range(50..=8000))]
    only_kbps: Option<u32>,
    /// Promise to paint their own cameras over their own tiles, so that all share one picture
    #[arg(long)]
    overlay: bool,
    /// Once all have settled in, say "window begins", after so many seconds "window ends" with what they saw, and leave
    #[arg(long, conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..=600))]
    window: Option<u64>,
    /// Decode and measure in every bot (without it, they count packets)
    #[arg(long)]
    measure: bool,
    /// Whose tones to measure besides the bots' own, as sender ids: 2,8
    #[arg(long, requires = "measure", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=823))]
    listen: Vec<u16>,
    /// Lead the first bot through a bad network: n0 to n10, squeeze-300, squeeze-300-20s (from the tenth second on),
    /// also with -up or -down
    #[arg(long)]
    network: Option<Profile>,
    /// Seed of the bad network
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first bot's sender id: its bar code and its tone
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=823))]
    first_sender: u16,
    /// From one bot's sender id to the next's: 6 sets their tones 180 Hz apart instead of 30
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=12))]
    sender_step: u16,
    /// Where encoded loops are kept
    #[arg(long, default_value_os_t = std::env::temp_dir().join("mcu-load-loops"))]
    cache: PathBuf,
    /// Write the bots' reports here, as a JSON list
    #[arg(long)]
    report: Option<PathBuf>,
    /// Write which picture was sent and seen when, in the time of day, here: one JSON object a line
    #[arg(long, requires = "measure")]
    pictures: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CodecName {
    Vp8,
    H264,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Loops(#[from] LoopError),
    #[error("this room needs a pin: pass --pin PIN, --announce FILE or MCU_PIN")]
    NeedsPin,
    #[error("{failed} of {count} bots failed; the first: {first}")]
    Bots { failed: usize, count: usize, first: String },
    #[error("cannot write the report {path}: {source}")]
    Report { path: PathBuf, source: std::io::Error },
    #[error("no signals can be taken: {0}")]
    Signals(std::io::Error),
    #[error("the loops could not be made: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl JoinError {
    pub(crate) const fn exit_code(&self) -> u8 {
        if matches!(self, Self::NeedsPin) { EXIT_PIN } else { EXIT_FAILED }
    }
}

pub(crate) async fn join(arguments: JoinArguments) -> Result<(), JoinError> {
    let target = target(&arguments)?;
    let mut interrupts = Interrupts::new().map_err(JoinError::Signals)?;
    let sets = tokio::select! {
        sets = loops(&arguments) => sets?,
        () = interrupts.any() => return Ok(()),
    };
    let stage = Stage::start();
    let reports = stay(&arguments, &target, sets, &stage, &mut interrupts).await;
    if let Some(path) = &arguments.report {
        write_report(path, &reports).map_err(|source| JoinError::Report { path: path.clone(), source })?;
    }
    if let Some(path) = &arguments.pictures {
        write_pictures(path, &stage).map_err(|source| JoinError::Report { path: path.clone(), source })?;
    }
    judge(&reports, target.pin.is_empty())
}

fn target(arguments: &JoinArguments) -> Result<Target, JoinError> {
    let mut target = match (&arguments.announce, &arguments.url) {
        (Some(path), _) => Target::from_announce(path)?,
        (None, url) => url.as_deref().unwrap_or_default().parse()?,
    };
    if let Some(pin) = &arguments.pin {
        target = target.with_pin(pin);
    }
    if let Some(ca) = &arguments.ca {
        target = target.with_ca_file(ca)?;
    }
    Ok(target)
}

/// Every bot's loops, made on the blocking pool with progress on stderr.
async fn loops(arguments: &JoinArguments) -> Result<Vec<Arc<LoopSet>>, JoinError> {
    let codec = match arguments.codec {
        CodecName::Vp8 => VideoCodec::Vp8,
        CodecName::H264 => VideoCodec::H264,
    };
    let height = arguments.size.height();
    let ladder = |sender| LoopSpec::talking_head(sender).coded(codec).up_to(height);
    let spec = |sender| match arguments.only_kbps {
        Some(kbps) => LoopSpec { rungs: vec![Rung { height, kbps }], ..ladder(sender) },
        None => ladder(sender),
    };
    let specs: Vec<LoopSpec> = senders(arguments).map(spec).collect();
    let library = Library::open(&arguments.cache)?;
    let progress = |done: usize, total: usize| {
        let end = if done == total { "\n" } else { "" };
        eprint!("\rloops: {done} of {total}{end}");
    };
    Ok(tokio::task::spawn_blocking(move || library.get_all(&specs, &progress)).await??)
}

fn senders(arguments: &JoinArguments) -> impl Iterator<Item = SenderId> + use<> {
    let (first, step) = (arguments.first_sender, arguments.sender_step);
    // Ids have ten bits.
    (0..arguments.count).map(move |n| SenderId((first + n * step) % 1_024))
}

/// Lets the bots in one by one, watches them, and sees them out.
async fn stay(
    arguments: &JoinArguments,
    target: &Target,
    sets: Vec<Arc<LoopSet>>,
    stage: &Stage,
    interrupts: &mut Interrupts,
) -> Vec<Report> {
    let others = arguments.listen.iter().map(|sender| SenderId(*sender));
    let everybody: Vec<SenderId> = senders(arguments).chain(others).collect();
    let mut bots = Vec::new();
    let mut waiting = sets.into_iter();
    let mut door = tokio::time::interval(JOIN_INTERVAL);
    let mut lines = tokio::time::interval(Duration::from_secs(1));
    let end = async {
        match arguments.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    let span = arguments.window.map(Duration::from_secs);
    let mut window = span.map(|span| Window::new(span, usize::from(arguments.count)));
    loop {
        tokio::select! {
            () = &mut end => break,
            () = interrupts.any() => break,
            _ = door.tick(), if waiting.len() > 0 => if let Some(set) = waiting.next() {
                let mut spec = BotSpec::new(target.clone(), set.spec().sender).sending(set);
                spec.overlay = arguments.overlay;
                if arguments.measure {
                    spec = spec.measuring(everybody.iter().copied());
                }
                if let Some(profile) = arguments.network.clone().filter(|_| bots.is_empty()) {
                    spec = spec.through(profile, arguments.seed);
                }
                bots.push(bot::start(spec, stage));
            },
            _ = lines.tick() => {
                let reports: Vec<Report> = bots.iter().map(Bot::report).collect();
                println!("{}", line(stage, &reports));
                if let Some(window) = &mut window
                    && !go_on(window, &bots, &reports, stage).await
                {
                    break;
                }
                let is_over = |report: &Report| report.outcome != Outcome::Running {};
                if waiting.len() == 0 && reports.iter().all(is_over) {
                    break;
                }
            }
        }
    }
    // All at once: each says goodbye by itself.
    let leaving: Vec<_> = bots.into_iter().map(|bot| tokio::spawn(bot.finish())).collect();
    let mut reports = Vec::with_capacity(leaving.len());
    for bot in leaving {
        // A bot that panicked has no report; the panic has been printed.
        reports.extend(bot.await);
    }
    reports
}

/// Opens or closes the window if it is time; false when it is over.
async fn go_on(window: &mut Window, bots: &[Bot], reports: &[Report], stage: &Stage) -> bool {
    match window.look(reports, stage.clock.now()) {
        Step::Wait => true,
        Step::Begin => {
            for bot in bots {
                // One that has just ended ends the run by its outcome.
                let _ = bot.command(Command::Forget).await;
            }
            println!("window begins");
            true
        }
        Step::End(seen) => {
            println!("window ends {}", serde_json::to_string(&seen).expect("numbers only"));
            false
        }
    }
}

/// One second in one line.
fn line(stage: &Stage, reports: &[Report]) -> String {
    let connected = reports.iter().filter(|r| r.join.connected_ms.is_some()).count();
    let failed = reports.iter().filter(|r| matches!(r.outcome, Outcome::Failed { .. })).count();
    let frames: u64 = reports.iter().map(|r| r.sent.frames).sum();
    let packets: u64 = reports.iter().map(|r| r.received.picture_packets + r.received.sound_packets).sum();
    let mut line = format!(
        "{:>5} s  in {connected}/{}  failed {failed}  sent {frames} pictures  received {packets} packets",
        stage.clock.now().as_millis() / 1_000,
        reports.len(),
    );
    let measured: Vec<&Report> = reports.iter().filter(|r| r.measured).collect();
    if !measured.is_empty() {
        let freezes: u64 = measured.iter().map(|r| r.main.freezes).sum();
        let concealed: u64 = measured.iter().map(|r| r.sound.concealed_samples).sum();
        let fps = measured.iter().filter_map(|r| r.main.fps).fold(f64::INFINITY, f64::min);
        let ages = measured.iter().flat_map(|r| &r.main.tiles).flat_map(|t| &t.codes).map(|c| c.age_ms.p95);
        let worst = ages.max().unwrap_or(0);
        let sees = measured.iter().map(|r| others_moving(r)).min().unwrap_or(0);
        line += &format!(
            "  each sees >= {sees}  fps >= {fps:.1}  freezes {freezes}  concealed {} ms  latency p95 <= {worst} ms",
            concealed / 48
        );
    }
    line
}

/// How many others a bot has seen move: at least two of their pictures.
fn others_moving(report: &Report) -> usize {
    let codes = report.main.tiles.iter().flat_map(|tile| &tile.codes);
    let moving = codes.filter(|code| code.sender != report.sender && code.numbers > 1);
    moving.map(|code| code.sender).collect::<std::collections::BTreeSet<_>>().len()
}

fn write_report(path: &Path, reports: &[Report]) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    serde_json::to_writer_pretty(&mut file, reports)?;
    file.flush()
}

fn write_pictures(path: &Path, stage: &Stage) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    stage.pictures.write(stage.clock, &mut file)?;
    file.flush()
}

/// Whether everybody stayed to the end.
fn judge(reports: &[Report], is_without_pin: bool) -> Result<(), JoinError> {
    let mut first = None;
    let mut failed = 0;
    for report in reports {
        let reason = match &report.outcome {
            Outcome::Failed { code: Some(code), .. } if code == "join-refused" && is_without_pin => {
                return Err(JoinError::NeedsPin);
            }
            Outcome::Failed { stage, detail, .. } => format!("{} at {stage}: {detail}", report.name),
            Outcome::Closed { reason } => format!("{}: the node closed the session ({reason})", report.name),
            Outcome::Running {} | Outcome::Left {} => continue,
        };
        failed += 1;
        first.get_or_insert(reason);
    }
    match first {
        Some(first) => Err(JoinError::Bots { failed, count: reports.len(), first }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(outcome: Outcome) -> Report {
        Report { outcome, ..Report::new(SenderId(1), "Bot 1".into(), false) }
    }

    fn refused() -> Report {
        ended(Outcome::Failed {
            stage: "join".into(),
            code: Some("join-refused".into()),
            detail: "no".into(),
        })
    }

    #[test]
    fn a_refusal_without_a_pin_is_exit_code_3_and_says_what_to_pass() {
        let error = judge(&[refused()], true).expect_err("is refused");
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("--pin"), "{error}");
        assert_eq!(judge(&[refused()], false).expect_err("a wrong pin fails as well").exit_code(), 1);
    }

    #[test]
    fn staying_to_the_end_is_success_and_being_thrown_out_is_not() {
        assert!(judge(&[ended(Outcome::Left {})], false).is_ok());
        let closed = ended(Outcome::Closed { reason: "draining".into() });
        let error = judge(&[ended(Outcome::Left {}), closed], false).expect_err("one was closed");
        assert_eq!((error.exit_code(), error.to_string().contains("1 of 2")), (1, true));
    }
}
