//! libyuv: scaling, copying and turning of single planes, declared by hand for the few functions we use.
//!
//! Declarations follow `libyuv/{scale,planar_functions,rotate}.h` (Debian `libyuv-dev`, linked dynamically).
//! Every safe function here checks, in all builds, that its planes hold what their sizes promise; a plane that
//! does not is refused with [`PlaneError`] and nothing is written.

#![allow(unsafe_code)]

use mcu_core::media::frame::{Plane, PlaneMut};
use mcu_core::media::unit::Rotation;
use std::ffi::c_int;

/// A plane whose bytes do not hold the size it states, or an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a plane of {width}x{height} at stride {stride} does not fit {bytes} bytes")]
pub(crate) struct PlaneError {
    width: u16,
    height: u16,
    stride: usize,
    bytes: usize,
}

/// How a plane is resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Filter {
    /// Weighs the four nearest pixels: `kFilterBilinear`.
    Bilinear = 2,
    /// Averages every pixel under the new one: `kFilterBox`.
    Box = 3,
}

#[link(name = "yuv")]
unsafe extern "C" {
    fn ScalePlane(
        src: *const u8,
        src_stride: c_int,
        src_width: c_int,
        src_height: c_int,
        dst: *mut u8,
        dst_stride: c_int,
        dst_width: c_int,
        dst_height: c_int,
        filtering: c_int,
    );
    fn CopyPlane(
        src: *const u8,
        src_stride: c_int,
        dst: *mut u8,
        dst_stride: c_int,
        width: c_int,
        height: c_int,
    );
    fn RotatePlane(
        src: *const u8,
        src_stride: c_int,
        dst: *mut u8,
        dst_stride: c_int,
        width: c_int,
        height: c_int,
        mode: c_int,
    ) -> c_int;
}

/// Proof that `bytes` hold `height` rows of `width` pixels, `stride` apart, and that all fit a C int.
fn check(width: u16, height: u16, stride: usize, bytes: usize) -> Result<c_int, PlaneError> {
    let refused = PlaneError { width, height, stride, bytes };
    let (w, h) = (usize::from(width), usize::from(height));
    let needed = h.checked_sub(1).and_then(|rows| rows.checked_mul(stride)).and_then(|n| n.checked_add(w));
    let holds = w > 0 && w <= stride && needed.is_some_and(|needed| needed <= bytes);
    if holds { c_int::try_from(stride).map_err(|_| refused) } else { Err(refused) }
}

/// Resamples all of `src` onto all of `dst`.
pub(crate) fn scale_plane(src: Plane<'_>, dst: PlaneMut<'_>, filter: Filter) -> Result<(), PlaneError> {
    let src_stride = check(src.size.width, src.size.height, src.stride, src.data.len())?;
    let dst_stride = check(dst.size.width, dst.size.height, dst.stride, dst.data.len())?;
    // SAFETY: both slices were just shown to hold their rows, with strides of at least the width; libyuv reads
    // and writes only pixels inside these sizes (all positive), keeps no pointer, and the borrow rules say that
    // `dst` is not part of `src`.
    unsafe {
        ScalePlane(
            src.data.as_ptr(),
            src_stride,
            c_int::from(src.size.width),
            c_int::from(src.size.height),
            dst.data.as_mut_ptr(),
            dst_stride,
            c_int::from(dst.size.width),
            c_int::from(dst.size.height),
            filter as c_int,
        );
    }
    Ok(())
}

/// Copies the part of `src` that fits `dst`, from the top left.
pub(crate) fn copy_plane(src: Plane<'_>, dst: PlaneMut<'_>) -> Result<(), PlaneError> {
    let src_stride = check(src.size.width, src.size.height, src.stride, src.data.len())?;
    let dst_stride = check(dst.size.width, dst.size.height, dst.stride, dst.data.len())?;
    let width = src.size.width.min(dst.size.width);
    let height = src.size.height.min(dst.size.height);
    // SAFETY: `width` and `height` are within both planes, each of which was just shown to hold its rows;
    // libyuv keeps no pointer, and `dst` is borrowed exclusively.
    unsafe {
        CopyPlane(
            src.data.as_ptr(),
            src_stride,
            dst.data.as_mut_ptr(),
            dst_stride,
            c_int::from(width),
            c_int::from(height),
        );
    }
    Ok(())
}

