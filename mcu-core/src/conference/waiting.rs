//! Waiting: until a host is there, everybody sees a card and hears nobody, in rooms that wait for their host.
//!
//! Flow: a host's [`Input::Connected`](super::Input::Connected), time -> **here** -> the card goes, a `waiting` event, prompts. Thread: control. Once it has
//! begun, a meeting goes on without its host.

use super::roster::{Role, Via};
use super::{Card, Conference, Event, Prompt, Settings, To};
use crate::id::ParticipantId;
use crate::time::Mono;
use std::sync::Arc;
use std::time::Duration;

/// Whoever waits on a telephone, where nothing is heard, is told so again.
const TOLD_EVERY: Duration = Duration::from_secs(30);

impl Settings {
    /// What stands for the picture while the room waits.
    pub(super) fn waiting_card(&self) -> Option<Arc<Card>> {
        let card = |words: &String| Card { title: self.name.clone(), lines: vec![words.clone()] };
        self.waiting.as_ref().map(|words| Arc::new(card(words).within_limits()))
    }

    pub(super) fn first_told(&self, now: Mono) -> Option<Mono> {
        self.waiting.is_some().then(|| now + TOLD_EVERY)
    }
}

impl Conference {
    /// Whether no host has been here yet, in a room that waits for one.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Somebody's media path is coming up: with the first host's the meeting begins.
    pub(super) fn begin_with(&mut self, role: Role) {
        if role != Role::Host || self.waiting.take().is_none() {
            return;
        }
        self.show(None);
        self.tell(To::All, Event::Waiting { waiting: false });
        for id in self.without_client() {
            self.say(id, Prompt::Joined);
        }
    }

    pub(super) fn tell_waiting(&mut self) {
        let now = self.now;
        if self.waiting.is_none_or(|at| at > now) {
            return;
        }
        self.waiting = Some(now + TOLD_EVERY);
        for id in self.without_client() {
            self.say(id, Prompt::WaitingForHost);
        }
    }

    fn without_client(&self) -> Vec<ParticipantId> {
        let there = self.roster.iter().filter(|p| p.via == Via::Sip && p.is_connected());
        there.map(|p| p.id).collect()
    }
}
