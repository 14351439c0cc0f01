//! The bot's task.
use super::{BotSpec, Command, Stage};
use super::report::Report;
use tokio::sync::{mpsc, watch};

/// Lives one bot's life and returns its report.
pub(super) async fn live(spec: BotSpec, _stage: Stage, _inbox: mpsc::Receiver<Command>, _publish: watch::Sender<Report>) -> Report {
    Report::new(spec.sender, spec.name, spec.measures.is_some())
}
