import { describe, expect, test } from 'vitest';
import { chainText } from '../../../src/kernel/netfilter/names.js';
import type { NetfilterPort } from '../../../src/kernel/netfilter/port.js';
import type { NftTableChange } from '../../../src/kernel/netfilter/types.js';
import { failure } from '../places.js';
import { ip, next, type Start, table } from './worlds.js';

export function otherConformance(start: Start): void {
  describe('others at work', () => {
    const state = {
      marks: [
        { destination: '10.0.0.1', mark: 1 },
        { source: '10.0.0.0/8', mark: 2 },
      ],
      rules: [{ type: 'masquerade', source: '10.0.0.0/8' }],
    } as const;

    /** `nft flush table`: all rules go, and nothing else. */
    async function flush(port: NetfilterPort): Promise<void> {
      const entry = await port.read('ipvs');
      const changes = (entry?.chains ?? []).flatMap(({ name, rules }) =>
        rules.map(({ handle }): NftTableChange => ({ change: 'delete-rule', chain: chainText(name), handle })),
      );
      await port.commit('ipvs', changes);
    }

    test('flushed, emptied, deleted: it is told, and mended', async () => {
      const here = await start();
      const { netfilter } = here;
      const port = await here.port();
      await netfilter.set(state);
      await flush(port);
      expect((await netfilter.verify(state)).map(({ problem }) => problem)).toContain('missing');
      // Those of maps are still there, but nothing asks them.
      expect((await netfilter.marks()).map(({ mark }) => mark)).toEqual([1]);
      await netfilter.set(state);
      expect(await netfilter.verify(state)).toEqual([]);
      await port.commit('ipvs', [{ change: 'delete-element', map: ip, key: { address: '10.0.0.1' } }]);
      expect(await netfilter.verify(state)).toMatchObject([{ problem: 'missing' }]);
      await netfilter.set(state);
      await port.commit('ipvs', [{ change: 'delete-table' }]);
      expect(await netfilter.marks()).toEqual([]);
      await netfilter.set(state);
      expect(await netfilter.verify(state)).toEqual([]);
    });

    test('what has been remembered is outdated: the change is made nevertheless', async () => {
      const here = await start();
      const port = await here.port();
      await here.netfilter.addMark({ destination: '10.0.0.1', mark: 1 });
      await port.commit('ipvs', [{ change: 'delete-table' }]);
      await here.netfilter.addMark({ destination: '10.0.0.2', mark: 2 });
      expect((await here.netfilter.marks()).map(({ mark }) => mark)).toEqual([2]);
      await flush(port);
      await here.netfilter.addMark({ destination: '10.0.0.3', mark: 3 });
      expect(
        await here.netfilter.verify({
          marks: [
            { destination: '10.0.0.2', mark: 2 },
            { destination: '10.0.0.3', mark: 3 },
          ],
        }),
      ).toEqual([]);
    });

    test('changes of the table are told, with their generation; of others not', async () => {
      const here = await start();
      const watch = await here.netfilter.watch();
      const port = await here.port();
      await port.commit('another', [table]);
      await here.netfilter.addMark({ destination: '10.0.0.1', mark: 1 });
      const { value } = await watch.next();
      expect(value).toEqual({
        type: 'change',
        generation: await port.generation(),
        process: { pid: expect.any(Number), name: 'ipvs-io' },
      });
      await here.netfilter.deleteMark({ destination: '10.0.0.1' });
      expect(await next(watch)).toBe('change');
      const waiting = next(watch);
      watch.close();
      expect(await waiting).toBe('end');
    });

    test('a signal ends a watch, and so does its handle', async () => {
      const here = await start();
      const abort = new AbortController();
      const aborted = await here.netfilter.watch({ signal: abort.signal });
      setTimeout(() => abort.abort(), 20);
      await expect(next(aborted)).rejects.toMatchObject({ name: 'AbortError' });
      const handle = await here.open();
      const orphan = await handle.watch();
      const waiting = failure(next(orphan)); // it may fail before close() ends
      await handle.close();
      expect((await waiting).code).toBe('ERR_IPVS_CLOSED');
      expect((await failure(handle.marks())).code).toBe('ERR_IPVS_CLOSED');
    });
  });
}
