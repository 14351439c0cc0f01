//! One received picture line: reorder, depacketize, decode, find the tiles, read the bar codes.
//!
//! Flow: packets and layouts -> **here** -> `report::Picture`. Thread: the measuring one. Bounds: the reorder buffer's,
//! `LAYOUTS_MAX` layouts ahead, `AGES_MAX` latencies per sender. A picture belongs to the newest layout whose RTP
//! timestamp is not after its own; that is the contract of the `layout` event, and what swaps are judged by.

use super::ears::median;
use super::fidelity::{EVERY_READS, Eye, Samples};
use super::report_line::ReportLine;
use super::tint;
use crate::bot::freeze::FreezeMeter;
use crate::bot::picture_log::PictureLog;
use crate::bot::report::{Code, HeightChange, OwnTile, Picture, Spread, Tile};
use crate::bot::signal::{Canvas, LayoutTile, Person};
use crate::clock::Clock;
use crate::media::barcode::{self, BarCode, NUMBERS, SenderId};
use crate::media::likeness::Likeness;
use codecs::decode::VideoDecoder;
use codecs::registry::{CodecFactory, NativeCodecs};
use mcu_core::conference::plan::{Fit, Rect};
use mcu_core::id::{ConferenceId, ParticipantId, SourceId, SourceKind};
use mcu_core::limits::KEYFRAME_REQUEST_INTERVAL_MIN;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::Frame;
use mcu_core::media::packet::Packet;
use mcu_core::media::unit::{AccessUnit, Rotation, UnitHeader};
use mcu_core::privacy::{Ledger, Plaintext, Purpose};
use mcu_core::time::{ClockRate, MediaTime, Mono};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;
use transport::payload::{Assembled, Depacketizer};
use transport::receive::{ReorderBuffer, Reordered};

/// Layouts known ahead of the pictures that they are for.
const LAYOUTS_MAX: usize = 64;
/// Pictures whose layout may still turn out to have been another: ten seconds.
const JUDGED_MAX: usize = 300;
/// Latencies kept per sender: ten minutes of pictures, then the first ones stand for all.
const AGES_MAX: usize = 18_000;
/// Of so many pictures per sender it is noted where they stand beside sound.
const LEADS_MAX: usize = 2_000;
/// Changes of height kept.
const HEIGHTS_MAX: usize = 256;
/// Colours nearer to each other than this are one, so that coding noise is none; 256 remain.
const TINT_STEP: u8 = 16;
/// Numbers by which a picture can be out of order: five seconds. Loops should be twice as long at least.
const BACKWARDS_MAX: u16 = 150;
/// A bot's own conference: it opens what was sent to it.
const OWN: ConferenceId = ConferenceId(0);

struct Stream {
    depacketizer: Depacketizer,
    decoder: Box<dyn VideoDecoder>,
}

struct Layout {
    /// The first picture that has it.
    from: u32,
    canvas: Canvas,
    tiles: Vec<LayoutTile>,
}

/// Measures one picture line.
pub(super) struct PictureMeter {
    line: SourceKind,
    own: SenderId,
    pictures: PictureLog,
    clock: Clock,
    /// The bot's start, but for the few milliseconds until it listens.
    started: Mono,
    token: Plaintext,
    reorder: ReorderBuffer,
    reports: ReportLine,
    eye: Eye,
    codec: VideoCodec,
    stream: Option<Stream>,
    /// Something was lost that later pictures build on: until a key frame, they show what no receiver would show.
    is_damaged: bool,
    asked_at: Option<Mono>,
    layouts: VecDeque<Layout>,
    /// RTP timestamps of the newest pictures that were read by some layout.
    judged: VecDeque<u32>,
    names: HashMap<u64, String>,
    first_ever: Option<Mono>,
    counts: Counts,
}

/// What [`PictureMeter::forget`] forgets.
#[derive(Default)]
struct Counts {
    first: Option<Mono>,
    last: Option<Mono>,
    freezes: FreezeMeter,
    picture: Picture,
    tiles: BTreeMap<(u64, SourceKind), Seen>,
}

struct Seen {
    rect: Rect,
    is_self: bool,
    pictures: u64,
    unread: u64,
    tints: BTreeSet<(u8, u8)>,
    codes: BTreeMap<SenderId, Reads>,
}

