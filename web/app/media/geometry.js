/** Where a tile of the mix lies on the page. Pure. */

/**
 * @typedef {{width: number, height: number}} Size
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 */

/**
 * What `object-fit: contain` (centred) leaves of a box for a picture.
 *
 * @param {Size} box The element, CSS pixels.
 * @param {Size} picture Any unit; only its shape counts.
 * @returns {Rect} In CSS pixels from the box's corner; empty when either is.
 */
export function containedRect(box, picture) {
  if (!(box.width > 0 && box.height > 0 && picture.width > 0 && picture.height > 0)) {
    return { x: 0, y: 0, width: 0, height: 0 };
  }
  const scale = Math.min(box.width / picture.width, box.height / picture.height);
  const width = picture.width * scale;
  const height = picture.height * scale;
  return { x: (box.width - width) / 2, y: (box.height - height) / 2, width, height };
}

/**
 * Where a tile lies inside a box that shows its canvas by `object-fit: contain`.
 *
 * The picture that arrives may be scaled down from the canvas (a lower rendition), so tiles are taken as fractions.
 *
 * @param {Rect} tile Canvas pixels.
 * @param {Size} canvas Canvas pixels.
 * @param {Size} box The element, CSS pixels.
 * @returns {Rect} CSS pixels from the box's corner.
 */
export function tileOnPage(tile, canvas, box) {
  const shown = containedRect(box, canvas);
  const scale = canvas.width > 0 ? shown.width / canvas.width : 0;
  return {
    x: shown.x + tile.x * scale,
    y: shown.y + tile.y * scale,
    width: tile.width * scale,
    height: tile.height * scale,
  };
}
