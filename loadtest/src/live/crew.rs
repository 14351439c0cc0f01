//! The bots of a run: they come, speak and go as the schedule says, and each stay becomes a passage of the report.
//!
//! Flow: deeds -> **here** -> `bot`; bots' reports -> **here** -> timeline, passages. Bounds: one bot for each person of the
//! schedule; `LEAVE_WAIT_MAX` for one that does not end.

use super::rooms::Rooms;
use crate::bot::peer::Offered;
use crate::bot::report::{Outcome, Report};
use crate::bot::{self, Bot, BotSpec, Command, Stage};
use crate::media::barcode::SenderId;
use crate::media::loops::LoopSet;
use crate::report::{Counted, Moment, ParticipantKind, Passage};
use crate::scenario::company::Company;
use crate::scenario::schedule::{Deed, Person, Schedule};
use crate::scenario::{Scenario, Talk};
use mcu_core::time::Mono;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The longest that a bot may take to leave: a node that has gone answers nobody.
const LEAVE_WAIT_MAX: Duration = Duration::from_secs(5);
/// From when somebody begins to count to when a snapshot of its figures has nothing of before.
const FIGURES_WAIT: Duration = Duration::from_millis(1_000);
/// Failures told one by one until the next look at them.
const FAILURES_TOLD_MAX: usize = 5;

/// Somebody who is in, or on the way.
#[derive(Debug)]
struct Stay {
    bot: Bot,
    visit: u32,
    began: Mono,
    counting: Option<Counted>,
}

/// A stay that is over.
#[derive(Debug)]
struct Ended {
    who: usize,
    visit: u32,
    began: Mono,
    ended: Mono,
    counting: Option<Counted>,
    report: Report,
}

/// Everybody.
#[derive(Debug)]
pub(super) struct Crew<'a> {
    schedule: &'a Schedule,
    rooms: &'a Rooms,
    stage: Stage,
    settle: Duration,
    /// When figures begin to count, at the earliest.
    count_from: Mono,
    sets: HashMap<SenderId, Arc<LoopSet>>,
    companies: Vec<Company>,
    /// By person.
    stays: Vec<Option<Stay>>,
    visits: Vec<u32>,
    speaks: Vec<bool>,
    leaving: JoinSet<Ended>,
    ended: Vec<Ended>,
    failed: u32,
    told: Vec<String>,
    /// Bytes of stays that are over: sent, received.
    bytes_before: (u64, u64),
    last: (Mono, u64, u64),
}

impl<'a> Crew<'a> {
    pub(super) fn new(
        scenario: &Scenario,
        schedule: &'a Schedule,
        rooms: &'a Rooms,
        stage: &Stage,
        begin: Mono,
    ) -> Self {
        let people = schedule.people.len();
        Self {
            schedule,
            rooms,
            stage: stage.clone(),
            settle: scenario.settle,
            count_from: begin + schedule.count_from,
            sets: HashMap::new(),
            companies: Company::of_all(schedule),
            stays: (0..people).map(|_| None).collect(),
            visits: vec![0; people],
            speaks: schedule.people.iter().map(|person| person.group.talk == Talk::Always).collect(),
            leaving: JoinSet::new(),
            ended: Vec::new(),
            failed: 0,
            told: Vec::new(),
            bytes_before: (0, 0),
            last: (begin, 0, 0),
        }
    }

    /// Hands out what they send.
    pub(super) fn give(&mut self, sets: HashMap<SenderId, Arc<LoopSet>>) {
        self.sets = sets;
    }

