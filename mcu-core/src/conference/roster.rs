//! The roster: who is in the conference, and what is known of each.
//!
//! Flow: [`Conference::handle`](super::Conference::handle) writes it, everything else in this folder reads it.
//! Thread: control. Bound: `participants_max` of the room. Decides nothing.

use super::event::RosterEntry;
use super::input::{Joining, Receives};
use super::keypad::Keypad;
use crate::id::{ParticipantId, SourceId, SourceKind};
use crate::limits::DISPLAY_NAME_CHARS_MAX;
use crate::time::Mono;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything in this meeting.
    Host,
    /// Take part.
    Guest,
}

/// Which way somebody came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// The web client: sends and receives.
    Browser,
    /// Sends only (RFC 9725).
    Whip,
    /// Receives only.
    Whep,
    /// A room system or a telephone (RFC 3261): sends and receives, paints nothing itself, and listens to no events.
    Sip,
}

impl Via {
    /// Whether it can be seen and heard.
    pub const fn sends(self) -> bool {
        !matches!(self, Self::Whep)
    }

    /// Whether it sees and hears.
    pub const fn receives(self) -> bool {
        !matches!(self, Self::Whip)
    }
}

/// What somebody wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayoutChoice {
    /// A grid of few, one large among many.
    #[default]
    Auto,
    /// Everybody the same size.
    Grid,
    /// Whoever speaks large, others small.
    Speaker,
}

/// A name fit to be shown to others: trimmed, 1 to [`DISPLAY_NAME_CHARS_MAX`] characters, without anything that
/// is invisible or that turns the text around it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DisplayName(Arc<str>);

/// Why a text is no display name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisplayNameError {
    /// Nothing that can be seen is left.
    #[error("the display name is empty")]
    Empty,
    /// Longer than a name needs to be.
    #[error("the display name has {chars} characters, {max} are allowed")]
    TooLong {
        /// What it has.
        chars: usize,
        /// What it may have.
        max: usize,
    },
}

impl DisplayName {
    /// Cleans and checks `text`: controls, bidirectional overrides and isolates, and zero-width characters go.
    /// (The zero-width joiners that Persian and Indic scripts and emoji need stay between visible characters.)
    ///
    /// # Errors
    /// [`DisplayNameError`] when what is left is empty or too long.
    pub fn parse(text: &str) -> Result<Self, DisplayNameError> {
        // A bound before any work: no fair name is mostly invisible.
        if text.len() > DISPLAY_NAME_CHARS_MAX * 16 {
            return Err(DisplayNameError::TooLong { chars: text.len(), max: DISPLAY_NAME_CHARS_MAX });
        }
        let clean: String = text.chars().filter(|c| !c.is_control() && !is_deceptive(*c)).collect();
        let clean = clean.trim_matches(|c: char| c.is_whitespace() || is_joiner(c) || is_blank(c));
        let chars = clean.chars().count();
        if clean.chars().all(|c| c.is_whitespace() || is_joiner(c) || is_blank(c)) {
            Err(DisplayNameError::Empty)
        } else if chars > DISPLAY_NAME_CHARS_MAX {
            Err(DisplayNameError::TooLong { chars, max: DISPLAY_NAME_CHARS_MAX })
        } else {
            Ok(Self(clean.into()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

/// Characters that hide, or that reorder what others read (UAX #9, UTS #39), and tags.
const fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
        | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E0FFF}')
}

/// Joiners shape letters, but are nothing by themselves.
const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

/// Letters and symbols that draw nothing.
const fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{FFA0}' | '\u{FE00}'..='\u{FE0F}'
    )
}

impl TryFrom<String> for DisplayName {
    type Error = DisplayNameError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<DisplayName> for String {
    fn from(name: DisplayName) -> Self {
        (*name.0).into()
    }
}

/// Which of a source's media flow now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Live {
    /// Pictures come.
    pub video: bool,
    /// Sound comes.
    pub sound: bool,
}

/// How far a participant's media path has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Never up; taken out at this moment.
    Awaited(Mono),
    /// Up.
    Up(Receives),
    /// Was up; the place is kept until this moment.
    Lost(Mono),
}

