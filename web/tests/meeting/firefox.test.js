/** One person in Debian's Firefox meets a bot: seen and heard both ways. Its camera and microphone are its own fakes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { barCodeReader, listen, observe, sendersSeen } from './eyes.js';
import { Firefox, missing } from './firefox.js';
import { api, bots, startNode, until } from './node.js';

/** Firefox's fake microphone plays one tone, here that of sender 2, and the bot's is 540 Hz away. */
const [OWN, BOT] = [2, 20];
const [OWN_HZ, BOT_HZ] = [760, 1300];

let node;
let firefox;

before(async () => {
  if (missing) return;
  node = await startNode();
});

after(async () => {
  await firefox?.close();
  await node?.stop();
});

async function join() {
  await firefox.preload(await barCodeReader());
  await firefox.preload(`(${observe})()`);
  await firefox.open(`${node.announced.join_url}?debug`);
  await firefox.fill({ role: 'textbox', name: 'Your name' }, 'Fiona');
  await firefox.fill({ name: 'PIN' }, node.announced.guest_pin);
  await firefox.click({ role: 'button', name: 'Camera' });
  await firefox.click({ role: 'button', name: 'Microphone' });
  await firefox.click({ role: 'button', name: 'Join' });
  await firefox.waitFor({ role: 'button', name: 'Leave' });
}

test('Firefox sees and hears a bot, and is seen and heard', { timeout: 600_000, skip: missing }, async (t) => {
  const token = node.announced.admin_token;
  const room = async () => (await api(node, 'GET', '/rooms/demo', { token })).body;
  firefox = await Firefox.launch({ width: 1280, height: 800, preferences: { 'media.navigator.audio.fake_frequency': OWN_HZ } });
  await join();
  const crew = bots(node, { count: 1, firstSender: BOT, flags: ['--size', '180p', '--listen', String(OWN)] });
  await until('both are in', async () => (await room()).participants === 2);

  const numbers = await until('Firefox sees the bot move', async () => {
    const frames = await firefox.evaluate(() => window.__observed.frames);
    if (!sendersSeen(frames).has(BOT)) return false;
    const codes = frames.flatMap(({ tiles }) => tiles).flatMap(({ code }) => code ?? []);
    assert.ok(codes.every(({ sender }) => sender === BOT), 'the only bar code is the bot\'s');
    const seen = new Set(codes.map(({ number }) => number));
    return seen.size > 20 && seen;
  });
  t.diagnostic(`${numbers.size} of the bot's pictures were read`);

  const [other, own] = await firefox.evaluate(listen, { frequencies: [BOT_HZ, OWN_HZ], looks: 9, recorded: true });
  t.diagnostic(`Firefox hears the bot at ${other.toFixed(1)} dB, itself at ${own.toFixed(1)} dB`);
  assert.ok(other > -60, `the bot is heard: ${other}`);
  assert.ok(own < other - 20, `itself ${own} dB, the bot ${other} dB`);
  await firefox.screenshot(fileURLToPath(new URL('../output/meeting-firefox.png', import.meta.url)));

  await firefox.click({ role: 'button', name: 'Leave' });
  await until('Firefox has left', async () => (await room()).participants === 1);

  const { reports: [report] } = await crew.leave();
  const fiona = report.main.tiles.find(({ name }) => name === 'Fiona');
  const itself = report.sound.tones.find(({ sender }) => sender === BOT);
  const heard = report.sound.tones.find(({ sender }) => sender === OWN);
  t.diagnostic(`the bot saw ${fiona.pictures} pictures of Fiona in ${fiona.tints} colours, and hears it at ${heard.level_db.toFixed(1)} dB`);
  // An avatar has one colour, and its fading in and out hardly more; the fake camera goes round all of them.
  assert.ok(fiona.tints >= 6, `the picture changes: ${JSON.stringify(fiona)}`);
  assert.deepEqual(fiona.codes, [], 'nobody else is in that tile');
  assert.ok(heard.level_db > itself.level_db + 20, `Fiona ${heard.level_db} dB, itself ${itself.level_db} dB`);
  assert.deepEqual(firefox.faults, []);
});
