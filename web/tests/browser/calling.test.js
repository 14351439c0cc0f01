/** A host has somebody called and transferred from the list of people: by keys, in words, and only where the node calls. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Bench } from '../fake_node/browser.js';
import { HOST_PIN } from '../fake_node/server.js';
import { PEOPLE } from '../fake_node/scene.js';

const bench = new Bench();
before(() => bench.start());
after(() => bench.stop());
afterEach(() => assert.deepEqual(bench.faults(), []));

const TO = 'sip:+493012345@trunk.example.org';
const NAME = 'Ada’s desk';
const told = (...calls) => bench.node.send({ type: 'calls', domains: ['trunk.example.org'], prefixes: ['+49', '+31'], calls });
const call = (id, state, more = {}) => ({ id, to: TO, name: NAME, state, ...more });
const asked = (method, path) => bench.node.requests.filter((request) => request.method === method && request.path === `/rooms/weekly/${path}`);

/** @param {import('playwright-core').Page} page @param {string} name */
const button = (page, name) => page.getByRole('button', { name, exact: true });
const focused = (page) => page.evaluate(() => document.activeElement.ariaLabel ?? document.activeElement.innerText.trim());
const status = (page, text) => page.locator('[role=status]', { hasText: text }).waitFor();

/** A host with the list of people open, on a node that calls. */
async function hosting(options = {}) {
  const opened = await bench.join({ pin: HOST_PIN, ...options });
  await opened.page.keyboard.press('p');
  await opened.page.getByRole('heading', { name: 'People (6)' }).waitFor();
  told();
  await button(opened.page, 'Call somebody').waitFor();
  return opened;
}

test('nobody is offered to call but a host, and only where the node says that it calls', async () => {
  const guest = await bench.join();
  await guest.page.keyboard.press('p');
  await guest.page.getByRole('heading', { name: 'People (6)' }).waitFor();
  told(call(1, 'ringing'));
  bench.node.send({ type: 'locked', locked: true });
  await guest.page.locator('.locked').waitFor();
  assert.equal(await button(guest.page, 'Call somebody').count(), 0);
  assert.equal(await guest.page.getByText(NAME).count(), 0);
  await guest.context.close();

  const host = await bench.join({ pin: HOST_PIN });
  await host.page.keyboard.press('p');
  await button(host.page, 'Lock meeting').waitFor();
  assert.equal(await button(host.page, 'Call somebody').count(), 0, 'the node has not said so');
  told();
  await button(host.page, 'Call somebody').waitFor();
  await host.context.close();
});

test('somebody is called by keys, rings, and is called off', async () => {
  const { page, context } = await hosting();
  await button(page, 'Call somebody').press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Call somebody' });
  await dialog.waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.name), 'to', 'the focus is in the form');
  await dialog.getByText('You can call numbers that begin with +49 or +31').waitFor();
  await page.keyboard.type('+49 30 12345');
  await dialog.getByText('Dials +493012345@trunk.example.org').waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.type(NAME);
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type('20');
  await page.keyboard.press('Tab');
  await page.keyboard.type('123#');
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached' });
  assert.deepEqual(asked('POST', 'calls').map(({ body, token }) => ({ body, token })), [
    { body: { to: TO, name: NAME, role: 'host', ring_s: 20, dtmf: '123#' }, token: 'token-1' },
  ]);
  assert.equal(await focused(page), 'Call somebody', 'the focus is back');

  const list = page.getByRole('list', { name: 'Calls' });
  assert.equal(await list.count(), 0, 'nothing is shown before the node has said so');
  told(call(1, 'calling'));
  await list.getByText('Calling…').waitFor();
  await status(page, `${NAME}: Calling…`);
  told(call(1, 'ringing'));
  await list.getByText('Ringing…').waitFor();
  await list.getByText('+493012345').waitFor();
  await status(page, `${NAME}: Ringing…`);
  await button(page, `Cancel the call to ${NAME}`).press('Enter');
  while (asked('DELETE', 'calls/1').length === 0) await page.evaluate(() => true);
  told(call(1, 'failed', { reason: 'cancelled' }));
  await list.waitFor({ state: 'detached' });
  await status(page, `${NAME}: The call was cancelled.`);
  assert.equal(await focused(page), 'Call somebody', 'the focus is not lost with the row');
  assert.equal(await page.locator('.toast-warning').count(), 0, 'what was wanted is no trouble');
  await context.close();
});

