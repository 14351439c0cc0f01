//! Self-test for `mcu doctor`: encodes and decodes synthetic pictures and sound with the product's own codecs.
//!
//! The phases are separate calls, so that the caller, who may read clocks, can time each. Thread: any.

use crate::decode::{DecodeError, VideoDecoder};
use crate::encode::{EncodeError, EncoderSettings, H264Backend, VideoEncoder};
use crate::registry::CodecFactory;
use mcu_core::media::frame::{Frame, FrameMut, Size};

/// Paints picture `index` of a moving scene: a soft gradient that drifts, and a bright square that wanders.
pub fn paint(frame: &mut FrameMut, index: u64) {
    let Size { width, height } = frame.size();
    let step = index as usize;
    let square = usize::from(width.min(height)) / 4;
    let (left, top) =
        (step * 5 % (usize::from(width) - square).max(1), step * 3 % (usize::from(height) - square).max(1));
    let [mut luma, blue, red] = frame.planes_mut();
    for y in 0..usize::from(height) {
        for (x, pixel) in luma.row_mut(y).iter_mut().enumerate() {
            let inside = (left..left + square).contains(&x) && (top..top + square).contains(&y);
            *pixel =
                if inside { 210 - (x - left) as u8 % 32 } else { 40 + ((x / 2 + y + step) / 4 % 128) as u8 };
        }
    }
    for (mut plane, offset) in [(blue, 100), (red, 140)] {
        for y in 0..usize::from(plane.size.height) {
            let value = offset + ((y + step) / 8 % 24) as u8;
            plane.row_mut(y).fill(value);
        }
    }
}

/// Peak signal-to-noise ratio of two luma planes of one size, in dB; 99 when they are equal, 0 when their sizes
/// differ.
pub fn luma_psnr_db(a: &Frame, b: &Frame) -> f64 {
    if a.size() != b.size() {
        return 0.0;
    }
    let ([a, ..], [b, ..]) = (a.planes(), b.planes());
    let squares = |y: usize| -> u64 {
        a.row(y).iter().zip(b.row(y)).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
    };
    let total: u64 = (0..usize::from(a.size.height)).map(squares).sum();
    if total == 0 {
        return 99.0;
    }
    let mean = total as f64 / f64::from(a.size.area());
    (10.0 * (255.0 * 255.0 / mean).log10()).min(99.0)
}
