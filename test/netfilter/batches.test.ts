// All or nothing: what the kernel refuses, what others change meanwhile, and replies that are lost.
import { spawn } from 'node:child_process';
import { beforeEach, describe, expect, test } from 'vitest';
import { Errno } from '../../src/common/errno.js';
import type { CallOptions, FwmarkOptions, NetfilterChange } from '../../src/index.js';
import type { NetfilterPort, OpenOptions } from '../../src/kernel/index.js';
import { NftChangeFailure } from '../../src/kernel/netfilter/port.js';
import type { NftTableChange } from '../../src/kernel/netfilter/types.js';
import { nativeKernel } from '../../src/linux/linux-kernel.js';
import { until, useWorld } from './world.js';

const world = useWorld();
beforeEach(() => world.load('flush ruleset'));

const port = (number: number, mark = number): FwmarkOptions => ({ protocol: 'tcp', port: number, mark });
const address = (i: number): string => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
const add = (mark: FwmarkOptions): NetfilterChange => ({ change: 'add-mark', mark });

async function generation(): Promise<number> {
  const kernel = await nativeKernel.openNetfilter({ namespace: world.namespace });
  try {
    return await kernel.generation();
  } finally {
    await kernel.close();
  }
}

describe('a batch with one change that cannot be', () => {
  test('an element that is there already, in the middle of 1000', async () => {
    const { netfilter } = world;
    await netfilter.addMark(port(1500, 7));
    const [before, list] = [await generation(), world.list('ruleset', '-a')];
    const changes = Array.from({ length: 1000 }, (_, i) => add(port(1000 + i)));
    await expect(netfilter.apply(changes)).rejects.toMatchObject({
      code: 'ERR_IPVS_MARK_EXISTS',
      errnoName: 'EEXIST',
      message: expect.stringContaining(': prerouting tcp dport 1500 has the mark 7 (0x7) already (EEXIST'),
      request: { action: 'add mark', object: 'prerouting tcp dport 1500 mark set 0x5dc' },
    });
    expect(await generation()).toBe(before);
    expect(world.list('ruleset', '-a')).toBe(list);
    await netfilter.apply(changes.toSpliced(500, 1));
    expect(await netfilter.marks()).toHaveLength(1000);
  });

  test('an element that is not there', async () => {
    const { netfilter } = world;
    await netfilter.apply(Array.from({ length: 10 }, (_, i) => add(port(i + 1))));
    const before = await generation();
    const changes = [1, 2, 99, 3].map((number) => ({
      change: 'delete-mark' as const,
      mark: { protocol: 'tcp' as const, port: number },
    }));
    await expect(netfilter.apply(changes)).rejects.toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_MARK',
      request: { object: 'prerouting tcp dport 99' },
    });
    expect(await generation()).toBe(before);
    expect(await netfilter.marks()).toHaveLength(10);
    await expect(netfilter.setMark({ protocol: 'tcp', port: 99 }, 1)).rejects.toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_MARK',
      message: expect.stringMatching(
        /^cannot change mark of prerouting tcp dport 99: no mark is set for these packets/,
      ),
    });
  });

  test('which mark there is, of every kind of map', async () => {
    const { netfilter } = world;
    const kinds: readonly FwmarkOptions[] = [
      { protocol: 'udp', port: 53, mark: 0xffffffff },
      { destination: '10.0.0.1', mark: 2 },
      { destination: '10.0.0.1', protocol: 'tcp', port: 80, mark: 3 },
      { destination: 'fd00::1', mark: 4 },
      { hook: 'output', destination: 'fd00::1', protocol: 'sctp', port: 80, mark: 5 },
    ];
    await netfilter.apply(kinds.map(add));
    for (const mark of kinds)
      await expect(netfilter.addMark({ ...mark, mark: 9 })).rejects.toMatchObject({
        code: 'ERR_IPVS_MARK_EXISTS',
        message: expect.stringContaining(` has the mark ${mark.mark} (0x${mark.mark.toString(16)}) already (EEXIST`),
      });
  });

  test('50 000 elements that are all there already: an error, and not that the reply is lost', async () => {
    const { netfilter } = world;
    const marks = Array.from({ length: 50_000 }, (_, i) => ({ destination: address(i), mark: i + 1 }));
    await netfilter.set({ marks });
    const before = await generation();
    await expect(netfilter.apply(marks.map(add))).rejects.toMatchObject({
      code: 'ERR_IPVS_MARK_EXISTS',
      request: { object: 'prerouting ip daddr 10.0.0.0 mark set 0x1' },
    });
    expect(await generation()).toBe(before);
    expect(await netfilter.verify({ marks })).toEqual([]);
    await netfilter.apply(marks.map(({ destination }) => ({ change: 'delete-mark', mark: { destination } })));
    expect(await netfilter.marks()).toEqual([]);
  }, 240_000);

  test('what it cannot do with rules', async () => {
    const { netfilter } = world;
    await netfilter.addRule({ type: 'masquerade', mark: 1 });
    const before = await generation();
    await expect(netfilter.addRule({ type: 'masquerade', mark: 1 })).rejects.toMatchObject({
      code: 'ERR_IPVS_RULE_EXISTS',
    });
    await expect(netfilter.deleteRule({ type: 'masquerade', mark: 2 })).rejects.toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_RULE',
    });
    const wide = { destination: '10.0.0.0/8' } as const;
    await netfilter.addMark({ ...wide, mark: 1 });
    await expect(netfilter.addMark({ ...wide, mark: 2 })).rejects.toMatchObject({ code: 'ERR_IPVS_MARK_EXISTS' });
    await expect(netfilter.deleteMark({ ...wide, mask: 1 })).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_MARK' });
    expect(await generation()).toBe(before + 1);
  });
});

