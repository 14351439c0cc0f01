//! Who sees which scene, and what is on it.
//!
//! Flow: roster, seats, floor -> **here** -> scenes of the plan, `layout` events. Thread: control. Bound: as many
//! scenes as there are people who are seen, see, and cannot overlay; else a handful. Keeps nothing.

use super::Settings;
use super::card::Card;
use super::event::{LayoutEvent, LayoutTile};
use super::floor::Floor;
use super::layout;
use super::plan::{Fit, Rect, Scene, Tile};
use super::roster::{LayoutChoice, Participant, Roster};
use super::seats::Stage;
use crate::id::{ParticipantId, SourceId, SourceKind};
use crate::media::frame::Size;
use std::sync::Arc;

/// Up to this many people, a grid shows everybody large enough.
const AUTO_GRID_MAX: usize = 4;

/// What makes a scene the same scene from plan to plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SceneKey {
    /// Everybody the same size, but for one.
    Gallery { without: Option<ParticipantId> },
    /// One large: who has the word or, for that one, who had it before.
    Speaker { runner_up: bool, without: Option<ParticipantId> },
    /// Content large and people beside, for whoever takes one picture only or wishes for it.
    Presentation { without: Option<ParticipantId> },
    /// Content alone.
    Content,
    /// Words alone, the same for everybody.
    Card,
}

/// Everything that decides what is seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture<'a> {
    pub(super) settings: &'a Settings,
    pub(super) roster: &'a Roster,
    pub(super) stage: &'a Stage,
    pub(super) floor: &'a Floor,
    /// Whose content there is to see.
    pub(super) content: Option<ParticipantId>,
    /// What stands for every main picture.
    pub(super) card: Option<&'a Arc<Card>>,
}

impl Picture<'_> {
    /// The scene of `viewer`'s main line.
    pub(super) fn main_scene(&self, viewer: &Participant) -> SceneKey {
        if self.card.is_some() {
            return SceneKey::Card;
        }
        let own = |seats: &[ParticipantId]| self.must_not_see_itself(viewer, seats).then_some(viewer.id);
        if viewer.content_is_in_mix() && self.content.is_some_and(|holder| holder != viewer.id) {
            return SceneKey::Presentation { without: own(self.stage.beside()) };
        }
        if !self.shows_one_large(viewer.layout) {
            return SceneKey::Gallery { without: own(self.stage.gallery()) };
        }
        let runner_up = self.stage.speaker().first() == Some(&viewer.id);
        SceneKey::Speaker { runner_up, without: own(self.speaker_seats(runner_up)) }
    }

    /// Whether there is content for `viewer` to see.
    pub(super) fn content_for(&self, viewer: ParticipantId) -> bool {
        self.content.is_some_and(|holder| holder != viewer || self.settings.echo)
    }

    /// The pixels of a scene.
    pub(super) const fn canvas(&self, key: SceneKey) -> Size {
        match key {
            SceneKey::Content => self.settings.content_canvas,
            _ => self.settings.canvas,
        }
    }

    /// What is on a scene, back to front.
    pub(super) fn tiles(&self, key: SceneKey) -> Arc<[Tile]> {
        let canvas = self.canvas(key);
        let people = |seats: &[ParticipantId], without: Option<ParticipantId>| -> Vec<SourceId> {
            seats.iter().copied().filter(|id| Some(*id) != without).map(SourceId::main).collect()
        };
        match key {
            SceneKey::Gallery { without } => {
                let sources = people(self.stage.gallery(), without);
                self.place(&sources, &layout::grid(canvas, sources.len()))
            }
            SceneKey::Speaker { runner_up, without } => {
                let sources = people(self.speaker_seats(runner_up), without);
                self.place(&sources, &layout::speaker(canvas, sources.len().saturating_sub(1)))
            }
            SceneKey::Presentation { without } => {
                let content = self.content.map(SourceId::content);
                let sources: Vec<_> =
                    content.into_iter().chain(people(self.stage.beside(), without)).collect();
                self.place(&sources, &layout::speaker(canvas, sources.len().saturating_sub(1)))
            }
            SceneKey::Content => {
                let content: Vec<_> = self.content.map(SourceId::content).into_iter().collect();
                self.place(&content, &[layout::full(canvas)])
            }
            SceneKey::Card => Arc::default(),
        }
    }

    /// The card of a scene, if it is one.
    pub(super) fn card_on(&self, key: SceneKey) -> Option<Arc<Card>> {
        self.card.filter(|_| key == SceneKey::Card).cloned()
    }

    fn speaker_seats(&self, runner_up: bool) -> &[ParticipantId] {
        if runner_up { self.stage.runner_up() } else { self.stage.speaker() }
    }

    fn shows_one_large(&self, choice: LayoutChoice) -> bool {
        let people = self.stage.len();
        match choice {
            LayoutChoice::Grid => false,
            LayoutChoice::Speaker => people >= 2,
            LayoutChoice::Auto => people > AUTO_GRID_MAX && self.stage.has_spoken(),
        }
    }

    /// Whoever sends a picture and cannot paint its own over it gets a picture without itself. Without a camera
    /// its initials harm nobody, and it shares the picture of all.
    fn must_not_see_itself(&self, viewer: &Participant, seats: &[ParticipantId]) -> bool {
        viewer.camera && !viewer.overlay && !self.settings.echo && seats.contains(&viewer.id)
    }

    fn place(&self, sources: &[SourceId], rects: &[Rect]) -> Arc<[Tile]> {
        let shown = sources.iter().zip(rects);
        shown.filter_map(|(source, rect)| self.tile(*source, *rect)).collect()
    }

    fn tile(&self, source: SourceId, rect: Rect) -> Option<Tile> {
        let participant = self.roster.get(source.participant)?;
        let person = source.kind == SourceKind::Main;
        Some(Tile {
            source,
            rect,
            fit: if person { Fit::Cover } else { Fit::Contain },
            video: participant.has_picture(source.kind),
            name: participant.name.shared(),
            speaking: person && self.floor.is_speaking(source.participant),
            muted: person && participant.muted,
            in_the_clear: person && participant.secured == Some(false),
        })
    }
}

/// What `viewer` is told about a scene on one of its lines.
pub(super) fn layout_event(
    viewer: &Participant,
    line: SourceKind,
    scene: &Scene,
    rtp_timestamp: u32,
) -> LayoutEvent {
    let tile = |tile: &Tile| LayoutTile {
        participant_id: tile.source.participant,
        kind: tile.source.kind,
        x: tile.rect.x,
        y: tile.rect.y,
        width: tile.rect.width,
        height: tile.rect.height,
        own: tile.source.participant == viewer.id,
        video: tile.video,
    };
    LayoutEvent {
        line,
        canvas: scene.canvas,
        rtp_timestamp,
        tiles: scene.tiles.iter().map(tile).collect(),
        layout: viewer.layout,
    }
}
