//! Sprites: small pictures with opacity, painted once in RGB and laid over I420 as often as needed.
//!
//! Used by overlay and avatar. [`Painting`] is the easel (premultiplied RGBA, made when a name first shows);
//! [`Sprite`] is the result in YUV, whose drawing is integer and touches nothing outside the canvas.

use crate::video::colour;
use crate::video::draw::{blend_row, part_mut};
use mcu_core::conference::plan::Rect;
use mcu_core::media::frame::{FrameMut, Size};

/// An RGB canvas that starts transparent.
#[derive(Debug)]
pub(crate) struct Painting {
    size: Size,
    /// Premultiplied R, G, B, and A.
    pixels: Vec<[u8; 4]>,
}

/// A point in pixels, x to the right and y down.
pub(crate) type Point = (f32, f32);

impl Painting {
    /// A transparent canvas; both sides are rounded up to even.
    pub(crate) fn new(width: u16, height: u16) -> Self {
        let even = |length: u16| length.max(2).next_multiple_of(2);
        let size = Size::new(even(width), even(height));
        Self { size, pixels: vec![[0; 4]; size.area() as usize] }
    }

    /// Lays a colour over one pixel; outside the canvas nothing happens.
    pub(crate) fn dab(&mut self, x: i32, y: i32, rgb: [u8; 3], alpha: u8) {
        let (Ok(x), Ok(y)) = (u16::try_from(x), u16::try_from(y)) else { return };
        if x >= self.size.width || y >= self.size.height || alpha == 0 {
            return;
        }
        let pixel = &mut self.pixels[usize::from(y) * usize::from(self.size.width) + usize::from(x)];
        let [r, g, b] = rgb;
        blend_row(pixel, &[r, g, b, 255], &[alpha; 4]);
    }

    /// Paints every pixel nearer than half a pixel to a shape, given the signed distance of a point to its edge.
    pub(crate) fn shape(&mut self, rgb: [u8; 3], alpha: u8, distance: impl Fn(Point) -> f32) {
        for y in 0..self.size.height {
            for x in 0..self.size.width {
                let centre = (f32::from(x) + 0.5, f32::from(y) + 0.5);
                let cover = (0.5 - distance(centre)).clamp(0.0, 1.0);
                self.dab(i32::from(x), i32::from(y), rgb, (cover * f32::from(alpha) + 0.5) as u8);
            }
        }
    }

    /// The finished sprite.
    pub(crate) fn finish(self) -> Sprite {
        let Size { width, height } = self.size;
        let (width, height) = (usize::from(width), usize::from(height));
        let mut sprite = Sprite {
            size: self.size,
            luma: Layer::new(width * height),
            u: Layer::new(width * height / 4),
            v: Layer::new(width * height / 4),
        };
        for (at, pixel) in self.pixels.iter().enumerate() {
            sprite.luma.value[at] = colour::yuv(straight(pixel.map(u32::from)))[0];
            sprite.luma.alpha[at] = pixel[3];
        }
        for y in 0..height / 2 {
            for x in 0..width / 2 {
                let corner = 2 * y * width + 2 * x;
                let four = [corner, corner + 1, corner + width, corner + width + 1];
                let mut sum = [0_u32; 4];
                for pixel in four.map(|at| self.pixels[at]) {
                    sum.iter_mut().zip(pixel).for_each(|(sum, part)| *sum += u32::from(part));
                }
                let [_, u, v] = colour::yuv(straight(sum));
                let at = y * width / 2 + x;
                let alpha = ((sum[3] + 2) / 4) as u8;
                (sprite.u.value[at], sprite.v.value[at]) = (u, v);
                (sprite.u.alpha[at], sprite.v.alpha[at]) = (alpha, alpha);
            }
        }
        sprite
    }
}

/// The colour of a premultiplied pixel, or of a sum of some.
fn straight([r, g, b, alpha]: [u32; 4]) -> [u8; 3] {
    [r, g, b].map(|part| (part * 255 + alpha / 2).checked_div(alpha).unwrap_or(0).min(255) as u8)
}

/// Values and opacities of one plane.
#[derive(Debug)]
struct Layer {
    value: Vec<u8>,
    alpha: Vec<u8>,
}

impl Layer {
    fn new(len: usize) -> Self {
        Self { value: vec![0; len], alpha: vec![0; len] }
    }
}

/// A picture with opacity, in YUV.
#[derive(Debug)]
pub(crate) struct Sprite {
    size: Size,
    luma: Layer,
    u: Layer,
    v: Layer,
}

impl Sprite {
    /// Pixels; both sides are even.
    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Lays the sprite over `canvas` with its top left corner at (`x`, `y`), rounded down to even; what stands
    /// over the canvas is cut off.
    pub(crate) fn draw(&self, canvas: &mut FrameMut, x: u16, y: u16) {
        let place = Rect { x: x & !1, y: y & !1, width: self.size.width, height: self.size.height };
        let layers = [&self.luma, &self.u, &self.v];
        for (index, (plane, layer)) in canvas.planes_mut().into_iter().zip(layers).enumerate() {
            let Some(mut area) = part_mut(plane, place, index > 0) else { continue };
            let row_len = usize::from(self.size.width) >> usize::from(index > 0);
            let rows = layer.value.chunks_exact(row_len).zip(layer.alpha.chunks_exact(row_len));
            for (y, (value, alpha)) in rows.take(usize::from(area.size.height)).enumerate() {
                blend_row(area.row_mut(y), value, alpha);
            }
        }
    }
}

/// Signed distance to a disc.
pub(crate) fn disc(centre: Point, radius: f32) -> impl Fn(Point) -> f32 {
    move |(x, y)| (x - centre.0).hypot(y - centre.1) - radius
}

/// Signed distance to a line with round ends.
pub(crate) fn capsule(from: Point, to: Point, radius: f32) -> impl Fn(Point) -> f32 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length_squared = (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
    move |(x, y)| {
        let along = (((x - from.0) * dx + (y - from.1) * dy) / length_squared).clamp(0.0, 1.0);
        (x - from.0 - along * dx).hypot(y - from.1 - along * dy) - radius
    }
}

/// Signed distance to a rectangle from the origin to `size` with round corners.
pub(crate) fn rounded(size: Point, radius: f32) -> impl Fn(Point) -> f32 {
    move |(x, y)| {
        let dx = (x - size.0 / 2.0).abs() - size.0 / 2.0 + radius;
        let dy = (y - size.1 / 2.0).abs() - size.1 / 2.0 + radius;
        dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius
    }
}

/// Signed distance to the lower half of a ring, with flat ends.
pub(crate) fn cradle(centre: Point, radius: f32, half_width: f32) -> impl Fn(Point) -> f32 {
    move |(x, y)| {
        let ring = ((x - centre.0).hypot(y - centre.1) - radius).abs() - half_width;
        ring.max(centre.1 - y)
    }
}
