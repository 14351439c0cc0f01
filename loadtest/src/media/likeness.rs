//! How alike two pictures are: PSNR and SSIM of their brightness.
//!
//! Flow: `bot/receive` has a decoded tile and what its sender drew -> **here** -> two figures. Pure. SSIM is that of Wang, Bovik, Sheikh and
//! Simoncelli, "Image quality assessment: from error visibility to structural similarity" (2004), with even windows of 8 x 8 pixels, four
//! apart.

use mcu_core::conference::plan::Rect;
use mcu_core::media::frame::Plane;

/// Side of a window, in pixels.
const WINDOW: usize = 8;
/// From one window to the next.
const STEP: usize = 4;
/// The paper's constants for 8 bits: (0.01 * 255)² and (0.03 * 255)².
const C1: f64 = 6.502_5;
const C2: f64 = 58.522_5;
/// What equal pictures have, whose error is nothing.
const PSNR_DB_MAX: f64 = 100.0;

/// How alike two pictures are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// Peak signal to noise, in dB: over 40 nobody sees a difference, under 25 everybody does.
    pub psnr_db: f64,
    /// Structural similarity, -1 to 1: 1 for equal pictures.
    pub ssim: f64,
}

/// How alike the brightness of `shown` from `corner` (x, y) on is to `part` of `source`. `None` where one of them ends before that, or `part` is
/// smaller than a window.
pub fn likeness(shown: Plane<'_>, corner: (u16, u16), source: Plane<'_>, part: Rect) -> Option<Likeness> {
    let (width, height) = (usize::from(part.width), usize::from(part.height));
    let shown = rows(shown, corner, (width, height))?;
    let source = rows(source, (part.x, part.y), (width, height))?;
    if width < WINDOW || height < WINDOW {
        return None;
    }
    let squares = shown.iter().zip(&source).map(|(a, b)| squared_error(a, b)).sum::<u64>();
    let error = squares as f64 / (width * height) as f64;
    let psnr_db =
        if squares == 0 { PSNR_DB_MAX } else { (10.0 * (255.0 * 255.0 / error).log10()).min(PSNR_DB_MAX) };
    let (mut sum, mut windows) = (0.0, 0_u32);
    for top in (0..=height - WINDOW).step_by(STEP) {
        for left in (0..=width - WINDOW).step_by(STEP) {
            sum += window(&shown[top..top + WINDOW], &source[top..top + WINDOW], left);
            windows += 1;
        }
    }
    Some(Likeness { psnr_db, ssim: sum / f64::from(windows) })
}

/// The rows of a part of a plane.
fn rows(plane: Plane<'_>, corner: (u16, u16), (width, height): (usize, usize)) -> Option<Vec<&[u8]>> {
    let (left, top) = (usize::from(corner.0), usize::from(corner.1));
    let is_inside =
        left + width <= usize::from(plane.size.width) && top + height <= usize::from(plane.size.height);
    is_inside.then(|| (top..top + height).map(|row| &plane.row(row)[left..left + width]).collect())
}

fn squared_error(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
}

/// SSIM of one window.
fn window(a: &[&[u8]], b: &[&[u8]], left: usize) -> f64 {
    let (mut sum_a, mut sum_b, mut squares, mut product) = (0_u32, 0_u32, 0_u32, 0_u32);
    for (a, b) in a.iter().zip(b) {
        for (a, b) in a[left..left + WINDOW].iter().zip(&b[left..left + WINDOW]) {
            let (a, b) = (u32::from(*a), u32::from(*b));
            sum_a += a;
            sum_b += b;
            squares += a * a + b * b;
            product += a * b;
        }
    }
    let pixels = (WINDOW * WINDOW) as f64;
    let (mean_a, mean_b) = (f64::from(sum_a) / pixels, f64::from(sum_b) / pixels);
    let variances = f64::from(squares) / pixels - mean_a * mean_a - mean_b * mean_b;
    let covariance = f64::from(product) / pixels - mean_a * mean_b;
    ((2.0 * mean_a * mean_b + C1) * (2.0 * covariance + C2))
        / ((mean_a * mean_a + mean_b * mean_b + C1) * (variances + C2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::barcode::SenderId;
    use crate::media::picture::{Scenery, draw};
    use mcu_core::media::frame::{Frame, FrameMut, FramePool, Size};

    const SIZE: Size = Size::new(320, 180);
    const ALL: Rect = Rect { x: 0, y: 0, width: 320, height: 180 };

    fn picture(change: impl Fn(&mut FrameMut)) -> Frame {
        let mut frame = FramePool::new("test", 1).get(SIZE).expect("a frame");
        draw(&mut frame, Scenery::TalkingHead, SenderId(3), 40);
        change(&mut frame);
        frame.freeze()
    }

    fn of(a: &Frame, b: &Frame) -> Likeness {
        likeness(a.planes()[0], (0, 0), b.planes()[0], ALL).expect("both are as large")
    }

    #[test]
    fn equal_pictures_are_wholly_alike_and_the_rest_as_their_definitions_say() {
        let drawn = picture(|_| ());
        assert_eq!(of(&drawn, &drawn), Likeness { psnr_db: 100.0, ssim: 1.0 });
        // Every pixel is off by 4: the error is 16 whatever the picture.
        let off = picture(|frame| {
            let [mut luma, ..] = frame.planes_mut();
            for row in 0..180 {
                luma.row_mut(row)
                    .iter_mut()
                    .for_each(|pixel| *pixel = if *pixel > 128 { *pixel - 4 } else { *pixel + 4 });
            }
        });
        let expected = 10.0 * (255.0_f64 * 255.0 / 16.0).log10();
        assert!((of(&off, &drawn).psnr_db - expected).abs() < 1e-9, "{:?}", of(&off, &drawn));
        // Grey keeps no structure: only the brightness of each window is compared, and it is far off in most.
        let grey = picture(|frame| frame.fill([100, 128, 128]));
        assert!(of(&grey, &drawn).ssim < of(&off, &drawn).ssim && of(&grey, &drawn).psnr_db < 25.0);
    }

    #[test]
    fn a_part_is_compared_where_it_lies_and_nothing_beyond_the_edge() {
        let drawn = picture(|_| ());
        let part = Rect { x: 40, y: 20, width: 100, height: 60 };
        let luma = drawn.planes()[0];
        assert_eq!(likeness(luma, (40, 20), luma, part).map(|found| found.ssim), Some(1.0));
        assert!(
            likeness(luma, (48, 20), luma, part).is_some_and(|found| found.ssim < 0.99),
            "eight pixels off"
        );
        assert_eq!(likeness(luma, (221, 20), luma, part), None);
        assert_eq!(likeness(luma, (40, 20), luma, Rect { height: 7, ..part }), None);
    }
}
