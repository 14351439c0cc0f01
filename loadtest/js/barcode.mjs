// Reads the bar code of (sender, frame number) from pixels: the browser's twin of loadtest/src/media/barcode.rs,
// whose header defines the format. A cross test (loadtest/tests/barcode_js.rs) keeps the two in step.

const SIDE = 7;
const CELLS_DOWN = 12;
const CONTRAST_MIN = 40;
const MARGIN_MIN = 0.125;
const NUMBER_BITS = 12;

/** What the format fixes for a cell: true, false, or undefined for a data cell. */
function fixed(row, column) {
  if (row === 0) return column % 2 === 0;
  if (row === 6 && column % 2 === 0) return column % 4 === 2;
  return undefined;
}

/** CRC-16/IBM-3740 of the three bytes of `word`, high byte first. */
function check(word) {
  let crc = 0xffff;
  for (const shift of [16, 8, 0]) {
    crc ^= ((word >>> shift) & 0xff) << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
    }
  }
  return crc;
}

/** Pixel bounds [from, to) of the span that starts `at` cells from `edge` and is `length` cells long. */
function span(edge, cell, at, length) {
  const from = Math.max(0, Math.round(edge + at * cell));
  const to = Math.max(0, Math.round(edge + (at + length) * cell));
  return [from, Math.max(to, from + 1)];
}

/** Mean of `luma(x, y)` over a rectangle; undefined when it leaves the picture. */
function mean(luma, width, height, [left, right], [top, bottom]) {
  if (right > width || bottom > height) return undefined;
  let sum = 0;
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) sum += luma(x, y);
  }
  return sum / ((right - left) * (bottom - top));
}

/** The code that 49 bits spell, or null. */
function fromCells(bits) {
  let word = 0;
  let sum = 0;
  let taken = 0;
  for (let at = 0; at < bits.length; at += 1) {
    const expected = fixed(Math.floor(at / SIDE), at % SIDE);
    if (expected === undefined) {
      if (taken < 22) word = (word << 1) | (bits[at] ? 1 : 0);
      else sum = (sum << 1) | (bits[at] ? 1 : 0);
      taken += 1;
    } else if (expected !== bits[at]) {
      return null;
    }
  }
  if (check(word) !== sum) return null;
  return { sender: word >>> NUMBER_BITS, number: word & ((1 << NUMBER_BITS) - 1) };
}

/**
 * Reads the code of the 16:9 picture fitted into `tile` ({x, y, width, height}) of a picture whose luma at (x, y) is
 * `luma(x, y)`, 0 to 255. `contain`: the tile shows the whole picture, with bars; else it is filled ("cover").
 * Returns {sender, number}, or null unless it is certain.
 */
export function readLuma(luma, width, height, tile, contain = false) {
  const natural = (tile.width * 9) / 16;
  const pictureHeight = contain ? Math.min(tile.height, natural) : Math.max(tile.height, natural);
  const cell = pictureHeight / CELLS_DOWN;
  if (cell < 2) return null;
  const left = tile.x + tile.width / 2 - (cell * SIDE) / 2;
  const top = tile.y + tile.height / 2 - (cell * SIDE) / 2;
  const values = [];
  const sums = { white: [0, 0], black: [0, 0] };
  for (let row = 0; row < SIDE; row += 1) {
    for (let column = 0; column < SIDE; column += 1) {
      const across = span(left, cell, column + 0.25, 0.5);
      const value = mean(luma, width, height, across, span(top, cell, row + 0.25, 0.5));
      if (value === undefined) return null;
      values.push(value);
      const bit = fixed(row, column);
      if (bit === undefined) continue;
      const side = bit ? sums.white : sums.black;
      side[0] += value;
      side[1] += 1;
    }
  }
  const white = sums.white[0] / sums.white[1];
  const black = sums.black[0] / sums.black[1];
  const contrast = white - black;
  if (contrast < CONTRAST_MIN) return null;
  const threshold = (white + black) / 2;
  if (values.some((value) => Math.abs(value - threshold) < contrast * MARGIN_MIN)) return null;
  return fromCells(values.map((value) => value > threshold));
}

/** The same from an ImageData (RGBA, as `CanvasRenderingContext2D.getImageData` gives it). */
export function readImageData(image, tile, contain = false) {
  const { data, width, height } = image;
  const luma = (x, y) => {
    const at = (y * width + x) * 4;
    return 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
  };
  return readLuma(luma, width, height, tile, contain);
}
