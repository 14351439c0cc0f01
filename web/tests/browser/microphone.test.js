/** A microphone that is still opening, for as long as the test says, while its person already joins, mutes or leaves. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Bench } from '../fake_node/browser.js';

const bench = new Bench();
before(() => bench.start());
after(() => bench.stop());
afterEach(() => assert.deepEqual(bench.faults(), []));

/** @param {(message: any) => boolean} fits */
const state = (fits) => bench.node.message((message) => message.type === 'state' && fits(message));

/** @param {import('playwright-core').Page} page @param {string} name */
const button = (page, name) => page.getByRole('button', { name, exact: true });

/** Runs in the page before the client: `openMicrophone()` is what a person's yes to the browser's question is. */
function holdMicrophone() {
  const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.opened = [];
  const yes = new Promise((resolve) => (window.openMicrophone = resolve));
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    if (constraints.audio === undefined) return original(constraints);
    window.asked = true;
    await yes;
    const stream = await original(constraints);
    window.opened.push(...stream.getAudioTracks());
    return stream;
  };
}

/** In the meeting while the browser still asks whether the microphone may be opened. */
async function joinEarly() {
  const joined = await bench.join({ microphone: true, init: holdMicrophone });
  assert.equal(await joined.page.evaluate(() => window.asked), true, 'it was chosen before joining');
  assert.equal(await joined.page.evaluate(() => window.opened.length), 0, 'and is not open yet');
  await state(({ muted }) => muted === true);
  return joined;
}

/** @param {import('playwright-core').Page} page */
const audible = (page) =>
  page.evaluate(() => {
    const { track } = window.__mcu.pc.getSenders()[0];
    return track !== null && track.readyState === 'live' && track.enabled;
  });

test('who joins before the microphone is open is heard as soon as it is', async () => {
  const { page, context } = await joinEarly();
  assert.equal(await button(page, 'Mute').getAttribute('aria-pressed'), 'false', 'it was chosen: not muted');
  assert.equal(await audible(page), false);
  await page.evaluate(() => window.openMicrophone());
  await state(({ muted }) => muted === false);
  await page.waitForFunction(() => window.__mcu.pc.getSenders()[0].track === window.opened[0]);
  assert.equal(await audible(page), true);
  await context.close();
});

test('who mutes while the microphone is opening stays muted when it is open', async () => {
  const { page, context } = await joinEarly();
  await button(page, 'Mute').click();
  assert.equal(await button(page, 'Mute').getAttribute('aria-pressed'), 'true');
  bench.node.forget();
  await page.evaluate(() => window.openMicrophone());
  await page.waitForFunction(() => window.__mcu.pc.getSenders()[0].track === window.opened[0]);
  assert.equal(await audible(page), false);
  assert.equal(await button(page, 'Mute').getAttribute('aria-pressed'), 'true');
  await button(page, 'Mute').click();
  await state(({ muted }) => muted === false);
  assert.equal(await audible(page), true, 'the control: it is open and works');
  const muted = bench.node.messages.filter(({ type }) => type === 'state').map((message) => message.muted);
  assert.ok(muted.lastIndexOf(true) < muted.indexOf(false), 'and was never said to be on before');
  await context.close();
});

test('who leaves while the microphone is opening does not leave it open', async () => {
  const { page, context } = await joinEarly();
  await button(page, 'Leave').click();
  await page.getByRole('button', { name: 'Leave' }).waitFor({ state: 'detached' });
  await page.evaluate(() => window.openMicrophone());
  await page.waitForFunction(() => window.opened.length === 1 && window.opened[0].readyState === 'ended');
  await context.close();
});
