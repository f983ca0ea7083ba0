import { describe, expect, test } from 'vitest';
import { failure } from '../places.js';
import type { Worlds } from './worlds.js';

export function ruleConformance({ start }: Worlds): void {
  describe('rules', () => {
    test('their order: by priority, then as they came; without one, before the others', async () => {
      const { network } = await start();
      const rule = { family: 'ipv4', table: 100 } as const;
      await network.addRule({ ...rule, mark: 80 });
      await network.addRule({ ...rule, mark: 81 });
      await network.addRule({ ...rule, mark: 90, priority: 1000 });
      await network.addRule({ ...rule, mark: 91, priority: 1000 });
      await network.addRule({ ...rule, mark: 82 });
      const read = await network.rules({ family: 'ipv4' });
      expect(read.map(({ priority, mark }) => [priority, mark])).toEqual([
        [0, undefined],
        [999, 82],
        [1000, 90],
        [1000, 91],
        [32764, 81],
        [32765, 80],
        [32766, undefined],
        [32767, undefined],
      ]);
      expect(read[4]).toEqual({
        family: 'ipv4',
        priority: 32764,
        action: 'lookup',
        table: 100,
        invert: false,
        mark: 81,
        mask: 0xffffffff,
        protocol: 4,
        further: false,
      });
    });

    test('added once, deleted as named', async () => {
      const { network } = await start();
      const rule = { family: 'ipv4', table: 100, mark: 5, priority: 600 } as const;
      const there = { code: 'ERR_IPVS_RULE_EXISTS', errnoName: 'EEXIST' };
      await network.addRule(rule);
      expect(await failure(network.addRule(rule))).toEqual(there);
      // The kernel does not see the difference.
      expect(await failure(network.addRule({ ...rule, invert: true }))).toEqual(there);
      await network.addRule({ ...rule, protocol: 77 });
      await network.addRule({ ...rule, mask: 0xff });
      await network.addRule({ source: '10.0.0.0/8', table: 100, mark: 5, priority: 600 });
      expect(await network.rules({ family: 'ipv4' })).toHaveLength(3 + 4);
      expect((await failure(network.deleteRule({ ...rule, priority: 601 }))).code).toBe('ERR_IPVS_NO_SUCH_RULE');
      expect((await failure(network.deleteRule(rule))).code).toBe('ERR_IPVS_AMBIGUOUS');
      await network.deleteRule({ ...rule, protocol: 4 });
      const left = await network.rules({ family: 'ipv4' });
      expect(
        left.filter(({ priority }) => priority === 600).map(({ protocol, mask, source }) => [protocol, mask, source]),
      ).toEqual([
        [77, 0xffffffff, undefined],
        [4, 0xff, undefined],
        [4, 0xffffffff, '10.0.0.0/8'],
      ]);
    });
  });
}
