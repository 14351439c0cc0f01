/** Getting in: by keyboard alone, with nothing opened unasked, and with a clear word for everything that goes wrong. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Bench } from '../fake_node/browser.js';
import { GUEST_PIN } from '../fake_node/server.js';

const bench = new Bench();
before(() => bench.start());
after(() => bench.stop());
afterEach(() => assert.deepEqual(bench.faults(), []));

/** @param {import('playwright-core').Page} page @param {string} pin */
async function tryToJoin(page, pin) {
  await page.getByLabel('Your name').fill('Ada Lovelace');
  await page.getByLabel('PIN').fill(pin);
  await page.getByRole('button', { name: 'Join', exact: true }).click();
}

/** Runs in the page before the client: keeps what devices it asks for. */
function watchDevices() {
  window.asked = [];
  const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (constraints) => {
    window.asked.push(Object.keys(constraints).join());
    return original(constraints);
  };
}

test('camera and microphone stay closed until they are chosen, and close again', async () => {
  const { page, context } = await bench.open('/m/weekly', { init: watchDevices });
  const camera = page.getByRole('button', { name: 'Camera', exact: true });
  const microphone = page.getByRole('button', { name: 'Microphone', exact: true });
  await camera.waitFor();
  assert.equal(await camera.getAttribute('aria-pressed'), 'false');
  assert.equal(await microphone.getAttribute('aria-pressed'), 'false');
  assert.deepEqual(await page.evaluate(() => window.asked), []);
  await camera.click();
  await page.waitForFunction(() => document.querySelector('.preview video')?.videoWidth === 1280);
  await microphone.click();
  assert.deepEqual(await page.evaluate(() => window.asked), ['video', 'audio']);
  assert.equal(await camera.getAttribute('aria-pressed'), 'true');
  // The fake microphone beeps: the meter moves.
  await page.waitForFunction(() => Number(document.querySelector('.meter-bar').style.getPropertyValue('--level')) > 0.3);
  const track = await page.evaluateHandle(() => document.querySelector('.preview video').srcObject.getVideoTracks()[0]);
  await camera.click();
  await page.locator('.preview video').waitFor({ state: 'detached' });
  assert.equal(await track.evaluate((own) => own.readyState), 'ended');
  await context.close();
});

test('joining by keyboard alone', async () => {
  const { page, context } = await bench.open('/m/weekly');
  await page.getByRole('button', { name: 'Join', exact: true }).waitFor();
  const focused = () =>
    page.evaluate(() => {
      const { activeElement: element } = document;
      return element.labels?.[0]?.innerText.trim() ?? element.innerText.trim();
    });
  const visited = [];
  for (let presses = 0; presses < 12 && !visited.includes('Join'); presses += 1) {
    await page.keyboard.press('Tab');
    const here = await focused();
    visited.push(here);
    if (here === 'Your name') await page.keyboard.type('Ada Lovelace');
    if (here === 'PIN') await page.keyboard.type(GUEST_PIN);
  }
  assert.deepEqual(visited, ['Skip to the form', 'Microphone', 'Camera', 'Devices', 'Your name', 'PIN', 'Join']);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Leave' }).waitFor();
  const heading = await page.evaluate(() => document.activeElement.textContent);
  assert.equal(heading, 'Weekly planning', 'the focus goes to the meeting');
  const { body } = bench.node.requests.find(({ path }) => path === '/rooms/weekly/join');
  assert.deepEqual(body, { display_name: 'Ada Lovelace', pin: GUEST_PIN, overlay: true });
  await context.close();
});

test('the name is remembered, the PIN nowhere', async () => {
  const { page, context } = await bench.open('/m/weekly?pin=999999#pin=888888');
  assert.equal(await page.getByLabel('PIN').inputValue(), '', 'a PIN in an address is not taken');
  await tryToJoin(page, '111222');
  await page.getByText('That PIN does not open this meeting').waitFor();
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.match(stored, /Ada Lovelace/);
  assert.doesNotMatch(stored, /111222/);
  assert.doesNotMatch(page.url(), /111222/);
  await page.reload();
  assert.equal(await page.getByLabel('Your name').inputValue(), 'Ada Lovelace');
  assert.equal(await page.getByLabel('PIN').inputValue(), '');
  await context.close();
});

test('a wrong PIN brings the focus back to it', async () => {
  const { page, context } = await bench.open('/m/weekly');
  await tryToJoin(page, '000000');
  await page.getByText('That PIN does not open this meeting').waitFor();
  const pin = page.getByLabel('PIN');
  assert.ok(await pin.evaluate((element) => element === document.activeElement));
  assert.equal(await pin.getAttribute('aria-invalid'), 'true');
  await bench.accessible(page, 'wrong PIN');
  await bench.picture(page, 'wrong-pin');
  await context.close();
});

const REFUSALS = [
  [{ status: 503, code: 'room-full' }, /This meeting is full/],
  [{ status: 423, code: 'locked' }, /This meeting is locked/],
  [{ status: 503, code: 'draining' }, /about to restart/],
  [{ status: 500, code: 'something-new' }, /could not let you in/],
  [{ status: 400, code: 'bad-request' }, /did not accept/],
];

for (const [refusal, text] of REFUSALS) {
  test(`the text for ${refusal.code}`, async () => {
    const { page, context } = await bench.open('/m/weekly');
    bench.node.refuse.set('join', refusal);
    await tryToJoin(page, GUEST_PIN);
    await page.getByRole('alert').filter({ hasText: text }).waitFor();
    await context.close();
  });
}

test('too many attempts count down, and then it works', async () => {
  const { page, context } = await bench.open('/m/weekly');
  bench.node.refuse.set('join', { status: 429, code: 'too-many-requests', retryAfterS: 3 });
  await tryToJoin(page, GUEST_PIN);
  await page.locator('.countdown', { hasText: 'in 2 seconds' }).waitFor();
  const join = page.getByRole('button', { name: 'Join', exact: true });
  assert.equal(await join.getAttribute('aria-disabled'), 'true');
  await page.getByText('You can try again now.').waitFor();
  bench.node.refuse.clear();
  await join.click();
  await page.getByRole('button', { name: 'Leave' }).waitFor();
  await context.close();
});

test('an unreachable server is said to be one', async () => {
  const { page, context } = await bench.open('/m/weekly');
  await page.route('**/join', (route) => route.abort());
  await tryToJoin(page, GUEST_PIN);
  await page.getByRole('alert').filter({ hasText: 'cannot be reached' }).waitFor();
  await context.close();
});

const DEVICE_TROUBLES = [
  ['NotAllowedError', /may not use your camera/],
  ['NotFoundError', /No camera was found/],
  ['NotReadableError', /Another program is using your camera/],
];

for (const [name, text] of DEVICE_TROUBLES) {
  test(`the text for a camera that refuses with ${name}`, async () => {
    const { page, context } = await bench.open('/m/weekly');
    await page.evaluate((refusal) => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', refusal));
    }, name);
    const camera = page.getByRole('button', { name: 'Camera', exact: true });
    await camera.click();
    await page.getByRole('alert').filter({ hasText: text }).waitFor();
    assert.equal(await camera.getAttribute('aria-pressed'), 'false');
    if (name === 'NotAllowedError') {
      await bench.accessible(page, 'permission denied');
      await bench.picture(page, 'denied');
    }
    await context.close();
  });
}

test('the echo test needs no PIN', async () => {
  const { page, context } = await bench.join({ path: '/m/echo?debug' });
  const { body } = bench.node.requests.find(({ path }) => path === '/rooms/echo/join');
  assert.equal(body.display_name, 'Ada Lovelace');
  await context.close();
});
