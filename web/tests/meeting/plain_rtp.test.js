/** A telephone without SRTP (a real baresip, by UDP) in a meeting with a browser: heard both ways, told of by name; and the lock. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { call, tone } from './baresip.js';
import { freePort, startNode, until } from './node.js';
import { Person } from './person.js';

const OUTPUT = fileURLToPath(new URL('../output', import.meta.url));
const [ADA, PHONE, LATE] = [2, 11, 12];

let node;
let ada;
let port;
const phones = [];

before(async () => {
  port = await freePort();
  node = await startNode([], `[sip]\ndangerous_udp_port = ${port}\ndangerous_plain_rtp = true\nrtp_ports = [43000, 43999]\n`);
});

after(async () => {
  await Promise.all(phones.map((phone) => phone.stop()));
  await ada?.goAway();
  await node?.stop();
});

/** @param {number} sender @param {string} name */
async function telephone(sender, name) {
  const uri = `sip:demo.${node.announced.guest_pin}@127.0.0.1:${port};transport=udp`;
  const phone = await call({ dir: node.dir, sender, name, uri, audio: 'pcma' });
  phones.push(phone);
  return phone;
}

test('a telephone without SRTP is heard, named, and kept out by the lock', { timeout: 600_000 }, async () => {
  ada = await Person.arrive(node, { sender: ADA, name: 'Ada' });
  await ada.join(node.announced.host_pin);
  const { page } = ada;
  const badge = page.locator('.privacy');
  await badge.filter({ hasText: 'not end-to-end encrypted' }).waitFor();
  const phone = await telephone(PHONE, 'Phone 7');
  await badge.filter({ hasText: 'Not encrypted on the way to: Phone 7.' }).waitFor();
  await until('Ada hears the telephone', async () => (await ada.hears([tone(PHONE)], 3))[0] > -60);
  await until('the telephone hears Ada', () => phone.hears(ADA));
  await page.keyboard.press('p');
  await page.getByRole('listitem').filter({ hasText: 'Phone 7' }).getByText('Not encrypted on the way').waitFor({ state: 'attached' });
  await page.screenshot({ path: join(OUTPUT, 'meeting-plain-rtp.png') });

  await page.getByRole('button', { name: 'Lock meeting' }).click();
  await page.locator('.locked').waitFor();
  const late = await telephone(LATE, 'Latecomer');
  await until('the latecomer was declined', () => /603/.test(late.log()));
  assert.equal(await page.getByText('Latecomer').count(), 0);

  await phone.tell('hangup');
  await badge.filter({ hasText: 'not end-to-end encrypted' }).waitFor();
});
