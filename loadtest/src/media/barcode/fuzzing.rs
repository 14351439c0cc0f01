//! What the fuzzer feeds: the reader of bar codes, from any pixels to assertions that must hold.
//!
//! Compiled for tests, which replay `fuzz/corpus`, and with `--cfg fuzzing` for the target of `fuzz/`; never shipped.

#[path = "../../../../fuzz/shared.rs"]
mod shared;

use super::{BarCode, SIDE, draw, read};
use mcu_core::conference::plan::{Fit, Rect};
use mcu_core::media::frame::{Frame, FramePool, Size};
use shared::Script;

/// A picture of `size` whose luma is `pixels`, again and again, over what `code` draws; `None` for no code.
fn picture(size: Size, code: Option<BarCode>, pixels: &[u8]) -> Frame {
    let pool = FramePool::new("fuzz", 1);
    let mut frame = pool.get(size).expect("a fresh pool has a frame");
    for mut plane in frame.planes_mut() {
        for row in 0..usize::from(plane.size.height) {
            plane.row_mut(row).fill(128);
        }
    }
    if let Some(code) = code {
        draw(&mut frame, code);
    }
    let [mut luma, ..] = frame.planes_mut();
    let mut pixels = pixels.iter();
    for row in 0..usize::from(size.height) {
        for (pixel, noise) in luma.row_mut(row).iter_mut().zip(&mut pixels) {
            *pixel ^= *noise;
        }
    }
    frame.freeze()
}

/// Size, tile, code and noise: what is read is a code, and without noise the one that was drawn.
pub fn bar_code(data: &[u8]) {
    let mut script = Script::new(data);
    let (Some(width), Some(height), Some(how)) = (script.byte(), script.byte(), script.byte()) else {
        return;
    };
    let size = Size::new(16 + u16::from(width / 2) * 2, 16 + u16::from(height / 2) * 2);
    let drawn = (how & 1 == 1).then(|| script.u32()).flatten();
    let drawn = drawn.map(|word| {
        let bits: [bool; 49] = std::array::from_fn(|at| word.rotate_left(at as u32 * 5) & 1 == 1);
        let cells: [[bool; SIDE]; SIDE] =
            std::array::from_fn(|row| std::array::from_fn(|cell| bits[row * SIDE + cell]));
        // Cells of chance are hardly ever a code; one that is must say the same again.
        if let Some(code) = BarCode::from_cells(&cells) {
            assert_eq!(code.cells(), cells);
        }
        let code =
            BarCode { sender: super::SenderId((word >> 12) as u16 & 0x3ff), number: word as u16 & 0xfff };
        assert_eq!(BarCode::from_cells(&code.cells()), Some(code));
        code
    });
    let mut side = || script.u16();
    let tile = if how & 2 == 2 {
        let (Some(x), Some(y), Some(width), Some(height)) = (side(), side(), side(), side()) else { return };
        Rect { x, y, width, height }
    } else {
        Rect { x: 0, y: 0, width: size.width, height: size.height }
    };
    let fit = if how & 4 == 4 { Fit::Cover } else { Fit::Contain };
    let noise = script.rest();
    let clean = noise.iter().all(|byte| *byte == 0);
    let found = read(&picture(size, drawn, noise), tile, fit);
    if let Some(code) = found {
        assert_eq!(BarCode::from_cells(&code.cells()), Some(code));
        // Nothing drawn and no noise is nothing to read.
        assert!(drawn.is_some() || !clean);
    }
    let large = size.width >= 64 && size.height >= 36 && how & 6 == 0;
    assert!(!(clean && large) || found == drawn, "{found:?} of {drawn:?} in {size:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_code_corpus() {
        let whole = [&[144, 74, 1][..], &0x0012_3456_u32.to_be_bytes()].concat();
        let noisy = [&whole[..], &[3; 700]].concat();
        let tile = [&[255, 200, 7][..], &77_u32.to_be_bytes(), &[0, 0, 0, 4, 0, 160, 0, 90]].concat();
        let outside = [&[64, 64, 2][..], &[0xff; 8]].concat();
        shared::replay("bar_code", bar_code, &[whole, noisy, tile, outside]);
    }
}
