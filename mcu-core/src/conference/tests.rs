//! Whole conferences in virtual time: tables of what must happen, and rules that hold whatever happens.

use super::event::{ClosingReason, LayoutEvent, MutedBy, VideoRequest};
use super::input::{Joining, Line, Loudness, Medium, Receives, StateChange};
use super::mixing::StreamLevel;
use super::plan::{MeetingPlan, RateClass, Scene, View};
use super::roster::{DisplayName, LayoutChoice, Role, Via};
use super::*;
use crate::time::{ClockRate, MediaTime};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn p(n: u64) -> ParticipantId {
    ParticipantId(n)
}

/// A timestamp offset of its own for each line, close to the wrap for some.
fn line(id: ParticipantId, kind: SourceKind, codec: VideoCodec) -> Line {
    let kind = u32::from(kind == SourceKind::Content);
    Line { codec, rtp_offset: 0_u32.wrapping_sub(1_000).wrapping_add(id.0 as u32 * 77_777_777 + kind) }
}

fn receives(id: ParticipantId, content: bool) -> Receives {
    Receives {
        main: Some(line(id, SourceKind::Main, VideoCodec::Vp8)),
        content: content.then(|| line(id, SourceKind::Content, VideoCodec::Vp8)),
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
        self.give(Input::Connected { participant: id, receives: lines }).expect("it has joined");
        if via.sends() {
            self.flow(id, SourceKind::Main, true);
        }
    }

    fn join(&mut self, participant: ParticipantId, via: Via, overlay: bool) -> Result<(), Refusal> {
        let name = DisplayName::parse(&format!("Person {participant}")).expect("a fair name");
        let role = Role::Guest;
        self.give(Input::Join(Joining { participant, name, role, via, overlay, joined_at_unix_s: 0 }))
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
        if let Input::Connected { participant, receives } = &input {
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

// Sharing.

#[test]
fn overlaying_browsers_of_a_gallery_share_one_encode() {
    for count in [1, 2, 3, 4, 9, 25] {
        let meeting = Meeting::of_browsers(count, true);
        assert_eq!((meeting.plan().renditions.len(), meeting.plan().scenes.len()), (1, 1), "{count}");
        assert_eq!(meeting.sees(p(1)), (1..=count).collect::<Vec<_>>());
        assert_eq!(meeting.plan().views.len() as u64, count);
    }
}

#[test]
fn who_cannot_overlay_has_a_picture_without_itself_and_watchers_share() {
    let mut meeting = Meeting::of_browsers(3, false);
    (4..=6).for_each(|n| meeting.enter(p(n), Via::Whep, false, false));
    meeting.run_for(1_000);
    assert_eq!((meeting.sees(p(1)), meeting.sees(p(2))), (vec![2, 3], vec![1, 3]));
    assert_eq!(meeting.sees(p(5)), [1, 2, 3], "watchers see all and are seen by nobody");
    assert_eq!(meeting.plan().renditions.len(), 4);
    // Without a camera, the picture of all is good enough.
    let dark = StateChange { camera: Some(false), ..StateChange::default() };
    meeting.state(p(1), dark).expect("it is here");
    meeting.run_for(1_000);
    assert_eq!((meeting.sees(p(1)), meeting.plan().renditions.len()), (vec![1, 2, 3], 3));
}

#[test]
fn alone_one_sees_an_empty_room_or_paints_over_its_own_tile() {
    assert_eq!(Meeting::of_browsers(1, true).sees(p(1)), [1]);
    assert_eq!(Meeting::of_browsers(1, false).sees(p(1)), [0; 0]);
    let mut echo = Meeting::with(Settings { echo: true, ..Settings::new("echo", "Echo") });
    echo.conference.settings.echo = true;
    let name = DisplayName::parse("Ada").expect("a fair name");
    let (role, via) = (Role::Guest, Via::Browser);
    let joining = Joining { participant: p(1), name, role, via, overlay: true, joined_at_unix_s: 0 };
    echo.give(Input::Join(joining)).expect("there is room");
    echo.give(Input::Connected { participant: p(1), receives: receives(p(1), true) }).expect("joined");
    echo.flow(p(1), SourceKind::Main, true);
    echo.run_for(1_000);
    assert_eq!(echo.sees(p(1)), [1]);
    let asked = echo.conference.requests.of(p(1)).next().expect("it was asked");
    assert!(!asked.paused, "in the echo test one is one's own audience");
}

#[test]
fn each_codec_is_encoded_once() {
    let mut meeting = Meeting::of_browsers(2, true);
    for n in [3, 4] {
        meeting.join(p(n), Via::Browser, true).expect("there is room");
        let main = Some(line(p(n), SourceKind::Main, VideoCodec::H264));
        let receives = Receives { main, content: None };
        meeting.give(Input::Connected { participant: p(n), receives }).expect("it has joined");
    }
    meeting.run_for(1_000);
    let codecs: Vec<_> = meeting.plan().renditions.iter().map(|r| r.codec).collect();
    assert_eq!((codecs, meeting.plan().scenes.len()), (vec![VideoCodec::Vp8, VideoCodec::H264], 1));
    let main = Some(line(p(4), SourceKind::Main, VideoCodec::Vp9));
    let refused =
        meeting.give(Input::Connected { participant: p(4), receives: Receives { main, content: None } });
    assert_eq!(refused, Err(Refusal::NotEncoded(VideoCodec::Vp9)));
}

// Layouts.

#[test]
fn two_tiles_swapped_twenty_times_are_told_twenty_times_and_cost_no_encode() {
    let mut meeting = Meeting::of_browsers(4, true);
    let rendition = meeting.plan().renditions[0].clone();
    for n in 0..20 {
        let from = meeting.now;
        meeting.give(Input::SwapSeats { one: p(1), other: p(3) }).expect("both are here");
        meeting.run_for(500);
        assert_eq!(meeting.layouts(p(2), from), 1);
        let expected = if n % 2 == 0 { [3, 2, 1, 4] } else { [1, 2, 3, 4] };
        assert_eq!(meeting.sees(p(2)), expected);
    }
    assert_eq!(meeting.plan().renditions, [rendition]);
}

#[test]
fn what_moves_no_tile_is_told_to_nobody() {
    let mut meeting = Meeting::of_browsers(3, true);
    let (from, version) = (meeting.now, meeting.plan().version);
    meeting.speak(p(2), 600);
    let muted = StateChange { muted: Some(true), ..StateChange::default() };
    meeting.state(p(3), muted).expect("it is here");
    meeting.run_for(2_000);
    assert!(meeting.plan().version > version, "the borders and marks did change");
    assert_eq!((1..=3).map(|n| meeting.layouts(p(n), from)).sum::<usize>(), 0);
    meeting.flow(p(3), SourceKind::Main, false);
    meeting.run_for(100);
    assert_eq!(meeting.layouts(p(1), from), 1, "a picture that is no more is told");
}

#[test]
fn auto_is_a_grid_until_there_are_many_and_one_speaks() {
    let mut meeting = Meeting::of_browsers(5, true);
    assert_eq!(meeting.plan().scenes.len(), 1);
    assert_eq!(meeting.plan().scenes[0].tiles[0].rect.width, 426);
    meeting.speak(p(2), 500);
    assert_eq!(meeting.sees(p(1))[0], 2);
    assert_eq!(meeting.sees(p(2))[0], 1, "the large one is never oneself");
    meeting.run_for(2_000);
    meeting.speak(p(4), 500);
    assert_eq!((meeting.sees(p(1))[0], meeting.sees(p(4))[0]), (4, 2));
    assert_eq!(meeting.plan().scenes.len(), 2, "two scenes, however many people");
    meeting.choose(p(5), LayoutChoice::Grid);
    meeting.run_for(100);
    assert_eq!(meeting.sees(p(5)), [1, 2, 3, 4, 5]);
}

#[test]
fn content_is_a_picture_of_its_own_or_composed_in() {
    let mut meeting = Meeting::of_browsers(2, true);
    meeting.enter(p(3), Via::Browser, true, false);
    meeting.share(p(1), true).expect("the floor is free");
    meeting.run_for(1_000);
    assert!(scene_of(meeting.plan(), p(2), SourceKind::Content).is_none(), "nothing flows yet");
    meeting.flow(p(1), SourceKind::Content, true);
    meeting.run_for(1_000);
    let content = scene_of(meeting.plan(), p(2), SourceKind::Content).expect("it has a line for it");
    assert_eq!(content.tiles[0].source, SourceId::content(p(1)));
    assert!(scene_of(meeting.plan(), p(1), SourceKind::Content).is_none(), "not one's own");
    let composed = scene_of(meeting.plan(), p(3), SourceKind::Main).expect("it sees");
    assert_eq!(composed.tiles[0].source, SourceId::content(p(1)));
    assert_eq!((composed.tiles[0].rect.width, composed.tiles.len()), (960, 4));
    assert_eq!(meeting.share(p(2), true), Err(Refusal::AlreadySharing { holder: p(1) }));
    assert!(meeting.plan().sound.speakers.contains(&SourceId::content(p(1))));
    meeting.give(Input::Disconnected { participant: p(1) }).expect("it was up");
    meeting.run_for(100);
    assert_eq!(meeting.conference.holder(), None);
    assert_eq!(meeting.share(p(2), true), Ok(()));
}

// Time.

#[test]
fn a_lost_path_keeps_its_place_for_sixty_seconds() {
    let mut meeting = Meeting::of_browsers(3, true);
    meeting.give(Input::Disconnected { participant: p(1) }).expect("it was up");
    meeting.run_for(59_999);
    assert_eq!(meeting.sees(p(2)), [1, 2, 3]);
    meeting.give(Input::Connected { participant: p(1), receives: receives(p(1), true) }).expect("in time");
    meeting.run_for(300);
    assert_eq!((meeting.sees(p(1)), meeting.plan().views.len()), (vec![1, 2, 3], 5 - 2));

    let lost = meeting.now;
    meeting.give(Input::Disconnected { participant: p(1) }).expect("it was up");
    meeting.run_for(120_000);
    let closing = Event::Closing { reason: ClosingReason::Disconnected, retry_after_s: None };
    let told = meeting.heard(p(1), lost).into_iter().find(|(_, event)| **event == closing);
    assert_eq!(told.map(|(at, _)| at), Some(lost + RECONNECT_WINDOW));
    assert_eq!(meeting.sees(p(2)), [3, 2]);
    let late = meeting.give(Input::Connected { participant: p(1), receives: receives(p(1), true) });
    assert_eq!(late, Err(Refusal::NoSuchParticipant(p(1))));
}

#[test]
fn joins_are_gathered_but_nobody_waits_in_an_empty_house() {
    let mut meeting = Meeting::new();
    meeting.enter(p(1), Via::Browser, true, true);
    assert_eq!(meeting.plan().views.len(), 1, "at once");
    meeting.run_for(1_000);
    let joined = meeting.now;
    meeting.enter(p(2), Via::Browser, true, true);
    meeting.run_for(150);
    meeting.enter(p(3), Via::Browser, true, true);
    let seen_at = |meeting: &Meeting, n| {
        meeting
            .heard(p(n), joined)
            .iter()
            .find_map(|(at, event)| matches!(event, Event::Layout(_)).then_some(*at))
    };
    meeting.run_for(1_000);
    let both = joined + GATHERED_FOR;
    assert_eq!((seen_at(&meeting, 2), seen_at(&meeting, 3)), (Some(both), Some(both)));
}

#[test]
fn a_squeezed_receiver_moves_down_alone_and_climbs_back() {
    let mut meeting = Meeting::of_browsers(3, true);
    (1..=3).for_each(|n| meeting.give(Input::Estimate { participant: p(n), kbps: 2_500 }).expect("here"));
    meeting.run_for(1_000);
    let high = meeting.plan().renditions[0].clone();
    assert_eq!((high.bitrate_kbps, high.class), (2_000, RateClass::High));
    let squeezed = meeting.now;
    meeting.give(Input::Estimate { participant: p(2), kbps: 300 }).expect("here");
    meeting.run_for(1_199);
    assert_eq!(meeting.plan().renditions, std::slice::from_ref(&high));
    meeting.run_for(1);
    assert_eq!(meeting.conference.class(p(2)), Some(RateClass::Low));
    let plan = meeting.plan().clone();
    assert_eq!(plan.renditions[0], high, "nobody else notices");
    assert_eq!((plan.renditions.len(), plan.renditions[1].bitrate_kbps), (2, 237));
    assert_eq!(meeting.layouts(p(2), squeezed), 0, "the same picture, only smaller");
    meeting.run_for(10_000);
    meeting.give(Input::Estimate { participant: p(2), kbps: 1_000 }).expect("here");
    meeting.run_for(5_199);
    assert_eq!(meeting.conference.class(p(2)), Some(RateClass::Low));
    meeting.run_for(1);
    assert_eq!(meeting.conference.class(p(2)), Some(RateClass::High));
    assert_eq!(meeting.plan().renditions.len(), 1);
}

#[test]
fn rosters_come_at_most_every_hundred_milliseconds_and_the_last_one_is_true() {
    let mut meeting = Meeting::of_browsers(2, true);
    let from = meeting.now;
    for n in 0..100 {
        let change = StateChange { muted: Some(n % 2 == 0), ..StateChange::default() };
        meeting.state(p(1), change).expect("here");
        meeting.run_for(7);
    }
    meeting.run_for(500);
    let rosters: Vec<_> = meeting
        .heard(p(2), from)
        .into_iter()
        .filter_map(|(at, event)| match event {
            Event::Roster { participants } => Some((at, participants.clone())),
            _ => None,
        })
        .collect();
    assert!(rosters.len() >= 7, "{} rosters", rosters.len());
    assert!(rosters.windows(2).all(|pair| pair[1].0.since(pair[0].0) >= ROSTER_INTERVAL_MIN));
    assert_eq!(rosters.last().map(|(_, entries)| entries.clone()), Some(meeting.conference.entries()));
}

// What senders are asked.

fn asked(meeting: &Meeting, n: u64, from: Mono) -> Vec<(Duration, VideoRequest)> {
    let requests = meeting.heard(p(n), from).into_iter().filter_map(|(at, event)| match event {
        Event::VideoRequest(request) => Some((at.since(from), *request)),
        _ => None,
    });
    requests.collect()
}

#[test]
fn senders_are_asked_for_what_others_see_and_paused_when_nobody_does() {
    let mut meeting = Meeting::of_browsers(1, true);
    let alone = asked(&meeting, 1, Mono::ZERO);
    assert_eq!(alone.iter().map(|(_, request)| request.paused).collect::<Vec<_>>(), [true]);
    let from = meeting.now;
    meeting.enter(p(2), Via::Browser, true, true);
    meeting.run_for(2_000);
    let seen = asked(&meeting, 1, from);
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].0, seen[0].1.paused, seen[0].1.height), (GATHERED_FOR, false, 360));

    // Large for the other one: more after half a second. In a grid again: less after three.
    let from = meeting.now;
    meeting.choose(p(2), LayoutChoice::Speaker);
    meeting.run_for(5_000);
    let more = asked(&meeting, 1, from);
    assert_eq!(more.iter().map(|(at, r)| (*at, r.height)).collect::<Vec<_>>(), [(requests::MORE_AFTER, 720)]);
    let from = meeting.now;
    meeting.choose(p(2), LayoutChoice::Grid);
    meeting.run_for(5_000);
    let less = asked(&meeting, 1, from);
    assert_eq!(less.iter().map(|(at, r)| (*at, r.height)).collect::<Vec<_>>(), [(requests::LESS_AFTER, 360)]);
    let from = meeting.now;
    meeting.give(Input::Leave { participant: p(2), reason: ClosingReason::Left }).expect("here");
    meeting.run_for(5_000);
    assert_eq!(asked(&meeting, 1, from).iter().map(|(_, r)| r.paused).collect::<Vec<_>>(), [true]);
}

