// Limits: checked before anything is walked, and linear work below them.
import { expect, test } from 'vitest';
import { limits } from '../../src/common/limits.js';
import { show } from '../../src/common/show.js';
import {
  CheckedDocument,
  Conntrack,
  DesiredState,
  IpvsError,
  Netfilter,
  parseIpvsadm,
  sumStatistics,
} from '../../src/index.js';
import { KernelFailure } from '../../src/kernel/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const invalid = expect.objectContaining({ code: 'ERR_IPVS_INVALID_ARGUMENT' });

test('a document as JSON text, YAML text and an object is the same', { timeout: 60_000 }, async () => {
  const sysctls = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`net/ipv4/conf/e${i}/rp_filter`, i % 3]));
  const document = { owner: 'a', sysctls };
  const yaml = `owner: a\nsysctls:\n${Object.entries(sysctls)
    .map(([name, value]) => `  ${name}: ${value}\n`)
    .join('')}`;
  for (const input of [document, JSON.stringify(document), JSON.stringify(document, null, 2), yaml])
    expect((await CheckedDocument.parse(input)).document).toEqual(document);
});

test('the parser of YAML compares no name with all others', { timeout: 60_000 }, async () => {
  // Its own search calls Array.prototype.some once for each name, on all names before.
  let compared = 0;
  const { some } = Array.prototype;
  Array.prototype.some = function (this: unknown[], ...args: Parameters<typeof some>) {
    compared += this.length;
    return some.apply(this, args);
  } as typeof some;
  try {
    await CheckedDocument.parse(
      `owner: a\nsysctls:\n${Array.from({ length: 2000 }, (_, i) => `  net/ipv4/conf/e${i}/x: 1\n`).join('')}`,
    );
  } finally {
    Array.prototype.some = some;
  }
  expect(compared).toBeLessThan(100_000); // 2 000 000 with the search
});

test.each([
  ['{"owner":"a","sysctls":{"net.x":1,"net.x":2}}'],
  ['{"owner":"a","owner":"b"}'],
  ['{"owner":"a","\\u006fwner":"b"}'],
  ['{ "owner" : "a" , "drain" : {"timeout":1,"timeout" :2} }'],
  ['owner: a\nowner: b'],
  ['owner: a\nsysctls: { net.x: 1, net.x: 2 }'],
  ['owner: a\nsysctls:\n  net.x: 1\n  net.y: 1\n  net.x: 2'],
])('a name that stands twice in one object is refused: %s', async (text) => {
  await expect(CheckedDocument.parse(text)).rejects.toThrow(/ twice in one /);
});

test.each([
  ['{"owner":"a","services":[],"sysctls":{"net.a":"owner"}}'],
  ['{"owner":"a\\"","x-a":{"b":"\\\\"},"x-b":{"b":"}"}}'],
  ['[{"a":1},{"a":2}]'],
  ['{ owner: a, # YAML has comments\n sysctls: { net.a: 1 } }'],
])('a name that stands once in each object is not refused for it: %s', async (text) => {
  const message = await CheckedDocument.parse(text).then(
    () => '',
    (error: Error) => error.message,
  );
  expect(message).not.toContain('twice');
  expect(message).not.toContain('not YAML');
});

test('anchors, aliases and merge keys still work', async () => {
  const { document } = await CheckedDocument.parse(
    'x-a: &a { weight: 3 }\nowner: a\nservices:\n  - { fwmark: 1, servers: [{ <<: *a, address: 10.0.0.1 }, { <<: *a, address: 10.0.0.2 }] }',
  );
  expect(document.services?.[0]?.servers).toEqual([
    { weight: 3, address: '10.0.0.1' },
    { weight: 3, address: '10.0.0.2' },
  ]);
});

test('aliases of aliases are counted before they are replaced', async () => {
  const bomb = Array.from({ length: 12 }, (_, i) =>
    i === 0
      ? 'x-0: &a0 [1,1,1,1,1,1,1,1,1,1]'
      : `x-${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(',')}]`,
  );
  await expect(CheckedDocument.parse([...bomb, 'owner: a'].join('\n'))).rejects.toThrow(/at most 4000000 values/);
});

const documents: readonly [string, () => unknown, RegExp][] = [
  ['text', () => ' '.repeat(limits.documentText + 1), /at most 16777216 characters/],
  ['bytes', () => new Uint8Array(limits.documentText + 1), /at most 16777216 bytes/],
  ['tokens', () => `a: [${'x,'.repeat(400_000)}]`, /at most 1000000 tokens/],
  ['anchors', () => Array.from({ length: 1001 }, (_, i) => `- &a${i} x\n`).join(''), /at most 1000 anchors/],
  ['depth of brackets as YAML', () => '['.repeat(100_000), /nested/],
  ['depth of maps in braces', () => `owner: a\nx-a: ${'{a: '.repeat(100_000)}`, /nested/],
  ['depth of lists on one line', () => `owner: a\nx-a:\n  ${'- '.repeat(100_000)}b`, /nested/],
  ['depth of keys', () => `owner: a\nx-a:\n  ${'? '.repeat(100_000)}b`, /nested/],
  ['depth by indentation', () => Array.from({ length: 1000 }, (_, at) => `${' '.repeat(at)}a:\n`).join(''), /nested/],
  [
    'depth by indentation, with texts of several lines between',
    () =>
      Array.from(
        { length: 1000 },
        (_, at) => `${' '.repeat(at)}x: |\n${' '.repeat(at + 1)}t\n${' '.repeat(at)}a:\n`,
      ).join(''),
    /nested/,
  ],
  ['depth as JSON', () => `{"owner":"a","x-a":${'['.repeat(5000)}${']'.repeat(5000)}}`, /nested deeper than 64/],
  ['a list', () => ({ owner: 'a', services: new Array(2 ** 32 - 1) }), /at most 1048576 entries/],
  ['a hole', () => ({ owner: 'a', services: new Array(3) }), /has a hole/],
];

