//! What a measuring bot sees and hears: packets to pictures to bar codes, packets to sound to tones.
//!
//! Flow: `life` -> bounded queue -> **here** (a thread of its own, behind all others) -> [`Measured`] back to `life`. Bound:
//! `INPUTS_MAX` waiting; packets that do not fit are dropped and show as lost. Each input
//! carries its moment; the clock is asked only when a picture has been decoded, for its age.

mod ears;
mod fidelity;
mod picture;
mod report_line;
mod tint;

use super::beep_log::BeepLog;
use super::picture_log::PictureLog;
use super::report::{Picture, Sound};
use super::signal::{Canvas, LayoutTile, Person};
use super::{BotSpec, Stage};
use crate::clock::Clock;
use crate::media::barcode::SenderId;
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use ears::Ears;
use mcu_core::id::SourceKind;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::packet::Packet;
use mcu_core::time::Mono;
use picture::PictureMeter;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Inputs waiting for the measuring thread: a second of 4 Mbit/s.
const INPUTS_MAX: usize = 1_024;
/// How far the thread steps back (nice): senders on the same core go first, who would otherwise wait for a whole picture's decoding.
const NICE: i32 = 10;
/// Key-frame wishes waiting for the bot.
const WISHES_MAX: usize = 4;

/// What the measuring thread is fed.
#[derive(Debug)]
pub enum Input {
    /// A packet of a picture line.
    Picture(SourceKind, VideoCodec, Packet),
    /// A packet of sound.
    Sound(Packet),
    /// A layout, valid from an RTP timestamp on.
    Layout(SourceKind, u32, Canvas, Vec<LayoutTile>),
    /// A sender report: the node's wall clock, in microseconds, and the RTP timestamp that stands for it; of a picture line, or of the
    /// sound.
    SenderReport(Option<SourceKind>, i64, u32),
    /// Names.
    Roster(Vec<Person>),
    /// The round trip, for the reorder buffer.
    Rtt(Duration),
    /// Time has passed: play sound, give up gaps, publish.
    Tick(Mono),
    /// Start counting anew.
    Forget,
}

/// Everything measured so far.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// The mixed picture.
    pub main: Picture,
    /// The shared picture.
    pub content: Picture,
    /// The mixed sound.
    pub sound: Sound,
    /// When the first sound was heard.
    pub first_sound: Option<Mono>,
    /// When the first picture was decoded.
    pub first_picture: Option<Mono>,
}

/// The bot's end of a measuring thread. Dropping it ends the thread.
#[derive(Debug)]
pub struct Meter {
    inputs: Sender<Input>,
    measured: watch::Receiver<Measured>,
    wishes: mpsc::Receiver<SourceKind>,
    thread: Option<tokio::task::JoinHandle<()>>,
    /// Inputs dropped because the thread was too slow: the harness' own fault, not the network's.
    pub dropped: u64,
}

