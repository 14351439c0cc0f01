//! Hop `sound`: the kernels of one 10 ms block, and Opus both ways.

use benches::tone;
use codecs::opus::{FRAME_BYTES_MAX, FRAME_SAMPLES, OpusSettings};
use codecs::registry::{CodecFactory, NativeCodecs};
use criterion::{Criterion, criterion_group, criterion_main};
use mcu_core::media::samples::SILENCE;
use mixer::audio::gain::AutoGain;
use mixer::audio::level::level_dbov;
use mixer::audio::limiter::Limiter;
use mixer::audio::mix;
use std::hint::black_box;

fn kernels(c: &mut Criterion) {
    let own = tone(440.0, 0.2);
    c.bench_function("sound/add", |b| {
        let mut sum = SILENCE;
        b.iter(|| mix::add(black_box(&mut sum), black_box(&own)));
    });
    c.bench_function("sound/minus", |b| {
        let (sum, mut out) = (tone(700.0, 0.5), SILENCE);
        b.iter(|| mix::minus(black_box(&mut out), black_box(&sum), black_box(&own)));
    });
    c.bench_function("sound/level", |b| b.iter(|| level_dbov(black_box(&own))));
    c.bench_function("sound/gain", |b| {
        let (mut gain, mut block) = (AutoGain::new(), own);
        b.iter(|| gain.process(black_box(&mut block)));
    });
    c.bench_function("sound/limiter at rest", |b| {
        let (mut limiter, mut block) = (Limiter::new(), own);
        b.iter(|| limiter.process(black_box(&mut block)));
    });
}

fn opus(c: &mut Criterion) {
    let mut pcm = [0.0; FRAME_SAMPLES];
    pcm[..480].copy_from_slice(&tone(440.0, 0.3));
    pcm[480..].copy_from_slice(&tone(440.0, 0.3));
    let mut encoder = NativeCodecs.sound_encoder(&OpusSettings::default()).expect("default settings");
    let mut packet = [0; FRAME_BYTES_MAX];
    c.bench_function("sound/opus encode 20 ms", |b| {
        b.iter(|| encoder.encode(black_box(&pcm), &mut packet).expect("a frame"));
    });
    let bytes = encoder.encode(&pcm, &mut packet).expect("a frame");
    let mut decoder = NativeCodecs.sound_decoder().expect("a decoder");
    let mut out = [0.0; FRAME_SAMPLES];
    c.bench_function("sound/opus decode 20 ms", |b| {
        b.iter(|| decoder.decode(black_box(&packet[..bytes]), &mut out).expect("its own packet"));
    });
}

criterion_group!(benches, kernels, opus);
criterion_main!(benches);
