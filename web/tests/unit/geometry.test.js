import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containedRect, tileOnPage } from '../../app/media/geometry.js';

const CANVAS = { width: 1280, height: 720 };

test('a wide box has bars left and right, a tall one above and below, a fitting one none', () => {
  assert.deepEqual(containedRect({ width: 2000, height: 720 }, CANVAS), { x: 360, y: 0, width: 1280, height: 720 });
  assert.deepEqual(containedRect({ width: 360, height: 640 }, CANVAS), { x: 0, y: 218.75, width: 360, height: 202.5 });
  assert.deepEqual(containedRect({ width: 640, height: 360 }, CANVAS), { x: 0, y: 0, width: 640, height: 360 });
});

test('an empty box or picture has an empty place', () => {
  const nothing = { x: 0, y: 0, width: 0, height: 0 };
  assert.deepEqual(containedRect({ width: 0, height: 300 }, CANVAS), nothing);
  assert.deepEqual(containedRect({ width: 300, height: 300 }, { width: 0, height: 0 }), nothing);
});

test('tiles keep their place in every box', () => {
  const tile = { x: 640, y: 360, width: 640, height: 360 };
  assert.deepEqual(tileOnPage(tile, CANVAS, { width: 1280, height: 720 }), tile);
  assert.deepEqual(tileOnPage(tile, CANVAS, { width: 640, height: 560 }), { x: 320, y: 280, width: 320, height: 180 });
  assert.deepEqual(tileOnPage(tile, CANVAS, { width: 2560, height: 720 }), { x: 1280, y: 360, width: 640, height: 360 });
});

test('tiles that fill a canvas together fill its place together', () => {
  for (let width = 200; width < 2000; width += 137) {
    const box = { width, height: 611 };
    const shown = containedRect(box, CANVAS);
    const left = tileOnPage({ x: 0, y: 0, width: 427, height: 720 }, CANVAS, box);
    const right = tileOnPage({ x: 427, y: 0, width: 853, height: 720 }, CANVAS, box);
    assert.ok(Math.abs(left.x + left.width - right.x) < 1e-9);
    assert.ok(Math.abs(left.width + right.width - shown.width) < 1e-9);
    assert.ok(Math.abs(left.x - shown.x) < 1e-9);
  }
});
