import { expect, test } from 'vitest';
import { Ipvs } from '../../src/index.js';
import { parseStatus } from '../../src/ipvs/status.js';
import type { IpvsPort } from '../../src/kernel/ipvs/port.js';
import { MemoryKernel } from '../../src/memory/index.js';

// As Linux 7.3 prints it, with chains of connections as in the description of the patch that added the file.
const text = `Conns:\t9401
Conn buckets:\t524288 (19 bits, lfactor -5)
Conn buckets empty:\t505633 (96%)
Conn buckets len-1:\t18322 (98%)
Conn buckets len-2:\t329 (1%)
Conn buckets len-3:\t3 (0%)
Conn buckets len-7:\t1 (0%)
Services:\t302
Service buckets:\t4096 (12 bits, lfactor -3)
Service buckets empty:\t3803 (92%)
Service buckets len-1:\t285 (97%)
Service buckets len-2:\t7 (2%)
Service buckets len-3:\t1 (0%)
Stats thread slots:\t1 (max 8)
Stats chain max len:\t143
Stats thread ests:\t343200
`;

test('a status is read as the kernel prints it', () => {
  expect(parseStatus(text)).toEqual({
    connections: {
      entries: 9401,
      buckets: 524288,
      loadFactor: -5,
      emptyBuckets: 505633,
      chains: [18322, 329, 3, 0, 0, 0, 1],
    },
    services: { entries: 302, buckets: 4096, loadFactor: -3, emptyBuckets: 3803, chains: [285, 7, 1, 0, 0, 0, 0] },
    estimation: { threads: 1, maximumThreads: 8, maximumChainLength: 143, maximumPerThread: 343200 },
  });
});

test('a namespace without services has tables without buckets, and a table without entries has no rows of chains', () => {
  const none = { entries: 0, buckets: 0, loadFactor: 0, emptyBuckets: 0, chains: [0, 0, 0, 0, 0, 0, 0] };
  const empty =
    'Conns:\t0\nConn buckets:\t0 (0 bits, lfactor 0)\nServices:\t0\nService buckets:\t0 (0 bits, lfactor 0)\n';
  expect(parseStatus(empty)).toMatchObject({ connections: none, services: none });
  const flushed = 'Conns:\t0\nConn buckets:\t256 (8 bits, lfactor -4)\n';
  expect(parseStatus(flushed).connections).toEqual({ ...none, buckets: 256, loadFactor: -4, emptyBuckets: 256 });
});

/** A kernel whose /proc/net has other files. */
async function ipvsWith(files: Readonly<Record<string, string | number>>): Promise<Ipvs> {
  const port = await new MemoryKernel().openIpvs({});
  const readFiles: IpvsPort['readFiles'] = async (paths) =>
    paths.map((path) => files[path.split('/').at(-1) ?? ''] ?? 2);
  const changed = new Proxy(port, {
    get: (target, name) => (name === 'readFiles' ? readFiles : Reflect.get(target, name)),
  });
  return Ipvs.open({ kernel: { openIpvs: async () => changed } });
}

test('a kernel without the file is told from one without IPVS and from a refused file', async () => {
  const status = async (files: Readonly<Record<string, string | number>>): Promise<unknown> =>
    (await ipvsWith(files)).status();
  await expect(status({ ip_vs_stats: '' })).rejects.toMatchObject({
    code: 'ERR_IPVS_NOT_SUPPORTED',
    errnoName: 'ENOENT',
    message: expect.stringMatching(/^cannot read the status of IPVS: .*requires Linux 7\.1.*info\(\)/),
  });
  await expect(status({})).rejects.not.toMatchObject({ code: 'ERR_IPVS_NOT_SUPPORTED' });
  await expect(status({ ip_vs_status: 13, ip_vs_stats: '' })).rejects.toMatchObject({ errno: 13 });
});
