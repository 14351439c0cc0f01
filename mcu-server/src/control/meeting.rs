//! One running meeting: its conference, its engine's inboxes, its peers and its event sockets.
//!
//! Carries out effects: plans go to engine and io threads, events to sockets. A socket that does not keep up is let
//! go; its client comes back and is told everything anew.

use super::Parts;
use super::negotiation::Predecessor;
use super::proposals::Proposal;
use crate::engine::intake::{SoundFeed, picture_intake};
use crate::engine::pictures::PictureEngine;
use crate::engine::sound::SoundEngine;
use crate::engine::{EngineInbox, PictureCommand, SoundCommand};
use crate::peers::{LineFeeds, MovedPeer, NewPeer, PeerCommand};
use mcu_core::conference::event::{ClosingReason, Event};
use mcu_core::conference::input::{Input, Line as SendLine, Receives};
use mcu_core::conference::plan::MeetingPlan;
use mcu_core::conference::{Conference, Effect, Prompt, Refusal, Settings, To};
use mcu_core::id::{ConferenceId, ParticipantId, PeerId, SourceId, SourceKind};
use mcu_core::limits;
use mcu_core::privacy::Plaintext;
use mcu_core::time::Mono;
use signalling::event::EventText;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use transport::io::ports::LinePorts;
use transport::peer::{Association, Line, LineState, Medium, PeerStats, Standing};

/// Seconds between two `stats` events.
const STATS_EVERY: u32 = 2;

/// A participant's connection, as control sees it.
pub struct MeetingPeer {
    /// The association.
    pub peer: PeerId,
    /// Its io thread, as an index.
    pub io: usize,
    receives: Receives,
    secured: bool,
    /// The lines on which it sends.
    sends: Vec<Line>,
    /// Of a SIP device: what its next session keeps.
    standing: Option<Standing>,
    stats_seen: u32,
}

/// An answered offer on its way into the meeting.
pub struct Arrival {
    /// Whose.
    pub participant: ParticipantId,
    /// The new association's id.
    pub id: PeerId,
    /// On which io thread.
    pub io: usize,
    /// The association.
    pub peer: Association,
    /// The sockets that are its alone.
    pub ports: Vec<LinePorts>,
    /// Random, for its two picture lines.
    pub rtp_offsets: [u32; 2],
    /// The connection of the same call that it follows, some of whose ports it keeps.
    pub follows: Option<PeerId>,
}

/// One meeting while it runs.
pub struct Meeting {
    conference: Conference,
    token: Arc<Plaintext>,
    inbox: EngineInbox,
    peers: BTreeMap<ParticipantId, MeetingPeer>,
    /// Offers of ours that wait for their answers.
    proposals: BTreeMap<ParticipantId, Box<Proposal>>,
    sockets: BTreeMap<ParticipantId, mpsc::Sender<EventText>>,
    plan: Option<Arc<MeetingPlan>>,
    ended: bool,
}

impl Meeting {
    /// Begins a meeting: its engine beats from now on.
    pub fn begin(id: ConferenceId, settings: Settings, token: Plaintext, parts: &Parts) -> Self {
        let now = parts.clock.now();
        let token = Arc::new(token);
        let inbox = EngineInbox::new();
        let pictures = PictureEngine::new(id, inbox.pictures.clone(), parts.pictures.clone());
        let sound = SoundEngine::new(
            Arc::clone(&token),
            inbox.sound.clone(),
            Arc::clone(&parts.pictures.codecs),
            parts.opus,
            Arc::clone(&parts.outlet),
            Arc::clone(&parts.pictures.totals),
            settings.echo,
        );
        for port in &parts.io {
            port.command(PeerCommand::Conference(id, inbox.clone()));
        }
        parts.beats.add(id, pictures, sound, now);
        Self {
            conference: Conference::new(id, settings, now),
            token,
            inbox,
            peers: BTreeMap::new(),
            proposals: BTreeMap::new(),
            sockets: BTreeMap::new(),
            plan: None,
            ended: false,
        }
    }

    /// Gives the conference an input and carries out every effect.
    ///
    /// # Errors
    /// The conference's refusal; what it decided all the same has been carried out.
    pub fn input(&mut self, input: Input, now: Mono, parts: &Parts) -> Result<(), Refusal> {
        let result = self.conference.handle(now, input);
        while let Some(effect) = self.conference.poll_effect() {
            self.carry_out(effect, parts);
        }
        result
    }

    fn carry_out(&mut self, effect: Effect, parts: &Parts) {
        match effect {
            Effect::Plan(plan) => self.adopt(plan, parts),
            Effect::Event { to, event } => self.tell(to, &event),
            Effect::Announce { to, prompt } => self.announce(to, prompt, parts),
            Effect::Hush(participant) => self.hush(participant),
            Effect::Entered { participant, entered } => {
                if let Some(socket) = self.sockets.get(&participant) {
                    // Its caller listens, or is being let go.
                    let _ = socket.try_send(EventText::entered(&entered));
                }
            }
            Effect::Disconnect { participant, .. } => {
                self.detach(participant, parts);
                self.sockets.remove(&participant);
            }
            Effect::Ended => self.ended = true,
        }
    }

