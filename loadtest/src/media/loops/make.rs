//! Encodes loops: the only expensive part, done once.

use super::{Coded, LoopError, LoopSpec, Rung, SOUND_PACKET_SAMPLES};
use crate::media::picture::{self, FPS};
use crate::media::sound;
use bytes::Bytes;
use codecs::encode::EncoderSettings;
use codecs::opus::OpusSettings;
use codecs::registry::{CodecFactory, NativeCodecs};
use codecs::sound::{FRAME_BYTES_MAX, FRAME_SAMPLES, SoundEncoder};
use mcu_core::media::codec::AudioCodec;
use mcu_core::media::frame::FramePool;
use mcu_core::media::samples::SAMPLE_RATE_HZ;
use mcu_core::time::FrameInterval;

/// The pictures of one rung, in order; `None` where the encoder skipped one.
pub(super) fn picture(spec: &LoopSpec, rung: Rung) -> Result<Vec<Option<Coded>>, LoopError> {
    let settings = EncoderSettings::new(spec.codec, rung.size(), FPS, rung.kbps);
    let mut encoder = NativeCodecs.video_encoder(&settings)?;
    let pool = FramePool::new("loop", 2);
    (0..spec.seconds * FPS as u16)
        .map(|number| {
            let mut frame = pool.get(rung.size()).expect("each frame is dropped before the next is taken");
            picture::draw(&mut frame, spec.scenery, spec.sender, number);
            let at = FrameInterval::FPS_30.at(u64::from(number));
            let is_second = u32::from(number).is_multiple_of(FPS);
            let unit = encoder.encode(&frame.freeze(), at, is_second)?;
            Ok(unit.map(|unit| Coded { keyframe: unit.keyframe, data: unit.data }))
        })
        .collect()
}

/// None leans on the one before: where a loop began anew, a decoder would howl for seconds.
fn encoder(codec: AudioCodec) -> Result<Box<dyn SoundEncoder>, LoopError> {
    let settings = OpusSettings { independent: true, ..OpusSettings::default() };
    Ok(NativeCodecs.sound_encoder(codec, &settings)?)
}

/// The packets of a loop's sound, 20 ms each: of Opus with speech settings and recovery copies, as a browser sends.
pub(super) fn sound(spec: &LoopSpec) -> Result<Vec<Option<Coded>>, LoopError> {
    let mut encoder = encoder(spec.sound)?;
    let mut packet = [0; FRAME_BYTES_MAX];
    let packets = u64::from(spec.seconds) * u64::from(SAMPLE_RATE_HZ / SOUND_PACKET_SAMPLES);
    (0..packets)
        .map(|index| {
            let first = index * u64::from(SOUND_PACKET_SAMPLES);
            let pcm: [f32; FRAME_SAMPLES] =
                std::array::from_fn(|n| sound::sample(spec.sender, spec.voice, first + n as u64));
            let len = encoder.encode(&pcm, &mut packet)?;
            Ok(Some(Coded { keyframe: false, data: Bytes::copy_from_slice(&packet[..len]) }))
        })
        .collect()
}

/// 20 ms of silence.
pub(super) fn silence(codec: AudioCodec) -> Result<Bytes, LoopError> {
    let mut packet = [0; FRAME_BYTES_MAX];
    let len = encoder(codec)?.encode(&[0.0; FRAME_SAMPLES], &mut packet)?;
    Ok(Bytes::copy_from_slice(&packet[..len]))
}
