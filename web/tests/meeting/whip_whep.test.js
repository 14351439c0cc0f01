/** An encoder that was not written here (FFmpeg) joins by WHIP; a player watches by WHEP. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { load, roster, startNode, until } from './node.js';
import { Person } from './person.js';

const TOOLS = fileURLToPath(new URL('../../../target/test-tools', import.meta.url));
const [ADA, ENCODER] = [2, 20];

let node;
let ada;
let encoder;

before(async () => {
  node = await startNode();
});

after(async () => {
  encoder?.kill('SIGKILL');
  await ada?.goAway();
  await node?.stop();
});

/** The FFmpeg that scripts/setup.sh installs for this test: Debian's has no WHIP. */
async function ffmpeg() {
  const libraries = resolve(TOOLS, 'lib');
  for (const python of await readdir(libraries)) {
    const binaries = resolve(libraries, python, 'site-packages/imageio_ffmpeg/binaries');
    const found = (await readdir(binaries)).find((name) => name.startsWith('ffmpeg'));
    if (found) return resolve(binaries, found);
  }
  throw new Error(`no FFmpeg below ${TOOLS}: run scripts/setup.sh test`);
}

async function publish() {
  const { output } = await load(['devices', '--dir', node.dir, '--sender', String(ENCODER)]).done;
  const { video, audio } = JSON.parse(output);
  const input = (file) => ['-re', '-stream_loop', '-1', '-i', file];
  const picture = '-c:v libx264 -preset ultrafast -tune zerolatency -profile:v baseline -g 30 -bf 0 -pix_fmt yuv420p -b:v 600k';
  const sound = '-c:a libopus -ar 48000 -ac 2';
  encoder = spawn(await ffmpeg(), [
    ...['-hide_banner', '-loglevel', 'error'],
    ...input(video),
    ...input(audio),
    ...`${picture} ${sound} -f whip -authorization`.split(' '),
    node.announced.guest_pin,
    `${node.announced.whip_url}?name=Studio`,
  ]);
}

/** Watches by WHEP in a page of the node's own origin; resolves with the resource's address. */
async function watch({ url, pin }) {
  const pc = new RTCPeerConnection();
  window.__watcher = pc;
  document.querySelector('#watched')?.remove();
  const video = document.createElement('video');
  Object.assign(video, { muted: true, autoplay: true, id: 'watched' });
  document.body.append(video);
  pc.ontrack = ({ track, streams }) => {
    if (track.kind === 'video') video.srcObject = streams[0];
  };
  pc.addTransceiver('audio', { direction: 'recvonly' });
  pc.addTransceiver('video', { direction: 'recvonly' });
  await pc.setLocalDescription();
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', authorization: `Bearer ${pin}` },
    body: pc.localDescription.sdp,
  });
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
  await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  return answer.headers.get('location');
}

/** What the player shows, as a PNG. */
function pictureOf() {
  const video = document.querySelector('#watched');
  const canvas = Object.assign(document.createElement('canvas'), { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext('2d').drawImage(video, 0, 0);
  return canvas.toDataURL('image/png');
}

/** The bar codes in the tiles of what the player shows. */
function watched(tiles) {
  const video = document.querySelector('#watched');
  if (!video.videoWidth) return [];
  const canvas = Object.assign(document.createElement('canvas'), { width: video.videoWidth, height: video.videoHeight });
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  const scale = canvas.width / 1280;
  return tiles.map(({ x, y, width, height }) =>
    window.readBarCode(image, { x: x * scale, y: y * scale, width: width * scale, height: height * scale })?.sender);
}

test('an FFmpeg by WHIP is seen, a player by WHEP sees', { timeout: 600_000 }, async (t) => {
  ada = await Person.arrive(node, { sender: ADA, name: 'Ada' });
  await ada.join(node.announced.host_pin);
  await publish();
  await until('Ada sees the encoder', async () => (await ada.others()).has(ENCODER));
  await until('the encoder is heard', async () => (await ada.hears([700 + 30 * ENCODER], 3))[0] > -60);
  const painted = async () => (await ada.observed()).overlay.at(-1)?.rect;
  await until('Ada sees herself, though nobody watches and the node asks for no picture of her', painted);
  await ada.page.screenshot({ path: fileURLToPath(new URL('../output/meeting-whip.png', import.meta.url)) });
  assert.equal((await roster(node)).find(({ name }) => name === 'Studio').via, 'whip');

  const page = await ada.page.context().newPage();
  await page.goto(node.announced.join_url);
  await assert.rejects(page.evaluate(watch, { url: node.announced.whep_url, pin: '000000' }), /403|429/);
  const resource = await page.evaluate(watch, { url: node.announced.whep_url, pin: node.announced.guest_pin });
  const tiles = (await ada.observed()).layouts.at(-1).tiles;
  await until('the player sees both', async () => {
    const senders = await page.evaluate(watched, tiles);
    return senders.includes(ADA) && senders.includes(ENCODER);
  });
  assert.ok((await roster(node)).some(({ via }) => via === 'whep'), 'nobody watches unseen');
  // The very pixels that are judged: a screenshot of the element came out blank where the page had not painted it yet.
  const [, png] = (await page.evaluate(pictureOf)).split(',');
  await writeFile(fileURLToPath(new URL('../output/meeting-whep.png', import.meta.url)), png, 'base64');

  await t.test('both leave by their own word', async () => {
    const status = await page.evaluate(async ({ url, pin }) => {
      const headers = { authorization: `Bearer ${pin}` };
      return [(await fetch(url, { method: 'PATCH', headers })).status, (await fetch(url, { method: 'DELETE', headers })).status];
    }, { url: resource, pin: node.announced.guest_pin });
    assert.deepEqual(status, [405, 200]);
    encoder.kill('SIGINT');
    await until('Ada is alone', async () => (await roster(node)).length === 1);
  });
});
