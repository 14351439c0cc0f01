//! Which streams are mixed: the few loudest, chosen so that the choice does not flutter.
//!
//! Flow: levels measured by the sound job -> **here** -> its mix. Thread: audio pool, once every 10 ms.
//! Bound: `limits::MIXED_STREAMS_MAX` streams. Allocates nothing, reads no clock, believes no claimed level: a
//! claim only gets a stream into a *free* place, where it is decoded and measured.

use crate::id::SourceId;
use crate::limits::MIXED_STREAMS_MAX;
use crate::time::Mono;
use std::time::Duration;

/// How loud one stream is in one block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamLevel {
    /// Which stream.
    pub source: SourceId,
    /// Energy measured after decoding, 0 for a full-scale square wave; [`SILENT_DBOV`] when not decoded.
    pub dbov: f32,
    /// Its sender claims that there is something to hear (RFC 6464 level), which is reason to decode it.
    pub claims_audible: bool,
}

/// The level of silence, and of what is not measured.
pub const SILENT_DBOV: f32 = -127.0;

/// What is softer than this is not worth a place in the mix.
pub const AUDIBLE_DBOV: f32 = -60.0;

/// A stream keeps its place for at least this long, so that a mix is no stutter of syllables.
const PLACE_KEPT_MIN: Duration = Duration::from_millis(500);
/// A stream that has been silent for this long gives its place up.
const SILENCE_MAX: Duration = Duration::from_millis(2_000);
/// A stream takes another's place only when it is louder by this much.
const LOUDER_MIN_DB: f32 = 6.0;
/// How fast the remembered level of a mixed stream falls: pauses between words do not count as softness.
const FALL_DB_PER_S: f32 = 20.0;

impl StreamLevel {
    /// A stream that was decoded and measured.
    pub const fn measured(source: SourceId, dbov: f32) -> Self {
        Self { source, dbov, claims_audible: false }
    }

    /// A stream of which nothing is heard.
    pub const fn silent(source: SourceId) -> Self {
        Self::measured(source, SILENT_DBOV)
    }

    /// Whether this one goes first: it is louder, or as loud with the lower id. A total order, so that a choice
    /// never depends on the order in which streams are given.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        other.dbov.total_cmp(&self.dbov).then(self.source.cmp(&other.source)).is_lt()
    }
}

/// A stream with a place in the mix.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The loudest it was lately: rises at once, falls slowly.
    held_dbov: f32,
    since: Mono,
    audible: Mono,
}

/// The streams that are mixed now.
#[derive(Debug, Clone)]
pub struct Ranking {
    sources: [SourceId; MIXED_STREAMS_MAX],
    places: [Place; MIXED_STREAMS_MAX],
    len: usize,
    updated: Mono,
}

impl Default for Ranking {
    fn default() -> Self {
        let place = Place { held_dbov: SILENT_DBOV, since: Mono::ZERO, audible: Mono::ZERO };
        Self {
            sources: [SourceId::main(crate::id::ParticipantId(0)); MIXED_STREAMS_MAX],
            places: [place; MIXED_STREAMS_MAX],
            len: 0,
            updated: Mono::ZERO,
        }
    }
}

impl Ranking {
    /// Nobody is mixed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses the streams of this block out of `levels`, which holds every stream that may be heard, once. A
    /// stream that is not in `levels` loses its place at once. Returned in the order in which they came in.
    pub fn update(&mut self, now: Mono, levels: &[StreamLevel]) -> &[SourceId] {
        let fall_db = now.since(self.updated).as_secs_f32() * FALL_DB_PER_S;
        self.updated = now;
        let mut at = 0;
        while at < self.len {
            let level = levels.iter().find(|l| l.source == self.sources[at]);
            if level.is_some_and(|level| self.places[at].keeps(now, level, fall_db)) {
                at += 1;
            } else {
                self.remove(at);
            }
        }
        // Each round seats one more; there are no more rounds than places.
        for _ in 0..MIXED_STREAMS_MAX {
            if !self.admit_one(now, levels) {
                break;
            }
        }
        self.mixed()
    }

    /// The streams chosen last.
    pub fn mixed(&self) -> &[SourceId] {
        &self.sources[..self.len]
    }

    fn admit_one(&mut self, now: Mono, levels: &[StreamLevel]) -> bool {
        let outside = levels.iter().filter(|l| !self.mixed().contains(&l.source));
        if self.len < MIXED_STREAMS_MAX {
            let audible = outside.filter(|l| l.dbov >= AUDIBLE_DBOV || l.claims_audible);
            let Some(level) = audible.reduce(louder) else { return false };
            self.seat(self.len, now, level);
            self.len += 1;
            return true;
        }
        let Some(challenger) = outside.filter(|l| l.dbov >= AUDIBLE_DBOV).reduce(louder) else {
            return false;
        };
        let movable = (0..self.len).filter(|at| now.since(self.places[*at].since) >= PLACE_KEPT_MIN);
        let softest = movable.min_by(|a, b| self.places[*a].held_dbov.total_cmp(&self.places[*b].held_dbov));
        match softest {
            Some(at) if challenger.dbov >= self.places[at].held_dbov + LOUDER_MIN_DB => {
                self.remove(at);
                self.seat(self.len, now, challenger);
                self.len += 1;
                true
            }
            _ => false,
        }
    }

