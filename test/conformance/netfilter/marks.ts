import { describe, expect, test } from 'vitest';
import { failure } from '../places.js';
import { type Start, table } from './worlds.js';

export function markConformance(start: Start): void {
  describe('marks and rules', () => {
    test('added once, changed, removed', async () => {
      const { netfilter } = await start();
      const packets = { destination: '10.0.0.1', protocol: 'tcp', port: 80 } as const;
      await netfilter.addMark({ ...packets, mark: 1 });
      await netfilter.addMark({ destination: '10.0.0.1', mark: 2 });
      expect(await failure(netfilter.addMark({ ...packets, mark: 9 }))).toEqual({
        code: 'ERR_IPVS_MARK_EXISTS',
        errnoName: 'EEXIST',
      });
      await netfilter.setMark(packets, 3);
      expect((await netfilter.mark(packets)).mark).toBe(3);
      await netfilter.deleteMark(packets);
      const missing = { code: 'ERR_IPVS_NO_SUCH_MARK', errnoName: 'ENOENT' };
      expect(await failure(netfilter.deleteMark(packets))).toEqual(missing);
      expect(await failure(netfilter.setMark(packets, 3))).toEqual(missing);
      expect((await netfilter.marks()).map(({ mark }) => mark)).toEqual([2]);
    });

    test('a batch with one that cannot be is not made', async () => {
      const { netfilter } = await start();
      await netfilter.addMark({ destination: '10.0.0.1', mark: 1 });
      const result = netfilter.apply([
        { change: 'add-mark', mark: { destination: '10.0.0.2', mark: 2 } },
        { change: 'add-rule', rule: { type: 'masquerade', source: '10.0.0.0/8' } },
        { change: 'add-mark', mark: { destination: '10.0.0.1', mark: 3 } },
      ]);
      expect(await failure(result)).toEqual({ code: 'ERR_IPVS_MARK_EXISTS', errnoName: 'EEXIST' });
      expect((await netfilter.marks()).map(({ mark }) => mark)).toEqual([1]);
      expect(await netfilter.rules()).toEqual([]);
    });

    test('rules are added once, and removed', async () => {
      const { netfilter } = await start();
      const rule = { type: 'masquerade', source: '10.0.0.0/8' } as const;
      await netfilter.addRule(rule);
      expect((await failure(netfilter.addRule(rule))).code).toBe('ERR_IPVS_RULE_EXISTS');
      await netfilter.addRule({ type: 'masquerade', source: '10.1.0.0/16' });
      // The narrowest first.
      expect((await netfilter.rules()).map(({ rule: read }) => read.source)).toEqual(['10.1.0.0/16', '10.0.0.0/8']);
      await netfilter.deleteRule(rule);
      expect((await failure(netfilter.deleteRule(rule))).code).toBe('ERR_IPVS_NO_SUCH_RULE');
    });

    test('two handles at once lose nothing', async () => {
      const here = await start();
      const other = await here.open();
      const work = Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? other : here.netfilter).addMark({ destination: `10.0.0.${i}`, mark: i + 1 }),
      );
      await Promise.all(work);
      expect(await here.netfilter.marks()).toHaveLength(20);
      const marks = await Promise.all(
        [here.netfilter, other].map((handle, i) =>
          handle.allocateMark({ destination: `10.1.0.${i}` }, { from: 100, to: 101 }),
        ),
      );
      expect(marks.map(({ mark }) => mark).sort()).toEqual([100, 101]);
      const full = here.netfilter.allocateMark({ destination: '10.1.0.9' }, { from: 100, to: 101 });
      expect((await failure(full)).code).toBe('ERR_IPVS_OUT_OF_RANGE');
    });

    test('a table of another program is not touched; one of another owner stays', async () => {
      const here = await start();
      const port = await here.port();
      await port.commit('ipvs', [table]);
      expect((await failure(here.netfilter.addMark({ destination: '10.0.0.1', mark: 1 }))).code).toBe(
        'ERR_IPVS_FOREIGN',
      );
      expect((await failure(here.netfilter.deleteTable())).code).toBe('ERR_IPVS_FOREIGN');
      const other = await here.open('another');
      await other.addMark({ destination: '10.0.0.1', mark: 1 });
      await port.commit('ipvs', [{ change: 'delete-table' }]);
      await here.netfilter.addMark({ destination: '10.0.0.1', mark: 2 });
      await other.deleteTable();
      await other.deleteTable();
      expect(await port.read('another')).toBeUndefined();
      expect((await here.netfilter.marks()).map(({ mark }) => mark)).toEqual([2]);
    });
  });
}
