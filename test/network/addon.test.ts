// The addon takes bytes, records and offsets from JavaScript: it refuses those that no request can be made of.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addNamespace, deleteNamespace } from '../../src/index.js';
import { loadAddon, type NativeBatch, type NativeHandle, type NativeNetlinkSession } from '../../src/linux/addon.js';
import { NETLINK_ROUTE, NetlinkSession } from '../../src/linux/netlink/session.js';
import { MessageWriter, NLM_F } from '../../src/linux/netlink/writer.js';
import { encodeGetLink } from '../../src/linux/network/links.js';
import { newName } from './world.js';

const name = newName();
const path = `/run/netns/${name}`;
const addon = loadAddon();
const ended = new Map<number, (errno: number) => void>();
const environment = addon.start((batch) => {
  for (let i = 0; i + 3 < batch.length; i += 4) ended.get(batch[i] as number)?.(batch[i + 1] as number);
});
let last = 0;

/** The errno that a request ends with; what the addon throws is thrown. */
function call(start: (id: number) => void): Promise<number> {
  const id = ++last;
  const errno = new Promise<number>((resolve) => ended.set(id, resolve));
  start(id);
  return errno;
}

const session: NativeNetlinkSession = new addon.NetlinkSession(environment);
beforeAll(async () => {
  await addNamespace(name);
  expect(await call((id) => session.open(id, path, NETLINK_ROUTE))).toBe(0);
});
afterAll(async () => {
  await call((id) => session.close(id));
  await deleteNamespace(name);
});

const writer = new MessageWriter();
for (let i = 0; i < 3; i++) encodeGetLink(writer, 1);
const whole = writer.take();
const refused = expect.objectContaining({ code: 'ERR_IPVS_INVALID_ARGUMENT' });

function batchOf(bytes: Uint8Array, offsets: Uint32Array): NativeBatch {
  const batch = new addon.NetlinkBatch();
  batch.append(bytes, offsets);
  return batch;
}

/** What the addon throws; `undefined`: it began a request, which ends. */
async function thrown(start: (id: number) => void): Promise<unknown> {
  try {
    await call(start);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('messages and their offsets', () => {
  const some = fc.oneof(fc.constantFrom(0, 16, 32, ...whole.offsets, whole.bytes.length, 0xffffffff), fc.nat(200));

  test('are sent as they were written', async () => {
    expect(await call((id) => session.request(id, whole.bytes, whole.offsets))).toBe(0);
    const batch = batchOf(whole.bytes, whole.offsets);
    expect(await call((id) => session.transact(id, batch))).toBe(0);
    expect(await thrown((id) => session.transact(id, batch))).toEqual(refused); // it is empty
  });

  test('are refused when the offsets do not fit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(some, { maxLength: 5 }),
        fc.constantFrom('request' as const, 'transact' as const, 'dump' as const),
        async (list, method) => {
          fc.pre(method === 'dump' || list.join() !== whole.offsets.join());
          const offsets = Uint32Array.from(list);
          const start = (id: number): void =>
            method === 'transact'
              ? session.transact(id, batchOf(whole.bytes, offsets))
              : session[method](id, whole.bytes, offsets);
          expect(await thrown(start)).toEqual(refused);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('are refused when the bytes do not fit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.bytes.length - 1), fc.nat(255), fc.boolean(), async (at, value, cut) => {
        const bytes = cut ? whole.bytes.slice(0, at) : whole.bytes.slice();
        const length = at & ~15;
        if (!cut) new DataView(bytes.buffer).setUint32(whole.offsets[length % 3] ?? 0, value, true);
        fc.pre(cut || ((value + 3) & ~3) !== whole.offsets[1]); // a length is padded
        expect(await thrown((id) => session.request(id, bytes, whole.offsets))).toEqual(refused);
      }),
      { numRuns: 300 },
    );
  });

  test('end in a typed error of the session, and leave no request behind', async () => {
    await using opened = {
      session: await NetlinkSession.open(NETLINK_ROUTE, { namespace: name }),
      async [Symbol.asyncDispose]() {
        await this.session.close();
      },
    };
    for (const offsets of [[], [4], [0, 0], [64, 0]])
      await expect(
        opened.session.request({ bytes: whole.bytes, offsets: Uint32Array.from(offsets) }),
      ).rejects.toMatchObject({
        name: 'IpvsError',
        code: 'ERR_IPVS_INVALID_ARGUMENT',
      });
    await expect(opened.session.request(whole)).resolves.toMatchObject({
      outcomes: [{ errno: 0 }, { errno: 0 }, { errno: 0 }],
    });
  });
});

test('values of any type in any place are refused, or end with an errno', async () => {
  const values: readonly unknown[] = [
    undefined,
    null,
    -1,
    2 ** 40,
    Number.NaN,
    '',
    '/no/such',
    {},
    [],
    [1],
    new Uint8Array(),
    new Uint8Array(7),
    new Uint8Array(144),
    new Uint32Array(3),
    new Float64Array(3),
    new Uint8ClampedArray(144),
    new DataView(new ArrayBuffer(16)),
    new ArrayBuffer(16),
    { group: new Uint32Array(4), interface: 'eth0' },
  ];
  const sessions: readonly [NativeHandle, readonly unknown[]][] = [
    [new addon.NetlinkSession(environment), [path, NETLINK_ROUTE]],
    [new addon.ConntrackSession(environment), [path]],
    [new addon.IpvsSession(environment), [path]],
  ];
  for (const [handle, opening] of sessions) {
    const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(handle)).filter((each) => each !== 'constructor');
    expect(methods.length).toBeGreaterThan(10);
    const invoke =
      (method: string, ...args: unknown[]) =>
      (id: number) =>
        (handle as unknown as Record<string, (...all: unknown[]) => void>)[method]?.(id, ...args);
    await thrown(invoke('open', ...opening));
    for (const method of methods) {
      // These wait for events, or for nothing.
      if (['cancel', 'open', 'close', 'heard', 'nextEvents'].includes(method)) continue;
      for (const first of values) {
        for (const second of [undefined, 1, '/no/such', new Uint8Array(144), new Uint32Array(1)]) {
          const error = await thrown(invoke(method, first, second, 0, 0));
          if (error !== undefined) expect(error).toBeInstanceOf(Error);
        }
      }
    }
    await thrown(invoke('close'));
  }
  expect(await call((id) => session.request(id, whole.bytes, whole.offsets))).toBe(0);
});

test('a message without content is a message', async () => {
  const empty = new MessageWriter();
  empty.message(2, NLM_F.REQUEST | NLM_F.ACK, () => {});
  const { bytes, offsets } = empty.take();
  expect(await call((id) => session.request(id, bytes, offsets))).toBe(0);
});
