//! What happened: the event log, whose bytes two runs are compared by, and the same as values for tests to ask.

use super::client::Tile;
use mcu_core::conference::plan::{MeetingPlan, RateClass};
use mcu_core::id::{ParticipantId, RenditionId, SourceId, SourceKind};
use mcu_core::time::Mono;
use std::fmt::Write as _;

/// A picture that a client was shown.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it was complete.
    pub at: Mono,
    /// By whom.
    pub viewer: ParticipantId,
    /// On which of its lines.
    pub line: SourceKind,
    /// Its RTP timestamp.
    pub timestamp: u32,
    /// It starts anew.
    pub keyframe: bool,
    /// Pixels down.
    pub height: u16,
    /// What is in each tile of the layout that holds for it; `None` when the client knew of no layout.
    pub tiles: Option<Vec<Tile>>,
}

/// A picture that the node encoded.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// When.
    pub at: Mono,
    /// Of which encode.
    pub rendition: RenditionId,
    /// For which tick.
    pub tick: u64,
    /// It starts anew.
    pub keyframe: bool,
}

/// What a client heard in half a second.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The end of it.
    pub at: Mono,
    /// Who.
    pub listener: ParticipantId,
    /// Whose tones, and how far below a full-scale sine, in dB; only what is above -60 dB.
    pub sources: Vec<(SourceId, u8)>,
    /// Packets of sound that it was time for: those that came, and those that never did.
    pub packets: u32,
    /// Of them, those that did not come, or came after a playout delay of 100 ms was over.
    pub missing: u32,
    /// Runs of such.
    pub gaps: u32,
}

impl Heard {
    /// Whether `source` was clearly heard.
    pub fn has(&self, source: SourceId) -> bool {
        self.sources.iter().any(|(heard, level)| *heard == source && *level < 40)
    }
}

/// A plan that was adopted.
#[derive(Debug, Clone)]
pub struct Plan {
    /// When it was given out.
    pub at: Mono,
    /// The plan.
    pub plan: std::sync::Arc<MeetingPlan>,
}

/// A receiver moved to another class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassChange {
    /// When.
    pub at: Mono,
    /// Who.
    pub participant: ParticipantId,
    /// Where to.
    pub class: RateClass,
}

/// Everything that a run leaves behind; whoever takes it out as it goes on, keeps it short.
#[derive(Debug, Default)]
pub struct Record {
    /// One line per event, in their order.
    pub log: String,
    /// Pictures shown.
    pub seen: Vec<Seen>,
    /// Pictures encoded.
    pub sent: Vec<Sent>,
    /// Sound heard.
    pub heard: Vec<Heard>,
    /// Plans.
    pub plans: Vec<Plan>,
    /// Moves between classes.
    pub classes: Vec<ClassChange>,
    /// Units that a client could not decode.
    pub undecodable: u64,
}

impl Record {
    /// Writes a line.
    pub(super) fn note(&mut self, at: Mono, what: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.log, "{:>14} {what}", at.as_nanos());
    }

    pub(super) fn seen(&mut self, seen: Seen) {
        let Seen { at, viewer, line, timestamp, keyframe, height, .. } = seen;
        let key = if keyframe { " key" } else { "" };
        let mut tiles = String::new();
        for tile in seen.tiles.iter().flatten() {
            let _ = match tile.mark {
                Some(mark) => write!(tiles, " {}:{}", mark.source.participant, mark.number),
                None => write!(tiles, " -"),
            };
        }
        self.note(at, format_args!("{viewer} sees {line:?} {timestamp} {height}{key}{tiles}"));
        self.seen.push(seen);
    }

    pub(super) fn sent(&mut self, sent: Sent, bytes: usize) {
        let Sent { at, rendition, tick, keyframe } = sent;
        let key = if keyframe { " key" } else { "" };
        self.note(at, format_args!("{rendition} tick {tick} {bytes} bytes{key}"));
        self.sent.push(sent);
    }

    pub(super) fn heard(&mut self, heard: Heard) {
        let Heard { at, listener, .. } = heard;
        self.note(
            at,
            format_args!("{listener} hears {:?}, {} of {}", heard.sources, heard.missing, heard.packets),
        );
        self.heard.push(heard);
    }

    pub(super) fn plan(&mut self, plan: Plan) {
        let what = &*plan.plan;
        self.note(plan.at, format_args!("plan {what:?}"));
        self.plans.push(plan);
    }

    pub(super) fn class(&mut self, change: ClassChange) {
        self.note(change.at, format_args!("{} moves to {:?}", change.participant, change.class));
        self.classes.push(change);
    }
}
