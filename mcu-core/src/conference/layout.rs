//! Where the places of a picture are: pure functions from a canvas and a number of people to rectangles.
//!
//! Flow: `picture` -> **here**. Thread: control. Bound: `limits::TILES_MAX`.
//! Every edge is even, so that chroma lines up; tiles are 16:9; on a 16:9 canvas they are whole fractions of it
//! (1/1, 1/2, 1/4 before 1/3 and 1/5), because 2:1 and 4:1 are what the scaler does cheaply. Knows nobody.

use super::plan::Rect;
use crate::limits::TILES_MAX;
use crate::media::frame::Size;

/// Small tiles beside a large one: four in the column at the right, three in the row below.
pub const SMALL_MAX: usize = 7;
/// Small tiles that fit in the column.
const COLUMN_MAX: usize = 4;

/// Everybody the same size: `count` tiles (at most [`TILES_MAX`]) in reading order, the block and its last row
/// centred.
pub fn grid(canvas: Size, count: usize) -> Vec<Rect> {
    let count = count.min(TILES_MAX);
    let Some((columns, rows)) = grid_of(count) else { return Vec::new() };
    let tile = wide(Size::new(even(canvas.width / columns), even(canvas.height / rows)));
    // The tiles are those of a full grid; rows that nobody needs are not left empty at the bottom.
    let rows = (count as u16).div_ceil(columns);
    let top = even((canvas.height - tile.height * rows) / 2);
    let mut rects = Vec::with_capacity(count);
    for row in 0..rows {
        let in_row = (count as u16 - row * columns).min(columns);
        let left = even((canvas.width - tile.width * in_row) / 2);
        let places = (0..in_row).map(|n| at(left + n * tile.width, top + row * tile.height, tile));
        rects.extend(places);
    }
    rects
}

/// One large tile, first, and up to [`SMALL_MAX`] small ones: a column at its right, then a row below it.
/// Alone, the large one has the whole canvas.
pub fn speaker(canvas: Size, small_count: usize) -> Vec<Rect> {
    let small_count = small_count.min(SMALL_MAX);
    if small_count == 0 {
        return grid(canvas, 1);
    }
    let small = wide(Size::new(even(canvas.width / 4), even(canvas.height / 4)));
    let large = Size::new(small.width * 3, small.height * 3);
    let left = even((canvas.width - small.width * 4) / 2);
    let in_column = small_count.min(COLUMN_MAX) as u16;
    // With a row below, the column is full and everything starts at the same top; without, each is centred.
    let with_row = small_count > COLUMN_MAX;
    let block_top = even((canvas.height - small.height * 4) / 2);
    let large_top = if with_row { block_top } else { even((canvas.height - large.height) / 2) };
    let column_top = even((canvas.height - small.height * in_column) / 2);
    let column = (0..in_column).map(|n| at(left + large.width, column_top + n * small.height, small));
    let in_row = small_count.saturating_sub(COLUMN_MAX) as u16;
    let row_left = left + even((large.width - small.width * in_row) / 2);
    let row = (0..in_row).map(|n| at(row_left + n * small.width, large_top + large.height, small));
    std::iter::once(at(left, large_top, large)).chain(column).chain(row).collect()
}

/// The whole canvas.
pub fn full(canvas: Size) -> Rect {
    at(0, 0, Size::new(even(canvas.width), even(canvas.height)))
}

/// Columns and rows for `count` tiles.
const fn grid_of(count: usize) -> Option<(u16, u16)> {
    match count {
        0 => None,
        1 => Some((1, 1)),
        2 => Some((2, 1)),
        3..=4 => Some((2, 2)),
        5..=6 => Some((3, 2)),
        7..=9 => Some((3, 3)),
        10..=16 => Some((4, 4)),
        _ => Some((5, 5)),
    }
}

