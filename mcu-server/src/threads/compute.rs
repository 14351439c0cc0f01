//! Where work that takes milliseconds runs: a video pool and an audio pool, apart, or inline in a simulation.
//!
//! Two pools because rayon has no priorities: a 10 ms sound job must never wait behind an encode. Video threads
//! lower themselves to nice +10. Inline, a job runs to its end inside `spawn_*`, on the caller's thread and in
//! the caller's order, which is what makes a simulated meeting deterministic; no clock is read then.

use super::hop_times::HopTimes;
use mcu_core::hop::Hop;
use std::sync::Arc;
use std::time::Instant;

/// Runs jobs. Cloning shares the pools.
#[derive(Clone)]
pub struct Compute(Arc<Pools>);

enum Pools {
    Threads { video: rayon::ThreadPool, audio: rayon::ThreadPool, times: Arc<HopTimes> },
    Inline,
}

/// The pools could not be started.
#[derive(Debug, thiserror::Error)]
#[error("starting the {pool} pool: {source}")]
pub struct PoolError {
    pool: &'static str,
    source: rayon::ThreadPoolBuildError,
}

impl Compute {
    /// Pools of `video_threads` and `audio_threads` threads, whose jobs are timed in `times`.
    ///
    /// # Errors
    /// [`PoolError`] when the system refuses threads.
    pub fn threads(
        video_threads: usize,
        audio_threads: usize,
        times: Arc<HopTimes>,
    ) -> Result<Self, PoolError> {
        let pool = |name: &'static str, threads: usize, nice: i32| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads.max(1))
                .thread_name(move |n| format!("{name}-{n}"))
                .start_handler(move |_| super::priority::lower(nice))
                .build()
                .map_err(|source| PoolError { pool: name, source })
        };
        let (video, audio) = (pool("video", video_threads, 10)?, pool("audio", audio_threads, 0)?);
        Ok(Self(Arc::new(Pools::Threads { video, audio, times })))
    }

    /// No pools: every job runs where it is spawned.
    pub fn inline() -> Self {
        Self(Arc::new(Pools::Inline))
    }

    /// Runs `job` of `hop` on the video pool.
    pub fn spawn_video(&self, hop: Hop, job: impl FnOnce() + Send + 'static) {
        match &*self.0 {
            Pools::Threads { video, times, .. } => video.spawn(timed(hop, Arc::clone(times), job)),
            Pools::Inline => job(),
        }
    }

    /// Runs `job` of `hop` on the audio pool.
    pub fn spawn_audio(&self, hop: Hop, job: impl FnOnce() + Send + 'static) {
        match &*self.0 {
            Pools::Threads { audio, times, .. } => audio.spawn(timed(hop, Arc::clone(times), job)),
            Pools::Inline => job(),
        }
    }
}

/// `job`, which notes how long it waited and ran.
fn timed(hop: Hop, times: Arc<HopTimes>, job: impl FnOnce() + Send) -> impl FnOnce() + Send {
    let queued = Instant::now();
    move || {
        let started = Instant::now();
        job();
        times.record(hop, started.duration_since(queued), started.elapsed());
    }
}
