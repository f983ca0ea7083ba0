// A sender of UDP that never pauses, while the NAT rules of a document change: with real sockets and packets.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { DesiredDocument, DesiredState, NetfilterRuleOptions } from '../../src/index.js';
import { Director, OWNER, SERVER_PORT, until } from '../desired/director.js';

const PORT = 5000;
/** Milliseconds between two datagrams, and in which a change has to be felt. */
const INTERVAL = 20;
const SECOND = 1000;
let director: Director;
let state: DesiredState;

beforeAll(async () => {
  director = await Director.make();
  await director.serve('director', 'director', SERVER_PORT);
});

afterEach(async () => {
  await director.stop('sender');
  await state.remove();
});

afterAll(async () => {
  await director?.close();
});

const document = (...nat: NetfilterRuleOptions[]): DesiredDocument => ({
  owner: OWNER,
  namespace: director.namespace,
  nat,
});

/** To a server; its answers come back by way of the director. */
const dnat = (number: number, more: object = {}): NetfilterRuleOptions => ({
  type: 'dnat',
  destination: director.virtual,
  protocol: 'udp',
  port: PORT,
  to: director.server(number).address,
  toPort: SERVER_PORT,
  ...more,
});

const redirect = (): NetfilterRuleOptions => ({ type: 'redirect', protocol: 'udp', port: PORT, toPort: SERVER_PORT });

async function begin(...nat: NetfilterRuleOptions[]): Promise<void> {
  state = await director.open(document(...nat), { record: false });
  await state.apply();
  await director.send('sender', PORT, INTERVAL);
}

/** Who answers what is sent from a second after now on; undefined for nobody. */
async function answering(): Promise<(string | undefined)[]> {
  const from = Date.now() + SECOND;
  let late: readonly (string | undefined)[] = [];
  await until(async () => {
    // The last ones may still be answered.
    const all = (await director.sent('sender')).filter(({ sent }) => sent > from && sent < Date.now() - 300);
    late = all.map(({ name }) => name);
    return late.length > 10;
  });
  return [...new Set(late)];
}

async function applied(...nat: NetfilterRuleOptions[]): Promise<(string | undefined)[]> {
  await state.apply(document(...nat));
  expect((await state.plan()).empty).toBe(true);
  return answering();
}

test('a rule that comes, changes, and goes moves the sender', async () => {
  await begin();
  expect(await answering(), 'nobody listens on that port').toEqual([undefined]);
  expect(await applied(dnat(1))).toEqual(['server1']);
  expect(await applied(dnat(2))).toEqual(['server2']);
  expect(await applied(), 'the old mapping is gone with its rule').toEqual([undefined]);
  expect(await applied(redirect())).toEqual(['director']);
  expect(await applied(redirect(), dnat(3)), 'the narrower rule is taken').toEqual(['server3']);
  expect(await applied(redirect())).toEqual(['director']);
});

test('so does a rule for a prefix, a range of ports, and an interface', async () => {
  await begin(dnat(1, { destination: '10.1.0.0/24', port: { from: 4000, to: 6000 } }));
  expect(await answering()).toEqual(['server1']);
  expect(await applied(dnat(2, { destination: '10.1.0.0/24', port: { from: PORT, to: PORT } }))).toEqual(['server2']);
  expect(await applied(dnat(3, { destination: undefined, source: '10.1.0.2/32', inputInterface: 'clients' }))).toEqual([
    'server3',
  ]);
});

test('a flow gets the source that the rules say now', async () => {
  await begin(dnat(1));
  expect(await answering()).toEqual(['server1']);
  const sources = (): string[] => {
    const lines = director.shell('conntrack -L -p udp 2>/dev/null').split('\n');
    return lines.filter((line) => line.includes(`dport=${PORT}`)).map((line) => line.match(/dst=\S+/g)?.[1] ?? '');
  };
  expect(sources()).toEqual(['dst=10.1.0.2']);
  expect(await applied(dnat(1), { type: 'masquerade', destination: '10.2.0.0/24' })).toEqual(['server1']);
  expect(sources()).toEqual(['dst=10.2.0.1']);
  expect(await applied(dnat(1))).toEqual(['server1']);
  expect(sources()).toEqual(['dst=10.1.0.2']);
});
