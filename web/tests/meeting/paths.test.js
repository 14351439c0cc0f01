/** Ways to the node other than UDP over IPv4: IPv6, ICE over TCP where UDP cannot be used, and a TURN server. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bots, startNode, until } from './node.js';
import { Person } from './person.js';
import { startTurn } from './turn.js';

const [ADA, BOT] = [2, 14];

let node;
let ada;
let turn;

afterEach(async () => {
  await ada?.goAway();
  await node?.stop();
  await turn?.stop();
  [ada, node, turn] = [];
});

/** Ada meets a bot; resolves with the way that her media takes once each sees the other. */
async function meet(nodeFlags, browserFlags, prepare) {
  node = await startNode(nodeFlags);
  ada = await Person.arrive(node, { sender: ADA, name: 'Ada', flags: browserFlags, prepare });
  await ada.join(node.announced.host_pin);
  const crew = bots(node, { count: 1, firstSender: BOT, flags: ['--size', '180p'] });
  await until('Ada sees the bot', async () => (await ada.others()).has(BOT));
  await until('the bot sees Ada move', () => crew.sees() > 0);
  const path = await ada.path();
  const { reports: [report] } = await crew.leave();
  const seen = report.main.tiles.flatMap(({ codes }) => codes).find(({ sender }) => sender === ADA);
  assert.ok(seen?.numbers > 1, `the bot sees Ada: ${JSON.stringify(report.main.tiles)}`);
  assert.deepEqual(ada.faults(), []);
  return path;
}

test('a browser and a bot meet over IPv6', { timeout: 600_000 }, async (t) => {
  const { protocol, remote } = await meet(['--bind', '::1'], []);
  t.diagnostic(`${protocol} to ${remote}`);
  assert.deepEqual({ protocol, remote }, { protocol: 'udp', remote: '::1' });
});

test('a browser that may not use UDP comes by TCP', { timeout: 600_000 }, async (t) => {
  const { protocol, remote } = await meet([], ['--webrtc-ip-handling-policy=disable_non_proxied_udp']);
  t.diagnostic(`${protocol} to ${remote}`);
  assert.equal(protocol, 'tcp');
});

/** What a firewall that lets nothing else through would leave of a browser's ways. */
function onlyRelayed() {
  const Plain = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Plain {
    constructor(configuration) {
      super({ ...configuration, iceTransportPolicy: 'relay' });
    }
  };
}

for (const transport of ['udp', 'tcp']) {
  test(`a browser that reaches nothing but a TURN server by ${transport} comes through it`, { timeout: 600_000 }, async (t) => {
    turn = await startTurn();
    const config = join(turn.dir, 'mcu.toml');
    const url = `turn:127.0.0.1:${turn.port}?transport=${transport}`;
    await writeFile(config, `[[ice_servers]]\nurls = ["${url}"]\nsecret = "${turn.secret}"\n`);
    const { kind, relayProtocol, local } = await meet(['--config', config], [], onlyRelayed);
    t.diagnostic(`${kind} by ${relayProtocol}, from ${local}`);
    assert.deepEqual({ kind, relayProtocol }, { kind: 'relay', relayProtocol: transport });
  });
}
