// Records that are damaged, or that somebody else wrote: they are read whole, or refused.
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { recordOf } from '../../src/common/own.js';
import { Journal } from '../../src/desired/record/journal.js';
import { checkLine } from '../../src/desired/record/line-checks.js';
import { applyDocument, DesiredState, IpvsError, Network, planDocument, StateSnapshot } from '../../src/index.js';
import { idOf } from '../../src/items/item-ids.js';
import type { Item } from '../../src/items/items.js';
import { MemoryKernel } from '../../src/memory/index.js';
import { after, before, RecordWorld } from './record-world.js';

const HEAD = '{"version":2}\n';
const PATH = '/a.json';

async function written(text: string): Promise<MemoryKernel> {
  const kernel = new MemoryKernel();
  const journal = await kernel.openJournal(PATH);
  await journal.replace(text);
  await journal.close();
  return kernel;
}

const put = (item: unknown, more: object = {}): string => JSON.stringify({ put: { id: idIn(item), item, ...more } });
const sysctl = (name: string, more: object = {}): string =>
  put({ kind: 'sysctl', name, value: '1', ...more }, { before: texts({ [name]: '0' }) });
const texts = (texts: unknown): unknown => ({ kind: 'sysctl', texts });

/** The id of the item, as far as that can have one. */
function idIn(item: unknown): string {
  try {
    return idOf(item as Item);
  } catch {
    return '["link","a"]';
  }
}