/// Everything known of one participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Who.
    pub id: ParticipantId,
    /// What others read.
    pub name: DisplayName,
    /// What it may do.
    pub role: Role,
    /// Which way it came.
    pub via: Via,
    /// Seconds since 1970-01-01 UTC.
    pub joined_at_unix_s: u64,
    /// Its microphone is off, by itself or by a host.
    pub muted: bool,
    /// It says that its camera is on. True until it says otherwise: whoever sends pictures is seen.
    pub camera: bool,
    /// It promises to paint its own camera over its own tile.
    pub overlay: bool,
    /// What it wants to see.
    pub layout: LayoutChoice,
    /// Its media path.
    pub connection: Connection,
    /// Whether its media are encrypted on the way between it and the node: of the path that is up, else of the last one. Unknown before
    /// the first.
    pub secured: Option<bool>,
    /// What flows of its camera and microphone.
    pub main: Live,
    /// What flows of what it shares.
    pub content: Live,
    /// It has asked to leave, and does at this moment.
    pub(super) leaves: Option<Mono>,
    /// The keys that it pressed last.
    /// Whether what is shared is to be part of its main picture, once it has said.
    pub(super) content_in_mix: Option<bool>,
    pub(super) keypad: Keypad,
    /// Pictures of its camera have come over this connection.
    pub(super) camera_seen: bool,
    /// Its views are part of the plan: a connection waits for the next gathering.
    pub(super) viewing: bool,
}

impl Participant {
    /// A participant just let in, given until `awaited_until` to connect.
    pub(super) fn new(joining: Joining, awaited_until: Mono) -> Self {
        Self {
            id: joining.participant,
            name: joining.name,
            role: joining.role,
            via: joining.via,
            joined_at_unix_s: joining.joined_at_unix_s,
            muted: false,
            camera: true,
            overlay: joining.overlay,
            layout: LayoutChoice::Auto,
            connection: Connection::Awaited(awaited_until),
            secured: None,
            main: Live::default(),
            content: Live::default(),
            leaves: None,
            content_in_mix: None,
            keypad: Keypad::default(),
            camera_seen: false,
            viewing: false,
        }
    }

    /// What its media path takes, while it is up.
    pub fn receives(&self) -> Option<Receives> {
        match self.connection {
            Connection::Up(receives) => Some(receives),
            Connection::Awaited(_) | Connection::Lost(_) => None,
        }
    }

    /// Whether what others share is part of its main picture: as it has said, or else where it takes but one picture.
    pub(super) fn content_is_in_mix(&self) -> bool {
        let one_line = || self.receives().is_none_or(|receives| receives.content.is_none());
        self.content_in_mix.unwrap_or_else(one_line)
    }

    /// Whether it hears the meeting and sees nothing of it.
    pub(super) fn is_on_telephone(&self) -> bool {
        self.via == Via::Sip && self.receives().is_some_and(|receives| receives.main.is_none())
    }

    /// Whether its media path is up.
    pub fn is_connected(&self) -> bool {
        matches!(self.connection, Connection::Up(_))
    }

    /// Whether its media path has never been up.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self.connection, Connection::Awaited(_))
    }

    /// Whether a picture of this source can be shown now.
    pub fn has_picture(&self, kind: SourceKind) -> bool {
        match kind {
            SourceKind::Main => self.is_connected() && self.camera && self.main.video,
            SourceKind::Content => self.is_connected() && self.content.video,
        }
    }

    /// When it is taken out: unless it connects, or because it has asked to leave.
    pub(super) fn out_at(&self) -> Option<Mono> {
        let awaited = match self.connection {
            Connection::Awaited(until) | Connection::Lost(until) => Some(until),
            Connection::Up(_) => None,
        };
        awaited.into_iter().chain(self.leaves).min()
    }

    pub(super) fn live_mut(&mut self, kind: SourceKind) -> &mut Live {
        match kind {
            SourceKind::Main => &mut self.main,
            SourceKind::Content => &mut self.content,
        }
    }
}

