//! Who has a place in the picture: seats that keep their order, so that nobody moves unless it must.
//!
//! Flow: [`Conference`](super::Conference) tells who comes, goes and speaks -> **here** -> [`picture`](super::picture).
//! Thread: control. Bound: `limits::TILES_MAX` seats. Knows neither pictures nor rectangles.

use super::layout::SMALL_MAX;
use crate::id::ParticipantId;
use crate::limits::TILES_MAX;
use std::collections::BTreeMap;

/// The seats of every kind of picture.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    /// Everybody who can be seen; the number grows with each time it was given the word, zero before the first.
    people: BTreeMap<ParticipantId, u64>,
    turns: u64,
    gallery: Seats,
    speaker: Seats,
    runner_up: Seats,
    beside: Seats,
}

/// A row of seats.
#[derive(Debug, Clone)]
struct Seats {
    taken: Vec<ParticipantId>,
    seats_max: usize,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            people: BTreeMap::new(),
            turns: 0,
            gallery: Seats::new(TILES_MAX),
            speaker: Seats::new(1 + SMALL_MAX),
            runner_up: Seats::new(1 + SMALL_MAX),
            beside: Seats::new(SMALL_MAX),
        }
    }

    /// Somebody can be seen from now on.
    pub(super) fn come(&mut self, id: ParticipantId) {
        self.people.entry(id).or_insert(0);
        self.settle();
    }

    /// Somebody is gone for good.
    pub(super) fn leave(&mut self, id: ParticipantId) {
        self.people.remove(&id);
        for seats in [&mut self.gallery, &mut self.speaker, &mut self.runner_up, &mut self.beside] {
            seats.leave(id);
        }
        self.settle();
    }

    /// Somebody was given the word.
    pub(super) fn speak(&mut self, id: ParticipantId) {
        let Some(turn) = self.people.get_mut(&id) else { return };
        self.turns += 1;
        *turn = self.turns;
        let people = &self.people;
        for seats in [&mut self.gallery, &mut self.beside] {
            seats.seat(id, people);
        }
        self.settle();
    }

    /// Somebody's word is forgotten: its path is down, so it is not shown large. It keeps its seat.
    pub(super) fn fall_silent(&mut self, id: ParticipantId) {
        if let Some(turn) = self.people.get_mut(&id) {
            *turn = 0;
        }
        self.settle();
    }

    /// Two people exchange their seats in the gallery; nothing happens unless both have one.
    pub(super) fn swap(&mut self, one: ParticipantId, other: ParticipantId) {
        self.gallery.swap(one, other);
    }

    /// How many can be seen.
    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether anybody here was given the word.
    pub(super) fn has_spoken(&self) -> bool {
        self.people.values().any(|turn| *turn > 0)
    }

    /// The grid, in order.
    pub(super) fn gallery(&self) -> &[ParticipantId] {
        &self.gallery.taken
    }

    /// One large, the first, for everybody but that one.
    pub(super) fn speaker(&self) -> &[ParticipantId] {
        &self.speaker.taken
    }

    /// One large, for whoever is large in [`Self::speaker`]: never that one, but who had the word before.
    pub(super) fn runner_up(&self) -> &[ParticipantId] {
        &self.runner_up.taken
    }

    /// The small ones beside content.
    pub(super) fn beside(&self) -> &[ParticipantId] {
        &self.beside.taken
    }

    /// Fills free seats and puts the right ones large.
    fn settle(&mut self) {
        let people = &self.people;
        for seats in [&mut self.gallery, &mut self.speaker, &mut self.runner_up, &mut self.beside] {
            seats.fill(people);
        }
        let latest = |not: Option<ParticipantId>| {
            let spoken = people.iter().filter(|(id, turn)| **turn > 0 && Some(**id) != not);
            spoken.max_by_key(|(_, turn)| **turn).map(|(id, _)| *id)
        };
        let Some(large) = latest(None).or_else(|| self.speaker.taken.first().copied()) else { return };
        self.speaker.feature(large, people);
        let others = self.runner_up.taken.iter().copied().find(|id| *id != large);
        if let Some(second) = latest(Some(large)).or(others) {
            self.runner_up.feature(second, people);
        }
    }
}

impl Seats {
    const fn new(seats_max: usize) -> Self {
        Self { taken: Vec::new(), seats_max }
    }

    /// Gives free seats to whoever has none: the latest speakers first, then in the order of joining.
    fn fill(&mut self, people: &BTreeMap<ParticipantId, u64>) {
        while self.taken.len() < self.seats_max.min(people.len()) {
            let waiting = people.iter().filter(|(id, _)| !self.taken.contains(id));
            // `max_by_key` takes the last of equals; reversed, that is the first to have joined.
            let Some((next, _)) = waiting.rev().max_by_key(|(_, turn)| **turn) else { return };
            self.taken.push(*next);
        }
    }

