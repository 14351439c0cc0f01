/** Sharing a screen, the echo test, and a sender whose codec the node only decodes. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { api, startNode, until } from './node.js';
import { Person } from './person.js';

let node;
let people = [];

before(async () => {
  node = await startNode();
});

afterEach(async () => {
  for (const person of people) await person.goAway();
  people = [];
});

after(async () => {
  await node?.stop();
});

async function arrive(who, pin) {
  const person = await Person.arrive(node, who);
  people.push(person);
  await person.join(pin);
  return person;
}

/** Pictures decoded on each received video line, and their rows. */
function decoded(person) {
  return person.page.evaluate(async () => {
    const stats = [...(await window.__mcu.pc.getStats()).values()];
    const lines = stats.filter((entry) => entry.type === 'inbound-rtp' && entry.kind === 'video');
    return lines.map(({ framesDecoded, frameHeight }) => ({ framesDecoded, frameHeight }));
  });
}

test('a shared screen arrives as a second picture, and its end is seen', { timeout: 600_000 }, async () => {
  const ada = await arrive({ sender: 2, name: 'Ada' }, node.announced.host_pin);
  const grace = await arrive({ sender: 8, name: 'Grace' }, node.announced.guest_pin);
  await until('Grace sees Ada', async () => (await grace.others()).has(2));
  await ada.page.getByRole('button', { name: 'Share screen' }).click();
  const sharing = async () => {
    const { body } = await api(node, 'GET', '/rooms/demo/participants', { token: node.announced.admin_token });
    return body.participants.find(({ name }) => name === 'Ada').sharing;
  };
  await until('the node says that Ada shares', sharing);
  await until('Grace decodes a second picture', async () => {
    const lines = await decoded(grace);
    return lines.length === 2 && lines.every(({ framesDecoded }) => framesDecoded > 5);
  });
  const rows = (await decoded(grace)).map(({ frameHeight }) => frameHeight);
  assert.ok(rows.includes(1080), `text stays sharp: ${rows}`);
  await grace.page.screenshot({ path: fileURLToPath(new URL('../output/meeting-share.png', import.meta.url)) });
  assert.ok((await grace.others()).has(2), 'people are still there');
  await ada.page.getByRole('button', { name: 'Share screen' }).click();
  await until('the floor is free again', async () => !(await sharing()));
});

test('a VP9 sender is seen', { timeout: 600_000 }, async () => {
  await arrive({ sender: 2, name: 'Vivian', query: '&codec=VP9' }, node.announced.host_pin);
  const grace = await arrive({ sender: 8, name: 'Grace' }, node.announced.guest_pin);
  await until('Grace sees Vivian', async () => (await grace.others()).has(2));
});

test('the echo test shows and plays oneself', { timeout: 600_000 }, async () => {
  const echo = { ...node, announced: { ...node.announced, join_url: node.announced.join_url.replace(/[^/]+$/, 'echo') } };
  const ada = await Person.arrive(echo, { sender: 2, name: 'Ada' });
  people.push(ada);
  await ada.join(undefined);
  await until('Ada hears herself', async () => (await ada.hears([760], 3))[0] > -60);
});