/// One bar code in one picture.
#[derive(Clone, Copy)]
struct Read {
    code: BarCode,
    /// Since it was sent; `None` for a sender of another process.
    age: Option<Duration>,
    lead_us: Option<i64>,
    likeness: Option<Likeness>,
}

#[derive(Default)]
struct Reads {
    reads: u64,
    numbers: u64,
    backwards: u64,
    last: u16,
    freezes: FreezeMeter,
    ages_ms: Vec<u32>,
    /// See [`ReportLine::lead_us`].
    leads_us: Vec<i64>,
    likenesses: Samples,
}

impl PictureMeter {
    pub(super) fn new(line: SourceKind, own: SenderId, pictures: PictureLog, clock: Clock) -> Self {
        Self {
            line,
            own,
            pictures,
            clock,
            started: clock.now(),
            token: Ledger::default().issue(OWN, Purpose::Mixing),
            reorder: ReorderBuffer::default(),
            reports: ReportLine::new(ClockRate::VIDEO),
            eye: Eye::new(),
            codec: VideoCodec::Vp8,
            stream: None,
            is_damaged: false,
            asked_at: None,
            layouts: VecDeque::new(),
            judged: VecDeque::new(),
            names: HashMap::new(),
            first_ever: None,
            counts: Counts::default(),
        }
    }

    pub(super) const fn line(&self) -> SourceKind {
        self.line
    }

    pub(super) const fn first_picture(&self) -> Option<Mono> {
        self.first_ever
    }

    pub(super) fn push(&mut self, codec: VideoCodec, packet: Packet) {
        self.codec = codec;
        self.reorder.push(packet);
    }

    pub(super) fn set_round_trip(&mut self, rtt: Duration) {
        self.reorder.set_round_trip(rtt);
    }

    /// Takes a sender report of this line's stream.
    pub(super) fn report_of_sender(&mut self, ntp_us: i64, timestamp: u32) {
        self.reports.report(ntp_us, timestamp);
    }

    /// See [`ReportLine::lead_us`]: the middle of what was noted of `sender`'s pictures, in whichever tiles.
    pub(super) fn lead_us(&self, sender: SenderId) -> Option<i64> {
        let reads = self.counts.tiles.values().filter_map(|seen| seen.codes.get(&sender));
        median(&reads.flat_map(|reads| &reads.leads_us).copied().collect::<Vec<_>>())
    }

    pub(super) fn layout(&mut self, from: u32, canvas: Canvas, tiles: Vec<LayoutTile>) {
        let early = self.judged.iter().filter(|timestamp| is_at_or_after(**timestamp, from)).count();
        self.counts.picture.frames_before_layout += early as u64;
        if self.layouts.len() == LAYOUTS_MAX {
            self.layouts.pop_front();
        }
        self.layouts.push_back(Layout { from, canvas, tiles });
    }

    pub(super) fn names(&mut self, people: &[Person]) {
        self.names.extend(people.iter().map(|person| (person.id, person.name.clone())));
    }

    pub(super) fn forget(&mut self) {
        self.counts = Counts::default();
    }

    /// Decodes and reads everything that can be by `now`; says whether to ask for a key frame.
    pub(super) fn look(&mut self, now: Mono) -> bool {
        let mut is_broken = false;
        while let Some(next) = self.reorder.poll(now) {
            let Some(stream) = stream_of(&mut self.stream, self.codec) else { return false };
            match next {
                Reordered::Packet(packet) => stream.depacketizer.push(&packet),
                Reordered::Lost { count } => {
                    self.counts.picture.packets_lost += count;
                    stream.depacketizer.lost(count);
                }
            }
            while let Some(unit) = self.stream.as_mut().and_then(|stream| stream.depacketizer.poll()) {
                is_broken |= !unit.contiguous && !unit.keyframe;
                is_broken |= !self.decode(unit);
            }
        }
        let may_ask = self.asked_at.is_none_or(|asked| now.since(asked) >= KEYFRAME_REQUEST_INTERVAL_MIN);
        if is_broken && may_ask {
            self.asked_at = Some(now);
        }
        is_broken && may_ask
    }

