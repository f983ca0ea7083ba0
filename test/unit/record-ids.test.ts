// The encoded identities of records: stable, equal for the same object only, and read back as what was encoded.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeItem, encodeItem, type ItemKey, idOf } from '../../src/items/item-ids.js';
import { decodeServer, decodeService, encodeServer, encodeService } from '../../src/kernel/ipvs/ids.js';
import type { ServerKey, ServiceKey } from '../../src/kernel/ipvs/types.js';

const port = fc.integer({ min: 0, max: 0xffff });
const ipv4 = fc.ipV4().map((address) => ({ family: 'ipv4', address }) as const);
const ipv6 = fc
  .integer({ min: 1, max: 0xffff })
  .map((number) => ({ family: 'ipv6', address: `2001:db8::${number.toString(16)}` }) as const);
const place = fc.oneof(ipv4, ipv6);
const services: fc.Arbitrary<ServiceKey> = fc.oneof(
  fc.record({ family: fc.constantFrom('ipv4', 'ipv6'), fwmark: fc.integer({ min: 1, max: 0xffffffff }) }),
  fc
    .record({ place, protocol: fc.constantFrom('tcp', 'udp', 'sctp'), port })
    .map(({ place, ...rest }) => ({ ...place, ...rest })),
);
const servers: fc.Arbitrary<ServerKey> = fc.record({ place, port }).map(({ place, port }) => ({ ...place, port }));

describe('services and servers', () => {
  test('are read back as what was encoded', () => {
    fc.assert(fc.property(services, (key) => void expect(decodeService(encodeService(key))).toEqual(key)));
    fc.assert(fc.property(servers, (key) => void expect(decodeServer(encodeServer(key))).toEqual(key)));
  });

  test('have the ids that records on disks have', () => {
    expect(encodeService({ family: 'ipv4', protocol: 'tcp', address: '192.0.2.1', port: 80 })).toBe('tcp/192.0.2.1/80');
    expect(encodeService({ family: 'ipv6', protocol: 'udp', address: 'fd00::1', port: 53 })).toBe('udp/fd00::1/53');
    expect(encodeService({ family: 'ipv6', fwmark: 80 })).toBe('fwmark/ipv6/80');
    expect(encodeServer({ address: 'fd00::1', port: 0 })).toBe('fd00::1/0');
  });

  test.each([
    '',
    'tcp',
    'TCP/192.0.2.1/80',
    'TCP 192.0.2.1:80',
    'tcp/192.0.2.1',
    'tcp/192.0.2.1/080',
    'tcp/192.0.2.1/65536',
    'tcp/192.0.2.1/80/1',
    'tcp/FD00::1/80',
    'tcp/host/80',
    'icmp/192.0.2.1/80',
    'fwmark/ipv5/1',
    'fwmark/ipv4/0',
    'fwmark/ipv4/4294967296',
    'fwmark/ipv4/1e3',
    'FWM 80',
  ])('the id of a service cannot be %j', (id) => {
    expect(() => decodeService(id)).toThrow('the id of a service must be');
  });

  test.each(['', '10.0.0.1', '10.0.0.1:80', '10.0.0.1/-1', '10.0.0.1/80/', 'host/80', '[fd00::1]/80', 'FD00::1/80'])(
    'the id of a server cannot be %j',
    (id) => {
      expect(() => decodeServer(id)).toThrow('the id of a server must be');
    },
  );
});

const text = fc.string({ minLength: 1 });
const items: fc.Arbitrary<ItemKey> = fc.oneof(
  fc.record({ kind: fc.constant('sysctl'), setting: text }),
  fc.record({ kind: fc.constant('timeout'), name: text }),
  fc.record({ kind: fc.constant('link'), name: text }),
  fc.record({ kind: fc.constant('up'), interface: text }),
  fc.record({ kind: fc.constant('address'), interface: text, address: text }),
  fc.record({
    kind: fc.constant('route'),
    family: text,
    type: text,
    destination: text,
    table: fc.oneof(text, fc.nat()),
  }),
  fc.record({
    kind: fc.constant('routing-rule'),
    family: fc.option(text),
    mark: fc.option(fc.nat()),
    table: fc.option(fc.oneof(text, fc.nat())),
  }),
  fc.record({ kind: fc.constant('gue-port'), family: text, port }),
  fc.record({ kind: fc.constant('netfilter'), owner: text }),
);

describe('items', () => {
  test('are read back as what was encoded, whatever characters their names have', () => {
    fc.assert(fc.property(items, (key) => void expect(decodeItem(encodeItem(key))).toEqual(key)));
  });

  test('have the ids that records on disks have', () => {
    const address = { kind: 'address', interface: 'eth0', address: '10.0.0.1/32' } as const;
    expect(idOf(address)).toBe('["address","eth0","10.0.0.1/32"]');
    expect(idOf({ ...address, announce: true })).toBe(idOf(address));
    expect(idOf({ kind: 'sysctl', name: 'net/ipv4/conf/all/forwarding', value: '1' })).toBe(
      '["sysctl","net/ipv4/ip_forward"]',
    );
    expect(idOf({ kind: 'route', route: { destination: 'default', interface: 'eth0' } })).toBe(
      '["route","ipv4","unicast","default",254]',
    );
    expect(idOf({ kind: 'gue-port', port: 6080, family: 'ipv4' })).toBe('["gue-port","ipv4",6080]');
    expect(idOf({ kind: 'gue-port', port: 6080, family: 'ipv6' })).toBe('["gue-port","ipv6",6080]');
  });

  test.each([
    '',
    'link eth0',
    '{}',
    '[]',
    '["link"]',
    '["link",""]',
    '["link","a","b"]',
    '["link",{}]',
    '["link", "a"]',
    '["constructor","a"]',
    '["link",1.5]',
  ])('the id of an item cannot be %j', (id) => {
    expect(() => decodeItem(id)).toThrow('the id of an item must be');
  });
});
