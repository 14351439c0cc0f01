//! The control thread's state: rooms, running meetings, who is in them, and what the API is answered.
//!
//! Flow: API commands, peers' news, loudness -> **here** -> `Conference` -> effects -> engine, io threads, sockets.
//! One task owns all of it; nothing here touches media. What waits or reads a clock is in `threads::control`.

mod arrivals;
mod commands;
mod invitations;
mod meeting;
mod negotiation;
mod proposals;
mod rooms;

pub use meeting::{Meeting, MeetingPeer};
pub use negotiation::{Negotiated, Negotiation, SipMedia};
pub use rooms::{Rooms, make_room};

use crate::config::Config;
use crate::engine::outgoing::Outlet;
use crate::engine::pictures::PictureParts;
use crate::peers::{News, PeerNews};
use crate::prompts::Prompts;
use crate::store::Store;
use crate::threads::NodeClock;
use crate::threads::clock::ClockThread;
use crate::threads::io::IoPort;
use codecs::opus::OpusSettings;
use invitations::Invited;
use mcu_core::conference::event::ClosingReason;
use mcu_core::conference::input::{Input, Loudness, Medium};
use mcu_core::id::{ConferenceId, IdSource, ParticipantId};
use mcu_core::privacy::{Ledger, Plaintext, Purpose};
use mcu_core::time::Mono;
use signalling::model::IceServer;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

/// What meetings are made of; shared by all of them.
pub struct Parts {
    /// The node's clock.
    pub clock: NodeClock,
    /// Starts beats.
    pub beats: ClockThread,
    /// The io threads, in order.
    pub io: Vec<IoPort>,
    /// Makes picture engines.
    pub pictures: PictureParts,
    /// Encodes mixes.
    pub opus: OpusSettings,
    /// Takes what engines make.
    pub outlet: Arc<dyn Outlet>,
    /// Keeps rooms.
    pub store: Store,
    /// What is said by voice.
    pub prompts: Prompts,
    /// What legs of SIP devices are made with.
    pub sip: SipMedia,
    /// As read at the start.
    pub config: Config,
}

/// What one second of the node looks like to an operator; no names, no ids.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Rooms on disk.
    pub rooms: usize,
    /// Meetings running.
    pub meetings: usize,
    /// People in them.
    pub participants: usize,
    /// Encodes planned.
    pub encoders: usize,
    /// Sources decoded.
    pub on_stage: usize,
}

/// The control thread's state.
pub struct ControlState {
    parts: Parts,
    rooms: Rooms,
    meetings: BTreeMap<ConferenceId, Meeting>,
    /// Those whom the node calls, by who they will be.
    invited: BTreeMap<ParticipantId, Invited>,
    ledger: Ledger,
    /// Tokens of meetings that are over, until their last job has let go.
    ending: Vec<Arc<Plaintext>>,
    conference_ids: IdSource,
    participant_ids: IdSource,
    peer_ids: IdSource,
    negotiated: mpsc::Sender<Negotiated>,
    draining: bool,
}

impl ControlState {
    /// With the rooms that the store keeps. What comes of negotiations comes back on the other end of `negotiated`.
    pub const fn new(parts: Parts, rooms: Rooms, negotiated: mpsc::Sender<Negotiated>) -> Self {
        Self {
            parts,
            rooms,
            meetings: BTreeMap::new(),
            invited: BTreeMap::new(),
            ledger: Ledger::new(),
            ending: Vec::new(),
            conference_ids: IdSource::new(),
            participant_ids: IdSource::new(),
            peer_ids: IdSource::new(),
            negotiated,
            draining: false,
        }
    }

    /// Gives one meeting an input and carries out what follows from it.
    fn input(&mut self, conference: ConferenceId, input: Input) -> Result<(), mcu_core::conference::Refusal> {
        let now = self.parts.clock.now();
        let Some(meeting) = self.meetings.get_mut(&conference) else {
            return Err(mcu_core::conference::Refusal::Ended);
        };
        let result = meeting.input(input, now, &self.parts);
        if meeting.has_ended() {
            self.end(conference);
        }
        result
    }