    /// Decodes and reads one picture; false when only a key frame helps.
    fn decode(&mut self, unit: Assembled) -> bool {
        let Some(stream) = &mut self.stream else { return true };
        self.is_damaged = !unit.keyframe && (self.is_damaged || !unit.contiguous);
        if self.is_damaged {
            self.counts.picture.frames_damaged += 1;
            return false;
        }
        let header = UnitHeader {
            conference: OWN,
            source: SourceId::main(ParticipantId(0)),
            codec: stream.depacketizer.codec(),
            keyframe: unit.keyframe,
            contiguous: unit.contiguous,
            captured: MediaTime::from_rtp(i64::from(unit.timestamp), ClockRate::VIDEO),
            due: Mono::ZERO,
            rotation: Rotation::None,
        };
        let Ok(clear) = self.token.open(AccessUnit::seal(header, unit.data)) else { return true };
        match stream.decoder.decode(&clear) {
            // The moment is when the picture is there to be seen, not when its last packet came.
            Ok(Some(frame)) => self.see(&frame, unit.timestamp, self.clock.now()),
            Ok(None) => {}
            Err(_) => {
                self.counts.picture.decode_errors += 1;
                return false;
            }
        }
        true
    }

    fn see(&mut self, frame: &Frame, timestamp: u32, now: Mono) {
        self.first_ever.get_or_insert(now);
        self.counts.first.get_or_insert(now);
        self.counts.last = Some(now);
        self.counts.freezes.shown(now);
        let picture = &mut self.counts.picture;
        picture.frames += 1;
        let height = frame.size().height;
        if picture.height != Some(height) && picture.heights.len() < HEIGHTS_MAX {
            let at_ms = now.since(self.started).as_millis() as u64;
            picture.heights.push(HeightChange { at_ms, height });
        }
        (picture.width, picture.height) = (Some(frame.size().width), Some(height));
        // Layouts that a newer one has replaced for this picture are over: timestamps grow.
        while self.layouts.get(1).is_some_and(|next| is_at_or_after(timestamp, next.from)) {
            self.layouts.pop_front();
        }
        let current = self.layouts.front().filter(|layout| is_at_or_after(timestamp, layout.from));
        let Some(Layout { canvas, tiles, .. }) = current else {
            self.counts.picture.frames_without_layout += 1;
            return;
        };
        if self.judged.len() == JUDGED_MAX {
            self.judged.pop_front();
        }
        self.judged.push_back(timestamp);
        let own = &mut self.counts.picture.own;
        if tiles.iter().any(|tile| tile.is_self) {
            own.with_tile += 1;
        } else {
            own.without_tile += 1;
        }
        for tile in tiles {
            let fit = if tile.kind == SourceKind::Main { Fit::Cover } else { Fit::Contain };
            let rect = scaled(tile.rect, frame.size().width, canvas.width);
            let code = barcode::read(frame, rect, fit);
            let seen =
                self.counts.tiles.entry((tile.participant_id, tile.kind)).or_insert_with(|| Seen::new(tile));
            let age = code.and_then(|code| self.pictures.seen(code.sender, code.number, self.own, now));
            let lead_us = age.and_then(|age| self.reports.lead_us(timestamp, now.before(age)));
            let drawn = code.filter(|code| seen.is_compared(code.sender) && fit == Fit::Cover);
            let drawn = drawn.and_then(|code| self.pictures.drawn(code.sender, code.number).zip(Some(code)));
            let likeness = drawn.and_then(|(drawn, code)| self.eye.compare(frame, rect, code, drawn));
            let read = code.map(|code| Read { code, age, lead_us, likeness });
            seen.picture(tile, read, tint::of(frame, rect), now);
            if code.is_some_and(|code| code.sender == self.own) {
                count_own(own, tile);
            }
        }
    }

    pub(super) fn report(&self) -> Picture {
        let Counts { first, last, freezes, picture, tiles } = &self.counts;
        let span = first.zip(*last).map(|(first, last)| last.since(first)).filter(|span| !span.is_zero());
        Picture {
            fps: span.map(|span| (picture.frames - 1) as f64 / span.as_secs_f64()),
            freezes: freezes.count,
            frozen_ms: freezes.total.as_millis() as u64,
            tiles: tiles.iter().map(|(key, seen)| seen.report(*key, self.names.get(&key.0))).collect(),
            ..picture.clone()
        }
    }
}