#[test]
fn a_share_is_asked_for_before_its_first_picture_when_somebody_can_see_it() {
    let content = |meeting: &Meeting, from| {
        let asked = asked(meeting, 1, from).into_iter().map(|(_, request)| request);
        asked.filter(|request| request.kind == SourceKind::Content).map(|r| r.paused).collect::<Vec<_>>()
    };
    let mut alone = Meeting::of_browsers(1, true);
    let from = alone.now;
    alone.share(p(1), true).expect("the floor is free");
    alone.run_for(5_000);
    assert_eq!(content(&alone, from), [true], "the control: nobody is there");

    let mut meeting = Meeting::of_browsers(2, true);
    let from = meeting.now;
    meeting.share(p(1), true).expect("the floor is free");
    meeting.run_for(5_000);
    assert_eq!(content(&meeting, from), [false]);
}

#[test]
fn a_need_that_passes_in_time_is_not_spoken_of() {
    let mut meeting = Meeting::of_browsers(2, true);
    let from = meeting.now;
    for _ in 0..5 {
        meeting.choose(p(2), LayoutChoice::Speaker);
        meeting.run_for(400);
        meeting.choose(p(2), LayoutChoice::Grid);
        meeting.run_for(400);
    }
    meeting.run_for(5_000);
    assert_eq!(asked(&meeting, 1, from), []);
}

