//! Lip-sync: when each moment of a participant's media was captured, on our clock, and when it is to be shown.
//!
//! Flow: arrivals and sender reports -> **here** -> due times of pictures, and the delay that sound must keep.
//! Thread: io; one [`LipSync`] per participant. Bound: `limits::STREAMS_PER_PEER_MAX` streams, a due time at most
//! `limits::SLOT_WAIT_MAX` ahead. Never believes a report further than the arrival of packets bears it out.
//!
//! The model (design law 3): a stream's reports tie its RTP clock to the sender's wallclock (RFC 3550 §6.4.1); the
//! fastest packet lately ties that wallclock to ours. Captured = wallclock + fastest transit; due = captured +
//! playout delay, the larger of what sound and picture need. Without reports each stream's own arrivals must do.

use super::delay::{DelayHistogram, WindowMin};
use mcu_core::id::SourceKind;
use mcu_core::limits::{PLAYOUT_DELAY_MAX, PLAYOUT_DELAY_MIN, SLOT_WAIT_MAX, STREAMS_PER_PEER_MAX};
use mcu_core::media::packet::SenderReport;
use mcu_core::time::{ClockRate, Mono, TimestampLine};
use std::time::Duration;

/// Over which the fastest transit is looked for: long enough to meet one in a squeeze, short enough for drift.
const TRANSIT_WINDOW: Duration = Duration::from_secs(10);
/// From a complete unit to its frame in the slot: queue, decoding.
const DECODE_ALLOWANCE: Duration = Duration::from_millis(20);
/// Share of pictures that are to be in time.
const PICTURE_SHARE: f32 = 0.95;
/// What one picture leaves of the weight of those before: about ten seconds' memory.
const PICTURE_KEEP: f32 = 0.996;
/// A report whose clocks moved apart by more than this since the last one begins a new line.
const REPORT_JUMP_NS: i64 = 500_000_000;
/// A report whose timestamp is further than this from the packets' is no report about them.
const REPORT_DISTANCE_S: i64 = 30;
/// A transit that differs by more than this from the fastest is a jump of the timestamps, not a delay.
const TRANSIT_JUMP_NS: i64 = 3_000_000_000;
/// Streams of one participant whose transits differ by more than this do not share a wallclock, whatever they say.
const SKEW_MAX_NS: i64 = 1_000_000_000;
/// A picture is never taken for older than this at its arrival.
const CAPTURE_AGE_MAX: Duration = Duration::from_secs(1);
/// How fast the playout delay grows: a freeze costs more than a slowed second.
const RISE_PER_S: f64 = 0.2;
/// How fast it shrinks.
const FALL_PER_S: f64 = 0.02;

/// A stream of a [`LipSync`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey(u8);

#[derive(Debug)]
struct Stream {
    rate: ClockRate,
    kind: SourceKind,
    line: TimestampLine,
    /// Unwrapped timestamp of the latest packet.
    latest: Option<i64>,
    /// Sender's wallclock less RTP time, in ns, by the last report.
    offset: Option<i64>,
    transit: WindowMin,
}

impl Stream {
    /// The sender's moment of a timestamp, in ns: its wallclock with reports, RTP time without.
    fn moment(&self, timestamp: u32) -> i64 {
        let mut line = self.line;
        self.nanos(line.unwrap(timestamp)).saturating_add(self.offset.unwrap_or(0))
    }

    fn nanos(&self, timestamp: i64) -> i64 {
        (i128::from(timestamp) * 1_000_000_000 / i128::from(self.rate.hz())) as i64
    }
}

/// The playout delay of one kind of source (the person, or what the person shares).
#[derive(Debug)]
struct Playout {
    sound: Duration,
    picture: DelayHistogram,
    delay: Option<(Duration, Mono)>,
}

impl Playout {
    const fn new() -> Self {
        Self { sound: Duration::ZERO, picture: DelayHistogram::new(PICTURE_KEEP), delay: None }
    }

