//! A scenario in virtual time: the same people, networks, comings and goings as `live` plays them, and the same report.
//!
//! Flow: [`Scenario`] -> **here**, a [`World`] for each room, one after the other -> [`RunReport`], and the event log, line by line, to whoever
//! takes it. Thread: the caller's. Bounds: [`ROOM_PEOPLE_MAX`]; a second's events in memory. Reads no clock: the same scenario and seed
//! give the same log, byte for byte, and the same figures.

use super::client::{Profile, Traffic};
use super::mark::PARTICIPANTS_MAX;
use super::meter::Meter;
use super::record::Record;
use super::world::{Action, World};
use crate::relay::profile::{Line, Link};
use crate::report::{
    Counted, EndedBy, HarnessUse, Moment, NodeUse, ParticipantKind, Passage, RunReport, SCHEMA, ScenarioNote,
    TIMELINE_MAX, TargetKind, TargetNote, Versions, gather,
};
use crate::scenario::company::Company;
use crate::scenario::schedule::{Deed, Person, Schedule};
use crate::scenario::{Layout, Scenario, Talk};
use crate::verdict::{self, Thresholds};
use mcu_core::conference::Settings;
use mcu_core::conference::input::StateChange;
use mcu_core::conference::roster::{LayoutChoice, Via};
use mcu_core::id::{ParticipantId, SourceKind};
use mcu_core::media::frame::Size;
use mcu_core::time::Mono;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// People of one room that can be told apart.
pub const ROOM_PEOPLE_MAX: usize = PARTICIPANTS_MAX as usize;

/// Small, so that drawing costs little; nothing else differs from a node's own settings.
const CANVAS: Size = Size::new(320, 180);
/// How exactly time goes on.
const STEP: Duration = Duration::from_millis(5);
/// From setting out to a way that is up.
const CONNECTED_MS: u64 = 150;
/// How often the record is emptied and everybody looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Why a scenario cannot be played in virtual time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSimulated {
    /// Somebody comes by SIP.
    #[error("the group {group:?} comes by SIP, which virtual time does not have: play it against a node")]
    Calls {
        /// Whose.
        group: String,
    },
    /// There are more people in a room than can be told apart.
    #[error("a room of {people}: in virtual time {ROOM_PEOPLE_MAX} people of a room can be told apart")]
    Room {
        /// How many.
        people: usize,
    },
}

/// Who takes in what happens.
pub trait Watcher {
    /// Lines of the event log, in their order.
    fn log(&mut self, lines: &str);
    /// So much virtual time has passed in room `room` of `rooms`; whether to go on.
    fn passed(&mut self, room: usize, rooms: usize, passed: Duration, end: Duration) -> bool;
}

/// What of a scenario's thresholds virtual time cannot judge: its sound has no beeps, its pictures no looks, its node no processor.
pub fn not_judged(thresholds: &Thresholds) -> Vec<&'static str> {
    let Thresholds {
        sound_latency_ms_p95_max, av_offset_ms_max, psnr_db_min, ticks_late_percent_max, ..
    } = thresholds;
    [
        ("sound_latency_ms_p95_max", sound_latency_ms_p95_max.is_some()),
        ("av_offset_ms_max", av_offset_ms_max.is_some()),
        ("psnr_db_min", psnr_db_min.is_some()),
        ("ticks_late_percent_max", ticks_late_percent_max.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_set)| is_set.then_some(name))
    .collect()
}

/// Plays `scenario`. The report counts from `started_unix_ms`, which is all that it has of the real world.
///
/// # Errors
/// [`NotSimulated`] before anything was played.
pub fn play(
    scenario: &Scenario,
    started_unix_ms: u64,
    watcher: &mut dyn Watcher,
) -> Result<RunReport, NotSimulated> {
    let mut groups = scenario.rooms.iter().flat_map(|room| &room.groups);
    if let Some(group) = groups.find(|group| group.calls()) {
        return Err(NotSimulated::Calls { group: group.name.clone() });
    }
    let schedule = scenario.schedule();
    let people_of = |room: usize| schedule.people.iter().filter(|person| person.room == room).count();
    if let Some(people) = (0..schedule.rooms.len()).map(people_of).find(|people| *people > ROOM_PEOPLE_MAX) {
        return Err(NotSimulated::Room { people });
    }
    let companies = Company::of_all(&schedule);
    let (mut passages, mut timeline) = (Vec::new(), Timeline::default());
    let (mut encoders_max, mut ended_by) = (0, EndedBy::Schedule);
    for (room, company) in companies.iter().enumerate() {
        let mut stage = RoomStage::new(scenario, &schedule, room);
        if !stage.play(&mut timeline, watcher) {
            ended_by = EndedBy::Interrupt;
        }
        encoders_max += u64::from(stage.encoders_max);
        passages.extend(stage.passages(company));
        if ended_by == EndedBy::Interrupt {
            break;
        }
    }
    passages.sort_by_key(|passage: &Passage| passage.began);
    let span = (started_unix_ms, ended_by);
    Ok(report(scenario, &schedule, span, &passages, timeline, encoders_max))
}

