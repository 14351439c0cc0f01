/** Calls that the node makes, message by message: sipp plays trunks, and expects what docs/SIP.md says. Each scenario is also shown to be able to fail. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { api, freePort, startNode, until } from './node.js';
import { listen, play, spoiled } from './sipp.js';

const SCENARIOS = fileURLToPath(new URL('sipp_out', import.meta.url));
/** Played by a device that calls the node; the others are called. */
const CALLER = 'referring';

let dir;
let node;
let sip;
/** By the host of the addresses that a trunk takes. */
const trunks = new Map();

const scenario = (name) => readFile(join(SCENARIOS, `${name}.xml`), 'utf8');

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mcu-dial-out-'));
  const password = join(dir, 'password');
  await writeFile(password, 'secret\n');
  await chmod(password, 0o600);
  const names = (await readdir(SCENARIOS)).map((file) => file.slice(0, -4)).filter((name) => name !== CALLER);
  assert.ok(names.length >= 7, names.join());
  for (const name of names) {
    const text = await scenario(name);
    const wrong = spoiled(text).replaceAll(`${name}.test`, `${name}-spoiled.test`);
    trunks.set(`${name}.test`, await listen({ dir, name, text }));
    trunks.set(`${name}-spoiled.test`, await listen({ dir, name: `${name}-spoiled`, text: wrong }));
  }
  const text = (await scenario('answered')).replaceAll('answered.test', 'referred.test');
  trunks.set('referred.test', await listen({ dir, name: 'referred', text }));
  sip = await freePort();
  const ways = [...trunks].map(([domain, { port, host }]) =>
    ['[[sip.trunks]]', `name = "${domain}"`, `host = "${host}"`, `port = ${port}`, 'transport = "dangerous_tcp"', `domain = "${domain}"`]
      .concat(['caller_id = "mcu"', 'username = "mcu"', `password_file = "${password}"`, ''])
      .join('\n'),
  );
  const domains = [...trunks.keys()].map((domain) => `"${domain}"`).join();
  const rules = `[sip.dial_out]\ndomains = [${domains}]\ncalls_max = 50\nroom_calls_per_minute = 100\ncalls_per_minute = 100\n`;
  node = await startNode(
    [],
    `[sip]\ndangerous_tcp_port = ${sip}\ndangerous_plain_rtp = true\nrtp_ports = [43000, 43999]\n${rules}${ways.join('')}`,
  );
});

after(async () => {
  await node?.stop();
  await Promise.all([...trunks.values()].map((trunk) => trunk.stop()));
  if (dir) await rm(dir, { recursive: true, force: true });
});

const ask = (method, path, body) => api(node, method, `/rooms/demo/${path}`, { token: node.announced.admin_token, body });

/** Begins a call; resolves with its id. */
async function called(domain, more = {}) {
  const { status, body } = await ask('POST', 'calls', { to: `sip:room@${domain}`, ...more });
  assert.equal(status, 201, JSON.stringify(body));
  return body.id;
}

/** What becomes of a call, once that is so; one that is over is not listed any more. */
const becomes = (id, ...states) =>
  until(`call ${id} is ${states}`, async () => {
    const { body } = await ask('GET', 'calls');
    const call = body.calls.find((other) => other.id === id) ?? { state: 'over' };
    return states.includes(call.state) && call;
  });

/** What the node does in each, beside calling; resolves with what became of the call. */
const COURSES = {
  answered: async (id) => {
    await becomes(id, 'answered');
    assert.equal((await ask('DELETE', `calls/${id}`)).status, 204);
    return becomes(id, 'over');
  },
  busy: (id) => becomes(id, 'failed'),
  ringing: (id) => becomes(id, 'failed'),
  late: async (id) => {
    await becomes(id, 'ringing');
    assert.equal((await ask('DELETE', `calls/${id}`)).status, 204);
    return becomes(id, 'failed');
  },
  transferred: async (id) => {
    const { participant_id: participant } = await becomes(id, 'answered');
    const { status, body } = await ask('POST', `participants/${participant}/transfer`, { to: 'sip:room@answered.test' });
    assert.equal(status, 201, JSON.stringify(body));
    return becomes(body.id, 'transferred', 'failed');
  },
};
COURSES.challenged = COURSES.answered;
COURSES.forked = COURSES.answered;

const OUTCOMES = {
  busy: { state: 'failed', reason: 'busy', status: 486 },
  ringing: { state: 'failed', reason: 'no-answer' },
  late: { state: 'failed', reason: 'cancelled' },
  transferred: { state: 'transferred' },
};

test('every scenario goes as it says, and fails where it expects something else', { timeout: 300_000 }, async (t) => {
  const names = Object.keys(COURSES);
  assert.equal(trunks.size, 2 * names.length + 1, 'each scenario has its course');
  const runs = names.map(async (name) => {
    const more = name === 'ringing' ? { ring_s: 5 } : {};
    const [right, wrong] = [`${name}.test`, `${name}-spoiled.test`].map((domain) => trunks.get(domain));
    const course = async (domain) => COURSES[name](await called(domain, more));
    // Where sipp expects something else it gives up in the middle: what then becomes of the call is not the matter.
    const [outcome] = await Promise.all([course(`${name}.test`), course(`${name}-spoiled.test`).catch(() => {})]);
    return { outcome, right: await right.ended, wrong: await wrong.ended };
  });
  const ends = await Promise.all(runs);
  for (const [at, { outcome, right, wrong }] of ends.entries()) {
    await t.test(names[at], () => {
      assert.equal(right.code, 0, right.said);
      assert.equal(wrong.code, 1, 'the control: it expects what does not come');
      for (const field of ['id', 'to', 'name', 'transfers']) delete outcome[field];
      assert.deepEqual(outcome, OUTCOMES[names[at]] ?? { state: 'over' });
    });
  }
});

test('a host transfers by its device, and a guest does not', { timeout: 200_000 }, async () => {
  const text = await scenario(CALLER);
  const played = (name, what, pin) => play({ dir, name, text: what, port: sip, user: `demo.${pin}` });
  const guest = text.replace('<recv response="202">', '<recv response="403">').replace(/<recv request="NOTIFY">[^]*?<\/send>/g, '');
  const refused = await played('referring-guest', guest.replace(/<Reference .*?>/, ''), node.announced.guest_pin);
  assert.equal(refused.code, 0, refused.said);
  const wrong = await played('referring-wrong', text, node.announced.guest_pin);
  assert.equal(wrong.code, 1, 'the control: a guest is not obeyed');
  const host = await played('referring-host', text, node.announced.host_pin);
  assert.equal(host.code, 0, host.said);
  const { body } = await ask('GET', 'calls');
  const call = body.calls.find((other) => other.to === 'sip:room@referred.test');
  assert.equal(call.state, 'answered', 'whom it had called is in the meeting');
  assert.equal((await ask('DELETE', `calls/${call.id}`)).status, 204);
  const { code, said } = await trunks.get('referred.test').ended;
  assert.equal(code, 0, said);
});

test('who may not be called is not', async () => {
  const refused = await ask('POST', 'calls', { to: 'sip:room@elsewhere.test' });
  assert.equal(refused.status, 403);
  assert.equal(refused.body.code, 'call-refused');
  assert.match(refused.body.detail, /sip\.dial_out\.domains/);
  const number = await ask('POST', 'calls', { to: 'sip:+4930@answered.test' });
  assert.match(number.body.detail, /sip\.dial_out\.prefixes/);
});
