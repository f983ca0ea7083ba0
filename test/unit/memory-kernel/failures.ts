import { describe, expect, test } from 'vitest';
import { Ipvs } from '../../../src/index.js';
import { MemoryKernel } from '../../../src/memory/index.js';
import { failure } from '../../conformance/place.js';
import { addresses, start, times, virtual } from './world.js';

export function failureTests(): void {
  describe('failures', () => {
    test('of a change in a batch: those behind it are done', async () => {
      const { kernel, ipvs } = await start();
      kernel.fail({ part: 'ipvs', command: 'NEW_DEST', object: '10.1.0.2', errno: 12 });
      const results = await ipvs.apply([
        { change: 'add-service', service: virtual },
        ...addresses.map((address) => ({ change: 'add-server', service: virtual, server: { address } }) as const),
      ]);
      expect(results.map((result) => (result.ok ? 0 : result.error.errno))).toEqual([0, 0, 12, 0]);
      expect(await (await ipvs.service(virtual)).servers()).toHaveLength(2);
    });

    test('after some, so often, and until they are cleared', async () => {
      const { kernel, ipvs, conntrack } = await start();
      kernel.fail({ command: 'services', after: 1, times: 2, errno: 105 });
      await ipvs.services();
      for (const _ of times(2)) expect(await failure(ipvs.services())).toMatchObject({ code: 'ERR_IPVS_OVERRUN' });
      await ipvs.services();
      kernel.fail({ part: 'conntrack', times: Number.POSITIVE_INFINITY });
      for (const _ of times(3)) expect(await failure(conntrack.usage())).toMatchObject({ errnoName: 'EIO' });
      await ipvs.services();
      kernel.clearFaults();
      await conntrack.usage();
    });

    test('of what is carried out nevertheless', async () => {
      const { kernel, ipvs } = await start();
      kernel.fail({ command: 'NEW_SERVICE', carriedOut: true, errno: 105 });
      expect(await failure(ipvs.addService(virtual))).toMatchObject({ code: 'ERR_IPVS_OVERRUN' });
      expect(await ipvs.services()).toHaveLength(1);
    });

    test('a program that is killed leaves what it has done', async () => {
      const { kernel, ipvs, conntrack } = await start();
      kernel.fail({ command: 'NEW_DEST', after: 1, errno: 'killed' });
      const work = ipvs.apply([
        { change: 'add-service', service: virtual },
        ...addresses.map((address) => ({ change: 'add-server', service: virtual, server: { address } }) as const),
      ]);
      expect(await failure(work)).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
      expect(await failure(ipvs.services())).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
      expect(await failure(conntrack.usage())).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
      const next = await Ipvs.open({ kernel });
      expect(await (await next.service(virtual)).servers()).toHaveLength(1);
    });

    test('kill() kills all handles', async () => {
      const { kernel, ipvs, conntrack } = await start();
      await ipvs.addService(virtual);
      const stream = await conntrack.watch();
      kernel.kill();
      await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
      expect(await failure(ipvs.services())).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
      expect(await (await Ipvs.open({ kernel })).services()).toHaveLength(1);
    });

    test('without privileges, without IPVS, without a scheduler', async () => {
      const { kernel, ipvs } = await start();
      kernel.permission = false;
      expect(await failure(ipvs.services())).toMatchObject({ code: 'ERR_IPVS_PERMISSION' });
      expect(await failure(ipvs.addService(virtual))).toMatchObject({ code: 'ERR_IPVS_PERMISSION' });
      const bare = new MemoryKernel({ available: { ipvs: false }, schedulers: ['rr'] });
      expect(await failure(Ipvs.open({ kernel: bare }))).toMatchObject({ code: 'ERR_IPVS_NOT_AVAILABLE' });
      expect(bare.namespace().file('/proc/sys/net/ipv4/vs/conntrack')).toBeUndefined();
      const simple = await Ipvs.open({ kernel: new MemoryKernel({ schedulers: ['rr'] }) });
      expect(await failure(simple.addService(virtual))).toMatchObject({ code: 'ERR_IPVS_UNKNOWN_SCHEDULER' });
    });

    test('requests are told, each change by itself', async () => {
      const { kernel, ipvs } = await start();
      kernel.clearRequests();
      await ipvs.apply([
        { change: 'add-service', service: { fwmark: 258 } },
        { change: 'add-server', service: { fwmark: 258 }, server: { address: '10.0.0.17' } },
      ]);
      expect(kernel.requests).toEqual([
        { part: 'ipvs', command: 'apply', object: '2 changes' },
        { part: 'ipvs', command: 'NEW_SERVICE', object: 'FWM 258' },
        { part: 'ipvs', command: 'NEW_DEST', object: '10.0.0.17:0 of FWM 258' },
      ]);
    });
  });
}