test('who answers goes over to the people; a failure says what to do, until it is read or called again', async () => {
  const { page, context } = await hosting();
  const list = page.getByRole('list', { name: 'Calls' });
  const room = 'sip:room@trunk.example.org';
  told(call(1, 'ringing'), call(2, 'ringing', { to: room, name: 'Room' }));
  await list.getByText('Ringing…').nth(1).waitFor();
  told(call(1, 'failed', { reason: 'busy', status: 486 }), call(2, 'answered', { to: room, name: 'Room', participant_id: 20 }));
  bench.node.roster([...PEOPLE, { id: 20, name: 'Room', via: 'sip', camera: false }]);
  await page.locator('.toast-warning', { hasText: `${NAME}: Busy. Try again in a while.` }).waitFor();
  await page.locator('.toast', { hasText: 'Room joined' }).waitFor();
  assert.equal(await list.getByRole('listitem').count(), 1);
  await button(page, `Call ${NAME} again`).press('Enter');
  const dialog = page.getByRole('dialog');
  assert.equal(await dialog.getByLabel('Number or address').inputValue(), '+493012345@trunk.example.org');
  assert.equal(await dialog.getByLabel('Name to show').inputValue(), NAME);
  await button(page, 'Call').press('Enter');
  told(call(1, 'failed', { reason: 'busy', status: 486 }), call(3, 'calling'));
  await dialog.waitFor({ state: 'detached' });
  await list.getByText('Calling…').waitFor();
  assert.equal(await list.getByRole('listitem').count(), 1, 'the former failure is made good');
  assert.equal(await focused(page), 'Call somebody');
  told(call(3, 'failed', { reason: 'not-found', status: 404 }));
  await list.getByText('No such number or address. Check it.').waitFor();
  await button(page, `Dismiss the call to ${NAME}`).press('Enter');
  await list.waitFor({ state: 'detached' });
  assert.equal(await focused(page), 'Call somebody');
  await context.close();
});

test('what cannot be called is told in words, at the field; Escape closes and the focus goes back', async () => {
  const { page, context } = await hosting();
  await button(page, 'Call somebody').press('Enter');
  const dialog = page.getByRole('dialog');
  const to = dialog.getByLabel('Number or address');
  const alert = dialog.getByRole('alert');
  const go = button(page, 'Call');
  const says = async (text, field) => {
    await alert.getByText(text).waitFor();
    if (field) assert.equal(await page.evaluate(() => document.activeElement.name), field);
    assert.equal(await dialog.locator('[aria-invalid=true]').count(), field ? 1 : 0);
  };
  await to.press('Enter');
  await says('That is not a number or address.', 'to');
  await bench.accessible(page, 'a call that cannot be');
  assert.equal(asked('POST', 'calls').length, 0, 'nothing was asked');
  await to.fill('+4930');
  await dialog.getByText('Ringing time and keys').click();
  await dialog.getByLabel('Let it ring for').fill('3');
  await dialog.getByText('Ringing time and keys').click();
  await go.click();
  await says('It can ring for 5 to 120 seconds.', 'ring_s');
  await dialog.getByLabel('Let it ring for').fill('45');
  bench.node.refuse.set('calls', { status: 403, code: 'call-refused', detail: 'that number may not be called' });
  await go.click();
  await says('its operator allows other numbers and addresses', 'to');
  await dialog.getByText('You can call numbers that begin with').waitFor();
  bench.node.refuse.set('calls', { status: 429, code: 'call-refused', retryAfterS: 20 });
  await go.click();
  await says('Too many calls for now. Try again in 20 seconds.');
  bench.node.refuse.set('calls', { status: 400, code: 'bad-request', detail: 'name: has to be shorter' });
  await go.click();
  await says('That name cannot be shown.', 'name');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.equal(await focused(page), 'Call somebody');
  await page.getByRole('heading', { name: 'People (6)' }).waitFor();
  await context.close();
});

