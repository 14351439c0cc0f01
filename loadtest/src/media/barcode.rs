//! A bar code of (sender, frame number), drawn into every sent picture and read back from received ones.
//!
//! Flow: `picture` -> **here** -> `loops` when drawing; `bot/receive` -> **here** -> `bot/report` when reading.
//! Pure functions of pixels. The same format is read in browsers by `loadtest/js/barcode.mjs`.
//!
//! # Format, version 1
//!
//! The picture is 16:9, `H` pixels high. A cell is a square of side `c = H / 12`. The code is a square of 7 x 7 cells in
//! the exact middle of the picture, around it a grey margin of `c / 4`. A one is white, a zero is black. The middle is
//! what survives when a tile of another shape shows only part of the picture, and it is clear of name labels.
//!
//! ```text
//!   1 0 1 0 1 0 1    row 0: fixed
//!   d d d d d d d    d: 38 bits, row by row, left to right, most significant bit first:
//!   d d d d d d d       10 bits sender, 12 bits frame number,
//!   d d d d d d d       16 bits CRC-16/IBM-3740 (polynomial 0x1021, initial value 0xFFFF, no reflection,
//!   d d d d d d d       no final xor) of the three bytes (sender << 12 | number), high byte first
//!   d d d d d d d
//!   0 d 1 d 0 d 1    row 6: columns 0, 2, 4, 6 fixed
//! ```
//!
//! To read a tile that *covers* (fills its rectangle, cutting what stands over), take `H' = max(height, width * 9 / 16)`, that
//! *contains* (with bars), `min` instead; `c' = H' / 12`, middle = the tile's middle. A cell's value is the mean luma
//! of its middle half each way. White and black are the means over the fixed cells. Refused, never guessed: white and
//! black less than 40 apart; any cell nearer to their middle than an eighth of their distance; a fixed cell that is
//! wrong; a CRC that is wrong. Random cells pass with probability 2^-27.

use crc::{CRC_16_IBM_3740, Crc};
use mcu_core::conference::plan::{Fit, Rect};
use mcu_core::media::frame::{Frame, FrameMut, Plane, Size};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who sends a loop: its bar code and its tone. 10 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SenderId(pub u16);

impl SenderId {
    /// The largest that the code can carry.
    pub const MAX: Self = Self((1 << SENDER_BITS) - 1);
}

impl fmt::Display for SenderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What one bar code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BarCode {
    /// Whose picture; only the low 10 bits are carried.
    pub sender: SenderId,
    /// Which picture of the loop; only the low 12 bits are carried.
    pub number: u16,
}

/// Frame numbers are counted modulo this.
pub const NUMBERS: u16 = 1 << NUMBER_BITS;

const SENDER_BITS: u32 = 10;
const NUMBER_BITS: u32 = 12;
const CRC_BITS: u32 = 16;
const DATA_BITS: u32 = SENDER_BITS + NUMBER_BITS + CRC_BITS;
/// Cells across and down.
const SIDE: usize = 7;
/// Cells that the picture is high.
const CELLS_DOWN: f32 = 12.0;
const WHITE: u8 = 235;
const BLACK: u8 = 16;
const GREY: u8 = 126;
/// Least distance of white and black that is believed.
const CONTRAST_MIN: f32 = 40.0;
/// Nearest that a cell may be to the threshold, as a part of the contrast.
const MARGIN_MIN: f32 = 0.125;
const CHECK: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_3740);

/// What the format fixes for a cell: `Some(bit)`, or `None` for a data cell.
const fn fixed(row: usize, column: usize) -> Option<bool> {
    match row {
        0 => Some(column.is_multiple_of(2)),
        6 if column.is_multiple_of(2) => Some(column % 4 == 2),
        _ => None,
    }
}

fn check(word: u32) -> u16 {
    CHECK.checksum(&word.to_be_bytes()[1..])
}

impl BarCode {
    /// The cells, row by row.
    pub fn cells(self) -> [[bool; SIDE]; SIDE] {
        let sender = u32::from(self.sender.0) & ((1 << SENDER_BITS) - 1);
        let word = sender << NUMBER_BITS | u32::from(self.number % NUMBERS);
        let bits = u64::from(word) << CRC_BITS | u64::from(check(word));
        let mut left = DATA_BITS;
        let mut cells = [[false; SIDE]; SIDE];
        for (row, line) in cells.iter_mut().enumerate() {
            for (column, cell) in line.iter_mut().enumerate() {
                *cell = fixed(row, column).unwrap_or_else(|| {
                    left -= 1;
                    bits >> left & 1 == 1
                });
            }
        }
        cells
    }

    /// The code that `cells` spell, unless a fixed cell or the CRC is wrong.
    pub fn from_cells(cells: &[[bool; SIDE]; SIDE]) -> Option<Self> {
        let mut bits = 0u64;
        for (row, line) in cells.iter().enumerate() {
            for (column, cell) in line.iter().enumerate() {
                match fixed(row, column) {
                    Some(expected) if expected != *cell => return None,
                    Some(_) => {}
                    None => bits = bits << 1 | u64::from(*cell),
                }
            }
        }
        let word = (bits >> CRC_BITS) as u32;
        (check(word) == bits as u16).then_some(Self {
            sender: SenderId((word >> NUMBER_BITS) as u16),
            number: (word & u32::from(NUMBERS - 1)) as u16,
        })
    }
}

