//! Who may look inside media: absence is a type.
//!
//! Media arrives sealed. A decoder takes only [`Clear`] units, and only a [`Plaintext`] token of the same
//! conference makes one. A meeting that holds no token cannot be decoded by mistake; one that holds a token may
//! not show a padlock. The token is neither `Clone` nor constructible outside [`Ledger`].

use crate::id::ConferenceId;
use crate::media::unit::{AccessUnit, Clear, Sealed};
use std::collections::BTreeMap;

/// The right to look inside one conference's media.
#[derive(Debug)]
pub struct Plaintext {
    conference: ConferenceId,
}

/// Why a conference's media is opened. Announced to everybody in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// To mix it.
    Mixing,
}

/// What participants are told about who can see and hear the meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentAccess {
    /// Nobody but the participants: this node holds no token.
    EndToEnd,
    /// This node decodes and mixes.
    NodeDecrypted,
    /// As before, and between this node and one participant at least media go in the clear: whoever is on that way sees and hears all
    /// that this participant is sent.
    InTheClear,
}

impl ContentAccess {
    /// What is left of it when a participant's media go in the clear (`true`), or nobody's do.
    pub const fn on_the_way(self, in_the_clear: bool) -> Self {
        match self {
            Self::NodeDecrypted if in_the_clear => Self::InTheClear,
            told => told,
        }
    }
}

/// A unit came with a token of another conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token of {token} cannot open media of {unit}")]
pub struct ForeignUnit {
    /// Whose token.
    pub token: ConferenceId,
    /// Whose media.
    pub unit: ConferenceId,
}

impl Plaintext {
    /// Opens a unit of the token's own conference.
    ///
    /// # Errors
    /// [`ForeignUnit`] when the unit belongs to another conference; it is dropped.
    pub fn open(&self, unit: AccessUnit<Sealed>) -> Result<AccessUnit<Clear>, ForeignUnit> {
        if unit.conference == self.conference {
            Ok(unit.into_clear())
        } else {
            Err(ForeignUnit { token: self.conference, unit: unit.conference })
        }
    }

    /// The conference whose media this opens.
    pub const fn conference(&self) -> ConferenceId {
        self.conference
    }
}

/// Issues tokens, and knows which are out. One per node, owned by the control thread.
#[derive(Debug, Default)]
pub struct Ledger {
    issued: BTreeMap<ConferenceId, Vec<Purpose>>,
}

impl Ledger {
    /// Nothing issued.
    pub const fn new() -> Self {
        Self { issued: BTreeMap::new() }
    }

    /// Issues a token; from here on the conference is [`ContentAccess::NodeDecrypted`].
    pub fn issue(&mut self, conference: ConferenceId, purpose: Purpose) -> Plaintext {
        self.issued.entry(conference).or_default().push(purpose);
        Plaintext { conference }
    }

    /// Takes a token back when its holder is done.
    pub fn give_back(&mut self, token: Plaintext, purpose: Purpose) {
        let conference = token.conference;
        if let Some(purposes) = self.issued.get_mut(&conference) {
            if let Some(at) = purposes.iter().position(|p| *p == purpose) {
                purposes.swap_remove(at);
            }
            if purposes.is_empty() {
                self.issued.remove(&conference);
            }
        }
    }

    /// What to tell the participants.
    pub fn access(&self, conference: ConferenceId) -> ContentAccess {
        if self.issued.contains_key(&conference) {
            ContentAccess::NodeDecrypted
        } else {
            ContentAccess::EndToEnd
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ParticipantId, SourceId};
    use crate::media::codec::VideoCodec;
    use crate::media::unit::{Rotation, UnitHeader};
    use crate::time::{MediaTime, Mono};
    use bytes::Bytes;

    fn unit(conference: ConferenceId) -> AccessUnit<Sealed> {
        let header = UnitHeader {
            conference,
            source: SourceId::main(ParticipantId(1)),
            codec: VideoCodec::Vp8,
            keyframe: true,
            contiguous: true,
            captured: MediaTime::ZERO,
            due: Mono::ZERO,
            rotation: Rotation::None,
        };
        AccessUnit::seal(header, Bytes::from_static(b"picture"))
    }

    #[test]
    fn a_token_opens_its_own_conference_and_no_other() {
        let mut ledger = Ledger::default();
        let token = ledger.issue(ConferenceId(1), Purpose::Mixing);
        assert_eq!(&token.open(unit(ConferenceId(1))).expect("own unit").data()[..], b"picture");
        let refused = token.open(unit(ConferenceId(2))).expect_err("foreign unit");
        assert_eq!(refused, ForeignUnit { token: ConferenceId(1), unit: ConferenceId(2) });
    }

    #[test]
    fn media_in_the_clear_lower_what_is_told_and_open_nothing_that_is_sealed_to_the_end() {
        let told = |access: ContentAccess| [access.on_the_way(true), access.on_the_way(false)];
        assert_eq!(
            told(ContentAccess::NodeDecrypted),
            [ContentAccess::InTheClear, ContentAccess::NodeDecrypted]
        );
        assert_eq!(told(ContentAccess::EndToEnd), [ContentAccess::EndToEnd; 2]);
    }

    #[test]
    fn the_padlock_shows_only_while_no_token_is_out() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.access(ConferenceId(1)), ContentAccess::EndToEnd);
        let token = ledger.issue(ConferenceId(1), Purpose::Mixing);
        assert_eq!(ledger.access(ConferenceId(1)), ContentAccess::NodeDecrypted);
        ledger.give_back(token, Purpose::Mixing);
        assert_eq!(ledger.access(ConferenceId(1)), ContentAccess::EndToEnd);
    }
}
