// Whatever bytes come, a decoder reads them or throws a typed error. The bytes are random, or those of a real
// kernel (fixtures/record-netlink-replies.py) with damage.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Errno } from '../../src/common/errno.js';
import { IpvsError, KernelFailure } from '../../src/common/errors.js';
import type { mapNamed } from '../../src/kernel/netfilter/names.js';
import {
  attributesOf,
  commentOf,
  readChain,
  readElements,
  readMap,
  readRuleEntry,
} from '../../src/linux/netfilter/messages.js';
import { type Attribute, type Message, readAttributes, readMessages } from '../../src/linux/netlink/reader.js';
import { decodeAddress, toAddress } from '../../src/linux/network/addresses.js';
import { decodeForwardingEntry, toForwardingEntry } from '../../src/linux/network/forwarding.js';
import { decodeLink, relatives, toLink } from '../../src/linux/network/links.js';
import { decodeNeighbour, toNeighbour } from '../../src/linux/network/neighbours.js';
import { decodeRoute, interfacesOf, toRoute } from '../../src/linux/network/routes.js';
import { decodeRule } from '../../src/linux/network/rules.js';

const recorded = JSON.parse(
  readFileSync(new URL('fixtures/netlink-replies.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, readonly string[]>>;

const nameOf = (index: number): string => `eth${index}`;

/** Reads all that an attribute can be read as, and what is nested in it. */
function readDeep(attributes: Iterable<Attribute>, depth = 0): void {
  for (const attribute of attributes) {
    for (const form of ['u8', 'u16', 'u32', 'i32', 'be16', 'be32', 'be64', 'text'] as const)
      only(() => attribute[form]);
    if (depth < 20) only(() => readDeep(attribute.nested, depth + 1));
  }
}

/** Runs it; any error but one that says "malformed" is a failure of the test. */
function only(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (error instanceof KernelFailure && error.errno === Errno.EBADMSG) return;
    if (error instanceof IpvsError && error.code === 'ERR_IPVS_PROTOCOL') return;
    throw error;
  }
}

type MapName = NonNullable<ReturnType<typeof mapNamed>>;
const maps = (recorded.sets ?? []).flatMap((hex) => {
  const map = readMap(one(hex));
  return map ? [map.name] : [];
});

const decoders: Readonly<Record<string, (message: Message) => unknown>> = {
  links: ({ payload }) => {
    const link = decodeLink(payload);
    return link && [toLink(link, nameOf), relatives(link)];
  },
  addresses: ({ payload }) => {
    const address = decodeAddress(payload);
    return address && toAddress(address, nameOf);
  },
  routes: ({ payload }) =>
    [true, false].map((learned) => {
      const route = decodeRoute(payload, learned);
      return route && [toRoute(route, nameOf), interfacesOf(route)];
    }),
  neighbours: ({ payload }) => {
    const neighbour = decodeNeighbour(payload);
    return neighbour && toNeighbour(neighbour, nameOf);
  },
  forwarding: ({ payload }) => {
    const entry = decodeForwardingEntry(payload);
    return entry && toForwardingEntry(entry, nameOf);
  },
  rules: ({ payload }) => decodeRule(payload),
  tables: (message) => commentOf(attributesOf(message).get(6)?.bytes) ?? '',
  chains: readChain,
  nftRules: readRuleEntry,
  sets: readMap,
  elements: (message) => maps.flatMap((map: MapName) => [...readElements(message, map)]),
};

function one(hex: string): Message {
  const [message] = messagesOf(Uint8Array.from(Buffer.from(hex, 'hex')));
  if (!message) throw new Error('no message');
  return message;
}

function messagesOf(bytes: Uint8Array): Message[] {
  return [...readMessages(bytes.slice().buffer)];
}

/** Flips, cuts, repeats and inserts bytes. Attributes begin at multiples of four, and so does most damage. */
const damage = fc.array(
  fc.record({
    kind: fc.constantFrom('flip', 'set', 'cut', 'insert', 'repeat', 'length'),
    at: fc.nat(4000),
    value: fc.nat(255),
    size: fc.nat(40),
  }),
  { minLength: 1, maxLength: 4 },
);

function damaged(bytes: Uint8Array, changes: typeof damage extends fc.Arbitrary<infer T> ? T : never): Uint8Array {
  let result = bytes.slice();
  for (const { kind, at: place, value, size } of changes) {
    if (result.length === 0) break;
    const at = place % result.length;
    const word = at & ~3;
    if (kind === 'flip') result[at] = (result[at] ?? 0) ^ (1 << (value & 7));
    if (kind === 'set') result[at] = value;
    if (kind === 'length') result[word] = value;
    if (kind === 'cut') result = result.slice(0, at);
    if (kind === 'insert')
      result = Uint8Array.from([...result.subarray(0, word), ...new Array(size).fill(value), ...result.subarray(word)]);
    if (kind === 'repeat') result = Uint8Array.from([...result.subarray(0, word + size), ...result.subarray(word)]);
  }
  return result;
}

const flags = fc.constantFrom(0, 2);
const message = (payload: Uint8Array, type: number): Message => ({ type, flags: 0, payload });

describe.each(Object.entries(decoders))('the decoder of %s', (kind, decode) => {
  const seeds = (recorded[kind] ?? []).map(one);

  test('reads what the kernel sent', () => {
    expect(seeds.length).toBeGreaterThan(0);
    for (const seed of seeds) expect(decode(seed)).toBeDefined();
  });

  test('reads or refuses a message with damage', () => {
    fc.assert(
      fc.property(fc.constantFrom(...seeds), damage, ({ payload, type }, changes) =>
        only(() => decode(message(damaged(payload, changes), type))),
      ),
      { numRuns: 1500 },
    );
  });

  test('reads or refuses a message cut anywhere', () => {
    for (const { payload, type } of seeds)
      for (let size = 0; size < payload.length; size++) only(() => decode(message(payload.slice(0, size), type)));
  });

  test('reads or refuses random bytes behind a header', () => {
    const [first] = seeds;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(24), (bytes, size) => {
        const head = first?.payload.subarray(0, size) ?? [];
        only(() => decode(message(Uint8Array.from([...head, ...bytes]), first?.type ?? 0)));
      }),
      { numRuns: 500 },
    );
  });

  test('reads or refuses the message of another kind', () => {
    for (const hex of Object.values(recorded).flat()) only(() => decode(one(hex)));
  });
});

describe('the reader of netlink', () => {
  const all = Object.values(recorded)
    .flat()
    .map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')));

  test('reads or refuses random bytes, and never more than there are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), flags, (bytes, skip) => {
        only(() => readDeep(readAttributes(bytes, skip)));
        only(() => {
          const messages = messagesOf(bytes);
          const size = messages.reduce((sum, { payload }) => sum + payload.length + 16, 0);
          expect(size).toBeLessThanOrEqual(bytes.length);
          for (const { payload } of messages) readDeep(readAttributes(payload));
        });
      }),
      { numRuns: 2000 },
    );
  });

  test('reads or refuses replies with damage', () => {
    fc.assert(
      fc.property(fc.constantFrom(...all), fc.constantFrom(...all), damage, (first, second, changes) =>
        only(() => {
          for (const { payload } of messagesOf(damaged(Uint8Array.from([...first, ...second]), changes)))
            readDeep(readAttributes(payload, Math.min(4, payload.length)));
        }),
      ),
      { numRuns: 2000 },
    );
  });
});
