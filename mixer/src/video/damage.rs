//! Which parts of a canvas differ from the one before: what the composer redraws and an encoder may be told.
//!
//! A fixed list of rectangles, no allocation. Bound: `limits::TILES_MAX`; a longer list means the whole canvas.

use mcu_core::conference::plan::Rect;
use mcu_core::limits::TILES_MAX;
use mcu_core::media::frame::Size;

/// The changed parts of a canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    rects: [Rect; TILES_MAX],
    len: usize,
}

const NOWHERE: Rect = Rect { x: 0, y: 0, width: 0, height: 0 };

impl Default for Damage {
    fn default() -> Self {
        Self::none()
    }
}

impl Damage {
    /// Nothing changed.
    pub const fn none() -> Self {
        Self { rects: [NOWHERE; TILES_MAX], len: 0 }
    }

    /// Everything changed.
    pub const fn whole(canvas: Size) -> Self {
        let mut damage = Self::none();
        damage.rects[0] = Rect { x: 0, y: 0, width: canvas.width, height: canvas.height };
        damage.len = 1;
        damage
    }

    /// Adds a part. A list that is full grows its last part to hold the new one, too.
    pub fn add(&mut self, rect: Rect) {
        if rect.width == 0 || rect.height == 0 {
            return;
        }
        if self.len < TILES_MAX {
            self.rects[self.len] = rect;
            self.len += 1;
        } else {
            self.rects[TILES_MAX - 1] = around(self.rects[TILES_MAX - 1], rect);
        }
    }

    /// The changed parts; they may overlap.
    pub fn rects(&self) -> &[Rect] {
        &self.rects[..self.len]
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether any changed part shares a pixel with `rect`.
    pub fn touches(&self, rect: Rect) -> bool {
        self.rects().iter().any(|part| overlap(*part, rect))
    }
}

/// Whether two places share a pixel.
pub fn overlap(a: Rect, b: Rect) -> bool {
    let apart = |a: u16, a_len: u16, b: u16, b_len: u16| {
        u32::from(a) + u32::from(a_len) <= u32::from(b) || u32::from(b) + u32::from(b_len) <= u32::from(a)
    };
    let empty = a.width == 0 || a.height == 0 || b.width == 0 || b.height == 0;
    !empty && !apart(a.x, a.width, b.x, b.width) && !apart(a.y, a.height, b.y, b.height)
}

/// The smallest place that holds both.
fn around(a: Rect, b: Rect) -> Rect {
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let right = a.x.saturating_add(a.width).max(b.x.saturating_add(b.width));
    let bottom = a.y.saturating_add(a.height).max(b.y.saturating_add(b.height));
    Rect { x, y, width: right - x, height: bottom - y }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rect(x: u16, y: u16, width: u16, height: u16) -> Rect {
        Rect { x, y, width, height }
    }

    #[test]
    fn neighbours_do_not_touch_and_the_edge_of_the_number_range_is_no_wrap() {
        let cases = [
            (rect(0, 0, 10, 10), rect(10, 0, 10, 10), false),
            (rect(0, 0, 10, 10), rect(8, 8, 10, 10), true),
            (rect(0, 0, 10, 10), rect(2, 2, 2, 2), true),
            (rect(0, 0, 10, 10), rect(2, 2, 0, 2), false),
            (rect(65_000, 0, 65_000, 2), rect(0, 0, 100, 2), false),
        ];
        for (a, b, expected) in cases {
            assert_eq!((overlap(a, b), overlap(b, a)), (expected, expected), "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_full_list_still_covers_everything_added() {
        let mut damage = Damage::none();
        assert!(damage.is_empty());
        for i in 0..TILES_MAX as u16 + 5 {
            damage.add(rect(i * 4, 0, 4, 4));
        }
        assert_eq!(damage.rects().len(), TILES_MAX);
        for i in 0..TILES_MAX as u16 + 5 {
            assert!(damage.touches(rect(i * 4, 0, 4, 4)), "part {i}");
        }
        assert!(!damage.touches(rect(0, 4, 400, 4)));
        assert!(Damage::whole(Size::new(64, 64)).touches(rect(62, 62, 2, 2)));
    }
}
