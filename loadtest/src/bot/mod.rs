//! One participant: joins, sends a loop, obeys what it is asked, measures what it is shown, leaves, reports.
//!
//! Flow: `signal` (words) and `peer` (media), or of a SIP device [`call`] (both) -> `receive` (decode, bar codes, tones) -> `report`. One tokio task per
//! bot; a measuring bot has a thread of its own for decoding, so that it never delays what it sends, and who only counts lives in
//! the [`crowd`], so that it delays nobody.
//! Bounds: every channel has a capacity, see each file. Only the node's public interfaces are used.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use loadtest::bot::{BotSpec, Stage, run};
//! use loadtest::media::barcode::SenderId;
//! use loadtest::media::loops::{LoopSpec, Library};
//! let stage = Stage::start();
//! let library = Library::open("target/loops")?;
//! let sender = SenderId(1);
//! let sends = library.get(&LoopSpec::talking_head(sender))?;
//! let spec = BotSpec::new("http://localhost:8080/m/first".parse()?, sender).sending(sends).measuring([SenderId(2)]);
//! let report = run(spec, &stage, std::time::Duration::from_secs(10)).await;
//! assert!(report.main.senders().contains(&SenderId(2)));
//! # Ok(()) }
//! ```

mod association;
pub mod beep_log;
pub mod call;
pub mod crowd;
mod door;
pub mod freeze;
mod jitter;
pub mod lateness;
mod life;
pub mod peer;
pub mod picture_log;
pub mod playout;
pub mod receive;
pub mod report;
pub mod send;
pub mod signal;
pub mod stream;
pub mod target;
mod wires;

use crate::clock::Clock;
use crate::media::barcode::SenderId;
use crate::media::loops::LoopSet;
use crate::relay::profile::Profile;
use beep_log::BeepLog;
use crowd::Crowd;
use lateness::Lateness;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use peer::Offered;
use picture_log::PictureLog;
use report::Report;
use std::sync::Arc;
use std::time::Duration;
use target::Target;
use tokio::sync::{mpsc, watch};

/// Commands waiting for one bot.
const COMMANDS_MAX: usize = 16;

/// What the bots of one process share: a clock, and the log of which picture was sent and seen when.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The clock of all times in reports.
    pub clock: Clock,
    /// Whose picture was sent and seen when.
    pub pictures: PictureLog,
    /// Which beep was said when.
    pub beeps: BeepLog,
    /// How late all of them sent.
    pub lateness: Lateness,
    /// Where those live who only count.
    pub crowd: Crowd,
}

impl Stage {
    /// A stage whose clock starts now.
    pub fn start() -> Self {
        Self {
            clock: Clock::start(),
            pictures: PictureLog::default(),
            beeps: BeepLog::default(),
            lateness: Lateness::default(),
            crowd: Crowd::start(),
        }
    }
}

/// What one bot is to be.
#[derive(Debug, Clone)]
pub struct BotSpec {
    /// Where to join.
    pub target: Target,
    /// As what: a browser, an encoder (WHIP) or a player (WHEP).
    pub offered: Offered,
    /// Calls by SIP instead, with this sound, and a picture if there is a codec for one.
    pub calls: Option<AudioCodec>,
    /// The display name.
    pub name: String,
    /// Whose bar code and tone it sends, and recognises as its own.
    pub sender: SenderId,
    /// What it sends; `None` sends nothing.
    pub sends: Option<Arc<LoopSet>>,
    /// Whose tones to listen for; `None` counts packets only. Its own tone is always listened for.
    pub measures: Option<Vec<SenderId>>,
    /// Promise to paint the own camera over the own tile.
    pub overlay: bool,
    /// Be silent from the first moment on, and say so.
    pub muted: bool,
    /// Video codecs to offer, most wanted first; a call offers the first alone.
    pub codecs: Vec<VideoCodec>,
    /// The bad network between this bot and the node; `None` is a direct way.
    pub network: Option<Network>,
}

/// A seeded relay's settings.
#[derive(Debug, Clone)]
pub struct Network {
    /// What it does to datagrams.
    pub profile: Profile,
    /// Same seed and same datagrams, same decisions.
    pub seed: u64,
}

impl BotSpec {
    /// A bot that sends nothing and counts packets, named after its sender id, offering VP8 and H.264.
    pub fn new(target: Target, sender: SenderId) -> Self {
        Self {
            target,
            offered: Offered::Page,
            calls: None,
            name: format!("Bot {}", sender.0),
            sender,
            sends: None,
            measures: None,
            overlay: false,
            muted: false,
            codecs: vec![VideoCodec::Vp8, VideoCodec::H264],
            network: None,
        }
    }

