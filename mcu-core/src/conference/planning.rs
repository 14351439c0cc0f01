//! When there is a new plan, what it says, and who is told of its layout before it shows.
//!
//! Flow: everything that the conference knows -> **here** -> `Effect::Plan` and `layout` events. Thread: control.
//! Bound: 20 plans a second, and three of them waiting for their tick. A plan that would say the same as the one
//! before is not given out.

use super::event::LayoutEvent;
use super::picture::{Picture, SceneKey, layout_event};
use super::plan::{Listener, MeetingPlan, Scene, SoundPlan, View};
use super::renditions::{Renditions, Wish};
use super::roster::{Participant, Roster};
use super::{Conference, Effect, Event, Settings, To, id_in};
use crate::id::{ConferenceId, ParticipantId, SceneId, SourceId, SourceKind};
use crate::time::{ClockRate, FrameInterval, MediaTime, Mono};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How far ahead of now a plan begins: `layout` events overtake the frames that show it.
pub const PLAN_AHEAD: Duration = Duration::from_millis(100);
/// The least time between two plans.
pub const PLAN_INTERVAL_MIN: Duration = Duration::from_millis(50);
/// Joins and class changes, which cost key frames, are gathered for this long.
pub const GATHERED_FOR: Duration = Duration::from_millis(200);
/// Rates follow estimates this often at most.
const RATES_EVERY: Duration = Duration::from_millis(200);

/// The plan in force, and when the next one is due.
#[derive(Debug)]
pub(super) struct Planner {
    plan: Arc<MeetingPlan>,
    interval: FrameInterval,
    renditions: Renditions,
    scenes: BTreeMap<SceneKey, SceneId>,
    scenes_made: u64,
    /// What each receiver was told last about each of its lines.
    told: BTreeMap<(ParticipantId, SourceKind), Told>,
    planned: Option<Mono>,
    due: Option<Mono>,
    gathering: Option<Mono>,
}

#[derive(Debug)]
struct Told {
    layout: LayoutEvent,
    from_tick: u64,
}

impl Planner {
    pub(super) fn new(conference: ConferenceId, settings: &Settings) -> Self {
        let nothing = MeetingPlan {
            conference,
            version: 0,
            from_tick: 0,
            scenes: Vec::new(),
            renditions: Vec::new(),
            views: Vec::new(),
            on_stage: BTreeSet::new(),
            sound: SoundPlan::default(),
        };
        Self {
            plan: Arc::new(nothing),
            interval: settings.interval,
            renditions: Renditions::new(conference, settings.interval),
            scenes: BTreeMap::new(),
            scenes_made: 0,
            told: BTreeMap::new(),
            planned: None,
            due: None,
            gathering: None,
        }
    }

    /// Something changed that is to be seen or heard soon.
    pub(super) fn replan(&mut self, now: Mono) {
        self.want(now);
    }

    /// Only rates may have changed.
    pub(super) fn replan_rates(&mut self, now: Mono) {
        self.want(now + RATES_EVERY);
    }

    /// The last one is gone: the last plan waits for nothing.
    pub(super) fn plan_now(&mut self, now: Mono) {
        self.due = Some(now);
    }

    /// Somebody gets another rendition: waits for more of the kind. Nobody waits in an empty house.
    pub(super) fn gather(&mut self, now: Mono) {
        let wait = if self.plan.views.is_empty() { Duration::ZERO } else { GATHERED_FOR };
        self.gathering.get_or_insert(now + wait);
    }

    /// What this participant was told holds no more: a new path, or none.
    pub(super) fn forget(&mut self, id: ParticipantId) {
        self.told.retain(|(participant, _), _| *participant != id);
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.due.into_iter().chain(self.gathering).min()
    }

    /// What a receiver sees now, told again. An old layout holds from the present on: timestamps that lie
    /// further back than half their range would seem to lie ahead.
    pub(super) fn layouts_of(&self, id: ParticipantId, now: Mono, roster: &Roster) -> Vec<LayoutEvent> {
        let tick_now = self.interval.index_from(MediaTime::from_mono(now));
        let lines = self.told.range((id, SourceKind::Main)..=(id, SourceKind::Content));
        let again = lines.filter_map(|((_, line), told)| {
            let offset = rtp_offset(roster.get(id)?, *line)?;
            let rtp_timestamp = self.rtp_timestamp(told.from_tick.max(tick_now), offset);
            Some(LayoutEvent { rtp_timestamp, ..told.layout.clone() })
        });
        again.collect()
    }