const bad: Record<string, string> = {
  'an empty line': '',
  'no JSON': '{"put"',
  null: 'null',
  'a list': '[]',
  'a number': '1',
  'no field': '{}',
  'two fields': '{"remove":"a","own":{}}',
  'another field': '{"put":{"id":"[\\"up\\",\\"a\\"]","item":{"kind":"up","interface":"a"}},"x":1}',
  'a member of Object.prototype': '{"__proto__":{"put":1}}',
  'an empty entry': '{"put":{}}',
  'an entry that is null': '{"put":null}',
  'an item of no kind': put({}),
  'an item of the kind constructor': put({ kind: 'constructor' }),
  'an id of another item': put({ kind: 'up', interface: 'a' }, { id: '["up","b"]' }),
  'an id that is no text': put({ kind: 'up', interface: 'a' }, { id: ['up', 'a'] }),
  'a path with ..': sysctl('net/ipv4/../../kernel/core_pattern'),
  'a path outside net': sysctl('kernel/core_pattern'),
  'a path with NUL': sysctl('net/ipv4/a\0b'),
  'an absolute path': sysctl('/net/ipv4/ip_forward'),
  'a value of two lines': sysctl('net/ipv4/ip_forward', { value: '1\n2' }),
  'a value that is no text': sysctl('net/ipv4/ip_forward', { value: 1 }),
  'an unknown field of an item': sysctl('net/ipv4/ip_forward', { path: 'a' }),
  'a before that is no object': put({ kind: 'sysctl', name: 'net/a', value: '1' }, { before: '0' }),
  'a before of another kind': put(
    { kind: 'sysctl', name: 'net/a', value: '1' },
    { before: { kind: 'timeout', seconds: 1 } },
  ),
  'a before with a number': put({ kind: 'sysctl', name: 'net/a', value: '1' }, { before: texts({ 'net/a': 1 }) }),
  'a before with a path outside net': put(
    { kind: 'sysctl', name: 'net/a', value: '1' },
    { before: texts({ 'kernel/core_pattern': '1' }) },
  ),
  'a before of an address': put(
    { kind: 'address', interface: 'a', address: '10.0.0.1/8' },
    {
      before: { kind: 'address' },
    },
  ),
  'a before that is no table': put(
    { kind: 'netfilter', owner: 'a', state: {} },
    {
      before: { kind: 'netfilter', state: { marks: [{}] } },
    },
  ),
  'a table named "a b"': put({ kind: 'netfilter', owner: 'a b', state: {} }),
  'an address without a length': put({ kind: 'address', interface: 'a', address: '10.0.0.1' }),
  'an interface with a slash': put({ kind: 'up', interface: '../x' }),
  'a link of another kind': put({ kind: 'link', link: { kind: 'tun', name: 'a' } }),
  'a timeout of 0': put({ kind: 'timeout', name: 'tcp', seconds: 0 }, { before: { kind: 'timeout', seconds: 900 } }),
  'a timeout named constructor': put({ kind: 'timeout', name: 'constructor', seconds: 1 }),
  'a route to nowhere': put({ kind: 'route', route: { destination: 'x' } }),
  'a rule without a family': put({ kind: 'routing-rule', rule: { table: 1 } }),
  'a port of 0': put({ kind: 'gue-port', port: 0, family: 'ipv4' }),
  'an earlier item of another name': put(
    { kind: 'up', interface: 'a' },
    {
      tried: [{ kind: 'up', interface: 'b' }],
    },
  ),
  'a remove of null': '{"remove":null}',
  'rules of a table without a name': '{"translated":{"":[]}}',
  'a remove of no id': '{"remove":"link a up"}',
  'a remove of a kind that is none': '{"remove":"[\\"disk\\",\\"a\\"]"}',
  'a remove of an id with another field': '{"remove":"[\\"up\\",\\"a\\",1]"}',
  'a remove of an id in another form': '{"remove":"[\\"up\\", \\"a\\"]"}',
  'an announcement of no id': '{"announce":{"address":true}}',
  'rows that are null': '{"own":null}',
  'rows that are a list': '{"own":[]}',
  'rows of nothing': '{"own":{"fwmark/ipv4/1":null}}',
  'a service of no name': '{"own":{"":[""]}}',
  'a service of version 1': '{"own":{"FWM 7":[""]}}',
  'a mark of no family': '{"own":{"fwmark/1":[""]}}',
  'a service named __proto__': '{"own":{"__proto__":[""]}}',
  'the mark 0': '{"own":{"fwmark/ipv4/0":[""]}}',
  'a mark of 33 bits': '{"own":{"fwmark/ipv4/4294967296":[""]}}',
  'a mark with zeros before it': '{"own":{"fwmark/ipv4/01":[""]}}',
  'a service without a port': '{"own":{"tcp/10.0.0.1":[""]}}',
  'a service with a host name': '{"own":{"tcp/host/80":[""]}}',
  'a port of 65536': '{"disown":{"udp/10.0.0.1/65536":[""]}}',
  'a server without a port': '{"own":{"fwmark/ipv4/1":["10.0.0.1"]}}',
  'a server with a host name': '{"disown":{"fwmark/ipv4/1":["host/80"]}}',
  'a server of IPv6 in brackets': '{"own":{"fwmark/ipv4/1":["[2001:db8::1]/80"]}}',
  'a server in another form': '{"own":{"fwmark/ipv4/1":["2001:DB8::1/80"]}}',
  'a server that is a number': '{"own":{"fwmark/ipv4/1":[1]}}',
  'a drain without a time': '{"drain":{"service":"fwmark/ipv4/1","server":"10.0.0.1/0","draining":{"weight":1}}}',
  'a drain with a negative weight':
    '{"drain":{"service":"fwmark/ipv4/1","server":"10.0.0.1/0","draining":{"weight":-1,"until":1}}}',
  'a drain of no server': '{"drain":{"service":"fwmark/ipv4/1","server":"","draining":null}}',
  'an about that is a list': '{"about":{"fwmark/ipv4/1":[]}}',
  'an about with a bad policy': '{"about":{"fwmark/ipv4/1":{"drain":{"timeout":-1}}}}',
  'flows to no address': '{"stale":{"fwmark/ipv4/1":[{"address":"x"}]}}',
  'flows that are an object': '{"stale":{"fwmark/ipv4/1":{}}}',
};

