//! What is drawn over a tile: the name, the marks of who is muted or in the clear, the border of who speaks; and what stands for a picture
//! that is not there.
//!
//! Used by `compose`, on its thread. Text is painted when it first shows and kept as a sprite; drawing it again
//! is one blend. Bound: [`SPRITES_MAX`], the least recently drawn goes first.

use crate::video::avatar;
use crate::video::card;
use crate::video::colour::{self, IN_THE_CLEAR_RGB, MUTED_RGB, PILL_ALPHA, PILL_RGB, WHITE_RGB};
use crate::video::draw;
use crate::video::sprite::{Painting, Sprite, capsule, cradle, rounded};
use crate::video::text::{TextPainter, Typeface, clean_name};
use mcu_core::conference::Card;
use mcu_core::conference::plan::{Rect, Tile};
use mcu_core::id::ParticipantId;
use mcu_core::limits::TILES_MAX;
use mcu_core::media::frame::{FrameMut, Size};
use std::sync::Arc;

/// Sprites kept: a name and an avatar for each of two scenes' tiles, in two sizes.
pub const SPRITES_MAX: usize = 8 * TILES_MAX;
/// Width of the border of who speaks.
pub const BORDER_PX: u16 = 3;

/// What a sprite shows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Motif {
    Plate(Marks),
    Avatar { person: ParticipantId },
}

/// What stands before a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marks {
    in_the_clear: bool,
    muted: bool,
}

/// Paints a mark into a square: left, top, side.
type PaintMark = fn(&mut Painting, f32, f32, f32);

impl Marks {
    const fn of(tile: &Tile) -> Self {
        Self { in_the_clear: tile.in_the_clear, muted: tile.muted }
    }

    /// In the order in which they stand.
    fn painters(self) -> impl Iterator<Item = PaintMark> {
        let all: [(bool, PaintMark); 2] =
            [(self.in_the_clear, paint_open_padlock), (self.muted, paint_muted)];
        all.into_iter().filter_map(|(on, paint)| on.then_some(paint))
    }
}

#[derive(Debug)]
struct Kept {
    motif: Motif,
    name: Arc<str>,
    tile: Size,
    /// `None`: there is nothing to draw, which is worth remembering, too.
    sprite: Option<Sprite>,
    drawn_at: u64,
}

/// Draws over tiles. One per conference; used by one composer at a time.
#[derive(Debug)]
pub struct Overlay {
    painter: TextPainter,
    kept: Vec<Kept>,
    draws: u64,
    painted: u64,
}

impl Overlay {
    /// An overlay that writes with `typeface`.
    pub fn new(typeface: &Typeface) -> Self {
        Self { painter: TextPainter::new(typeface), kept: Vec::new(), draws: 0, painted: 0 }
    }

    /// Sprites painted since the start. Grows with names and tile sizes, not with frames.
    pub fn painted(&self) -> u64 {
        self.painted
    }

    /// Paints in advance what `tiles` will need, so that a tick need not.
    pub fn prepare(&mut self, tiles: &[Tile]) {
        for tile in tiles {
            self.sprite(Motif::Plate(Marks::of(tile)), tile);
            if !tile.video {
                self.sprite(Motif::Avatar { person: tile.source.participant }, tile);
            }
        }
    }

    /// Fills the tile's place with what stands for a picture: initials on a disc.
    pub(crate) fn draw_avatar(&mut self, canvas: &mut FrameMut, tile: &Tile) {
        draw::fill(canvas, tile.rect, colour::AVATAR_TILE);
        let person = tile.source.participant;
        if let Some(sprite) = self.sprite(Motif::Avatar { person }, tile) {
            let size = sprite.size();
            let x = tile.rect.x.saturating_add(tile.rect.width.saturating_sub(size.width) / 2);
            let y = tile.rect.y.saturating_add(tile.rect.height.saturating_sub(size.height) / 2);
            sprite.draw(canvas, x, y);
        }
    }

    /// Fills the canvas with a card.
    pub(crate) fn draw_card(&mut self, canvas: &mut FrameMut, card: &Card) {
        card::draw(&mut self.painter, canvas, card);
    }

    /// Draws name, mark and border over a tile whose picture is there.
    pub(crate) fn draw(&mut self, canvas: &mut FrameMut, tile: &Tile) {
        let rect = tile.rect;
        if let Some(sprite) = self.sprite(Motif::Plate(Marks::of(tile)), tile) {
            let inset = inset_px(rect);
            let y = rect.y.saturating_add(rect.height).saturating_sub(inset + sprite.size().height);
            sprite.draw(canvas, rect.x.saturating_add(inset), y);
        }
        if tile.speaking {
            draw::outline(canvas, rect, BORDER_PX, colour::SPEAKING);
        }
    }

    fn sprite(&mut self, motif: Motif, tile: &Tile) -> Option<&Sprite> {
        self.draws += 1;
        let size = Size::new(tile.rect.width, tile.rect.height);
        let found = self
            .kept
            .iter()
            .position(|kept| kept.tile == size && kept.motif == motif && kept.name == tile.name);
        let place = match found {
            Some(place) => place,
            None => {
                let sprite = self.paint(&motif, tile, size);
                self.keep(Kept { motif, name: Arc::clone(&tile.name), tile: size, sprite, drawn_at: 0 })
            }
        };
        let kept = &mut self.kept[place];
        kept.drawn_at = self.draws;
        kept.sprite.as_ref()
    }

