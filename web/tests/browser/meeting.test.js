/** In the meeting: the overlay on its frame, sources, requests obeyed, floor, losses and ends, with real RTP. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Bench } from '../fake_node/browser.js';
import { HOST_PIN } from '../fake_node/server.js';
import { layoutWithSelfAt, PEOPLE } from '../fake_node/scene.js';

const bench = new Bench();
before(() => bench.start());
after(() => bench.stop());
afterEach(() => assert.deepEqual(bench.faults(), []));

/** @param {(message: any) => boolean} fits */
const state = (fits) => bench.node.message((message) => message.type === 'state' && fits(message));

/** @param {import('playwright-core').Page} page @param {string} name */
const button = (page, name) => page.getByRole('button', { name, exact: true });

const lastTimestamp = (page) => page.evaluate(() => window.__mcu.overlayLog.at(-1).rtpTimestamp);

test('the offer has four lines, named', async () => {
  const { context } = await bench.join();
  const { body, token } = bench.node.requests.find(({ path }) => path === '/session/offer');
  assert.equal(token, 'token-1');
  const lines = body.sdp.split('\r\nm=').slice(1).map((line) => `${line.split(' ')[0]} ${/a=(sendrecv|sendonly|recvonly)/.exec(line)[1]}`);
  assert.deepEqual(lines, ['audio sendrecv', 'video sendrecv', 'video sendrecv', 'audio sendonly']);
  assert.deepEqual(body.lines, { 0: 'main', 1: 'main', 2: 'content', 3: 'content' });
  await context.close();
});

