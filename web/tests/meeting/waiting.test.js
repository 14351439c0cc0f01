/** A room that waits for its host: a telephone (a real baresip) is told so, hears nobody, and hears the meeting begin. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { call } from './baresip.js';
import { freePort, startNode, until } from './node.js';
import { Person } from './person.js';
import { listener } from './prompts.js';

const OUTPUT = fileURLToPath(new URL('../output', import.meta.url));
const [ADA, FIRST, SECOND] = [2, 11, 20];

let node;
let ada;
let port;
const phones = [];

before(async () => {
  port = await freePort();
  node = await startNode([], `[room]\nguests_wait = true\n[sip]\ntls_port = ${port}\ndangerous_unverified_peers = true\nrtp_ports = [43000, 43999]\n`);
});

after(async () => {
  await Promise.all(phones.map((phone) => phone.stop()));
  await ada?.goAway();
  await node?.stop();
});

/** A telephone with the PIN of guests, or hosts, that is told what holds. */
async function comes(sender, pin, told) {
  const uri = `sip:demo.${pin}@127.0.0.1:${port};transport=tls`;
  const phone = await call({ dir: node.dir, sender, name: `Phone ${sender}`, uri, audio: 'pcma', media: 'srtp-mand' });
  phones.push(phone);
  const ear = listener(phone);
  await until(`${told} is said`, () => ear.hears(told));
  return { phone, ear };
}

test('guests wait until a host comes', { timeout: 600_000 }, async () => {
  const { guest_pin: guest, host_pin: host } = node.announced;
  const { phone, ear } = await comes(FIRST, guest, 'waiting-for-host');
  ada = await Person.arrive(node, { sender: ADA, name: 'Ada' });
  await ada.join(guest);
  const mark = ada.page.locator('.host-awaited', { hasText: 'Waiting for the host' });
  await mark.waitFor();
  // Its picture has come: the card.
  await ada.page.locator('.waiting').waitFor({ state: 'detached' });
  await ada.page.screenshot({ path: join(OUTPUT, 'meeting-waiting.png') });
  // Told once more, half a minute later: until then it could have heard Ada.
  await until('it is told again', () => ear.hears('waiting-for-host'));
  assert.ok(!(await phone.hears(ADA)), 'nobody is heard');
  await comes(SECOND, host, 'joined');
  await until('it is told that it is in', () => ear.hears('joined'));
  await until('it hears both', async () => (await phone.hears(ADA)) && (await phone.hears(SECOND)));
  await mark.waitFor({ state: 'detached' });
});
