/** Content of a room system: shown to browsers and seen from them, the floor taken from each other, and free when the device is gone. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ContentDevice, build, conversation } from './content.js';
import { api, freePort, metrics, startNode, until } from './node.js';
import { Person } from './person.js';
import { tlsTo } from './sipp.js';

const SHOWN = 12;
const output = (name) => fileURLToPath(new URL(`../output/${name}`, import.meta.url));

let node;
let way;
let program;
let ada;

before(async () => {
  const [port, bfcp] = [await freePort(), await freePort()];
  const sip = `[sip]\ntls_port = ${port}\ndangerous_unverified_peers = true\nrtp_ports = [46000, 46999]\nbfcp_port = ${bfcp}\n`;
  node = await startNode([], sip);
  way = await tlsTo(port);
  program = await build('floor', node.dir);
});

afterEach(async () => {
  await ada?.goAway();
  ada = undefined;
});

after(async () => {
  await way?.close();
  await node?.stop();
});

const participants = async () => (await api(node, 'GET', '/rooms/demo/participants', { token: node.announced.admin_token })).body.participants;

/** Who shares, by name. */
const sharer = async () => (await participants()).find(({ sharing }) => sharing)?.name;

/** The sender whose bar code the content picture shows. */
const shown = () =>
  ada.page.evaluate(() => {
    const video = document.querySelector('.pane-content video');
    if (!video?.videoWidth) return null;
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0, 640, 360);
    return window.readBarCode(context.getImageData(0, 0, 640, 360), { x: 0, y: 0, width: 640, height: 360 }, true)?.sender ?? null;
  });

async function arrive(transport) {
  ada = await Person.arrive(node, { sender: 2, name: 'Ada' });
  await ada.join(node.announced.guest_pin);
  const user = `demo.${node.announced.guest_pin}`;
  const how = { dir: node.dir, name: `room-${transport}`, program, port: way.port, user, transport, sender: SHOWN };
  return ContentDevice.arrive(how);
}

const share = () => ada.page.getByRole('button', { name: 'Share screen' });

/** Sends the device away. By TCP its floor's connection ends with its call. */
async function leaves(device, transport) {
  const { id } = (await participants()).find(({ via }) => via === 'sip');
  const { status } = await api(node, 'POST', `/rooms/demo/participants/${id}/disconnect`, { token: node.announced.admin_token });
  assert.equal(status, 204);
  if (transport === 'tcp') await device.floor.hears('closed');
  const { code, said } = await device.over();
  assert.equal(code, 0, said);
}

test('the node says byte for byte what libre says: the file that its own test compares with', async () => {
  const file = new URL('../../../signalling/src/sip/bfcp/conversation.txt', import.meta.url);
  assert.equal(await readFile(file, 'utf8'), await conversation(node.dir));
});

test('content goes both ways, and whoever asks last has the floor', { timeout: 600_000 }, async () => {
  const device = await arrive('udp');
  const { floor } = device;
  floor.say('hello');
  await floor.hears('HelloAck');
  floor.say('query');
  await floor.hears('FloorStatus');
  // What comes without the floor is not shown: the control is the same picture with it.
  const before = (await metrics(node)).mcu_datagrams_received_total;
  await device.show();
  await until('its pictures come', async () => (await metrics(node)).mcu_datagrams_received_total > before + 300);
  assert.equal(await ada.page.locator('.pane-content').count(), 0);
  floor.say('request');
  await floor.hears('FloorRequestStatus Pending own');
  await floor.hears('FloorRequestStatus Granted own');
  await floor.hears('FloorStatus Granted own');
  await until('Ada sees what the room shows', async () => (await shown()) === SHOWN);
  assert.equal(await sharer(), 'sipp');
  await ada.page.screenshot({ path: output('meeting-content.png') });

  floor.say('release');
  await floor.hears('FloorRequestStatus Released own');
  await until('nobody shares', async () => (await sharer()) === undefined);
  await until('Ada sees it go', async () => (await ada.page.locator('.pane-content').count()) === 0);
  await device.stopShowing();

  const watching = device.watch(output('meeting-content-room.png'));
  await share().click();
  await floor.hears('FloorStatus Granted other');
  assert.equal(await watching, '1920x1080');
  await share().click();
  await floor.hears('FloorStatus');
  await leaves(device, 'udp');
});

test('the floor is taken over, and free again when the device that had it is gone', { timeout: 600_000 }, async () => {
  const device = await arrive('tcp');
  const { floor } = device;
  floor.say('query');
  await floor.hears('FloorStatus');
  await share().click();
  await floor.hears('FloorStatus Granted other');
  floor.say('request');
  await floor.hears('FloorRequestStatus Granted own');
  await until('Ada shares no more', async () => (await share().getAttribute('aria-pressed')) === 'false');
  assert.equal(await sharer(), 'sipp');
  await share().click();
  await floor.hears('FloorRequestStatus Revoked own');
  await until('Ada shares', async () => (await sharer()) === 'Ada');
  floor.say('request');
  await floor.hears('FloorRequestStatus Granted own');
  assert.equal(await sharer(), 'sipp');
  await leaves(device, 'tcp');
  await until('nobody shares', async () => (await sharer()) === undefined);
});
