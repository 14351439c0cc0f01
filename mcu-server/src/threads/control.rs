//! The control task: waits for commands, news, loudness and deadlines, and gives them to `ControlState`.

use super::NodeClock;
use crate::control::{Census, ControlState, Negotiated};
use crate::peers::News;
use mcu_core::conference::input::Loudness;
use mcu_core::id::ConferenceId;
use signalling::command::Command;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// The other ends of everything that control listens to.
pub struct Inlets {
    /// From the API.
    pub commands: mpsc::Receiver<Command>,
    /// From the io threads.
    pub news: mpsc::Receiver<News>,
    /// From the sound jobs.
    pub loudness: mpsc::Receiver<(ConferenceId, Loudness)>,
    /// What came of negotiations.
    pub negotiated: mpsc::Receiver<Negotiated>,
    /// Asked once: drain, and say when done.
    pub drain: oneshot::Receiver<oneshot::Sender<()>>,
}

/// Runs until every inlet is closed or the node is drained.
pub async fn run(
    mut state: ControlState,
    mut inlets: Inlets,
    clock: NodeClock,
    census: watch::Sender<Census>,
) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let deadline = state.deadline().map_or(Duration::from_secs(3_600), |at| at.since(clock.now()));
        tokio::select! {
            biased;
            drained = &mut inlets.drain => {
                state.drain();
                if let Ok(done) = drained {
                    let _ = done.send(());
                }
                break;
            }
            Some(news) = inlets.news.recv() => state.news(&news),
            Some(negotiated) = inlets.negotiated.recv() => state.negotiated(negotiated),
            Some(command) = inlets.commands.recv() => state.command(command).await,
            Some((conference, loudness)) = inlets.loudness.recv() => state.loudness(conference, loudness),
            () = tokio::time::sleep(deadline) => {}
            _ = seconds.tick() => {
                census.send_replace(state.housekeep());
            }
            else => break,
        }
        // Not only when the sleep wins: a stream of news must not starve a meeting's own deadlines.
        state.tick();
    }
    // Sockets still carry the closing events; the last ones go with the io threads.
    while let Ok(command) = inlets.commands.try_recv() {
        state.command(command).await;
    }
}