/// Everybody in the conference, by id, which is the order in which they joined.
#[derive(Debug, Clone, Default)]
pub struct Roster(BTreeMap<ParticipantId, Participant>);

impl Roster {
    /// Everybody, in the order in which they joined.
    pub fn iter(&self) -> impl Iterator<Item = &Participant> {
        self.0.values()
    }

    /// One participant.
    pub fn get(&self, id: ParticipantId) -> Option<&Participant> {
        self.0.get(&id)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `source` may be shown as a picture now.
    pub fn has_picture(&self, source: SourceId) -> bool {
        self.get(source.participant).is_some_and(|p| p.has_picture(source.kind))
    }

    /// Whether anybody's media go, or went until their path was lost, in the clear.
    pub(super) fn in_the_clear(&self) -> bool {
        self.iter().any(|p| p.secured == Some(false))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Participant> {
        self.0.values_mut()
    }

    pub(super) fn get_mut(&mut self, id: ParticipantId) -> Option<&mut Participant> {
        self.0.get_mut(&id)
    }

    pub(super) fn insert(&mut self, participant: Participant) {
        self.0.insert(participant.id, participant);
    }

    pub(super) fn remove(&mut self, id: ParticipantId) -> Option<Participant> {
        self.0.remove(&id)
    }

    /// The first moment at which somebody has to be taken out.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.iter().filter_map(Participant::out_at).min()
    }

    /// Somebody whose time to connect, or to stay, is over; whether it has asked for that.
    pub(super) fn overdue(&self, now: Mono) -> Option<(ParticipantId, bool)> {
        let overdue = self.iter().find(|p| p.out_at().is_some_and(|until| until <= now))?;
        Some((overdue.id, overdue.leaves.is_some()))
    }
}

impl Participant {
    /// The API's `participant`.
    pub(super) fn entry(&self, sharing: bool, speaking: bool) -> RosterEntry {
        RosterEntry {
            id: self.id,
            name: self.name.clone(),
            role: self.role,
            via: self.via,
            muted: self.muted,
            camera: self.camera && self.camera_seen,
            sharing,
            speaking,
            layout: self.layout,
            secured: self.secured,
            joined_at: self.joined_at_unix_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_not_merely_checked() {
        let table = [
            ("  Ada Lovelace ", Ok("Ada Lovelace")),
            ("\u{202E}drawkcab\u{202C}", Ok("drawkcab")),
            ("a\u{200B}b\u{FEFF}c\0\n\u{7f}", Ok("abc")),
            ("می\u{200C}خواهم", Ok("می\u{200C}خواهم")),
            ("\u{2066}x\u{2069}", Ok("x")),
            ("日本語", Ok("日本語")),
            ("", Err(DisplayNameError::Empty)),
            (" \u{200D}\u{3164}\t", Err(DisplayNameError::Empty)),
        ];
        for (text, expected) in table {
            assert_eq!(
                DisplayName::parse(text).as_ref().map(DisplayName::as_str),
                expected.as_ref().copied()
            );
        }
    }

    #[test]
    fn names_have_a_longest_length_in_characters() {
        let longest = "é".repeat(DISPLAY_NAME_CHARS_MAX);
        assert_eq!(DisplayName::parse(&longest).expect("just fits").as_str(), longest);
        let longer = longest + "é";
        let refused = DisplayNameError::TooLong { chars: 65, max: 64 };
        assert_eq!(DisplayName::parse(&longer), Err(refused));
        assert!(DisplayName::parse(&"\u{200B}".repeat(1_000_000)).is_err());
    }
}