test.each(documents)('a document has a limit: %s', { timeout: 60_000 }, async (_, make, message) => {
  const parsing = CheckedDocument.parse(make() as string);
  await expect(parsing).rejects.toThrow(invalid);
  await expect(parsing).rejects.toThrow(message);
});

test('an error tells the first problems of a document, and how many more there are', async () => {
  const services = Array.from({ length: 5000 }, () => ({ fwmark: 0 }));
  const error = await CheckedDocument.parse({ owner: 'a', services }).catch((reason: unknown) => reason as IpvsError);
  expect(error).toMatchObject(invalid);
  expect((error as IpvsError).message).toContain('and 4950 more problems');
  expect((error as IpvsError).message.length).toBeLessThan(limits.message + 100);
});

test('marks that are taken may come from an endless iterable, which is not walked to its end', async () => {
  const netfilter = await Netfilter.open({ kernel: new MemoryKernel() });
  let walked = 0;
  const endless = {
    *[Symbol.iterator]() {
      for (let mark = 1; ; mark++) {
        walked++;
        yield (mark % 1000) + 1;
      }
    },
  };
  const allocating = netfilter.allocateMark({ destination: '10.0.0.1' }, { from: 1, to: 9, taken: endless });
  await expect(allocating).rejects.toThrow(/at most 1048576 marks/);
  expect(walked).toBe(limits.entries + 1);
});

test('an endless row of invalid flows leaves the event loop its turns, and ends with the signal', async () => {
  const conntrack = await Conntrack.open({ kernel: new MemoryKernel() });
  const abort = new AbortController();
  const endless = {
    *[Symbol.iterator]() {
      for (;;) yield {} as never;
    },
  };
  setTimeout(() => abort.abort(), 1);
  await expect(conntrack.createAll(endless, { signal: abort.signal })).rejects.toThrow(/aborted/);
});

test('other texts and lists have limits', () => {
  expect(() => parseIpvsadm(' '.repeat(limits.ipvsadmText + 1))).toThrow(/at most 67108864 characters/);
  expect(() => sumStatistics(new Array(2 ** 32 - 1))).toThrow(/at most 1048576 entries/);
});

test('a value is shown in bounded size, and runs no code of its own', () => {
  const fail = (): never => {
    throw new Error('code of the value ran');
  };
  const hostile = {
    get a() {
      return fail();
    },
    toString: fail,
    [Symbol.toPrimitive]: fail,
    [Symbol.for('nodejs.util.inspect.custom')]: fail,
  };
  expect(show(hostile)).toBe('{ a: a getter, toString: a function }');
  expect(show(new Proxy({}, { get: fail, ownKeys: fail }))).toBe('a proxy');
  expect(show('x'.repeat(1e6))).toBe(`"${'x'.repeat(200)}"... (1000000 characters)`);
  expect(show([['x'.repeat(1e6)], new Array(1e9)]).length).toBeLessThan(300);
  expect(show({ ['k'.repeat(1e6)]: { deep: { er: 'x' } } }).length).toBeLessThan(300);
  expect(show(1n << 10_000_000n)).toBe('a bigint of more than 256 bits');
  expect(show(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i]))).length).toBeLessThan(300);
  expect(show([1, 'a', null, undefined, 5n, Symbol('s')])).toBe("[ 1, 'a', null, undefined, 5n, Symbol(s) ]");
});

test('the message of an error is bounded, whichever text is in it', () => {
  const long = 'x'.repeat(1e6);
  const most = limits.message + 100;
  expect(new KernelFailure(5, long).message.length).toBeLessThan(most);
  const error = new IpvsError('ERR_IPVS_SYSTEM', long, { request: { action: 'read', object: long } });
  expect(error.message.length).toBeLessThan(most);
  expect(JSON.stringify(error).length).toBeLessThan(3 * most);
});

test('thousands of NAT rules are applied and removed in time proportional to their number', {
  timeout: 60_000,
}, async () => {
  const kernel = new MemoryKernel();
  const nat = Array.from({ length: 4000 }, (_, i) => ({
    type: 'snat' as const,
    destination: `10.20.${i >> 8}.${i & 255}`,
    to: '10.0.0.1',
  }));
  await using state = await DesiredState.open({ owner: 'a', nat }, { kernel });
  expect(await state.apply()).toHaveLength(1);
  expect(await state.apply()).toEqual([]);
  await state.remove();
});
