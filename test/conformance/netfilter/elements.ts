// Lists of elements in a batch: the kernel makes all of them or none, and an error names the element.
import { describe, expect, test } from 'vitest';
import { Errno } from '../../../src/common/errno.js';
import { NftElementList } from '../../../src/kernel/netfilter/elements.js';
import type { NftMapElement } from '../../../src/kernel/netfilter/types.js';
import { ip, ipPort, refusal, type Start, table } from './worlds.js';

/** More than two pieces of a batch (128 KiB), of elements with 28 bytes. */
const COUNT = 15_000;
const IN_THIRD_PIECE = 12_345;

const elementAt = (i: number): NftMapElement => ({ address: `10.0.${i >> 8}.${i & 255}`, mark: i });
const elements = Array.from({ length: COUNT }, (_, i) => elementAt(i));

export function elementConformance(start: Start): void {
  describe('lists of elements', () => {
    test('are added and deleted like single ones', async () => {
      const port = await (await start()).port();
      const some = [1, 2, 3].map((number) => ({ address: `10.0.0.${number}`, mark: number }));
      const services = [1, 2].map((mark) => ({ address: '10.0.0.1', protocol: 'udp', port: mark, mark }) as const);
      await port.commit('one', [
        table,
        { change: 'add-map', map: ip },
        { change: 'add-map', map: ipPort },
        { change: 'add-elements', elements: new NftElementList(ip, some) },
        { change: 'add-elements', elements: new NftElementList(ip) },
        { change: 'add-elements', elements: new NftElementList(ipPort, services) },
      ]);
      await port.commit('one', [
        { change: 'delete-elements', elements: new NftElementList(ip, some.slice(1)) },
        { change: 'add-elements', elements: new NftElementList(ip, [{ address: '10.0.0.2', mark: 9 }]) },
      ]);
      const [first, second] = (await port.read('one', { elements: true }))?.maps ?? [];
      const marks = (list: typeof first) =>
        list?.elements?.map(({ counter: _, ...element }) => element).toSorted((a, b) => a.mark - b.mark);
      expect(marks(first)).toEqual([some[0], { address: '10.0.0.2', mark: 9 }]);
      expect(marks(second)).toEqual(services);
    });

    test('a batch of empty lists is no commit', async () => {
      const port = await (await start()).port();
      const generation = await port.generation();
      await port.commit('one', [{ change: 'add-elements', elements: new NftElementList(ip) }]);
      expect(await port.generation()).toBe(generation);
    });

    test('an element that exists, in the third piece of a batch, is named, and nothing is added', async () => {
      const port = await (await start()).port();
      await port.commit('one', [
        table,
        { change: 'add-map', map: ip },
        { change: 'add-element', map: ip, element: { ...elementAt(IN_THIRD_PIECE), mark: 7 } },
      ]);
      const before = await port.generation();
      const add = { change: 'add-elements', elements: new NftElementList(ip, elements) } as const;
      expect(await refusal(port.commit('one', [{ change: 'add-map', map: ipPort }, add]))).toEqual([
        1 + IN_THIRD_PIECE,
        Errno.EEXIST,
      ]);
      expect(await port.generation()).toBe(before);
      expect((await port.read('one', { elements: true }))?.maps.map((map) => map.elements)).toMatchObject([
        [{ mark: 7 }],
      ]);
    });

    test('an element that does not exist, in a later list, is named', async () => {
      const port = await (await start()).port();
      await port.commit('one', [
        table,
        { change: 'add-map', map: ip },
        { change: 'add-elements', elements: new NftElementList(ip, elements) },
      ]);
      const missing = elements.toSpliced(200, 0, { address: '10.9.9.9', mark: 0 });
      const deletions = [missing.slice(0, 100), missing.slice(100)].map(
        (list) => ({ change: 'delete-elements', elements: new NftElementList(ip, list) }) as const,
      );
      expect(await refusal(port.commit('one', deletions))).toEqual([200, Errno.ENOENT]);
      expect((await port.read('one', { elements: true }))?.maps[0]?.elements).toHaveLength(COUNT);
    });

    test('a list for a map that does not exist fails for its first element', async () => {
      const port = await (await start()).port();
      await port.commit('one', [table]);
      const list = new NftElementList(ip, elements.slice(0, 10));
      expect(await refusal(port.commit('one', [{ change: 'add-elements', elements: list }]))).toEqual([
        0,
        Errno.ENOENT,
      ]);
    });
  });
}
