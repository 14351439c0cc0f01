/** A host in Chromium has people called from the list of people: a real baresip answers, sipp is busy, rings, and is transferred. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { answering, tone } from './baresip.js';
import { freePort, startNode, until } from './node.js';
import { Person } from './person.js';
import { listen } from './sipp.js';

const [ADA, PHONE] = [2, 11];
const PLAYED = ['busy', 'ringing', 'transferred'];

let dir;
let node;
let ada;
let phone;
const trunks = new Map();

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mcu-calling-'));
  phone = await answering({ dir, sender: PHONE, name: 'Phone', audio: 'pcma', transport: 'udp' });
  const trunk = (name, host, port, transport) =>
    `[[sip.trunks]]\nname = "${name}"\nhost = "${host}"\nport = ${port}\ntransport = "${transport}"\ndomain = "${name}.test"\ncaller_id = "mcu"\n`;
  const ways = [trunk('phone', '127.0.0.1', phone.port, 'dangerous_udp')];
  for (const name of PLAYED) {
    const text = await readFile(fileURLToPath(new URL(`sipp_out/${name}.xml`, import.meta.url)), 'utf8');
    const played = await listen({ dir, name, text });
    trunks.set(name, played);
    ways.push(trunk(name, played.host, played.port, 'dangerous_tcp'));
  }
  const domains = ['phone', 'answered', ...PLAYED].map((name) => `"${name}.test"`);
  const rules = `[sip.dial_out]\ndomains = [${domains}]\nprefixes = ["1"]\nroom_calls_per_minute = 100\n`;
  const [tcp, udp] = [await freePort(), await freePort()];
  const sip = `[sip]\ndangerous_tcp_port = ${tcp}\ndangerous_udp_port = ${udp}\ndangerous_plain_rtp = true\nrtp_ports = [43000, 43999]\n`;
  node = await startNode([], sip + rules + ways.join(''));
});

after(async () => {
  await ada?.goAway();
  await node?.stop();
  await Promise.all([phone?.stop(), ...[...trunks.values()].map((played) => played.stop())]);
  if (dir) await rm(dir, { recursive: true, force: true });
});

test('whom a host calls from the list of people answers, is busy, or is not allowed, and the list says so', { timeout: 600_000 }, async (t) => {
  ada = await Person.arrive(node, { sender: ADA, name: 'Ada' });
  await ada.join(node.announced.host_pin);
  const { page } = ada;
  const button = (name) => page.getByRole('button', { name, exact: true });
  const dialog = page.getByRole('dialog');
  const calls = page.getByRole('list', { name: 'Calls' });
  const people = page.locator('.people-list');
  const call = async (to, name) => {
    await button('Call somebody').click();
    await dialog.getByLabel('Number or address').fill(to);
    await dialog.getByLabel('Name to show').fill(name);
    await button('Call').click();
  };
  await button('People').click();

  await t.test('one is busy', async () => {
    await call('room@busy.test', 'Room');
    await page.locator('.toast-warning', { hasText: 'Room: Busy.' }).waitFor();
    await calls.getByText('Busy. Try again in a while.').waitFor();
    assert.equal((await trunks.get('busy').ended).code, 0);
    await button('Dismiss the call to Room').click();
    await calls.waitFor({ state: 'detached' });
  });

  await t.test('one rings until it is called off', async () => {
    await call('room@ringing.test', 'Room');
    await calls.getByText('Ringing…').waitFor();
    await button('Cancel the call to Room').click();
    await calls.waitFor({ state: 'detached' });
    const { code, said } = await trunks.get('ringing').ended;
    assert.equal(code, 0, said);
  });

  await t.test('one is transferred, and goes', async () => {
    await call('room@transferred.test', 'Room');
    await people.getByText('Room', { exact: true }).waitFor();
    await button('Transfer Room').click();
    await dialog.getByLabel('Number or address').fill('room@answered.test');
    await button('Transfer').click();
    await page.locator('.toast', { hasText: 'room@answered.test: Transferred' }).waitFor();
    await people.getByText('Room', { exact: true }).waitFor({ state: 'detached' });
    const { code, said } = await trunks.get('transferred').ended;
    assert.equal(code, 0, said);
  });

  await t.test('one may not be called', async () => {
    assert.deepEqual(ada.faults(), []);
    await call('room@elsewhere.test', 'Room');
    await dialog.getByRole('alert').getByText('This server may not call there').waitFor();
    assert.equal(await calls.count(), 0);
    assert.equal(ada.faults().length, 1, ada.faults().join('\n'));
    assert.match(ada.faults()[0], /403/, 'the browser itself says that it was refused');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });

  await t.test('a telephone answers, and is one of the people', async () => {
    await call(`${PHONE}`, 'Telephone of Ada');
    await people.getByText('Telephone of Ada').waitFor();
    await page.locator('.toast', { hasText: 'Telephone of Ada joined' }).waitFor();
    await calls.waitFor({ state: 'detached' });
    await until('the telephone hears Ada', () => phone.hears(ADA));
    await until('Ada hears the telephone', async () => (await ada.hears([tone(PHONE)], 3))[0] > -60);
    await button('Remove Telephone of Ada').click();
    await dialog.getByRole('button', { name: 'Remove', exact: true }).click();
    await people.getByText('Telephone of Ada').waitFor({ state: 'detached' });
    await until('it was told', () => /terminated|closed/i.test(phone.log()));
  });
});
