import { createRequire } from 'node:module';
import { isIPv4 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { familyOf, readAddress, writeAddress } from '../../src/common/address.js';
import type { ServerSettings, ServiceSettings } from '../../src/kernel/ipvs/types.js';
import type { Addon } from '../../src/linux/addon.js';
import { layout } from '../../src/linux/ipvs/layout.js';
import { readConnections, readServers, readServersByService, readServices } from '../../src/linux/ipvs/read.js';
import { writeChanges } from '../../src/linux/ipvs/write.js';

const onLinux = process.platform === 'linux';

test.runIf(onLinux)('records lie in memory as C++ has them', () => {
  const load = createRequire(import.meta.url)('node-gyp-build') as (directory: string) => Addon;
  const theirs = load(process.cwd()).layout;
  const ours = Object.entries(layout).flatMap(([record, fields]) =>
    Object.entries(fields).map(([field, offset]) => [`${record}.${field}`, offset]),
  );
  expect(Object.fromEntries(ours)).toEqual(theirs);
});

const family = fc.constantFrom('ipv4' as const, 'ipv6' as const);
const addressOf = (name: 'ipv4' | 'ipv6') => {
  const bytes = fc.uint8Array({ minLength: name === 'ipv4' ? 4 : 16, maxLength: name === 'ipv4' ? 4 : 16 });
  return bytes.map((array) => readAddress(array, 0, name));
};
const port = fc.integer({ min: 0, max: 65535 });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const name = fc.stringMatching(/^[a-z0-9_]{1,15}$/);

const service: fc.Arbitrary<ServiceSettings> = family.chain((name_) =>
  fc.record({
    key: fc.oneof(
      fc.record({ family: fc.constant(name_), fwmark: fc.integer({ min: 1, max: 0xffffffff }) }),
      fc.record({
        family: fc.constant(name_),
        protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
        address: addressOf(name_),
        port,
      }),
    ),
    scheduler: name,
    flags: fc.integer({ min: 0, max: 0x3f }).map((flags) => flags & 0x3d),
    timeout: u32,
    netmask: u32,
    engine: fc.oneof(name, fc.constant('')),
  }),
);

const server: fc.Arbitrary<ServerSettings> = family.chain((name_) =>
  fc.record({
    key: fc.record({ family: fc.constant(name_), address: addressOf(name_), port }),
    forwarding: fc.constantFrom(
      'nat' as const,
      'local' as const,
      'tunnel' as const,
      'direct' as const,
      'bypass' as const,
    ),
    weight: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
    upperThreshold: u32,
    lowerThreshold: u32,
    tunnelType: fc.constantFrom('ipip' as const, 'gue' as const, 'gre' as const),
    tunnelPort: port,
    tunnelChecksum: fc.constantFrom('none' as const, 'checksum' as const, 'remote' as const),
  }),
);

/** The part of the bytes of changes that holds the records of services, or of servers. */
function part(bytes: Uint8Array, kind: 'service' | 'server'): ArrayBuffer {
  const { size, statistics } = layout[kind];
  const count = bytes.length / layout.change.size;
  const records = new Uint8Array(count * size);
  for (let i = 0; i < count; i++) {
    const at = i * layout.change.size + layout.change[kind];
    records.set(bytes.subarray(at, at + statistics), i * size);
  }
  return records.buffer;
}

describe('what is written is read', () => {
  test('services', () => {
    fc.assert(
      fc.property(fc.array(service), (services) => {
        const bytes = writeChanges(services.map((settings) => ({ command: 'NEW_SERVICE', service: settings })));
        const entries = readServices(part(bytes, 'service'));
        expect(
          entries.map(({ key, scheduler, flags, timeout, netmask, engine }) => ({
            key,
            scheduler,
            flags,
            timeout,
            netmask,
            engine,
          })),
        ).toEqual(services);
      }),
    );
  });

  test('servers', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(service, server)), (pairs) => {
        const bytes = writeChanges(
          pairs.map(([{ key }, settings]) => ({ command: 'SET_DEST', service: key, server: settings })),
        );
        const entries = readServers(part(bytes, 'server'));
        entries.forEach((entry, index) => {
          expect(entry).toMatchObject({ ...pairs[index]?.[1] });
          expect(entry.statistics.connections).toBe(0n);
        });
        expect(readServices(part(bytes, 'service')).map((entry) => entry.key)).toEqual(pairs.map(([{ key }]) => key));
      }),
    );
  });

  test('addresses', () => {
    fc.assert(
      fc.property(family, fc.uint8Array({ minLength: 16, maxLength: 16 }), (name_, bytes) => {
        const size = name_ === 'ipv4' ? 4 : 16;
        const copy = new Uint8Array(20);
        writeAddress(copy, 2, readAddress(bytes, 0, name_), name_);
        expect([...copy.subarray(2, 2 + size)]).toEqual([...bytes.subarray(0, size)]);
        expect(copy[2 + size]).toBe(0);
      }),
    );
  });
});

test('servers of a table go to their services', () => {
  const buffer = new ArrayBuffer(3 * layout.server.size);
  const view = new DataView(buffer);
  [2, 0, 2].forEach((index, i) => {
    view.setUint32(i * layout.server.size + layout.server.service, index, true);
    view.setUint16(i * layout.server.size + layout.server.port, i, true);
  });
  const rows = readServersByService(buffer, 3);
  expect(rows.map((servers) => servers.map((entry) => entry.key.port))).toEqual([[1], [], [0, 2]]);
});

test('connections, with what their engines say', () => {
  const { size } = layout.connection;
  const buffer = new ArrayBuffer(8 + 2 * size + 5);
  const view = new DataView(buffer);
  const bytes = new Uint8Array(buffer);
  const text = (at: number, value: string) => bytes.set(new TextEncoder().encode(value), at);
  view.setUint32(0, 2, true);
  for (const at of [8, 8 + size]) {
    view.setUint16(at + layout.connection.family, 2, true);
    view.setUint16(at + layout.connection.serverFamily, 10, true);
    view.setUint16(at + layout.connection.clientPort, 5060, true);
    text(at + layout.connection.protocol, 'UDP');
    text(at + layout.connection.state, 'SHUTDOWN_RECEIVED');
  }
  text(8 + size + layout.connection.engine, 'sip');
  view.setUint32(8 + size + layout.connection.engineDataLength, 5, true);
  text(8 + 2 * size, 'call1');
  const [plain, sip] = [...readConnections(buffer)];
  expect(plain).toMatchObject({ protocol: 'UDP', clientAddress: '0.0.0.0', serverAddress: '::', clientPort: 5060 });
  expect(plain).not.toHaveProperty('engine');
  expect(sip).toMatchObject({ state: 'SHUTDOWN_RECEIVED', engine: 'sip', engineData: 'call1' });
});

test('what an IPv4 address is, as node:net has it', () => {
  const octet = fc.constantFrom(
    '0',
    '1',
    '9',
    '10',
    '99',
    '100',
    '199',
    '249',
    '255',
    '256',
    '300',
    '1000',
    '00',
    '01',
    '',
  );
  const odd = fc.constantFrom('', '', '', '.', ' ', '\n', '/', ':', '-1', 'a', '%', '٣');
  const quad = fc.tuple(odd, octet, octet, octet, octet, odd);
  fc.assert(
    fc.property(quad, ([before, a, b, c, d, after]) => {
      const text = `${before}${[a, b, c, d].join('.')}${after}`;
      expect(familyOf(text) === 'ipv4').toBe(isIPv4(text));
    }),
    { numRuns: 2000 },
  );
});
