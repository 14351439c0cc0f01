//! Controls: what keys of a telephone and the reception do to the conference, and what is said about it.
//!
//! Flow: [`Input::Digit`](super::Input::Digit) -> `keypad`, `reception` -> **here** -> the same changes that a client of ours asks
//! for, and `Effect::Announce`. Thread: control. Decides nothing but what is said.

use super::event::{ClosingReason, MutedBy};
use super::input::StateChange;
use super::keypad::{Control, Digit};
use super::reception::{Reception, Step};
use super::roster::{LayoutChoice, Role, Via};
use super::{Card, Conference, Effect, Prompt, Refusal, To};
use crate::id::ParticipantId;
use crate::time::Mono;
use std::sync::Arc;
use std::time::Duration;

/// From the key that leaves to leaving: long enough to hear goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

impl Conference {
    /// A participant pressed a key.
    pub(super) fn press(&mut self, id: ParticipantId, digit: Digit) -> Result<(), Refusal> {
        let now = self.now;
        let control = self.known(id)?.keypad.press(digit, now);
        if self.reception.is_some() {
            self.at_reception(id, |reception, now| reception.press(digit, now));
            return Ok(());
        }
        match control {
            Some(control) => self.obey(id, control),
            None => Ok(()),
        }
    }

    fn obey(&mut self, id: ParticipantId, control: Control) -> Result<(), Refusal> {
        let now = self.now;
        let participant = self.known(id)?;
        match control {
            Control::Menu => self.say(id, Prompt::Menu),
            Control::MuteGuests | Control::Lock if participant.role != Role::Host => {
                self.say(id, Prompt::NotAllowed);
            }
            Control::ContentInMix => {
                let shown = !participant.content_is_in_mix();
                participant.content_in_mix = Some(shown);
                self.planner.replan(now);
                self.say(id, if shown { Prompt::ContentShown } else { Prompt::ContentHidden });
            }
            Control::MuteGuests => {
                self.mute_all(MutedBy::Host)?;
                self.say(id, Prompt::GuestsMuted);
            }
            Control::Lock => {
                let locked = !self.is_locked();
                self.lock(locked);
                self.say(id, if locked { Prompt::Locked } else { Prompt::Unlocked });
            }
            Control::Mute => {
                let muted = !participant.muted;
                self.change(id, StateChange { muted: Some(muted), ..StateChange::default() })?;
                self.say(id, if muted { Prompt::Muted } else { Prompt::Unmuted });
            }
            Control::NextLayout => {
                let next = match participant.layout {
                    LayoutChoice::Auto => LayoutChoice::Grid,
                    LayoutChoice::Grid => LayoutChoice::Speaker,
                    LayoutChoice::Speaker => LayoutChoice::Auto,
                };
                self.change(id, StateChange { layout: Some(next), ..StateChange::default() })?;
                self.say(id, Prompt::LayoutChanged);
            }
            Control::Leave => {
                if participant.leaves.is_none() {
                    participant.leaves = Some(now + GOODBYE);
                    self.say(id, Prompt::Goodbye);
                }
            }
        }
        Ok(())
    }

    /// Says something to one participant, in place of what it was being told.
    pub(super) fn say(&mut self, id: ParticipantId, prompt: Prompt) {
        self.effects.push_back(Effect::Hush(id));
        self.effects.push_back(Effect::Announce { to: To::One(id), prompt });
    }

    /// Says something to one participant who has no client of ours to read it.
    pub(super) fn say_without_client(&mut self, id: ParticipantId, prompt: Prompt) {
        if self.roster.get(id).is_some_and(|participant| participant.via == Via::Sip) {
            self.say(id, prompt);
        }
    }

    /// Carries out what the reception makes of something, if this is one.
    pub(super) fn at_reception(
        &mut self,
        caller: ParticipantId,
        what: impl FnOnce(&mut Reception, Mono) -> Vec<Step>,
    ) {
        let now = self.now;
        let Some(reception) = &mut self.reception else { return };
        for step in what(reception, now) {
            match step {
                Step::Hush => self.effects.push_back(Effect::Hush(caller)),
                Step::Say(prompt) => self.effects.push_back(Effect::Announce { to: To::One(caller), prompt }),
                Step::Show(card) => self.show(Some(card)),
                Step::Try(entered) => {
                    self.effects.push_back(Effect::Entered { participant: caller, entered })
                }
                Step::End => self.remove(caller, ClosingReason::Disconnected),
            }
        }
    }

    /// Shows a card instead of people, or people again.
    pub(super) fn show(&mut self, card: Option<Card>) {
        self.card = card.map(|card| Arc::new(card.within_limits()));
        self.planner.replan(self.now);
    }
}
