//! Hop `encode`: one picture of a moving pattern through each encoder, 720p and 360p, key frames apart.

use benches::pictures;
use codecs::encode::EncoderSettings;
use codecs::registry::{CodecFactory, NativeCodecs};
use criterion::{Criterion, criterion_group, criterion_main};
use mcu_core::media::codec::VideoCodec;
use mcu_core::media::frame::Size;
use mcu_core::time::FrameInterval;

fn encode(c: &mut Criterion) {
    for (size, kbps) in [(Size::new(1_280, 720), 1_500), (Size::new(640, 360), 500)] {
        let frames = pictures(size, 60);
        for codec in [VideoCodec::Vp8, VideoCodec::H264] {
            let settings = EncoderSettings::new(codec, size, 30, kbps);
            let mut encoder = NativeCodecs.video_encoder(&settings).expect("settings are valid");
            let mut tick = 0_u64;
            c.bench_function(&format!("encode/{} {}p", codec.name(), size.height), |b| {
                b.iter(|| {
                    tick += 1;
                    let picture = &frames[tick as usize % frames.len()];
                    encoder.encode(picture, FrameInterval::FPS_30.at(tick), false).expect("a picture")
                });
            });
        }
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