    pub(super) async fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Join(who) => self.join(who).await,
            Deed::Leave(who) => self.leave(who),
            Deed::Speak(who, speaks) => {
                self.speaks[who] = speaks;
                if let Some(stay) = &self.stays[who] {
                    // One that has just ended speaks no more.
                    let _ = stay.bot.command(Command::Mute(!speaks)).await;
                }
            }
        }
    }

    async fn join(&mut self, who: usize) {
        if self.stays[who].is_some() {
            return;
        }
        self.visits[who] += 1;
        let person = &self.schedule.people[who];
        let began = self.stage.clock.now();
        let bot = bot::start(self.spec(person, self.speaks[who]), &self.stage);
        if !person.group.camera {
            let _ = bot.command(Command::Camera(false)).await;
        }
        if let Some(layout) = person.group.layout {
            let _ = bot.command(Command::Layout(layout.name().to_owned())).await;
        }
        self.stays[who] = Some(Stay { bot, visit: self.visits[who], began, counting: None });
    }

    fn spec(&self, person: &Person, speaks: bool) -> BotSpec {
        let group = &person.group;
        let target = self.rooms.target(person.room).clone();
        let spec = BotSpec::new(target, person.sender).named(&person.name);
        let mut spec = match group.kind {
            ParticipantKind::Webrtc => spec.offering(Offered::Page),
            ParticipantKind::Whip => spec.offering(Offered::Publish),
            ParticipantKind::Whep => spec.offering(Offered::Watch),
            ParticipantKind::Sip | ParticipantKind::Phone => spec.calling(group.sound),
        };
        if let Some(set) = self.sets.get(&person.sender).filter(|_| group.sends()) {
            spec = spec.sending(Arc::clone(set));
        } else {
            spec.codecs = vec![group.codec];
        }
        if person.measures {
            spec = spec.measuring(self.companies[person.room].voices.iter().copied());
        }
        if let Some(profile) = group.network.clone() {
            spec = spec.through(profile, person.network_seed);
        }
        (spec.overlay, spec.muted) = (group.overlay, !speaks);
        spec
    }

    fn leave(&mut self, who: usize) {
        let Some(stay) = self.stays[who].take() else { return };
        let ended = self.stage.clock.now();
        self.leaving.spawn(finish(who, stay, ended));
    }

    /// Looks at everybody: who begins to count, who has gone.
    pub(super) async fn look(&mut self, now: Mono) {
        while let Some(ended) = self.leaving.try_join_next() {
            self.keep(ended);
        }
        for who in 0..self.stays.len() {
            let Some(stay) = &mut self.stays[who] else { continue };
            let (is_over, connected_ms) =
                stay.bot.look(|report| (report.outcome != Outcome::Running {}, report.join.connected_ms));
            if is_over {
                self.leave(who);
            } else if let Some(connected_ms) = connected_ms.filter(|_| stay.counting.is_none()) {
                let settled = stay.began + Duration::from_millis(connected_ms) + self.settle;
                if now >= settled.max(self.count_from) {
                    stay.counting = Some(stay.bot.look(|report| Counted::of(report, now)));
                    let _ = stay.bot.command(Command::Forget).await;
                }
            }
        }
    }

    /// A bot that panicked has no stay to tell of; the panic has been printed.
    fn keep(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let Ok(ended) = ended else { return };
        self.bytes_before.0 += ended.report.sent.bytes;
        self.bytes_before.1 += ended.report.received.bytes;
        let name = &self.schedule.people[ended.who].name;
        let said = match &ended.report.outcome {
            Outcome::Failed { stage, detail, .. } => Some(format!("{name} failed at {stage}: {detail}")),
            Outcome::Closed { reason } => Some(format!("{name}: the node closed the session ({reason})")),
            Outcome::Running {} => Some(format!("{name} never came to its end")),
            Outcome::Left {} => None,
        };
        if let Some(said) = said {
            self.failed += 1;
            if self.told.len() < FAILURES_TOLD_MAX {
                self.told.push(said);
            }
        }
        self.ended.push(ended);
    }

    /// What has failed since this was asked last, one line each, the first few.
    pub(super) fn new_failures(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// Whether nobody is in or on the way in.
    pub(super) fn is_empty(&self) -> bool {
        self.stays.iter().all(Option::is_none)
    }

    /// Whether somebody failed or was sent away.
    pub(super) const fn has_lost_somebody(&self) -> bool {
        self.failed > 0
    }

    /// How everybody is.
    pub(super) fn moment(&mut self, now: Mono) -> Moment {
        let (begin, sent_before, received_before) = self.last;
        let mut moment = Moment {
            at_ms: (now.as_millis() + self.schedule.count_from.as_millis() as u64)
                .saturating_sub(self.count_from.as_millis()),
            failed: self.failed,
            ..Moment::default()
        };
        let (mut sent, mut received) = self.bytes_before;
        for stay in self.stays.iter().flatten() {
            stay.bot.look(|report| {
                sent += report.sent.bytes;
                received += report.received.bytes;
                moment.connected += u32::from(report.join.connected_ms.is_some());
                let counted = stay.counting.map(|counted| now.since(counted.at));
                if report.measured && counted.is_some_and(|counted| counted >= FIGURES_WAIT) {
                    measure(&mut moment, report);
                }
            });
        }
        let seconds = now.since(begin).as_secs_f64().max(1e-3);
        // Stays that are just ending are in neither sum for a moment: no rate is below zero.
        let kbps = |bytes: u64, before: u64| bytes.saturating_sub(before) as f64 * 8.0 / 1_000.0 / seconds;
        (moment.sent_kbps, moment.received_kbps) = (kbps(sent, sent_before), kbps(received, received_before));
        self.last = (now, sent.max(sent_before), received.max(received_before));
        moment
    }

    /// Sees everybody out; all stays, in the order of their beginnings.
    pub(super) async fn end(mut self) -> Vec<Passage> {
        for who in 0..self.stays.len() {
            self.leave(who);
        }
        while let Some(ended) = self.leaving.join_next().await {
            self.keep(ended);
        }
        let mut ended = std::mem::take(&mut self.ended);
        ended.sort_by_key(|ended| (ended.began, ended.who));
        ended.into_iter().map(|ended| self.passage(ended)).collect()
    }

    fn passage(&self, ended: Ended) -> Passage {
        let Ended { who, visit, began, ended, counting, report } = ended;
        let person = &self.schedule.people[who];
        let room = &self.rooms.target(person.room).alias;
        let passage = Passage::new(person.who(visit, room), (began, ended), counting, report);
        person.expecting(&self.companies[person.room], passage)
    }
}