    fn seat(&mut self, at: usize, now: Mono, level: &StreamLevel) {
        self.sources[at] = level.source;
        self.places[at] = Place { held_dbov: level.dbov, since: now, audible: now };
    }

    fn remove(&mut self, at: usize) {
        self.sources[at..self.len].rotate_left(1);
        self.places[at..self.len].rotate_left(1);
        self.len -= 1;
    }
}

impl Place {
    /// Takes this block's level in; false when the place is given up.
    fn keeps(&mut self, now: Mono, level: &StreamLevel, fall_db: f32) -> bool {
        self.held_dbov = level.dbov.max(self.held_dbov - fall_db).max(SILENT_DBOV);
        if level.dbov >= AUDIBLE_DBOV {
            self.audible = now;
        }
        now.since(self.audible) < SILENCE_MAX
    }
}

fn louder<'a>(one: &'a StreamLevel, other: &'a StreamLevel) -> &'a StreamLevel {
    if other.is_before(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ParticipantId;

    fn source(n: u64) -> SourceId {
        SourceId::main(ParticipantId(n))
    }

    fn levels(dbov: &[(u64, f32)]) -> Vec<StreamLevel> {
        dbov.iter().map(|(n, dbov)| StreamLevel::measured(source(*n), *dbov)).collect()
    }

    fn run(ranking: &mut Ranking, from_ms: u64, to_ms: u64, dbov: &[(u64, f32)]) -> Vec<SourceId> {
        let levels = levels(dbov);
        for ms in (from_ms..to_ms).step_by(10) {
            ranking.update(Mono::from_millis(ms), &levels);
        }
        ranking.mixed().to_vec()
    }

    const FOUR: [(u64, f32); 4] = [(1, -20.0), (2, -22.0), (3, -24.0), (4, -40.0)];

    fn with_fifth(dbov: f32) -> Vec<(u64, f32)> {
        FOUR.into_iter().chain([(5, dbov)]).collect()
    }

    #[test]
    fn the_loudest_are_mixed_and_no_more_than_fit() {
        let mut ranking = Ranking::new();
        let all: Vec<(u64, f32)> = (1..=9).map(|n| (n, -60.0 + n as f32)).collect();
        assert_eq!(run(&mut ranking, 0, 10, &all), [9, 8, 7, 6].map(source));
    }

    #[test]
    fn slightly_louder_is_not_enough_and_clearly_louder_waits_for_the_place_to_be_old() {
        let mut ranking = Ranking::new();
        run(&mut ranking, 0, 10, &FOUR);
        assert!(
            run(&mut ranking, 10, 2_000, &with_fifth(-34.1)).contains(&source(4)),
            "5.9 dB is too little"
        );
        let mut ranking = Ranking::new();
        run(&mut ranking, 0, 10, &FOUR);
        assert!(!run(&mut ranking, 10, 500, &with_fifth(-34.0)).contains(&source(5)), "the place is young");
        let after = run(&mut ranking, 500, 510, &with_fifth(-34.0));
        assert_eq!(after, [1, 2, 3, 5].map(source));
    }

    #[test]
    fn a_pause_between_words_costs_no_place_but_silence_does() {
        let mut ranking = Ranking::new();
        run(&mut ranking, 0, 1_000, &[(1, -20.0)]);
        assert_eq!(run(&mut ranking, 1_000, 2_980, &[(1, -90.0)]), [source(1)]);
        assert_eq!(run(&mut ranking, 2_980, 3_000, &[(1, -90.0)]), []);
    }

    #[test]
    fn a_claim_opens_a_free_place_but_takes_nobodys() {
        let claim = StreamLevel { claims_audible: true, ..StreamLevel::silent(source(5)) };
        let mut ranking = Ranking::new();
        assert_eq!(ranking.update(Mono::ZERO, &[claim]), [source(5)]);
        let mut full: Vec<StreamLevel> = levels(&FOUR);
        let mut ranking = Ranking::new();
        ranking.update(Mono::ZERO, &full);
        full.push(claim);
        for ms in (10..1_900).step_by(10) {
            assert_eq!(ranking.update(Mono::from_millis(ms), &full).len(), MIXED_STREAMS_MAX);
            assert!(!ranking.mixed().contains(&source(5)));
        }
    }

    #[test]
    fn whoever_is_muted_or_gone_is_out_at_once() {
        let mut ranking = Ranking::new();
        run(&mut ranking, 0, 10, &FOUR);
        assert_eq!(run(&mut ranking, 10, 20, &FOUR[1..]), [2, 3, 4].map(source));
    }

    #[test]
    fn the_choice_does_not_depend_on_the_order_of_the_streams() {
        let forth: Vec<(u64, f32)> = (1..=8).map(|n| (n, -30.0)).collect();
        let back: Vec<(u64, f32)> = forth.iter().rev().copied().collect();
        let chosen = run(&mut Ranking::new(), 0, 10, &forth);
        assert_eq!(chosen, run(&mut Ranking::new(), 0, 10, &back));
        assert_eq!(chosen, [1, 2, 3, 4].map(source));
    }
}