// Rights, ends, sockets.

#[test]
fn refusals_say_why() {
    let mut meeting = Meeting::with(Settings { participants_max: 2, ..Settings::new("room", "Room") });
    assert_eq!(meeting.join(p(1), Via::Browser, true), Ok(()));
    assert_eq!(meeting.join(p(1), Via::Browser, true), Err(Refusal::JoinedBefore(p(1))));
    assert_eq!(meeting.join(p(2), Via::Whip, false), Ok(()));
    assert_eq!(meeting.join(p(3), Via::Browser, true), Err(Refusal::RoomFull { participants_max: 2 }));
    assert_eq!(meeting.share(p(2), true), Err(Refusal::CannotShare(p(2))));
    assert_eq!(meeting.share(p(9), true), Err(Refusal::NoSuchParticipant(p(9))));
    for n in [1, 2] {
        meeting.give(Input::Leave { participant: p(n), reason: ClosingReason::Left }).expect("here");
    }
    assert_eq!(meeting.log.last().map(|(_, effect)| effect), Some(&Effect::Ended));
    assert_eq!(
        (meeting.join(p(4), Via::Browser, true), meeting.conference.deadline()),
        (Err(Refusal::Ended), None)
    );
}

#[test]
fn when_the_last_one_leaves_the_engine_is_left_with_nothing_to_do() {
    let mut meeting = Meeting::of_browsers(1, true);
    meeting.give(Input::Leave { participant: p(1), reason: ClosingReason::Draining }).expect("here");
    let plan = meeting.plan();
    assert!(plan.scenes.is_empty() && plan.views.is_empty() && plan.sound.listeners.is_empty());
    let count = |wanted: &Effect| meeting.log.iter().filter(|(_, effect)| effect == wanted).count();
    assert_eq!(count(&Effect::Ended), 1);
    assert_eq!(count(&Effect::Disconnect { participant: p(1), reason: ClosingReason::Draining }), 1);
}