/// Turns `src` clockwise onto `dst`, whose size must be that of `src`, its sides swapped for odd quarter turns.
pub(crate) fn rotate_plane(src: Plane<'_>, dst: PlaneMut<'_>, turn: Rotation) -> Result<(), PlaneError> {
    let src_stride = check(src.size.width, src.size.height, src.stride, src.data.len())?;
    let dst_stride = check(dst.size.width, dst.size.height, dst.stride, dst.data.len())?;
    let (width, height) = (src.size.width, src.size.height);
    let (degrees, turned) = match turn {
        Rotation::None => (0, (width, height)),
        Rotation::Quarter => (90, (height, width)),
        Rotation::Half => (180, (width, height)),
        Rotation::ThreeQuarters => (270, (height, width)),
    };
    let refused = PlaneError {
        width: dst.size.width,
        height: dst.size.height,
        stride: dst.stride,
        bytes: dst.data.len(),
    };
    if turned != (dst.size.width, dst.size.height) {
        return Err(refused);
    }
    // SAFETY: `src` holds `width` x `height` and `dst` the turned size, both just shown; libyuv keeps no
    // pointer, and `dst` is borrowed exclusively.
    let status = unsafe {
        RotatePlane(
            src.data.as_ptr(),
            src_stride,
            dst.data.as_mut_ptr(),
            dst_stride,
            c_int::from(width),
            c_int::from(height),
            degrees,
        )
    };
    if status == 0 { Ok(()) } else { Err(refused) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcu_core::media::frame::Size;

    fn plane(data: &[u8], width: u16, height: u16, stride: usize) -> Plane<'_> {
        Plane { data, stride, size: Size::new(width, height) }
    }

    fn plane_mut(data: &mut [u8], width: u16, height: u16, stride: usize) -> PlaneMut<'_> {
        PlaneMut { data, stride, size: Size::new(width, height) }
    }

    #[test]
    fn planes_that_do_not_hold_their_size_are_refused() {
        let source = [9_u8; 64];
        let mut target = [0_u8; 64];
        for (width, height, stride) in [(8, 9, 8), (9, 8, 8), (0, 8, 8), (8, 0, 8), (8, 8, usize::MAX)] {
            let bad = plane(&source, width, height, stride);
            assert!(scale_plane(bad, plane_mut(&mut target, 8, 8, 8), Filter::Box).is_err());
            assert!(copy_plane(bad, plane_mut(&mut target, 8, 8, 8)).is_err());
            let good = plane(&source, 8, 8, 8);
            assert!(scale_plane(good, plane_mut(&mut target, width, height, stride), Filter::Box).is_err());
        }
        assert_eq!(target, [0; 64], "nothing was written");
        assert!(copy_plane(plane(&source, 8, 8, 8), plane_mut(&mut target, 8, 8, 8)).is_ok());
        assert_eq!(target, source);
    }

    #[test]
    fn halving_by_box_is_the_mean_of_four() {
        let source: Vec<u8> = (0..64 * 32).map(|i| (i * 37 % 251) as u8).collect();
        let mut target = vec![0_u8; 32 * 16];
        scale_plane(plane(&source, 64, 32, 64), plane_mut(&mut target, 32, 16, 32), Filter::Box)
            .expect("sizes fit");
        for y in 0..16 {
            for x in 0..32 {
                let at = |dx: usize, dy: usize| u32::from(source[(2 * y + dy) * 64 + 2 * x + dx]);
                let mean = (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4;
                assert_eq!(u32::from(target[y * 32 + x]), mean, "at {x},{y}");
            }
        }
    }

    #[test]
    fn turning_moves_the_first_pixel_to_the_right_corner() {
        let mut source = vec![0_u8; 32 * 16];
        source[0] = 200;
        let cases = [
            (Rotation::None, (32, 16), 0),
            (Rotation::Quarter, (16, 32), 15),
            (Rotation::Half, (32, 16), 32 * 16 - 1),
            (Rotation::ThreeQuarters, (16, 32), 31 * 16),
        ];
        for (turn, (width, height), bright) in cases {
            let mut target = vec![0_u8; 32 * 16];
            let stride = usize::from(width);
            rotate_plane(plane(&source, 32, 16, 32), plane_mut(&mut target, width, height, stride), turn)
                .expect("sizes fit");
            assert_eq!(target.iter().position(|p| *p == 200), Some(bright), "{turn:?}");
        }
        let mut target = vec![0_u8; 32 * 16];
        let wrong =
            rotate_plane(plane(&source, 32, 16, 32), plane_mut(&mut target, 32, 16, 32), Rotation::Quarter);
        assert!(wrong.is_err());
    }
}
