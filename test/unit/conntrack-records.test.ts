import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readAddress } from '../../src/common/address.js';
import { protocolName, protocolNumbers } from '../../src/common/protocols.js';
import type { FlowKey } from '../../src/kernel/conntrack/requests.js';
import type { Tuple } from '../../src/kernel/conntrack/types.js';
import type { Addon } from '../../src/linux/addon.js';
import { HEADER_SIZE, layout } from '../../src/linux/conntrack/layout.js';
import { allGroups, largestGroups, readEvents, readFlows, readGroups } from '../../src/linux/conntrack/read.js';
import { writeExpectation, writeFilter, writeFlowChanges, writeFlowKeys } from '../../src/linux/conntrack/write.js';

const onLinux = process.platform === 'linux';

test.runIf(onLinux)('records lie in memory as C++ has them', () => {
  const load = createRequire(import.meta.url)('node-gyp-build') as (directory: string) => Addon;
  const theirs = load(process.cwd()).conntrackLayout;
  const ours = Object.entries(layout).flatMap(([record, fields]) =>
    Object.entries(fields).map(([field, offset]) => [`${record}.${field}`, offset]),
  );
  expect(Object.fromEntries(ours)).toEqual(theirs);
});

const u16 = fc.integer({ min: 0, max: 65535 });
const u8 = fc.integer({ min: 0, max: 255 });
const tuple: fc.Arbitrary<Tuple> = fc.constantFrom('ipv4' as const, 'ipv6' as const).chain((family) => {
  const size = family === 'ipv4' ? 4 : 16;
  const address = fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => readAddress(bytes, 0, family));
  const base = { family: fc.constant(family), source: address, destination: address };
  return fc.oneof(
    fc.record({
      ...base,
      protocol: fc.constantFrom('tcp' as const, 'gre' as const),
      sourcePort: u16,
      destinationPort: u16,
    }),
    fc.record({ ...base, protocol: fc.constant('icmp' as const), icmp: fc.record({ type: u8, code: u8, id: u16 }) }),
    fc.record({ ...base, protocol: fc.constant(200), zone: u16 }),
  );
});

/** A batch with one record, as the addon sends it. */
function batchOf(record: Uint8Array): ArrayBuffer {
  const bytes = new Uint8Array(HEADER_SIZE + record.length);
  new DataView(bytes.buffer).setUint32(0, 1, true);
  bytes.set(record, HEADER_SIZE);
  return bytes.buffer;
}

test('a key that is written reads the same', () => {
  const key: fc.Arbitrary<FlowKey> = fc.record({
    original: tuple,
    reply: tuple,
    zone: fc.integer({ min: 1, max: 65535 }),
    id: fc.nat(),
  });
  fc.assert(
    fc.property(key, (written) => {
      const [flow] = readFlows(batchOf(writeFlowKeys([written]))).flows;
      const read = JSON.parse(JSON.stringify(flow));
      expect(read).toMatchObject(JSON.parse(JSON.stringify(written)));
    }),
  );
});

test('what is not there is absent, not zero', () => {
  const original: Tuple = { family: 'ipv4', protocol: 200, source: '10.0.0.1', destination: '10.0.0.2' };
  const [flow] = readFlows(batchOf(writeFlowKeys([{ original }]))).flows;
  expect(flow?.toString()).toContain('unknown  200 src=10.0.0.1 dst=10.0.0.2 [UNREPLIED]');
  const absent = ['mark', 'timeout', 'counters', 'started', 'stopped', 'labels', 'state', 'tcp', 'sctp', 'dccp', 'id'];
  const rare = ['helper', 'master', 'sequenceAdjustment', 'synproxy', 'securityContext', 'use'];
  for (const name of [...absent, ...rare]) expect(flow?.[name as 'mark'], name).toBeUndefined();
  expect(flow?.original.sourcePort).toBeUndefined();
  expect(flow?.original.icmp).toBeUndefined();
  expect(Object.keys(JSON.parse(JSON.stringify(flow)))).toEqual([
    'family',
    'protocol',
    'original',
    'reply',
    'zone',
    'status',
  ]);
  expect(inspect(flow?.original)).toBe(
    "{\n  family: 'ipv4',\n  protocol: 200,\n  source: '10.0.0.1',\n  destination: '10.0.0.2'\n}",
  );
});

test('every protocol has one name', () => {
  for (const [name, number] of Object.entries(protocolNumbers)) expect(protocolName(number)).toBe(name);
  expect(protocolName(200)).toBe(200);
});

test('sizes', () => {
  const original: Tuple = { family: 'ipv6', protocol: 200, source: '::1', destination: '::2' };
  expect(writeFlowChanges([{ verb: 'delete', key: { original } }]).length).toBe(layout.change.size);
  expect(writeFilter({ original: {}, reply: {} }).length).toBe(layout.filter.size);
  expect(writeExpectation({ tuple: original }).length).toBe(layout.expectation.size);
});

test('no groups, and no events', () => {
  expect(readGroups(new ArrayBuffer(0), ['mark'], allGroups(new ArrayBuffer(0)))).toEqual([]);
  expect(largestGroups(new ArrayBuffer(0), 3, 'bytes')).toEqual([]);
  expect(readEvents(new ArrayBuffer(HEADER_SIZE))).toEqual([]);
});