#[test]
fn who_is_muted_is_told_is_not_heard_and_loses_the_word() {
    let mut meeting = Meeting::of_browsers(2, true);
    meeting.speak(p(1), 600);
    assert_eq!(meeting.conference.active_speaker(), Some(p(1)));
    assert!(meeting.plan().sound.speakers.contains(&SourceId::main(p(1))));
    let from = meeting.now;
    meeting.give(Input::Mute { participant: p(1), by: MutedBy::Host }).expect("here");
    meeting.run_for(100);
    let told = meeting.heard(p(1), from);
    assert!(told.iter().any(|(_, event)| **event == Event::Muted { by: MutedBy::Host }));
    assert_eq!(meeting.plan().sound.speakers, [SourceId::main(p(2))]);
    meeting.speak(p(1), 1_000);
    assert_eq!(meeting.conference.active_speaker(), None, "a late report gives the word to nobody");
}

#[test]
fn a_fresh_socket_is_told_all_that_holds_even_after_a_long_time() {
    let mut meeting = Meeting::of_browsers(2, true);
    // Long enough for old timestamps to lie more than half their range back.
    meeting.run_for(8 * 3_600_000);
    let from = meeting.now;
    let offset = meeting.offsets[&(p(2), SourceKind::Main)];
    // Outside of `give`, since this layout is not that of a new plan.
    meeting.conference.handle(from, Input::Listening { participant: p(2) }).expect("here");
    let mut kinds = Vec::new();
    while let Some(effect) = meeting.conference.poll_effect() {
        let Effect::Event { to, event } = effect else { panic!("{effect:?}") };
        assert_eq!(to, To::One(p(2)));
        if let Event::Layout(layout) = &event {
            let now = MediaTime::from_mono(from).to_rtp(ClockRate::VIDEO).wrapping_add(offset);
            assert!(layout.rtp_timestamp.wrapping_sub(now) <= 3_000);
        }
        let json = serde_json::to_value(&event).expect("an event is plain data");
        kinds.push(json["type"].as_str().map(str::to_owned));
    }
    let kinds: Vec<_> = kinds.iter().flatten().map(String::as_str).collect();
    assert_eq!(kinds, ["welcome", "roster", "floor", "active_speaker", "layout", "video_request"]);
}

