//! The card: a title and lines in place of people, in the colours of tiles without a picture.
//!
//! Used by compose, when a scene is a card and the card is another than before; painted straight onto the canvas, for it is not
//! painted again. Bound: a title and [`CARD_LINES_MAX`] lines, each cut to the width of the canvas.

use crate::video::colour::{ACCENT_RGB, AVATAR_TILE, SOFT_RGB, WHITE_RGB};
use crate::video::draw;
use crate::video::sprite::{Painting, capsule};
use crate::video::text::{TextPainter, clean_text};
use mcu_core::conference::Card;
use mcu_core::limits::{CARD_LINE_CHARS_MAX, CARD_LINES_MAX, CARD_TITLE_CHARS_MAX};
use mcu_core::media::frame::{FrameMut, Size};

// Parts of the canvas's height.
const TITLE_PER_MILLE: u32 = 92;
const LINE_PER_MILLE: u32 = 46;
const BAR_PER_MILLE: u32 = 10;
/// Between the bar and the title, and between the title and the lines.
const GAP_PER_MILLE: u32 = 28;

/// Height of a row of text, in hundredths of its size.
const ROW_PERCENT: u32 = 150;
/// Share of the canvas's width that text may take.
const WIDTH_PERCENT: u32 = 86;

/// One row of text.
struct Row {
    text: String,
    px: u16,
    rgb: [u8; 3],
}

impl Row {
    const fn height(&self) -> u16 {
        (self.px as u32 * ROW_PERCENT / 100) as u16
    }
}

/// Fills the canvas with `card`.
pub(crate) fn draw(painter: &mut TextPainter, canvas: &mut FrameMut, card: &Card) {
    let size = canvas.size();
    let part = |per_mille: u32| (u32::from(size.height) * per_mille / 1_000) as u16;
    draw::fill(canvas, draw::all_of(size), AVATAR_TILE);
    let title = Row {
        text: clean_text(&card.title, CARD_TITLE_CHARS_MAX),
        px: part(TITLE_PER_MILLE),
        rgb: WHITE_RGB,
    };
    let line = |text: &String| Row {
        text: clean_text(text, CARD_LINE_CHARS_MAX),
        px: part(LINE_PER_MILLE),
        rgb: SOFT_RGB,
    };
    let lines: Vec<Row> = card.lines.iter().take(CARD_LINES_MAX).map(line).collect();
    let (bar, gap) = (part(BAR_PER_MILLE), part(GAP_PER_MILLE));
    let text = title.height() + lines.iter().map(Row::height).sum::<u16>();
    let mut top = size.height.saturating_sub(bar + 2 * gap + text) / 2;
    draw_bar(canvas, top, bar);
    top += bar + gap;
    draw_row(painter, canvas, &title, top);
    top += title.height() + gap;
    for row in &lines {
        draw_row(painter, canvas, row, top);
        top += row.height();
    }
}

/// The mark above the title, in the middle.
fn draw_bar(canvas: &mut FrameMut, top: u16, height: u16) {
    let width = height * 12;
    let mut painting = Painting::new(width, height);
    let (middle, end) = (f32::from(height) / 2.0, f32::from(width) - f32::from(height) / 2.0);
    painting.shape(ACCENT_RGB, 255, capsule((middle, middle), (end, middle), middle));
    let left = centred(canvas.size(), width);
    painting.finish().draw(canvas, left, top);
}

/// A row of text, in the middle. What has no ink, or no font, leaves its place empty.
fn draw_row(painter: &mut TextPainter, canvas: &mut FrameMut, row: &Row, top: u16) {
    let size = canvas.size();
    let width_max = u32::from(size.width) * WIDTH_PERCENT / 100;
    let Some(line) = painter.line(&row.text, f32::from(row.px), width_max as f32) else { return };
    // As large as the ink, whichever way letters of a script reach.
    let [_, above, _, below] = line.ink;
    let within = |length: i32, max: u16| length.clamp(0, i32::from(max)) as u16;
    let width = within(line.width(), size.width);
    let mut painting = Painting::new(width, within(below - above, size.height));
    painter.paint(&line, &mut painting, 0, -above, row.rgb);
    // Baselines agree from text to text: 0.35 of the size under the middle.
    let baseline = i32::from(top) + i32::from(row.height()) / 2 + i32::from(row.px) * 35 / 100;
    let y = within(baseline + above, size.height);
    painting.finish().draw(canvas, centred(size, width), y);
}

/// The left edge of what is `width` wide and lies in the middle.
const fn centred(canvas: Size, width: u16) -> u16 {
    canvas.width.saturating_sub(width) / 2
}
