/**
 * What the frames that a person was shown must hold: everybody in the right tile, the own camera exactly over its own,
 * and nothing old. Pure: works on what `Person.observed` and the bots' reports say.
 *
 * Only frames of which the page was told while they were shown can be judged: on a busy machine some are followed by the
 * next one before the page hears of them (`overtaken`), or it never does. Of the others, every one is.
 */
import assert from 'node:assert/strict';

/** Numbers of a loop until it begins again: 10 s of a browser's camera file, 20 s of a bot's loop, 30 a second. */
export const LOOP = { browser: 300, bot: 600 };
/** How far a number may lie ahead of the last that was noted of its sender, who is looked at now and then. */
const AHEAD_MAX = 60;

/**
 * Frames whose layout had come before them, and how many had not: the event and the picture take different ways, and the
 * tenth of a second by which the node sends the event ahead may not do where browsers wait for the processor.
 * @param {{frames: object[], layouts: object[]}} observed
 */
export function judged({ frames, layouts }) {
  const isAhead = ({ rtpTimestamp, layoutsKnown }) =>
    layouts.slice(layoutsKnown).some(({ line, rtp_timestamp: from }) => line === 'main' && ((rtpTimestamp - from) | 0) >= 0);
  const told = frames.filter((frame) => !isAhead(frame));
  return { frames: told, ahead: frames.length - told.length };
}

/**
 * No tile shows anybody but whose it is.
 * @param {object[]} frames
 * @param {Map<number, number>} senderOf Participant -> sender.
 * @returns {number} Bar codes read.
 */
export function assertRightTiles(frames, senderOf) {
  const read = frames.flatMap(({ tiles, rtpTimestamp }) => tiles.map((tile) => ({ ...tile, rtpTimestamp }))).filter(({ code }) => code);
  for (const { code, participant, rtpTimestamp } of read) {
    assert.equal(code.sender, senderOf.get(participant), `frame ${rtpTimestamp}: tile of participant ${participant}`);
  }
  return read.length;
}

/**
 * What was painted over each frame lies exactly where that frame shows oneself, as logged by the client and as measured
 * on the page; a frame over which nothing was painted does not show oneself.
 * @param {{frames: object[], overlay: {rtpTimestamp: number, rect: object|null}[]}} observed
 * @param {number} sender
 * @returns {{compared: number, places: number}} Frames with both, and how often the place has changed among them.
 */
export function assertOverlayInPlace({ frames, overlay }, sender) {
  const painted = new Map(overlay.map(({ rtpTimestamp, rect }) => [rtpTimestamp, rect]));
  let [compared, places, last] = [0, 0, undefined];
  for (const { rtpTimestamp, tiles, box } of frames) {
    const rect = painted.get(rtpTimestamp);
    const own = tiles.find(({ code }) => code?.sender === sender);
    if (!own || rect === undefined) continue;
    assert.deepEqual(rect, own.rect, `frame ${rtpTimestamp}: the overlay's tile`);
    assert.ok(box, `frame ${rtpTimestamp}: the overlay is on the page`);
    for (const side of ['x', 'y', 'width', 'height']) {
      assert.ok(Math.abs(box[side] - own.rect[side]) < 2, `frame ${rtpTimestamp}: ${side} of the overlay is ${box[side]}, not ${own.rect[side]}`);
    }
    compared += 1;
    const place = `${rect.x} ${rect.y}`;
    if (last !== undefined && place !== last) places += 1;
    last = place;
  }
  return { compared, places };
}

/**
 * How old picture `number` was at `unixMs`, at most; undefined when its sender has no entry that explains it.
 *
 * By the newest note of what its sender sent (a bot) or saw in its own camera's preview (a browser) that is not after
 * that moment, and not newer than the picture. Loops repeat, so that an age is known modulo the loop: a delay grows to a
 * whole loop only through every age below, which would be seen on the way.
 * @param {{unixMs: number, number: number}[]} notes In order.
 */
export function age(notes, loop, number, unixMs) {
  let [low, high] = [0, notes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (notes[middle].unixMs <= unixMs) low = middle + 1;
    else high = middle;
  }
  for (let at = low - 1; at >= 0; at -= 1) {
    if ((number - notes[at].number + loop) % loop < AHEAD_MAX) return unixMs - notes[at].unixMs;
  }
  return undefined;
}

/**
 * The oldest that a seen picture may be. The goal is 3 s, and what a quiet machine shows is printed and stands in benches/RESULTS.md; a
 * test's bound would be ten times looser (machines are lent that stand still for seconds), were the shortest loop not 10 s long.
 */
const AGE_MS_MAX = 8_000;

/**
 * Every sighting of a sender by a receiver, judged: numbers go on, and none is older than `AGE_MS_MAX`.
 * @param {{unixMs: number, number: number}[]} sightings In order.
 * @param {{unixMs: number, number: number}[]} notes Of the sender.
 * @returns {{count: number, distinct: number, p50: number, max: number}} Ages in ms.
 */
export function assertFresh(what, sightings, notes, loop) {
  const ages = sightings.map(({ unixMs, number }) => age(notes, loop, number, unixMs));
  assert.ok(ages.every((one) => one !== undefined), `${what}: every picture was sent before it was seen`);
  ages.sort((one, other) => one - other);
  const distinct = new Set(sightings.map(({ number }) => number)).size;
  const figures = { count: ages.length, distinct, p50: ages[ages.length >> 1], max: ages.at(-1) };
  assert.ok(distinct > 30, `${what}: the picture lives: ${JSON.stringify(figures)}`);
  assert.ok(figures.max < AGE_MS_MAX, `${what}: none is older than ${AGE_MS_MAX} ms: ${JSON.stringify(figures)}`);
  return figures;
}