/// The largest 16:9 size with even sides inside `cell`.
fn wide(cell: Size) -> Size {
    let width = cell.width.min(even((u32::from(cell.height) * 16 / 9) as u16));
    // To the nearest even number: a third of 1280 is 426, and 426x240 is nearer to 16:9 than 426x238.
    let height = ((u32::from(width) * 9 + 16) / 32 * 2) as u16;
    Size::new(width, height.min(cell.height))
}

const fn even(pixels: u16) -> u16 {
    pixels & !1
}

const fn at(x: u16, y: u16, size: Size) -> Rect {
    Rect { x, y, width: size.width, height: size.height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HD: Size = Size::new(1280, 720);

    fn rect(x: u16, y: u16, width: u16, height: u16) -> Rect {
        Rect { x, y, width, height }
    }

    #[test]
    fn few_people_have_whole_fractions_of_the_canvas() {
        assert_eq!(grid(HD, 0), []);
        assert_eq!(grid(HD, 1), [rect(0, 0, 1280, 720)]);
        assert_eq!(grid(HD, 2), [rect(0, 180, 640, 360), rect(640, 180, 640, 360)]);
        let three = [rect(0, 0, 640, 360), rect(640, 0, 640, 360), rect(320, 360, 640, 360)];
        assert_eq!(grid(HD, 3), three);
        assert_eq!(grid(HD, 4)[3], rect(640, 360, 640, 360));
    }

    #[test]
    fn tiles_shrink_as_the_grid_fills() {
        let table =
            [(5, 426, 240), (6, 426, 240), (7, 426, 240), (9, 426, 240), (10, 320, 180), (16, 320, 180)];
        for (count, width, height) in table.into_iter().chain([(17, 256, 144), (25, 256, 144)]) {
            let rects = grid(HD, count);
            assert_eq!(rects.len(), count);
            assert!(rects.iter().all(|r| (r.width, r.height) == (width, height)), "{count}: {rects:?}");
        }
        assert_eq!(grid(HD, 400).len(), TILES_MAX);
    }

    #[test]
    fn one_large_has_its_small_ones_in_a_column_then_a_row() {
        assert_eq!(speaker(HD, 0), [rect(0, 0, 1280, 720)]);
        assert_eq!(speaker(HD, 1), [rect(0, 90, 960, 540), rect(960, 270, 320, 180)]);
        assert_eq!(speaker(HD, 4)[1..3], [rect(960, 0, 320, 180), rect(960, 180, 320, 180)]);
        let full = speaker(HD, 7);
        assert_eq!((full.len(), full[0], full[7]), (8, rect(0, 0, 960, 540), rect(640, 540, 320, 180)));
        assert_eq!(speaker(HD, 99), full);
    }

    fn overlap(one: &Rect, other: &Rect) -> bool {
        one.x < other.x + other.width
            && other.x < one.x + one.width
            && one.y < other.y + other.height
            && other.y < one.y + one.height
    }

    proptest! {
        #[test]
        fn tiles_are_even_inside_and_apart_on_any_canvas(
            width in 160_u16..=1920, height in 90_u16..=1088, count in 0_usize..40, large in any::<bool>(),
        ) {
            let canvas = Size::new(width, height);
            let rects = if large { speaker(canvas, count) } else { grid(canvas, count) };
            for (n, r) in rects.iter().enumerate() {
                prop_assert!([r.x, r.y, r.width, r.height].iter().all(|edge| edge % 2 == 0), "{r:?}");
                prop_assert!(r.width >= 16 && r.height >= 8, "{r:?}");
                prop_assert!(r.x + r.width <= width && r.y + r.height <= height, "{r:?}");
                prop_assert!(!rects[n + 1..].iter().any(|other| overlap(r, other)), "{rects:?}");
                // 16:9 up to the rounding of both sides to even numbers.
                let off = (i32::from(r.width) * 9 - i32::from(r.height) * 16).abs();
                prop_assert!(off <= 48, "{r:?}");
            }
        }
    }
}
