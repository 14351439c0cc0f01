//! The sources of one client: its camera, what it shares, its microphone; sane, or mad in every way we know.
//!
//! A sane browser: 30 pictures a second at the rate it was asked for, none while nobody sees it, a key frame when
//! asked; 20 ms of its own tone per packet; a sender report a second.

use super::coded::{Mosaic, Writer};
use super::mark::Mark;
use super::tones;
use super::wire::{Media, Up};
use bytes::Bytes;
use mcu_core::conference::event::VideoRequest;
use mcu_core::id::{ParticipantId, SourceId, SourceKind};
use mcu_core::limits::PAYLOAD_BYTES_MAX;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::Size;
use mcu_core::media::packet::SenderReport;
use mcu_core::media::unit::EncodedUnit;
use mcu_core::time::{MediaTime, Mono};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;
use transport::payload::Packetizer;
use transport::peer::{Line, Medium};

/// Pixels of a sent picture: small, for it is one colour.
const PICTURE: Size = Size::new(64, 36);
/// One picture of 30 per second.
const PICTURE_SPAN: Duration = Duration::from_nanos(33_333_333);
/// One packet of sound.
const PACKET_SPAN: Duration = Duration::from_millis(20);
/// From one sender report to the next.
const REPORT_SPAN: Duration = Duration::from_secs(1);
/// How long one way of being mad lasts.
const MAD_SPAN: Duration = Duration::from_millis(700);
/// Units of a burst.
const BURST_UNITS: u32 = 100;
/// A 256th of full scale: -20 dB.
const VOLUME: u8 = 26;
/// What a packet claims about itself, in -dBov.
const CLAIMED_DBOV: u8 = 25;
/// The rate until something is asked for, in kbit/s.
const START_KBPS: u32 = 300;
/// A key frame is as long as this many mean units.
const KEYFRAME_MEANS: u32 = 4;
/// Seconds from 1900 to some day; a sender's wallclock counts from there.
const NTP_DAY: u64 = 3_900_000_000;

/// One way of being mad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Madness {
    /// Units of noise, half of which claim to be key frames.
    Garbage,
    /// Nothing but key frames, and a storm of requests for them.
    Keyframes,
    /// Nothing.
    Silence,
    /// Timestamps that jump to and fro.
    Jumps,
    /// A hundred units at once, then nothing for a while.
    Bursts,
    /// Sound that is none, with timestamps that lie.
    Noise,
}

impl Madness {
    /// Every way there is.
    pub const ALL: [Self; 6] =
        [Self::Garbage, Self::Keyframes, Self::Silence, Self::Jumps, Self::Bursts, Self::Noise];
}

/// A mind that is gone: one way after the other.
#[derive(Debug)]
struct Mad {
    ways: Vec<Madness>,
    at: usize,
    until: Mono,
}

/// The sources of one client.
#[derive(Debug)]
pub(super) struct Sender {
    participant: ParticipantId,
    dice: StdRng,
    pictures: [Option<PictureSource>; 2],
    sounds: [Option<SoundSource>; 2],
    next_report: Mono,
    mad: Option<Mad>,
}

#[derive(Debug)]
struct PictureSource {
    source: SourceId,
    writer: Writer,
    packetizer: Packetizer,
    sequence: u64,
    offset: u32,
    next: Mono,
    number: u32,
    kbps: u32,
    paused: bool,
    keyframe: bool,
    /// When the pictures of each number were taken, the newest.
    captured: Box<[Mono; Mark::NUMBERS as usize]>,
}

#[derive(Debug)]
struct SoundSource {
    source: SourceId,
    sequence: u64,
    offset: u32,
    next: Mono,
}

const fn at(kind: SourceKind) -> usize {
    match kind {
        SourceKind::Main => 0,
        SourceKind::Content => 1,
    }
}

fn rtp(now: Mono, hertz: u64) -> u32 {
    (now.as_nanos() as u128 * u128::from(hertz) / 1_000_000_000) as u32
}

impl Sender {
    pub(super) fn new(
        participant: ParticipantId,
        camera: bool,
        microphone: bool,
        seed: u64,
        now: Mono,
    ) -> Self {
        let mut sender = Self {
            participant,
            dice: StdRng::seed_from_u64(seed),
            pictures: [None, None],
            sounds: [None, None],
            next_report: now,
            mad: None,
        };
        if camera {
            sender.begin_picture(SourceKind::Main, now);
        }
        if microphone {
            sender.speak(true, now);
        }
        sender
    }

