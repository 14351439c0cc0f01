/** Every state of the client is accessible, stays on its origin and keeps the policy; its picture lies in output/. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Bench } from '../fake_node/browser.js';
import { HOST_PIN } from '../fake_node/server.js';
import { layoutWithSelfAt, PEOPLE } from '../fake_node/scene.js';

const bench = new Bench();
before(() => bench.start());
after(() => bench.stop());
afterEach(() => assert.deepEqual(bench.faults(), []));

const PHONE = { viewport: { width: 360, height: 740 } };
const LOOKS = { light: {}, dark: { colorScheme: 'dark' }, phone: PHONE, 'phone-dark': { ...PHONE, colorScheme: 'dark' } };

/** @param {import('playwright-core').Page} page @param {string} state */
async function inspect(page, state) {
  await bench.accessible(page, state);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(wide, 0, `nothing scrolls sideways in state "${state}"`);
  await bench.picture(page, state);
}

for (const [look, options] of Object.entries(LOOKS)) {
  // Screens are compared at rest.
  const still = { reducedMotion: 'reduce', ...options };

  test(`before joining, ${look}`, async () => {
    const { page, context } = await bench.open('/m/weekly', still);
    await page.getByRole('button', { name: 'Join', exact: true }).waitFor();
    await inspect(page, `prejoin-${look}`);
    await page.getByRole('button', { name: 'Camera', exact: true }).click();
    await page.getByRole('button', { name: 'Microphone', exact: true }).click();
    await page.waitForFunction(() => document.querySelector('.preview video')?.videoWidth > 0);
    await page.getByText('Devices').click();
    await inspect(page, `prejoin-devices-${look}`);
    await context.close();
  });

  test(`in the call, ${look}`, async () => {
    const { page, context } = await bench.join({ ...still, pin: HOST_PIN, camera: true });
    const now = await page.evaluate(() => window.__mcu.overlayLog.at(-1).rtpTimestamp);
    bench.node.send(layoutWithSelfAt(5, now));
    await page.locator('.own-tile').waitFor();
    bench.node.send({ type: 'stats', receive_kbps: 1450, loss_permille: 1, rtt_ms: 24, class: 'high' });
    await page.locator('.quality-good').waitFor();
    await inspect(page, `call-${look}`);
    await page.keyboard.press('p');
    await page.getByRole('heading', { name: 'People (6)' }).waitFor();
    await inspect(page, `people-${look}`);
    bench.node.send({ type: 'access', access: 'in-the-clear' });
    bench.node.roster([...PEOPLE.slice(1), { id: 20, name: 'Meeting room on the fourth floor', via: 'sip', secured: false }]);
    await page.locator('.mark-warns').waitFor();
    await inspect(page, `in-the-clear-${look}`);
    await page.keyboard.press('p');
    await page.keyboard.press('l');
    await page.getByRole('menu').waitFor();
    await inspect(page, `layout-menu-${look}`);
    await page.keyboard.press('Escape');
    bench.node.send({ type: 'floor', holder: 10 });
    await page.waitForFunction(() => document.querySelector('.pane-content video')?.videoWidth > 0);
    await inspect(page, `content-${look}`);
    await context.close();
  });

  test(`dialogs and trouble, ${look}`, async () => {
    const { page, context } = await bench.join(still);
    await page.keyboard.press('?');
    await page.getByRole('dialog').waitFor();
    await inspect(page, `help-${look}`);
    await page.keyboard.press('Escape');
    const settings = page.getByRole('button', { name: 'Settings' });
    if (!(await settings.isVisible())) await page.getByRole('button', { name: 'More' }).click();
    await page.locator('button:visible, [role=menuitem]:visible', { hasText: 'Settings' }).first().click();
    await page.getByRole('dialog').waitFor();
    await inspect(page, `settings-${look}`);
    await page.keyboard.press('Escape');
    bench.node.send({ type: 'muted', by: 'host' });
    bench.node.refuse.set('refresh', { status: 503, code: 'draining', retryAfterS: 60 });
    bench.node.dropSockets();
    await page.getByText(/Next attempt in/).waitFor();
    await inspect(page, `reconnecting-${look}`);
    await page.getByRole('button', { name: 'Leave' }).click();
    await page.getByRole('heading', { name: 'You have left the meeting' }).waitFor();
    await inspect(page, `left-${look}`);
    await context.close();
  });
}

test('the landing page and the echo test', async () => {
  const landing = await bench.open('/', { reducedMotion: 'reduce' });
  await landing.page.getByLabel('Meeting name').waitFor();
  await inspect(landing.page, 'landing');
  await landing.page.getByRole('link', { name: 'Try the echo test' }).click();
  await landing.page.getByRole('heading', { name: 'Echo test' }).waitFor();
  assert.equal(await landing.page.getByLabel('PIN').count(), 0);
  await inspect(landing.page, 'echo');
  await landing.context.close();
});

test('the checks of these tests can fail', async () => {
  const { page, context } = await bench.open('/m/weekly');
  await page.getByRole('button', { name: 'Join', exact: true }).waitFor();
  await page.evaluate(() => {
    document.querySelector('#app').insertAdjacentHTML('beforeend', '<img src="/favicon.png" style="color:red"><button></button>');
  });
  await page.evaluate(() => fetch('https://example.invalid/').catch(() => {}));
  await page.waitForFunction(() => true);
  await assert.rejects(bench.accessible(page, 'spoiled'), /image-alt|button-name/);
  const faults = bench.faults().join('\n');
  assert.match(faults, /policy: style-src/);
  assert.match(faults, /policy: connect-src/);
  await context.close();
});