describe('a record', () => {
  test.each(Object.entries(bad))('with %s is refused by its line, and stays as it is', async (_, line) => {
    const text = `${HEAD}{"own":{"fwmark/ipv4/1":[""]}}\n${line}\n`;
    const kernel = await written(text);
    const failure = await DesiredState.open({ owner: 'a' }, { kernel, record: PATH }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(IpvsError);
    expect(failure).toMatchObject({ code: 'ERR_IPVS_RECORD' });
    expect(String(failure)).toMatch(/cannot read \/a\.json, the record of the owner: line 3 is damaged: ./);
    expect(String(failure)).toMatch(/Restore the file, or delete it/);
    const journal = await kernel.openJournal(PATH);
    expect(await journal.read()).toBe(text);
  });

  test('with the value of another item is refused without repeating megabytes of it', async () => {
    const kernel = await written(`${HEAD}${put({ kind: 'up', interface: 'a' }, { id: 'x'.repeat(1e6) })}\n`);
    const failure = await DesiredState.open({ owner: 'a' }, { kernel, record: PATH }).catch((error: unknown) => error);
    expect(String(failure).length).toBeLessThan(1000);
  });

  test('of every kind of item is read, in snapshots too', async () => {
    const world = await RecordWorld.begin();
    for (const document of [before, after]) {
      await using state = await DesiredState.open(document, { kernel: world.kernel, record: PATH });
      await state.apply();
      const [, ...lines] = (await world.records())[PATH]?.trim().split('\n') ?? [];
      expect(lines.length).toBeGreaterThan(5);
      for (const line of lines) expect(checkLine(JSON.parse(line))).toEqual(JSON.parse(line));
      const snapshot = JSON.stringify(await state.snapshot());
      expect(JSON.stringify(StateSnapshot.parse(snapshot))).toBe(snapshot);
    }
  });

  test('of any damage in a snapshot is refused with a typed error, or planned with', async () => {
    const world = await RecordWorld.begin();
    await using state = await DesiredState.open(before, { kernel: world.kernel, record: PATH });
    await state.apply();
    const text = JSON.stringify(await state.snapshot());
    const places: (string | number)[][] = [];
    const walk = (value: unknown, path: (string | number)[]): void => {
      places.push(path);
      if (typeof value === 'object' && value !== null)
        for (const [name, part] of Object.entries(value)) walk(part, [...path, name]);
    };
    walk(JSON.parse(text), []);
    expect(places.length).toBeGreaterThan(500);
    const instead = [null, 5, -1, '', 'x', true, [], {}, [null], { bigint: '7' }, { bigint: 'x' }];
    let refused = 0;
    for (const [at, place] of places.entries()) {
      const whole: unknown = JSON.parse(text);
      const last = place.at(-1);
      if (last === undefined) continue;
      const parent = place.slice(0, -1).reduce((value, name) => (value as Record<string, unknown>)[name], whole);
      (parent as Record<string, unknown>)[last] = instead[at % instead.length];
      try {
        await planDocument(after, StateSnapshot.parse(JSON.stringify(whole)));
      } catch (error) {
        expect(error, `${place.join('.')}: ${instead[at % instead.length]}`).toBeInstanceOf(IpvsError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
  });

  test('with bits that are turned is a valid record or refused', async () => {
    const world = await RecordWorld.begin();
    await applyDocument(before, { kernel: world.kernel, record: PATH });
    const bytes = Buffer.from((await world.records())[PATH] ?? '');
    const [start, end] = [bytes.indexOf('{"own"'), bytes.indexOf('{"stale"')];
    const anywhere = fc.array(fc.nat(bytes.length * 8 - 1), { minLength: 1, maxLength: 3 });
    // Digits of servers: many of these are still servers.
    const inRows = fc.tuple(fc.integer({ min: start * 8, max: end * 8 - 1 }).map((bit) => bit & ~6));
    let refused = 0;
    let read = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(anywhere, inRows), async (bits) => {
        const changed = Buffer.from(bytes);
        for (const bit of bits) changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const kernel = await written(changed.toString());
        try {
          const journal = await Journal.open(kernel, PATH);
          for (const line of journal.ledger.lines) checkLine(JSON.parse(JSON.stringify(line)));
          await journal.close();
          read++;
        } catch (error) {
          expect(error).toMatchObject({
            code: 'ERR_IPVS_RECORD',
            message: expect.stringMatching(/line \d+ is damaged/),
          });
          refused++;
          return;
        }
        // Whatever it says: planned and removed without a failure of this library.
        await using state = await DesiredState.open({ owner: 'a' }, { kernel, record: PATH });
        await state.plan();
        await state.remove().catch((error: unknown) => expect(error).toBeInstanceOf(IpvsError));
      }),
      { numRuns: 300 },
    );
    expect(Math.min(refused, read)).toBeGreaterThan(10);
  });
});

const FORWARD = '["sysctl","net/ipv4/ip_forward"]';
const claim = (more: object = {}): unknown => ({
  id: FORWARD,
  before: texts({ 'net/ipv4/ip_forward': '0' }),
  owners: { b: { kind: 'sysctl', path: 'net/ipv4/ip_forward', value: '1' } },
  ...more,
});
const book = (...claims: unknown[]): unknown => ({ version: 2, claims });
const books: Record<string, unknown> = {
  null: null,
  'a list': [],
  text: 'x',
  'a version that is none': { version: 'x', claims: [] },
  'no claims': { version: 2 },
  'a claim that is null': book(null),
  'a claim without owners': book({ id: FORWARD, before: texts({}) }),
  'a claim of nobody': book(claim({ owners: {} })),
  'owners that are null': book(claim({ owners: null })),
  'a value that is null': book(claim({ owners: { b: null } })),
  'a value of another kind': book(claim({ owners: { b: { kind: 'timeout', name: 'tcp', seconds: 1 } } })),
  'a value of another setting': book(
    claim({ owners: { b: { kind: 'sysctl', path: 'net/ipv4/vs/conntrack', value: '1' } } }),
  ),
  'a value of a path outside net': book(
    claim({ owners: { b: { kind: 'sysctl', path: 'kernel/core_pattern', value: '1' } } }),
  ),
  'a before that is null': book(claim({ before: null })),
  'another field': book(claim({ path: 'a' })),
  'a before with a path with ..': book(claim({ before: texts({ 'net/../kernel/core_pattern': '0' }) })),
  'no id': book(claim({ id: undefined })),
  'an id of a link': book(claim({ id: '["link","a"]' })),
  'a timeout that is no number': book(
    claim({
      id: '["timeout","tcp"]',
      before: { kind: 'timeout', seconds: 1 },
      owners: { b: { kind: 'timeout', name: 'tcp', seconds: 'x' } },
    }),
  ),
  'a claim of version 1 that is null': { 'sysctl net/ipv4/ip_forward': null },
  'a claim of version 1 without owners': { 'sysctl net/ipv4/ip_forward': { before: '0' } },
  'a value of version 1 that is null': { 'timeout tcp': { before: '0', owners: { b: null } } },
  'a value of version 1 of a setting that is null': {
    'sysctl net/ipv4/ip_forward': { before: '0', owners: { b: null } },
  },
  'a path of version 1 with ..': { 'sysctl net/../kernel/core_pattern': { before: '0', owners: { b: '1' } } },
  'a claim of version 1 on a link': { 'link a up': { before: '0', owners: { b: '1' } } },
};

describe('the record that owners share', () => {
  const shared = async (text: string) => {
    const kernel = new MemoryKernel();
    await applyDocument({ owner: 'b', sysctls: { 'net.ipv4.vs.am_droprate': 5 } }, { kernel });
    const path = kernel.requests.find(({ object }) => object.endsWith('.shared.json'))?.object ?? '';
    const journal = await kernel.openJournal(path);
    await journal.replace(text);
    await journal.close();
    return { kernel, path };
  };

  test.each(Object.entries(books))('with %s is refused', async (_, book) => {
    const { kernel, path } = await shared(`${JSON.stringify(book)}\n`);
    const failure = await applyDocument({ owner: 'a', sysctls: { 'net.ipv4.ip_forward': 1 } }, { kernel }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'ERR_IPVS_RECORD' });
    expect(String(failure)).toContain(`cannot read ${path}, the shared record of all owners: line 1 is damaged`);
    await using network = await Network.open({ kernel });
    expect(await network.sysctl('net.ipv4.ip_forward')).toBe('0');
  });

  test('with an owner named __proto__ is read and written', async () => {
    const { kernel } = await shared(
      JSON.stringify(
        book(claim({ owners: recordOf([['__proto__', { kind: 'sysctl', path: 'net/ipv4/ip_forward', value: '1' }]]) })),
      ),
    );
    await using network = await Network.open({ kernel });
    await network.setSysctl('net.ipv4.ip_forward', '1');
    await applyDocument({ owner: 'a', sysctls: { 'net.ipv4.ip_forward': 1 } }, { kernel });
    await applyDocument({ owner: 'a' }, { kernel });
    expect(await network.sysctl('net.ipv4.ip_forward')).toBe('1');
    await applyDocument({ owner: '__proto__' }, { kernel });
    expect(await network.sysctl('net.ipv4.ip_forward')).toBe('0');
  });
});