    /// Sends `loops`; offers their codec alone, and none where they are of sound alone.
    #[must_use]
    pub fn sending(mut self, loops: Arc<LoopSet>) -> Self {
        self.codecs = if loops.loops().is_empty() { Vec::new() } else { vec![loops.codec()] };
        self.sends = Some(loops);
        self
    }

    /// Decodes and measures, listening for the tones of `tones`.
    #[must_use]
    pub fn measuring(mut self, tones: impl IntoIterator<Item = SenderId>) -> Self {
        self.measures = Some(tones.into_iter().collect());
        self
    }

    /// Comes in as an encoder or a player instead of a browser.
    #[must_use]
    pub fn offering(mut self, offered: Offered) -> Self {
        self.offered = offered;
        self
    }

    /// Calls by SIP, with this sound.
    #[must_use]
    pub fn calling(mut self, sound: AudioCodec) -> Self {
        self.calls = Some(sound);
        self
    }

    /// Joins under `name`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sends and receives through a seeded relay.
    #[must_use]
    pub fn through(mut self, profile: Profile, seed: u64) -> Self {
        self.network = Some(Network { profile, seed });
        self
    }
}

/// What a running bot can be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Stops or resumes its sound, and says so to the node.
    Mute(bool),
    /// Starts or stops its picture, and says so to the node.
    Camera(bool),
    /// Asks for a layout: `auto`, `grid` or `speaker`.
    Layout(String),
    /// Gives the overlay promise or takes it back.
    Overlay(bool),
    /// Changes the bad network. Ignored without one.
    Network(Profile),
    /// Lets the relay come to the node from another port. Ignored without one.
    Rebind,
    /// Forgets what was measured of pictures and sound so far: the next report covers from here on.
    Forget,
    /// Leaves.
    Leave,
}

/// A running bot.
#[derive(Debug)]
pub struct Bot {
    commands: mpsc::Sender<Command>,
    snapshots: watch::Receiver<Report>,
    task: tokio::task::JoinHandle<Report>,
}

/// The bot has ended: nobody takes commands any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bot has ended")]
pub struct Ended;

impl Bot {
    /// Tells the bot to do something. Waits while its queue is full.
    ///
    /// # Errors
    /// [`Ended`] when it is gone.
    pub async fn command(&self, command: Command) -> Result<(), Ended> {
        self.commands.send(command).await.map_err(|_| Ended)
    }

    /// The newest snapshot, at most half a second old.
    pub fn report(&self) -> Report {
        self.snapshots.borrow().clone()
    }

    /// Reads something out of the newest snapshot, at most half a second old, without copying the rest.
    pub fn look<R>(&self, read: impl FnOnce(&Report) -> R) -> R {
        read(&self.snapshots.borrow())
    }

    /// Waits for snapshots until one satisfies `condition`, and returns it; `None` when the bot ended before.
    pub async fn wait_for(&mut self, condition: impl FnMut(&Report) -> bool) -> Option<Report> {
        self.snapshots.wait_for(condition).await.ok().map(|report| report.clone())
    }

    /// Leaves (if it has not) and returns the whole report.
    pub async fn finish(self) -> Report {
        // A bot that has ended takes no command; its report is there all the same.
        let _ = self.commands.send(Command::Leave).await;
        let last = self.snapshots.borrow().clone();
        self.task.await.unwrap_or(last)
    }
}

/// Starts a bot: on the current tokio runtime, or, if it neither sends nor measures, among the stage's crowd.
pub fn start(spec: BotSpec, stage: &Stage) -> Bot {
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let empty = Report::new(spec.sender, spec.name.clone(), spec.measures.is_some());
    let (publish, snapshots) = watch::channel(empty);
    let only_counts = spec.sends.is_none() && spec.measures.is_none();
    let life = life::live(spec, stage.clone(), inbox, publish);
    let task = if only_counts { stage.crowd.spawn(life) } else { tokio::spawn(life) };
    Bot { commands, snapshots, task }
}

/// Lets a bot live for `span` (or until the node closes it) and returns its report.
pub async fn run(spec: BotSpec, stage: &Stage, span: Duration) -> Report {
    let mut bot = start(spec, stage);
    tokio::select! {
        () = tokio::time::sleep(span) => {}
        _ = bot.wait_for(|report| report.outcome != report::Outcome::Running {}) => {}
    }
    bot.finish().await
}
