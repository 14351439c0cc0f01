//! What a run is to do: rooms, who takes part and how, when they come and go, and what must hold.
//!
//! Flow: TOML text -> `text` (keys, limits, lines of mistakes) -> [`Scenario`] -> [`schedule`] (who does what when) ->
//! `live`. Pure. A `Scenario` is proof: it holds nothing that could not be run. Bounds: [`PEOPLE_MAX`].

pub mod bounded;
mod capacity;
pub mod company;
pub mod presets;
pub mod schedule;
mod text;

pub use capacity::{Capacity, Raised};
pub use text::ScenarioError;

use crate::media::picture::Scenery;
use crate::relay::profile::Profile;
use crate::report::ParticipantKind;
use crate::verdict::Thresholds;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use std::time::Duration;

/// Participants of one run: each has a bar code of its own, and loops in memory.
pub const PEOPLE_MAX: usize = 900;

/// A whole scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// One sentence for whoever chooses one.
    pub about: String,
    /// What all chance comes from.
    pub seed: u64,
    /// From the last join of the ramp to the end.
    pub duration: Duration,
    /// From the last join of the ramp (later: from being connected) to when figures count.
    pub settle: Duration,
    /// How everybody comes in.
    pub ramp: Ramp,
    /// Who leaves and comes back; `None`: nobody.
    pub churn: Option<Churn>,
    /// Where people meet; never empty.
    pub rooms: Vec<Room>,
    /// What must hold.
    pub thresholds: Thresholds,
    /// What is raised until a threshold breaks; `None`: one run.
    pub capacity: Option<Capacity>,
    /// The text that it was read from; what goes over it is said in comments before it.
    pub toml: String,
}

/// How everybody comes in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ramp {
    /// Evenly, this many a second.
    PerSecond(f64),
    /// So many at a time.
    Steps {
        /// How many at once.
        people: u32,
        /// From one step to the next.
        every: Duration,
    },
    /// All at once.
    Spike,
}

/// Who leaves and comes back while figures count.
#[derive(Debug, Clone, PartialEq)]
pub struct Churn {
    /// Leaves a second, on average, exponentially spread.
    pub per_s: f64,
    /// How long one stays away.
    pub away: Duration,
    /// Only people of this group; `None`: anybody.
    pub group: Option<String>,
}

/// One kind of room.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    /// Which.
    pub place: Place,
    /// Who comes; never empty.
    pub groups: Vec<Group>,
}

/// Which room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The one that the target names.
    Target,
    /// An existing one, with the target's PIN.
    Alias(String),
    /// So many new ones, made by the admin API for this run and deleted after it; each has all groups.
    Made(u32),
}

impl Place {
    /// How many rooms that is.
    pub const fn count(&self) -> u32 {
        match self {
            Self::Target | Self::Alias(_) => 1,
            Self::Made(count) => *count,
        }
    }
}

/// People of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What their names begin with.
    pub name: String,
    /// How they take part.
    pub kind: ParticipantKind,
    /// How many, in each room.
    pub count: u32,
    /// What they send: the pictures' codec.
    pub codec: VideoCodec,
    /// The sound's, both ways.
    pub sound: AudioCodec,
    /// Whether their cameras are on.
    pub camera: bool,
    /// The largest picture that they send, in rows.
    pub height: u16,
    /// Only that size, at this rate, whatever is asked of them.
    pub only_kbps: Option<u32>,
    /// What their pictures show.
    pub scenery: Scenery,
    /// Whether they promise to paint themselves over their own tiles.
    pub overlay: bool,
    /// The layout that they ask for; `None`: the room's.
    pub layout: Option<Layout>,
    /// Who of them talks when.
    pub talk: Talk,
    /// The bad network of each; `None`: a direct way.
    pub network: Option<Profile>,
    /// How many of them, in each room, decode and measure.
    pub measure: Measure,
}

/// How many of a group decode and measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// However many there are.
    All,
    /// The first so many.
    First(u32),
}

/// A layout to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// The node chooses.
    Auto,
    /// Everybody the same size.
    Grid,
    /// One large.
    Speaker,
}

impl Layout {
    /// As the API calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Grid => "grid",
            Self::Speaker => "speaker",
        }
    }
}

/// Who talks when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// All the time.
    Always,
    /// Never: muted.
    Never,
    /// One of the group's people in each room at a time, for so long.
    Turns(Duration),
}

impl Group {
    /// Whether they send a picture.
    pub const fn shows(&self) -> bool {
        self.camera && !matches!(self.kind, ParticipantKind::Whep | ParticipantKind::Phone)
    }

    /// Whether they come by SIP.
    pub const fn calls(&self) -> bool {
        matches!(self.kind, ParticipantKind::Sip | ParticipantKind::Phone)
    }

    /// Whether they send anything: who calls sends silence at least.
    pub const fn sends(&self) -> bool {
        self.shows() || self.calls()
    }

    /// How many of them, in each room, decode and measure.
    pub const fn measuring(&self) -> u32 {
        match self.measure {
            Measure::All => self.count,
            Measure::First(some) => some,
        }
    }

    /// Whether they speak at all.
    pub fn speaks(&self) -> bool {
        self.sends() && self.talk != Talk::Never
    }
}

impl Scenario {
    /// Everybody, over all rooms.
    pub fn people(&self) -> usize {
        self.rooms.iter().map(Room::people).sum()
    }

    /// The same with another size in every group.
    #[must_use]
    pub fn sized(mut self, height: u16) -> Self {
        let groups = self.rooms.iter_mut().flat_map(|room| &mut room.groups);
        groups.for_each(|group| group.height = height);
        self.noted(&format!("size = \"{height}p\" in every group"))
    }

    /// The same with a comment before its text: what the text does not say of what is played.
    fn noted(mut self, note: &str) -> Self {
        self.toml = format!("# Played with {note}.\n{}", self.toml);
        self
    }

    /// Whether a room has to be made, for which a token is needed.
    pub fn makes_rooms(&self) -> bool {
        self.rooms.iter().any(|room| matches!(room.place, Place::Made(_)))
    }
}

impl Room {
    /// Everybody, over all rooms of this kind.
    pub fn people(&self) -> usize {
        self.groups.iter().map(|group| group.count as usize).sum::<usize>() * self.place.count() as usize
    }
}
