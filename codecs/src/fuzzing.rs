//! What the fuzzer feeds: for each reader of this crate a function from any bytes to assertions that must hold.
//!
//! Compiled for tests, which replay `fuzz/corpus`, and with `--cfg fuzzing` for the targets of `fuzz/`; never shipped.

#[path = "../../fuzz/shared.rs"]
mod shared;

use crate::decode::{DecodeError, LibavDecoder, VideoDecoder};
use crate::guard::{self, Checked};
use crate::h264::nal;
use crate::opus::{OpusDecoder, packet_samples};
use crate::sound::{FRAME_SAMPLES, PACKET_SAMPLES_MAX, QUANTUM_SAMPLES, SoundDecodeError, SoundDecoder};
use crate::telephone::{TelephoneCodec, TelephoneDecoder};
use mcu_core::id::{ConferenceId, ParticipantId, SourceId};
use mcu_core::limits::{DECODE_AREA_MAX, DECODE_SIDE_MAX, DECODE_SIDE_MIN};
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::Size;
use mcu_core::media::unit::{AccessUnit, Rotation, UnitHeader};
use mcu_core::privacy::{Ledger, Purpose};
use mcu_core::time::{FrameInterval, Mono};
use shared::Script;

fn within_limits(size: Size) -> bool {
    let sides = DECODE_SIDE_MIN..=DECODE_SIDE_MAX;
    size.area() <= DECODE_AREA_MAX && sides.contains(&size.width) && sides.contains(&size.height)
}

/// What passes a guard is within the limits.
fn checked(codec: VideoCodec, data: &[u8]) -> Option<Checked> {
    let checked = guard::check(codec, data).ok()?;
    assert!(checked.size.is_none_or(within_limits), "{checked:?}");
    assert!(checked.coded || !checked.keyframe, "a key frame is a picture");
    Some(checked)
}

/// One VP8 frame (RFC 6386).
pub fn guard_vp8(data: &[u8]) {
    if let Some(checked) = checked(VideoCodec::Vp8, data) {
        assert_eq!(
            checked.keyframe,
            checked.size.is_some(),
            "key frames say their size, and nothing else does"
        );
    }
}

/// One VP9 frame or superframe.
pub fn guard_vp9(data: &[u8]) {
    if let Some(checked) = checked(VideoCodec::Vp9, data) {
        assert!(checked.coded && (!checked.keyframe || checked.size.is_some()));
    }
}

/// One H.264 access unit in Annex B.
pub fn guard_h264(data: &[u8]) {
    let passed = checked(VideoCodec::H264, data);
    let nals: Vec<&[u8]> = nal::units(data).collect();
    assert!(passed.is_none() || nals.iter().all(|nal| !nal.is_empty()));
    let joined: Vec<u8> = nals.iter().flat_map(|nal| [&[0, 0, 1][..], nal].concat()).collect();
    assert_eq!(nal::units(&joined).collect::<Vec<_>>(), nals, "units joined again are the same units");
    if passed.is_some() {
        assert_eq!(checked(VideoCodec::H264, &joined), passed, "and judged the same");
    }
}

/// A codec (one byte), and units as pieces: what the guard lets past, the library decodes within the limits, or not at all.
pub fn decode(data: &[u8]) {
    let mut script = Script::new(data);
    let Some(codec) = script.byte().map(|byte| VideoCodec::ALL[usize::from(byte) % VideoCodec::ALL.len()])
    else {
        return;
    };
    let conference = ConferenceId(1);
    let token = Ledger::default().issue(conference, Purpose::Mixing);
    let mut decoder = LibavDecoder::new(codec).expect("the decoder is there");
    // The library is the slow part, and has seen enough by then.
    for _ in 0..32 {
        let Some(unit) = script.piece() else { break };
        let passes = guard::check(codec, unit).is_ok();
        let header = UnitHeader {
            conference,
            source: SourceId::main(ParticipantId(1)),
            codec,
            keyframe: false,
            contiguous: true,
            captured: FrameInterval::FPS_30.at(0),
            due: Mono::ZERO,
            rotation: Rotation::None,
        };
        let sealed = AccessUnit::seal(header, bytes::Bytes::copy_from_slice(unit));
        match decoder.decode(&token.open(sealed).expect("the token's own conference")) {
            Ok(frame) => assert!(frame.is_none_or(|frame| within_limits(frame.size()))),
            // After the guard has passed a unit, the size that the library found must not be news.
            Err(DecodeError::Guard(error)) => assert!(!passes, "only the library saw that {error}"),
            Err(_) => {}
        }
    }
}

