//! The floor: who speaks, and who has the word.
//!
//! Flow: loudness reports -> **here** -> [`Conference`](super::Conference). Thread: control. Bound: one entry per
//! participant that was heard. Judges by measured level and by time alone, never by how often it is called.

use super::mixing::StreamLevel;
use crate::id::{ParticipantId, SourceKind};
use crate::time::Mono;
use std::collections::BTreeMap;
use std::time::Duration;

/// At this level somebody is taken to speak.
pub const VOICE_DBOV: f32 = -45.0;
/// Whoever speaks may fall this much below before that counts as silence.
const VOICE_HYSTERESIS_DB: f32 = 5.0;
/// Voice for this long is speech; less is a click.
const SPEECH_AFTER: Duration = Duration::from_millis(60);
/// Speech ends after this long without voice.
const SPEECH_KEPT: Duration = Duration::from_millis(600);
/// Somebody has to lead for this long to be given the word.
const WORD_AFTER: Duration = Duration::from_millis(400);
/// Whoever has the word keeps it for at least this long.
const WORD_KEPT_MIN: Duration = Duration::from_secs(2);
/// Who has the word is led only by somebody louder by this much, unless it has stopped speaking.
const WORD_LEAD_DB: f32 = 3.0;
/// Levels are compared smoothed over about this long, so that syllables do not decide.
const SMOOTHED_OVER_S: f32 = 0.2;
/// Reports further apart than this do not count as one stretch of voice.
const REPORT_GAP_MAX: Duration = Duration::from_millis(120);

/// What changed, in the order in which it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloorChange {
    /// Somebody began or stopped speaking.
    Speaking(ParticipantId, bool),
    /// Somebody, or nobody, has the word.
    Active(Option<ParticipantId>),
}

#[derive(Debug, Clone, Copy)]
struct Voice {
    smoothed_dbov: f32,
    heard: Mono,
    /// Since when there has been voice without a pause.
    since: Option<Mono>,
    /// When there was voice last.
    last: Mono,
    speaking: bool,
}

/// Who speaks, and who has the word.
#[derive(Debug, Clone, Default)]
pub struct Floor {
    voices: BTreeMap<ParticipantId, Voice>,
    active: Option<(ParticipantId, Mono)>,
    /// Who would be given the word, and since when.
    leader: Option<(ParticipantId, Mono)>,
}

impl Floor {
    /// Silence.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in measured levels of participants that may be heard; shared sound is not speech and is left out.
    pub fn update(&mut self, now: Mono, levels: &[StreamLevel]) -> Vec<FloorChange> {
        for level in levels.iter().filter(|l| l.source.kind == SourceKind::Main) {
            self.voices
                .entry(level.source.participant)
                .or_insert_with(|| Voice::new(now))
                .hear(now, level.dbov);
        }
        self.tick(now)
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Mono) -> Vec<FloorChange> {
        let mut changes = Vec::new();
        for (id, voice) in &mut self.voices {
            if let Some(speaking) = voice.judge(now) {
                changes.push(FloorChange::Speaking(*id, speaking));
            }
        }
        // Whoever fell silent is remembered no longer: its next word begins a new entry.
        self.voices.retain(|_, voice| voice.speaking || now.since(voice.heard) < SPEECH_KEPT);
        self.lead(now);
        if let Some((leader, _)) = self.leader.filter(|_| self.word_due().is_some_and(|due| due <= now)) {
            self.active = Some((leader, now));
            self.leader = None;
            changes.push(FloorChange::Active(Some(leader)));
        }
        changes
    }

    /// Somebody can be heard no more: muted, disconnected or gone.
    pub fn silence(&mut self, id: ParticipantId) -> Vec<FloorChange> {
        let mut changes = Vec::new();
        if self.voices.remove(&id).is_some_and(|voice| voice.speaking) {
            changes.push(FloorChange::Speaking(id, false));
        }
        self.leader = self.leader.filter(|(leader, _)| *leader != id);
        if self.active() == Some(id) {
            self.active = None;
            changes.push(FloorChange::Active(None));
        }
        changes
    }