describe('others that change rules at the same time', () => {
  test('another process, all the time', async () => {
    const { netfilter } = world;
    const script =
      'while :; do nft add table inet noise; nft add chain inet noise c; nft delete table inet noise; sleep 0.1; done';
    const args = [`--net=/run/netns/${world.namespace}`, 'sh', '-c', script];
    const noise = spawn('nsenter', args, { stdio: 'ignore', detached: true });
    try {
      const start = await generation();
      const begun = await until(generation, (now) => now > start + 2);
      for (let i = 1; i <= 25; i++) {
        await netfilter.addMark(port(i));
        await netfilter.addMark({ destination: `10.${i}.0.0/16`, mark: i });
        await netfilter.setMark({ protocol: 'tcp', port: i }, i + 1);
        await netfilter.addRule({ type: 'masquerade', mark: i });
      }
      const marks = await netfilter.marks();
      expect(marks).toHaveLength(50);
      expect(await netfilter.rules()).toHaveLength(25);
      expect(await generation()).toBeGreaterThan(begun + 100); // the other was not idle
    } finally {
      process.kill(-(noise.pid as number), 'SIGKILL');
    }
  }, 120_000);

  test('two handles at once: nothing is lost', async () => {
    const handles = [world.netfilter, await world.open(), await world.open()];
    await Promise.all(
      handles.flatMap((handle, index) =>
        Array.from({ length: 20 }, (_, i) => handle.addMark(port(1 + index * 100 + i))),
      ),
    );
    expect(await world.netfilter.marks()).toHaveLength(60);
  });

  test('what another handle has made is known, though it was not there before', async () => {
    const [first, second] = [world.netfilter, await world.open()];
    const known = async (): Promise<void> => {
      for (const number of [1, 2]) await first.addMark(port(number));
      for (const number of [1, 2]) await first.deleteMark({ protocol: 'tcp', port: number });
    };
    const rule = { type: 'masquerade', mark: 9 } as const;
    await known();
    await second.addRule(rule);
    await first.deleteRule(rule);
    await known();
    await second.addMark({ destination: '10.0.0.0/8', mark: 1 });
    await expect(first.addMark({ destination: '10.0.0.0/8', mark: 1 })).rejects.toMatchObject({
      code: 'ERR_IPVS_MARK_EXISTS',
    });
    await known();
    await second.deleteMark({ destination: '10.0.0.0/8' });
    await first.addMark({ destination: '10.0.0.0/8', mark: 1 });
    await known();
    await second.addMark({ destination: '10.0.0.1', mark: 1 });
    await first.deleteMark({ destination: '10.0.0.1' });
  });
});

