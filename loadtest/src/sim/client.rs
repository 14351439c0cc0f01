//! One person: what its client sends, what it is shown and hears, and what it tells the node about the way.
//!
//! Judges nothing: it reads the mark in each tile of the layout event that holds for a picture, and writes it down.

use super::coded::Reader;
use super::mark::Mark;
use super::record::{Heard, Record, Seen};
use super::sender::Sender;
use super::tones;
use super::wire::{Down, DownKind, Up};
use crate::relay::profile::{Line, Link};
use crate::relay::way::Way;
use bytes::Bytes;
use mcu_core::conference::event::{Event, LayoutEvent, LayoutTile};
use mcu_core::conference::roster::Via;
use mcu_core::id::{ParticipantId, SourceId, SourceKind};
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::packet::Packet;
use mcu_core::time::Mono;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use transport::payload::Depacketizer;
use transport::peer::Medium;

/// How often a client tells what has arrived.
const FEEDBACK_EVERY: Duration = Duration::from_millis(100);
/// How long heard sound is gathered.
const HEARD_EVERY: Duration = Duration::from_millis(500);
/// The least time between two requests for a key frame.
const REQUEST_EVERY: Duration = Duration::from_millis(300);
/// How long after the fastest a packet of sound may come and still be played.
const PLAYOUT_DELAY: Duration = Duration::from_millis(100);
/// Packets of sound that may still come: none that is played is overtaken by more.
const OVERTAKEN_MAX: u64 = 32;
/// Layouts remembered per line: more than change within the age of any picture.
const LAYOUTS_MAX: usize = 64;

/// Who comes, how, and over which network.
#[derive(Debug, Clone)]
pub struct Profile {
    /// 1 to 100.
    pub participant: ParticipantId,
    /// Which way it comes.
    pub via: Via,
    /// It has a camera, and it is on.
    pub camera: bool,
    /// It has a microphone, into which it hums its tone.
    pub microphone: bool,
    /// It paints its own camera over its own tile.
    pub overlay: bool,
    /// It takes content as a picture of its own.
    pub content: bool,
    /// It decodes and writes down what it is shown and hears; else it counts packets.
    pub measures: bool,
    /// Pictures are sent to it as one datagram each, however many packets they are: quicker, and the same where nothing is lost and it
    /// does not measure.
    pub whole_pictures: bool,
    /// From it to the node.
    pub up: Line,
    /// From the node to it.
    pub down: Line,
}

impl Profile {
    /// A browser with camera and microphone that overlays, 20 ms away.
    pub fn browser(participant: u64) -> Self {
        let way = Line::from(Link::clean(Duration::from_millis(20)));
        Self {
            participant: ParticipantId(participant),
            via: Via::Browser,
            camera: true,
            microphone: true,
            overlay: true,
            content: true,
            measures: true,
            whole_pictures: false,
            up: way.clone(),
            down: way,
        }
    }
}

/// One tile of a picture that was shown, and what is in it.
#[derive(Debug, Clone, Copy)]
pub struct Tile {
    /// As the layout event has it.
    pub place: LayoutTile,
    /// What its middle says.
    pub mark: Option<Mark>,
}

impl Tile {
    /// Whose picture belongs here.
    pub fn expected(&self) -> SourceId {
        SourceId { participant: self.place.participant_id, kind: self.place.kind }
    }
}

/// One picture line that is received.
#[derive(Debug)]
struct Sink {
    kind: SourceKind,
    depacketizer: Depacketizer,
    expected: Option<u64>,
    reader: Reader,
    layouts: VecDeque<LayoutEvent>,
    asked: Option<Mono>,
    /// Packets that never came.
    lost: u64,
}

/// What arrived since the last feedback.
#[derive(Debug)]
struct Arrivals {
    bytes: usize,
    fastest: Duration,
    slowest: Duration,
    from: Mono,
}

/// What passed, in bytes of payload and packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Sent, pictures and sound.
    pub sent_bytes: u64,
    /// Packets of sound sent.
    pub sent_sounds: u64,
    /// Received, pictures and sound.
    pub received_bytes: u64,
    /// Packets of pictures received.
    pub picture_packets: u64,
    /// Packets of sound received.
    pub sound_packets: u64,
    /// Packets of the main picture that never came.
    pub pictures_lost: u64,
    /// When the first packet of a picture came to one who only counts.
    pub first_picture: Option<Mono>,
    /// When the first packet of sound came to one who only counts.
    pub first_sound: Option<Mono>,
}

/// How the packets of the sound come.
#[derive(Debug, Default)]
struct SoundArrivals {
    expected: Option<u64>,
    fastest: Option<Duration>,
    /// Those that may still come, though later ones have.
    overtaken: BTreeSet<u64>,
    counts: SoundCounts,
}

#[derive(Debug, Default)]
struct SoundCounts {
    packets: u32,
    missing: u32,
    gaps: u32,
}