// Whatever happens.

#[derive(Debug, Clone)]
enum Op {
    Enter { who: u64, via: Via, overlay: bool, content: bool },
    Leave(u64),
    Connect { who: u64, h264: bool, content: bool },
    Disconnect(u64),
    Live { who: u64, content: bool, live: bool },
    State { who: u64, change: StateChange },
    Mute(u64),
    Swap(u64, u64),
    Speak { who: u64, other: u64, dbov: f32 },
    Estimate { who: u64, kbps: u32 },
}

fn any_change() -> impl Strategy<Value = StateChange> {
    let layout = prop_oneof![Just(LayoutChoice::Auto), Just(LayoutChoice::Grid), Just(LayoutChoice::Speaker)];
    let flag = || prop::option::weighted(0.3, any::<bool>());
    (flag(), flag(), flag(), prop::option::weighted(0.3, layout), flag()).prop_map(
        |(muted, camera, sharing, layout, overlay)| StateChange { muted, camera, sharing, layout, overlay },
    )
}

fn any_op() -> impl Strategy<Value = Op> {
    let who = || 1_u64..=7;
    let via = prop_oneof![4 => Just(Via::Browser), 1 => Just(Via::Whip), 1 => Just(Via::Whep)];
    prop_oneof![
        4 => (who(), via, any::<bool>(), any::<bool>())
            .prop_map(|(who, via, overlay, content)| Op::Enter { who, via, overlay, content }),
        1 => who().prop_map(Op::Leave),
        1 => (who(), any::<bool>(), any::<bool>())
            .prop_map(|(who, h264, content)| Op::Connect { who, h264, content }),
        1 => who().prop_map(Op::Disconnect),
        3 => (who(), any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(who, content, live)| Op::Live { who, content, live }),
        4 => (who(), any_change()).prop_map(|(who, change)| Op::State { who, change }),
        1 => who().prop_map(Op::Mute),
        1 => (who(), who()).prop_map(|(one, other)| Op::Swap(one, other)),
        4 => (who(), who(), -60.0_f32..0.0).prop_map(|(who, other, dbov)| Op::Speak { who, other, dbov }),
        2 => (who(), 0_u32..3_000).prop_map(|(who, kbps)| Op::Estimate { who, kbps }),
    ]
}

