/** A telephone and a room system (real baresips) that dial no PIN: asked for it by voice and picture, let in by keys, in control by keys. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { call } from './baresip.js';
import { freePort, roster, startNode, until } from './node.js';
import { listener } from './prompts.js';

const OUTPUT = fileURLToPath(new URL('../output', import.meta.url));
const [ROOM, PHONE] = [20, 11];

let node;
let room;
let phone;
let port;

before(async () => {
  await mkdir(OUTPUT, { recursive: true });
  port = await freePort();
  node = await startNode([], `[sip]\ntls_port = ${port}\ndangerous_unverified_peers = true\nrtp_ports = [43000, 43999]\n`);
});

after(async () => {
  await Promise.all([room?.stop(), phone?.stop()]);
  await node?.stop();
});

/** How many bright pixels there are between two rows of a picture. */
function bright(png, top, bottom) {
  const words = ['-loglevel', 'error', '-i', 'pipe:0', '-vf', `crop=iw:${bottom - top}:0:${top}`, '-f', 'rawvideo', '-pix_fmt', 'gray', 'pipe:1'];
  return execFileSync('ffmpeg', words, { input: png, maxBuffer: 1 << 24 }).filter((pixel) => pixel > 128).length;
}

const told = (ear, prompt) => until(`${prompt} is said`, () => ear.hears(prompt));

test('a telephone is asked for its PIN, let in by it, and in control by keys', { timeout: 600_000 }, async (t) => {
  const uri = `sip:demo@127.0.0.1:${port};transport=tls`;
  const { dir } = node;
  phone = await call({ dir, sender: PHONE, name: 'Phone', uri, audio: 'pcma', media: 'srtp-mand' });
  const ear = listener(phone);
  await told(ear, 'enter-pin');
  assert.deepEqual(await roster(node), [], 'it is not in the meeting');

  await phone.press('0000#');
  await told(ear, 'pin-wrong');
  assert.deepEqual(await roster(node), [], 'nor by a wrong PIN');

  await phone.press(`${node.announced.guest_pin}#`);
  await until('it is in the meeting', async () => (await roster(node)).length === 1);
  await told(ear, 'joined');

  await t.test('it mutes itself and speaks again', async () => {
    const muted = async () => (await roster(node))[0].muted;
    await phone.press('*6');
    await told(ear, 'muted');
    assert.equal(await muted(), true);
    await phone.press('*6');
    await told(ear, 'unmuted');
    assert.equal(await muted(), false);
  });

  await t.test('a room system sees a star for each digit, and then who is there', async () => {
    room = await call({ dir, sender: ROOM, name: 'Room 1', uri, audio: 'pcmu', video: 'h264', media: 'srtp-mand' });
    await told(listener(room), 'enter-pin');
    const stars = async () => bright(await room.picture(), 440, 520);
    assert.equal(await stars(), 0, 'none before the first key');
    await room.press('12');
    await until('it sees stars', async () => (await stars()) > 20);
    const shown = await room.picture();
    assert.ok(bright(shown, 280, 350) > 500, 'under the name that it dialled');
    await writeFile(join(OUTPUT, 'meeting-keypad-card.png'), shown);
    await room.press(`*${node.announced.host_pin}#`);
    await until('it is in the meeting', async () => (await roster(node)).length === 2);
    await told(ear, 'somebody-joined');
    await until('each hears the other', async () => (await room.hears(PHONE)) && (await phone.hears(ROOM)));
    await writeFile(join(OUTPUT, 'meeting-keypad-room.png'), await room.picture());
  });

  await t.test('a host decides by keys what a guest does not', async () => {
    const host = listener(room);
    const allMuted = async () => (await roster(node)).every(({ role, muted }) => muted === (role === 'guest'));
    // From here on the host hears nobody but the node.
    await room.press('*5');
    await told(host, 'guests-muted');
    await told(ear, 'muted');
    assert.ok(await allMuted());
    await room.press('*6');
    await told(host, 'muted');
    await phone.press('*7');
    await told(ear, 'not-allowed');
    await phone.press('*5');
    await told(ear, 'not-allowed');
    for (const [keys, prompt] of [['*7', 'locked'], ['*8', 'layout-changed'], ['*4', 'content-hidden'], ['*4', 'content-shown'], ['*0', 'menu']]) {
      await room.press(keys);
      await told(host, prompt);
    }
    assert.deepEqual((await roster(node)).map(({ layout }) => layout), ['auto', 'grid']);
  });

  await t.test('a locked meeting takes in nobody who is no host, and says so', async () => {
    const late = await call({ dir, sender: 8, name: 'Latecomer', uri, audio: 'pcma', media: 'srtp-mand' });
    try {
      const hears = listener(late);
      await told(hears, 'enter-pin');
      await late.press(`${node.announced.guest_pin}#`);
      await told(hears, 'meeting-locked');
      await until('the call is over', () => /terminated|closed|BYE/i.test(late.log()));
      assert.equal((await roster(node)).length, 2);
    } finally {
      await late.stop();
    }
    const host = listener(room);
    await room.press('*7');
    await told(host, 'unlocked');
  });

  await t.test('it leaves by keys', async () => {
    await phone.press('##');
    await told(ear, 'goodbye');
    await until('one is there', async () => (await roster(node)).length === 1);
    await until('it was told', () => /terminated|closed|BYE/i.test(phone.log()));
  });
});

test('after three wrong PINs the call ends', { timeout: 300_000 }, async () => {
  const uri = `sip:demo@127.0.0.1:${port};transport=tls`;
  const stranger = await call({ dir: node.dir, sender: 5, name: 'Stranger', uri, audio: 'pcma', media: 'srtp-mand' });
  try {
    const before = (await roster(node)).length;
    const ear = listener(stranger);
    await told(ear, 'enter-pin');
    for (const said of ['pin-wrong', 'pin-wrong', 'pin-wrong-last']) {
      await stranger.press('1111#');
      await told(ear, said);
    }
    await until('the call is over', () => /terminated|closed|BYE/i.test(stranger.log()));
    assert.equal((await roster(node)).length, before);
  } finally {
    await stranger.stop();
  }
});
