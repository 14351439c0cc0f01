//! The clock thread: starts each conference's sound job every 10 ms and its picture tick 30 times a second.
//!
//! It never mixes and never waits for a job: an engine half that is still at work when its next beat comes is
//! counted late and finds the lost time itself at the beat after. With no conference running it sleeps until told.

use super::NodeClock;
use super::compute::Compute;
use crate::engine::pictures::PictureEngine;
use crate::engine::sound::SoundEngine;
use crossbeam::queue::ArrayQueue;
use mcu_core::hop::Hop;
use mcu_core::id::ConferenceId;
use mcu_core::queue::Queue;
use mcu_core::time::{FrameInterval, Mono};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

/// The step of the sound clock.
pub const SOUND_STEP: Duration = Duration::from_millis(10);

/// The grid that every conference's pictures lie on.
pub const PICTURE_GRID: FrameInterval = FrameInterval::FPS_30;

/// Commands waiting for the clock: a conference starts or ends.
const COMMANDS_MAX: usize = 1_024;

/// Conferences start their beats apart from each other by this, so that they do not all wake at once.
const PHASE_STEP_US: u64 = 1_700;

enum ClockCommand {
    Add(Ticking),
    Remove(ConferenceId),
    Stop,
}

/// Where an engine half is put back: a queue with room for one.
type Place<E> = Arc<ArrayQueue<Box<E>>>;

/// A place where one half of an engine waits between its jobs; empty while it works.
struct Seat<E>(Place<E>);

impl<E> Seat<E> {
    fn new(engine: E) -> Self {
        let seat = ArrayQueue::new(1);
        // A fresh queue of one has room for one.
        let _ = seat.push(Box::new(engine));
        Self(Arc::new(seat))
    }

    fn take(&self) -> Option<(Box<E>, Place<E>)> {
        self.0.pop().map(|engine| (engine, Arc::clone(&self.0)))
    }
}

struct Ticking {
    conference: ConferenceId,
    phase: Duration,
    pictures: Seat<PictureEngine>,
    sound: Seat<SoundEngine>,
    next_tick: u64,
    next_block: Mono,
}

/// What the clock has counted since the start.
#[derive(Debug, Default)]
pub struct ClockCounters {
    /// Conferences that beat now.
    pub conferences: AtomicUsize,
    /// Picture ticks whose engine half was still busy.
    pub late_ticks: AtomicU64,
    /// Sound beats whose engine half was still busy.
    pub late_blocks: AtomicU64,
    /// Picture ticks started.
    pub ticks: AtomicU64,
    /// Sound beats started.
    pub blocks: AtomicU64,
    /// Picture ticks that found their engine half at rest.
    pub tick_jobs: AtomicU64,
    /// Sound beats that found theirs so.
    pub block_jobs: AtomicU64,
}

/// The clock thread, held by the node.
pub struct ClockThread {
    commands: Queue<ClockCommand>,
    thread: Thread,
    join: Option<JoinHandle<()>>,
    /// What it has counted.
    pub counters: Arc<ClockCounters>,
}

impl std::fmt::Debug for ClockCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Add(ticking) => write!(f, "Add({})", ticking.conference),
            Self::Remove(conference) => write!(f, "Remove({conference})"),
            Self::Stop => f.write_str("Stop"),
        }
    }
}

impl ClockThread {
    /// Starts the thread `clock-0`.
    ///
    /// # Errors
    /// The system's, when it refuses a thread.
    pub fn start(clock: NodeClock, compute: Compute) -> std::io::Result<Self> {
        let commands = Queue::new("clock_commands", COMMANDS_MAX);
        let counters = Arc::new(ClockCounters::default());
        let worker = Worker {
            clock,
            compute,
            commands: commands.clone(),
            counters: Arc::clone(&counters),
            ticking: Vec::new(),
        };
        let join = std::thread::Builder::new().name("clock-0".to_owned()).spawn(move || worker.run())?;
        Ok(Self { commands, thread: join.thread().clone(), join: Some(join), counters })
    }

