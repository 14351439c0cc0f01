/** Real baresips whose keys come of a DTLS handshake, one over a path of ICE with a picture in VP8, one without ICE: each sees and hears the others. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { call, tone } from './baresip.js';
import { sendersIn } from './eyes.js';
import { freePort, roster, startNode, until } from './node.js';
import { Person } from './person.js';

const OUTPUT = fileURLToPath(new URL('../output', import.meta.url));
const [ADA, ROOM, PHONE] = [2, 20, 11];

let node;
let ada;
let room;
let phone;
let stranger;
let port;

before(async () => {
  port = await freePort();
  node = await startNode([], `[sip]\ntls_port = ${port}\ndangerous_unverified_peers = true\nrtp_ports = [44000, 44999]\n`);
});

after(async () => {
  await Promise.all([room?.stop(), phone?.stop(), stranger?.stop()]);
  await ada?.goAway();
  await node?.stop();
});

test('a room system by ICE and DTLS-SRTP, and a telephone by DTLS-SRTP alone', { timeout: 600_000 }, async (t) => {
  const uri = `sip:demo.${node.announced.guest_pin}@127.0.0.1:${port};transport=tls`;
  ada = await Person.arrive(node, { sender: ADA, name: 'Ada' });
  await ada.join(node.announced.host_pin);
  const dir = node.dir;
  room = await call({ dir, sender: ROOM, name: 'Room 1', uri, audio: 'opus/48000/2', video: 'vp8', media: 'dtls_srtp', nat: 'ice' });
  await until('the room is there', async () => (await roster(node)).some(({ via }) => via === 'sip'));
  await until('Ada sees the room', async () => (await ada.others()).has(ROOM));
  await until('Ada hears the room', async () => (await ada.hears([tone(ROOM)], 3))[0] > -60);
  await until('the room hears Ada', () => room.hears(ADA));
  assert.equal(room.said(/connectivity check is complete/g), 2, 'a path for each line');
  assert.equal(room.said(/DTLS-SRTP complete \((audio|video)\/RTP\)/g), 2, 'and a handshake');
  assert.ok((await roster(node)).every(({ secured }) => secured), 'nobody is in the clear');

  phone = await call({ dir, sender: PHONE, name: 'Phone', uri, audio: 'pcma', media: 'dtls_srtp' });
  await until('Ada hears the telephone', async () => (await ada.hears([tone(PHONE)], 3))[0] > -60);
  await until('the room hears the telephone', () => room.hears(PHONE));
  await until('the telephone hears both', async () => (await phone.hears(ADA)) && (await phone.hears(ROOM)));
  assert.ok(!(await phone.hears(PHONE)) && !(await room.hears(ROOM)), 'nobody hears themselves');
  await ada.page.screenshot({ path: join(OUTPUT, 'meeting-dtls-srtp.png') });
  const shown = await room.picture();
  await writeFile(join(OUTPUT, 'meeting-dtls-srtp-room.png'), shown);
  const others = [0, 640].map((x) => ({ x, y: 180, width: 640, height: 360 }));
  const read = await sendersIn(ada.page, shown, others);
  assert.deepEqual(read, [ADA, null], 'a picture without oneself: Ada, and the initials of the telephone');

  await t.test('keys and path go on over a hold', async () => {
    const { data, ok } = await room.tell('hold');
    assert.ok(ok, data);
    await until('nothing reaches the room', () => room.hearsAt() === 0);
    await room.tell('resume');
    await until('sound reaches the room', () => room.hearsAt() > 0);
    const seen = await room.picture();
    const again = await sendersIn(ada.page, seen, others);
    assert.deepEqual(again, [ADA, null], 'and a picture, that it can open');
    await until('Ada hears the room', async () => (await ada.hears([tone(ROOM)], 3))[0] > -60);
    assert.equal(room.said(/DTLS-SRTP complete/g), 2, 'no handshake but the first two');
  });
});

test('whose handshake fails is hung up on at once, and disturbs nobody', { timeout: 300_000 }, async () => {
  const before = (await roster(node)).length;
  const uri = `sip:demo.${node.announced.guest_pin}@127.0.0.1:${port};transport=tls`;
  for (const [sender, nat] of [[31, 'ice'], [32]]) {
    stranger = await call({ dir: node.dir, sender, name: 'Old', uri, audio: 'pcma', media: 'dtls_srtp', nat, rsa: true });
    await until('its call was taken', () => stranger.said(/Call established/g) === 1, stranger.log);
    const began = performance.now();
    await until('it was hung up on', () => stranger.said(/session closed/g) === 1, stranger.log);
    // A minute, where others have to come back; ten times what it takes here.
    assert.ok(performance.now() - began < 20_000, stranger.log());
    await stranger.stop();
    assert.equal((await roster(node)).length, before, 'and has gone');
  }
  assert.ok(await phone.hears(ADA), 'the others hear each other');
});