    fn adopt(&mut self, plan: Arc<MeetingPlan>, parts: &Parts) {
        let full = self.inbox.pictures.push(PictureCommand::Plan(Arc::clone(&plan))).is_err()
            | self.inbox.sound.push(SoundCommand::Plan(Arc::clone(&plan))).is_err();
        if full {
            tracing::error!(conference = %self.conference.id(), "the engine does not take its plans");
        }
        for port in &parts.io {
            port.command(PeerCommand::Plan(Arc::clone(&plan)));
        }
        self.plan = Some(plan);
    }

    fn tell(&mut self, to: To, event: &Event) {
        let text = EventText::from(event);
        self.sockets.retain(|participant, socket| {
            !to.includes(*participant) || socket.try_send(text.clone()).is_ok()
        });
    }

    /// Says something by voice, after what was said before.
    pub fn announce(&self, to: To, prompt: Prompt, parts: &Parts) {
        let sound = Arc::clone(parts.prompts.sound(prompt));
        // A full inbox drops what is said, as a full queue of the hearer does.
        let _ = self.inbox.sound.push(SoundCommand::Announce { to, sound });
    }

    /// Says nothing more to `participant`: neither the rest nor what waits.
    pub fn hush(&self, participant: ParticipantId) {
        let _ = self.inbox.sound.push(SoundCommand::Hush(participant));
    }

    /// Opens a participant's socket; one that it had is told that it was replaced.
    pub fn subscribe(
        &mut self,
        participant: ParticipantId,
        now: Mono,
        parts: &Parts,
    ) -> Result<mpsc::Receiver<EventText>, Refusal> {
        let replaced = Event::Closing { reason: ClosingReason::Replaced, retry_after_s: None };
        self.tell(To::One(participant), &replaced);
        let (tx, rx) = mpsc::channel(limits::EVENTS_QUEUED_MAX);
        self.sockets.insert(participant, tx);
        self.input(Input::Listening { participant }, now, parts)?;
        Ok(rx)
    }

    /// Takes over an answered offer: the connection before it goes, its sources are heard and seen from here on.
    pub fn attach(&mut self, arrival: Arrival, parts: &Parts) {
        let Arrival { participant, id, io, peer, ports, rtp_offsets, follows } = arrival;
        let before = self.silence(participant);
        let lines = [Line::MAIN_VIDEO, Line::MAIN_AUDIO, Line::CONTENT_VIDEO, Line::CONTENT_AUDIO];
        let sends: Vec<Line> =
            lines.into_iter().filter(|line| peer.line(*line).is_some_and(|line| line.receives)).collect();
        let feeds = self.open_feeds(participant, &sends, parts);
        let takes = |line: Line| {
            let send = peer.line(line)?.send_video?;
            let rtp_offset = rtp_offsets[crate::peers::index(line.kind)];
            Some(SendLine { codec: send.codec, limits: send.limits, rtp_offset })
        };
        let receives = Receives {
            main: takes(Line::MAIN_VIDEO),
            content: takes(Line::CONTENT_VIDEO),
            sound: peer.line(Line::MAIN_AUDIO).and_then(LineState::send_audio_codec),
        };
        let (standing, secured, conference) = (peer.standing(), peer.is_secured(), self.conference.id());
        let entry = MeetingPeer { peer: id, io, receives, secured, sends, standing, stats_seen: 0 };
        self.peers.insert(participant, entry);
        let new = NewPeer { id, participant, conference, peer, ports, feeds, rtp_offsets, follows };
        // The new one first: it takes over what the old one would close.
        parts.io[io].command(PeerCommand::Add(Box::new(new)));
        if let Some(before) = before {
            parts.io[before.io].command(PeerCommand::Remove(before.peer));
        }
    }

    /// The engine's ends of what a participant sends on `lines`.
    fn open_feeds(&self, participant: ParticipantId, lines: &[Line], parts: &Parts) -> LineFeeds {
        let mut feeds = LineFeeds::default();
        for line in lines {
            let (source, at) = (SourceId { participant, kind: line.kind }, crate::peers::index(line.kind));
            match line.medium {
                Medium::Video => {
                    let (intake, feed) = picture_intake(
                        Arc::clone(&self.token),
                        Arc::clone(&parts.pictures.codecs),
                        parts.pictures.compute.clone(),
                        Arc::clone(&parts.pictures.totals),
                    );
                    let _ = self.inbox.pictures.push(PictureCommand::Source(source, feed));
                    feeds.pictures[at] = Some(intake);
                }
                Medium::Audio => {
                    let feed = SoundFeed::new();
                    let _ = self.inbox.sound.push(SoundCommand::Source(source, feed.clone()));
                    feeds.sounds[at] = Some(feed);
                }
            }
        }
        feeds
    }

