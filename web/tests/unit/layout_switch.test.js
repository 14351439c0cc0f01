import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LayoutSwitch, isAtOrAfter, ownTile } from '../../app/media/layout_switch.js';

const layout = (rtp_timestamp, tiles = []) => ({ canvas: { width: 1280, height: 720 }, rtp_timestamp, tiles, layout: 'grid' });

test('timestamps compare modulo 2^32', () => {
  assert.ok(isAtOrAfter(5, 5));
  assert.ok(isAtOrAfter(6, 5));
  assert.ok(!isAtOrAfter(4, 5));
  assert.ok(isAtOrAfter(3, 0xffff_fff0));
  assert.ok(!isAtOrAfter(0xffff_fff0, 3));
});

test('a layout takes effect on its frame, not before', () => {
  const layouts = new LayoutSwitch();
  layouts.push(layout(9_000));
  assert.equal(layouts.advance(6_000), false);
  assert.equal(layouts.current, null);
  assert.equal(layouts.advance(9_000), true);
  assert.equal(layouts.current.rtp_timestamp, 9_000);
  assert.equal(layouts.advance(12_000), false);
});

test('a frame that never came does not hold its layout back, and the newest due one wins', () => {
  const layouts = new LayoutSwitch();
  for (const timestamp of [3_000, 6_000, 9_000]) layouts.push(layout(timestamp));
  assert.equal(layouts.advance(7_000), true);
  assert.equal(layouts.current.rtp_timestamp, 6_000);
  assert.equal(layouts.advance(9_000), true);
  assert.equal(layouts.current.rtp_timestamp, 9_000);
});

test('the switch happens across the wrap of the timestamp', () => {
  const layouts = new LayoutSwitch();
  layouts.push(layout(0xffff_ff00));
  layouts.push(layout(2_744));
  layouts.advance(0xffff_ff00);
  assert.equal(layouts.current.rtp_timestamp, 0xffff_ff00);
  assert.equal(layouts.advance(100), false);
  assert.equal(layouts.advance(2_744), true);
});

test('what waits is bounded, and a new connection starts from nothing', () => {
  const layouts = new LayoutSwitch();
  for (let index = 0; index < 1_000; index += 1) layouts.push(layout(index));
  assert.equal(layouts.advance(900), false, 'the oldest are gone');
  assert.equal(layouts.advance(999), true);
  layouts.push(layout(2_000));
  layouts.reset();
  assert.equal(layouts.current, null);
  assert.equal(layouts.advance(3_000), false);
});

test('the own tile is the main one, with a picture or without', () => {
  const tile = { self: true, video: true, kind: 'main', x: 2 };
  assert.equal(ownTile(layout(0, [{ ...tile, self: false }, tile])), tile);
  const unsent = { ...tile, video: false };
  assert.equal(ownTile(layout(0, [unsent])), unsent, 'nobody else watches');
  assert.equal(ownTile(layout(0, [{ ...tile, kind: 'content' }])), null);
  assert.equal(ownTile(null), null);
});