/// No decoder could be made for a measuring bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot measure sound: {0}")]
pub struct MeterError(#[from] codecs::sound::SoundDecodeError);

impl Meter {
    /// The meter of a bot that hears `sound`; `None` of one that only counts.
    ///
    /// # Errors
    /// [`MeterError`] when there is no sound decoder.
    pub(super) fn of(spec: &BotSpec, sound: AudioCodec, stage: &Stage) -> Result<Option<Self>, MeterError> {
        let start = |tones: &Vec<SenderId>| {
            Self::start((spec.sender, sound), tones, stage.pictures.clone(), stage.beeps.clone(), stage.clock)
        };
        spec.measures.as_ref().map(start).transpose()
    }

    /// Starts measuring as `own`, listening in a codec for `tones` and the own one.
    ///
    /// # Errors
    /// [`MeterError`] when there is no sound decoder.
    pub fn start(
        (own, sound): (SenderId, AudioCodec),
        tones: &[SenderId],
        pictures: PictureLog,
        beeps: BeepLog,
        clock: Clock,
    ) -> Result<Self, MeterError> {
        let (inputs, inbox) = bounded(INPUTS_MAX);
        let (publish, measured) = watch::channel(Measured::default());
        let (wish, wishes) = mpsc::channel(WISHES_MAX);
        let ears = Ears::new(own, sound, tones, beeps)?;
        let picture = |line| PictureMeter::new(line, own, pictures.clone(), clock);
        let eyes = [picture(SourceKind::Main), picture(SourceKind::Content)];
        let work = Work { eyes, ears, publish, wish };
        let thread = tokio::task::spawn_blocking(move || {
            // Where it is refused they share as equals.
            let _ = rustix::process::setpriority_process(None, NICE);
            work.run(&inbox);
        });
        Ok(Self { inputs, measured, wishes, thread: Some(thread), dropped: 0 })
    }

    /// Feeds the thread; never waits.
    pub fn feed(&mut self, input: Input) {
        if let Err(TrySendError::Full(_)) = self.inputs.try_send(input) {
            self.dropped += 1;
        }
    }

    /// Inputs that the thread has not come to.
    pub fn backlog(&self) -> usize {
        self.inputs.len()
    }

    /// What was measured by the last tick.
    pub fn measured(&self) -> Measured {
        self.measured.borrow().clone()
    }

    /// The next line that needs a key frame. Cancel safe.
    pub async fn wish(&mut self) -> Option<SourceKind> {
        self.wishes.recv().await
    }

    /// Ends the thread after everything fed so far, and returns all that was measured.
    pub async fn finish(mut self, now: Mono) -> Measured {
        let Self { inputs, measured, .. } = &self;
        // The queue may be full: wait for room, so that the last figures are published.
        let (inputs, measured) = (inputs.clone(), measured.clone());
        let _ = tokio::task::spawn_blocking(move || inputs.send(Input::Tick(now))).await;
        let thread = self.thread.take();
        drop(self);
        if let Some(thread) = thread {
            // A panic of the thread leaves what it published before.
            let _ = thread.await;
        }
        measured.borrow().clone()
    }
}

/// The thread.
struct Work {
    eyes: [PictureMeter; 2],
    ears: Ears,
    publish: watch::Sender<Measured>,
    wish: mpsc::Sender<SourceKind>,
}

impl Work {
    fn run(mut self, inbox: &Receiver<Input>) {
        while let Ok(input) = inbox.recv() {
            match input {
                Input::Picture(line, codec, packet) => {
                    let now = packet.arrival;
                    let eye = &mut self.eyes[index(line)];
                    eye.push(codec, packet);
                    self.look(now);
                }
                Input::Sound(packet) => {
                    self.ears.push(&packet);
                    self.ears.listen(packet.arrival);
                }
                Input::Layout(line, from, canvas, tiles) => {
                    self.eyes[index(line)].layout(from, canvas, tiles)
                }
                Input::SenderReport(Some(line), ntp_us, timestamp) => {
                    self.eyes[index(line)].report_of_sender(ntp_us, timestamp);
                }
                Input::SenderReport(None, ntp_us, timestamp) => self.ears.report_of_sender(ntp_us, timestamp),
                Input::Roster(people) => self.eyes.iter_mut().for_each(|eye| eye.names(&people)),
                Input::Rtt(rtt) => self.eyes.iter_mut().for_each(|eye| eye.set_round_trip(rtt)),
                Input::Tick(now) => {
                    self.look(now);
                    self.ears.listen(now);
                    self.publish.send_replace(self.measured());
                }
                Input::Forget => {
                    self.eyes.iter_mut().for_each(PictureMeter::forget);
                    self.ears.forget();
                }
            }
        }
    }

    fn look(&mut self, now: Mono) {
        for eye in &mut self.eyes {
            if eye.look(now) {
                // A full queue holds this wish already.
                let _ = self.wish.try_send(eye.line());
            }
        }
    }

    fn measured(&self) -> Measured {
        let [main, content] = &self.eyes;
        Measured {
            main: main.report(),
            content: content.report(),
            sound: self.ears.report(|sender| main.lead_us(sender)),
            first_sound: self.ears.first_sound(),
            first_picture: main.first_picture(),
        }
    }
}

const fn index(line: SourceKind) -> usize {
    match line {
        SourceKind::Main => 0,
        SourceKind::Content => 1,
    }
}
