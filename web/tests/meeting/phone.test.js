/** The client on a phone, in a real meeting: upright, narrow, by touch. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { api, bots, startNode, until } from './node.js';
import { Person } from './person.js';

const [ADA, FIRST_BOT, SECOND_BOT] = [2, 14, 20];
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
/** Pixels of a finger's target at least (WCAG 2.2, 2.5.8 asks for 24). */
const TARGET_MIN = 44;

let node;
let ada;

before(async () => {
  node = await startNode();
});

after(async () => {
  await ada?.goAway();
  await node?.stop();
});

/** Runs in the page: what a person can see and reach of it. */
function survey() {
  const box = (element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return { x, y, width, height };
  };
  const root = document.documentElement;
  const buttons = [...document.querySelectorAll('.toolbar button')].filter((button) => button.offsetParent !== null);
  return {
    overflow: [root.scrollWidth - root.clientWidth, root.scrollHeight - root.clientHeight],
    picture: box(document.querySelector('.pane-mix video.picture')),
    own: box(document.querySelector('.own-tile')),
    buttons: buttons.map((button) => ({ name: button.textContent.trim(), ...box(button) })),
  };
}

test('a phone shows the mix, and everything is in reach of a finger', { timeout: 600_000 }, async (t) => {
  const token = node.announced.admin_token;
  const people = async () => (await api(node, 'GET', '/rooms/demo', { token })).body.participants;
  ada = await Person.arrive(node, { sender: ADA, name: 'Ada', screen: PHONE });
  await ada.join(node.announced.host_pin);
  const crew = bots(node, { count: 2, firstSender: FIRST_BOT, flags: ['--size', '180p', '--sender-step', '6'] });
  await until('everybody is in', async () => (await people()) === 3);
  await until('the phone shows both bots', async () => {
    const others = await ada.others();
    return others.has(FIRST_BOT) && others.has(SECOND_BOT);
  });

  const { overflow, picture, own, buttons } = await ada.page.evaluate(survey);
  t.diagnostic(JSON.stringify({ overflow, picture, own, buttons }));
  await ada.page.screenshot({ path: fileURLToPath(new URL('../output/meeting-phone.png', import.meta.url)) });
  const { width, height } = PHONE.viewport;
  assert.deepEqual(overflow, [0, 0], 'nothing scrolls');
  for (const [what, box] of [['the mix', picture], ['the own picture', own], ...buttons.map((one) => [one.name, one])]) {
    assert.ok(box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height, `${what} is on the screen: ${JSON.stringify(box)}`);
  }
  assert.ok(picture.width > 0.9 * width, 'the mix takes the width that there is');
  assert.ok(own.width > 0 && own.height > 0, 'the own picture lies over its tile');
  const names = buttons.map(({ name }) => name);
  for (const name of ['Mute', 'Camera', 'Leave']) assert.ok(names.includes(name), `${name} is among ${names}`);
  for (const { name, ...box } of buttons) assert.ok(Math.min(box.width, box.height) >= TARGET_MIN, `${name}: ${JSON.stringify(box)}`);

  await ada.page.getByRole('button', { name: 'Leave' }).tap();
  await until('Ada has left', async () => (await people()) === 2);
  await crew.leave();
  assert.deepEqual(ada.faults(), []);
});