    fn end(&mut self, conference: ConferenceId) {
        let Some(meeting) = self.meetings.remove(&conference) else { return };
        tracing::info!(%conference, "meeting over");
        self.parts.beats.remove(conference);
        for port in &self.parts.io {
            port.command(crate::peers::PeerCommand::ConferenceGone(conference));
        }
        self.rooms.meeting_over(conference);
        self.ending.push(meeting.into_token());
    }

    /// Takes news of a peer.
    pub fn news(&mut self, news: &News) {
        let Some(meeting) = self.meetings.get_mut(&news.conference) else { return };
        if !meeting.is_current(news.participant, news.peer) {
            return;
        }
        let participant = news.participant;
        let input = match &news.what {
            PeerNews::Connected => {
                let Some(input) = meeting.connected(participant) else { return };
                input
            }
            PeerNews::Closed { for_good } => {
                meeting.peer_gone(participant);
                if *for_good {
                    Input::Leave { participant, reason: ClosingReason::Disconnected }
                } else {
                    Input::Disconnected { participant }
                }
            }
            PeerNews::Live(source, medium, live) => {
                let medium = match medium {
                    transport::peer::Medium::Video => Medium::Video,
                    transport::peer::Medium::Audio => Medium::Sound,
                };
                Input::SourceLive { source: *source, medium, live: *live }
            }
            PeerNews::Digit(digit) => Input::Digit { participant, digit: *digit },
            PeerNews::Way(way) => {
                Input::Estimate { participant, kbps: way.estimate_kbps, starving: way.starving }
            }
            PeerNews::Stats(stats) => {
                meeting.stats(participant, stats);
                return;
            }
        };
        if let Err(refusal) = self.input(news.conference, input) {
            tracing::debug!(conference = %news.conference, %refusal, "news refused");
        }
    }

    /// Takes how loud a conference's streams are.
    pub fn loudness(&mut self, conference: ConferenceId, loudness: Loudness) {
        // Of a meeting that is over, or refused: the next report comes in 30 ms.
        let _ = self.input(conference, Input::Loudness(loudness));
    }

    /// When the next meeting has something to do by itself.
    pub fn deadline(&self) -> Option<Mono> {
        self.meetings.values().filter_map(Meeting::deadline).min()
    }

    /// Gives every meeting whose time has come its tick.
    pub fn tick(&mut self) {
        let now = self.parts.clock.now();
        let due: Vec<ConferenceId> = self
            .meetings
            .iter()
            .filter(|(_, meeting)| meeting.deadline().is_some_and(|deadline| deadline <= now))
            .map(|(id, _)| *id)
            .collect();
        for conference in due {
            let _ = self.input(conference, Input::Tick);
        }
    }

    /// Once a second: forgets who will not answer any more, gives back the tokens of what is over, and counts.
    pub fn housekeep(&mut self) -> Census {
        self.forget_invitations();
        for token in std::mem::take(&mut self.ending) {
            match Arc::try_unwrap(token) {
                Ok(token) => self.ledger.give_back(token, Purpose::Mixing),
                Err(still_held) => self.ending.push(still_held),
            }
        }
        let meetings = self.meetings.values();
        Census {
            rooms: self.rooms.len(),
            meetings: self.meetings.len(),
            participants: meetings.clone().map(Meeting::participants).sum(),
            encoders: meetings.clone().map(Meeting::encoders).sum(),
            on_stage: meetings.map(Meeting::on_stage).sum(),
        }
    }

    /// No new joins; everybody is told, and their sockets and peers are closed.
    pub fn drain(&mut self) {
        self.draining = true;
        let everybody: Vec<(ConferenceId, ParticipantId)> = self
            .meetings
            .iter()
            .flat_map(|(id, meeting)| meeting.roster().map(|participant| (*id, participant)))
            .collect();
        for (conference, participant) in everybody {
            let _ = self.input(conference, Input::Leave { participant, reason: ClosingReason::Draining });
        }
    }

    /// The node's clock, beats and io threads.
    pub const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Late beats and ticks since the start, for metrics.
    pub fn beats(&self) -> [u64; 4] {
        let counters = &self.parts.beats.counters;
        [&counters.ticks, &counters.late_ticks, &counters.blocks, &counters.late_blocks]
            .map(|counter| counter.load(Ordering::Relaxed))
    }

    fn ice_servers(&self, participant: ParticipantId) -> Vec<IceServer> {
        crate::ice::servers(&self.parts.config.ice_servers, participant, crate::threads::unix_s())
    }
}
