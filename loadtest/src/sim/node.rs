//! The node: conference, engine and seats, wired as control and io threads wire them.
//!
//! What happens at one moment happens in a fixed order: timeouts, news, loudness, the conference's own deadline, the
//! sound beat, the picture tick, what the pacers let go.

use super::coded::{Census, SimCodecs};
use super::record::{ClassChange, Plan, Record, Sent};
use super::seat::Seat;
use super::wire::{Down, Up};
use codecs::opus::OpusSettings;
use codecs::registry::CodecFactory;
use mcu_core::conference::event::Event;
use mcu_core::conference::input::{Input, Line, Loudness, Receives};
use mcu_core::conference::plan::{MeetingPlan, RateClass};
use mcu_core::conference::{Conference, Effect, Settings, To};
use mcu_core::id::{ConferenceId, ParticipantId, SourceId, SourceKind};
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::picture_limits::PictureLimits;
use mcu_core::privacy::{Ledger, Plaintext, Purpose};
use mcu_core::time::{MediaTime, Mono};
use mcu_server::config::EncoderSection;
use mcu_server::engine::fanout::ViewTable;
use mcu_server::engine::intake::{SoundFeed, picture_intake};
use mcu_server::engine::outgoing::{Outlet, SoundBurst, VideoBurst};
use mcu_server::engine::pictures::{PictureEngine, PictureParts};
use mcu_server::engine::sound::SoundEngine;
use mcu_server::engine::totals::MediaTotals;
use mcu_server::engine::{EngineInbox, PictureCommand, SoundCommand};
use mcu_server::peers::{LineFeeds, index};
use mcu_server::threads::clock::{PICTURE_GRID, SOUND_STEP};
use mcu_server::threads::compute::Compute;
use mixer::video::text::Typeface;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How late each beat comes: every conference has a phase of its own.
const PHASE: Duration = Duration::from_micros(1_700);
/// How often seats are looked at although nothing happened.
const HOUSEKEEPING: Duration = Duration::from_millis(100);

/// What the engine made and nobody has taken yet.
#[derive(Debug, Default)]
struct Made {
    videos: Vec<VideoBurst>,
    sounds: Vec<SoundBurst>,
    loudness: Vec<Loudness>,
}

#[derive(Debug, Default)]
struct Outbox(Mutex<Made>);

impl Outbox {
    fn take(&self) -> Made {
        std::mem::take(&mut *self.made())
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.0.lock().expect("one thread alone holds it")
    }
}

impl Outlet for Outbox {
    fn video(&self, burst: VideoBurst) {
        self.made().videos.push(burst);
    }

    fn sound(&self, burst: SoundBurst) {
        self.made().sounds.push(burst);
    }

    fn loudness(&self, _: ConferenceId, loudness: Loudness) {
        self.made().loudness.push(loudness);
    }
}

/// What a participant's path takes and gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub(super) participant: ParticipantId,
    pub(super) sends: bool,
    pub(super) hears: bool,
    pub(super) content: bool,
    /// See [`super::Profile::whole_pictures`].
    pub(super) whole_pictures: bool,
    /// Random, for its two picture lines.
    pub(super) rtp_offsets: [u32; 2],
}

/// The node.
pub(super) struct Node {
    conference: Conference,
    token: Arc<Plaintext>,
    inbox: EngineInbox,
    parts: PictureParts,
    pictures: PictureEngine,
    sound: SoundEngine,
    outbox: Arc<Outbox>,
    census: Arc<Census>,
    seats: BTreeMap<ParticipantId, Seat>,
    views: ViewTable,
    news: Vec<Input>,
    classes: BTreeMap<ParticipantId, RateClass>,
    next_block: Mono,
    next_tick: u64,
    next_housekeeping: Mono,
    /// Said to clients, in order.
    pub(super) told: Vec<(To, Event)>,
    /// Sent to clients, in order.
    pub(super) sent: Vec<(ParticipantId, Down)>,
}