    fn wanted(&self) -> Duration {
        let picture = self.picture.quantile(PICTURE_SHARE).unwrap_or(Duration::ZERO);
        self.sound.max(picture).clamp(PLAYOUT_DELAY_MIN, PLAYOUT_DELAY_MAX)
    }

    /// Moves the delay towards what is wanted, slowly enough not to be seen.
    fn advance(&mut self, now: Mono) {
        let wanted = self.wanted();
        let next = self.delay.map_or(wanted, |(delay, since)| {
            let elapsed = now.since(since);
            if wanted > delay {
                wanted.min(delay + elapsed.mul_f64(RISE_PER_S))
            } else {
                wanted.max(delay.saturating_sub(elapsed.mul_f64(FALL_PER_S)))
            }
        });
        self.delay = Some((next, now));
    }

    fn get(&self) -> Duration {
        self.delay.map_or(PLAYOUT_DELAY_MIN, |(delay, _)| delay)
    }
}

/// The clocks of one participant's streams.
#[derive(Debug)]
pub struct LipSync {
    streams: [Option<Stream>; STREAMS_PER_PEER_MAX],
    main: Playout,
    content: Playout,
    anchored: u64,
}

impl Default for LipSync {
    fn default() -> Self {
        Self {
            streams: [const { None }; STREAMS_PER_PEER_MAX],
            main: Playout::new(),
            content: Playout::new(),
            anchored: 0,
        }
    }
}

impl LipSync {
    /// Adds a stream of clock `rate`; `None` when the participant has too many.
    pub fn add(&mut self, rate: ClockRate, kind: SourceKind) -> Option<StreamKey> {
        let (index, slot) = self.streams.iter_mut().enumerate().find(|(_, slot)| slot.is_none())?;
        *slot = Some(Stream {
            rate,
            kind,
            line: TimestampLine::new(),
            latest: None,
            offset: None,
            transit: WindowMin::new(TRANSIT_WINDOW),
        });
        Some(StreamKey(index as u8))
    }

    /// Forgets a stream; its key may be given to another.
    pub fn remove(&mut self, key: StreamKey) {
        self.streams[usize::from(key.0)] = None;
    }

    fn stream(&self, key: StreamKey) -> Option<&Stream> {
        self.streams[usize::from(key.0)].as_ref()
    }

    /// Notes a packet's arrival.
    pub fn arrived(&mut self, key: StreamKey, timestamp: u32, arrival: Mono) {
        let Some(stream) = &mut self.streams[usize::from(key.0)] else {
            return;
        };
        let mut transit = nanos(arrival).saturating_sub(stream.moment(timestamp));
        stream.latest = Some(stream.line.unwrap(timestamp));
        let jumped = |fastest: i64| transit.saturating_sub(fastest).saturating_abs() > TRANSIT_JUMP_NS;
        if stream.transit.get().is_some_and(jumped) {
            // A new line of timestamps: nothing known about the old one holds.
            stream.transit.clear();
            stream.offset = None;
            transit = nanos(arrival).saturating_sub(stream.moment(timestamp));
            self.anchored += 1;
        }
        stream.transit.insert(transit, arrival);
    }

    /// Takes a sender report of a stream. One that cannot be about its packets is ignored.
    pub fn report(&mut self, key: StreamKey, report: SenderReport) {
        let Some(stream) = &mut self.streams[usize::from(key.0)] else {
            return;
        };
        // RFC 3550 §6.4.1: a sender without a wallclock says 0.
        let Some(latest) = stream.latest.filter(|_| report.ntp != 0) else {
            return;
        };
        let mut line = stream.line;
        let timestamp = line.unwrap(report.timestamp);
        if (timestamp - latest).abs() > REPORT_DISTANCE_S * i64::from(stream.rate.hz()) {
            return;
        }
        let wallclock = ((u128::from(report.ntp) * 1_000_000_000) >> 32) as i64;
        let offset = wallclock.saturating_sub(stream.nanos(timestamp));
        let jumped = |known: i64| known.saturating_sub(offset).saturating_abs() > REPORT_JUMP_NS;
        if stream.offset.is_none_or(jumped) {
            // What is known of transits is in the old line: carry it over.
            stream.transit.shift(stream.offset.unwrap_or(0).saturating_sub(offset));
            self.anchored += u64::from(stream.offset.is_some());
        }
        stream.offset = Some(offset);
    }

