/** Calls that a host has made: what is typed as an address, what is listed, and what is told. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { addressFrom, addressShown, orderFrom } from '../../app/call/callee.js';
import { Calls, newsOf, shownOf, stateOf } from '../../app/call/calls.js';
import { Problem } from '../../app/net/api.js';
import { strings } from '../../app/strings.js';
import { troubleOf } from '../../app/ui/call_dialogs.js';

const REACH = { domains: ['trunk.example.org', 'other.example.org'], prefixes: ['+49'], deviceHost: 'mcu.example.org' };
const FIELDS = { to: '+4930', name: ' ', role: 'guest', dtmf: '', ring_s: '45' };

test('an address is read as people write it', () => {
  const table = {
    '+4930123': 'sip:+4930123@trunk.example.org',
    ' +49 (30) 12-3/4 ': 'sip:+49301234@trunk.example.org',
    'tel:+49-30': 'sip:+4930@trunk.example.org',
    '0049 30@Other.Example.Org': 'sip:004930@other.example.org',
    'SIP:room-7.a_b@other.example.org': 'sip:room-7.a_b@other.example.org',
    'room-7': 'sip:room-7@mcu.example.org',
  };
  for (const [typed, address] of Object.entries(table)) assert.equal(addressFrom(typed, REACH), address, typed);
  assert.equal(addressFrom('room-7', { ...REACH, deviceHost: null }), 'sip:room-7@trunk.example.org');
  assert.equal(addressFrom('12', { ...REACH, domains: [] }), 'sip:12@mcu.example.org', 'a device may be called by a number');
});

test('what is no address, or could be read in two ways, is none', () => {
  for (const typed of ['', '@', 'a@', '@b', 'a b', 'a@b@c', 'a@b:5060', 'a@b;x=y', 'sips:a@b', '<sip:a@b>', '%2b49', '+', '+49 (0)30', '192.0.2.1', 'a@-b', '1'.repeat(65)]) {
    assert.equal(addressFrom(typed, REACH), null, typed);
  }
  assert.equal(addressFrom('+4930', { domains: [], prefixes: [], deviceHost: null }), null, 'nowhere to dial');
});

test('a form becomes what the API takes, or names the field that does not', () => {
  assert.deepEqual(orderFrom(FIELDS, REACH), { order: { to: 'sip:+4930@trunk.example.org', role: 'guest', ring_s: 45 } });
  const full = { to: 'a@b', name: ' Ada ', role: 'host', dtmf: '1 2,#a', ring_s: '120' };
  assert.deepEqual(orderFrom(full, REACH), { order: { to: 'sip:a@b', name: 'Ada', role: 'host', ring_s: 120, dtmf: '12,#A' } });
  const faults = { to: ['a b'], dtmf: ['+1', 'e', '1'.repeat(65)], ring_s: ['', '4', '121', '5.5', 'soon'] };
  for (const [field, values] of Object.entries(faults)) {
    for (const value of values) assert.deepEqual(orderFrom({ ...FIELDS, [field]: value }, REACH), { fault: field }, `${field}: ${value}`);
  }
});

test('a person reads a number, or an address', () => {
  assert.equal(addressShown('sip:+4930@trunk.example.org'), '+4930');
  assert.equal(addressShown('sip:room@trunk.example.org'), 'room@trunk.example.org');
});

const call = (id, state, more = {}) => ({ id, to: `sip:+${id}@trunk.example.org`, name: `Phone ${id}`, state, ...more });
const failed = (id, reason, more) => call(id, 'failed', { reason, ...more });

test('listed is what a host has to know: not who is in, not what was called off, no failure that was made good', () => {
  const calls = [call(1, 'calling'), call(2, 'ringing'), call(3, 'answered'), failed(4, 'busy'), failed(5, 'cancelled'), call(6, 'transferred')];
  assert.deepEqual(shownOf(calls).map(({ id }) => id), [1, 2, 4]);
  const again = [failed(4, 'busy'), failed(7, 'busy', { to: 'sip:+4@trunk.example.org' })];
  assert.deepEqual(shownOf(again).map(({ id }) => id), [7]);
});

test('each step is told once, failures and transfers for all to see', () => {
  const before = [call(1, 'calling'), call(2, 'ringing'), call(3, 'ringing'), call(4, 'ringing'), call(5, 'ringing', { name: undefined, transfers: 9 })];
  const after = [call(1, 'calling'), failed(2, 'busy'), call(3, 'answered', { participant_id: 8 }), failed(4, 'cancelled'), { ...before[4], state: 'transferred' }, call(6, 'calling')];
  assert.deepEqual(newsOf(before, after), [
    { text: 'Phone 2: Busy. Try again in a while.', tone: 'warning' },
    { text: 'Phone 4: The call was cancelled.', tone: null },
    { text: '+5: Transferred', tone: 'info' },
    { text: 'Phone 6: Calling…', tone: null },
  ]);
  assert.deepEqual(newsOf(after, after), []);
});

test('a failure that has been read is gone, and the first list is no news', () => {
  const calls = new Calls();
  assert.equal(calls.reach.value, null, 'the node has said nothing');
  calls.take({ domains: ['trunk.example.org'], prefixes: [], calls: [failed(1, 'busy'), failed(2, 'declined')] });
  assert.deepEqual(calls.reach.value, { domains: ['trunk.example.org'], prefixes: [], deviceHost: null });
  calls.dismiss(1);
  assert.deepEqual(calls.shown.value.map(({ id }) => id), [2]);
});

test('every reason of the API is told in words', async () => {
  const page = await readFile(new URL('../../../docs/API.md', import.meta.url), 'utf8');
  const [, told] = /`reason` being ([^]*?), and `status`/.exec(page);
  const reasons = [...told.matchAll(/`([a-z-]+)`/g)].map(([, reason]) => reason);
  assert.ok(reasons.length > 8, told);
  assert.deepEqual(Object.keys(strings.callFailures).sort(), reasons.sort());
  assert.equal(stateOf(failed(1, 'of a later node')), strings.callFailures.refused);
});

test('why a call is not begun is told in words, at the field that it is about', () => {
  const trouble = (problem) => troubleOf(new Problem(problem));
  assert.deepEqual(trouble({ code: 'call-refused', status: 403 }), { field: 'to', text: strings.callFaults.refused });
  assert.match(trouble({ code: 'call-refused', status: 429, retryAfterS: 20 }).text, /in 20 seconds/);
  assert.deepEqual(trouble({ code: 'bad-request', detail: 'name: must be short' }), { field: 'name', text: strings.callFaults.name });
  assert.match(trouble({ code: 'bad-request', detail: 'ring_s: must be' }).text, /5 to 120 seconds/);
  for (const code of ['bad-request', 'forbidden', 'internal']) assert.deepEqual(trouble({ code }), { field: null, text: strings.callFaults.unknown });
  assert.equal(trouble({ code: 'unreachable' }).text, strings.problems.unreachable);
  assert.throws(() => troubleOf(new TypeError('a mistake of ours')), TypeError);
});
