//! What one stay came to in virtual time: pictures and sounds that were written down become the report of a bot.
//!
//! Flow: [`Seen`] and [`Heard`] of the [`Record`](super::Record) -> **here** -> [`Report`], as a bot's own meter fills it from decoded
//! pictures and sound. Pure. What virtual time cannot show (how a picture looks, how old a sound is) stays `null`.

use super::mark::Mark;
use super::record::{Heard, Seen};
use crate::bot::freeze::FreezeMeter;
use crate::bot::report::{
    Code, HeightChange, JoinStages, Outcome, Picture, Report, Sound, Spread, Tile, Tone,
};
use crate::media::barcode::SenderId;
use crate::media::sound::tone_hz;
use crate::scenario::schedule::Person;
use mcu_core::conference::plan::Rect;
use mcu_core::id::{ParticipantId, SourceId, SourceKind};
use mcu_core::time::Mono;
use std::collections::BTreeMap;
use std::time::Duration;

/// Latencies kept per sender: ten minutes of pictures, then the first ones stand for all.
const AGES_MAX: usize = 18_000;
/// Windows of sound kept: an hour of them, then the first ones stand for all.
const WINDOWS_MAX: usize = 7_200;
/// The level of who is not heard at all, in dB of full scale.
const NOTHING_DB: f64 = -100.0;
/// Samples of a packet.
const PACKET_SAMPLES: u64 = 960;
/// Changes of height kept.
const HEIGHTS_MAX: usize = 256;
/// Numbers by which a picture can be out of order.
const BACKWARDS_MAX: u8 = Mark::NUMBERS / 2;

/// One person's figures.
#[derive(Debug)]
pub(super) struct Meter {
    began: Mono,
    first_picture: Option<Mono>,
    first_sound: Option<Mono>,
    counts: Counts,
}

/// What [`Meter::forget`] forgets.
#[derive(Debug, Default)]
struct Counts {
    first: Option<Mono>,
    last: Option<Mono>,
    freezes: FreezeMeter,
    picture: Picture,
    tiles: BTreeMap<SourceId, TileMeter>,
    sound: Sound,
    windows: u64,
    /// By who was heard, the level of each window in which it was, in dB below full scale.
    levels: BTreeMap<ParticipantId, Vec<u8>>,
}

#[derive(Debug)]
struct TileMeter {
    is_self: bool,
    rect: Rect,
    pictures: u64,
    unread: u64,
    codes: BTreeMap<SourceId, Reads>,
}

#[derive(Debug, Default)]
struct Reads {
    reads: u64,
    numbers: u64,
    backwards: u64,
    last: u8,
    freezes: FreezeMeter,
    ages_ms: Vec<u32>,
}

impl Meter {
    pub(super) fn new(began: Mono) -> Self {
        Self { began, first_picture: None, first_sound: None, counts: Counts::default() }
    }

    /// Begins to count.
    pub(super) fn forget(&mut self) {
        self.counts = Counts::default();
    }

    /// A picture of the main line was shown; `captured` says when a picture was taken, where that is known.
    pub(super) fn saw(&mut self, seen: &Seen, captured: impl Fn(Mark) -> Option<Mono>) {
        let now = seen.at;
        self.first_picture.get_or_insert(now);
        let counts = &mut self.counts;
        counts.first.get_or_insert(now);
        counts.last = Some(now);
        counts.freezes.shown(now);
        let picture = &mut counts.picture;
        picture.frames += 1;
        if picture.height != Some(seen.height) && picture.heights.len() < HEIGHTS_MAX {
            let at_ms = now.since(self.began).as_millis() as u64;
            picture.heights.push(HeightChange { at_ms, height: seen.height });
        }
        picture.height = Some(seen.height);
        let Some(tiles) = &seen.tiles else {
            picture.frames_without_layout += 1;
            return;
        };
        if tiles.iter().any(|tile| tile.place.own) {
            picture.own.with_tile += 1;
        } else {
            picture.own.without_tile += 1;
        }
        for tile in tiles {
            let meter = counts.tiles.entry(tile.expected()).or_insert_with(TileMeter::new);
            let place = tile.place;
            meter.is_self = place.own;
            meter.rect = Rect { x: place.x, y: place.y, width: place.width, height: place.height };
            meter.pictures += 1;
            let Some(mark) = tile.mark else {
                meter.unread += 1;
                continue;
            };
            let age = captured(mark).map(|taken| now.since(taken));
            meter.codes.entry(mark.source).or_default().read(mark.number, age, now);
            if mark.source == SourceId::main(seen.viewer) {
                let own = &mut counts.picture.own;
                own.code_in_place += u64::from(place.own);
                own.code_elsewhere += u64::from(!place.own);
            }
        }
    }

