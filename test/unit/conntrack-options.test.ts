import { describe, expect, test } from 'vitest';
import {
  Conntrack,
  compareStatistics,
  type FlowFilter,
  type FlowOptions,
  type FlowSelector,
  IpvsError,
} from '../../src/index.js';
import type { ConntrackPort } from '../../src/kernel/conntrack/port.js';
import type { Tuple } from '../../src/kernel/conntrack/types.js';

const original = {
  source: '10.0.0.1',
  destination: '10.0.0.2',
  protocol: 'tcp',
  sourcePort: 1,
  destinationPort: 80,
} as const;

/** A handle on a kernel that must not be asked. */
async function unasked(): Promise<Conntrack> {
  const port = new Proxy({} as ConntrackPort, {
    get: (_, name) => {
      if (name === 'then') return undefined; // it is no promise
      return () => {
        throw new Error(`the kernel was asked: ${String(name)}`);
      };
    },
  });
  return Conntrack.open({ kernel: { openConntrack: async () => port } });
}

const invalid = expect.objectContaining({ code: 'ERR_IPVS_INVALID_ARGUMENT' });

async function refused(work: (conntrack: Conntrack) => unknown, words: RegExp): Promise<void> {
  const conntrack = await unasked();
  const error: unknown = await Promise.resolve()
    .then(() => work(conntrack))
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(IpvsError);
  expect(error).toEqual(invalid);
  expect((error as Error).message).toMatch(words);
}

describe('a delete that names no flow is refused', () => {
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['an empty object', {}],
    ['only an id', { id: 7 }],
    ['only a zone', { zone: 7 }],
    ['a tuple without a destination', { original: { ...original, destination: undefined } }],
    ['a tuple without a source', { original: { ...original, source: '' } }],
    ['a tuple without a protocol', { original: { ...original, protocol: undefined } }],
    ['a tuple without a port', { original: { ...original, sourcePort: undefined } }],
    ['a misspelt name', { orginal: original }],
    ['a mark', { original, mark: 7 }],
    ['null', null],
    ['a list', [original]],
  ])('%s', async (_, selector) => {
    await refused((conntrack) => conntrack.delete(selector as FlowSelector), /./);
    await refused((conntrack) => conntrack.apply([{ change: 'delete-flow', flow: selector as FlowSelector }]), /./);
  });

  test('a filter that matches everything', async () => {
    await refused((conntrack) => conntrack.deleteMatching({}), /flush\(\)/);
    await refused((conntrack) => conntrack.deleteMatching({ filterIn: 'here' }), /flush\(\)/);
    await refused((conntrack) => conntrack.deleteMatching({ source: '0.0.0.0/0' }), /flush\(\)/);
    await refused((conntrack) => conntrack.deleteMatching({ zone: undefined, destination: '::/0' }), /flush\(\)/);
    await refused((conntrack) => conntrack.flush({ zone: undefined }), /zone is undefined/);
    await refused((conntrack) => conntrack.flush([] as object), /must be an object/);
  });
});

describe('a flow', () => {
  const flow: FlowOptions = { original, timeout: 10 };
  test.each<[string, object, RegExp]>([
    ['no timeout', { timeout: undefined }, /requires a timeout/],
    ['a timeout beyond 31 bits', { timeout: 2 ** 31 }, /timeout must be an integer/],
    ['families that differ', { original: { ...original, source: '::1' } }, /one family/],
    ['protocols that differ', { reply: { ...original, protocol: 'udp' } }, /must have the protocol/],
    ['a host name', { original: { ...original, source: 'localhost' } }, /IPv4 or IPv6 address/],
    ['a mark with bits outside of its mask', { mark: 0x11, markMask: 0xf0 }, /outside of markMask/],
    ['a mask without a mark', { markMask: 0xf0 }, /markMask requires mark/],
    ['a status that cannot be set', { status: ['source-nat'] }, /not source-nat/],
    ['a state that is none', { state: 'LISTENING' }, /state must be one of/],
    ['a state of UDP', { original: { ...original, protocol: 'udp' }, state: 'ESTABLISHED' }, /has states/],
    ['a label beyond 127', { labels: [128] }, /from 0 to 127/],
    ['SCTP tags of TCP', { sctp: { original: 1, reply: 1 } }, /requires a flow of protocol sctp/],
    ['a translation to another family', { nat: { source: { address: '::1' } } }, /must be an ipv4 address/],
    [
      'a range the wrong way round',
      { nat: { source: { address: ['10.0.0.9', '10.0.0.8'] } } },
      /from the lowest to the highest/,
    ],
    [
      'ports the wrong way round',
      { nat: { source: { address: '10.0.0.9', port: [9, 8] } } },
      /from the lowest to the highest/,
    ],
    ['a range of three', { nat: { source: { address: ['10.0.0.7', '10.0.0.8', '10.0.0.9'] } } }, /range of two/],
    ['no translation', { nat: { source: null } }, /must be an object/],
    ['port 0 in a translation', { nat: { source: { address: '10.0.0.9', port: 0 } } }, /a port must be an integer/],
    ['ICMP without its numbers', { original: { ...original, protocol: 'icmp' } }, /requires icmp/],
    ['a port of a protocol without', { original: { ...original, protocol: 200 } }, /must have no ports/],
    ['an option that is none', { weight: 1 }, /no option 'weight'/],
    [
      'an ICMP type without an answer',
      { original: { ...original, protocol: 'icmp', icmp: { type: 3, code: 0, id: 1 } } },
      /no answer/,
    ],
  ])('%s', async (_, change, words) => {
    await refused((conntrack) => conntrack.create({ ...flow, ...change } as FlowOptions), words);
  });
});

