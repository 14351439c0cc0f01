/** Calls by SIP, message by message: sipp plays a device and expects what docs/SIP.md says. Each scenario is also shown to be able to fail. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { freePort, metrics, startNode } from './node.js';
import { play, scenario, spoiled, tlsTo } from './sipp.js';

/** Played alone, as it goes by what the whole node counts. */
const ALONE = 'keyframe';

let node;
let way;
let names;

before(async () => {
  const port = await freePort();
  node = await startNode([], `[sip]\ntls_port = ${port}\ndangerous_unverified_peers = true\nrtp_ports = [43000, 43999]\n`);
  way = await tlsTo(port);
  const files = await readdir(fileURLToPath(new URL('sipp', import.meta.url)));
  names = files.filter((file) => file.endsWith('.xml')).map((file) => file.slice(0, -4));
});

after(async () => {
  await way?.close();
  await node?.stop();
});

/** The wrong PIN is what makes the answer late enough for a CANCEL. */
const user = (name) => (name === 'cancel' ? 'demo.000000' : `demo.${node.announced.guest_pin}`);

const played = (name, text, as = name) => play({ dir: node.dir, name: as, text, port: way.port, user: user(name) });

test('a device that asks for key frames in words gets them', { timeout: 200_000 }, async () => {
  const made = async (text, as) => {
    const before = (await metrics(node)).mcu_keyframes_total;
    const { code, said } = await played(ALONE, text, as);
    assert.equal(code, 0, said);
    return (await metrics(node)).mcu_keyframes_total - before;
  };
  const text = await scenario(ALONE);
  const without = await made(text.replaceAll('picture_fast_update', 'picture_freeze'), 'keyframe-without');
  const wished = await made(text, 'keyframe');
  assert.ok(wished >= without + 2, `${wished} with three wishes, ${without} without`);
});

test('every scenario goes as it says, and fails where it expects something else', { timeout: 200_000 }, async (t) => {
  const others = names.filter((name) => name !== ALONE);
  assert.ok(others.length >= 14, others.join());
  const texts = await Promise.all(others.map(scenario));
  const runs = others.map((name, at) => Promise.all([played(name, texts[at]), played(name, spoiled(texts[at]), `${name}-spoiled`)]));
  const ends = await Promise.all(runs);
  for (const [at, [right, wrong]] of ends.entries()) {
    await t.test(others[at], () => {
      assert.equal(right.code, 0, right.said);
      assert.equal(wrong.code, 1, 'the control: it expects what does not come');
    });
  }
});
