/** What the node says to a telephone (a real baresip) that is alone in a meeting. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { call } from './baresip.js';
import { freePort, startNode, until } from './node.js';

const RECORDINGS = fileURLToPath(new URL('../../../mcu-server/prompts', import.meta.url));
const RATE = 8_000;

let node;
let phone;
let port;

before(async () => {
  port = await freePort();
  node = await startNode([], `[sip]\ntls_port = ${port}\ndangerous_unverified_peers = true\nlanguage = "de"\nrtp_ports = [43000, 43099]\n`);
});

after(async () => {
  await phone?.stop();
  await node?.stop();
});

/** A recording as the telephone would play it. */
function recording(name) {
  const pcm = execFileSync('ffmpeg', ['-loglevel', 'error', '-i', `${RECORDINGS}/${name}.opus`, '-ar', `${RATE}`, '-f', 's16le', '-']);
  return Array.from({ length: pcm.length / 2 }, (_, at) => pcm.readInt16LE(at * 2));
}

/** How alike `words` and the part of `heard` are that is most like them, 0 to 1. */
function likeness(words, heard) {
  const power = words.reduce((sum, sample) => sum + sample ** 2, 0);
  let best = 0;
  for (let lag = 0; lag + words.length <= heard.length; lag += 1) {
    let [both, own] = [0, 1];
    for (let at = 0; at < words.length; at += 1) {
      const sample = heard[lag + at];
      both += words[at] * sample;
      own += sample * sample;
    }
    best = Math.max(best, both / Math.sqrt(power * own));
  }
  return best;
}

test('a telephone is told that it is in, in the language of the node', { timeout: 300_000 }, async () => {
  const uri = `sip:demo.${node.announced.guest_pin}@127.0.0.1:${port};transport=tls`;
  phone = await call({ dir: node.dir, sender: 11, name: 'Phone', uri, audio: 'pcma', media: 'srtp-mand' });
  const heard = await until('it has heard enough', async () => {
    const samples = await phone.heard(RATE);
    return samples.length > 5 * RATE && samples.slice(0, 5 * RATE);
  });
  const [said, otherwise] = [recording('de/joined'), recording('en/joined')].map((words) => likeness(words, heard));
  assert.ok(said > 0.8 && otherwise < 0.5, `like what is said: ${said}, like the same in English: ${otherwise}`);
});