fn report(
    scenario: &Scenario,
    schedule: &Schedule,
    (started_unix_ms, ended_by): (u64, EndedBy),
    passages: &[Passage],
    timeline: Timeline,
    encoders_max: u64,
) -> RunReport {
    let participants = gather(passages, Mono::ZERO);
    // An interrupted run is over before its schedule is.
    let ended = passages.iter().map(|passage| passage.ended).max().unwrap_or(Mono::ZERO);
    let connected = passages.iter().filter_map(|p| Some(p.ended.since(p.connected()?).as_secs_f64()));
    let node =
        NodeUse { participant_s: connected.sum(), encoders_max: Some(encoders_max), ..NodeUse::default() };
    let harness = HarnessUse::default();
    let thresholds = Thresholds {
        sound_latency_ms_p95_max: None,
        av_offset_ms_max: None,
        psnr_db_min: None,
        ticks_late_percent_max: None,
        ..scenario.thresholds
    };
    let sentence = verdict::judge(&thresholds, &participants, &node, &harness, ended_by);
    RunReport {
        schema: SCHEMA,
        scenario: ScenarioNote::of(scenario, schedule),
        target: TargetNote { kind: TargetKind::VirtualTime, base: "virtual time".to_owned() },
        started_unix_ms,
        ended_unix_ms: started_unix_ms + ended.as_millis(),
        ended_by,
        versions: Versions {
            harness: env!("CARGO_PKG_VERSION").to_owned(),
            node: Some(env!("CARGO_PKG_VERSION").to_owned()),
        },
        participants,
        calls: None,
        node,
        harness,
        timeline: timeline.into_entries(),
        thresholds: sentence.judgements,
        verdict: sentence.verdict,
        because: sentence.because,
    }
}

/// Each look's moment, over all rooms.
#[derive(Debug, Default)]
struct Timeline(Vec<Moment>);

impl Timeline {
    fn add(&mut self, look: usize, at: Mono, connected: u32, sent_bytes: u64, received_bytes: u64) {
        if self.0.len() <= look {
            self.0.resize(look + 1, Moment::default());
        }
        let moment = &mut self.0[look];
        let kbps = |bytes: u64| bytes as f64 * 8.0 / 1_000.0 / LOOK.as_secs_f64();
        moment.at_ms = at.as_millis();
        moment.connected += connected;
        moment.sent_kbps += kbps(sent_bytes);
        moment.received_kbps += kbps(received_bytes);
    }

    /// As many as a report holds, evenly spaced.
    fn into_entries(self) -> Vec<Moment> {
        let every = self.0.len().div_ceil(TIMELINE_MAX).max(1);
        self.0.into_iter().step_by(every).collect()
    }
}

/// Somebody who is in.
struct Stay {
    visit: u32,
    began: Mono,
    counting: Option<Counted>,
    /// [`Traffic::pictures_lost`] when it began to count.
    lost_before: u64,
    meter: Meter,
}

/// A stay that is over.
struct Ended {
    who: usize,
    stay: Stay,
    ended: Mono,
    traffic: Traffic,
}

/// One room of a scenario while it is played.
struct RoomStage<'a> {
    name: String,
    room: usize,
    schedule: &'a Schedule,
    settle: Duration,
    world: World,
    /// Who is who: participant 1 is the first.
    people: Vec<(usize, &'a Person)>,
    /// By participant.
    stays: Vec<Option<Stay>>,
    visits: Vec<u32>,
    speaks: Vec<bool>,
    ended: Vec<Ended>,
    /// Bytes until the last look: sent, received.
    passed: (u64, u64),
    encoders_max: u32,
}