impl Node {
    pub(super) fn new(settings: Settings, now: Mono) -> Self {
        let id = ConferenceId(1);
        let token = Arc::new(Ledger::new().issue(id, Purpose::Mixing));
        let (inbox, outbox) = (EngineInbox::new(), Arc::new(Outbox::default()));
        let codecs = SimCodecs::default();
        let census = Arc::clone(&codecs.census);
        let codecs: Arc<dyn CodecFactory> = Arc::new(codecs);
        let outlet: Arc<dyn Outlet> = Arc::clone(&outbox) as Arc<dyn Outlet>;
        let parts = PictureParts {
            codecs: Arc::clone(&codecs),
            compute: Compute::inline(),
            outlet: Arc::clone(&outlet),
            typeface: Typeface::none(),
            encoder: EncoderSection::default(),
            totals: Arc::default(),
        };
        let sound = SoundEngine::new(
            Arc::clone(&token),
            inbox.sound.clone(),
            codecs,
            OpusSettings::default(),
            outlet,
            Arc::clone(&parts.totals),
            settings.echo,
        );
        Self {
            conference: Conference::new(id, settings, now),
            token,
            pictures: PictureEngine::new(id, inbox.pictures.clone(), parts.clone()),
            inbox,
            parts,
            sound,
            outbox,
            census,
            seats: BTreeMap::new(),
            views: ViewTable::default(),
            news: Vec::new(),
            classes: BTreeMap::new(),
            next_block: now,
            next_tick: PICTURE_GRID.index_from(MediaTime::from_mono(now)),
            next_housekeeping: now,
            told: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// What the codecs have done.
    pub(super) fn census(&self) -> &Census {
        &self.census
    }

    /// What the engine has counted.
    pub(super) fn totals(&self) -> &MediaTotals {
        &self.parts.totals
    }

    /// The conference, to read.
    pub(super) const fn conference(&self) -> &Conference {
        &self.conference
    }

    /// Gives the conference an input and carries out what follows.
    pub(super) fn input(&mut self, input: Input, now: Mono, record: &mut Record) {
        if !matches!(input, Input::Loudness(_) | Input::Tick) {
            record.note(now, format_args!("input {input:?}"));
        }
        if let Err(refusal) = self.conference.handle(now, input) {
            record.note(now, format_args!("refused: {refusal}"));
        }
        while let Some(effect) = self.conference.poll_effect() {
            match effect {
                Effect::Plan(plan) => self.adopt(plan, now, record),
                Effect::Event { to, event } => {
                    record.note(now, format_args!("{to:?} {event:?}"));
                    self.told.push((to, event));
                }
                Effect::Announce { to, prompt } => record.note(now, format_args!("{to:?} hears {prompt:?}")),
                // Said by voice, which nobody here hears, and of keys, which nobody here has.
                Effect::Hush(_) | Effect::Entered { .. } => {}
                Effect::Disconnect { participant, .. } => self.detach(participant),
                Effect::Ended => record.note(now, format_args!("ended")),
            }
        }
        for id in self.seats.keys() {
            let Some(class) = self.conference.class(*id) else { continue };
            if self.classes.insert(*id, class).is_some_and(|before| before != class) {
                record.class(ClassChange { at: now, participant: *id, class });
            }
        }
    }

    fn adopt(&mut self, plan: Arc<MeetingPlan>, now: Mono, record: &mut Record) {
        self.inbox.pictures.push(PictureCommand::Plan(Arc::clone(&plan))).expect("the engine keeps up");
        self.inbox.sound.push(SoundCommand::Plan(Arc::clone(&plan))).expect("the engine keeps up");
        self.views.plan(Arc::clone(&plan));
        record.plan(Plan { at: now, plan });
    }

    /// Takes over a path that is up.
    pub(super) fn attach(&mut self, path: Path, now: Mono, record: &mut Record) {
        let participant = path.participant;
        let mut feeds = LineFeeds::default();
        for kind in [SourceKind::Main, SourceKind::Content].into_iter().filter(|_| path.sends) {
            let source = SourceId { participant, kind };
            let (token, codecs) = (Arc::clone(&self.token), Arc::clone(&self.parts.codecs));
            let (intake, feed) =
                picture_intake(token, codecs, self.parts.compute.clone(), Arc::clone(&self.parts.totals));
            self.inbox.pictures.push(PictureCommand::Source(source, feed)).expect("the engine keeps up");
            feeds.pictures[index(kind)] = Some(intake);
            let feed = SoundFeed::new();
            self.inbox.sound.push(SoundCommand::Source(source, feed.clone())).expect("the engine keeps up");
            feeds.sounds[index(kind)] = Some(feed);
        }
        let limits = PictureLimits::expected_of(VideoCodec::Vp8);
        let line = |at: usize| Line { codec: VideoCodec::Vp8, limits, rtp_offset: path.rtp_offsets[at] };
        let receives = Receives {
            main: path.hears.then(|| line(0)),
            content: (path.hears && path.content).then(|| line(1)),
            sound: path.hears.then_some(AudioCodec::Opus),
        };
        let mut seat = Seat::new(self.conference.id(), feeds, &path, receives, now);
        if let Some(plan) = self.views.current() {
            seat.select(plan, now);
        }
        self.seats.insert(participant, seat);
        self.input(Input::Connected { participant, receives, secured: true }, now, record);
    }

    fn detach(&mut self, participant: ParticipantId) {
        self.classes.remove(&participant);
        if self.seats.remove(&participant).is_none() {
            return;
        }
        for kind in [SourceKind::Main, SourceKind::Content] {
            let source = SourceId { participant, kind };
            self.inbox.pictures.push(PictureCommand::SourceGone(source)).expect("the engine keeps up");
            self.inbox.sound.push(SoundCommand::SourceGone(source)).expect("the engine keeps up");
        }
    }

    /// Takes a datagram of a participant.
    pub(super) fn take(&mut self, participant: ParticipantId, up: Up, now: Mono) {
        let Some(seat) = self.seats.get_mut(&participant) else { return };
        if let Some(rendition) = seat.take(up, now, &mut self.news) {
            let _ = self.inbox.pictures.push(PictureCommand::KeyframeWanted(rendition));
        }
    }

    /// When [`run`](Self::run) is to be called.
    pub(super) fn due(&self) -> Mono {
        let beats = [self.next_block + PHASE, self.tick_due(), self.next_housekeeping];
        let seats = self.seats.values().filter_map(Seat::due);
        beats.into_iter().chain(seats).chain(self.conference.deadline()).min().unwrap_or(self.next_block)
    }

    fn tick_due(&self) -> Mono {
        PICTURE_GRID.at(self.next_tick).to_mono() + PHASE
    }

    /// Does what is due.
    pub(super) fn run(&mut self, now: Mono, record: &mut Record) {
        if self.next_housekeeping <= now {
            self.next_housekeeping = now + HOUSEKEEPING;
            for seat in self.seats.values_mut() {
                seat.housekeep(now, &mut self.news, &self.parts.totals);
            }
        }
        for input in std::mem::take(&mut self.news) {
            self.input(input, now, record);
        }
        if self.conference.deadline().is_some_and(|deadline| deadline <= now) {
            self.input(Input::Tick, now, record);
        }
        if self.next_block + PHASE <= now {
            self.next_block += SOUND_STEP;
            self.sound.run(now);
            self.seats.values_mut().for_each(|seat| seat.pad(now));
        }
        if self.tick_due() <= now {
            self.pictures.tick(self.next_tick, now);
            self.next_tick += 1;
        }
        self.hand_out(now, record);
        for (participant, seat) in &mut self.seats {
            seat.run(now, &mut |down| self.sent.push((*participant, down)));
        }
    }

    /// What the io thread does with the engine's bursts, and control with its loudness.
    fn hand_out(&mut self, now: Mono, record: &mut Record) {
        let Made { videos, sounds, loudness } = self.outbox.take();
        for burst in videos {
            if let Some(plan) = self.views.advance(burst.tick) {
                self.seats.values_mut().for_each(|seat| seat.select(&plan, now));
            }
            let (rendition, tick, keyframe) = (burst.rendition, burst.tick, burst.unit.keyframe);
            record.sent(Sent { at: now, rendition, tick, keyframe }, burst.unit.byte_len());
            let mut wanted = false;
            for seat in self.seats.values_mut() {
                wanted |= seat.send_video(&burst, now);
            }
            if wanted {
                let _ = self.inbox.pictures.push(PictureCommand::KeyframeWanted(rendition));
            }
        }
        for burst in sounds {
            self.seats.values_mut().for_each(|seat| seat.send_sound(&burst, now));
        }
        for loudness in loudness {
            self.input(Input::Loudness(loudness), now, record);
        }
    }
}
