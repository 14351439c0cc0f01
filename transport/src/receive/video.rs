//! One received video stream: reorder, depacketize, sync.
//!
//! Flow: `peer/` -> **here** -> lane of a decoder. Thread: io. Bound: those of its parts. Asks for a key frame when
//! decoding cannot go on, at most every `limits::KEYFRAME_REQUEST_INTERVAL_MIN`.

use super::reorder::{ReorderBuffer, ReorderCounters, Reordered};
use super::sync::{LipSync, StreamKey};
use crate::payload::{Assembled, DepacketizeCounters, Depacketizer};
use mcu_core::id::{ConferenceId, SourceId};
use mcu_core::limits::KEYFRAME_REQUEST_INTERVAL_MIN;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::packet::Packet;
use mcu_core::media::unit::{AccessUnit, Rotation, Sealed, UnitHeader};
use mcu_core::time::{ClockRate, MediaTime, Mono, TimestampLine};
use std::time::Duration;

/// Codec changes that may wait inside the reorder buffer at a time; a browser makes one in a blue moon.
const CODEC_CHANGES_MAX: usize = 4;

/// What happened in one stream, counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VideoCounters {
    /// Of the reorder buffer.
    pub reorder: ReorderCounters,
    /// Of the depacketizer, all codecs together.
    pub depacketize: DepacketizeCounters,
    /// Pictures handed on.
    pub units: u64,
    /// Key frames among them.
    pub keyframes: u64,
    /// Key frames asked for.
    pub keyframes_asked: u64,
}

/// Receives one video stream.
#[derive(Debug)]
pub struct VideoReceiver {
    conference: ConferenceId,
    source: SourceId,
    stream: StreamKey,
    reorder: ReorderBuffer,
    /// From which sequence number on which codec is spoken, in order.
    codecs: Vec<(u64, VideoCodec)>,
    depacketizer: Option<Depacketizer>,
    before: DepacketizeCounters,
    timestamps: TimestampLine,
    rotation: Rotation,
    needs_keyframe: bool,
    asked_at: Option<Mono>,
    counters: VideoCounters,
}

impl VideoReceiver {
    /// For a stream of `source`, whose clock is `stream` of the participant's [`LipSync`].
    pub fn new(conference: ConferenceId, source: SourceId, stream: StreamKey) -> Self {
        Self {
            conference,
            source,
            stream,
            reorder: ReorderBuffer::default(),
            codecs: Vec::with_capacity(CODEC_CHANGES_MAX),
            depacketizer: None,
            before: DepacketizeCounters::default(),
            timestamps: TimestampLine::new(),
            rotation: Rotation::None,
            needs_keyframe: true,
            asked_at: None,
            counters: VideoCounters::default(),
        }
    }

    /// Takes a packet; `codec` is that of its payload type. Then call [`poll`](Self::poll) until it is empty.
    pub fn push(&mut self, packet: Packet, codec: VideoCodec) {
        self.note_codec(packet.sequence, codec);
        self.reorder.push(packet);
    }

    fn note_codec(&mut self, sequence: u64, codec: VideoCodec) {
        let before = self.codecs.iter().rev().nth(1).map_or(0, |(from, _)| *from);
        match self.codecs.last_mut() {
            // The first packets of a codec may come in any order, but not before the codec before.
            Some((from, last)) if *last == codec => *from = (*from).min(sequence.max(before)),
            Some((from, _)) if sequence < *from => {}
            _ => {
                if self.codecs.len() == CODEC_CHANGES_MAX {
                    self.codecs.remove(0);
                }
                self.codecs.push((sequence, codec));
            }
        }
    }

    /// The turn that the video-orientation extension of the latest packets asks for.
    pub const fn set_rotation(&mut self, rotation: Rotation) {
        self.rotation = rotation;
    }

    /// Fits the wait for resent packets to the round trip.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.reorder.set_round_trip(round_trip);
    }

    /// The decoder could not go on (or its lane overflowed): a key frame is needed.
    pub const fn decoder_needs_keyframe(&mut self) {
        self.needs_keyframe = true;
    }

    /// The next complete picture, with its due time by `sync`.
    pub fn poll(&mut self, sync: &mut LipSync, now: Mono) -> Option<AccessUnit<Sealed>> {
        loop {
            if let Some(unit) = self.depacketizer.as_mut().and_then(Depacketizer::poll) {
                return Some(self.seal(unit, sync, now));
            }
            match self.reorder.poll(now)? {
                Reordered::Packet(packet) => {
                    self.follow_codec(packet.sequence);
                    // The earliest arrival of a picture's packets is its transit; resent ones do not count.
                    sync.arrived(self.stream, packet.timestamp, packet.arrival);
                    if let Some(depacketizer) = &mut self.depacketizer {
                        depacketizer.push(&packet);
                    }
                }
                Reordered::Lost { count } => {
                    if let Some(depacketizer) = &mut self.depacketizer {
                        depacketizer.lost(count);
                    }
                }
            }
        }
    }

    fn follow_codec(&mut self, sequence: u64) {
        while self.codecs.len() > 1 && self.codecs[1].0 <= sequence {
            self.codecs.remove(0);
        }
        let Some((_, codec)) = self.codecs.first().copied() else {
            return;
        };
        if self.depacketizer.as_ref().map(Depacketizer::codec) != Some(codec) {
            self.before = self.depacketize_counters();
            self.depacketizer = Some(Depacketizer::new(codec));
            self.needs_keyframe = true;
        }
    }

    fn seal(&mut self, unit: Assembled, sync: &mut LipSync, now: Mono) -> AccessUnit<Sealed> {
        if unit.keyframe {
            self.needs_keyframe = false;
            self.counters.keyframes += 1;
        } else if !unit.contiguous {
            self.needs_keyframe = true;
        }
        self.counters.units += 1;
        let codec = self.depacketizer.as_ref().map_or(VideoCodec::Vp8, Depacketizer::codec);
        let header = UnitHeader {
            conference: self.conference,
            source: self.source,
            codec,
            keyframe: unit.keyframe,
            contiguous: unit.contiguous,
            captured: MediaTime::from_rtp(self.timestamps.unwrap(unit.timestamp), ClockRate::VIDEO),
            due: sync.picture_complete(self.stream, unit.timestamp, now),
            rotation: self.rotation,
        };
        AccessUnit::seal(header, unit.data)
    }

    /// Whether to ask the sender for a key frame now. Saying yes counts as asking.
    pub fn wants_keyframe(&mut self, now: Mono) -> bool {
        // Before the first packet there is nobody to ask.
        let wants = self.needs_keyframe
            && self.depacketizer.is_some()
            && self.asked_at.is_none_or(|asked| now.since(asked) >= KEYFRAME_REQUEST_INTERVAL_MIN);
        if wants {
            self.asked_at = Some(now);
            self.counters.keyframes_asked += 1;
        }
        wants
    }

    /// When to call [`poll`](Self::poll) if no packet comes before.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.reorder.next_deadline()
    }

    /// What happened so far.
    pub fn counters(&self) -> VideoCounters {
        VideoCounters {
            reorder: self.reorder.counters(),
            depacketize: self.depacketize_counters(),
            ..self.counters
        }
    }

    fn depacketize_counters(&self) -> DepacketizeCounters {
        let now =
            self.depacketizer.as_ref().map_or_else(DepacketizeCounters::default, Depacketizer::counters);
        DepacketizeCounters {
            malformed: self.before.malformed + now.malformed,
            incomplete: self.before.incomplete + now.incomplete,
            oversized: self.before.oversized + now.oversized,
        }
    }
}
