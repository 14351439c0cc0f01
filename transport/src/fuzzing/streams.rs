//! Authenticated packets in whatever order, at whatever time and with whatever numbers a sender gives them.

use super::shared::Script;
use crate::receive::{
    DecodeFailed, LipSync, ReorderBuffer, Reordered, SoundBuffer, SoundDecoder, SoundPacket, VideoReceiver,
};
use bytes::Bytes;
use mcu_core::id::{ConferenceId, ParticipantId, SourceId, SourceKind};
use mcu_core::limits::{PLAYOUT_DELAY_MAX, PLAYOUT_PACKETS_MAX, REORDER_PACKETS_MAX, SLOT_WAIT_MAX};
use mcu_core::media::codec::{AudioCodec, VideoCodec};
use mcu_core::media::packet::{Packet, SenderReport};
use mcu_core::media::samples::{BLOCK_SAMPLES, SILENCE};
use mcu_core::time::{ClockRate, Mono};
use std::time::Duration;

/// Packets of one picture stream, numbered by a script: small steps either way, and now and then any number at all.
struct Numbers {
    now: Mono,
    sequence: u64,
    timestamp: u32,
}

impl Numbers {
    const START: Self =
        Self { now: Mono::from_millis(1_000), sequence: 1 << 20, timestamp: u32::MAX - 5_000 };

    /// The next packet: a byte of time (in 5 ms), a byte of how the number steps, two of how the timestamp does, and a piece.
    fn packet(&mut self, script: &mut Script<'_>) -> Option<Packet> {
        self.now += Duration::from_millis(5) * u32::from(script.byte()?);
        let step = script.byte()?;
        self.sequence = match step {
            0xff => script.u64()?,
            step => self.sequence.wrapping_add_signed(i64::from(step) - 0x40),
        };
        self.timestamp = match script.u16()? {
            0xffff => script.u32()?,
            step => self.timestamp.wrapping_add(u32::from(step)),
        };
        Some(Packet {
            sequence: self.sequence,
            timestamp: self.timestamp,
            marker: step & 1 == 1,
            arrival: self.now,
            audio_level_dbov: None,
            payload: Bytes::copy_from_slice(script.piece()?),
        })
    }
}

/// Packets of one stream, as [`Numbers`] numbers them. What comes out is in order, and nothing is lost from the account.
pub fn reorder(data: &[u8]) {
    let mut buffer = ReorderBuffer::default();
    let mut numbers = Numbers::START;
    let mut script = Script::new(data);
    let (mut pushed, mut popped) = (0, 0);
    let mut next: Option<u64> = None;
    while let Some(packet) = numbers.packet(&mut script) {
        let first = packet.sequence;
        pushed += 1;
        buffer.push(packet);
        assert!(buffer.len() <= REORDER_PACKETS_MAX);
        while let Some(item) = buffer.poll(numbers.now) {
            let expected = next.unwrap_or(first);
            next = Some(match item {
                Reordered::Packet(packet) => {
                    assert_eq!(packet.sequence, expected, "in order");
                    popped += 1;
                    packet.sequence.saturating_add(1)
                }
                Reordered::Lost { count } => {
                    assert!(count > 0);
                    expected + count
                }
            });
        }
        assert!(buffer.next_deadline().is_none_or(|deadline| deadline > numbers.now), "it was due");
        assert!(buffer.is_empty() || buffer.next_deadline().is_some(), "what is held waits for something");
        let counters = buffer.counters();
        let accounted = popped + counters.late + counters.duplicate + counters.overflowed;
        assert_eq!(pushed, accounted + buffer.len() as u64);
    }
}

/// Packets of one picture stream as [`reorder`] takes them, each after a byte that says in which codec.
pub fn video_stream(data: &[u8]) {
    let mut sync = LipSync::default();
    let key = sync.add(ClockRate::VIDEO, SourceKind::Main).expect("the first stream");
    let mut receiver = VideoReceiver::new(ConferenceId(1), SourceId::main(ParticipantId(1)), key);
    let mut numbers = Numbers::START;
    let mut script = Script::new(data);
    let mut units = 0;
    while let Some(flags) = script.byte() {
        let Some(packet) = numbers.packet(&mut script) else { return };
        receiver.push(packet, VideoCodec::ALL[usize::from(flags) % VideoCodec::ALL.len()]);
        if flags & 0x80 != 0 {
            receiver.set_round_trip(Duration::from_millis(u64::from(flags)));
        }
        let now = numbers.now;
        while let Some(unit) = receiver.poll(&mut sync, now) {
            units += 1;
            assert!(unit.due >= now && unit.due <= now + SLOT_WAIT_MAX, "due {:?} at {now:?}", unit.due);
        }
        let asked = receiver.wants_keyframe(now);
        assert!(!(asked && receiver.wants_keyframe(now)), "a request is limited in rate");
        assert_eq!(receiver.counters().units, units);
    }
}