    /// When something changes if nobody is heard until then.
    pub fn deadline(&self) -> Option<Mono> {
        let silences = self.voices.values().filter(|v| v.speaking).map(|v| v.last + SPEECH_KEPT);
        silences.chain(self.word_due()).min()
    }

    /// Whether this participant speaks.
    pub fn is_speaking(&self, id: ParticipantId) -> bool {
        self.voices.get(&id).is_some_and(|voice| voice.speaking)
    }

    /// Who has the word.
    pub fn active(&self) -> Option<ParticipantId> {
        self.active.map(|(id, _)| id)
    }

    fn word_due(&self) -> Option<Mono> {
        let (_, since) = self.leader?;
        let kept = self.active.map_or(Mono::ZERO, |(_, from)| from + WORD_KEPT_MIN);
        Some((since + WORD_AFTER).max(kept))
    }

    fn lead(&mut self, now: Mono) {
        let active = self.active();
        let holder = active.and_then(|id| self.voices.get(&id)).filter(|voice| voice.speaking);
        let bar_dbov = holder.map_or(f32::NEG_INFINITY, |voice| voice.smoothed_dbov + WORD_LEAD_DB);
        let speaking = self.voices.iter().filter(|(id, v)| v.speaking && Some(**id) != active);
        let leader = speaking
            .filter(|(_, voice)| voice.smoothed_dbov >= bar_dbov)
            // Of two equally loud, the lower id.
            .reduce(|one, other| if other.1.smoothed_dbov > one.1.smoothed_dbov { other } else { one })
            .map(|(id, _)| *id);
        self.leader = leader.map(|id| match self.leader {
            Some((before, since)) if before == id => (id, since),
            _ => (id, now),
        });
    }
}

impl Voice {
    fn new(now: Mono) -> Self {
        Self { smoothed_dbov: VOICE_DBOV, heard: now, since: None, last: Mono::ZERO, speaking: false }
    }

    fn hear(&mut self, now: Mono, dbov: f32) {
        // A level is measured by us, but a broken measurement must not poison the smoothing for ever.
        let dbov = if dbov.is_finite() { dbov.clamp(-127.0, 0.0) } else { -127.0 };
        let gap = now.since(self.heard);
        let dt_s = gap.as_secs_f32();
        self.smoothed_dbov += (dbov - self.smoothed_dbov) * (dt_s / (dt_s + SMOOTHED_OVER_S));
        self.heard = now;
        let bar_dbov = if self.speaking { VOICE_DBOV - VOICE_HYSTERESIS_DB } else { VOICE_DBOV };
        if dbov < bar_dbov {
            self.since = None;
            return;
        }
        self.last = now;
        self.since = Some(self.since.filter(|_| gap <= REPORT_GAP_MAX).unwrap_or(now));
    }