/// One Opus packet (RFC 6716), decoded, and as the successor of a lost one.
pub fn opus(data: &[u8]) {
    let mut decoder = OpusDecoder::new().expect("memory");
    let mut out = vec![0.0; PACKET_SAMPLES_MAX];
    let said = packet_samples(data);
    if let Ok(samples) = said {
        assert!(samples.is_multiple_of(QUANTUM_SAMPLES) && (1..=PACKET_SAMPLES_MAX).contains(&samples));
    }
    match decoder.decode(data, &mut out) {
        Ok(samples) => assert_eq!(said, Ok(samples)),
        Err(error) => assert!(said.is_err() || matches!(error, SoundDecodeError::Library { .. })),
    }
    if let Ok(samples) = decoder.decode_fec(data, FRAME_SAMPLES, &mut out) {
        assert_eq!(samples, FRAME_SAMPLES);
    }
    assert!(out.iter().all(|sample| sample.is_finite()));
}

/// A codec (one byte), and packets as pieces, each after a byte: how many 2.5 ms before it were lost. What a legal length
/// decodes to has that length; another length is refused, and nothing is lost by it.
pub fn telephone(data: &[u8]) {
    let mut script = Script::new(data);
    let Some(codec) = script.byte().map(|byte| TelephoneCodec::ALL[usize::from(byte) % 3]) else { return };
    let mut decoder = TelephoneDecoder::new(codec).expect("the decoder is there");
    let mut out = vec![0.0; PACKET_SAMPLES_MAX];
    // The library has seen enough by then.
    for _ in 0..64 {
        let Some(lost) = script.byte() else { break };
        let samples = usize::from(lost % 64) * QUANTUM_SAMPLES;
        let legal = (1..=PACKET_SAMPLES_MAX).contains(&samples);
        let refused = Err(SoundDecodeError::Duration { samples });
        assert_eq!(decoder.conceal(samples, &mut out), if legal { Ok(samples) } else { refused });
        assert!(!legal || out[..samples].iter().all(|sample| sample.abs() < 4.0));
        if lost >= 0xf0 {
            decoder.reset();
        }
        let Some(packet) = script.piece() else { break };
        let bytes = packet.len();
        // Eight bytes are a millisecond, and a packet is whole times ten of them.
        let expected = if bytes > 0 && bytes <= 960 && bytes.is_multiple_of(80) {
            Ok(bytes * 6)
        } else {
            Err(SoundDecodeError::Packet { bytes })
        };
        assert_eq!(decoder.decode(packet, &mut out), expected);
        assert_eq!(decoder.decode_fec(packet, FRAME_SAMPLES, &mut out), Err(SoundDecodeError::NoRecovery));
        assert!(out.iter().all(|sample| sample.abs() < 4.0));
    }
}

#[cfg(test)]
mod tests {
    use super::shared::{piece, replay};
    use super::*;
    use crate::opus::{OpusEncoder, OpusSettings};
    use crate::sound::{FRAME_BYTES_MAX, SoundEncoder};
    use crate::telephone::TelephoneEncoder;
    use crate::testing::{BitWriter, Sender, code};

    const SIZE: Size = Size::new(64, 48);

    /// Three pictures of each encoder there is for `codec`, the first a key frame.
    fn pictures(codec: VideoCodec) -> Vec<Vec<u8>> {
        let senders = Sender::ALL.into_iter().filter(|sender| sender.codec() == codec);
        let units = |sender: Sender| code(&mut *sender.open(SIZE, 30), SIZE, 0..3, &[]);
        senders.flat_map(|sender| units(sender).into_iter().map(|(_, unit)| unit.data.to_vec())).collect()
    }