    fn want(&mut self, at: Mono) {
        let earliest = self.planned.map_or(Mono::ZERO, |planned| planned + PLAN_INTERVAL_MIN);
        let at = at.max(earliest);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    fn rtp_timestamp(&self, tick: u64, offset: u32) -> u32 {
        self.interval.at(tick).to_rtp(ClockRate::VIDEO).wrapping_add(offset)
    }

    fn scene_id(&mut self, key: SceneKey) -> SceneId {
        let (made, conference) = (&mut self.scenes_made, self.plan.conference);
        *self.scenes.entry(key).or_insert_with(|| {
            *made += 1;
            SceneId(id_in(conference, *made))
        })
    }

    /// What is wished for, and the scenes for it.
    fn scenes(&mut self, picture: &Picture<'_>) -> (Vec<Wish>, Vec<Scene>) {
        let mut wishes = Vec::new();
        let mut keys = BTreeSet::new();
        for viewer in picture.roster.iter().filter(|p| p.viewing && p.via.receives()) {
            let Some(receives) = viewer.receives() else { continue };
            let main = receives.main.map(|line| (SourceKind::Main, line, picture.main_scene(viewer)));
            let content = receives.content.filter(|_| picture.content_for(viewer.id));
            let content = content.map(|line| (SourceKind::Content, line, SceneKey::Content));
            for (line, on, key) in main.into_iter().chain(content) {
                keys.insert(key);
                let scene = self.scene_id(key);
                let canvas = picture.canvas(key);
                let (codec, limits) = (on.codec, on.limits);
                wishes.push(Wish { participant: viewer.id, line, scene, canvas, codec, limits });
            }
        }
        self.scenes.retain(|key, _| keys.contains(key));
        let scene = |(key, id): (&SceneKey, &SceneId)| Scene {
            id: *id,
            canvas: picture.canvas(*key),
            interval: picture.settings.interval,
            tiles: picture.tiles(*key),
            card: picture.card_on(*key),
        };
        let mut scenes: Vec<Scene> = self.scenes.iter().map(scene).collect();
        scenes.sort_unstable_by_key(|scene| scene.id);
        (wishes, scenes)
    }

    /// Makes the next plan and the `layout` events that go before it; nothing if nothing changed.
    fn make(&mut self, now: Mono, conference: PlanInputs<'_>) -> Option<Vec<(ParticipantId, LayoutEvent)>> {
        let PlanInputs { picture, ladder, holder, is_waiting } = conference;
        let (wishes, scenes) = self.scenes(&picture);
        let (renditions, views) = self.renditions.fulfil(&wishes, ladder, now);
        let pictured = scenes.iter().flat_map(|scene| scene.tiles.iter()).filter(|tile| tile.video);
        let next = MeetingPlan {
            conference: self.plan.conference,
            version: self.plan.version,
            from_tick: self.plan.from_tick,
            on_stage: pictured.map(|tile| tile.source).collect(),
            sound: sound(picture.roster, holder, is_waiting),
            scenes,
            renditions,
            views,
        };
        if next == *self.plan {
            return None;
        }
        let from_tick = self.interval.index_from(MediaTime::from_mono(now + PLAN_AHEAD));
        let layouts = self.tell(picture.roster, &next, from_tick);
        self.plan = Arc::new(MeetingPlan { version: next.version + 1, from_tick, ..next });
        self.planned = Some(now);
        Some(layouts)
    }

    /// The `layout` events of receivers whose picture really changes with `plan`.
    fn tell(
        &mut self,
        roster: &Roster,
        plan: &MeetingPlan,
        from_tick: u64,
    ) -> Vec<(ParticipantId, LayoutEvent)> {
        let scene_of: BTreeMap<_, _> = plan.renditions.iter().map(|r| (r.id, r.scene)).collect();
        let scenes: BTreeMap<_, _> = plan.scenes.iter().map(|scene| (scene.id, scene)).collect();
        let watched: BTreeSet<_> = plan.views.iter().map(|view| (view.participant, view.line)).collect();
        self.told.retain(|line, _| watched.contains(line));
        let mut news = Vec::new();
        for View { participant, line, rendition } in plan.views.iter().copied() {
            let scene = scene_of.get(&rendition).and_then(|scene| scenes.get(scene));
            let (Some(scene), Some(viewer)) = (scene, roster.get(participant)) else { continue };
            let Some(offset) = rtp_offset(viewer, line) else { continue };
            let layout = layout_event(viewer, line, scene, self.rtp_timestamp(from_tick, offset));
            let before = self.told.get(&(participant, line)).map(|told| &told.layout);
            if before.is_some_and(|told| told.canvas == layout.canvas && told.tiles == layout.tiles) {
                continue;
            }
            self.told.insert((participant, line), Told { layout: layout.clone(), from_tick });
            news.push((participant, layout));
        }
        news
    }
}

struct PlanInputs<'a> {
    picture: Picture<'a>,
    ladder: &'a mut super::renditions::Ladder,
    holder: Option<ParticipantId>,
    is_waiting: bool,
}

