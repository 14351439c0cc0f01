/** The small rules: encodings, quality, waiting, the roster, levels, addresses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, aliasFrom } from '../../app/address.js';
import { changesBetween, initials, inOrder, unsecured } from '../../app/call/roster.js';
import { encodingFor } from '../../app/media/encoding.js';
import { reasonOf } from '../../app/media/devices.js';
import { SpeechSense, levelOf } from '../../app/media/level.js';
import { backoffMs } from '../../app/net/backoff.js';
import { qualityOf, readReport } from '../../app/net/quality.js';
import { privacyLine } from '../../app/ui/privacy.js';

const REQUEST = { kind: 'main', height: 360, fps: 15, kbps: 400, paused: false };

test('a request for less becomes scale, rate and frame rate; never more than there is', () => {
  const encoding = encodingFor({ rid: 'x' }, REQUEST, { width: 1280, height: 720 });
  assert.deepEqual(encoding, { rid: 'x', active: true, scaleResolutionDownBy: 2, maxBitrate: 400_000, maxFramerate: 15 });
  assert.equal(encodingFor({}, { ...REQUEST, height: 1080 }, { width: 1280, height: 720 }).scaleResolutionDownBy, 1);
  assert.equal(encodingFor({}, REQUEST, {}).scaleResolutionDownBy, 1);
  assert.equal(encodingFor({}, { ...REQUEST, paused: true }, {}).active, false);
});

test('an upright camera counts by its shorter side, an upright slide by its height', () => {
  const upright = { width: 720, height: 1280 };
  assert.equal(encodingFor({}, REQUEST, upright).scaleResolutionDownBy, 2);
  assert.equal(encodingFor({}, { ...REQUEST, kind: 'content', height: 640 }, upright).scaleResolutionDownBy, 2);
});

test('quality falls with delay, loss, freezes and a narrow class', () => {
  const fine = { rttMs: 30, lossPermille: 0, receiveKbps: 1500, freezes: 0, rateClass: 'high' };
  assert.equal(qualityOf(null), 'unknown');
  assert.equal(qualityOf(fine), 'good');
  for (const worse of [{ rttMs: 300 }, { lossPermille: 30 }, { freezes: 1 }, { rateClass: 'low' }]) {
    assert.equal(qualityOf({ ...fine, ...worse }), 'fair');
  }
  for (const worst of [{ rttMs: 700 }, { lossPermille: 150 }, { freezes: 2 }]) {
    assert.equal(qualityOf({ ...fine, ...worst }), 'poor');
  }
});

test('the report is read for the mix alone', () => {
  const report = [
    { type: 'inbound-rtp', kind: 'video', mid: '1', framesPerSecond: 29.7, freezeCount: 2 },
    { type: 'inbound-rtp', kind: 'video', mid: '2', framesPerSecond: 5, freezeCount: 9 },
    { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.0214 },
    { type: 'candidate-pair', nominated: false, currentRoundTripTime: 3 },
  ];
  assert.deepEqual(readReport(report, '1'), { fps: 30, freezes: 2, rttMs: 21 });
  assert.deepEqual(readReport([], '1'), { fps: 0, freezes: 0, rttMs: null });
});

test('waiting doubles, is spread, and has an end', () => {
  assert.equal(backoffMs(0, 0.5), 1_000);
  assert.equal(backoffMs(1, 0.5), 2_000);
  assert.equal(backoffMs(2, 0), 3_200);
  assert.equal(backoffMs(2, 0.999_999), 4_800);
  assert.equal(backoffMs(500, 0.5), 15_000);
});

const SAFE = { exposed: [], covered: [] };

test('news of the roster are about others', () => {
  const person = (id, muted = false) => ({ id, name: id.toUpperCase(), muted });
  const before = [person('me'), person('a'), person('b')];
  const after = [person('me', true), person('a', true), person('c', true)];
  assert.deepEqual(changesBetween(before, after, 'me'), { joined: ['C'], left: ['B'], muted: ['A'], ...SAFE });
  assert.deepEqual(changesBetween(before, before, 'me'), { joined: [], left: [], muted: [], ...SAFE });
});

test('whose media begin or cease to go in the clear is news; what is not known yet is not', () => {
  const person = (id, secured) => ({ id, name: id.toUpperCase(), muted: false, secured });
  const before = [person('a', true), person('b', null), person('c', false), person('d', false)];
  const after = [person('a', false), person('b', false), person('c', true), person('d', false), person('e', false), person('f', null)];
  const { exposed, covered } = changesBetween(before, after, 'me');
  assert.deepEqual({ exposed, covered }, { exposed: ['A', 'B', 'E'], covered: ['C'] });
  assert.deepEqual(unsecured(after), ['A', 'B', 'D', 'E']);
});

test('the badge names whose way is open, a few of them, and claims nothing that it does not know', () => {
  assert.match(privacyLine('node-decrypted', []), /not end-to-end encrypted/);
  assert.equal(privacyLine('in-the-clear', ['Phone 7']), 'Not encrypted on the way to: Phone 7.');
  assert.match(privacyLine('in-the-clear', [...'abcde']), /: a, b, c and 2 more\.$/);
  assert.match(privacyLine('in-the-clear', []), /somebody/);
  for (const odd of ['', 'constructor', 'new-word']) assert.match(privacyLine(odd, []), /did not say/);
});

test('oneself comes first, then hosts, then names', () => {
  const people = [
    { id: 1, role: 'guest', name: 'Zoe' },
    { id: 2, role: 'host', name: 'Yan' },
    { id: 3, role: 'guest', name: 'Ben' },
    { id: 4, role: 'guest', name: 'Me' },
    { id: 6, role: 'guest', name: 'Ben' },
  ];
  assert.deepEqual(inOrder(people, 4).map(({ id }) => id), [4, 2, 3, 6, 1]);
});

test('initials are letters as people write them', () => {
  assert.equal(initials('Ada Lovelace'), 'AL');
  assert.equal(initials('  grace  b.  hopper '), 'GH');
  assert.equal(initials('王小明'), '王');
  assert.equal(initials('👩‍🚀 crew'), '👩C');
  assert.equal(initials(''), '');
});

test('speech is a row of loud levels, not a click', () => {
  const sense = new SpeechSense();
  const heard = (levels) => levels.map((level) => sense.hear(level)).includes(true);
  assert.equal(heard([0.9, 0, 0.9, 0, 0, 0]), false);
  sense.reset();
  assert.equal(heard(Array(8).fill(0.7)), true);
});

test('levels run from silence to speech', () => {
  assert.equal(levelOf(new Float32Array(512)), 0);
  assert.equal(levelOf(new Float32Array(512).fill(0.5)), 1);
  const middle = levelOf(new Float32Array(512).fill(0.02));
  assert.ok(middle > 0.4 && middle < 0.6, `${middle}`);
});

test('what a device refuses is told by its reason', () => {
  const named = (name) => Object.assign(new Error(), { name });
  assert.equal(reasonOf(named('NotAllowedError')), 'denied');
  assert.equal(reasonOf(named('NotFoundError')), 'missing');
  assert.equal(reasonOf(named('NotReadableError')), 'busy');
  assert.equal(reasonOf(new TypeError('mediaDevices is undefined')), 'insecure');
  assert.equal(reasonOf('?'), 'unknown');
});

test('addresses name a meeting and nothing else', () => {
  assert.equal(aliasFrom('/m/weekly'), 'weekly');
  assert.equal(aliasFrom('/m/weekly/'), 'weekly');
  assert.equal(aliasFrom(addressOf('Bär & Co')), 'Bär & Co');
  assert.equal(aliasFrom('/m/%E0%A4'), null);
  assert.equal(aliasFrom('/m/a/b'), null);
  assert.equal(aliasFrom('/'), null);
});