/// Where the code lies: the left and top edge of cell (0, 0), and the side of a cell, in pixels.
#[derive(Debug, Clone, Copy)]
struct Grid {
    left: f32,
    top: f32,
    cell: f32,
}

impl Grid {
    fn in_tile(tile: Rect, fit: Fit) -> Self {
        let (width, height) = (f32::from(tile.width), f32::from(tile.height));
        let picture_height = match fit {
            Fit::Cover => height.max(width * 9.0 / 16.0),
            Fit::Contain => height.min(width * 9.0 / 16.0),
        };
        let cell = picture_height / CELLS_DOWN;
        let half = cell * SIDE as f32 / 2.0;
        Self {
            left: f32::from(tile.x) + width / 2.0 - half,
            top: f32::from(tile.y) + height / 2.0 - half,
            cell,
        }
    }

    /// Pixel bounds `[from, to)` along one axis of the span that starts `at` cells from `edge` and is `len` cells long.
    fn span(&self, edge: f32, at: f32, len: f32) -> (usize, usize) {
        let from = (edge + at * self.cell).round().max(0.0) as usize;
        let to = (edge + (at + len) * self.cell).round().max(0.0) as usize;
        (from, to.max(from + 1))
    }
}

/// Draws `code` into a 16:9 picture.
pub fn draw(picture: &mut FrameMut, code: BarCode) {
    let size = picture.size();
    let grid = Grid::in_tile(Rect { x: 0, y: 0, width: size.width, height: size.height }, Fit::Contain);
    let margin = SIDE as f32 + 0.5;
    fill(picture, grid.span(grid.left, -0.25, margin), grid.span(grid.top, -0.25, margin), GREY);
    for (row, line) in code.cells().iter().enumerate() {
        for (column, cell) in line.iter().enumerate() {
            let luma = if *cell { WHITE } else { BLACK };
            let across = grid.span(grid.left, column as f32, 1.0);
            fill(picture, across, grid.span(grid.top, row as f32, 1.0), luma);
        }
    }
}

/// Fills pixels `across` x `down` with a grey, chroma included, clipped to the picture.
fn fill(picture: &mut FrameMut, across: (usize, usize), down: (usize, usize), luma: u8) {
    let [mut y, u, v] = picture.planes_mut();
    let (width, height) = (usize::from(y.size.width), usize::from(y.size.height));
    let (left, right) = (across.0.min(width), across.1.min(width));
    for row in down.0.min(height)..down.1.min(height) {
        y.row_mut(row)[left..right].fill(luma);
    }
    for mut plane in [u, v] {
        for row in down.0.min(height) / 2..down.1.min(height).div_ceil(2) {
            plane.row_mut(row)[left / 2..right.div_ceil(2)].fill(128);
        }
    }
}

/// Reads the code of the 16:9 picture that was fitted into `tile` of `picture`; `None` unless it is certain.
pub fn read(picture: &Frame, tile: Rect, fit: Fit) -> Option<BarCode> {
    let [luma, ..] = picture.planes();
    let grid = Grid::in_tile(tile, fit);
    if grid.cell < 2.0 {
        return None;
    }
    let mut values = [[0f32; SIDE]; SIDE];
    let (mut white, mut black) = ((0.0, 0.0), (0.0, 0.0));
    for (row, line) in values.iter_mut().enumerate() {
        for (column, value) in line.iter_mut().enumerate() {
            let across = grid.span(grid.left, column as f32 + 0.25, 0.5);
            *value = mean(luma, across, grid.span(grid.top, row as f32 + 0.25, 0.5))?;
            match fixed(row, column) {
                Some(true) => white = (white.0 + *value, white.1 + 1.0),
                Some(false) => black = (black.0 + *value, black.1 + 1.0),
                None => {}
            }
        }
    }
    let (white, black) = (white.0 / white.1, black.0 / black.1);
    let contrast = white - black;
    if contrast < CONTRAST_MIN {
        return None;
    }
    let threshold = (white + black) / 2.0;
    if values.iter().flatten().any(|value| (value - threshold).abs() < contrast * MARGIN_MIN) {
        return None;
    }
    BarCode::from_cells(&values.map(|line| line.map(|value| value > threshold)))
}

/// Mean luma of a rectangle; `None` when it leaves the picture.
fn mean(plane: Plane<'_>, across: (usize, usize), down: (usize, usize)) -> Option<f32> {
    let Size { width, height } = plane.size;
    if across.1 > usize::from(width) || down.1 > usize::from(height) {
        return None;
    }
    let sum: u32 =
        (down.0..down.1).flat_map(|row| &plane.row(row)[across.0..across.1]).map(|p| u32::from(*p)).sum();
    Some(sum as f32 / ((across.1 - across.0) * (down.1 - down.0)) as f32)
}

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod tests;