impl SoundArrivals {
    /// A packet came after `delay`.
    fn arrived(&mut self, sequence: u64, delay: Duration) {
        let fastest = self.fastest.map_or(delay, |fastest| fastest.min(delay));
        self.fastest = Some(fastest);
        let in_time = delay <= fastest + PLAYOUT_DELAY;
        let expected = self.expected.unwrap_or(sequence);
        if sequence < expected {
            if self.overtaken.remove(&sequence) && in_time {
                self.counts.missing = self.counts.missing.saturating_sub(1);
            }
            return;
        }
        let missing = (sequence - expected) as u32 + u32::from(!in_time);
        self.counts.packets += (sequence - expected) as u32 + 1;
        self.counts.missing += missing;
        self.counts.gaps += u32::from(missing > 0);
        self.overtaken.extend(expected.max(sequence.saturating_sub(OVERTAKEN_MAX))..sequence);
        while self.overtaken.len() as u64 > OVERTAKEN_MAX {
            self.overtaken.pop_first();
        }
        self.expected = Some(sequence + 1);
    }
}

/// One person's client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) profile: Profile,
    pub(super) sender: Sender,
    pub(super) up: Way<Up>,
    pub(super) down: Way<Down>,
    /// Events on their way through the socket.
    pub(super) events: VecDeque<(Mono, Event)>,
    sinks: [Sink; 2],
    arrivals: Arrivals,
    powers: BTreeMap<SourceId, f64>,
    sound: SoundArrivals,
    pub(super) traffic: Traffic,
    heard_until: Mono,
    out: Vec<Up>,
}

impl Client {
    pub(super) fn new(profile: Profile, seed: u64, now: Mono) -> Self {
        let sends = profile.via.sends();
        let id = profile.participant;
        let sender = Sender::new(id, profile.camera && sends, profile.microphone && sends, seed, now);
        Self {
            sender,
            up: Way::new(profile.up.clone(), seed ^ 0x5550, now),
            down: Way::new(profile.down.clone(), seed ^ 0xd0_0d, now),
            events: VecDeque::new(),
            sinks: [SourceKind::Main, SourceKind::Content].map(Sink::new),
            arrivals: Arrivals { bytes: 0, fastest: Duration::MAX, slowest: Duration::ZERO, from: now },
            powers: BTreeMap::new(),
            sound: SoundArrivals::default(),
            traffic: Traffic::default(),
            heard_until: now + HEARD_EVERY,
            profile,
            out: Vec::new(),
        }
    }

    fn id(&self) -> ParticipantId {
        self.profile.participant
    }

    /// When something happens here next.
    pub(super) fn due(&self) -> Option<Mono> {
        let socket = self.events.front().map(|(at, _)| *at);
        let own = [Some(self.arrivals.from + FEEDBACK_EVERY), Some(self.heard_until), self.sender.due()];
        own.into_iter().chain([self.up.next_due(), self.down.next_due(), socket]).flatten().min()
    }

