//! The pictures that bots send: deterministic, drawn at any 16:9 size, 30 a second.
//!
//! Flow: **here** -> `loops` (encoder), `files` (y4m). Pure functions of (scenery, sender, frame number, size), in whole
//! numbers. Every picture carries its bar code, and a patch in the top left corner that is white for the first
//! tenth of every second: the flash that goes with the beep of `sound`.

use super::barcode::{self, BarCode, SenderId};
use mcu_core::media::frame::{FrameMut, Size};

/// Pictures per second of every loop.
pub const FPS: u32 = 30;
/// Pictures of every second in which the flash is white.
pub const FLASH_FRAMES: u32 = 3;
/// The part of the picture's width and height that the flash takes.
const FLASH_PART: usize = 8;

/// What kind of picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenery {
    /// A still room and a slowly moving head: what most participants send.
    #[default]
    TalkingHead,
    /// Everything moves: what costs encoders most.
    Motion,
    /// Sharp edges, still for three seconds at a time.
    Slides,
}

/// Draws picture `number` of a sender's loop.
pub fn draw(picture: &mut FrameMut, scenery: Scenery, sender: SenderId, number: u16) {
    let canvas = Canvas::new(picture.size(), sender);
    match scenery {
        Scenery::TalkingHead => canvas.talking_head(picture, u32::from(number)),
        Scenery::Motion => canvas.motion(picture, u32::from(number)),
        Scenery::Slides => canvas.slides(picture, u32::from(number)),
    }
    canvas.flash(picture, u32::from(number) % FPS < FLASH_FRAMES);
    barcode::draw(picture, BarCode { sender, number });
}

/// What a sender's pictures have in common. Lengths are in 1/256 of the picture's height.
struct Canvas {
    size: Size,
    tint: [u8; 2],
    phase: u32,
}

impl Canvas {
    fn new(size: Size, sender: SenderId) -> Self {
        // Multiplying by the golden ratio's fraction spreads neighbouring ids over the colour circle.
        let spread = u32::from(sender.0).wrapping_mul(2_654_435_769);
        Self {
            size,
            tint: [88 + (spread >> 25) as u8 % 80, 88 + (spread >> 17) as u8 % 80],
            phase: spread >> 24,
        }
    }

    /// Pixels of `units` 1/256 heights.
    fn pixels(&self, units: i32) -> i32 {
        units * i32::from(self.size.height) / 256
    }

    fn talking_head(&self, picture: &mut FrameMut, number: u32) {
        self.fill_room(picture);
        // The head sways and nods a little, with periods that are no multiples of each other.
        let middle = 455 / 2 + (triangle(number + self.phase, 97) - 64) / 8;
        let nod = (triangle(number + 2 * self.phase, 61) - 64) / 10;
        self.ellipse(picture, (middle, 270), (120, 110), [70, self.tint[1], self.tint[0]]);
        self.ellipse(picture, (middle, 120 + nod), (64, 88), [165, 108, 150]);
        let mouth = 3 + triangle(number + self.phase, 8) / 12;
        self.ellipse(picture, (middle, 196 + nod), (22, mouth), [60, 118, 170]);
    }

    fn motion(&self, picture: &mut FrameMut, number: u32) {
        let shift = number as usize * self.pixels(6).max(1) as usize;
        let wave = self.pixels(32).max(2) as usize;
        let [mut y, u, v] = picture.planes_mut();
        for row in 0..usize::from(y.size.height) {
            for (column, pixel) in y.row_mut(row).iter_mut().enumerate() {
                let stripes = triangle_wide((column + row + shift) as u32, 2 * wave as u32);
                let cross = triangle_wide((column + 3 * wave * 64 - row + shift / 2) as u32, 3 * wave as u32);
                *pixel = (40 + stripes / 2 + cross / 2) as u8;
            }
        }
        for (mut plane, tint) in [u, v].into_iter().zip(self.tint) {
            for row in 0..usize::from(plane.size.height) {
                plane.row_mut(row).fill(tint);
            }
        }
        let across = triangle(number + self.phase, 90) * 455 / 128;
        self.ellipse(picture, (across, 60), (40, 40), [210, self.tint[1], self.tint[0]]);
        self.ellipse(picture, (455 - across, 200), (30, 30), [30, self.tint[0], self.tint[1]]);
    }

    fn slides(&self, picture: &mut FrameMut, number: u32) {
        picture.fill([225, 128, 128]);
        let slide = number / (3 * FPS) + self.phase;
        self.block(picture, (0, 0), (455, 26), [80, self.tint[0], self.tint[1]]);
        for line in 0..12u32 {
            let mut at = 24;
            // Words of lengths that depend on the slide, the line and their place.
            for word in 0..9u32 {
                let length = 10 + (slide * 31 + line * 17 + word * 7) % 29;
                self.block(picture, (at, 42 + line as i32 * 17), (length as i32, 8), [40, 128, 128]);
                at += length as i32 + 9;
            }
        }
    }

