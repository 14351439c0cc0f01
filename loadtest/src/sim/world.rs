//! Virtual time: a script, people, a node, and what is due next.
//!
//! Time jumps from one due moment to the next. What is due at one moment happens in this order: script, datagrams that
//! reach the node (people in the order of their ids), the node, datagrams and events that set out, people.

use super::client::{Client, Profile, Traffic};
use super::coded::Census;
use super::mark::Mark;
use super::node::{Node, Path};
use super::record::Record;
use super::sender::Madness;
use crate::relay::profile::Link;
use mcu_core::conference::event::{ClosingReason, MutedBy};
use mcu_core::conference::input::{Input, Joining, StateChange};
use mcu_core::conference::roster::{DisplayName, Role};
use mcu_core::conference::{Conference, Settings};
use mcu_core::id::{ParticipantId, SourceKind};
use mcu_core::time::Mono;
use mcu_server::engine::totals::MediaTotals;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// From the answer to a join to a media path that is up.
const CONNECTS_AFTER: Duration = Duration::from_millis(150);

/// Something that somebody does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Joins; its media path is up 150 ms later.
    Join(Profile),
    /// Leaves.
    Leave(ParticipantId),
    /// Is muted by a host.
    Mute(ParticipantId),
    /// Says how it wants to be seen and what it wants to see; `sharing` begins and ends its content.
    State(ParticipantId, StateChange),
    /// Two exchange their seats.
    Swap(ParticipantId, ParticipantId),
    /// Begins to speak and says so, or falls silent and is muted.
    Speak(ParticipantId, bool),
    /// The network from the node to it is another from now on.
    Down(ParticipantId, Link),
    /// Goes mad in these ways, one after the other; in none: comes to its senses.
    Mad(ParticipantId, Vec<Madness>),
    /// Its media path is up.
    Connect(ParticipantId),
}

/// A meeting in virtual time.
pub struct World {
    seed: u64,
    /// Everything happens at whole multiples of it; `None`: at its very moment.
    step: Option<Duration>,
    dice: StdRng,
    now: Mono,
    node: Node,
    clients: BTreeMap<ParticipantId, Client>,
    listening: BTreeSet<ParticipantId>,
    /// By moment, then in the order of asking.
    script: BTreeMap<(Mono, u64), Action>,
    asked: u64,
    /// What happened so far.
    pub record: Record,
}

impl World {
    /// An empty house at time zero. Everything that is left to chance follows from `seed`.
    pub fn new(seed: u64, settings: Settings) -> Self {
        Self {
            seed,
            step: None,
            dice: StdRng::seed_from_u64(seed),
            now: Mono::ZERO,
            node: Node::new(settings, Mono::ZERO),
            clients: BTreeMap::new(),
            listening: BTreeSet::new(),
            script: BTreeMap::new(),
            asked: 0,
            record: Record::default(),
        }
    }

    /// The same where time goes on in steps of so much, at most a block of sound: what is due within one happens at its end. Of
    /// a hundred people something is due all the time, and looking for what is next costs more than doing it.
    #[must_use]
    pub fn in_steps_of(self, step: Duration) -> Self {
        Self { step: Some(step), ..self }
    }

    /// Something happens at `ms`.
    pub fn at(&mut self, ms: u64, action: Action) {
        self.plan(Mono::from_millis(ms), action);
    }

    fn plan(&mut self, at: Mono, action: Action) {
        self.asked += 1;
        self.script.insert((at, self.asked), action);
    }

    /// The present.
    pub fn now(&self) -> Mono {
        self.now
    }

    /// A number from the run's own dice, below `end`.
    pub fn chance(&mut self, end: u64) -> u64 {
        self.dice.random_range(0..end)
    }

    /// What the codecs have done.
    pub fn census(&self) -> &Census {
        self.node.census()
    }

    /// What the engine has counted.
    pub fn totals(&self) -> &MediaTotals {
        self.node.totals()
    }

    /// The conference, to read.
    pub const fn conference(&self) -> &Conference {
        self.node.conference()
    }

    /// What has passed between `participant` and the node; `None` when it is not there.
    pub fn traffic(&self, participant: ParticipantId) -> Option<Traffic> {
        self.clients.get(&participant).map(|client| client.traffic)
    }

    /// When the picture that says `mark` was taken; `None` when its source is gone.
    pub fn captured(&self, mark: Mark) -> Option<Mono> {
        self.clients.get(&mark.source.participant)?.sender.captured(mark)
    }

