//! Encodes loops: the only expensive part, done once.

use super::{Coded, LoopError, LoopSpec, Rung, SOUND_PACKET_SAMPLES};
use crate::media::picture::{self, FPS};
use crate::media::sound;
use bytes::Bytes;
use codecs::encode::EncoderSettings;
use codecs::opus::OpusSettings;
use codecs::registry::{CodecFactory, NativeCodecs};
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

/// The Opus packets of a loop, 20 ms each: speech settings, with recovery copies, as a browser sends. But none leans on the one before: where
/// the loop began anew, a decoder would howl for seconds.
pub(super) fn sound(spec: &LoopSpec) -> Result<Vec<Option<Coded>>, LoopError> {
    let settings = OpusSettings { independent: true, ..OpusSettings::default() };
    let mut encoder = NativeCodecs.sound_encoder(AudioCodec::Opus, &settings)?;
    let mut packet = [0; codecs::sound::FRAME_BYTES_MAX];
    let packets = u64::from(spec.seconds) * u64::from(SAMPLE_RATE_HZ / SOUND_PACKET_SAMPLES);
    (0..packets)
        .map(|index| {
            let first = index * u64::from(SOUND_PACKET_SAMPLES);
            let pcm: [f32; codecs::sound::FRAME_SAMPLES] =
                std::array::from_fn(|n| sound::sample(spec.sender, spec.voice, first + n as u64));
            let len = encoder.encode(&pcm, &mut packet)?;
            Ok(Some(Coded { keyframe: false, data: Bytes::copy_from_slice(&packet[..len]) }))
        })
        .collect()
}
