/** The node calls: a real baresip that answers by itself, by UDP in the clear and by TLS with SRTP, in a meeting with a browser; and hangs up. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { answering, tone } from './baresip.js';
import { api, freePort, startNode, until } from './node.js';
import { Person } from './person.js';

const [ADA, OPEN, SECRET] = [2, 11, 12];

let dir;
let node;
let ada;
const phones = new Map();

/** A CA of its own for the trunk, and a certificate of 127.0.0.1: the files' paths. */
async function certificate() {
  const [ca, caKey, key, request, cert, both, names] = ['ca.pem', 'ca.key', 'key', 'csr', 'cert', 'both.pem', 'names'].map((file) => join(dir, file));
  const openssl = (words) => promisify(execFile)('openssl', words.split(' '));
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes';
  await openssl(`req -x509 ${newKey} -days 30 -subj /CN=trunks -keyout ${caKey} -out ${ca}`);
  await openssl(`req -new ${newKey} -subj /CN=phone -keyout ${key} -out ${request}`);
  await writeFile(names, 'subjectAltName=IP:127.0.0.1\n');
  await openssl(`x509 -req -in ${request} -CA ${ca} -CAkey ${caKey} -CAcreateserial -days 30 -extfile ${names} -out ${cert}`);
  await writeFile(both, (await readFile(key, 'utf8')) + (await readFile(cert, 'utf8')));
  return { ca, both };
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mcu-answering-'));
  const { ca, both } = await certificate();
  phones.set(OPEN, await answering({ dir, sender: OPEN, name: 'Open', audio: 'pcma', transport: 'udp' }));
  const secret = { dir, sender: SECRET, name: 'Secret', audio: 'opus', transport: 'tls', media: 'srtp-mand', certificate: both };
  phones.set(SECRET, await answering(secret));
  const [tls, udp] = [await freePort(), await freePort()];
  const trunk = (name, port, more) => `[[sip.trunks]]\nname = "${name}"\nhost = "127.0.0.1"\nport = ${port}\ndomain = "${name}.test"\ncaller_id = "meeting"\n${more}\n`;
  const config = [
    `[sip]\ntls_port = ${tls}\ndangerous_unverified_peers = true\ndangerous_udp_port = ${udp}\ndangerous_plain_rtp = true\nrtp_ports = [43000, 43999]\n`,
    '[sip.dial_out]\ndomains = ["open.test", "secret.test"]\nprefixes = ["1"]\n',
    trunk('open', phones.get(OPEN).port, 'transport = "dangerous_udp"'),
    trunk('secret', phones.get(SECRET).port, `ca = "${ca}"`),
  ];
  node = await startNode([], config.join(''));
});

after(async () => {
  await ada?.goAway();
  await node?.stop();
  await Promise.all([...phones.values()].map((phone) => phone.stop()));
  if (dir) await rm(dir, { recursive: true, force: true });
});

test('a telephone that is called hears the meeting and is heard, in the clear and in secret', { timeout: 600_000 }, async () => {
  ada = await Person.arrive(node, { sender: ADA, name: 'Ada' });
  await ada.join(node.announced.host_pin);
  const ask = (method, path, body) => api(node, method, `/rooms/demo/${path}`, { token: node.announced.admin_token, body });
  const calls = async () => (await ask('GET', 'calls')).body.calls;
  const secured = [];
  for (const [sender, domain] of [[OPEN, 'open.test'], [SECRET, 'secret.test']]) {
    const { status, body } = await ask('POST', 'calls', { to: `sip:${sender}@${domain}`, name: `Phone ${sender}` });
    assert.equal(status, 201, JSON.stringify(body));
    const call = await until(`telephone ${sender} answers`, async () => {
      const now = (await calls()).find((other) => other.id === body.id);
      assert.notEqual(now?.state, 'failed', `${JSON.stringify(now)}\n${phones.get(sender).log()}`);
      return now?.state === 'answered' && now;
    });
    const phone = phones.get(sender);
    await until(`telephone ${sender} hears Ada`, () => phone.hears(ADA));
    await until(`Ada hears telephone ${sender}`, async () => (await ada.hears([tone(sender)], 3))[0] > -60);
    const { participants } = (await ask('GET', 'participants')).body;
    const entry = participants.find((other) => other.id === call.participant_id);
    assert.equal(entry.name, `Phone ${sender}`);
    secured.push(entry.secured);
    assert.equal((await ask('DELETE', `calls/${body.id}`)).status, 204);
    await until(`telephone ${sender} is gone`, async () => !(await calls()).some((other) => other.id === body.id));
    await until(`telephone ${sender} was told`, () => /terminated|closed/i.test(phone.log()));
  }
  assert.deepEqual(secured, [false, true]);
});
