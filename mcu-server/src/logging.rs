//! Log output: text on a terminal, JSON otherwise; one span per conference and peer, nothing per packet.

use crate::config::{LogFormat, LogSection};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// The level directives do not parse.
#[derive(Debug, thiserror::Error)]
#[error("`log.level`: {reason}")]
pub struct LevelError {
    reason: String,
}

/// Starts logging to standard error. Called once, by `main`.
///
/// # Errors
/// [`LevelError`] when `log.level` is no list of level directives.
pub fn start(section: &LogSection) -> Result<(), LevelError> {
    let filter =
        EnvFilter::try_new(&section.level).map_err(|error| LevelError { reason: error.to_string() })?;
    // The library is talkative at `info` about every candidate pair; what matters arrives as events.
    let filter = filter.add_directive("str0m=warn".parse().expect("a constant directive parses"));
    // The library quotes whole messages, names and PINs with them, from `warn` on.
    let filter = filter.add_directive("rsipstack=off".parse().expect("a constant directive parses"));
    // At `trace` it quotes what clients say.
    let filter = filter.add_directive("tungstenite=info".parse().expect("a constant directive parses"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let text = match section.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    if text {
        builder.with_target(false).init()
    } else {
        builder.json().flatten_event(true).init()
    }
    Ok(())
}
