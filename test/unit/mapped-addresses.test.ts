// IPv4-mapped IPv6 addresses, as sockets of Node report them, stand for IPv4 addresses in every function.
import { describe, expect, test } from 'vitest';
import { withoutMapping } from '../../src/common/address.js';
import { checkFilter } from '../../src/conntrack/filter.js';
import { staleQuery } from '../../src/conntrack/stale.js';
import { checkTuple } from '../../src/conntrack/tuple.js';
import { CheckedDocument } from '../../src/desired/document/document.js';
import { checkServerKey } from '../../src/ipvs/server-options.js';
import { checkServiceKey } from '../../src/ipvs/service-options.js';
import { checkMark } from '../../src/netfilter/mark-options.js';
import { checkRule } from '../../src/netfilter/rule-options.js';
import { checkAddressOptions, checkAddressSelector } from '../../src/network/address-options.js';
import { checkNeighbour, checkNeighbourSelector } from '../../src/network/neighbour-options.js';
import { checkRoute, checkRouteQuery, checkRouteSelector } from '../../src/network/route-options.js';
import { checkRule as checkRoutingRule } from '../../src/network/rule-options.js';

test.each([
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::FFFF:a00:1', '10.0.0.1'],
  ['0:0:0:0:0:ffff:10.0.0.1', '10.0.0.1'],
  ['0000:0000:0000:0000:0000:ffff:0a00:0001', '10.0.0.1'],
  ['::ffff:0:0', '0.0.0.0'],
  ['::0:ffff:10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.0/120', '10.0.0.0/24'],
  ['::ffff:0:0/96', '0.0.0.0/0'],
  ['::ffff:10.0.0.1/128', '10.0.0.1/32'],
])('%s stands for %s', (mapped, plain) => expect(withoutMapping(mapped)).toBe(plain));

test.each([
  '10.0.0.1',
  'fd00::1',
  '::10.0.0.1',
  '::ffff:0:10.0.0.1',
  '64:ff9b::10.0.0.1',
  '::ffff:10.0.0.1/95',
  '::ffff:10.0.0.1/',
  '::ffff:10.0.0.1/120/1',
  '::ffff:10.0.0.1%eth0',
  '::ffff:10.0.0.256',
  'ffff::10.0.0.1',
  '::ffff:',
  '',
])('%s stays as it is', (text) => expect(withoutMapping(text)).toBe(text));

const mark = { mark: 1, protocol: 'tcp', port: 80 } as const;
const tuple = { protocol: 'tcp', sourcePort: 1, destinationPort: 2 } as const;
/** Each function that takes an address, with one address in each place. */
const functions: Record<string, (one: string, other: string) => unknown> = {
  service: (address) => checkServiceKey({ protocol: 'tcp', address, port: 80 }),
  server: (address) => checkServerKey({ address }, checkServiceKey({ fwmark: 1 })),
  tuple: (source, destination) => checkTuple('a flow', { ...tuple, source, destination }),
  filter: (source, destination) => checkFilter({ source, destination, replySource: source, replyDestination: source }),
  'filter of prefixes': (source, destination) => checkFilter({ source: `${source}`, destination }),
  mark: (source, destination) => checkMark({ ...mark, source, destination }),
  snat: (source, to) => checkRule({ type: 'snat', source, to }),
  dnat: (destination, to) => checkRule({ type: 'dnat', destination, to }),
  neighbour: (address) => checkNeighbour({ interface: 'e0', address, linkAddress: '02:00:00:00:00:01' }),
  'neighbour to delete': (address) => checkNeighbourSelector({ interface: 'e0', address }),
  route: (via, source) => checkRoute({ destination: 'default', via, source }),
  'route to one address': (destination, via) => checkRoute({ destination, via, interface: 'e0' }),
  'route to delete': (destination, via) => checkRouteSelector({ destination, via }),
  'several ways': (via, destination) => checkRoute({ destination, nexthops: [{ via }] }),
  'route to': (address, source) => checkRouteQuery(address, { source }),
  'routing rule': (source, destination) => checkRoutingRule({ source, destination, table: 7 }),
};

describe('addresses', () => {
  test.each(Object.entries(functions))('%s', (_, check) => {
    const plain = JSON.stringify(check('10.0.0.1', '192.0.2.7'));
    expect(JSON.stringify(check('::ffff:10.0.0.1', '::ffff:192.0.2.7'))).toBe(plain);
    expect(JSON.stringify(check('::ffff:a00:1', '192.0.2.7'))).toBe(plain);
    expect(plain).not.toContain('ffff:');
  });

  test('of servers that are alive', () => {
    const { filter, isStale } = staleQuery({ address: '::ffff:10.0.0.1', servers: ['::ffff:10.0.0.2'] });
    expect(filter).toMatchObject({ family: 'ipv4', destination: '10.0.0.1' });
    const reply = { source: '10.0.0.2' };
    expect(isStale({ reply } as Parameters<typeof isStale>[0])).toBe(false);
  });

  test('of documents', async () => {
    const target = async (address: string, server: string) => {
      const services = [{ protocol: 'tcp', address, port: 80, servers: [server] } as const];
      const checked = await CheckedDocument.parse({ owner: 'o', services, addresses: [{ interface: 'e0', address }] });
      const { items, table } = checked.target;
      return [items, [...table].map(([key, { settings, servers }]) => [key, settings, [...servers]])];
    };
    expect(await target('::ffff:10.0.0.1', '::ffff:10.0.0.2')).toEqual(await target('10.0.0.1', '10.0.0.2'));
  });
});

describe('prefixes', () => {
  test.each<[string, (prefix: string) => unknown]>([
    ['address', (address) => checkAddressOptions({ interface: 'e0', address })],
    ['address to delete', (address) => checkAddressSelector({ interface: 'e0', address })],
    ['mark', (prefix) => checkMark({ ...mark, destination: prefix })],
    ['route', (destination) => checkRoute({ destination, interface: 'e0' })],
    ['routing rule', (source) => checkRoutingRule({ source, table: 7 })],
    ['filter of flows', (source) => checkFilter({ source })],
  ])('%s', (_, check) => {
    expect(JSON.stringify(check('::ffff:10.0.0.0/120'))).toBe(JSON.stringify(check('10.0.0.0/24')));
  });

  test('a length below 96 is refused', () => {
    for (const check of [
      () => checkAddressOptions({ interface: 'e0', address: '::ffff:10.0.0.1/24' }),
      () => checkRoute({ destination: '::ffff:10.0.0.0/24', interface: 'e0' }),
      () => checkMark({ ...mark, destination: '::ffff:10.0.0.0/24' }),
    ])
      expect(check).toThrow(expect.objectContaining({ code: 'ERR_IPVS_INVALID_ARGUMENT' }));
  });
});

test('an object of IPv6 that was read keeps its address', () => {
  const address = '::ffff:a00:1';
  const family = 'ipv6';
  const known = { family, address: expect.stringMatching(/^::ffff:/) };
  expect(checkAddressSelector({ interface: 'e0', family, address: `${address}/128` })).toMatchObject(known);
  expect(checkServiceKey({ family, protocol: 'tcp', address, port: 80 })).toMatchObject(known);
  expect(checkMark({ ...mark, family, destination: address }).match).toMatchObject({ family });
  expect(checkRoute({ family, destination: `${address}/128`, via: address, interface: 'e0' })).toMatchObject({
    family,
    via: expect.stringMatching(/^::ffff:/),
  });
  expect(checkRoutingRule({ family, source: `${address}/128`, table: 7 })).toMatchObject({ family });
  expect(checkFilter({ family, source: address })).toMatchObject({ family });
});
