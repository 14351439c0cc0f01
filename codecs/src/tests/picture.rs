//! Turning pictures upright.

use crate::picture::upright;
use crate::testing;
use mcu_core::media::frame::{Frame, FramePool, Size};
use mcu_core::media::unit::Rotation;

fn turned(picture: &Frame, rotation: Rotation) -> Frame {
    upright(&picture.planes(), rotation, &FramePool::new("test", 1)).expect("pool has room")
}

fn pixel(frame: &Frame, plane: usize, x: usize, y: usize) -> u8 {
    frame.planes()[plane].row(y)[x]
}

#[test]
fn a_turn_is_clockwise_in_every_plane() {
    let size = Size::new(34, 18);
    let picture = testing::noisy(size, 3, 100);
    let quarter = turned(&picture, Rotation::Quarter);
    assert_eq!(quarter.size(), Size::new(18, 34));
    for (plane, (width, height)) in [(34, 18), (17, 9), (17, 9)].into_iter().enumerate() {
        for (x, y) in [(0, 0), (width - 1, 0), (0, height - 1), (5, 7)] {
            // What was at the left is now at the top, and what was at the top is at the right.
            assert_eq!(pixel(&picture, plane, x, y), pixel(&quarter, plane, height - 1 - y, x));
        }
    }
}

#[test]
fn turns_add_up() {
    let picture = testing::noisy(Size::new(33, 17), 5, 100);
    let twice = turned(&turned(&picture, Rotation::Quarter), Rotation::Quarter);
    let half = turned(&picture, Rotation::Half);
    let whole = turned(&turned(&picture, Rotation::ThreeQuarters), Rotation::Quarter);
    for plane in 0..3 {
        for y in 0..picture.planes()[plane].size.height.into() {
            assert_eq!(twice.planes()[plane].row(y), half.planes()[plane].row(y));
            assert_eq!(whole.planes()[plane].row(y), picture.planes()[plane].row(y));
        }
    }
}