test('a codec can be asked for, in tests', async () => {
  const { context } = await bench.join({ path: '/m/weekly?debug&codec=VP8' });
  const { body } = bench.node.requests.find(({ path }) => path === '/session/offer');
  const names = [...body.sdp.matchAll(/a=rtpmap:\d+ (VP8|VP9|H264|AV1)\//g)].map(([, name]) => name);
  assert.deepEqual([...new Set(names)], ['VP8']);
  await context.close();
});

test('twenty moves of the own tile: on no frame is the overlay elsewhere', async () => {
  const { page, context } = await bench.join({ camera: true });
  const sent = [];
  let timestamp = await lastTimestamp(page);
  for (let move = 0; move < 20; move += 1) {
    timestamp = ((await lastTimestamp(page)) + 18_000) >>> 0;
    const layout = layoutWithSelfAt(move % 2 === 0 ? 5 : 0, timestamp);
    sent.push(layout);
    bench.node.send(layout);
    await page.waitForFunction((due) => window.__mcu.layout?.rtp_timestamp === due, timestamp);
  }
  await page.waitForFunction((due) => ((window.__mcu.overlayLog.at(-1).rtpTimestamp - due) >>> 0) < 0x8000_0000, timestamp + 9_000);
  const log = await page.evaluate(() => window.__mcu.overlayLog);
  const seen = new Set();
  for (const { rtpTimestamp, rect } of log) {
    const layout = sent.findLast(({ rtp_timestamp }) => (rtpTimestamp - rtp_timestamp) >>> 0 < 0x8000_0000);
    const tile = layout?.tiles.find(({ self }) => self);
    const expected = tile === undefined ? null : { x: tile.x, y: tile.y, width: tile.width, height: tile.height };
    assert.deepEqual(rect, expected, `frame ${rtpTimestamp}`);
    seen.add(JSON.stringify(rect));
  }
  assert.equal(seen.size, 3, 'frames before the first layout, and on both places');
  await context.close();
});

test('the overlay lies on its tile at every window size, and goes with the camera', async () => {
  const { page, context } = await bench.join({ camera: true });
  bench.node.send(layoutWithSelfAt(5, await lastTimestamp(page)));
  const overlay = page.locator('.own-tile');
  await overlay.waitFor();
  for (const viewport of [{ width: 1600, height: 500 }, { width: 420, height: 900 }, { width: 1280, height: 800 }]) {
    await page.setViewportSize(viewport);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    const picture = await page.locator('.pane-mix .picture').boundingBox();
    const scale = Math.min(picture.width / 1280, picture.height / 720);
    const { x, y, width, height } = layoutWithSelfAt(5, 0).tiles[5];
    const expected = {
      x: picture.x + (picture.width - 1280 * scale) / 2 + x * scale,
      y: picture.y + (picture.height - 720 * scale) / 2 + y * scale,
      width: width * scale,
      height: height * scale,
    };
    const found = await overlay.boundingBox();
    for (const side of Object.keys(expected)) {
      assert.ok(Math.abs(found[side] - expected[side]) < 1, `${side} at ${viewport.width}: ${found[side]}, not ${expected[side]}`);
    }
  }
  await button(page, 'Camera').click();
  await overlay.waitFor({ state: 'hidden' });
  await state(({ camera }) => camera === false);
  await context.close();
});

test('a browser without RTP timestamps takes its promise back', async () => {
  const blind = () => {
    const original = HTMLVideoElement.prototype.requestVideoFrameCallback;
    HTMLVideoElement.prototype.requestVideoFrameCallback = function request(callback) {
      return original.call(this, (now, { rtpTimestamp: _none, ...rest }) => callback(now, rest));
    };
  };
  const { page, context } = await bench.join({ path: '/m/weekly', camera: true, init: blind });
  await state(({ overlay }) => overlay === true);
  await state(({ overlay }) => overlay === false);
  assert.ok(await page.locator('.own-tile').isHidden());
  await context.close();
});

test('the node is obeyed: smaller, then paused, then back', async () => {
  const { page, context, media } = await bench.join({ camera: true, path: '/m/weekly?debug&codec=VP8' });
  const parameters = () => page.evaluate(() => window.__mcu.pc.getTransceivers()[1].sender.getParameters().encodings[0]);
  const height = async () => (await media.inbound()).find(({ kind, mid }) => kind === 'video' && mid === '1')?.frameHeight;
  bench.node.send({ type: 'video_request', kind: 'main', height: 180, fps: 15, kbps: 200, paused: false });
  for (;;) if ((await height()) === 180) break;
  const small = await parameters();
  assert.equal(small.scaleResolutionDownBy, 4);
  assert.equal(small.maxBitrate, 200_000);
  assert.equal(small.maxFramerate, 15);
  bench.node.send({ type: 'video_request', kind: 'main', height: 180, fps: 15, kbps: 200, paused: true });
  await page.waitForFunction(() => !window.__mcu.pc.getTransceivers()[1].sender.getParameters().encodings[0].active);
  bench.node.send({ type: 'video_request', kind: 'main', height: 360, fps: 30, kbps: 800, paused: false });
  for (;;) if ((await height()) === 360) break;
  assert.equal((await parameters()).active, true);
  await context.close();
});

test('mute, hold space to talk, and the host’s mute', async () => {
  const { page, context } = await bench.join({ microphone: true });
  const mute = button(page, 'Mute');
  const sending = () => page.evaluate(() => window.__mcu.pc.getSenders()[0].track.enabled);
  await state(({ muted }) => muted === false);
  assert.equal(await mute.getAttribute('aria-pressed'), 'false');
  assert.equal(await sending(), true);
  await mute.click();
  await state(({ muted }) => muted === true);
  assert.equal(await mute.getAttribute('aria-pressed'), 'true');
  assert.equal(await sending(), false);
  bench.node.forget();
  await page.keyboard.down(' ');
  await state(({ muted }) => muted === false);
  assert.equal(await sending(), true);
  await page.getByText('Microphone is on while you hold space').waitFor();
  await page.keyboard.up(' ');
  await page.waitForFunction(() => !window.__mcu.pc.getSenders()[0].track.enabled);
  await page.keyboard.press('m');
  assert.equal(await sending(), true);
  bench.node.send({ type: 'muted', by: 'host' });
  await page.locator('.toast', { hasText: 'The host has muted you.' }).waitFor();
  assert.equal(await sending(), false);
  await context.close();
});

test('who speaks while muted is told so', async () => {
  const { page, context } = await bench.join({
    microphone: true,
    init: () => {
      // A voice that does not pause, in place of the fake microphone's short beeps.
      navigator.mediaDevices.getUserMedia = async () => {
        const audio = new AudioContext();
        const voice = audio.createOscillator();
        const place = audio.createMediaStreamDestination();
        voice.connect(place);
        voice.start();
        return place.stream;
      };
    },
  });
  const hint = page.getByText('You are muted. Press M');
  await page.waitForFunction(() => window.__mcu.pc.getSenders()[0].track.enabled);
  assert.equal(await hint.count(), 0, 'speaking aloud is no news');
  await button(page, 'Mute').click();
  await hint.waitFor();
  await bench.accessible(page, 'muted hint');
  await bench.picture(page, 'muted-hint');
  await context.close();
});

test('the arrangement that somebody else sets is shown', async () => {
  const { page, context } = await bench.join();
  bench.node.send({ type: 'roster', participants: [{ id: 1, name: 'Ada Lovelace', role: 'guest', via: 'browser', layout: 'grid' }] });
  await page.keyboard.press('l');
  await page.getByRole('menuitemradio', { name: 'Grid', checked: true }).waitFor();
  await context.close();
});

test('sharing a screen, until somebody else holds the floor', async () => {
  const { page, context } = await bench.join();
  await button(page, 'Share screen').click();
  await state(({ sharing }) => sharing === true);
  await page.getByText('You are sharing your screen').waitFor();
  const line = () => page.evaluate(() => window.__mcu.pc.getSenders()[2].track?.contentHint ?? null);
  assert.equal(await line(), 'detail');
  bench.node.send({ type: 'floor', holder: 1 });
  bench.node.send({ type: 'floor', holder: 11 });
  await page.locator('.toast', { hasText: 'Alan Turing is sharing now' }).waitFor();
  await page.waitForFunction(() => window.__mcu.pc.getSenders()[2].track === null);
  await page.getByText('Alan Turing is sharing', { exact: true }).waitFor();
  await button(page, 'Side by side').click();
  await page.locator('.stage-beside').waitFor();
  await context.close();
});

test('the layout is asked for, from the menu by keys', async () => {
  const { page, context } = await bench.join();
  await page.keyboard.press('l');
  await page.locator('[role=menuitemradio]:focus').waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await state(({ layout }) => layout === 'speaker');
  assert.equal(await page.evaluate(() => document.activeElement.innerText.trim()), 'Layout');
  await context.close();
});

test('people come, go and are muted; a host may mute and remove', async () => {
  const { page, context } = await bench.join({ pin: HOST_PIN });
  await button(page, 'People').click();
  await page.getByRole('button', { name: 'Mute Grace Hopper' }).click();
  await page.getByRole('button', { name: 'Remove Alan Turing' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const paths = bench.node.requests.map(({ path }) => path);
  assert.ok(paths.includes('/rooms/weekly/participants/10/mute'));
  assert.ok(paths.includes('/rooms/weekly/participants/11/disconnect'));
  bench.node.roster([...PEOPLE.slice(1), { id: 19, name: 'Barbara Liskov' }]);
  await page.locator('.toast', { hasText: 'Barbara Liskov joined' }).waitFor();
  await page.locator('.toast', { hasText: 'Grace Hopper left' }).waitFor();
  await context.close();
});

test('whose media go in the clear is named, by the badge and at the person, until they no longer do', async () => {
  const { page, context } = await bench.join();
  const badge = page.locator('.privacy');
  await badge.filter({ hasText: 'not end-to-end encrypted' }).waitFor();
  await button(page, 'People').click();
  const phone = (secured) => ({ id: 20, name: 'Phone 7', via: 'sip', camera: false, secured });
  const row = page.getByRole('listitem').filter({ hasText: 'Phone 7' });
  const mark = row.getByText('Not encrypted on the way', { exact: true });
  bench.node.roster([...PEOPLE, phone(null)]);
  await row.waitFor();
  assert.equal(await mark.count(), 0, 'nothing is claimed of a call that has no media yet');
  bench.node.send({ type: 'access', access: 'in-the-clear' });
  await badge.filter({ hasText: 'on the way to somebody' }).waitFor();
  bench.node.roster([...PEOPLE, phone(false)]);
  await badge.filter({ hasText: 'Not encrypted on the way to: Phone 7.' }).waitFor();
  await page.locator('.toast-warning', { hasText: 'Not encrypted on the way to: Phone 7' }).waitFor();
  assert.equal(await mark.count(), 1);
  assert.equal(await page.getByText('Not encrypted on the way', { exact: true }).count(), 1, 'the control: nobody else is marked');
  await badge.click();
  await page.getByRole('dialog').getByText('Whoever is on that way can hear and see everything').waitFor();
  await bench.accessible(page, 'in the clear');
  await page.keyboard.press('Escape');
  bench.node.send({ type: 'access', access: 'node-decrypted' });
  bench.node.roster([...PEOPLE, phone(true)]);
  await page.locator('.toast', { hasText: 'Encrypted again on the way to: Phone 7' }).waitFor();
  await mark.waitFor({ state: 'detached' });
  await badge.filter({ hasText: 'not end-to-end encrypted' }).waitFor();
  await context.close();
});

test('a host locks the meeting, opens it and mutes all guests, by keys; everybody sees the lock', async () => {
  const { page, context } = await bench.join({ pin: HOST_PIN });
  await page.keyboard.press('p');
  const asked = (path) => bench.node.requests.filter((request) => request.path === `/rooms/weekly/${path}` && request.token === 'token-1').length;
  const mark = page.locator('.locked', { hasText: 'Locked' });
  await button(page, 'Lock meeting').press('Enter');
  assert.equal(await mark.count(), 0, 'nothing is shown before the node has said so');
  bench.node.send({ type: 'locked', locked: true });
  await mark.waitFor();
  await page.locator('.toast', { hasText: 'The meeting is locked' }).waitFor();
  await bench.accessible(page, 'locked');
  await bench.picture(page, 'locked');
  await button(page, 'Unlock meeting').press('Enter');
  bench.node.send({ type: 'locked', locked: false });
  await mark.waitFor({ state: 'detached' });
  await button(page, 'Mute guests').press('Enter');
  await button(page, 'Lock meeting').waitFor();
  assert.deepEqual(['lock', 'unlock', 'mute-all'].map(asked), [1, 1, 1]);
  await context.close();

  const guest = await bench.join();
  await guest.page.keyboard.press('p');
  await guest.page.getByRole('heading', { name: 'People (6)' }).waitFor();
  assert.equal(await button(guest.page, 'Lock meeting').count(), 0);
  assert.equal(await button(guest.page, 'Mute guests').count(), 0);
  bench.node.send({ type: 'locked', locked: true });
  await guest.page.locator('.locked').waitFor();
  await guest.context.close();
});

test('whoever waits for the host is told so, and that it has come', async () => {
  const { page, context } = await bench.join();
  const mark = page.locator('.host-awaited', { hasText: 'Waiting for the host' });
  assert.equal(await mark.count(), 0);
  bench.node.send({ type: 'waiting', waiting: true });
  await mark.waitFor();
  await page.locator('.toast', { hasText: 'The meeting begins when its host comes' }).waitFor();
  await bench.accessible(page, 'waiting');
  await bench.picture(page, 'waiting');
  bench.node.send({ type: 'waiting', waiting: false });
  await mark.waitFor({ state: 'detached' });
  await page.locator('.toast', { hasText: 'the meeting has begun' }).waitFor();
  await context.close();
});

test('a lost socket is reopened with a new token', async () => {
  const { page, context } = await bench.join();
  bench.node.forget();
  bench.node.dropSockets();
  await state(() => true);
  assert.ok(bench.node.requests.some(({ path }) => path === '/session/refresh'));
  assert.ok(!bench.node.requests.some(({ path }) => path === '/session/offer'), 'the media connection stayed');
  await page.getByText('Connection lost').first().waitFor({ state: 'detached' });
  await context.close();
});

test('lost media are offered anew on the same session', async () => {
  const { page, context } = await bench.join();
  bench.node.forget();
  await page.evaluate(() => {
    const { pc } = window.__mcu;
    Object.defineProperty(pc, 'connectionState', { value: 'failed' });
    pc.onconnectionstatechange();
  });
  await state(() => true);
  const paths = bench.node.requests.map(({ path }) => path);
  assert.ok(paths.includes('/session/refresh') && paths.includes('/session/offer'));
  assert.ok(!paths.includes('/rooms/weekly/join'));
  await page.waitForFunction(() => window.__mcu.pc.connectionState === 'connected');
  await context.close();
});

test('while the server is away there is a countdown, and "Try now" cuts it short', async () => {
  const { page, context } = await bench.join();
  bench.node.refuse.set('refresh', { status: 503, code: 'draining', retryAfterS: 500 });
  bench.node.dropSockets();
  await page.getByText(/Next attempt in (500|499) seconds/).waitFor();
  bench.node.refuse.clear();
  await button(page, 'Try now').click();
  await page.getByText('Connection lost').first().waitFor({ state: 'detached' });
  await context.close();
});

test('a session that is gone asks to join again', async () => {
  const { page, context } = await bench.join();
  bench.node.refuse.set('refresh', { status: 401, code: 'unauthorized' });
  bench.node.dropSockets();
  await page.getByRole('heading', { name: 'Your place in the meeting has expired' }).waitFor();
  await button(page, 'Join again').click();
  assert.equal(await page.getByLabel('Your name').inputValue(), 'Ada Lovelace');
  assert.equal(await page.getByLabel('PIN').inputValue(), '');
  await context.close();
});

const ENDS = [
  [{ reason: 'disconnected' }, 'You were removed from the meeting'],
  [{ reason: 'room-deleted' }, 'This meeting has ended'],
  [{ reason: 'replaced' }, 'You joined from another place'],
  [{ reason: 'draining', retry_after_s: 20 }, 'The server is restarting'],
];

test('the node’s word for the end is shown', async () => {
  for (const [closing, title] of ENDS) {
    const { page, context } = await bench.join({ camera: true });
    bench.node.send({ type: 'closing', ...closing });
    await page.getByRole('heading', { name: title }).waitFor();
    await context.close();
  }
});

test('leaving tells the node and closes the devices; so does closing the page', async () => {
  const first = await bench.join({ camera: true });
  await button(first.page, 'Leave').click();
  await first.page.getByRole('heading', { name: 'You have left the meeting' }).waitFor();
  const left = () => bench.node.requests.some(({ method, path }) => method === 'DELETE' && path === '/session');
  assert.ok(left());
  await first.context.close();

  const second = await bench.join();
  assert.ok(!left(), 'a fresh meeting');
  await second.page.goto('about:blank');
  for (let looks = 0; looks < 200 && !left(); looks += 1) await new Promise(setImmediate);
  assert.ok(left());
  await second.context.close();
});

test('blocked sound asks for one click', async () => {
  const { page, context } = await bench.join({
    init: () => {
      const original = HTMLAudioElement.prototype.play;
      let blocked = true;
      HTMLAudioElement.prototype.play = function play() {
        if (!blocked) return original.call(this);
        blocked = false;
        return Promise.reject(new DOMException('', 'NotAllowedError'));
      };
    },
  });
  const hear = button(page, 'Click to hear');
  await hear.waitFor();
  await bench.accessible(page, 'sound blocked');
  await bench.picture(page, 'sound-blocked');
  await hear.click();
  await hear.waitFor({ state: 'detached' });
  await context.close();
});
