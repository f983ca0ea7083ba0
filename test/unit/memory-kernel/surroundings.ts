import { describe, expect, test } from 'vitest';
import { addNamespace, deleteNamespace, Ipvs, namespaces } from '../../../src/index.js';
import { failure } from '../../conformance/place.js';
import { start, virtual } from './world.js';

export function surroundingsTests(): void {
  describe('namespaces', () => {
    test('come and go by name, or lie anywhere', async () => {
      const { kernel, ipvs } = await start();
      await addNamespace('blue', { kernel });
      expect(await failure(addNamespace('blue', { kernel }))).toMatchObject({ code: 'ERR_IPVS_NAMESPACE_EXISTS' });
      expect((await namespaces({ kernel })).map(({ name }) => name)).toEqual(['blue']);
      const path = '/run/docker/netns/ingress_sbox';
      expect(await failure(Ipvs.open({ kernel, namespace: path }))).toMatchObject({
        code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
      });
      kernel.addNamespace(path);
      const ingress = await Ipvs.open({ kernel, namespace: path });
      await ingress.addService(virtual);
      expect(await ipvs.services()).toEqual([]);
      const blue = await Ipvs.open({ kernel, namespace: '/var/run/netns/blue' });
      await deleteNamespace('blue', { kernel });
      expect(await failure(Ipvs.open({ kernel, namespace: 'blue' }))).toMatchObject({ errno: 2 });
      expect(await blue.services()).toEqual([]);
      expect(await failure(deleteNamespace('blue', { kernel }))).toMatchObject({ errno: 2 });
    });
  });

  describe('the rest', () => {
    test('sleep ends with advance, or with its signal', async () => {
      const { kernel } = await start();
      let woken = false;
      const sleeping = kernel.clock.sleep(1000).then(() => {
        woken = true;
      });
      kernel.advance(999);
      await Promise.resolve();
      expect(woken).toBe(false);
      kernel.advance(1);
      await sleeping;
      expect(kernel.clock.now()).toBe(1000);
      await expect(kernel.clock.sleep(1, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    });

    test('files, as another program or another kernel has them', async () => {
      const { kernel, ipvs } = await start();
      const here = kernel.namespace();
      here.setFile('/proc/sys/net/ipv4/vs/conn_max', '16777216\n');
      here.setFile('/proc/sys/net/ipv4/vs/est_nice', undefined);
      expect(await ipvs.sysctl('conn_max')).toBe(16_777_216);
      expect(await failure(ipvs.sysctl('est_nice'))).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SYSCTL' });
      await ipvs.setSysctl('conntrack', true);
      expect(here.file('/proc/sys/net/ipv4/vs/conntrack')).toBe('1\n');
      expect(here.file('/proc/nope')).toBeUndefined();
    });

    test('holds 1000 services with 10 servers each', async () => {
      const { ipvs } = await start();
      const services = Array.from({ length: 1000 }, (_, i) => ({ fwmark: i + 1, scheduler: 'rr' }));
      const servers = Array.from({ length: 10 }, (_, i) => ({ address: `10.1.0.${i + 1}` }));
      const results = await ipvs.apply(
        services.flatMap((service) => [
          { change: 'add-service', service } as const,
          ...servers.map((server) => ({ change: 'add-server', service, server }) as const),
        ]),
      );
      expect(results.every(({ ok }) => ok)).toBe(true);
      expect((await ipvs.table()).reduce((sum, row) => sum + row.servers.length, 0)).toBe(10_000);
    });
  });
}