    fn fill_room(&self, picture: &mut FrameMut) {
        let [mut y, u, v] = picture.planes_mut();
        let height = usize::from(y.size.height);
        for row in 0..height {
            y.row_mut(row).fill((120 - 50 * row / height) as u8);
        }
        for (mut plane, tint) in [u, v].into_iter().zip(self.tint) {
            for row in 0..usize::from(plane.size.height) {
                plane.row_mut(row).fill(tint);
            }
        }
        // A window and a shelf, so that there is something to keep sharp.
        self.block(picture, (340, 30), (90, 80), [200, 132, 122]);
        self.block(picture, (383, 30), (4, 80), [90, 128, 128]);
        for book in 0..9 {
            let luma = 60 + (book * 53 % 120) as u8;
            self.block(
                picture,
                (20 + book * 11, 130 + book % 3 * 6),
                (9, 56 - book % 3 * 6),
                [luma, 120, 140],
            );
        }
    }

    fn flash(&self, picture: &mut FrameMut, is_white: bool) {
        let luma = if is_white { 235 } else { 16 };
        let width = i32::from(self.size.width) / FLASH_PART as i32;
        let height = i32::from(self.size.height) / FLASH_PART as i32;
        paint(picture, (0, 0), (width, height), [luma, 128, 128], |_, _| true);
    }

    fn block(&self, picture: &mut FrameMut, at: (i32, i32), len: (i32, i32), yuv: [u8; 3]) {
        let from = (self.pixels(at.0), self.pixels(at.1));
        let to = (self.pixels(at.0 + len.0), self.pixels(at.1 + len.1));
        paint(picture, from, to, yuv, |_, _| true);
    }

    fn ellipse(&self, picture: &mut FrameMut, middle: (i32, i32), radii: (i32, i32), yuv: [u8; 3]) {
        let (cx, cy) = (self.pixels(middle.0), self.pixels(middle.1));
        let (rx, ry) = (self.pixels(radii.0).max(1), self.pixels(radii.1).max(1));
        paint(picture, (cx - rx, cy - ry), (cx + rx, cy + ry), yuv, |x, y| {
            let (dx, dy) = (i64::from(x - cx) * i64::from(ry), i64::from(y - cy) * i64::from(rx));
            let limit = i64::from(rx) * i64::from(ry);
            dx * dx + dy * dy <= limit * limit
        });
    }
}

/// Colours the pixels of a rectangle (clipped to the picture) that lie `inside`.
fn paint(
    picture: &mut FrameMut,
    from: (i32, i32),
    to: (i32, i32),
    yuv: [u8; 3],
    inside: impl Fn(i32, i32) -> bool,
) {
    let [luma, u, v] = picture.planes_mut();
    let (width, height) = (i32::from(luma.size.width), i32::from(luma.size.height));
    for ((mut plane, value), step) in [luma, u, v].into_iter().zip(yuv).zip([1, 2, 2]) {
        for y in (from.1.max(0)..to.1.min(height)).filter(|y| y % step == 0) {
            let row = plane.row_mut((y / step) as usize);
            for x in (from.0.max(0)..to.0.min(width)).filter(|x| x % step == 0 && inside(*x, y)) {
                row[(x / step) as usize] = value;
            }
        }
    }
}

/// From 0 up to 128 and down again over `period` steps.
fn triangle(at: u32, period: u32) -> i32 {
    let at = at % period;
    (128 * at.min(period - at) / (period / 2).max(1)) as i32
}

/// The same from 0 to 170, for luma.
fn triangle_wide(at: u32, period: u32) -> u32 {
    let at = at % period;
    170 * at.min(period - at) / (period / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcu_core::conference::plan::{Fit, Rect};
    use mcu_core::media::frame::{Frame, FramePool};

    fn picture(scenery: Scenery, sender: u16, number: u16, size: Size) -> Frame {
        let mut picture = FramePool::new("test", 1).get(size).expect("has room");
        draw(&mut picture, scenery, SenderId(sender), number);
        picture.freeze()
    }

    fn luma(frame: &Frame) -> Vec<u8> {
        let [y, ..] = frame.planes();
        (0..usize::from(y.size.height)).flat_map(|row| y.row(row).to_vec()).collect()
    }

    #[test]
    fn every_scenery_carries_its_bar_code_at_every_size() {
        for scenery in [Scenery::TalkingHead, Scenery::Motion, Scenery::Slides] {
            for size in [Size::new(320, 180), Size::new(640, 360), Size::new(1_280, 720)] {
                for number in [0, 1, 299, 599] {
                    let frame = picture(scenery, 700, number, size);
                    let whole = Rect { x: 0, y: 0, width: size.width, height: size.height };
                    let code = barcode::read(&frame, whole, Fit::Contain);
                    assert_eq!(code, Some(BarCode { sender: SenderId(700), number }), "{scenery:?} {size:?}");
                }
            }
        }
    }

    #[test]
    fn pictures_are_deterministic_differ_between_senders_and_move() {
        let size = Size::new(320, 180);
        for scenery in [Scenery::TalkingHead, Scenery::Motion] {
            let first = luma(&picture(scenery, 1, 10, size));
            assert_eq!(first, luma(&picture(scenery, 1, 10, size)));
            let moved = |other: Vec<u8>| first.iter().zip(&other).filter(|(a, b)| a != b).count();
            assert!(moved(luma(&picture(scenery, 1, 25, size))) > 1_000);
            assert!(moved(luma(&picture(scenery, 2, 10, size))) > 500);
        }
    }

    #[test]
    fn the_flash_is_white_for_the_first_tenth_of_a_second() {
        let at = |number| luma(&picture(Scenery::TalkingHead, 1, number, Size::new(320, 180)))[5 * 320 + 5];
        assert_eq!([0, 2, 3, 29, 30, 33].map(at), [235, 235, 16, 16, 235, 16]);
    }
}