    /// The fastest transit of the wallclock that `stream` shares with others, or its own.
    fn base(&self, stream: &Stream) -> Option<i64> {
        let own = stream.transit.get()?;
        if stream.offset.is_none() {
            return Some(own);
        }
        let others = self.streams.iter().flatten().filter(|other| other.offset.is_some());
        let transits = others.filter_map(|other| other.transit.get());
        transits.filter(|transit| transit.saturating_sub(own).saturating_abs() <= SKEW_MAX_NS).min()
    }

    /// When the moment of `timestamp` was captured, as far as packets that arrived by `now` tell; never after `now`.
    pub fn captured(&self, key: StreamKey, timestamp: u32, now: Mono) -> Mono {
        let moment = self.stream(key).and_then(|stream| {
            let at = stream.moment(timestamp).saturating_add(self.base(stream)?);
            Some(Mono::from_nanos(u64::try_from(at).unwrap_or(0)))
        });
        moment.map_or(now, |at| at.clamp(now.before(CAPTURE_AGE_MAX), now))
    }

    /// Notes that the picture of `timestamp` is complete, and gives its due time.
    pub fn picture_complete(&mut self, key: StreamKey, timestamp: u32, now: Mono) -> Mono {
        let captured = self.captured(key, timestamp, now);
        let Some(kind) = self.stream(key).map(|stream| stream.kind) else {
            return now;
        };
        let playout = self.playout_mut(kind);
        playout.picture.insert(now.since(captured) + DECODE_ALLOWANCE);
        playout.advance(now);
        (captured + playout.get()).clamp(now, now + SLOT_WAIT_MAX)
    }

    /// Notes the delay that a sound stream needs for itself (`SoundBuffer::target`).
    pub fn sound_needs(&mut self, key: StreamKey, delay: Duration, now: Mono) {
        let Some(stream) = self.stream(key) else {
            return;
        };
        let (kind, lag) = (stream.kind, self.lag(stream));
        let playout = self.playout_mut(kind);
        playout.sound = (delay + lag).min(PLAYOUT_DELAY_MAX);
        playout.advance(now);
    }

    /// The least delay that a sound stream must keep to stay with the picture (`SoundBuffer::set_floor`).
    pub fn sound_floor(&self, key: StreamKey) -> Duration {
        self.stream(key)
            .map_or(Duration::ZERO, |stream| self.playout_delay(stream.kind).saturating_sub(self.lag(stream)))
    }

    /// From capture to being shown and heard.
    pub fn playout_delay(&self, kind: SourceKind) -> Duration {
        match kind {
            SourceKind::Main => self.main.get(),
            SourceKind::Content => self.content.get(),
        }
    }

    /// Times that a stream began a new line of timestamps or wallclock.
    pub const fn anchored(&self) -> u64 {
        self.anchored
    }

    /// How much slower than the fastest way this stream's fastest packets are.
    fn lag(&self, stream: &Stream) -> Duration {
        let lag =
            stream.transit.get().zip(self.base(stream)).map_or(0, |(own, base)| own.saturating_sub(base));
        Duration::from_nanos(u64::try_from(lag).unwrap_or(0))
    }

    const fn playout_mut(&mut self, kind: SourceKind) -> &mut Playout {
        match kind {
            SourceKind::Main => &mut self.main,
            SourceKind::Content => &mut self.content,
        }
    }
}

const fn nanos(at: Mono) -> i64 {
    at.as_nanos() as i64
}
