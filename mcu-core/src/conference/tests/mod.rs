//! Whole conferences in virtual time: the driver that checks every plan and layout by itself, and a file for each subject.

mod asked;
mod host;
mod keys;
mod people;
mod pictures;
mod rules;
mod waiting;

use super::event::{ClosingReason, LayoutEvent, MutedBy, VideoRequest};
use super::input::{Joining, Line, Loudness, Medium, Receives, StateChange};
use super::mixing::StreamLevel;
use super::plan::{MeetingPlan, RateClass, Scene, View};
use super::roster::{DisplayName, LayoutChoice, Role, Via};
use super::*;
use crate::media::codec::AudioCodec;
use crate::media::picture_limits::PictureLimits;
use crate::time::{ClockRate, MediaTime};
use std::collections::BTreeMap;
use std::sync::Arc;

fn p(n: u64) -> ParticipantId {
    ParticipantId(n)
}

/// A timestamp offset of its own for each line, close to the wrap for some.
fn line(id: ParticipantId, kind: SourceKind, codec: VideoCodec) -> Line {
    let kind = u32::from(kind == SourceKind::Content);
    let rtp_offset = 0_u32.wrapping_sub(1_000).wrapping_add(id.0 as u32 * 77_777_777 + kind);
    Line { codec, limits: PictureLimits::expected_of(codec), rtp_offset }
}

fn receives(id: ParticipantId, content: bool) -> Receives {
    Receives {
        main: Some(line(id, SourceKind::Main, VideoCodec::Vp8)),
        content: content.then(|| line(id, SourceKind::Content, VideoCodec::Vp8)),
        sound: Some(AudioCodec::Opus),
    }
}

/// A conference, its driver, and everything that it did.
struct Meeting {
    conference: Conference,
    now: Mono,
    log: Vec<(Mono, Effect)>,
    offsets: BTreeMap<(ParticipantId, SourceKind), u32>,
    told: BTreeMap<(ParticipantId, SourceKind), LayoutEvent>,
}

impl Meeting {
    fn new() -> Self {
        Self::with(Settings::new("room", "Room"))
    }

