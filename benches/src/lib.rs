//! Material that every bench works on: the same synthetic pictures and sound, made without reading a clock.
//!
//! One bench file per hop of the flow (`mcu_core::hop::Hop`), named after it; figures with machine and date go to
//! `benches/RESULTS.md`. `benches/run.sh` runs everything; `cargo bench --workspace --bench mix` one file.

pub mod floor;
pub mod meeting;
pub mod streams;
pub mod sys;

use mcu_core::media::frame::{Frame, FramePool, Size};
use mcu_core::media::samples::{Block, SAMPLE_RATE_HZ};

/// `count` pictures of a moving test pattern.
pub fn pictures(size: Size, count: u64) -> Vec<Frame> {
    let pool = FramePool::new("bench", count as usize);
    (0..count)
        .map(|index| {
            let mut frame = pool.get(size).expect("the pool lends as many as are asked for");
            codecs::selftest::paint(&mut frame, index);
            frame.freeze()
        })
        .collect()
}

/// Ten milliseconds of a sine of `hz` at `amplitude`.
pub fn tone(hz: f32, amplitude: f32) -> Block {
    std::array::from_fn(|at| {
        amplitude * (std::f32::consts::TAU * hz * at as f32 / SAMPLE_RATE_HZ as f32).sin()
    })
}