    /// Lets time pass until `ms`.
    pub fn run_until(&mut self, ms: u64) {
        let end = Mono::from_millis(ms);
        loop {
            let due = self.step.map_or_else(|| self.due().unwrap_or(end), |step| self.now + step);
            if due > end {
                break;
            }
            self.now = self.now.max(due);
            self.step();
        }
        self.now = end;
    }

    /// When something happens next.
    fn due(&self) -> Option<Mono> {
        let script = self.script.keys().next().map(|(at, _)| *at);
        let clients = self.clients.values().filter_map(Client::due);
        clients.chain(script).chain([self.node.due()]).min()
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(entry) = self.script.first_entry().filter(|entry| entry.key().0 <= now) {
            let action = entry.remove();
            self.act(action);
        }
        for (id, client) in &mut self.clients {
            while let Some(up) = client.up.pop(now) {
                self.node.take(*id, up, now);
            }
        }
        self.node.run(now, &mut self.record);
        for (id, down) in std::mem::take(&mut self.node.sent) {
            if let Some(client) = self.clients.get_mut(&id) {
                client.down.push(now, down.what.len(), down);
            }
        }
        for (to, event) in std::mem::take(&mut self.node.told) {
            for (id, client) in self.clients.iter_mut().filter(|(id, _)| to.includes(**id)) {
                if self.listening.contains(id) {
                    let before = client.events.back().map_or(now, |(at, _)| *at);
                    let delay = Duration::from_micros(self.dice.random_range(5_000..40_000));
                    client.events.push_back(((now + delay).max(before), event.clone()));
                }
            }
        }
        for client in self.clients.values_mut() {
            client.run(now, &mut self.record);
        }
    }

    fn act(&mut self, action: Action) {
        let now = self.now;
        self.record.note(now, format_args!("action {action:?}"));
        match action {
            Action::Join(profile) => self.join(profile),
            Action::Connect(id) => self.connect(id),
            Action::Leave(participant) => {
                let reason = ClosingReason::Left;
                self.node.input(Input::Leave { participant, reason }, now, &mut self.record);
                self.clients.remove(&participant);
                self.listening.remove(&participant);
            }
            Action::Mute(participant) => {
                let by = MutedBy::Host;
                self.node.input(Input::Mute { participant, by }, now, &mut self.record);
            }
            Action::State(participant, change) => {
                if let (Some(sharing), Some(client)) = (change.sharing, self.clients.get_mut(&participant)) {
                    if sharing {
                        client.sender.begin_picture(SourceKind::Content, now);
                    } else {
                        client.sender.end_picture(SourceKind::Content);
                    }
                }
                self.node.input(Input::State { participant, change }, now, &mut self.record);
            }
            Action::Speak(participant, speaks) => {
                if let Some(client) = self.clients.get_mut(&participant) {
                    client.sender.speak(speaks, now);
                }
                let change = StateChange { muted: Some(!speaks), ..StateChange::default() };
                self.node.input(Input::State { participant, change }, now, &mut self.record);
            }
            Action::Swap(one, other) => {
                self.node.input(Input::SwapSeats { one, other }, now, &mut self.record);
            }
            Action::Down(id, link) => {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.down.set_line(link.into(), now);
                }
            }
            Action::Mad(id, ways) => {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.sender.go_mad(ways, now);
                }
            }
        }
    }

    fn join(&mut self, profile: Profile) {
        let (now, participant) = (self.now, profile.participant);
        let joining = Joining {
            participant,
            name: DisplayName::parse(&format!("Person {}", participant.0)).expect("a fair name"),
            role: Role::Guest,
            via: profile.via,
            overlay: profile.overlay,
            invited: false,
            joined_at_unix_s: now.as_millis() / 1_000,
        };
        self.node.input(Input::Join(joining), now, &mut self.record);
        if !profile.camera {
            let change = StateChange { camera: Some(false), ..StateChange::default() };
            self.node.input(Input::State { participant, change }, now, &mut self.record);
        }
        self.listening.insert(participant);
        self.node.input(Input::Listening { participant }, now, &mut self.record);
        self.plan(now + CONNECTS_AFTER, Action::Connect(participant));
        let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ participant.0;
        self.clients.insert(participant, Client::new(profile, seed, now + CONNECTS_AFTER));
    }

    fn connect(&mut self, participant: ParticipantId) {
        let Some(client) = self.clients.get(&participant) else { return };
        let path = Path {
            participant,
            sends: client.profile.via.sends(),
            hears: client.profile.via.receives(),
            content: client.profile.content,
            whole_pictures: client.profile.whole_pictures,
            rtp_offsets: [self.dice.random(), self.dice.random()],
        };
        self.node.attach(path, self.now, &mut self.record);
    }
}