    #[test]
    fn guard_vp8_corpus() {
        replay("guard_vp8", guard_vp8, &pictures(VideoCodec::Vp8));
    }

    #[test]
    fn guard_vp9_corpus() {
        let mut seeds = pictures(VideoCodec::Vp9);
        // Two frames in a superframe (annex B), each length in two bytes.
        let (one, two) = (seeds[0].clone(), seeds[1].clone());
        let lengths = [one.len() as u16, two.len() as u16].map(u16::to_le_bytes).concat();
        seeds.push([&one[..], &two, &[0xc9], &lengths, &[0xc9]].concat());
        // A frame inside the stream that carries a size of its own.
        let sized = BitWriter::default().put(2, 2).put(2, 0).put(4, 0b0110).put(2, 0).put(8, 1).put(12, 0);
        seeds.push(sized.put(3, 0).put(16, 639).put(16, 359).bytes());
        replay("guard_vp9", guard_vp9, &seeds);
    }

    #[test]
    fn guard_h264_corpus() {
        replay("guard_h264", guard_h264, &pictures(VideoCodec::H264));
    }

    #[test]
    fn decode_corpus() {
        let stream = |(place, codec): (u8, VideoCodec)| {
            let pieces = pictures(codec).into_iter().flat_map(|unit| piece(&unit));
            std::iter::once(place).chain(pieces).collect()
        };
        let seeds: Vec<Vec<u8>> = (0..).zip(VideoCodec::ALL).map(stream).collect();
        replay("decode", decode, &seeds);
    }

    #[test]
    fn opus_corpus() {
        let settings =
            OpusSettings { bitrate_bps: 24_000, expected_loss_percent: 20, ..OpusSettings::default() };
        let mut encoder = OpusEncoder::new(&settings).expect("legal settings");
        let mut packet = [0; FRAME_BYTES_MAX];
        let tone = |frame: usize, at: usize| ((frame * FRAME_SAMPLES + at) as f32 * 0.02).sin() * 0.5;
        let mut seeds: Vec<Vec<u8>> = (0..4)
            .map(|frame| {
                let pcm: [f32; FRAME_SAMPLES] = std::array::from_fn(|at| tone(frame, at));
                let bytes = encoder.encode(&pcm, &mut packet).expect("encodes");
                packet[..bytes].to_vec()
            })
            .collect();
        // Codes 1 to 3 of the table of contents (RFC 6716 §3.2), the last with padding and with too much time.
        seeds.extend([vec![0xf9, 1, 2], vec![0xfa, 1, 9, 8], vec![0xfb, 0x42, 1, 5, 6, 0], vec![0x1b, 3]]);
        replay("opus", opus, &seeds);
    }

    #[test]
    fn telephone_corpus() {
        let mut packet = [0; FRAME_BYTES_MAX];
        let mut seeds = Vec::new();
        for (place, codec) in (0_u8..).zip(TelephoneCodec::ALL) {
            let mut encoder = TelephoneEncoder::new(codec).expect("the encoder is there");
            let mut seed = vec![place];
            // Nothing lost, 2.5 ms, 20 ms, more than there may be, and nothing after a reset.
            for (frame, lost) in [0, 0, 1, 8, 63, 0xf0].into_iter().enumerate() {
                let tone = |at: usize| ((frame * FRAME_SAMPLES + at) as f32 * 0.02).sin() * 0.5;
                let bytes = encoder.encode(&std::array::from_fn(tone), &mut packet).expect("encodes");
                seed.push(lost);
                seed.extend(piece(&packet[..bytes]));
            }
            // Lengths that are none.
            seed.extend([0, 0, 0, 0, 0, 3, 1, 2, 3]);
            seeds.push(seed);
        }
        replay("telephone", telephone, &seeds);
    }
}
