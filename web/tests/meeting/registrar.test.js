/** Devices of one's own, real ones: they register with digest, are seen by the administrator, go again, and are refused with a wrong password. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { baresip, line, linphone } from './devices.js';
import { api, freePort, metrics, roster, startNode, until } from './node.js';

const PASSWORD = 'correct-horse-battery';
const OLD = 'dangerous_digest_md5 = true\n';

let dir;
const nodes = [];
const devices = [];

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mcu-devices-'));
});

after(async () => {
  await Promise.all(devices.map((device) => device.kill()));
  await Promise.all(nodes.map((node) => node.stop()));
  await rm(dir, { recursive: true, force: true });
});

/** A node at which `room-1` and `room-2` may register, by TLS and UDP. */
async function registrar(more = '') {
  const config = `[sip]\n${more}`;
  const lines = await Promise.all(
    ['room-1', 'room-2'].map(async (user, n) => {
      const folder = await mkdtemp(join(dir, 'line-'));
      return line({ dir: folder, user, name: `Room ${n + 1}`, password: PASSWORD, config });
    }),
  );
  const file = join(await mkdtemp(join(dir, 'node-')), 'sip-devices');
  await writeFile(file, lines.join(''), { mode: 0o600 });
  const [tls, udp] = [await freePort(), await freePort()];
  const ports = `tls_port = ${tls}\ndangerous_unverified_peers = true\ndangerous_udp_port = ${udp}\n`;
  const node = await startNode([], `${config}${ports}devices_file = "${file}"\n`);
  nodes.push(node);
  return { node, ports: { tls, udp } };
}

/** What the administrator sees: for each device, where it is registered. */
async function seen(node) {
  const { status, body } = await api(node, 'GET', '/sip/devices', { token: node.announced.admin_token });
  assert.equal(status, 200);
  return Object.fromEntries(body.devices.map((device) => [device.user, device]));
}

/** Starts a device, and sees it registered and gone again. */
async function comes({ node, ports }, start, transport, agent) {
  const earliest = Math.floor(Date.now() / 1_000) - 1;
  const device = await start({ dir, user: 'room-1', password: PASSWORD, port: ports[transport], transport });
  devices.push(device);
  const name = `${agent} by ${transport}`;
  const binding = await until(`${name} is registered`, async () => (await seen(node))['room-1'].bindings[0], device.log);
  assert.equal(binding.transport, transport);
  assert.match(binding.user_agent, new RegExp(agent, 'i'));
  assert.ok(binding.since >= earliest && binding.expires_s <= 7_200, JSON.stringify(binding));
  const others = await seen(node);
  assert.deepEqual([others['room-1'].name, others['room-2'].bindings], ['Room 1', []], 'the other one is known, and not there');
  await until('it is counted', async () => (await metrics(node)).mcu_sip_devices === 1);
  devices.splice(devices.indexOf(device), 1);
  await device.stop();
  await until(`${name} is gone`, async () => (await seen(node))['room-1'].bindings.length === 0);
  await until('it is counted no more', async () => (await metrics(node)).mcu_sip_devices === 0);
}

/** A device with a wrong password is told so. */
async function isRefused({ node, ports }, start, transport) {
  const before = (await metrics(node)).mcu_sip_registrations_refused_total;
  const device = await start({ dir, user: 'room-2', password: 'wrong-horse-battery', port: ports[transport], transport });
  devices.push(device);
  await until('it hears of it', () => /403 Forbidden|Forbidden|registration.*fail/i.test(device.log()), device.log);
  await until('it is counted', async () => (await metrics(node)).mcu_sip_registrations_refused_total > before);
  assert.deepEqual((await seen(node))['room-2'].bindings, []);
}

test('a device that knows SHA-256 registers by TLS, and goes', { timeout: 300_000 }, async () => {
  const there = await registrar();
  await comes(there, linphone, 'tls', 'linphone');
  await isRefused(there, linphone, 'tls');
});

test('devices that know MD5 alone register by TLS and by UDP where that is said, and go', { timeout: 300_000 }, async () => {
  const there = await registrar(OLD);
  await comes(there, baresip, 'tls', 'baresip');
  await comes(there, baresip, 'udp', 'baresip');
  await isRefused(there, baresip, 'udp');
});

/** Has a device called into the meeting, sees it there, and has it gone again. */
async function isCalled({ node, ports }, start, user) {
  const token = node.announced.admin_token;
  const device = await start({ dir, user, password: PASSWORD, port: ports.tls, transport: 'tls' });
  devices.push(device);
  await until('it is registered', async () => (await seen(node))[user].bindings.length === 1, device.log);
  const wish = { token, body: { to: `sip:${user}@127.0.0.1`, name: `Called ${user}` } };
  const { status, body } = await api(node, 'POST', '/rooms/demo/calls', wish);
  assert.equal(status, 201, JSON.stringify(body));
  const call = async () => (await api(node, 'GET', '/rooms/demo/calls', { token })).body.calls.find(({ id }) => id === body.id);
  const answered = async () => {
    const now = await call();
    return ['answered', 'failed'].includes(now?.state) && now;
  };
  const state = await until('it has answered, or not', answered, device.log);
  assert.equal(state.state, 'answered', `${JSON.stringify(state)}\n${device.log()}`);
  const there = (await roster(node)).find(({ id }) => id === state.participant_id);
  assert.deepEqual([there?.name, there?.via, there?.role, there?.secured], [`Called ${user}`, 'sip', 'guest', true]);
  assert.equal((await api(node, 'DELETE', `/rooms/demo/calls/${body.id}`, { token })).status, 204);
  await until('it has gone', async () => (await roster(node)).length === 0);
  devices.splice(devices.indexOf(device), 1);
  await device.stop();
  await until('it is registered no more', async () => (await seen(node))[user].bindings.length === 0);
  const { status: refused, body: problem } = await api(node, 'POST', '/rooms/demo/calls', wish);
  assert.deepEqual([refused, problem.code], [403, 'call-refused'], 'the control: who is not registered is not called');
}

test('devices that have registered are called into a meeting', { timeout: 300_000 }, async () => {
  const there = await registrar(OLD);
  await isCalled(there, baresip, 'room-1');
  await isCalled(there, linphone, 'room-2');
});

test('nobody but the administrator sees them', { timeout: 300_000 }, async () => {
  const { node } = nodes.length > 0 ? { node: nodes[0] } : await registrar();
  assert.equal((await api(node, 'GET', '/sip/devices')).status, 401);
});
