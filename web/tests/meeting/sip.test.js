/** A browser, two room systems and a telephone in one meeting, each by a way of its own: everybody is seen and heard by everybody, as each of them says itself. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { call, tone } from './baresip.js';
import { sendersIn } from './eyes.js';
import { api, freePort, roster, startNode, until } from './node.js';
import { Person } from './person.js';

const OUTPUT = fileURLToPath(new URL('../output', import.meta.url));
const [ADA, ROOM, BOOTH, PHONE] = [2, 20, 5, 11];
const EVERYBODY = [ADA, ROOM, BOOTH, PHONE];
/** Where tiles of 640x360 may lie in a picture of 1280x720: none of them can be taken for another. */
const PLACES = [0, 360].flatMap((y) => [0, 320, 640].map((x) => ({ x, y, width: 640, height: 360 })));

let node;
let ada;
let port;
const clients = new Map();

before(async () => {
  port = await freePort();
  node = await startNode([], `[sip]\ntls_port = ${port}\ndangerous_unverified_peers = true\nrtp_ports = [42000, 42999]\n`);
});

after(async () => {
  await Promise.all([...clients.values()].map((client) => client.stop()));
  await ada?.goAway();
  await node?.stop();
});

/** A real baresip that calls the meeting, and is in it. */
async function comes(sender, name, ways) {
  const uri = `sip:demo.${node.announced.guest_pin}@127.0.0.1:${port};transport=tls`;
  const before = (await roster(node)).length;
  clients.set(sender, await call({ dir: node.dir, sender, name, uri, ...ways }));
  await until(`${name} is there`, async () => (await roster(node)).length === before + 1);
}

/** Who can be read in what a room system is shown, by sender; the picture is kept for people to look at. */
async function seenBy(client, keptAs) {
  const shown = await client.picture();
  await writeFile(join(OUTPUT, keptAs), shown);
  const read = await sendersIn(ada.page, shown, PLACES);
  return read.filter((sender) => sender !== null).sort((one, other) => one - other);
}

test('everybody sees and hears everybody, and nobody themselves', { timeout: 900_000 }, async (t) => {
  ada = await Person.arrive(node, { sender: ADA, name: 'Ada' });
  await ada.join(node.announced.host_pin);
  await comes(ROOM, 'Room 1', { audio: 'opus/48000/2', video: 'h264', media: 'srtp-mand' });
  await comes(BOOTH, 'Booth', { audio: 'opus/48000/2', video: 'vp8', media: 'dtls_srtp', nat: 'ice' });
  await comes(PHONE, 'Phone', { audio: 'pcma', media: 'srtp-mand' });
  assert.ok((await roster(node)).every(({ secured }) => secured), 'nobody is in the clear');

  for (const sender of EVERYBODY) {
    const others = EVERYBODY.filter((other) => other !== sender);
    if (sender === ADA) {
      await until('Ada hears the others', async () => (await ada.hears(others.map(tone), 3)).every((level) => level > -60));
      continue;
    }
    const client = clients.get(sender);
    for (const other of others) await until(`${sender} hears ${other}`, () => client.hears(other));
    assert.ok(!(await client.hears(sender)), `${sender} does not hear itself`);
  }
  await until('Ada sees the rooms', async () => {
    const others = await ada.others();
    return [ROOM, BOOTH].every((sender) => others.has(sender));
  });
  await ada.page.screenshot({ path: join(OUTPUT, 'meeting-sip.png') });
  // Without oneself, and with the initials of the telephone, which no code is in.
  assert.deepEqual(await seenBy(clients.get(ROOM), 'meeting-sip-room.png'), [ADA, BOOTH]);
  assert.deepEqual(await seenBy(clients.get(BOOTH), 'meeting-sip-booth.png'), [ADA, ROOM]);

  await t.test('who hangs up is gone, and who is sent away is told', async () => {
    await clients.get(PHONE).tell('hangup');
    await until('three are there', async () => (await roster(node)).length === 3);
    const { id } = (await roster(node)).find(({ name }) => name === 'Room 1');
    const { admin_token: token } = node.announced;
    assert.equal((await api(node, 'POST', `/rooms/demo/participants/${id}/disconnect`, { token })).status, 204);
    await until('the room was told', () => /terminated|closed|BYE/i.test(clients.get(ROOM).log()));
    assert.deepEqual((await roster(node)).map(({ name }) => name), ['Ada', 'Booth']);
  });
});
