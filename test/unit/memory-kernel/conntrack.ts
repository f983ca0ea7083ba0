import { describe, expect, test } from 'vitest';
import type { ConntrackEvent } from '../../../src/index.js';
import { failure } from '../../conformance/place.js';
import { start, times } from './world.js';

export function conntrackTests(): void {
  describe('connection tracking', () => {
    const udp = (sourcePort: number) =>
      ({ protocol: 'udp', source: '10.0.0.1', destination: '10.0.0.2', sourcePort, destinationPort: 53 }) as const;
    const begin = async () => {
      const { kernel, conntrack } = await start();
      const create = (port: number, timeout = 100) => conntrack.create({ original: udp(port), timeout });
      return { kernel, conntrack, create };
    };

    async function take(stream: AsyncIterable<ConntrackEvent>, count: number): Promise<string[]> {
      const said: string[] = [];
      for await (const event of stream) {
        const recovered = 'recovered' in event && event.recovered ? ' recovered' : '';
        const port = 'flow' in event ? ` ${event.flow.original.sourcePort}` : '';
        const flows = event.type === 'resynchronised' ? ` ${event.flows}` : '';
        if (said.push(`${event.type}${port}${flows}${recovered}`) === count) break;
      }
      return said;
    }

    test('flows end with time, and it is told', async () => {
      const { kernel, conntrack, create } = await begin();
      const stream = await conntrack.watch();
      await create(1, 10);
      await create(2, 20);
      kernel.advance(9_999);
      expect((await conntrack.flow({ original: udp(1) })).timeout).toBe(0);
      kernel.advance(1);
      expect(await failure(conntrack.flow({ original: udp(1) }))).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_FLOW' });
      await conntrack.update({ original: udp(2) }, { timeout: 50 });
      kernel.advance(49_000);
      expect((await conntrack.usage()).count).toBe(1);
      kernel.advance(1000);
      expect(await take(stream, 5)).toEqual(['new 1', 'new 2', 'destroy 1', 'update 2', 'destroy 2']);
    });

    test('a full table', async () => {
      const { conntrack, create } = await begin();
      await conntrack.setSettings({ maximum: 2 });
      await create(1);
      await create(2);
      expect(await failure(create(3))).toMatchObject({ code: 'ERR_IPVS_TABLE_FULL', errno: 12 });
      expect(await conntrack.usage()).toMatchObject({ count: 2, maximum: 2, ratio: 1 });
      expect((await conntrack.statistics())[0]).toMatchObject({ insert: 2, drop: 1 });
    });

    test('an overrun: what waits is lost, and a stream that resynchronises finds it', async () => {
      const { kernel, conntrack, create } = await begin();
      const plain = await conntrack.watch();
      const whole = await conntrack.watch({ resynchronise: true });
      await create(1);
      expect(await take(await conntrack.watch({ resynchronise: true }), 2)).toEqual([
        'new 1 recovered',
        'resynchronised 1',
      ]);
      await kernel.namespace().overrunEvents(async () => {
        await create(2);
        await conntrack.delete({ original: udp(1) });
      });
      await create(3);
      expect(await take(plain, 2)).toEqual(['overrun', 'new 3']);
      expect(await take(whole, 4)).toEqual(['overrun', 'new 3', 'new 2 recovered', 'resynchronised 2']);
    });

    test('a stream that resynchronises tells the end of what it had told of', async () => {
      const { kernel, conntrack, create } = await begin();
      const stream = await conntrack.watch({ resynchronise: true });
      await create(1);
      await create(2);
      const iterator = stream[Symbol.asyncIterator]();
      for (const _ of times(3)) await iterator.next();
      await kernel.namespace().overrunEvents(async () => {
        await conntrack.delete({ original: udp(1) });
        await conntrack.update({ original: udp(2) }, { mark: 7 });
      });
      const types = [];
      for (const _ of times(4)) types.push((await iterator.next()).value?.type);
      expect(types).toEqual(['overrun', 'update', 'destroy', 'resynchronised']);
      await iterator.return?.();
    });

    test('labels, where a rule uses them', async () => {
      const { kernel, conntrack } = await begin();
      kernel.namespace().useLabels();
      await conntrack.create({ original: udp(1), timeout: 10, labels: [1, 127] });
      await conntrack.update({ original: udp(1) }, { labels: { set: [2], clear: [1] } });
      expect((await conntrack.flow({ original: udp(1) })).labels).toEqual([2, 127]);
    });

    test('expectations end with time', async () => {
      const { kernel, conntrack } = await begin();
      const master = { ...udp(1), protocol: 'tcp', destinationPort: 21 } as const;
      await conntrack.create({ original: master, timeout: 1000, helper: 'ftp' });
      await conntrack.createExpectation({ tuple: { ...master, destinationPort: 5000 }, master, timeout: 5 });
      kernel.advance(299_000);
      expect(await conntrack.expectations()).toHaveLength(1);
      kernel.advance(1000);
      expect(await conntrack.expectations()).toEqual([]);
    });
  });
}
