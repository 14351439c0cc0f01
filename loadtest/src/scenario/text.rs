//! The TOML of a scenario: every key and its limits, and for every mistake its key and line.
//!
//! Flow: text -> [`Raw`] (what TOML and serde can tell) -> **here** (what contradicts itself) -> [`Scenario`]. Pure. An
//! unknown key is an error that names the nearest.

mod capacity;
mod kind;

use super::bounded::{Decimal, Whole};
use super::{Churn, Group, Layout, Measure, PEOPLE_MAX, Place, Ramp, Room, Scenario, Talk};
use crate::media::picture::Scenery;
use crate::relay::profile::Profile;
use crate::verdict::Thresholds;
use capacity::RawCapacity;
use kind::RawKind;
use mcu_core::limits::PARTICIPANTS_MAX;
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use serde::Deserialize;
use std::time::Duration;
use toml::Spanned;

/// Bytes of a scenario that are read.
pub(super) const BYTES_MAX: usize = 64 * 1024;
/// Letters of a group's name.
const NAME_CHARS_MAX: usize = 32;

/// What is wrong with a scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// A key that does not exist.
    #[error("{source_name}, line {line}: unknown key `{key}`{}", nearest.as_deref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownKey {
        /// File or preset.
        source_name: String,
        /// From 1 on.
        line: usize,
        /// As written.
        key: String,
        /// The closest key there is, if any is close.
        nearest: Option<String>,
    },
    /// A value of the wrong type, out of its limits, or in contradiction to others.
    #[error("{source_name}, line {line}: `{key}`: {reason}")]
    Value {
        /// File or preset.
        source_name: String,
        /// From 1 on.
        line: usize,
        /// As written.
        key: String,
        /// What it must be.
        reason: String,
    },
    /// Longer than a scenario may be.
    #[error("{source_name}: longer than {BYTES_MAX} bytes")]
    Long {
        /// File or preset.
        source_name: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Spanned<String>,
    #[serde(default)]
    about: String,
    #[serde(default = "first_seed")]
    seed: u64,
    duration_s: Spanned<Whole<1, 604_800>>,
    settle_s: Option<Spanned<Decimal<0, 30_000>>>,
    ramp: Option<Spanned<RawRamp>>,
    churn: Option<Spanned<RawChurn>>,
    rooms: Spanned<Vec<Spanned<RawRoom>>>,
    #[serde(default)]
    thresholds: Thresholds,
    capacity: Option<Spanned<RawCapacity>>,
}

