//! How alike what a tile shows is to what its sender drew.
//!
//! Flow: a decoded mix and whose picture a tile holds -> **here** -> `report::Code`. Thread: the measuring one. The drawn picture is scaled as the
//! node scales it, from the size that was sent, so that what is left of the difference is coding: the sender's and the node's.
//! Bound: `SAMPLES_MAX` a sender and tile.

use crate::bot::picture_log::Drawn;
use crate::media::barcode::BarCode;
use crate::media::likeness::{Likeness, likeness};
use crate::media::picture::draw;
use mcu_core::conference::plan::{Fit, Rect};
use mcu_core::media::frame::{Frame, FramePool, Size};
use mixer::video::scale::fit_to;

/// Of so many readings of a sender's bar code in a tile, one is compared: every two seconds.
pub(super) const EVERY_READS: u64 = 60;
/// Comparisons kept of a sender in a tile: ten minutes, then the first ones stand for all.
const SAMPLES_MAX: usize = 300;
/// Frames out at once: what was drawn, a step of scaling, what came of it.
const FRAMES_MAX: usize = 3;
/// Pixels at the edge where the node draws the border of who speaks.
const BORDER_PX: u16 = 4;
/// Smaller tiles are all name.
const HEIGHT_MIN: u16 = 64;

/// Compares tiles.
pub(super) struct Eye {
    pool: FramePool,
}

impl Eye {
    pub(super) fn new() -> Self {
        Self { pool: FramePool::new("drawn", FRAMES_MAX) }
    }

    /// How alike `rect` of `shown` is to picture `code` as it was `drawn`. `None` for a tile of another shape, or one too small.
    pub(super) fn compare(&self, shown: &Frame, rect: Rect, code: BarCode, drawn: Drawn) -> Option<Likeness> {
        let part = undrawn_over(rect)?;
        let is_same_shape = u32::from(rect.width) * u32::from(drawn.size.height)
            == u32::from(rect.height) * u32::from(drawn.size.width);
        if !is_same_shape {
            return None;
        }
        let mut source = self.pool.get(drawn.size).ok()?;
        draw(&mut source, drawn.scenery, code.sender, code.number);
        let source =
            fit_to(&self.pool, &source.freeze(), Size::new(rect.width, rect.height), Fit::Cover).ok()?;
        likeness(shown.planes()[0], (rect.x + part.x, rect.y + part.y), source.planes()[0], part)
    }
}

/// The part of a tile over which the node draws neither border nor name, from the tile's corner on.
fn undrawn_over(tile: Rect) -> Option<Rect> {
    let name = tile.height / 8 + 16;
    let is_large = tile.height >= HEIGHT_MIN && tile.width >= HEIGHT_MIN;
    is_large.then(|| Rect {
        x: BORDER_PX,
        y: BORDER_PX,
        width: tile.width - 2 * BORDER_PX,
        height: tile.height - BORDER_PX - name,
    })
}

/// The comparisons of one sender in one tile.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<Likeness>);

impl Samples {
    pub(super) fn keep(&mut self, likeness: Likeness) {
        if self.0.len() < SAMPLES_MAX {
            self.0.push(likeness);
        }
    }

    /// The middle of both figures, each for itself.
    pub(super) fn median(&self) -> Option<Likeness> {
        let middle = |figure: fn(&Likeness) -> f64| {
            let mut figures: Vec<f64> = self.0.iter().map(figure).collect();
            figures.sort_unstable_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied()
        };
        Some(Likeness { psnr_db: middle(|sample| sample.psnr_db)?, ssim: middle(|sample| sample.ssim)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::barcode::SenderId;
    use crate::media::picture::Scenery;

    const CODE: BarCode = BarCode { sender: SenderId(5), number: 77 };
    const DRAWN: Drawn = Drawn { scenery: Scenery::TalkingHead, size: Size::new(320, 180) };

    /// A mix whose right half's top is sender 5's picture, enlarged as the node does, `by` brighter.
    fn mix(tile: Rect, by: u8) -> Frame {
        let pool = FramePool::new("mix", 4);
        let mut source = pool.get(DRAWN.size).expect("a frame");
        draw(&mut source, DRAWN.scenery, CODE.sender, CODE.number);
        let source =
            fit_to(&pool, &source.freeze(), Size::new(tile.width, tile.height), Fit::Cover).expect("a frame");
        let mut mix = pool.get(Size::new(1_280, 720)).expect("a frame");
        mix.fill([16, 128, 128]);
        let [mut luma, ..] = mix.planes_mut();
        for row in 0..usize::from(tile.height) {
            let to = &mut luma.row_mut(usize::from(tile.y) + row)[usize::from(tile.x)..]
                [..usize::from(tile.width)];
            to.copy_from_slice(source.planes()[0].row(row));
            to.iter_mut().for_each(|pixel| *pixel = pixel.saturating_add(by));
        }
        // The name and the border, which nobody sent.
        let bottom = usize::from(tile.y + tile.height);
        for row in bottom - usize::from(tile.height / 8 + 16)..bottom {
            luma.row_mut(row)[usize::from(tile.x)..][..200].fill(235);
        }
        luma.row_mut(usize::from(tile.y)).fill(235);
        mix.freeze()
    }

    #[test]
    fn a_tile_is_compared_with_what_its_sender_drew_but_for_name_and_border() {
        let (eye, tile) = (Eye::new(), Rect { x: 640, y: 0, width: 640, height: 360 });
        let exact = eye.compare(&mix(tile, 0), tile, CODE, DRAWN).expect("can be compared");
        assert_eq!(exact, Likeness { psnr_db: 100.0, ssim: 1.0 });
        let brighter = eye.compare(&mix(tile, 10), tile, CODE, DRAWN).expect("can be compared");
        assert!((25.0..30.0).contains(&brighter.psnr_db) && brighter.ssim < 1.0, "{brighter:?}");
        let another = BarCode { number: 117, ..CODE };
        let other = eye.compare(&mix(tile, 0), tile, another, DRAWN).expect("can be compared");
        assert!(other.psnr_db < 40.0, "a head that has moved: {other:?}");
    }

    #[test]
    fn tiles_of_another_shape_and_tiny_ones_are_not_compared() {
        let (eye, tile) = (Eye::new(), Rect { x: 0, y: 0, width: 640, height: 360 });
        let mix = mix(tile, 0);
        assert_eq!(eye.compare(&mix, Rect { width: 480, ..tile }, CODE, DRAWN), None);
        assert_eq!(eye.compare(&mix, Rect { width: 96, height: 54, ..tile }, CODE, DRAWN), None);
    }
}
