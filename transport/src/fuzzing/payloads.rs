//! Payloads of authenticated packets, and our own on their way out.

use super::shared::Script;
use crate::payload::{Assembled, Depacketizer, Packetizer, nal_units};
use bytes::Bytes;
use mcu_core::limits::{PAYLOAD_BYTES_MAX, UNIT_BYTES_MAX};
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::packet::Packet;
use mcu_core::media::unit::EncodedUnit;
use mcu_core::time::{MediaTime, Mono};

/// Bytes of the parameter sets that may be put before a key frame, start codes included.
const SETS_BYTES_MAX: usize = 2 * (4 + 1_024);

/// VP8 payloads (RFC 7741) as a script; see [`payload`].
pub fn payload_vp8(data: &[u8]) {
    payload(VideoCodec::Vp8, data, |unit| assert_eq!(unit.keyframe, unit.data[0] & 1 == 0));
}

/// VP9 payloads (RFC 9628) as a script; see [`payload`].
pub fn payload_vp9(data: &[u8]) {
    payload(VideoCodec::Vp9, data, |_| ());
}

/// H.264 payloads (RFC 6184) as a script; see [`payload`].
pub fn payload_h264(data: &[u8]) {
    payload(VideoCodec::H264, data, |unit| {
        assert!(unit.data.starts_with(&[0, 0, 0, 1]), "Annex B");
        let has = |kind| nal_units(&unit.data).any(|nal| nal[0] & 0x1f == kind);
        assert!(!unit.keyframe || (has(5) && has(7) && has(8)), "a key frame carries its parameter sets");
    });
}

/// Packets, each a byte (1: marker, 2: new timestamp, 4: packets before it are lost, as many as the upper bits say) and a piece.
fn payload(codec: VideoCodec, data: &[u8], check: fn(&Assembled)) {
    let mut depacketizer = Depacketizer::new(codec);
    let mut script = Script::new(data);
    let (mut sequence, mut timestamp) = (0, 0_u32);
    while let (Some(flags), Some(bytes)) = (script.byte(), script.piece()) {
        let lost = u64::from(flags >> 3) * u64::from(flags >> 2 & 1);
        if lost > 0 {
            depacketizer.lost(lost);
        }
        sequence += lost + 1;
        timestamp = timestamp.wrapping_add(3_000 * u32::from(flags >> 1 & 1));
        depacketizer.push(&Packet {
            sequence,
            timestamp,
            marker: flags & 1 == 1,
            arrival: Mono::ZERO,
            audio_level_dbov: None,
            payload: Bytes::copy_from_slice(bytes),
        });
        let mut ready = 0;
        while let Some(unit) = depacketizer.poll() {
            ready += 1;
            assert!(!unit.data.is_empty() && unit.data.len() <= UNIT_BYTES_MAX + SETS_BYTES_MAX);
            check(&unit);
        }
        assert!(ready <= 2, "at most two pictures wait after a packet");
    }
}

/// Packetizes one unit, gives every payload back to a depacketizer, and returns what that made of it.
fn there_and_back(codec: VideoCodec, data: &[u8]) -> Option<Vec<Assembled>> {
    let mut packetizer = Packetizer::new(codec).expect("a codec that we send");
    let unit = EncodedUnit { data: Bytes::copy_from_slice(data), keyframe: false, at: MediaTime::ZERO };
    let packets = packetizer.packetize(&unit).ok()?;
    assert_eq!(packets.vp8_patch(0x1234, 7).is_some(), codec == VideoCodec::Vp8);
    let mut depacketizer = Depacketizer::new(codec);
    let mut units = Vec::new();
    for (index, payload) in packets.payloads.iter().enumerate() {
        assert!((1..=PAYLOAD_BYTES_MAX).contains(&payload.len()));
        depacketizer.push(&Packet {
            sequence: index as u64,
            timestamp: 0,
            marker: packets.marker(index),
            arrival: Mono::ZERO,
            audio_level_dbov: None,
            payload: Bytes::copy_from_slice(payload),
        });
        units.extend(std::iter::from_fn(|| depacketizer.poll()));
    }
    assert_eq!(depacketizer.counters().malformed, 0, "we read what we write");
    Some(units)
}

/// A VP8 frame: comes back as it was.
pub fn packetize_vp8(data: &[u8]) {
    match there_and_back(VideoCodec::Vp8, data) {
        Some(units) => assert!(matches!(&units[..], [unit] if unit.data == data)),
        None => assert!(data.is_empty() || data.len() > UNIT_BYTES_MAX),
    }
}

/// An H.264 access unit in Annex B: its NAL units come back in order, but for delimiters.
pub fn packetize_h264(data: &[u8]) {
    // No encoder writes the types of RFC 6184, nor a unit of one byte that a fragment could not begin.
    if nal_units(data).any(|nal| !(1..=23).contains(&(nal[0] & 0x1f))) {
        return;
    }
    let sent: Vec<&[u8]> = nal_units(data).filter(|nal| nal[0] & 0x1f != 9).collect();
    let Some(units) = there_and_back(VideoCodec::H264, data) else {
        return assert!(sent.is_empty() || data.len() > UNIT_BYTES_MAX);
    };
    let came: Vec<&[u8]> = units.iter().flat_map(|unit| nal_units(&unit.data)).collect();
    let whole = |nals: &[&[u8]]| nals.iter().map(|nal| nal.to_vec()).collect::<Vec<_>>();
    // Without its first slice there is no picture; with one it is whole.
    assert!(came.is_empty() || whole(&came) == whole(&sent), "{sent:02x?} became {came:02x?}");
}
