import { expect, test } from 'vitest';
import { compareStatistics, type ProcessorStatistics, sumStatistics } from '../../src/index.js';

const cpu = (processor: number, values: Partial<ProcessorStatistics>): ProcessorStatistics => ({
  processor,
  ...values,
});

test('differences and rates survive a wrap', () => {
  const before = [cpu(0, { drop: 0xffff_fff0, invalid: 5 }), cpu(1, { drop: 1, invalid: 1 })];
  const after = [cpu(0, { drop: 0x10, invalid: 5 }), cpu(1, { drop: 4, invalid: 3 })];
  const change = compareStatistics(before, after, 2);
  expect(change.total).toEqual({ drop: 35, invalid: 2 });
  expect(change.perSecond).toEqual({ drop: 17.5, invalid: 1 });
  expect(change.processors).toEqual([cpu(0, { drop: 32, invalid: 0 }), cpu(1, { drop: 3, invalid: 2 })]);
});

test('a processor that appears or vanishes is named, and not counted', () => {
  const change = compareStatistics(
    [cpu(0, { drop: 1 }), cpu(2, { drop: 7 })],
    [cpu(0, { drop: 2 }), cpu(3, { drop: 9 })],
    1,
  );
  expect(change).toMatchObject({ total: { drop: 1 }, appeared: [3], vanished: [2] });
});

test('what one of two kernels does not send is absent', () => {
  const change = compareStatistics([cpu(0, { drop: 1 })], [cpu(0, { drop: 2, chainTooLong: 3 })], 1);
  expect(change.total).toEqual({ drop: 1 });
});

test('sums go beyond 32 bits', () => {
  expect(sumStatistics([cpu(0, { found: 0xffff_ffff }), cpu(1, { found: 0xffff_ffff })])).toEqual({
    found: 0x1_ffff_fffe,
  });
});
