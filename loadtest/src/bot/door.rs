//! The way in that a bot took, and what can be said through it: a session with its socket, a WHIP or WHEP resource, or a call by SIP.
//!
//! Flow: `arrive` or `ring` opens -> **here** -> `life`. Whoever came by WHIP, WHEP or SIP has no page: nothing is told to it but the end of a call, and
//! what it tells is lost, as it would be for an encoder, a player or a telephone.

use super::call::Call;
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
    /// As a room system's or a telephone's.
    Call(Box<Call>),
}

impl Door {
    /// The next event; `None` when the socket is closed. Cancel safe.
    pub(super) async fn event(&mut self) -> Option<Result<Event, SignalError>> {
        match self {
            Self::Page { events, .. } => events.next().await,
            Self::Stream(_) => std::future::pending().await,
            Self::Call(call) => {
                let ended = call.ended().await;
                Some(ended.map(|reason| Event::Closing { reason }).map_err(SignalError::from))
            }
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
            Self::Stream(_) | Self::Call(_) => None,
        }
    }

    /// Takes a fresh token before the old one ends.
    pub(super) async fn refresh(&mut self) -> Result<(), SignalError> {
        match self {
            Self::Page { session, .. } => session.refresh().await,
            Self::Stream(_) | Self::Call(_) => Ok(()),
        }
    }

    /// Leaves.
    pub(super) async fn leave(&mut self) -> Result<(), SignalError> {
        match self {
            Self::Page { session, .. } => session.leave().await,
            Self::Stream(stream) => stream.end().await,
            Self::Call(call) => {
                call.hang_up().await;
                Ok(())
            }
        }
    }
}
