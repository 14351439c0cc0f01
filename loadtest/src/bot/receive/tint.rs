//! The mean colour of a tile's middle: what tells a picture without a bar code (a browser's own fake camera) from an
//! avatar or a picture that stands.
//!
//! Flow: `picture` -> **here**. Pure; reads a quarter of the tile's chroma.

use mcu_core::conference::plan::Rect;
use mcu_core::media::frame::{Frame, Plane};

/// Mean U and V of the middle quarter of `tile`; `None` where that lies outside of the picture.
pub(super) fn of(picture: &Frame, tile: Rect) -> Option<(u8, u8)> {
    let [_, u, v] = picture.planes();
    Some((mean(&u, tile)?, mean(&v, tile)?))
}

/// Mean of a plane at half the picture's size.
fn mean(chroma: &Plane<'_>, tile: Rect) -> Option<u8> {
    let middle = |start: u16, length: u16| {
        let (start, length) = (usize::from(start) / 2, usize::from(length) / 2);
        start + length / 4..start + length - length / 4
    };
    let (rows, columns) = (middle(tile.y, tile.height), middle(tile.x, tile.width));
    let inside = rows.end <= usize::from(chroma.size.height) && columns.end <= usize::from(chroma.size.width);
    let pixels = rows.len() * columns.len();
    if !inside || pixels == 0 {
        return None;
    }
    let row = |y| chroma.row(y)[columns.clone()].iter().map(|value| u64::from(*value)).sum::<u64>();
    Some((rows.map(row).sum::<u64>() / pixels as u64) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcu_core::media::frame::{FramePool, Size};

    #[test]
    fn the_middle_of_a_tile_has_its_colour_and_what_lies_outside_has_none() {
        let mut frame = FramePool::new("test", 1).get(Size::new(64, 32)).unwrap();
        for (plane, value) in frame.planes_mut().iter_mut().zip([16, 90, 200]) {
            for y in 0..usize::from(plane.size.height) {
                plane.row_mut(y).fill(128);
                // The right half alone has a colour.
                let half = usize::from(plane.size.width) / 2;
                plane.row_mut(y)[half..].fill(value);
            }
        }
        let frame = frame.freeze();
        let tile = |x, width| Rect { x, y: 0, width, height: 32 };
        assert_eq!(of(&frame, tile(32, 32)), Some((90, 200)));
        assert_eq!(of(&frame, tile(0, 32)), Some((128, 128)));
        assert_eq!(of(&frame, tile(48, 64)), None);
        assert_eq!(of(&frame, tile(0, 0)), None);
    }
}