fn rtp_offset(viewer: &Participant, line: SourceKind) -> Option<u32> {
    let receives = viewer.receives()?;
    let on = match line {
        SourceKind::Main => receives.main,
        SourceKind::Content => receives.content,
    };
    on.map(|on| on.rtp_offset)
}

/// Who may be heard, nobody while the meeting waits for its host, and who hears. Sound begins with the path: it waits for no gathering.
fn sound(roster: &Roster, holder: Option<ParticipantId>, is_waiting: bool) -> SoundPlan {
    let connected = || roster.iter().filter(|p| p.is_connected() && !is_waiting);
    let people = connected().filter(|p| p.via.sends() && !p.muted).map(|p| SourceId::main(p.id));
    let shared = connected().filter(|p| holder == Some(p.id)).map(|p| SourceId::content(p.id));
    let mut speakers: Vec<_> = people.chain(shared).collect();
    speakers.sort_unstable();
    let listener = |p: &Participant| {
        let codec = p.receives().filter(|_| p.via.receives())?.sound?;
        Some(Listener { participant: p.id, codec })
    };
    SoundPlan { speakers, listeners: roster.iter().filter_map(listener).collect() }
}

impl Conference {
    /// Ends the gathering and makes the plan, if their times have come.
    pub(super) fn plan_if_due(&mut self) {
        let now = self.now;
        if self.planner.gathering.is_some_and(|at| at <= now) {
            self.planner.gathering = None;
            self.roster.iter_mut().for_each(|p| p.viewing = p.is_connected());
            self.ladder.gather(now);
            self.planner.replan(now);
        }
        if self.planner.due.is_none_or(|due| due > now) {
            return;
        }
        self.planner.due = None;
        let is_waiting = self.is_waiting();
        let content = self.holder.filter(|id| !is_waiting && self.roster.has_picture(SourceId::content(*id)));
        let picture = Picture {
            settings: &self.settings,
            roster: &self.roster,
            stage: &self.stage,
            floor: &self.floor,
            content,
            card: self.card.as_ref(),
        };
        let inputs = PlanInputs { picture, ladder: &mut self.ladder, holder: self.holder, is_waiting };
        if let Some(layouts) = self.planner.make(now, inputs) {
            for (id, layout) in layouts {
                self.tell(To::One(id), Event::Layout(layout));
            }
            self.effects.push_back(Effect::Plan(Arc::clone(&self.planner.plan)));
        }
        let senders = self.askable();
        self.requests.update(now, &self.planner.plan, &senders, self.awaited(), self.settings.echo);
    }

    /// The content of whoever holds the floor, while its picture has not begun and somebody is there to see it.
    fn awaited(&self) -> Option<SourceId> {
        let holder = self.holder.and_then(|id| self.roster.get(id)).filter(|p| !p.content.video)?;
        let watched = self.roster.iter().any(|p| p.id != holder.id && p.is_connected() && p.via.receives());
        watched.then_some(SourceId::content(holder.id))
    }

    /// Sources whose senders obey `video_request`.
    fn askable(&self) -> Vec<SourceId> {
        let asked = self.roster.iter().filter(|p| p.is_connected() && p.via == super::roster::Via::Browser);
        let sources = asked.flat_map(|p| {
            let content = (self.holder == Some(p.id)).then(|| SourceId::content(p.id));
            std::iter::once(SourceId::main(p.id)).chain(content)
        });
        sources.collect()
    }
}