    /// Does what is due: reads events, takes in packets, sends.
    pub(super) fn run(&mut self, now: Mono, record: &mut Record) {
        while self.events.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, event)) = self.events.pop_front() {
                self.event(event);
            }
        }
        while let Some(down) = self.down.pop(now) {
            self.packet(down, now, record);
        }
        if self.arrivals.from + FEEDBACK_EVERY <= now {
            self.feed_back(now);
        }
        if self.heard_until <= now {
            self.listen(now, record);
        }
        self.sender.poll(now, &mut self.out);
        for up in std::mem::take(&mut self.out) {
            if let Up::Media(media) = &up {
                self.traffic.sent_bytes += media.payload.len() as u64;
                self.traffic.sent_sounds += u64::from(media.line.medium == Medium::Audio);
            }
            self.up.push(now, up.len(), up);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Layout(layout) => {
                let sink = &mut self.sinks[usize::from(layout.line == SourceKind::Content)];
                if sink.layouts.len() == LAYOUTS_MAX {
                    sink.layouts.pop_front();
                }
                sink.layouts.push_back(layout);
            }
            Event::VideoRequest(request) => self.sender.asked(request),
            _ => {}
        }
    }

    fn packet(&mut self, Down { sent, what }: Down, now: Mono, record: &mut Record) {
        let delay = now.since(sent);
        self.arrivals.bytes += what.len();
        self.arrivals.fastest = self.arrivals.fastest.min(delay);
        self.arrivals.slowest = self.arrivals.slowest.max(delay);
        match what {
            DownKind::Video { payload, .. } if !self.profile.measures => {
                self.traffic.first_picture.get_or_insert(now);
                self.traffic.received_bytes += payload.len() as u64;
                self.traffic.picture_packets += 1;
            }
            DownKind::Picture { packets, bytes } => {
                self.traffic.first_picture.get_or_insert(now);
                self.traffic.received_bytes += bytes as u64;
                self.traffic.picture_packets += u64::from(packets);
            }
            DownKind::Sound { payload, .. } if !self.profile.measures => {
                self.traffic.first_sound.get_or_insert(now);
                self.traffic.received_bytes += payload.len() as u64;
                self.traffic.sound_packets += 1;
            }
            DownKind::Video { kind, sequence, timestamp, marker, payload } => {
                self.traffic.received_bytes += payload.len() as u64;
                self.traffic.picture_packets += 1;
                let payload = Bytes::copy_from_slice(&payload);
                let packet =
                    Packet { sequence, timestamp, marker, arrival: now, audio_level_dbov: None, payload };
                let viewer = self.id();
                let sink = &mut self.sinks[usize::from(kind == SourceKind::Content)];
                let lost = sink.lost;
                if sink.packet(&packet, viewer, now, record) {
                    self.out.push(Up::KeyframeRequest(kind));
                }
                if kind == SourceKind::Main {
                    self.traffic.pictures_lost += sink.lost - lost;
                }
            }
            DownKind::Sound { sequence, payload } => {
                self.traffic.received_bytes += payload.len() as u64;
                self.traffic.sound_packets += 1;
                self.sound.arrived(sequence, delay);
                for (source, level) in tones::levels(&payload).into_iter().flatten() {
                    *self.powers.entry(source).or_default() += 10_f64.powf(-f64::from(level) / 10.0);
                }
            }
            DownKind::KeyframeRequest(kind) => self.sender.keyframe_asked(kind),
            DownKind::Padding => {}
        }
    }

    fn feed_back(&mut self, now: Mono) {
        let Arrivals { bytes, fastest, slowest, from } = self.arrivals;
        let waited = slowest.saturating_sub(fastest);
        self.out.push(Up::Feedback { bytes, span: now.since(from), waited });
        self.arrivals = Arrivals { bytes: 0, fastest, slowest: Duration::ZERO, from: now };
    }

    fn listen(&mut self, now: Mono, record: &mut Record) {
        self.heard_until = now + HEARD_EVERY;
        let powers = std::mem::take(&mut self.powers);
        let SoundCounts { packets, missing, gaps } = std::mem::take(&mut self.sound.counts);
        if packets == 0 {
            return;
        }
        let level = |power: f64| (-10.0 * (power / f64::from(packets)).max(1e-12).log10()) as u8;
        let sources = powers.into_iter().map(|(source, power)| (source, level(power)));
        let sources = sources.filter(|(_, level)| *level < 60).collect();
        record.heard(Heard { at: now, listener: self.id(), sources, packets, missing, gaps });
    }
}

impl Sink {
    fn new(kind: SourceKind) -> Self {
        Self {
            kind,
            depacketizer: Depacketizer::new(VideoCodec::Vp8),
            expected: None,
            reader: Reader::default(),
            layouts: VecDeque::new(),
            asked: None,
            lost: 0,
        }
    }

    /// Takes a packet; true when a key frame has to be asked for.
    fn packet(&mut self, packet: &Packet, viewer: ParticipantId, now: Mono, record: &mut Record) -> bool {
        let missing = self.expected.map_or(0, |expected| packet.sequence.saturating_sub(expected));
        if self.expected.is_some_and(|expected| packet.sequence < expected) {
            return false;
        }
        self.expected = Some(packet.sequence + 1);
        if missing > 0 {
            self.lost += missing;
            self.depacketizer.lost(missing);
        }
        self.depacketizer.push(packet);
        let mut wants = false;
        while let Some(unit) = self.depacketizer.poll() {
            match self.reader.unit(&unit.data) {
                Ok(mosaic) => {
                    let layout = self.layout_at(unit.timestamp);
                    let tiles = layout.map(|layout| {
                        let read = |place: &LayoutTile| {
                            let (x, y) = (place.x + place.width / 2, place.y + place.height / 2);
                            Tile { place: *place, mark: Mark::read(mosaic.at(x, y, layout.canvas)) }
                        };
                        layout.tiles.iter().map(read).collect()
                    });
                    record.seen(Seen {
                        at: now,
                        viewer,
                        line: self.kind,
                        timestamp: unit.timestamp,
                        keyframe: unit.keyframe,
                        height: mosaic.size.height,
                        tiles,
                    });
                }
                Err(error) => {
                    record.undecodable += 1;
                    record.note(now, format_args!("{viewer} cannot decode {:?}: {error}", self.kind));
                    wants = true;
                }
            }
        }
        let due = self.asked.is_none_or(|asked| now.since(asked) >= REQUEST_EVERY);
        if wants && due {
            self.asked = Some(now);
        }
        wants && due
    }

    /// The layout that holds for a picture: the last one told that begins at or before it.
    fn layout_at(&self, timestamp: u32) -> Option<&LayoutEvent> {
        let begins = |layout: &&LayoutEvent| timestamp.wrapping_sub(layout.rtp_timestamp) as i32 >= 0;
        self.layouts.iter().rev().find(begins)
    }
}
