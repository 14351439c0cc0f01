//! The way in that a bot took, and what can be said through it: a session with its socket, or a WHIP or WHEP resource.
//!
//! Flow: `arrive` opens -> **here** -> `life`. Whoever came by WHIP or WHEP has no page: nothing is told to it, and what it
//! tells is lost, as it would be for an encoder or a player.

use super::signal::{Event, Events, Session, SignalError, StateChange};
use super::stream::Stream;
use std::time::Duration;

/// An open door.
#[derive(Debug)]
pub(super) enum Door {
    /// As a browser's.
    Page {
        /// The session at the API.
        session: Box<Session>,
        /// Its socket.
        events: Events,
    },
    /// As an encoder's or a player's.
    Stream(Stream),
}

impl Door {
    /// The next event; `None` when the socket is closed. Cancel safe.
    pub(super) async fn event(&mut self) -> Option<Result<Event, SignalError>> {
        match self {
            Self::Page { events, .. } => events.next().await,
            Self::Stream(_) => std::future::pending().await,
        }
    }

    /// Tells the node something.
    pub(super) async fn tell(&self, change: StateChange) {
        if let Self::Page { events, .. } = self {
            events.tell(change).await;
        }
    }

    /// How long to wait for the next [`Self::refresh`].
    pub(super) fn refresh_after(&self) -> Option<Duration> {
        match self {
            Self::Page { session, .. } => Some(Duration::from_secs(session.joined().expires_s) * 3 / 4),
            Self::Stream(_) => None,
        }
    }

    /// Takes a fresh token before the old one ends.
    pub(super) async fn refresh(&mut self) -> Result<(), SignalError> {
        match self {
            Self::Page { session, .. } => session.refresh().await,
            Self::Stream(_) => Ok(()),
        }
    }

    /// Leaves.
    pub(super) async fn leave(&self) -> Result<(), SignalError> {
        match self {
            Self::Page { session, .. } => session.leave().await,
            Self::Stream(stream) => stream.end().await,
        }
    }
}
