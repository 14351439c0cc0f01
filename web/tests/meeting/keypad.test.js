/** A telephone and a room system (real baresips) that dial no PIN: asked for it by voice and picture, let in by keys, in control by keys. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { call, level } from './baresip.js';
import { api, freePort, startNode, until } from './node.js';
import { listener } from './prompts.js';

const OUTPUT = fileURLToPath(new URL('../output', import.meta.url));
const [ROOM, PHONE] = [20, 11];
/** Below `TONES` of mcu-load, from where on they begin again. */
const tone = (sender) => 700 + 30 * sender;

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

const roster = async () => {
  const { admin_token: token } = node.announced;
  return (await api(node, 'GET', '/rooms/demo/participants', { token })).body.participants;
};

/** How many bright pixels there are between two rows of a picture. */
function bright(png, top, bottom) {
  const words = ['-loglevel', 'error', '-i', 'pipe:0', '-vf', `crop=iw:${bottom - top}:0:${top}`, '-f', 'rawvideo', '-pix_fmt', 'gray', 'pipe:1'];
  return execFileSync('ffmpeg', words, { input: png, maxBuffer: 1 << 24 }).filter((pixel) => pixel > 128).length;
}

/** Presses keys, as a person does: the next when the one before is over. */
async function press(client, keys) {
  for (const key of keys) await client.tell('sndcode', key);
}

const told = (ear, prompt) => until(`${prompt} is said`, () => ear.hears(prompt));

/** Loud and alone: the tone, and not a dead band beside it. */
const hears = async (client, sender) => {
  const sound = await client.sound();
  const said = sound.samples.length > 0 ? level(sound, tone(sender)) : -120;
  return said > -50 && level(sound, tone(sender) + 137) < said - 15;
};

test('a telephone is asked for its PIN, let in by it, and in control by keys', { timeout: 600_000 }, async (t) => {
  const uri = `sip:demo@127.0.0.1:${port};transport=tls`;
  const { dir } = node;
  phone = await call({ dir, sender: PHONE, name: 'Phone', uri, audio: 'pcma', media: 'srtp-mand' });
  const ear = listener(phone);
  await told(ear, 'enter-pin');
  assert.deepEqual(await roster(), [], 'it is not in the meeting');

  await press(phone, '0000#');
  await told(ear, 'pin-wrong');
  assert.deepEqual(await roster(), [], 'nor by a wrong PIN');

  await press(phone, `${node.announced.guest_pin}#`);
  await until('it is in the meeting', async () => (await roster()).length === 1);
  await told(ear, 'joined');

  await t.test('it mutes itself and speaks again', async () => {
    const muted = async () => (await roster())[0].muted;
    await press(phone, '*6');
    await told(ear, 'muted');
    assert.equal(await muted(), true);
    await press(phone, '*6');
    await told(ear, 'unmuted');
    assert.equal(await muted(), false);
  });

  await t.test('a room system sees a star for each digit, and then who is there', async () => {
    room = await call({ dir, sender: ROOM, name: 'Room 1', uri, audio: 'pcmu', video: 'h264', media: 'srtp-mand' });
    await told(listener(room), 'enter-pin');
    const stars = async () => bright(await room.picture(), 440, 520);
    assert.equal(await stars(), 0, 'none before the first key');
    await press(room, '12');
    await until('it sees stars', async () => (await stars()) > 20);
    const shown = await room.picture();
    assert.ok(bright(shown, 280, 350) > 500, 'under the name that it dialled');
    await writeFile(join(OUTPUT, 'meeting-keypad-card.png'), shown);
    await press(room, `*${node.announced.host_pin}#`);
    await until('it is in the meeting', async () => (await roster()).length === 2);
    await until('each hears the other', async () => (await hears(room, PHONE)) && (await hears(phone, ROOM)));
    await writeFile(join(OUTPUT, 'meeting-keypad-room.png'), await room.picture());
  });

  await t.test('it leaves by keys', async () => {
    await press(phone, '##');
    await until('one is there', async () => (await roster()).length === 1);
    await until('it was told', () => /terminated|closed|BYE/i.test(phone.log()));
  });
});

test('after three wrong PINs the call ends', { timeout: 300_000 }, async () => {
  const uri = `sip:demo@127.0.0.1:${port};transport=tls`;
  const stranger = await call({ dir: node.dir, sender: 5, name: 'Stranger', uri, audio: 'pcma', media: 'srtp-mand' });
  try {
    const before = (await roster()).length;
    const ear = listener(stranger);
    await told(ear, 'enter-pin');
    for (const said of ['pin-wrong', 'pin-wrong', 'pin-wrong-last']) {
      await press(stranger, '1111#');
      await told(ear, said);
    }
    await until('the call is over', () => /terminated|closed|BYE/i.test(stranger.log()));
    assert.equal((await roster()).length, before);
  } finally {
    await stranger.stop();
  }
});
