/** The node registers at trunks, and is called by that: sipp plays registrars, and expects what docs/SIP.md says. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { api, freePort, metrics, startNode, until } from './node.js';
import { listen, spoiled } from './sipp.js';

const SCENARIOS = fileURLToPath(new URL('sipp_registrar', import.meta.url));
/** Of the room that is called. */
const PIN = '271828';

let dir;
let node;
/** By the names of trunks. */
const registrars = new Map();

const scenario = (name) => readFile(join(SCENARIOS, `${name}.xml`), 'utf8');

/** What a caller's keypad says, key by key. */
const pressed = (keys) =>
  [...keys]
    .map(
      (key, at) => `<send>
    <![CDATA[

      INFO [$contact] SIP/2.0
      Via: SIP/2.0/TCP [local_ip]:[local_port];branch=[branch]
      Max-Forwards: 70
      [last_From:]
      [last_To:]
      Call-ID: [call_id]
      CSeq: ${2 + at} INFO
      Content-Type: application/dtmf-relay
      Content-Length: [len]

      Signal=${key}
      Duration=160

    ]]>
  </send>
  <recv response="200"></recv>`,
    )
    .join('\n  ');

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mcu-trunk-'));
  const password = join(dir, 'password');
  await writeFile(password, 'secret\n');
  await chmod(password, 0o600);
  const registered = (await scenario('registered')).replace('<!-- keys -->', pressed(`${PIN}#`));
  const texts = { registered, spoiled: spoiled(registered), refused: await scenario('refused') };
  for (const [name, text] of Object.entries(texts)) registrars.set(name, await listen({ dir, name, text }));
  const trunks = [...registrars].map(([name, { host, port }]) =>
    ['[[sip.trunks]]', `name = "${name}"`, `host = "${host}"`, `port = ${port}`, 'transport = "dangerous_tcp"', 'caller_id = "mcu"']
      .concat(['username = "mcu"', `password_file = "${password}"`, 'register = true', 'calls_to = "tea-room"', ''])
      .join('\n'),
  );
  const sip = `[sip]\ndangerous_tcp_port = ${await freePort()}\ndangerous_plain_rtp = true\nrtp_ports = [43000, 43999]\n`;
  node = await startNode([], sip + trunks.join(''));
  // Nobody calls before the first refresh, which is five seconds from here.
  const { admin_token: token } = node.announced;
  const room = { name: 'Tea room', alias: 'tea-room', host_pin: '314159', guest_pin: PIN };
  assert.equal((await api(node, 'POST', '/rooms', { token, body: room })).status, 201);
});

after(async () => {
  await node?.stop();
  await Promise.all([...registrars.values()].map((registrar) => registrar.stop()));
  if (dir) await rm(dir, { recursive: true, force: true });
});

const ask = async (method, path) => (await api(node, method, path, { token: node.announced.admin_token })).body;
const registration = async (name) => (await ask('GET', '/sip/trunks')).trunks.find((trunk) => trunk.name === name).registration;

test('who is refused is not there, and comes back much later', { timeout: 120_000 }, async () => {
  const { code, said } = await registrars.get('refused').ended;
  assert.equal(code, 0, said);
  await until('the refusal is shown', async () => (await registration('refused')).status === 403);
  assert.deepEqual(await registration('refused'), { registered: false, status: 403 });
  const [, pause] = node.log().match(/not registered at a trunk.*?pause_s=?"?:?(\d+)/) ?? [];
  assert.ok(Number(pause) >= 30, `the pause is ${pause} s`);
  await until('it is counted', async () => (await metrics(node)).mcu_sip_trunk_registrations_failed_total === 1);
});

test('the node registers, is called by that into a meeting, and takes leave', { timeout: 120_000 }, async () => {
  await until('it is registered twice', async () => (await metrics(node)).mcu_sip_trunks_registered === 2);
  const { until: ends, ...rest } = await registration('registered');
  assert.deepEqual(rest, { registered: true, status: 200 });
  assert.ok(ends > Date.now() / 1_000, `until ${ends}`);
  // Called only after a refresh that came in time.
  const inside = await until('callers are in the meeting', async () => {
    const { participants } = await ask('GET', '/rooms/tea-room/participants');
    return participants.length === 2 && participants;
  });
  assert.deepEqual(inside.map(({ via, name }) => [via, name]), [['sip', 'caller'], ['sip', 'caller']]);
  for (const { id } of inside) await ask('POST', `/rooms/tea-room/participants/${id}/disconnect`);
  await until('callers are gone', async () => (await metrics(node)).mcu_sip_calls === 0);
  const stopped = node.stop();
  const [right, wrong] = await Promise.all(['registered', 'spoiled'].map((name) => registrars.get(name).ended));
  await stopped;
  node = undefined;
  assert.equal(right.code, 0, right.said);
  assert.equal(wrong.code, 1, 'the control: it expects what does not come');
});