/// Does what `op` says; that some of it is refused is part of the game.
fn perform(meeting: &mut Meeting, op: &Op) {
    let _ = match *op {
        Op::Enter { who, via, overlay, content } => {
            if meeting.join(p(who), via, overlay).is_ok() {
                let receives = receives(p(who), content);
                let _ = meeting.give(Input::Connected { participant: p(who), receives });
            }
            Ok(())
        }
        Op::Leave(who) => meeting.give(Input::Leave { participant: p(who), reason: ClosingReason::Left }),
        Op::Connect { who, h264, content } => {
            let codec = if h264 { VideoCodec::H264 } else { VideoCodec::Vp8 };
            let main = Some(line(p(who), SourceKind::Main, codec));
            let content = content.then(|| line(p(who), SourceKind::Content, codec));
            meeting.give(Input::Connected { participant: p(who), receives: Receives { main, content } })
        }
        Op::Disconnect(who) => meeting.give(Input::Disconnected { participant: p(who) }),
        Op::Live { who, content, live } => {
            let kind = if content { SourceKind::Content } else { SourceKind::Main };
            let source = SourceId { participant: p(who), kind };
            meeting.give(Input::SourceLive { source, medium: Medium::Video, live })
        }
        Op::State { who, change } => meeting.state(p(who), change),
        Op::Mute(who) => meeting.give(Input::Mute { participant: p(who), by: MutedBy::Admin }),
        Op::Swap(one, other) => meeting.give(Input::SwapSeats { one: p(one), other: p(other) }),
        Op::Speak { who, other, dbov } => {
            for _ in 0..30 {
                let levels = [(who, dbov), (other, -30.0)];
                let levels = levels.map(|(n, dbov)| StreamLevel::measured(SourceId::main(p(n)), dbov));
                let _ = meeting.give(Input::Loudness(Loudness::of(&levels)));
                meeting.run_for(20);
            }
            Ok(())
        }
        Op::Estimate { who, kbps } => meeting.give(Input::Estimate { participant: p(who), kbps }),
    };
}