const fn first_seed() -> u64 {
    1
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRamp {
    per_s: Option<Decimal<1, 100_000>>,
    step: Option<Whole<1, 900>>,
    every_s: Option<Decimal<10, 360_000>>,
    #[serde(default)]
    spike: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChurn {
    per_s: Decimal<1, 10_000>,
    away_s: Decimal<10, 60_000>,
    group: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoom {
    #[serde(default)]
    made: bool,
    count: Option<Spanned<Whole<1, 400>>>,
    alias: Option<Spanned<String>>,
    groups: Spanned<Vec<Spanned<RawGroup>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: Option<Spanned<String>>,
    kind: Spanned<RawKind>,
    count: Whole<1, 200>,
    camera: Option<Spanned<bool>>,
    codec: Option<Spanned<RawCodec>>,
    sound: Option<Spanned<AudioCodec>>,
    size: Option<Spanned<RawSize>>,
    only_kbps: Option<Spanned<Whole<50, 8_000>>>,
    scenery: Option<Spanned<Scenery>>,
    overlay: Option<Spanned<bool>>,
    layout: Option<Spanned<Layout>>,
    talk: Option<Spanned<RawTalk>>,
    turn_s: Option<Spanned<Decimal<100, 60_000>>>,
    network: Option<Spanned<String>>,
    measure: Option<Spanned<RawMeasure>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawCodec {
    Vp8,
    H264,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum RawSize {
    #[serde(rename = "180p")]
    P180,
    #[serde(rename = "360p")]
    P360,
    #[serde(rename = "720p")]
    P720,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawTalk {
    Always,
    Never,
    Turns,
}

#[derive(Debug, Clone, Copy)]
enum RawMeasure {
    All,
    Some(u32),
}

impl<'de> Deserialize<'de> for RawMeasure {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u32),
            Word(String),
        }
        match Form::deserialize(deserializer) {
            Ok(Form::Number(number)) => Ok(Self::Some(number)),
            Ok(Form::Word(word)) if word == "all" => Ok(Self::All),
            _ => Err(serde::de::Error::custom("must be a number of people, or \"all\"")),
        }
    }
}

impl Scenario {
    /// Reads the text of `source_name`.
    ///
    /// # Errors
    /// [`ScenarioError`] with key and line.
    pub fn parse(text: &str, source_name: &str) -> Result<Self, ScenarioError> {
        if text.len() > BYTES_MAX {
            return Err(ScenarioError::Long { source_name: source_name.to_owned() });
        }
        let page = Page { text, source_name };
        let raw: Raw = toml::from_str(text).map_err(|error| page.explain(&error))?;
        page.scenario(raw)
    }
}

/// The text, for saying where something is.
struct Page<'a> {
    text: &'a str,
    source_name: &'a str,
}

impl Page<'_> {
    /// The line of byte `at`, from 1 on, and its text.
    fn line(&self, at: usize) -> (usize, &str) {
        let before = self.text.get(..at.min(self.text.len())).unwrap_or(self.text);
        let number = before.matches('\n').count() + 1;
        (number, self.text.lines().nth(number - 1).unwrap_or_default())
    }

    fn refuse(&self, at: usize, key: &str, reason: impl ToString) -> ScenarioError {
        let source_name = self.source_name.to_owned();
        ScenarioError::Value {
            source_name,
            line: self.line(at).0,
            key: key.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// What the TOML reader said, as one of ours. It tells keys in back-ticks: the unknown one first, then those there are.
    fn explain(&self, error: &toml::de::Error) -> ScenarioError {
        let (line, text) = self.line(error.span().map_or(0, |span| span.start));
        let message = error.message();
        let mut quoted = message.split('`').skip(1).step_by(2);
        let source_name = self.source_name.to_owned();
        if message.starts_with("unknown field") {
            let key = quoted.next().unwrap_or_default().to_owned();
            let nearest = nearest(&key, quoted).map(str::to_owned);
            return ScenarioError::UnknownKey { source_name, line, key, nearest };
        }
        let key = match message.starts_with("missing field") {
            true => quoted.next().unwrap_or_default(),
            false => text.split(['=', '#']).next().unwrap_or_default().trim().trim_matches(['[', ']']),
        };
        let reason = message.lines().next().unwrap_or_default().to_owned();
        ScenarioError::Value { source_name, line, key: key.to_owned(), reason }
    }

    fn scenario(&self, raw: Raw) -> Result<Scenario, ScenarioError> {
        self.name("name", &raw.name)?;
        let duration = Duration::from_secs(raw.duration_s.get_ref().get());
        let settle = raw.settle_s.as_ref().map_or(3.0, |settle| settle.get_ref().get());
        let settle = Duration::from_secs_f64(settle);
        if settle >= duration {
            let at = raw.settle_s.as_ref().map_or_else(|| raw.duration_s.span(), Spanned::span).start;
            return Err(self.refuse(
                at,
                "settle_s",
                "must be less than duration_s: nothing would be counted",
            ));
        }
        let rooms_at = raw.rooms.span().start;
        let rooms = raw.rooms.into_inner().into_iter().map(|room| self.room(room));
        let rooms = rooms.collect::<Result<Vec<_>, _>>()?;
        if rooms.is_empty() {
            return Err(self.refuse(rooms_at, "rooms", "there must be one at least"));
        }
        let mut scenario = Scenario {
            name: raw.name.into_inner(),
            about: raw.about,
            seed: raw.seed,
            duration,
            settle,
            ramp: match raw.ramp {
                Some(ramp) => self.ramp(ramp)?,
                None => Ramp::PerSecond(5.0),
            },
            churn: raw.churn.map(|churn| self.churn(churn, &rooms)).transpose()?,
            rooms,
            thresholds: raw.thresholds,
            capacity: None,
            toml: self.text.to_owned(),
        };
        if scenario.people() > PEOPLE_MAX {
            let reason =
                format!("{} people in all; one harness carries {PEOPLE_MAX} at most", scenario.people());
            return Err(self.refuse(rooms_at, "rooms", reason));
        }
        if let Some(capacity) = raw.capacity {
            self.capacity(capacity, &mut scenario)?;
        }
        Ok(scenario)
    }

    fn name(&self, key: &str, name: &Spanned<String>) -> Result<(), ScenarioError> {
        let is_fair = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let text = name.get_ref();
        if !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.chars().all(is_fair) {
            return Ok(());
        }
        let reason = format!("must be 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_` or `.`");
        Err(self.refuse(name.span().start, key, reason))
    }

    fn ramp(&self, ramp: Spanned<RawRamp>) -> Result<Ramp, ScenarioError> {
        let at = ramp.span().start;
        match ramp.into_inner() {
            RawRamp { per_s: Some(per_s), step: None, every_s: None, spike: false } => {
                Ok(Ramp::PerSecond(per_s.get()))
            }
            RawRamp { per_s: None, step: Some(step), every_s: Some(every), spike: false } => {
                Ok(Ramp::Steps { people: step.get() as u32, every: Duration::from_secs_f64(every.get()) })
            }
            RawRamp { per_s: None, step: None, every_s: None, spike: true } => Ok(Ramp::Spike),
            _ => Err(self.refuse(at, "ramp", "one of per_s, step with every_s, or spike = true")),
        }
    }

    fn churn(&self, churn: Spanned<RawChurn>, rooms: &[Room]) -> Result<Churn, ScenarioError> {
        let churn = churn.into_inner();
        if let Some(group) = &churn.group {
            let mut groups = rooms.iter().flat_map(|room| &room.groups);
            if !groups.any(|other| other.name == *group.get_ref()) {
                let reason = format!("no group is called {:?}", group.get_ref());
                return Err(self.refuse(group.span().start, "group", reason));
            }
        }
        Ok(Churn {
            per_s: churn.per_s.get(),
            away: Duration::from_secs_f64(churn.away_s.get()),
            group: churn.group.map(Spanned::into_inner),
        })
    }

    fn room(&self, room: Spanned<RawRoom>) -> Result<Room, ScenarioError> {
        let room_at = room.span().start;
        let RawRoom { made, count, alias, groups } = room.into_inner();
        let place = match (alias, count) {
            (Some(alias), None) if !made => {
                self.name("alias", &alias)?;
                Place::Alias(alias.into_inner())
            }
            (Some(alias), _) => {
                let reason = "an existing room is one: neither count nor made goes with it";
                return Err(self.refuse(alias.span().start, "alias", reason));
            }
            (None, None) if !made => Place::Target,
            (None, count) => Place::Made(count.map_or(1, |count| count.get_ref().get() as u32)),
        };
        let groups = groups.into_inner().into_iter().map(|group| self.group(group));
        let room = Room { place, groups: groups.collect::<Result<_, _>>()? };
        let people: u32 = room.groups.iter().map(|group| group.count).sum();
        if !(1..=PARTICIPANTS_MAX).contains(&(people as usize)) {
            let reason = format!("{people} people in a room; it takes 1 to {PARTICIPANTS_MAX}");
            return Err(self.refuse(room_at, "groups", reason));
        }
        Ok(room)
    }

    fn group(&self, group: Spanned<RawGroup>) -> Result<Group, ScenarioError> {
        let raw = group.into_inner();
        let kind = self.kind(&raw)?;
        let count = raw.count.get() as u32;
        if let Some(name) = &raw.name {
            self.name("name", name)?;
        }
        let name = raw.name.map_or_else(|| raw.kind.get_ref().name().to_owned(), Spanned::into_inner);
        let network = raw.network.map(|network| {
            let profile: Result<Profile, _> = network.get_ref().parse();
            profile.map_err(|error| self.refuse(network.span().start, "network", error))
        });
        let measure = match raw.measure {
            None => Measure::First(0),
            Some(measure) => match *measure.get_ref() {
                RawMeasure::All => Measure::All,
                RawMeasure::Some(some) if some <= count => Measure::First(some),
                RawMeasure::Some(_) => {
                    let reason = format!("the group has {count} people");
                    return Err(self.refuse(measure.span().start, "measure", reason));
                }
            },
        };
        let talk = match (raw.talk.map(Spanned::into_inner), raw.turn_s) {
            (Some(RawTalk::Turns), turn) => {
                let seconds = turn.map_or(5.0, |turn| turn.get_ref().get());
                Talk::Turns(Duration::from_secs_f64(seconds))
            }
            (_, Some(turn)) => {
                return Err(self.refuse(turn.span().start, "turn_s", "goes with talk = \"turns\""));
            }
            (Some(RawTalk::Never), None) => Talk::Never,
            (Some(RawTalk::Always) | None, None) => Talk::Always,
        };
        let sound = raw.sound.map_or_else(|| kind::sound(kind), Spanned::into_inner);
        let camera = raw.camera.as_ref().is_none_or(|camera| *camera.get_ref());
        if let Some(camera_at) = raw.camera.filter(|_| !camera && talk != Talk::Never) {
            let reason = "without a picture they send no sound either: goes with talk = \"never\"";
            return Err(self.refuse(camera_at.span().start, "camera", reason));
        }
        Ok(Group {
            name,
            kind,
            count,
            camera,
            codec: match raw.codec.map(Spanned::into_inner) {
                Some(RawCodec::H264) => VideoCodec::H264,
                Some(RawCodec::Vp8) | None => VideoCodec::Vp8,
            },
            sound,
            height: match raw.size.map(Spanned::into_inner) {
                Some(RawSize::P180) => 180,
                Some(RawSize::P360) | None => 360,
                Some(RawSize::P720) => 720,
            },
            only_kbps: raw.only_kbps.map(|kbps| kbps.into_inner().get() as u32),
            scenery: raw.scenery.map(Spanned::into_inner).unwrap_or_default(),
            overlay: raw.overlay.is_some_and(Spanned::into_inner),
            layout: raw.layout.map(Spanned::into_inner),
            talk,
            network: network.transpose()?,
            measure,
        })
    }
}

/// The known key that is closest to `key`, if one is similar enough to be a slip.
fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::jaro_winkler(key, known), known))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests;