describe('a filter', () => {
  test.each<[object, RegExp]>([
    [{ source: '10.0.0.0/33' }, /from 0 to 32/],
    [{ source: '10.0.0.0/8/8' }, /source must be an address or a prefix/],
    [{ source: 'fd00::/129' }, /from 0 to 128/],
    [{ source: '10.0.0.1', destination: 'fd00::1' }, /one family/],
    [{ family: 'ipv6', source: '10.0.0.1' }, /one family/],
    [{ markMask: 1 }, /markMask requires mark/],
    [{ mark: 3, markMask: 1 }, /outside of markMask/],
    [{ mark: 0, markMask: 0 }, /markMask must be an integer from 1/],
    [{ source: ['10.0.0.1'] }, /source must be an address or a prefix/],
    [[], /must be an object/],
    [{ status: ['assured'], notStatus: ['assured'] }, /both/],
    [{ status: 'assured' }, /status must be a list/],
    [{ state: 'ESTABLISHED' }, /requires a protocol/],
    [{ protocol: 'http' }, /protocol must be one of/],
    [{ zone: 65536 }, /zone must be an integer/],
    [{ port: 80 }, /no option 'port'/],
  ])('%o', async (filter, words) => {
    await refused((conntrack) => conntrack.flows(filter as FlowFilter), words);
  });
});

test('other calls', async () => {
  await refused((c) => c.groups({ by: ['colour' as 'mark'] }), /by must be one of/);
  await refused((c) => c.groups({ by: 'mark' as unknown as [] }), /by must be a list/);
  await refused((c) => c.watch({ types: [] }), /at least one type/);
  await refused((c) => c.watch({ types: ['new'], resynchronise: true }), /new, update and destroy/);
  await refused((c) => c.watch({ receiveBuffer: 0 }), /receiveBuffer/);
  await refused((c) => c.watch({ reliable: true, resynchronise: true }), /cannot resynchronise/);
  await refused((c) => c.watch({ resynchronise: 'yes' as unknown as true }), /true, false or/);
  await refused((c) => c.watch({ filter: { protocol: 'tcp', state: 'ESTABLISHED' } }), /by state/);
  await refused((c) => c.groups(undefined as never), /must be an object/);
  await refused((c) => c.createAll(undefined as never), /takes an iterable/);
  await refused((c) => c.staleFlows({ address: '10.0.0.1', servers: ['fd00::2'] }), /of that family/);
  await refused((c) => c.staleFlows({ address: '10.0.0.1', servers: [null as never] }), /must be an object/);
  const dying = { list: 'dying' } as object;
  await refused((c) => c.staleFlows({ address: '10.0.0.1', servers: [] }, dying), /no option 'list'/);
  await refused((c) => c.deleteStaleFlows({ address: '10.0.0.1', servers: [] }, dying), /no option 'list'/);
  await refused((c) => c.zeroedFlows({}, dying), /no option 'list'/);
  await refused((c) => c.expectations({ zone: 1 } as object), /no option 'zone'/);
  await refused((c) => c.apply([{ change: 'delete-flow', flow: {} }]), /change 0: /);
  await refused((c) => c.apply([{ change: 'create', flow: {} } as never]), /change must be one of create-flow/);
  await refused((c) => c.apply([{ change: 'delete-flow', flow: {}, set: {} } as never]), /no option 'set'/);
  await refused((c) => c.apply([null as never]), /change 0: a change must be an object/);
  expect(() => compareStatistics([], [], 0)).toThrow(/greater than 0/);
  await refused(
    (c) => c.staleFlows({ address: '10.0.0.1', servers: '10.0.0.2' as unknown as [] }),
    /servers must be a list/,
  );
  await refused((c) => c.setSettings({ accounting: 1 as unknown as boolean }), /accounting must be true or false/);
  await refused((c) => c.usage({ timeout: 0 }), /timeout/);
  await refused((c) => c.flush({ mark: 1 } as object), /no option 'mark'/);
  await refused((c) => c.deleteExpectation({ tuple: undefined as unknown as Tuple }), /./);
});