fn play(ops: &[(u64, Op)]) -> Meeting {
    let mut meeting = Meeting::new();
    // Two who are never sent away, so that the meeting does not end with the first leave.
    (8..=9).for_each(|n| meeting.enter(p(n), Via::Browser, n == 8, n == 8));
    for (gap_ms, op) in ops {
        meeting.run_for(*gap_ms);
        perform(&mut meeting, op);
    }
    meeting.run_for(10_000);
    meeting
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// `Meeting::drain` checks every rule at every plan.
    #[test]
    fn the_rules_hold_whatever_happens_and_it_happens_the_same_way_twice(
        ops in prop::collection::vec((prop_oneof![8 => 0_u64..300, 1 => 0_u64..70_000], any_op()), 1..80),
    ) {
        let (once, again) = (play(&ops), play(&ops));
        prop_assert_eq!(format!("{:?}", once.log), format!("{:?}", again.log));
        // At most twenty plans in any second, but for the last one of all.
        let plans: Vec<Mono> = once.log.iter()
            .filter(|(_, effect)| matches!(effect, Effect::Plan(plan) if !plan.sound.listeners.is_empty()))
            .map(|(at, _)| *at)
            .collect();
        prop_assert!(plans.windows(21).all(|window| window[20].since(window[0]) >= Duration::from_secs(1)));
    }
}