describe('a reply that is lost (ENOBUFS)', () => {
  /** The kernel, but what it says of some commits is lost. */
  function losing(commits: boolean, times: number) {
    let left = times;
    const openNetfilter = async (options: OpenOptions): Promise<NetfilterPort> => {
      const kernel = await nativeKernel.openNetfilter(options);
      return {
        read: (table, options) => kernel.read(table, options),
        generation: (options) => kernel.generation(options),
        listen: (options) => kernel.listen(options),
        close: () => kernel.close(),
        commit: async (table: string, changes: readonly NftTableChange[], options?: CallOptions) => {
          if (left <= 0) return kernel.commit(table, changes, options);
          left--;
          if (commits) await kernel.commit(table, changes, options);
          throw new NftChangeFailure(-1, Errno.ENOBUFS, '');
        },
      };
    };
    return { openNetfilter, again: () => (left = times) };
  }

  test.each([
    ['the kernel did it', true, 1],
    ['the kernel did not', false, 1],
    ['the kernel did not, three times', false, 3],
  ])('%s', async (_, commits, times) => {
    const kernel = losing(commits, times);
    const netfilter = await world.open({ kernel });
    const rule = { type: 'masquerade', mark: 1 } as const;
    const wide = { destination: '10.0.0.0/8' } as const;
    const steps: readonly (() => Promise<unknown>)[] = [
      () => netfilter.addMark(port(80, 1)),
      () => netfilter.addMark(port(81, 1)),
      () => netfilter.addMark({ ...wide, mark: 1 }),
      () => netfilter.setMark({ protocol: 'tcp', port: 80 }, 2),
      () => netfilter.setMark(wide, 2),
      () => netfilter.addRule(rule),
      () => netfilter.apply([add(port(82)), { change: 'delete-mark', mark: { protocol: 'tcp', port: 81 } }]),
      () => netfilter.allocateMark({ protocol: 'tcp', port: 83 }, { from: 1000, to: 2000 }),
      () => netfilter.allocateMark({ destination: '10.1.0.0/16' }, { from: 1000, to: 2000 }),
    ];
    for (const step of steps) {
      kernel.again();
      await step();
    }
    expect((await netfilter.marks()).map(String).sort()).toEqual([
      'prerouting ip daddr 10.0.0.0/8 mark set 0x2',
      'prerouting ip daddr 10.1.0.0/16 mark set 0x3e9',
      'prerouting tcp dport 80 mark set 0x2',
      'prerouting tcp dport 82 mark set 0x52',
      'prerouting tcp dport 83 mark set 0x3e8',
    ]);
    expect(await netfilter.rules()).toHaveLength(1);
    for (const step of [
      () => netfilter.deleteMark({ protocol: 'tcp', port: 82 }),
      () => netfilter.deleteMark(wide),
      () => netfilter.deleteRule(rule),
      () => netfilter.set({ marks: [port(1), port(2)], rules: [rule] }),
      () => netfilter.set({ marks: [port(2)] }),
    ]) {
      kernel.again();
      await step();
    }
    expect((await netfilter.marks()).map(String)).toEqual(['prerouting tcp dport 2 mark set 0x2']);
    kernel.again();
    await netfilter.deleteTable();
    expect(world.list()).toBe('');
  });

  test('what was wrong before is wrong then, too', async () => {
    const kernel = losing(false, 1);
    const netfilter = await world.open({ kernel });
    await netfilter.addMark(port(80, 1));
    kernel.again();
    await expect(netfilter.addMark(port(80, 2))).rejects.toMatchObject({ code: 'ERR_IPVS_MARK_EXISTS' });
    kernel.again();
    await expect(netfilter.setMark({ protocol: 'tcp', port: 81 }, 2)).rejects.toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_MARK',
    });
    expect(await netfilter.marks()).toHaveLength(1);
  });

  test('a kernel that never answers: an error in the end', async () => {
    const netfilter = await world.open({ kernel: losing(false, 1000) });
    await expect(netfilter.addMark(port(80, 1))).rejects.toMatchObject({ code: 'ERR_IPVS_OVERRUN' });
    expect(world.list()).toBe('');
  });
});
