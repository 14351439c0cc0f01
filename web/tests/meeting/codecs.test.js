/** Browsers that speak different codecs meet: the node transcodes for each. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startNode, until } from './node.js';
import { Person } from './person.js';

let node;
const people = [];

before(async () => {
  node = await startNode();
});

after(async () => {
  for (const person of people) await person.goAway();
  await node?.stop();
});

test('a VP8-only and an H.264-only browser see each other', { timeout: 600_000 }, async (t) => {
  const vp8 = await Person.arrive(node, { sender: 2, name: 'Vera', query: '&codec=VP8' });
  people.push(vp8);
  await vp8.join(node.announced.host_pin);
  const h264 = await Person.arrive(node, { sender: 8, name: 'Hank', query: '&codec=H264' });
  people.push(h264);
  await h264.join(node.announced.guest_pin);
  await until('Vera sees Hank', async () => (await vp8.others()).has(8));
  await until('Hank sees Vera', async () => (await h264.others()).has(2));
  for (const person of people) {
    const codec = await person.page.evaluate(async () => {
      const stats = [...(await window.__mcu.pc.getStats()).values()];
      const inbound = stats.find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'video' && entry.framesDecoded > 0);
      return stats.find((entry) => entry.id === inbound.codecId).mimeType;
    });
    t.diagnostic(`${person.name} receives ${codec}`);
    assert.equal(codec, person === vp8 ? 'video/VP8' : 'video/H264');
    assert.deepEqual(person.faults(), []);
  }
});