    /// The last takes the empty seat, so that one moves instead of all.
    fn leave(&mut self, id: ParticipantId) {
        if let Some(at) = self.place(id) {
            self.taken.swap_remove(at);
        }
    }

    /// Gives `id` a seat: its own, a free one, or that of who was longest without the word.
    fn seat(&mut self, id: ParticipantId, people: &BTreeMap<ParticipantId, u64>) {
        if self.place(id).is_some() {
            return;
        }
        if self.taken.len() < self.seats_max {
            self.taken.push(id);
            return;
        }
        // Of several who never had it, the one in the last seat.
        let oldest = (0..self.taken.len()).rev().min_by_key(|at| people.get(&self.taken[*at]).copied());
        if let Some(at) = oldest {
            self.taken[at] = id;
        }
    }

    /// Puts `id` first; who was first takes its seat.
    fn feature(&mut self, id: ParticipantId, people: &BTreeMap<ParticipantId, u64>) {
        self.seat(id, people);
        if let Some(at) = self.place(id) {
            self.taken.swap(0, at);
        }
    }

    fn swap(&mut self, one: ParticipantId, other: ParticipantId) {
        if let (Some(one), Some(other)) = (self.place(one), self.place(other)) {
            self.taken.swap(one, other);
        }
    }

    fn place(&self, id: ParticipantId) -> Option<usize> {
        self.taken.iter().position(|taken| *taken == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: &[u64]) -> Vec<ParticipantId> {
        numbers.iter().copied().map(ParticipantId).collect()
    }

    fn stage_of(count: u64) -> Stage {
        let mut stage = Stage::new();
        (1..=count).for_each(|n| stage.come(ParticipantId(n)));
        stage
    }

    #[test]
    fn a_seat_that_falls_free_is_taken_by_the_last() {
        let mut stage = stage_of(4);
        stage.leave(ParticipantId(2));
        assert_eq!(stage.gallery(), ids(&[1, 4, 3]));
        stage.come(ParticipantId(5));
        assert_eq!(stage.gallery(), ids(&[1, 4, 3, 5]));
    }

    #[test]
    fn two_exchange_seats_and_back() {
        let mut stage = stage_of(3);
        stage.swap(ParticipantId(1), ParticipantId(3));
        assert_eq!(stage.gallery(), ids(&[3, 2, 1]));
        stage.swap(ParticipantId(1), ParticipantId(9));
        assert_eq!(stage.gallery(), ids(&[3, 2, 1]));
    }

    #[test]
    fn a_speaker_without_a_seat_takes_that_of_the_one_longest_without_the_word() {
        let mut stage = stage_of(27);
        (1..=25).filter(|n| *n != 7).for_each(|n| stage.speak(ParticipantId(n)));
        let before = stage.gallery().to_vec();
        stage.speak(ParticipantId(26));
        let moved: Vec<_> = (0..25).filter(|at| stage.gallery()[*at] != before[*at]).collect();
        assert_eq!((moved, stage.gallery()[6]), (vec![6], ParticipantId(26)));
        stage.speak(ParticipantId(3));
        assert_eq!(stage.gallery()[2], ParticipantId(3), "who sits does not move");
    }

    #[test]
    fn who_leaves_a_full_house_is_followed_by_the_latest_speaker_outside() {
        let mut stage = stage_of(25);
        stage.come(ParticipantId(26));
        stage.come(ParticipantId(27));
        stage.leave(ParticipantId(25));
        assert!(
            stage.gallery().contains(&ParticipantId(26)) && !stage.gallery().contains(&ParticipantId(27))
        );
    }

    #[test]
    fn the_large_ones_are_who_has_the_word_and_who_had_it_before() {
        let mut stage = stage_of(3);
        assert_eq!((stage.speaker(), stage.runner_up()), (&ids(&[1, 2, 3])[..], &ids(&[2, 1, 3])[..]));
        stage.speak(ParticipantId(3));
        assert_eq!((stage.speaker()[0], stage.runner_up()[0]), (ParticipantId(3), ParticipantId(2)));
        stage.speak(ParticipantId(1));
        assert_eq!((stage.speaker()[0], stage.runner_up()[0]), (ParticipantId(1), ParticipantId(3)));
        stage.leave(ParticipantId(1));
        assert_eq!(stage.speaker()[0], ParticipantId(3));
        assert_ne!(stage.runner_up()[0], ParticipantId(3));
    }

    #[test]
    fn speakers_exchange_seats_and_everybody_else_stays() {
        let mut stage = stage_of(5);
        stage.speak(ParticipantId(1));
        assert_eq!(stage.speaker(), ids(&[1, 2, 3, 4, 5]));
        stage.speak(ParticipantId(4));
        assert_eq!(stage.speaker(), ids(&[4, 2, 3, 1, 5]));
    }
}