    fn with(settings: Settings) -> Self {
        Self {
            conference: Conference::new(ConferenceId(3), settings, Mono::ZERO),
            now: Mono::ZERO,
            log: Vec::new(),
            offsets: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// `count` browsers, connected, their cameras flowing.
    fn of_browsers(count: u64, overlay: bool) -> Self {
        let mut meeting = Self::new();
        (1..=count).for_each(|n| meeting.enter(p(n), Via::Browser, overlay, true));
        meeting.run_for(1_000);
        meeting
    }

    fn enter(&mut self, id: ParticipantId, via: Via, overlay: bool, content_line: bool) {
        self.join(id, via, overlay).expect("there is room");
        let lines = if via.receives() { receives(id, content_line) } else { Receives::default() };
        self.connect(id, lines, true).expect("it has joined");
        if via.sends() {
            self.flow(id, SourceKind::Main, true);
        }
    }

    fn connect(
        &mut self,
        participant: ParticipantId,
        receives: Receives,
        secured: bool,
    ) -> Result<(), Refusal> {
        self.give(Input::Connected { participant, receives, secured })
    }

    fn join(&mut self, participant: ParticipantId, via: Via, overlay: bool) -> Result<(), Refusal> {
        self.join_as(Role::Guest, participant, via, overlay)
    }

    fn join_as(
        &mut self,
        role: Role,
        participant: ParticipantId,
        via: Via,
        overlay: bool,
    ) -> Result<(), Refusal> {
        let name = DisplayName::parse(&format!("Person {participant}")).expect("a fair name");
        let invited = false;
        self.give(Input::Join(Joining {
            participant,
            name,
            role,
            via,
            overlay,
            invited,
            joined_at_unix_s: 0,
        }))
    }

    fn flow(&mut self, participant: ParticipantId, kind: SourceKind, live: bool) {
        let source = SourceId { participant, kind };
        self.give(Input::SourceLive { source, medium: Medium::Video, live }).expect("it is here");
    }

    fn state(&mut self, participant: ParticipantId, change: StateChange) -> Result<(), Refusal> {
        self.give(Input::State { participant, change })
    }

    fn choose(&mut self, participant: ParticipantId, layout: LayoutChoice) {
        self.state(participant, StateChange { layout: Some(layout), ..StateChange::default() })
            .expect("here");
    }

    fn share(&mut self, participant: ParticipantId, sharing: bool) -> Result<(), Refusal> {
        self.state(participant, StateChange { sharing: Some(sharing), ..StateChange::default() })
    }

    /// Speaks alone for `ms`, reported every 20 ms.
    fn speak(&mut self, id: ParticipantId, ms: u64) {
        let report = Loudness::of(&[StreamLevel::measured(SourceId::main(id), -25.0)]);
        for _ in 0..ms / 20 {
            self.give(Input::Loudness(report)).expect("a report is never refused");
            self.run_for(20);
        }
    }

    fn give(&mut self, input: Input) -> Result<(), Refusal> {
        if let Input::Connected { participant, receives, .. } = &input {
            for (kind, on) in [(SourceKind::Main, receives.main), (SourceKind::Content, receives.content)] {
                self.told.remove(&(*participant, kind));
                self.offsets.remove(&(*participant, kind));
                on.map(|on| self.offsets.insert((*participant, kind), on.rtp_offset));
            }
        }
        let result = self.conference.handle(self.now, input);
        self.drain();
        result
    }

    /// Lets `ms` pass, ticking at every deadline.
    fn run_for(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.conference.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.give(Input::Tick).expect("a tick is never refused");
            let next = self.conference.deadline();
            assert!(next.is_none_or(|next| next > self.now), "{next:?} at {:?}: time stands still", self.now);
        }
        self.now = end;
    }

    /// Takes the effects, and checks every rule that a plan has to keep.
    fn drain(&mut self) {
        let mut layouts = Vec::new();
        while let Some(effect) = self.conference.poll_effect() {
            match &effect {
                Effect::Event { to: To::One(id), event: Event::Layout(layout) } => {
                    layouts.push((*id, layout.clone()));
                    self.told.insert((*id, layout.line), layout.clone());
                }
                Effect::Plan(plan) => {
                    self.check_layouts(plan, &std::mem::take(&mut layouts));
                    self.check_plan(plan);
                }
                _ => {}
            }
            self.log.push((self.now, effect));
        }
        assert_eq!(layouts, [], "a layout without a plan that shows it");
    }

    /// Layouts come before their first frame, and their timestamp is that frame's.
    fn check_layouts(&self, plan: &MeetingPlan, layouts: &[(ParticipantId, LayoutEvent)]) {
        let first = self.conference.settings().interval.at(plan.from_tick);
        assert!(first.to_mono() >= self.now + PLAN_AHEAD, "the plan begins too early");
        assert!(first.to_mono() < self.now + PLAN_AHEAD + Duration::from_millis(34), "or too late");
        for (id, layout) in layouts {
            let offset = self.offsets[&(*id, layout.line)];
            assert_eq!(layout.rtp_timestamp, first.to_rtp(ClockRate::VIDEO).wrapping_add(offset));
        }
        let last = self.plans().next_back();
        assert_eq!(plan.version, last.map_or(1, |last| last.version + 1));
        assert!(last.is_none_or(|last| last.from_tick < plan.from_tick || plan.views.is_empty()));
    }

    fn check_plan(&self, plan: &MeetingPlan) {
        let mut on_stage = std::collections::BTreeSet::new();
        for scene in &plan.scenes {
            self.check_scene(scene);
            assert!(plan.renditions.iter().any(|r| r.scene == scene.id), "a scene that nobody sees");
            on_stage.extend(scene.tiles.iter().filter(|tile| tile.video).map(|tile| tile.source));
        }
        assert_eq!(plan.on_stage, on_stage);
        for rendition in &plan.renditions {
            assert!(plan.views.iter().any(|view| view.rendition == rendition.id), "an encode for nobody");
            assert!(rendition.size.width % 2 == 0 && rendition.size.height % 2 == 0);
            let same = |other: &&super::plan::Rendition| {
                (other.scene, other.codec, other.class) == (rendition.scene, rendition.codec, rendition.class)
            };
            assert_eq!(plan.renditions.iter().filter(same).count(), 1, "two encodes of the same");
        }
        for view in &plan.views {
            self.check_view(plan, view);
        }
    }

    fn check_scene(&self, scene: &Scene) {
        for (n, tile) in scene.tiles.iter().enumerate() {
            let here = self.conference.participant(tile.source.participant).expect("who is shown is here");
            assert_eq!(tile.video, here.has_picture(tile.source.kind));
            let r = tile.rect;
            assert!([r.x, r.y, r.width, r.height].iter().all(|edge| edge % 2 == 0));
            assert!(r.x + r.width <= scene.canvas.width && r.y + r.height <= scene.canvas.height);
            let apart = |o: &super::plan::Tile| {
                o.rect.x >= r.x + r.width
                    || o.rect.x + o.rect.width <= r.x
                    || o.rect.y >= r.y + r.height
                    || o.rect.y + o.rect.height <= r.y
            };
            assert!(scene.tiles[n + 1..].iter().all(apart), "tiles overlap");
            assert!(scene.tiles[n + 1..].iter().all(|other| other.source != tile.source), "shown twice");
        }
    }

    fn check_view(&self, plan: &MeetingPlan, view: &View) {
        let viewer = self.conference.participant(view.participant).expect("who sees is here");
        assert!(viewer.is_connected(), "who sees has a path");
        let scene = scene_of(plan, view.participant, view.line).expect("its rendition and scene exist");
        if !viewer.overlay && viewer.camera && view.line == SourceKind::Main {
            assert!(scene.tiles.iter().all(|t| t.source != SourceId::main(viewer.id)), "it sees itself");
        }
        assert!(scene.tiles.iter().all(|t| t.source != SourceId::content(viewer.id)), "its own content");
        let told = self.told.get(&(view.participant, view.line)).expect("it was told what it sees");
        let tiles: Vec<_> = scene.tiles.iter().map(|t| (t.source, t.rect, t.video)).collect();
        let told: Vec<_> = told.tiles.iter().map(|t| (source_of(t), rect_of(t), t.video)).collect();
        assert_eq!(told, tiles, "what it was told is what it sees");
    }

    fn plans(&self) -> impl DoubleEndedIterator<Item = &Arc<MeetingPlan>> {
        self.log.iter().filter_map(|(_, effect)| match effect {
            Effect::Plan(plan) => Some(plan),
            _ => None,
        })
    }

    fn plan(&self) -> &MeetingPlan {
        self.plans().next_back().expect("there is a plan")
    }

    /// What `id` was told since `from`, with when.
    fn heard(&self, id: ParticipantId, from: Mono) -> Vec<(Mono, &Event)> {
        let events = self.log.iter().filter_map(|(at, effect)| match effect {
            Effect::Event { to, event } if to.includes(id) && *at >= from => Some((*at, event)),
            _ => None,
        });
        events.collect()
    }

    fn layouts(&self, id: ParticipantId, from: Mono) -> usize {
        self.heard(id, from).iter().filter(|(_, event)| matches!(event, Event::Layout(_))).count()
    }

    fn sees(&self, id: ParticipantId) -> Vec<u64> {
        let scene = scene_of(self.plan(), id, SourceKind::Main).expect("it sees");
        scene.tiles.iter().map(|tile| tile.source.participant.0).collect()
    }
}

fn source_of(tile: &super::event::LayoutTile) -> SourceId {
    SourceId { participant: tile.participant_id, kind: tile.kind }
}

fn rect_of(tile: &super::event::LayoutTile) -> super::plan::Rect {
    super::plan::Rect { x: tile.x, y: tile.y, width: tile.width, height: tile.height }
}

fn scene_of(plan: &MeetingPlan, id: ParticipantId, line: SourceKind) -> Option<&Scene> {
    let view = plan.views.iter().find(|view| (view.participant, view.line) == (id, line))?;
    let rendition = plan.renditions.iter().find(|rendition| rendition.id == view.rendition)?;
    plan.scenes.iter().find(|scene| scene.id == rendition.scene)
}
