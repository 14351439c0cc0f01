//! The crowd: those bots that only count, on threads behind all others.
//!
//! Flow: [`start`](super::start) -> **here**. A picture that goes to a hundred listeners wakes a hundred tasks at once; in one queue with those who
//! send, a sender would wait for all of them, and the harness would find itself late long before its cores are full.

use std::future::Future;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// How far its threads step back (nice): before those that measure, behind those that send.
const NICE: i32 = 5;

/// The threads; cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Crowd(Option<Arc<Threads>>);

#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Crowd {
    /// As many threads as there are cores; where none are to be had, the crowd lives among the others.
    pub fn start() -> Self {
        let step_back = || {
            // Where it is refused they share as equals.
            let _ = rustix::process::setpriority_process(None, NICE);
        };
        let runtime =
            Builder::new_multi_thread().enable_all().thread_name("crowd").on_thread_start(step_back).build();
        Self(runtime.ok().map(|runtime| Arc::new(Threads(Some(runtime)))))
    }

    /// Starts a bot's life there.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        life: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        match self.0.as_ref().and_then(|threads| threads.0.as_ref()) {
            Some(runtime) => runtime.spawn(life),
            None => tokio::spawn(life),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // The last stage is often dropped by a task, which may not wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Option<String> {
        std::thread::current().name().map(str::to_owned)
    }

    #[tokio::test]
    async fn the_crowd_lives_on_threads_of_its_own_that_step_back() {
        let nice = || rustix::process::getpriority_process(None).expect("it can always be asked");
        let crowd = Crowd::start();
        let there = crowd.clone().spawn(async move { (name(), nice()) }).await.expect("it ends");
        assert_eq!(there, (Some("crowd".to_owned()), NICE));
        assert_ne!(name(), there.0, "the control");
        let among = Crowd::default().spawn(async { name() }).await.expect("it ends");
        assert_eq!(among, name());
        drop(crowd);
    }
}
