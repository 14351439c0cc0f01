//! Drawing on I420: parts of planes, copies, plain rectangles and integer blending.
//!
//! Used by scale, overlay, avatar and compose. Free functions over slices; what lies outside a plane is cut off.

use crate::sys::yuv;
use crate::video::colour::Yuv;
use mcu_core::conference::plan::Rect;
use mcu_core::media::frame::{Frame, FrameMut, Plane, PlaneMut, Size};

/// The whole of a picture of `size`.
pub(crate) const fn all_of(size: Size) -> Rect {
    Rect { x: 0, y: 0, width: size.width, height: size.height }
}

/// Columns and rows of a plane that `rect` (in luma pixels) covers, cut to the plane. `None` when nothing is left.
fn span(size: Size, rect: Rect, chroma: bool) -> Option<(usize, usize, Size)> {
    let shift = u32::from(chroma);
    let edge = |start: u16, length: u16, all: u16| {
        let end = (u32::from(start) + u32::from(length)).div_ceil(1 << shift).min(u32::from(all));
        let start = u32::from(start) >> shift;
        (start < end).then(|| (start as usize, (end - start) as u16))
    };
    let (x, width) = edge(rect.x, rect.width, size.width)?;
    let (y, height) = edge(rect.y, rect.height, size.height)?;
    Some((x, y, Size::new(width, height)))
}