    /// Takes over a connection from another meeting, without a word to its far end.
    pub fn take_over(&mut self, participant: ParticipantId, peer: MeetingPeer, parts: &Parts) {
        self.detach(participant, parts);
        let feeds = self.open_feeds(participant, &peer.sends, parts);
        let moved = MovedPeer { id: peer.peer, participant, conference: self.conference.id(), feeds };
        parts.io[peer.io].command(PeerCommand::Move(Box::new(moved)));
        self.peers.insert(participant, peer);
    }

    /// Takes a participant's connection down, if it has one.
    fn detach(&mut self, participant: ParticipantId, parts: &Parts) {
        if let Some(old) = self.silence(participant) {
            parts.io[old.io].command(PeerCommand::Remove(old.peer));
        }
    }

    /// Takes a participant's connection, if it has one, and its sources out of the meeting.
    pub fn silence(&mut self, participant: ParticipantId) -> Option<MeetingPeer> {
        self.proposals.remove(&participant);
        let old = self.peers.remove(&participant)?;
        for kind in [SourceKind::Main, SourceKind::Content] {
            let source = SourceId { participant, kind };
            let _ = self.inbox.pictures.push(PictureCommand::SourceGone(source));
            let _ = self.inbox.sound.push(SoundCommand::SourceGone(source));
        }
        Some(old)
    }

    /// Keeps an offer of ours until it is answered; the one before is forgotten.
    pub fn keep_proposal(&mut self, participant: ParticipantId, proposal: Box<Proposal>) {
        self.proposals.insert(participant, proposal);
    }

    /// The offer of ours that a participant answers.
    pub fn take_proposal(&mut self, participant: ParticipantId) -> Option<Box<Proposal>> {
        self.proposals.remove(&participant)
    }

    /// The session by SIP that a participant has.
    pub fn predecessor(&self, participant: ParticipantId) -> Option<Predecessor> {
        let peer = self.peers.get(&participant)?;
        Some(Predecessor { peer: peer.peer, standing: peer.standing.clone()? })
    }

    /// On which io thread a participant's connection is.
    pub fn io_of(&self, participant: ParticipantId) -> Option<usize> {
        self.peers.get(&participant).map(|peer| peer.io)
    }

    /// Whether `peer` is the participant's connection now, not one that was replaced.
    pub fn is_current(&self, participant: ParticipantId, peer: PeerId) -> bool {
        self.peers.get(&participant).is_some_and(|current| current.peer == peer)
    }

    /// What the conference is told when the participant's connection is up.
    pub fn connected(&self, participant: ParticipantId) -> Option<Input> {
        let MeetingPeer { receives, secured, .. } = *self.peers.get(&participant)?;
        Some(Input::Connected { participant, receives, secured })
    }

    /// The participant's connection is gone by itself.
    pub fn peer_gone(&mut self, participant: ParticipantId) {
        self.peers.remove(&participant);
    }

    /// A participant's connection needs a key frame of the main picture.
    pub fn keyframe_wanted(&self, participant: ParticipantId, parts: &Parts) {
        if let Some(peer) = self.peers.get(&participant) {
            parts.io[peer.io].command(PeerCommand::KeyframeWanted(peer.peer));
        }
    }

    /// Passes on, every other time, how a participant's way does.
    pub fn stats(&mut self, participant: ParticipantId, stats: &PeerStats) {
        let Some(peer) = self.peers.get_mut(&participant) else { return };
        peer.stats_seen += 1;
        let Some(class) = self.conference.class(participant) else { return };
        if peer.stats_seen % STATS_EVERY != 0 {
            return;
        }
        let event = Event::Stats {
            receive_kbps: stats.receive_kbps,
            loss_permille: stats.send_loss_permille.map_or(0, u32::from),
            rtt_ms: stats.rtt.map_or(0, |rtt| rtt.as_millis() as u32),
            class,
        };
        self.tell(To::One(participant), &event);
    }

    /// The conference, to read.
    pub const fn conference(&self) -> &Conference {
        &self.conference
    }

    /// When it has something to do by itself.
    pub fn deadline(&self) -> Option<Mono> {
        self.conference.deadline()
    }

    /// Whether everybody has left.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Everybody who is in it.
    pub fn roster(&self) -> impl Iterator<Item = ParticipantId> {
        self.conference.roster().iter().map(|participant| participant.id)
    }

    /// How many are in it.
    pub fn participants(&self) -> usize {
        self.conference.roster().len()
    }

    /// How many encodes its plan has.
    pub fn encoders(&self) -> usize {
        self.plan.as_ref().map_or(0, |plan| plan.renditions.len())
    }

    /// How many sources its plan decodes.
    pub fn on_stage(&self) -> usize {
        self.plan.as_ref().map_or(0, |plan| plan.on_stage.len())
    }

    /// Ends it: the token, which is given back when the last job has let go of it.
    pub fn into_token(self) -> Arc<Plaintext> {
        self.token
    }
}
