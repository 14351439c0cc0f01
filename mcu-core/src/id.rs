//! Identities. Small, copyable, never reused within a run of the node; none carries meaning to an outsider.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// One meeting while it runs.
    ConferenceId, "c"
);
id!(
    /// One person (or bot) in a meeting; survives a reconnect.
    ParticipantId, "p"
);
id!(
    /// One transport association (ICE and DTLS, or a SIP leg); a reconnect makes a new one.
    PeerId, "e"
);
id!(
    /// One distinct picture: see `conference::plan::Scene`.
    SceneId, "s"
);
id!(
    /// One encode of one scene: see `conference::plan::Rendition`.
    RenditionId, "r"
);

/// Which of a participant's two sources: the person, or what the person shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Camera and microphone.
    Main,
    /// Screen share and its sound (RFC 4796 `slides`).
    Content,
}

/// A source of picture or sound in a conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId {
    /// Whose.
    pub participant: ParticipantId,
    /// Which.
    pub kind: SourceKind,
}

impl SourceId {
    /// The person's camera and microphone.
    pub const fn main(participant: ParticipantId) -> Self {
        Self { participant, kind: SourceKind::Main }
    }

    /// What the person shares.
    pub const fn content(participant: ParticipantId) -> Self {
        Self { participant, kind: SourceKind::Content }
    }
}

/// Gives out ids in order. One per kind, owned by whoever creates that kind.
#[derive(Debug, Default)]
pub struct IdSource(u64);

impl IdSource {
    /// None given out.
    pub const fn new() -> Self {
        Self(0)
    }

    /// The next number, starting at 1.
    pub fn next_id(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}