    /// Begins to hum its tone, or falls silent.
    pub(super) fn speak(&mut self, speaks: bool, now: Mono) {
        let [voice, _] = &mut self.sounds;
        if !speaks {
            *voice = None;
        } else if voice.is_none() {
            let phase = Duration::from_micros(self.dice.random_range(0..20_000));
            let (sequence, offset) = (self.dice.random_range(0..30_000), self.dice.random());
            let source = SourceId::main(self.participant);
            *voice = Some(SoundSource { source, sequence, offset, next: now + phase });
        }
    }

    /// When the newest picture of this number was taken; `None` when no such picture is sent any more.
    pub(super) fn captured(&self, mark: Mark) -> Option<Mono> {
        let picture = self.pictures[at(mark.source.kind)].as_ref()?;
        Some(picture.captured[usize::from(mark.number)])
    }

    /// Begins to send pictures of a kind; a camera's moments are its own.
    pub(super) fn begin_picture(&mut self, kind: SourceKind, now: Mono) {
        let phase = Duration::from_micros(self.dice.random_range(0..33_000));
        self.pictures[at(kind)] = Some(PictureSource {
            source: SourceId { participant: self.participant, kind },
            writer: Writer::new(self.dice.random_range(0..1_000_000), KEYFRAME_MEANS),
            packetizer: Packetizer::new(VideoCodec::Vp8).expect("VP8 is sent"),
            sequence: self.dice.random_range(0..30_000),
            offset: self.dice.random(),
            next: now + phase,
            number: 0,
            kbps: START_KBPS,
            paused: false,
            keyframe: true,
            captured: Box::new([now; Mark::NUMBERS as usize]),
        });
    }

    /// Sends no more pictures of a kind.
    pub(super) fn end_picture(&mut self, kind: SourceKind) {
        self.pictures[at(kind)] = None;
    }

    /// Goes mad in these ways, or comes to its senses.
    pub(super) fn go_mad(&mut self, ways: Vec<Madness>, now: Mono) {
        self.mad = (!ways.is_empty()).then(|| Mad { ways, at: 0, until: now + MAD_SPAN });
    }

    /// Obeys what the node asks for.
    pub(super) fn asked(&mut self, request: VideoRequest) {
        if let Some(picture) = &mut self.pictures[at(request.kind)] {
            picture.keyframe |= picture.paused && !request.paused;
            (picture.paused, picture.kbps) = (request.paused, request.kbps);
        }
    }

    /// The node cannot decode.
    pub(super) fn keyframe_asked(&mut self, kind: SourceKind) {
        if let Some(picture) = &mut self.pictures[at(kind)] {
            picture.keyframe = true;
        }
    }

    /// When it wants to send next.
    pub(super) fn due(&self) -> Option<Mono> {
        let pictures = self.pictures.iter().flatten().map(|picture| picture.next);
        let sounds = self.sounds.iter().flatten().map(|sound| sound.next);
        pictures.chain(sounds).chain([self.next_report]).min()
    }

    /// Everything that leaves at `now`.
    pub(super) fn poll(&mut self, now: Mono, out: &mut Vec<Up>) {
        let way = self.mad.as_mut().map(|mad| {
            if mad.until <= now {
                (mad.at, mad.until) = (mad.at + 1, now + MAD_SPAN);
            }
            mad.ways[mad.at % mad.ways.len()]
        });
        for picture in self.pictures.iter_mut().flatten() {
            while picture.next <= now {
                picture.capture(way, &mut self.dice, out);
            }
        }
        for sound in self.sounds.iter_mut().flatten() {
            while sound.next <= now {
                sound.capture(way, &mut self.dice, out);
            }
        }
        if self.next_report <= now {
            self.next_report = now + REPORT_SPAN;
            self.report(now, out);
        }
    }