/// The part of a plane under `rect`, which is in luma pixels also for chroma planes.
pub(crate) fn part(plane: Plane<'_>, rect: Rect, chroma: bool) -> Option<Plane<'_>> {
    let (x, y, size) = span(plane.size, rect, chroma)?;
    Some(Plane { data: &plane.data[y * plane.stride + x..], stride: plane.stride, size })
}

/// The same, to write on.
pub(crate) fn part_mut(plane: PlaneMut<'_>, rect: Rect, chroma: bool) -> Option<PlaneMut<'_>> {
    let (x, y, size) = span(plane.size, rect, chroma)?;
    Some(PlaneMut { data: &mut plane.data[y * plane.stride + x..], stride: plane.stride, size })
}

/// Copies `picture` to the place `rect`, from its top left; neither leaves the canvas nor the place.
pub(crate) fn copy(canvas: &mut FrameMut, rect: Rect, picture: &Frame) {
    for (index, (dst, src)) in canvas.planes_mut().into_iter().zip(picture.planes()).enumerate() {
        if let Some(dst) = part_mut(dst, rect, index > 0) {
            // Both planes hold their sizes by construction; an empty picture is all that could be refused.
            let _ = yuv::copy_plane(src, dst);
        }
    }
}

/// Fills `rect` with one colour.
pub(crate) fn fill(canvas: &mut FrameMut, rect: Rect, colour: Yuv) {
    for (index, (plane, value)) in canvas.planes_mut().into_iter().zip(colour).enumerate() {
        let Some(mut area) = part_mut(plane, rect, index > 0) else { continue };
        for y in 0..usize::from(area.size.height) {
            area.row_mut(y).fill(value);
        }
    }
}

/// Draws the outline of `rect` inwards. Chroma gets an odd width's last half pixel by half.
pub(crate) fn outline(canvas: &mut FrameMut, rect: Rect, width_px: u16, colour: Yuv) {
    for (index, (plane, value)) in canvas.planes_mut().into_iter().zip(colour).enumerate() {
        let chroma = index > 0;
        let Some(mut area) = part_mut(plane, rect, chroma) else { continue };
        let whole = usize::from(if chroma { width_px / 2 } else { width_px });
        let rings = whole + usize::from(chroma && width_px % 2 == 1);
        let (width, height) = (usize::from(area.size.width), usize::from(area.size.height));
        for depth in 0..rings.min(width.div_ceil(2)).min(height.div_ceil(2)) {
            let mix = |under: &mut u8| {
                let half = (u16::from(*under) + u16::from(value)).div_ceil(2) as u8;
                *under = if depth < whole { value } else { half };
            };
            area.row_mut(depth)[depth..width - depth].iter_mut().for_each(mix);
            if height - 1 - depth > depth {
                area.row_mut(height - 1 - depth)[depth..width - depth].iter_mut().for_each(mix);
            }
            for y in depth + 1..height.saturating_sub(1 + depth) {
                mix(&mut area.row_mut(y)[depth]);
                if width - 1 - depth > depth {
                    mix(&mut area.row_mut(y)[width - 1 - depth]);
                }
            }
        }
    }
}

/// Lays `src` over `dst` with opacity `alpha` (255: only `src`), each rounded to nearest. All of one length.
pub(crate) fn blend_row(dst: &mut [u8], src: &[u8], alpha: &[u8]) {
    for ((under, over), alpha) in dst.iter_mut().zip(src).zip(alpha) {
        let alpha = u16::from(*alpha);
        // At most 255 * 255 + 128: fits. Adding the high byte makes the shift a division by 255, exactly.
        let mixed = u16::from(*under) * (255 - alpha) + u16::from(*over) * alpha + 128;
        *under = ((mixed + (mixed >> 8)) >> 8) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcu_core::media::frame::FramePool;

    fn canvas(size: Size) -> FrameMut {
        let mut canvas = FramePool::new("test", 1).get(size).expect("the pool has room");
        canvas.fill([0, 0, 0]);
        canvas
    }

    /// The definition that [`blend_row`] must equal: the weighted mean, rounded to nearest.
    fn blend_scalar(under: u8, over: u8, alpha: u8) -> u8 {
        let (under, over, alpha) = (u32::from(under), u32::from(over), u32::from(alpha));
        ((2 * (under * (255 - alpha) + over * alpha) + 255) / 510) as u8
    }

    #[test]
    fn blending_equals_its_definition_for_every_opacity() {
        let under: Vec<u8> = (0..=255).collect();
        for alpha in 0..=255 {
            for over in (0..=255).step_by(5) {
                let mut row = under.clone();
                blend_row(&mut row, &[over; 256], &[alpha; 256]);
                let expected: Vec<u8> = under.iter().map(|u| blend_scalar(*u, over, alpha)).collect();
                assert_eq!(row, expected, "{over} at {alpha}");
            }
        }
    }

    #[test]
    fn an_outline_is_inside_and_as_thick_as_told() {
        let mut canvas = canvas(Size::new(32, 32));
        outline(&mut canvas, Rect { x: 4, y: 4, width: 20, height: 16 }, 3, [200, 100, 50]);
        let [luma, u, _] = canvas.planes();
        for y in 0..32_usize {
            for x in 0..32_usize {
                let inside = (4..24).contains(&x) && (4..20).contains(&y);
                let depth = (x.wrapping_sub(4))
                    .min(23_usize.wrapping_sub(x))
                    .min(y.wrapping_sub(4))
                    .min(19_usize.wrapping_sub(y));
                let expected = if inside && depth < 3 { 200 } else { 0 };
                assert_eq!(luma.row(y)[x], expected, "{x},{y}");
            }
        }
        assert_eq!(u.row(6)[..6], [0, 0, 100, 50, 0, 0], "one whole pixel of chroma and half of the next");
        assert_eq!(u.row(2)[..14], [0, 0, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 0, 0]);
    }

    #[test]
    fn what_stands_over_the_canvas_is_cut_off() {
        let mut canvas = canvas(Size::new(16, 16));
        let source = FramePool::new("test", 1).get(Size::new(64, 64)).map(|mut frame| {
            frame.fill([9, 9, 9]);
            frame.freeze()
        });
        let source = source.expect("the pool has room");
        for (x, y, width, height) in [(8, 8, 64, 64), (16, 0, 4, 4), (0, 65_534, 2, 2), (4, 4, 0, 4)] {
            let rect = Rect { x, y, width, height };
            copy(&mut canvas, rect, &source);
            outline(&mut canvas, rect, 3, [9, 9, 9]);
            fill(&mut canvas, rect, [9, 9, 9]);
        }
        let [luma, u, _] = canvas.planes();
        assert_eq!((luma.row(8)[7], luma.row(8)[8], luma.row(15)[15]), (0, 9, 9));
        assert_eq!((u.row(4)[3], u.row(4)[4], u.row(7)[7]), (0, 9, 9));
        // Outlines thinner than twice their border.
        for side in 0..8 {
            outline(&mut canvas, Rect { x: 2, y: 2, width: side, height: 8 - side }, 3, [1, 1, 1]);
        }
    }
}