    /// What changed about speaking, if anything.
    fn judge(&mut self, now: Mono) -> Option<bool> {
        // Only reports make a stretch of voice longer; time alone does not.
        let long_enough = self.since.is_some_and(|since| self.last.since(since) >= SPEECH_AFTER);
        if !self.speaking && long_enough {
            self.speaking = true;
            Some(true)
        } else if self.speaking && now >= self.last + SPEECH_KEPT {
            self.speaking = false;
            self.since = None;
            Some(false)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SourceId;

    const A: ParticipantId = ParticipantId(1);
    const B: ParticipantId = ParticipantId(2);

    /// Reports every 20 ms in `from_ms..to_ms`; what changed, with the time in ms.
    fn hear(
        floor: &mut Floor,
        from_ms: u64,
        to_ms: u64,
        dbov: &[(ParticipantId, f32)],
    ) -> Vec<(u64, FloorChange)> {
        let levels: Vec<_> =
            dbov.iter().map(|(id, dbov)| StreamLevel::measured(SourceId::main(*id), *dbov)).collect();
        let reports = (from_ms..to_ms).step_by(20);
        let changes = reports.flat_map(|ms| {
            floor.update(Mono::from_millis(ms), &levels).into_iter().map(move |change| (ms, change))
        });
        changes.collect()
    }

    #[test]
    fn speech_begins_after_60_ms_and_ends_600_ms_after_the_last_voice() {
        let mut floor = Floor::new();
        let changes = hear(&mut floor, 0, 200, &[(A, -30.0)]);
        assert_eq!(changes, [(60, FloorChange::Speaking(A, true))]);
        assert_eq!(floor.tick(Mono::from_millis(779)), [FloorChange::Active(Some(A))]);
        assert_eq!(floor.deadline(), Some(Mono::from_millis(780)));
        assert_eq!(floor.tick(Mono::from_millis(780)), [FloorChange::Speaking(A, false)]);
        assert_eq!(floor.deadline(), None);
    }

    #[test]
    fn a_click_is_no_speech() {
        let mut floor = Floor::new();
        assert_eq!(hear(&mut floor, 0, 50, &[(A, -10.0)]), []);
        assert_eq!(hear(&mut floor, 60, 5_000, &[(A, -90.0)]), []);
        assert!(!hear(&mut floor, 5_000, 5_100, &[(A, -10.0)]).is_empty(), "but a little longer is");
    }

    #[test]
    fn the_word_is_given_after_400_ms_of_leading() {
        let mut floor = Floor::new();
        let changes = hear(&mut floor, 0, 1_000, &[(A, -30.0)]);
        assert_eq!(changes, [(60, FloorChange::Speaking(A, true)), (460, FloorChange::Active(Some(A)))]);
    }

    #[test]
    fn the_word_is_kept_for_two_seconds_and_then_goes_to_who_is_clearly_louder() {
        let mut floor = Floor::new();
        hear(&mut floor, 0, 500, &[(A, -30.0)]);
        let changes = hear(&mut floor, 500, 4_000, &[(A, -30.0), (B, -20.0)]);
        assert_eq!(changes, [(560, FloorChange::Speaking(B, true)), (2_460, FloorChange::Active(Some(B)))]);
        let equal = hear(&mut floor, 4_000, 20_000, &[(A, -19.0), (B, -20.0)]);
        assert_eq!(equal, [], "one decibel takes nobody's word");
    }

    #[test]
    fn a_pause_keeps_the_word_until_somebody_else_speaks() {
        let mut floor = Floor::new();
        hear(&mut floor, 0, 500, &[(A, -30.0)]);
        floor.tick(Mono::from_millis(60_000));
        assert_eq!((floor.active(), floor.is_speaking(A)), (Some(A), false));
        let changes = hear(&mut floor, 60_000, 61_000, &[(B, -44.0)]);
        assert_eq!(
            changes,
            [(60_060, FloorChange::Speaking(B, true)), (60_460, FloorChange::Active(Some(B)))]
        );
    }

    #[test]
    fn whoever_is_muted_loses_word_and_lead_at_once() {
        let mut floor = Floor::new();
        hear(&mut floor, 0, 500, &[(A, -30.0)]);
        assert_eq!(floor.silence(A), [FloorChange::Speaking(A, false), FloorChange::Active(None)]);
        hear(&mut floor, 1_000, 1_200, &[(B, -30.0)]);
        floor.silence(B);
        assert_eq!(floor.tick(Mono::from_millis(9_000)), []);
    }

    #[test]
    fn shared_sound_is_no_speech() {
        let film = StreamLevel::measured(SourceId::content(A), -10.0);
        let mut floor = Floor::new();
        for ms in (0..3_000).step_by(20) {
            assert_eq!(floor.update(Mono::from_millis(ms), &[film]), []);
        }
    }
}