    fn report(&self, now: Mono, out: &mut Vec<Up>) {
        let nanos = now.as_nanos();
        let fraction = (nanos % 1_000_000_000) * (1 << 32) / 1_000_000_000;
        let ntp = (NTP_DAY + nanos / 1_000_000_000) << 32 | fraction;
        let mut put = |source: SourceId, medium, timestamp| {
            let line = Line { kind: source.kind, medium };
            out.push(Up::Report(line, SenderReport { ntp, timestamp }));
        };
        for picture in self.pictures.iter().flatten().filter(|picture| !picture.paused) {
            put(picture.source, Medium::Video, rtp(now, 90_000).wrapping_add(picture.offset));
        }
        for sound in self.sounds.iter().flatten() {
            put(sound.source, Medium::Audio, rtp(now, 48_000).wrapping_add(sound.offset));
        }
    }
}

impl PictureSource {
    fn capture(&mut self, way: Option<Madness>, dice: &mut StdRng, out: &mut Vec<Up>) {
        let captured = self.next;
        self.next += PICTURE_SPAN;
        self.number += 1;
        if self.paused && way.is_none() {
            return;
        }
        match way {
            Some(Madness::Silence) => {}
            Some(Madness::Bursts) if !self.number.is_multiple_of(15) => {}
            Some(Madness::Bursts) => {
                for unit in 0..BURST_UNITS {
                    self.send(captured, unit.wrapping_mul(30), false, out);
                }
            }
            Some(Madness::Garbage) => self.garbage(captured, dice, out),
            Some(Madness::Jumps) => {
                let jump = dice.random::<u32>() >> dice.random_range(0..20);
                self.send(captured, jump, false, out);
            }
            Some(Madness::Keyframes) => {
                self.send(captured, 0, true, out);
                out.extend([SourceKind::Main, SourceKind::Content].map(Up::KeyframeRequest));
            }
            Some(Madness::Noise) | None => {
                let keyframe = std::mem::take(&mut self.keyframe);
                self.send(captured, 0, keyframe, out);
            }
        }
    }

    fn send(&mut self, captured: Mono, ahead: u32, keyframe: bool, out: &mut Vec<Up>) {
        let mark = Mark::new(self.source, self.number);
        self.captured[usize::from(mark.number)] = captured;
        let mosaic = Mosaic::plain(PICTURE, mark.colour());
        let data = self.writer.unit(&mosaic, keyframe, self.kbps, 30);
        let unit = EncodedUnit { keyframe: data[0] & 1 == 0, data, at: MediaTime::from_mono(captured) };
        let unit = self.packetizer.packetize(&unit).expect("a unit of a few packets");
        let timestamp = rtp(captured, 90_000).wrapping_add(self.offset).wrapping_add(ahead);
        for (at, payload) in unit.payloads.iter().enumerate() {
            self.put(timestamp, unit.marker(at), Bytes::copy_from_slice(payload), out);
        }
    }

    /// A unit of noise that begins like VP8 does.
    fn garbage(&mut self, captured: Mono, dice: &mut StdRng, out: &mut Vec<Up>) {
        let mut payload = vec![0x10];
        payload.extend((0..dice.random_range(0..PAYLOAD_BYTES_MAX)).map(|_| dice.random::<u8>()));
        let timestamp = rtp(captured, 90_000).wrapping_add(self.offset);
        self.put(timestamp, true, payload.into(), out);
    }

    fn put(&mut self, timestamp: u32, marker: bool, payload: Bytes, out: &mut Vec<Up>) {
        let line = Line { kind: self.source.kind, medium: Medium::Video };
        out.push(Up::Media(Media {
            line,
            sequence: self.sequence,
            timestamp,
            marker,
            level_dbov: None,
            payload,
        }));
        self.sequence += 1;
    }
}

impl SoundSource {
    fn capture(&mut self, way: Option<Madness>, dice: &mut StdRng, out: &mut Vec<Up>) {
        let captured = self.next;
        self.next += PACKET_SPAN;
        let mut timestamp = rtp(captured, 48_000).wrapping_add(self.offset);
        let mut payload = tones::packet(self.source, VOLUME);
        match way {
            Some(Madness::Silence) => return,
            Some(Madness::Noise) => {
                payload.iter_mut().for_each(|byte| *byte = dice.random());
                timestamp = timestamp.wrapping_add(dice.random::<u32>() >> dice.random_range(0..24));
            }
            _ => {}
        }
        let line = Line { kind: self.source.kind, medium: Medium::Audio };
        out.push(Up::Media(Media {
            line,
            sequence: self.sequence,
            timestamp,
            marker: false,
            level_dbov: Some(CLAIMED_DBOV),
            payload: payload.into(),
        }));
        self.sequence += 1;
    }
}