    /// Starts a conference's beats at the next beat of each grid after `now`.
    pub fn add(&self, conference: ConferenceId, pictures: PictureEngine, sound: SoundEngine, now: Mono) {
        let phase = Duration::from_micros(conference.0 * PHASE_STEP_US % SOUND_STEP.as_micros() as u64);
        let step = SOUND_STEP.as_nanos() as u64;
        self.send(ClockCommand::Add(Ticking {
            conference,
            phase,
            pictures: Seat::new(pictures),
            sound: Seat::new(sound),
            next_tick: PICTURE_GRID.index_from(mcu_core::time::MediaTime::from_mono(now)),
            next_block: Mono::from_nanos(now.as_nanos().next_multiple_of(step)),
        }));
    }

    /// Ends a conference's beats; the engine halves are dropped when their last job is done.
    pub fn remove(&self, conference: ConferenceId) {
        self.send(ClockCommand::Remove(conference));
    }

    fn send(&self, command: ClockCommand) {
        if self.commands.push(command).is_err() {
            tracing::error!(capacity = self.commands.capacity(), "the clock takes no more commands");
        }
        self.thread.unpark();
    }
}

impl Drop for ClockThread {
    fn drop(&mut self) {
        self.send(ClockCommand::Stop);
        if let Some(join) = self.join.take() {
            let _ = join.join();
        }
    }
}

struct Worker {
    clock: NodeClock,
    compute: Compute,
    commands: Queue<ClockCommand>,
    counters: Arc<ClockCounters>,
    ticking: Vec<Ticking>,
}

impl Worker {
    fn run(mut self) {
        loop {
            while let Some(command) = self.commands.pop() {
                match command {
                    ClockCommand::Add(ticking) => self.ticking.push(ticking),
                    ClockCommand::Remove(conference) => self.ticking.retain(|t| t.conference != conference),
                    ClockCommand::Stop => return,
                }
            }
            self.counters.conferences.store(self.ticking.len(), Ordering::Relaxed);
            let now = self.clock.now();
            let next = self.ticking.iter_mut().map(|t| t.beat(now, &self.compute, &self.counters)).min();
            match next {
                None => std::thread::park(),
                Some(next) => std::thread::park_timeout(next.since(self.clock.now())),
            }
        }
    }
}

impl Ticking {
    /// Starts what is due at `now`; returns when the next beat is.
    fn beat(&mut self, now: Mono, compute: &Compute, counters: &ClockCounters) -> Mono {
        if self.next_block + self.phase <= now {
            self.start_block(now, compute, counters);
        }
        if self.tick_due() <= now {
            self.start_tick(now, compute, counters);
        }
        self.tick_due().min(self.next_block + self.phase)
    }

    fn tick_due(&self) -> Mono {
        PICTURE_GRID.at(self.next_tick).to_mono() + self.phase
    }

    fn start_block(&mut self, now: Mono, compute: &Compute, counters: &ClockCounters) {
        counters.blocks.fetch_add(1, Ordering::Relaxed);
        match self.sound.take() {
            Some((mut engine, seat)) => {
                counters.block_jobs.fetch_add(1, Ordering::Relaxed);
                compute.spawn_audio(Hop::Sound, move || {
                    engine.run(now);
                    let _ = seat.push(engine);
                });
            }
            None => {
                counters.late_blocks.fetch_add(1, Ordering::Relaxed);
            }
        }
        let step = SOUND_STEP.as_nanos() as u64;
        let behind = now.since(self.next_block + self.phase).as_nanos() as u64 / step;
        self.next_block += Duration::from_nanos((behind + 1) * step);
    }

    fn start_tick(&mut self, now: Mono, compute: &Compute, counters: &ClockCounters) {
        counters.ticks.fetch_add(1, Ordering::Relaxed);
        // After a pause (a suspended machine) the grid goes on at the present; what was missed is late.
        let current = PICTURE_GRID
            .index_from(mcu_core::time::MediaTime::from_mono(now.before(self.phase)))
            .saturating_sub(1)
            .max(self.next_tick);
        counters.late_ticks.fetch_add(current - self.next_tick, Ordering::Relaxed);
        match self.pictures.take() {
            Some((mut engine, seat)) => {
                counters.tick_jobs.fetch_add(1, Ordering::Relaxed);
                compute.spawn_video(Hop::Compose, move || {
                    engine.tick(current, now);
                    let _ = seat.push(engine);
                });
            }
            None => {
                counters.late_ticks.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.next_tick = current + 1;
    }
}
