//! What a synthetic picture shows: one colour all over, which says whose picture it is and which one.
//!
//! A plain colour survives scaling, cropping and composing bit by bit, so that the middle of a tile says what is in it.

use mcu_core::id::{ParticipantId, SourceId, SourceKind};

/// Participants that can be told apart: 1 to this.
pub(super) const PARTICIPANTS_MAX: u64 = 100;
/// Whose picture, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark {
    /// Whose.
    pub source: SourceId,
    /// Which, modulo 128.
    pub number: u8,
}

impl Mark {
    /// Pictures of one source that can be told apart.
    pub(super) const NUMBERS: u8 = 128;

    /// Picture `number` of `source`.
    pub(super) fn new(source: SourceId, number: u32) -> Self {
        Self { source, number: (number % u32::from(Self::NUMBERS)) as u8 }
    }

    /// The colour that says so.
    pub(super) fn colour(self) -> [u8; 3] {
        let kind = u8::from(self.source.kind == SourceKind::Content);
        let y = 20 + 2 * (self.source.participant.0.clamp(1, PARTICIPANTS_MAX) as u8 - 1) + kind;
        let u = 60 + self.number;
        [y, u, check(y, u)]
    }

    /// What a colour says; nothing unless it is certain.
    pub(super) fn read([y, u, v]: [u8; 3]) -> Option<Self> {
        let code = y.checked_sub(20)?;
        let number = u.checked_sub(60).filter(|number| *number < Self::NUMBERS)?;
        let known = u64::from(code) < 2 * PARTICIPANTS_MAX && v == check(y, u);
        let kind = if code % 2 == 0 { SourceKind::Main } else { SourceKind::Content };
        let participant = ParticipantId(u64::from(code / 2) + 1);
        known.then_some(Self { source: SourceId { participant, kind }, number })
    }
}

const fn check(y: u8, u: u8) -> u8 {
    (20 + (y as u32 * 7 + u as u32 * 13 + ((y as u32 * u as u32) >> 3)) % 200) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_reads_back_and_few_other_colours_do() {
        for participant in 1..=PARTICIPANTS_MAX {
            for source in [ParticipantId(participant)]
                .map(SourceId::content)
                .into_iter()
                .chain([SourceId::main(ParticipantId(participant))])
            {
                for number in 0..u32::from(Mark::NUMBERS) {
                    let mark = Mark::new(source, number);
                    assert_eq!(Mark::read(mark.colour()), Some(mark));
                }
            }
        }
        let [y, u, v] = Mark::new(SourceId::main(ParticipantId(3)), 5).colour();
        assert_eq!(Mark::read([y, u, v ^ 1]), None);
        assert_eq!(Mark::read([y + 1, u, v]), None);
    }
}
