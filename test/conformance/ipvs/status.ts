import { expect, test } from 'vitest';
import type { HashTableStatus } from '../../../src/index.js';
import { tcp, tcp6, type World } from './world.js';

export function statusConformance(world: () => World): void {
  const sum = ({ emptyBuckets, chains }: HashTableStatus): number =>
    chains.reduce((total, count) => total + count, emptyBuckets);

  test('the status counts services and adds up to the buckets, where the kernel has one', async () => {
    const { ipvs, port } = world();
    await ipvs.addService(tcp);
    await ipvs.addService(tcp6);
    await ipvs.addService({ fwmark: 7 });
    const [file, stats] = await port.readFiles(
      ['ip_vs_status', 'ip_vs_stats'].map((name) => `/proc/thread-self/net/${name}`),
    );
    expect(stats).toBeTypeOf('string');
    if (file === 2) {
      await expect(ipvs.status()).rejects.toMatchObject({
        code: 'ERR_IPVS_NOT_SUPPORTED',
        message: expect.stringContaining('Linux 7.1'),
      });
      return;
    }
    const { services, connections, estimation } = await ipvs.status();
    expect(services).toMatchObject({ entries: 3, loadFactor: expect.any(Number) });
    expect(Number.isInteger(Math.log2(services.buckets))).toBe(true);
    expect(services.chains).toHaveLength(7);
    expect(services.emptyBuckets).toBeLessThan(services.buckets);
    expect(sum(services)).toBe(services.buckets);
    expect(sum(connections)).toBe(connections.buckets);
    expect(connections.buckets).toBeGreaterThan(0);
    expect(Number.isInteger(connections.loadFactor)).toBe(true);
    expect(estimation.threads).toBeGreaterThan(0);
    expect(estimation.maximumThreads).toBeGreaterThan(0);
    await ipvs.flush();
    expect((await ipvs.status()).services).toMatchObject({ entries: 0, chains: [0, 0, 0, 0, 0, 0, 0] });
  });
}
