//! The receiving side of one peer's lines: packets to units for the decode lane, packets to the sound job.

use crate::engine::intake::{PictureIntake, SoundArrival, SoundFeed};
use crate::engine::totals::MediaTotals;
use mcu_core::id::{ConferenceId, SourceId, SourceKind};
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::packet::{Packet, SenderReport};
use mcu_core::time::{ClockRate, Mono};
use std::time::Duration;
use transport::receive::{LipSync, SoundPacket, StreamKey, VideoCounters, VideoReceiver};

/// A source whose packets stay away for this long is no longer live.
const LIVE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The engine's ends of one peer's sources; `None` for lines that the peer does not send on.
#[derive(Default)]
pub struct LineFeeds {
    /// By source kind: main, content.
    pub pictures: [Option<PictureIntake>; 2],
    /// By source kind: main, content.
    pub sounds: [Option<SoundFeed>; 2],
}

/// Whether packets of a line flow.
#[derive(Debug, Default)]
struct Liveness {
    last: Option<Mono>,
    live: bool,
}

impl Liveness {
    /// Some(true) when this packet is the first after none.
    fn packet(&mut self, now: Mono) -> bool {
        self.last = Some(now);
        !std::mem::replace(&mut self.live, true)
    }

    /// Whether it has just ended.
    fn check(&mut self, now: Mono) -> bool {
        let silent = self.last.is_none_or(|last| now.since(last) > LIVE_TIMEOUT);
        let ended = self.live && silent;
        self.live &= !silent;
        ended
    }
}

/// One picture line that is received.
pub struct PictureLine {
    /// Whose.
    pub source: SourceId,
    /// Names the stream to the lip-sync.
    pub key: StreamKey,
    receiver: VideoReceiver,
    intake: PictureIntake,
    liveness: Liveness,
    /// What was already added to the node's totals.
    counted: VideoCounters,
}

/// One sound line that is received.
pub struct SoundLine {
    /// Whose.
    pub source: SourceId,
    /// Names the stream to the lip-sync.
    pub key: StreamKey,
    feed: SoundFeed,
    liveness: Liveness,
    /// What came last. It may change at any packet.
    codec: AudioCodec,
}

/// The place of a source kind in an array of two.
pub const fn index(kind: SourceKind) -> usize {
    match kind {
        SourceKind::Main => 0,
        SourceKind::Content => 1,
    }
}

impl PictureLine {
    /// A line of `source`; `None` when the peer has too many streams.
    pub fn new(
        conference: ConferenceId,
        source: SourceId,
        intake: PictureIntake,
        sync: &mut LipSync,
    ) -> Option<Self> {
        let key = sync.add(ClockRate::VIDEO, source.kind)?;
        let receiver = VideoReceiver::new(conference, source, key);
        let (liveness, counted) = (Liveness::default(), VideoCounters::default());
        Some(Self { source, key, receiver, intake, liveness, counted })
    }

    /// Takes a packet; true when the source has just come to life.
    pub fn packet(&mut self, packet: Packet, codec: VideoCodec, sync: &mut LipSync, now: Mono) -> bool {
        self.receiver.push(packet, codec);
        self.release(sync, now);
        self.liveness.packet(now)
    }

    /// Hands complete units to the decoder, and gives up on gaps whose time is over.
    pub fn release(&mut self, sync: &mut LipSync, now: Mono) {
        while let Some(unit) = self.receiver.poll(sync, now) {
            if self.intake.push(unit) {
                self.receiver.decoder_needs_keyframe();
            }
        }
    }

    /// Whether to ask the sender for a key frame now.
    pub fn wants_keyframe(&mut self, now: Mono) -> bool {
        if self.intake.wants_keyframe() {
            self.receiver.decoder_needs_keyframe();
        }
        self.receiver.wants_keyframe(now)
    }

    /// When the oldest gap is given up.
    pub fn deadline(&self) -> Option<Mono> {
        self.receiver.next_deadline()
    }

    /// Sizes the wait for a resend.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.receiver.set_round_trip(round_trip);
    }

    /// Whether the source has just gone silent.
    pub fn has_ended(&mut self, now: Mono) -> bool {
        self.liveness.check(now)
    }

    /// Adds what happened since the last time to `totals`.
    pub fn count(&mut self, totals: &MediaTotals) {
        let now = self.receiver.counters();
        let before = std::mem::replace(&mut self.counted, now);
        let late = |counters: &VideoCounters| counters.reorder.late + counters.reorder.duplicate;
        totals.packets_lost.add(now.reorder.lost - before.reorder.lost);
        totals.packets_late.add(late(&now) - late(&before));
        totals.keyframes_asked.add(now.keyframes_asked - before.keyframes_asked);
    }
}

impl SoundLine {
    /// A line of `source`; `None` when the peer has too many streams. It counts time in samples of 48 kHz, whichever
    /// codecs come.
    pub fn new(source: SourceId, feed: SoundFeed, sync: &mut LipSync) -> Option<Self> {
        let key = sync.add(ClockRate::OPUS, source.kind)?;
        Some(Self { source, key, feed, liveness: Liveness::default(), codec: AudioCodec::Opus })
    }

    /// Takes a packet of `codec`; true when the source has just come to life.
    pub fn packet(&mut self, packet: &Packet, codec: AudioCodec, sync: &mut LipSync, now: Mono) -> bool {
        self.codec = codec;
        let level_dbov = packet.audio_level_dbov;
        let packet = SoundPacket::new(packet, codec);
        sync.arrived(self.key, packet.timestamp, packet.arrival);
        self.feed.packets.push_newest(SoundArrival { packet, level_dbov });
        self.liveness.packet(now)
    }

    /// A sender report of this stream, brought from the clock of its codec to that of the lip-sync.
    pub fn report(&self, report: SenderReport) -> SenderReport {
        SenderReport { timestamp: self.codec.timestamp_at_48_khz(report.timestamp), ..report }
    }

    /// Exchanges the two delays by which sound and picture wait for each other.
    pub fn keep_in_step(&self, sync: &mut LipSync, now: Mono) {
        sync.sound_needs(self.key, self.feed.needed(), now);
        self.feed.set_floor(sync.sound_floor(self.key));
    }

    /// Whether the source has just gone silent.
    pub fn has_ended(&mut self, now: Mono) -> bool {
        self.liveness.check(now)
    }
}