/// A rectangle of the canvas on a picture that is `width` of its `canvas_width` across: a lower rate class.
fn scaled(rect: Rect, width: u16, canvas_width: u16) -> Rect {
    let scale = |length: u16| {
        let scaled = u32::from(length) * u32::from(width) / u32::from(canvas_width.max(1));
        // Beyond any picture: read nowhere.
        u16::try_from(scaled).unwrap_or(u16::MAX)
    };
    Rect { x: scale(rect.x), y: scale(rect.y), width: scale(rect.width), height: scale(rect.height) }
}

fn count_own(own: &mut OwnTile, tile: &LayoutTile) {
    if tile.is_self {
        own.code_in_place += 1;
    } else {
        own.code_elsewhere += 1;
    }
}

/// The depacketizer and decoder of `codec`, made anew when the codec has changed.
fn stream_of(stream: &mut Option<Stream>, codec: VideoCodec) -> Option<&mut Stream> {
    if stream.as_ref().is_none_or(|stream| stream.depacketizer.codec() != codec) {
        let decoder = NativeCodecs.video_decoder(codec).ok()?;
        *stream = Some(Stream { depacketizer: Depacketizer::new(codec), decoder });
    }
    stream.as_mut()
}

/// Whether RTP timestamp `a` is `b` or after it, modulo 2^32.
const fn is_at_or_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) as i32 >= 0
}

impl Seen {
    const fn new(tile: &LayoutTile) -> Self {
        Self {
            rect: tile.rect,
            is_self: tile.is_self,
            pictures: 0,
            unread: 0,
            tints: BTreeSet::new(),
            codes: BTreeMap::new(),
        }
    }

    /// Whether the next reading of `sender` is one of those that are compared with what was drawn: never the first, of a picture that may just
    /// have come.
    fn is_compared(&self, sender: SenderId) -> bool {
        self.codes.get(&sender).is_some_and(|reads| reads.reads % EVERY_READS == EVERY_READS / 2)
    }

    fn picture(&mut self, tile: &LayoutTile, read: Option<Read>, tint: Option<(u8, u8)>, now: Mono) {
        self.rect = tile.rect;
        self.is_self = tile.is_self;
        self.pictures += 1;
        self.tints.extend(tint.map(|(u, v)| (u / TINT_STEP, v / TINT_STEP)));
        match read {
            Some(read) => self.codes.entry(read.code.sender).or_default().read(read, now),
            None => self.unread += 1,
        }
    }

    fn report(&self, (participant_id, kind): (u64, SourceKind), name: Option<&String>) -> Tile {
        let codes = self.codes.iter().map(|(sender, reads)| reads.report(*sender)).collect();
        Tile {
            participant_id,
            name: name.cloned(),
            kind,
            is_self: self.is_self,
            rect: self.rect,
            pictures: self.pictures,
            unread: self.unread,
            tints: self.tints.len() as u64,
            codes,
        }
    }
}

impl Reads {
    fn read(&mut self, read: Read, now: Mono) {
        let Read { code: BarCode { number, .. }, age, lead_us, likeness } = read;
        self.reads += 1;
        if self.reads == 1 || number != self.last {
            self.numbers += 1;
            self.freezes.shown(now);
            // Further back than this is a loop that begins again.
            let step = number.wrapping_sub(self.last) % NUMBERS;
            self.backwards += u64::from(self.reads > 1 && step > NUMBERS - BACKWARDS_MAX);
            self.last = number;
        }
        if self.ages_ms.len() < AGES_MAX
            && let Some(age) = age
        {
            self.ages_ms.push(age.as_millis() as u32);
        }
        if self.leads_us.len() < LEADS_MAX {
            self.leads_us.extend(lead_us);
        }
        if let Some(likeness) = likeness {
            self.likenesses.keep(likeness);
        }
    }

    fn report(&self, sender: SenderId) -> Code {
        let likeness = self.likenesses.median();
        Code {
            sender,
            reads: self.reads,
            numbers: self.numbers,
            backwards: self.backwards,
            last_number: self.last,
            freezes: self.freezes.count,
            frozen_ms: self.freezes.total.as_millis() as u64,
            age_ms: Spread::of(&mut self.ages_ms.clone()),
            psnr_db: likeness.map(|likeness| likeness.psnr_db),
            ssim: likeness.map(|likeness| likeness.ssim),
        }
    }
}