    fn keep(&mut self, kept: Kept) -> usize {
        if self.kept.len() < SPRITES_MAX {
            self.kept.push(kept);
            return self.kept.len() - 1;
        }
        let oldest = self.kept.iter().enumerate().min_by_key(|(_, kept)| kept.drawn_at);
        let place = oldest.map_or(0, |(place, _)| place);
        self.kept[place] = kept;
        place
    }

    fn paint(&mut self, motif: &Motif, tile: &Tile, size: Size) -> Option<Sprite> {
        self.painted += 1;
        match motif {
            Motif::Plate(marks) => paint_plate(&mut self.painter, &tile.name, size, *marks),
            Motif::Avatar { person } => avatar::paint(&mut self.painter, *person, &tile.name, size),
        }
    }
}

/// Distance of the name from the tile's corner; clear of the border.
fn inset_px(rect: Rect) -> u16 {
    (rect.height / 30).clamp(4, 16).next_multiple_of(2)
}

/// The pill at the bottom left: the marks, if any, and the name. `None` for a nameless one without marks.
fn paint_plate(painter: &mut TextPainter, name: &str, tile: Size, marks: Marks) -> Option<Sprite> {
    let text_px = (tile.height / 14).clamp(11, 28);
    let height = (text_px + text_px / 2 + 2).next_multiple_of(2);
    let padding = text_px / 2;
    let (mark_px, gap) = (text_px + text_px / 4, text_px / 3);
    let marks_px = marks.painters().count() as u16 * (mark_px + gap);
    let around = 2 * padding + marks_px;
    let inset = inset_px(Rect { x: 0, y: 0, width: tile.width, height: tile.height });
    let room = tile.width.saturating_sub(2 * inset + around);
    let name = clean_name(name);
    let line = (room > text_px).then(|| painter.line(&name, f32::from(text_px), f32::from(room))).flatten();
    if line.is_none() && marks_px == 0 {
        return None;
    }
    let text_width = line.as_ref().map_or(0, |line| line.width().clamp(0, i32::from(room)) as u16);
    let width = if line.is_some() { around + text_width } else { around - gap };
    // Nothing is ever drawn outside its own tile: others may not be drawn again after it.
    if width.next_multiple_of(2) + 2 * inset > tile.width || height + 2 * inset > tile.height {
        return None;
    }
    let mut painting = Painting::new(width, height);
    painting.shape(
        PILL_RGB,
        PILL_ALPHA,
        rounded((f32::from(width), f32::from(height)), f32::from(height) * 0.3),
    );
    let mut left = padding;
    for paint in marks.painters() {
        paint(&mut painting, f32::from(left), f32::from(height - mark_px) / 2.0, f32::from(mark_px));
        left += mark_px + gap;
    }
    if let Some(line) = line {
        // Baselines agree from name to name: 0.35 of the size under the middle, whatever ascends or descends.
        let baseline = i32::from(height) / 2 + i32::from(text_px) * 35 / 100;
        painter.paint(&line, &mut painting, i32::from(left), baseline, WHITE_RGB);
    }
    Some(painting.finish())
}

/// A microphone, struck through, in a square of `side` pixels.
fn paint_muted(painting: &mut Painting, left: f32, top: f32, side: f32) {
    let at = |x: f32, y: f32| (left + x * side, top + y * side);
    painting.shape(WHITE_RGB, 255, capsule(at(0.5, 0.19), at(0.5, 0.45), 0.15 * side));
    painting.shape(WHITE_RGB, 255, cradle(at(0.5, 0.45), 0.27 * side, 0.045 * side));
    painting.shape(WHITE_RGB, 255, capsule(at(0.5, 0.74), at(0.5, 0.92), 0.045 * side));
    painting.shape(WHITE_RGB, 255, capsule(at(0.33, 0.94), at(0.67, 0.94), 0.045 * side));
    // A dark edge under the slash keeps it apart from the white.
    painting.shape(PILL_RGB, 255, capsule(at(0.12, 0.08), at(0.88, 0.92), 0.11 * side));
    painting.shape(MUTED_RGB, 255, capsule(at(0.12, 0.08), at(0.88, 0.92), 0.06 * side));
}

/// A padlock whose shackle stands open, in a square of `side` pixels.
fn paint_open_padlock(painting: &mut Painting, left: f32, top: f32, side: f32) {
    let at = |x: f32, y: f32| (left + x * side, top + y * side);
    let (middle, radius, half_width) = (at(0.5, 0.34), 0.2 * side, 0.055 * side);
    let shackle = cradle(middle, radius, half_width);
    // The ring's lower half, turned over.
    painting.shape(IN_THE_CLEAR_RGB, 255, |(x, y)| shackle((x, 2.0 * middle.1 - y)));
    painting.shape(IN_THE_CLEAR_RGB, 255, capsule(at(0.3, 0.34), at(0.3, 0.55), half_width));
    painting.shape(IN_THE_CLEAR_RGB, 255, capsule(at(0.32, 0.71), at(0.68, 0.71), 0.19 * side));
}
