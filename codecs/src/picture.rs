//! Brings a decoded picture into a pooled frame, upright.
//!
//! Flow: FFmpeg's planes -> **here** -> [`Frame`]. The one copy of hop decode; a rotation costs no second one.

use mcu_core::media::frame::{Frame, FramePool, Plane, PlaneMut, PoolEmpty, Size};
use mcu_core::media::unit::Rotation;

/// Copies the Y, U and V `planes` into a frame of `pool`, turned clockwise by `rotation`.
///
/// # Errors
/// [`PoolEmpty`] when every frame of the pool is out.
pub(crate) fn upright(
    planes: &[Plane<'_>; 3],
    rotation: Rotation,
    pool: &FramePool,
) -> Result<Frame, PoolEmpty> {
    let Size { width, height } = planes[0].size;
    let size = match rotation {
        Rotation::None | Rotation::Half => Size::new(width, height),
        Rotation::Quarter | Rotation::ThreeQuarters => Size::new(height, width),
    };
    let mut frame = pool.get(size)?;
    for (from, mut to) in planes.iter().zip(frame.planes_mut()) {
        turn(from, &mut to, rotation);
    }
    Ok(frame.freeze())
}

/// `to` must have the size of `from`, with its sides exchanged for the odd turns.
fn turn(from: &Plane<'_>, to: &mut PlaneMut<'_>, rotation: Rotation) {
    let (width, height) = (usize::from(to.size.width), usize::from(to.size.height));
    for y in 0..height {
        let row = to.row_mut(y);
        match rotation {
            Rotation::None => row.copy_from_slice(from.row(y)),
            Rotation::Half => {
                row.copy_from_slice(from.row(height - 1 - y));
                row.reverse();
            }
            // A row of a picture turned clockwise is a column of the picture, read upwards.
            Rotation::Quarter => {
                let column = from.data[y..].iter().step_by(from.stride).take(width);
                row.iter_mut().rev().zip(column).for_each(|(to, from)| *to = *from);
            }
            Rotation::ThreeQuarters => {
                let column = from.data[height - 1 - y..].iter().step_by(from.stride).take(width);
                row.iter_mut().zip(column).for_each(|(to, from)| *to = *from);
            }
        }
    }
}