impl<'a> RoomStage<'a> {
    fn new(scenario: &Scenario, schedule: &'a Schedule, room: usize) -> Self {
        let name = format!("room-{}", room + 1);
        let people: Vec<(usize, &Person)> =
            schedule.people.iter().enumerate().filter(|(_, person)| person.room == room).collect();
        let settings = Settings { canvas: CANVAS, ..Settings::new(&name, &name) };
        // Rooms are different meetings: each has chances of its own.
        let seed = scenario.seed.wrapping_add((room as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self {
            world: World::new(seed, settings).in_steps_of(STEP),
            name,
            room,
            schedule,
            settle: scenario.settle,
            stays: people.iter().map(|_| None).collect(),
            visits: vec![0; people.len()],
            speaks: people.iter().map(|(_, person)| person.group.talk == Talk::Always).collect(),
            people,
            ended: Vec::new(),
            passed: (0, 0),
            encoders_max: 0,
        }
    }

    /// Plays it; whether it came to its end.
    fn play(&mut self, timeline: &mut Timeline, watcher: &mut dyn Watcher) -> bool {
        watcher.log(&format!("{}\n", self.name));
        let end = Mono::ZERO + self.schedule.end;
        let mut deeds = self.schedule.deeds.iter().peekable();
        let (mut look, mut looked, mut goes_on) = (Mono::ZERO + LOOK, 0, true);
        loop {
            let next = deeds.peek().map_or(end, |(at, _)| Mono::ZERO + *at);
            let due = next.min(look).min(end);
            self.world.run_until(due.as_millis());
            let record = std::mem::take(&mut self.world.record);
            watcher.log(&record.log);
            self.take(&record);
            if look <= due {
                self.look(timeline, looked);
                let rooms = self.schedule.rooms.len();
                goes_on = watcher.passed(self.room, rooms, due.since(Mono::ZERO), self.schedule.end);
                (look, looked) = (look + LOOK, looked + 1);
            }
            if due >= end || !goes_on {
                break;
            }
            while let Some((_, deed)) = deeds.next_if(|(at, _)| Mono::ZERO + *at <= due) {
                self.act(*deed);
            }
        }
        for at in 0..self.people.len() {
            self.leave(at);
        }
        goes_on
    }

    /// Feeds the meters of those who measure.
    fn take(&mut self, record: &Record) {
        let at = |participant: ParticipantId| participant.0 as usize - 1;
        for seen in record.seen.iter().filter(|seen| seen.line == SourceKind::Main) {
            if let Some(stay) = &mut self.stays[at(seen.viewer)] {
                stay.meter.saw(seen, |mark| self.world.captured(mark));
            }
        }
        for heard in &record.heard {
            if let Some(stay) = &mut self.stays[at(heard.listener)] {
                stay.meter.heard(heard);
            }
        }
    }

    /// Looks at everybody: who begins to count, what passed since the last time.
    fn look(&mut self, timeline: &mut Timeline, looked: usize) {
        let now = self.world.now();
        let count_from = Mono::ZERO + self.schedule.count_from;
        let (mut sent, mut received, mut connected) = (0, 0, 0);
        for (stay, id) in self.stays.iter_mut().zip(1..) {
            let Some(stay) = stay else { continue };
            let traffic = self.world.traffic(ParticipantId(id)).unwrap_or_default();
            sent += traffic.sent_bytes;
            received += traffic.received_bytes;
            let way = stay.began + Duration::from_millis(CONNECTED_MS);
            connected += u32::from(way <= now);
            if stay.counting.is_none() && now >= (way + self.settle).max(count_from) {
                stay.counting = Some(Counted {
                    at: now,
                    sent_bytes: traffic.sent_bytes,
                    received_bytes: traffic.received_bytes,
                    picture_packets: traffic.picture_packets,
                });
                stay.lost_before = traffic.pictures_lost;
                stay.meter.forget();
            }
        }
        let gone = self.ended.iter().map(|ended| (ended.traffic.sent_bytes, ended.traffic.received_bytes));
        let (sent, received) = gone.fold((sent, received), |all, one| (all.0 + one.0, all.1 + one.1));
        timeline.add(looked, now, connected, sent - self.passed.0, received - self.passed.1);
        self.passed = (sent, received);
        self.encoders_max = self.encoders_max.max(self.world.census().live.load(Ordering::Relaxed));
    }

    fn act(&mut self, deed: Deed) {
        let Some(at) = self.people.iter().position(|(who, _)| *who == deed.who()) else { return };
        let id = ParticipantId(at as u64 + 1);
        let now_ms = self.world.now().as_millis();
        match deed {
            Deed::Join(_) => self.join(at),
            Deed::Leave(_) => self.leave(at),
            Deed::Speak(_, speaks) => {
                self.speaks[at] = speaks;
                if self.stays[at].is_some() {
                    self.world.at(now_ms, Action::Speak(id, speaks));
                }
            }
        }
    }

    fn join(&mut self, at: usize) {
        if self.stays[at].is_some() {
            return;
        }
        self.visits[at] += 1;
        let began = self.world.now();
        let id = ParticipantId(at as u64 + 1);
        let (_, person) = self.people[at];
        let group = &person.group;
        let direct = || Line::from(Link::clean(Duration::ZERO));
        let network = group.network.clone();
        let (up, down) = network.map_or_else(|| (direct(), direct()), |profile| (profile.up, profile.down));
        let profile = Profile {
            participant: id,
            via: match group.kind {
                ParticipantKind::Webrtc => Via::Browser,
                ParticipantKind::Whip => Via::Whip,
                ParticipantKind::Whep => Via::Whep,
                // Refused before: see `play`.
                ParticipantKind::Sip | ParticipantKind::Phone => Via::Sip,
            },
            camera: group.shows(),
            microphone: group.speaks() && self.speaks[at],
            overlay: group.overlay,
            content: group.kind == ParticipantKind::Webrtc,
            measures: person.measures,
            whole_pictures: !person.measures && group.network.is_none(),
            up,
            down,
        };
        self.world.at(began.as_millis(), Action::Join(profile));
        let layout = group.layout.map(|layout| match layout {
            Layout::Auto => LayoutChoice::Auto,
            Layout::Grid => LayoutChoice::Grid,
            Layout::Speaker => LayoutChoice::Speaker,
        });
        let change =
            StateChange { muted: (!self.speaks[at]).then_some(true), layout, ..StateChange::default() };
        self.world.at(began.as_millis(), Action::State(id, change));
        let (visit, meter) = (self.visits[at], Meter::new(began));
        self.stays[at] = Some(Stay { visit, began, counting: None, lost_before: 0, meter });
    }

    fn leave(&mut self, at: usize) {
        let Some(stay) = self.stays[at].take() else { return };
        let id = ParticipantId(at as u64 + 1);
        let traffic = self.world.traffic(id).unwrap_or_default();
        let ended = self.world.now();
        self.world.at(ended.as_millis(), Action::Leave(id));
        self.ended.push(Ended { who: at, stay, ended, traffic });
    }

    /// All stays, as the report takes them.
    fn passages(self, company: &Company) -> Vec<Passage> {
        let people: Vec<&Person> = self.people.iter().map(|(_, person)| *person).collect();
        let passage = |Ended { who, stay, ended, traffic }: Ended| {
            let person = people[who];
            let Stay { visit, began, counting, lost_before, meter } = stay;
            let mut report = meter.report(person, &people, &company.voices);
            report.participant_id = Some(who as u64 + 1);
            let connected_ms =
                (ended.since(began).as_millis() as u64 >= CONNECTED_MS).then_some(CONNECTED_MS);
            let since = |at: Mono| at.since(began).as_millis() as u64;
            report.join.first_picture_ms =
                report.join.first_picture_ms.or_else(|| traffic.first_picture.map(since));
            report.join.first_sound_ms =
                report.join.first_sound_ms.or_else(|| traffic.first_sound.map(since));
            (report.join.joined_ms, report.join.connected_ms) = (Some(0), connected_ms);
            (report.sent.bytes, report.sent.sound_packets) = (traffic.sent_bytes, traffic.sent_sounds);
            report.received.bytes = traffic.received_bytes;
            report.received.picture_packets = traffic.picture_packets;
            report.received.sound_packets = traffic.sound_packets;
            report.main.packets_lost = traffic.pictures_lost - lost_before;
            let passage = Passage::new(person.who(visit, &self.name), (began, ended), counting, report);
            person.expecting(company, passage)
        };
        self.ended.into_iter().map(passage).collect()
    }
}