    /// Half a second of sound was heard.
    pub(super) fn heard(&mut self, heard: &Heard) {
        if !heard.sources.is_empty() {
            self.first_sound.get_or_insert(heard.at);
        }
        let counts = &mut self.counts;
        counts.sound.samples += u64::from(heard.packets) * PACKET_SAMPLES;
        counts.sound.concealed_samples += u64::from(heard.missing) * PACKET_SAMPLES;
        counts.sound.gaps += u64::from(heard.gaps);
        counts.windows += 1;
        for (source, level) in heard.sources.iter().filter(|(source, _)| source.kind == SourceKind::Main) {
            let levels = counts.levels.entry(source.participant).or_default();
            if levels.len() < WINDOWS_MAX {
                levels.push(*level);
            }
        }
    }

    /// Its report; `person` says whose stay it was, `people` who is who in the room, `voices` whom to listen for.
    pub(super) fn report(self, person: &Person, people: &[&Person], voices: &[SenderId]) -> Report {
        let Self { began, first_picture, first_sound, counts } = self;
        let since = |at: Mono| at.since(began).as_millis() as u64;
        let of = |participant: ParticipantId| people.get((participant.0 as usize).checked_sub(1)?).copied();
        let Counts { first, last, freezes, picture, tiles, sound, windows, levels } = counts;
        let span = first.zip(last).map(|(first, last)| last.since(first)).filter(|span| !span.is_zero());
        let tiles = tiles.into_iter().map(|(expected, tile)| tile.report(expected, of)).collect();
        let tones = people
            .iter()
            .zip(1..)
            .filter(|(other, _)| voices.contains(&other.sender))
            .map(|(other, id)| tone(other.sender, levels.get(&ParticipantId(id)), windows));
        let mut tones: Vec<Tone> = tones.filter(|tone| tone.windows > 0).collect();
        tones.sort_by(|a, b| b.level_db.total_cmp(&a.level_db));
        Report {
            outcome: Outcome::Left {},
            join: JoinStages {
                first_sound_ms: first_sound.map(since),
                first_picture_ms: first_picture.map(since),
                ..JoinStages::default()
            },
            main: Picture {
                fps: span.map(|span| (picture.frames - 1) as f64 / span.as_secs_f64()),
                freezes: freezes.count,
                frozen_ms: freezes.total.as_millis() as u64,
                tiles,
                ..picture
            },
            sound: Sound { tones, ..sound },
            ..Report::new(person.sender, person.name.clone(), person.measures)
        }
    }
}

/// The median over all windows: in those that are not listed, it was not heard.
fn tone(sender: SenderId, levels: Option<&Vec<u8>>, windows: u64) -> Tone {
    let mut levels = levels.cloned().unwrap_or_default();
    levels.sort_unstable();
    let in_db = |level: Option<&u8>| level.map_or(NOTHING_DB, |level| -f64::from(*level));
    Tone {
        sender,
        hz: tone_hz(sender),
        // Quietest last: whoever was heard in fewer than half of them has no level.
        level_db: in_db(levels.get(windows as usize / 2)),
        peak_db: in_db(levels.first()),
        windows,
        age_ms: None,
        av_offset_ms: None,
    }
}

impl TileMeter {
    const fn new() -> Self {
        let rect = Rect { x: 0, y: 0, width: 0, height: 0 };
        Self { is_self: false, rect, pictures: 0, unread: 0, codes: BTreeMap::new() }
    }

    fn report<'a>(self, expected: SourceId, of: impl Fn(ParticipantId) -> Option<&'a Person>) -> Tile {
        let codes = self.codes.into_iter().filter_map(|(source, reads)| {
            let sender = of(source.participant)?.sender;
            Some(reads.report(sender))
        });
        Tile {
            participant_id: expected.participant.0,
            name: of(expected.participant).map(|person| person.name.clone()),
            kind: expected.kind,
            is_self: self.is_self,
            rect: self.rect,
            pictures: self.pictures,
            unread: self.unread,
            tints: 0,
            codes: codes.collect(),
        }
    }
}

impl Reads {
    fn read(&mut self, number: u8, age: Option<Duration>, now: Mono) {
        self.reads += 1;
        if self.reads == 1 || number != self.last {
            self.numbers += 1;
            self.freezes.shown(now);
            let step = number.wrapping_sub(self.last) % Mark::NUMBERS;
            self.backwards += u64::from(self.reads > 1 && step > BACKWARDS_MAX);
            self.last = number;
        }
        if let Some(age) = age.filter(|_| self.ages_ms.len() < AGES_MAX) {
            self.ages_ms.push(age.as_millis() as u32);
        }
    }

    fn report(mut self, sender: SenderId) -> Code {
        Code {
            sender,
            reads: self.reads,
            numbers: self.numbers,
            backwards: self.backwards,
            last_number: u16::from(self.last),
            freezes: self.freezes.count,
            frozen_ms: self.freezes.total.as_millis() as u64,
            age_ms: Spread::of(&mut self.ages_ms),
            psnr_db: None,
            ssim: None,
        }
    }
}
