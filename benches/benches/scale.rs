//! Hop `scale`: a picture into the tiles of common layouts.

use benches::pictures;
use criterion::{Criterion, criterion_group, criterion_main};
use mcu_core::conference::plan::Fit;
use mcu_core::media::frame::{FramePool, Size};
use mixer::video::scale::fit_to;
use std::hint::black_box;

fn scale(c: &mut Criterion) {
    let pool = FramePool::new("bench_tiles", 4);
    for from in [Size::new(1_280, 720), Size::new(640, 360)] {
        let frame = &pictures(from, 1)[0];
        for to in [Size::new(640, 360), Size::new(426, 240), Size::new(320, 180)] {
            if from == to {
                continue;
            }
            c.bench_function(&format!("scale/{}p to {}p", from.height, to.height), |b| {
                b.iter(|| fit_to(&pool, black_box(frame), to, Fit::Cover).expect("the pool has room"));
            });
        }
    }
}

criterion_group!(benches, scale);
criterion_main!(benches);
