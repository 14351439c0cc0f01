/** A telephone that is a web page (JsSIP in Chromium) in a meeting with a browser: it registers and calls by SIP over WebSocket, and each sees and hears the other. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { line } from './devices.js';
import { api, freePort, roster, startNode, until } from './node.js';
import { Person } from './person.js';
import { WebPhone } from './web_phone.js';

const [ADA, PHONE] = [2, 21];
const PASSWORD = 'correct-horse-battery';
/** JsSIP knows no digest but MD5. */
const OLD = 'dangerous_digest_md5 = true\n';

let dir;
let node;
let ada;
let phone;
let stranger;
let server;
let ports;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mcu-web-phone-'));
  const devices = join(dir, 'devices');
  await writeFile(devices, await line({ dir, user: 'phone', name: 'Phone', password: PASSWORD, config: `[sip]\n${OLD}` }));
  await chmod(devices, 0o600);
  ports = { wss: await freePort(), page: await freePort(), elsewhere: await freePort() };
  server = `wss://127.0.0.1:${ports.wss}`;
  const who = `dangerous_unverified_peers = true\nwss_origins = ["http://127.0.0.1:${ports.page}"]\ndevices_file = "${devices}"\n`;
  node = await startNode([], `[sip]\nwss_port = ${ports.wss}\nrtp_ports = [46000, 46999]\n${OLD}${who}`);
});

after(async () => {
  await Promise.all([phone?.goAway(), stranger?.goAway(), ada?.goAway()]);
  await node?.stop();
  await rm(dir, { recursive: true, force: true });
});

const asked = (path) => api(node, 'GET', path, { token: node.announced.admin_token });
const bindings = async () => (await asked('/sip/devices')).body.devices[0].bindings;
const account = () => ({ server, uri: 'sip:phone@127.0.0.1', password: PASSWORD });

/** Loud and alone: the tone, and not a dead band beside it. */
const hears = async (listener, hz) => {
  const [said, beside] = await listener.hears([hz, hz + 137], 3);
  return said > -50 && beside < said - 15;
};

test('a page registers, calls, and is seen and heard', { timeout: 600_000 }, async (t) => {
  ada = await Person.arrive(node, { sender: ADA, name: 'Ada' });
  await ada.join(node.announced.host_pin);
  phone = await WebPhone.open(node, { sender: PHONE, port: ports.page });
  assert.equal(await phone.connect(account()), 'there');
  const [binding] = await bindings();
  assert.deepEqual([binding?.transport, /JsSIP/.test(binding?.user_agent)], ['wss', true]);

  assert.equal(await phone.call(`sip:demo.${node.announced.guest_pin}@127.0.0.1`), 'confirmed');
  await until('it is there', async () => (await roster(node)).some(({ via, secured }) => via === 'sip' && secured));
  await until('Ada sees it', async () => (await ada.others()).has(PHONE));
  await until('it sees Ada', async () => (await phone.sees()) === ADA);
  await until('Ada hears it', () => hears(ada, phone.toneHz));
  await until('it hears Ada', () => hears(phone, ada.toneHz));
  const [own] = await phone.hears([phone.toneHz]);
  assert.ok(own < -60, `nobody hears themselves: ${own} dB`);
  const ciphers = await phone.ciphers();
  assert.equal(ciphers.length, 2, 'a path for each line, as none are bundled');
  assert.ok(ciphers.every((cipher) => /^connected .*AES/.test(cipher)), ciphers.join(', '));

  await t.test('who is sent away is told, by the connection that it called by', async () => {
    const { id } = (await roster(node)).find(({ via }) => via === 'sip');
    const { admin_token: token } = node.announced;
    assert.equal((await api(node, 'POST', `/rooms/demo/participants/${id}/disconnect`, { token })).status, 204);
    await until('it is told', () => phone.ended());
    assert.match(await phone.ended(), /Terminated/);
    assert.equal((await roster(node)).length, 1);
  });

  await t.test('who hangs up is gone', async () => {
    assert.equal(await phone.call(`sip:demo.${node.announced.guest_pin}@127.0.0.1`), 'confirmed');
    await until('it is there again', async () => (await roster(node)).length === 2);
    await phone.page.evaluate(() => window.__session.terminate());
    await until('it is gone', async () => (await roster(node)).length === 1);
  });

  await t.test('who has registered is called into the meeting', async () => {
    const { admin_token: token } = node.announced;
    const wish = { token, body: { to: 'sip:phone@127.0.0.1', name: 'Called' } };
    const { status, body } = await api(node, 'POST', '/rooms/demo/calls', wish);
    assert.equal(status, 201, JSON.stringify(body));
    const state = async () => (await asked('/rooms/demo/calls')).body.calls.find(({ id }) => id === body.id)?.state;
    await until('it has answered, or not', async () => ['answered', 'failed'].includes(await state()));
    assert.equal(await state(), 'answered', await phone.ended());
    await until('it sees Ada', async () => (await phone.sees()) === ADA);
    await until('Ada hears it', () => hears(ada, phone.toneHz));
    await until('it hears Ada', () => hears(phone, ada.toneHz));
    assert.deepEqual((await roster(node)).map(({ name, secured }) => [name, secured]), [['Ada', true], ['Called', true]]);
    assert.equal((await api(node, 'DELETE', `/rooms/demo/calls/${body.id}`, { token })).status, 204);
    await until('it is gone', async () => (await roster(node)).length === 1);
  });

  await t.test('a page of elsewhere is not let in', async () => {
    stranger = await WebPhone.open(node, { sender: PHONE, port: ports.elsewhere });
    assert.match(await stranger.connect(account()), /^disconnected/);
  });

  await t.test('a page that is closed is registered no more', async () => {
    assert.equal((await bindings()).length, 1, 'the control');
    await phone.goAway();
    phone = undefined;
    await until('it is gone', async () => (await bindings()).length === 0);
  });
});