test('the device of somebody who called is transferred', async () => {
  const { page, context } = await hosting();
  bench.node.roster([...PEOPLE, { id: 20, name: 'Phone 7', via: 'sip', camera: false }]);
  await button(page, 'Transfer Phone 7').waitFor();
  assert.equal(await page.getByRole('button', { name: /^Transfer/ }).count(), 1, 'the control: only who is in by SIP');
  await button(page, 'Transfer Phone 7').press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Transfer Phone 7' });
  await dialog.getByLabel('Number or address').fill('+49 30 12345');
  bench.node.refuse.set('transfer', { status: 404, code: 'not-found' });
  await page.keyboard.press('Enter');
  await dialog.getByText('That device is not in a call any more.').waitFor();
  bench.node.refuse.clear();
  await button(page, 'Transfer').press('Enter');
  await dialog.waitFor({ state: 'detached' });
  assert.deepEqual(asked('POST', 'participants/20/transfer').at(-1).body, { to: TO });
  assert.equal(await focused(page), 'Transfer Phone 7');
  const moving = { id: 4, to: TO, transfers: 20 };
  told({ ...moving, state: 'calling' });
  const list = page.getByRole('list', { name: 'Calls' });
  await list.getByText('Phone 7 to +493012345').waitFor();
  await list.getByText('Transferring…').waitFor();
  assert.equal(await list.getByRole('button').count(), 0, 'it cannot be called off');
  told({ ...moving, state: 'transferred' });
  bench.node.roster(PEOPLE);
  await page.locator('.toast', { hasText: '+493012345: Transferred' }).waitFor();
  await list.waitFor({ state: 'detached' });
  await context.close();
});

const PHONE = { viewport: { width: 320, height: 640 } };
const LOOKS = { light: {}, dark: { colorScheme: 'dark' }, phone: PHONE, 'phone-dark': { ...PHONE, colorScheme: 'dark' } };

for (const [look, options] of Object.entries(LOOKS)) {
  test(`calls, ${look}`, async () => {
    const { page, context } = await hosting({ reducedMotion: 'reduce', ...options });
    const inspect = async (state) => {
      await bench.accessible(page, state);
      const wide = await page.evaluate(() =>
        [...document.querySelectorAll('html, .dialog-panel, .people, .call-list, .people-list')].filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.className));
      assert.deepEqual(wide, [], `nothing scrolls sideways in state "${state}"`);
      await bench.picture(page, state);
    };
    bench.node.roster([{ id: 20, name: 'Meeting room on the fourth floor', via: 'sip', secured: false, sharing: true }, ...PEOPLE]);
    await page.getByRole('heading', { name: 'People (7)' }).waitFor();
    told(
      call(1, 'ringing'),
      call(2, 'failed', { to: 'sip:meeting-room-on-the-fifth-floor@trunk.example.org', name: 'Meeting room on the fifth floor', reason: 'no-answer' }),
      { id: 3, to: 'sip:+31201234567@trunk.example.org', transfers: 20, state: 'calling' },
    );
    await page.getByRole('list', { name: 'Calls' }).getByText('Transferring…').waitFor();
    // The toasts of failures would lie over the list on a phone.
    await page.locator('.toast button').first().waitFor();
    while ((await page.locator('.toast button').count()) > 0) await page.evaluate(() => document.querySelector('.toast button')?.click());
    await inspect(`calls-${look}`);
    await button(page, 'Call somebody').click();
    await inspect(`call-form-${look}`);
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Ringing time and keys').click();
    await dialog.getByLabel('Number or address').fill('not an address');
    await button(page, 'Call').click();
    await dialog.getByText('That is not a number').waitFor();
    await inspect(`call-trouble-${look}`);
    await page.keyboard.press('Escape');
    await button(page, 'Transfer Meeting room on the fourth floor').click();
    await inspect(`transfer-form-${look}`);
    await context.close();
  });
}