/// Adds what one who measures sees to how everybody is.
fn measure(moment: &mut Moment, report: &Report) {
    let worst = |most: Option<u64>, value: u64| Some(most.map_or(value, |most| most.max(value)));
    let fps = report.main.fps.into_iter().chain(moment.fps_min).reduce(f64::min);
    moment.fps_min = fps;
    moment.freezes = Some(moment.freezes.unwrap_or(0) + report.main.freezes);
    moment.concealed_ms = Some(moment.concealed_ms.unwrap_or(0) + report.sound.concealed_samples / 48);
    for code in report.main.tiles.iter().flat_map(|tile| &tile.codes).filter(|code| code.age_ms.count > 0) {
        moment.latency_ms_p95 = worst(moment.latency_ms_p95, code.age_ms.p95);
    }
}

/// Waits for a bot to leave; one that does not is taken by its last word.
async fn finish(who: usize, stay: Stay, ended: Mono) -> Ended {
    let Stay { bot, visit, began, counting } = stay;
    let mut last = bot.report();
    let report = match tokio::time::timeout(LEAVE_WAIT_MAX, bot.finish()).await {
        Ok(report) => report,
        Err(_) => {
            // Who was in has left; who never got in has failed to.
            if last.outcome == (Outcome::Running {}) && last.join.connected_ms.is_some() {
                last.outcome = Outcome::Left {};
            }
            last
        }
    };
    Ended { who, visit, began, ended, counting, report }
}
