//! Where work that takes milliseconds runs: a video pool and an audio pool, apart, or inline in a simulation.
//!
//! Two pools because rayon has no priorities: a 10 ms sound job must never wait behind an encode. Video threads
//! lower themselves to nice +10. Inline, a job runs to its end inside `spawn_*`, on the caller's thread and in
//! the caller's order, which is what makes a simulated meeting deterministic.

use std::sync::Arc;

/// A piece of work, run once.
pub type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs. Cloning shares the pools.
#[derive(Clone)]
pub struct Compute(Arc<Pools>);

enum Pools {
    Threads { video: rayon::ThreadPool, audio: rayon::ThreadPool },
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
    /// Pools of `video_threads` and `audio_threads` threads.
    ///
    /// # Errors
    /// [`PoolError`] when the system refuses threads.
    pub fn threads(video_threads: usize, audio_threads: usize) -> Result<Self, PoolError> {
        let pool = |name: &'static str, threads: usize, nice: i32| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads.max(1))
                .thread_name(move |n| format!("{name}-{n}"))
                .start_handler(move |_| super::priority::lower(nice))
                .build()
                .map_err(|source| PoolError { pool: name, source })
        };
        let (video, audio) = (pool("video", video_threads, 10)?, pool("audio", audio_threads, 0)?);
        Ok(Self(Arc::new(Pools::Threads { video, audio })))
    }

    /// No pools: every job runs where it is spawned.
    pub fn inline() -> Self {
        Self(Arc::new(Pools::Inline))
    }

    /// Runs `job` on the video pool.
    pub fn spawn_video(&self, job: Job) {
        match &*self.0 {
            Pools::Threads { video, .. } => video.spawn(job),
            Pools::Inline => job(),
        }
    }

    /// Runs `job` on the audio pool.
    pub fn spawn_audio(&self, job: Job) {
        match &*self.0 {
            Pools::Threads { audio, .. } => audio.spawn(job),
            Pools::Inline => job(),
        }
    }
}