/// A decoder whose packets say what they are: the first byte is their length in 2.5 ms, or that they are broken.
struct Said;

impl SoundDecoder for Said {
    fn decode(&mut self, _: AudioCodec, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeFailed> {
        let samples = payload.first().map_or(0, |byte| usize::from(*byte)) * 120;
        out.get_mut(..samples).ok_or(DecodeFailed)?.fill(0.5);
        Ok(samples)
    }

    fn decode_fec(&mut self, _: AudioCodec, next: &[u8], out: &mut [f32]) -> Result<(), DecodeFailed> {
        if next.get(1).is_some_and(|byte| byte & 1 == 1) {
            out.fill(0.25);
            return Ok(());
        }
        Err(DecodeFailed)
    }

    fn conceal(&mut self, out: &mut [f32]) -> Result<(), DecodeFailed> {
        out.fill(0.125);
        Ok(())
    }
}

/// Packets of one sound stream as [`reorder`] takes them, each after a byte: how many blocks are pulled before it.
pub fn sound_stream(data: &[u8]) {
    let mut buffer = SoundBuffer::new();
    let mut numbers = Numbers::START;
    let mut script = Script::new(data);
    let (mut block, mut blocks) = (SILENCE, 0);
    while let Some(flags) = script.byte() {
        for _ in 0..flags & 0x0f {
            numbers.now += Duration::from_millis(10);
            if flags & 0x10 != 0 {
                buffer.skip(numbers.now);
                continue;
            }
            buffer.pull(numbers.now, &mut Said, &mut block);
            blocks += 1;
            assert!(block.iter().all(|sample| sample.abs() <= 1.0), "as loud as the packets, no louder");
        }
        if flags & 0x20 != 0 {
            buffer.set_floor(Duration::from_millis(u64::from(flags)));
        }
        let Some(packet) = numbers.packet(&mut script) else { return };
        buffer.push(SoundPacket::new(&packet, AudioCodec::Opus));
        assert!(buffer.len() <= PLAYOUT_PACKETS_MAX);
        assert!(buffer.target() <= PLAYOUT_DELAY_MAX);
        assert_eq!(buffer.counters().total_samples, blocks * BLOCK_SAMPLES as u64);
    }
}

/// Arrivals, reports and pictures of a participant's four streams: a byte of what and which, a byte of time, and numbers.
pub fn lip_sync(data: &[u8]) {
    let mut sync = LipSync::default();
    let streams = [
        (ClockRate::OPUS, SourceKind::Main),
        (ClockRate::VIDEO, SourceKind::Main),
        (ClockRate::OPUS, SourceKind::Content),
        (ClockRate::VIDEO, SourceKind::Content),
    ];
    let keys = streams.map(|(rate, kind)| sync.add(rate, kind).expect("four streams fit"));
    let mut now = Mono::from_millis(1_000);
    let mut script = Script::new(data);
    while let (Some(what), Some(time)) = (script.byte(), script.byte()) {
        now += Duration::from_millis(u64::from(time));
        let key = keys[usize::from(what >> 6)];
        let Some(timestamp) = script.u32() else { return };
        match what & 3 {
            0 => sync.arrived(key, timestamp, now.before(Duration::from_millis(u64::from(what)))),
            1 => {
                let Some(ntp) = script.u64() else { return };
                sync.report(key, SenderReport { ntp, timestamp });
            }
            2 => {
                let due = sync.picture_complete(key, timestamp, now);
                assert!(due >= now && due <= now + SLOT_WAIT_MAX);
            }
            _ => sync.sound_needs(key, Duration::from_millis(u64::from(timestamp >> 20)), now),
        }
        let captured = sync.captured(key, timestamp, now);
        assert!(captured <= now && now.since(captured) <= Duration::from_secs(1));
        for kind in [SourceKind::Main, SourceKind::Content] {
            assert!(sync.playout_delay(kind) <= PLAYOUT_DELAY_MAX);
        }
        assert!(sync.sound_floor(key) <= PLAYOUT_DELAY_MAX);
    }
}
