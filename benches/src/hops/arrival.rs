//! Hops `reorder`, `sync` and `depacketize`: the packets of one 720p stream, second by second.

use super::{Case, Work, stream};
use crate::streams::{FPS, Stream};
use mcu_core::hop::Hop;
use mcu_core::id::SourceKind;
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::packet::Packet;
use mcu_core::time::{ClockRate, FrameInterval, Mono};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;
use transport::payload::{Assembled, Depacketizer};
use transport::receive::{LipSync, ReorderBuffer, Reordered, StreamKey};

/// Packets of one run: about a second of video.
const PACKETS: u64 = 150;

pub(super) fn cases() -> Vec<Case> {
    let reorder = |name: &'static str, swapped_every| {
        Case::new(Hop::Reorder, name, (PACKETS, "packet"), move || Reorder::new(swapped_every))
    };
    let depacketize = |codec: VideoCodec| {
        let name = format!("{} 720p", codec.name());
        Case::new(Hop::Depacketize, name, (FPS, "picture"), move || Assembly::new(codec))
    };
    vec![
        reorder("in order", None),
        reorder("every tenth after its successor", Some(10)),
        Case::new(Hop::Sync, "arrivals and due times", (FPS, "picture"), Sync::new),
        depacketize(VideoCodec::Vp8),
        depacketize(VideoCodec::H264),
    ]
}

/// `PACKETS` packets pushed, and everything polled after each, as an io thread does.
struct Reorder {
    buffer: ReorderBuffer,
    swapped_every: Option<u64>,
    sequence: u64,
    packets: Vec<Packet>,
}

impl Reorder {
    fn new(swapped_every: Option<u64>) -> Self {
        let packets = Vec::with_capacity(PACKETS as usize);
        Self { buffer: ReorderBuffer::default(), swapped_every, sequence: 1, packets }
    }
}

impl Work for Reorder {
    fn prepare(&mut self) {
        assert!(self.packets.is_empty(), "what was prepared has been worked through");
        let packet = |sequence| Packet {
            sequence,
            timestamp: 0,
            marker: false,
            arrival: Mono::from_millis(1),
            audio_level_dbov: None,
            payload: bytes::Bytes::from_static(&[0; 1_100]),
        };
        self.packets.extend((0..PACKETS).map(|n| packet(self.sequence + n)));
        self.sequence += PACKETS;
        if let Some(every) = self.swapped_every {
            self.packets.chunks_exact_mut(every as usize).for_each(|chunk| chunk.swap(1, 2));
        }
    }

    fn run(&mut self) {
        let mut passed = 0;
        for packet in self.packets.drain(..) {
            self.buffer.push(packet);
            while let Some(item) = self.buffer.poll(Mono::from_millis(1)) {
                assert!(matches!(black_box(item), Reordered::Packet(_)));
                passed += 1;
            }
        }
        assert_eq!(passed, PACKETS);
    }
}

/// A second of pictures of five packets, and of sound, on their way through the clocks.
struct Sync {
    sync: LipSync,
    picture: StreamKey,
    sound: StreamKey,
    tick: u64,
}

impl Sync {
    fn new() -> Self {
        let mut sync = LipSync::default();
        let mut add = |rate| sync.add(rate, SourceKind::Main).expect("there is room");
        let (picture, sound) = (add(ClockRate::VIDEO), add(ClockRate::OPUS));
        Self { sync, picture, sound, tick: 0 }
    }
}

impl Work for Sync {
    fn run(&mut self) {
        for _ in 0..FPS {
            self.tick += 1;
            let at = FrameInterval::FPS_30.at(self.tick);
            let arrived = at.to_mono() + Duration::from_millis(20 + self.tick % 7);
            let timestamp = at.to_rtp(ClockRate::VIDEO);
            (0..5).for_each(|_| self.sync.arrived(self.picture, timestamp, arrived));
            (0..2).for_each(|_| self.sync.arrived(self.sound, at.to_rtp(ClockRate::OPUS), arrived));
            black_box(self.sync.picture_complete(self.picture, timestamp, arrived));
        }
    }
}

/// A second of pictures put together from their packets.
struct Assembly {
    stream: Stream,
    depacketizer: Depacketizer,
    packets: Vec<Packet>,
    tick: u64,
    sequence: u64,
    pictures: u64,
    /// What lane and decoder still hold of the pictures before: their bytes cannot be used again yet.
    held: VecDeque<Assembled>,
}

/// Pictures on their way to a decoder that keeps up.
const HELD: usize = 3;

impl Assembly {
    fn new(codec: VideoCodec) -> Self {
        let (stream, depacketizer) = (stream(1, codec, 720), Depacketizer::new(codec));
        let (packets, held) = (Vec::new(), VecDeque::with_capacity(HELD + 1));
        Self { stream, depacketizer, packets, tick: 0, sequence: 0, pictures: 0, held }
    }
}

impl Work for Assembly {
    fn prepare(&mut self) {
        self.packets.clear();
        self.pictures = 0;
        for _ in 0..FPS {
            let packets = self.stream.packets(self.tick, &mut self.sequence, Mono::ZERO);
            self.pictures += u64::from(!packets.is_empty());
            self.packets.extend(packets);
            self.tick += 1;
        }
    }

    fn run(&mut self) {
        let mut pictures = 0;
        for packet in &self.packets {
            self.depacketizer.push(packet);
            while let Some(picture) = self.depacketizer.poll() {
                assert!(picture.contiguous || pictures == 0);
                pictures += 1;
                self.held.push_back(picture);
                if self.held.len() > HELD {
                    self.held.pop_front();
                }
            }
        }
        assert_eq!(pictures, self.pictures);
    }
}
