import { describe, expect, test } from 'vitest';
import { last, start, times, virtual } from './world.js';

export function schedulingTests(): void {
  describe('traffic', () => {
    test('rr goes round, in the order of the list', async () => {
      const { serve, connect, counts } = await start();
      await serve({ ...virtual, scheduler: 'rr' });
      expect(times(6).map(() => last(connect()))).toEqual(['3', '2', '1', '3', '2', '1']);
      expect(await counts(virtual)).toEqual([
        [2, 0, 0],
        [2, 0, 0],
        [2, 0, 0],
      ]);
    });

    test('wrr gives by weight, wlc by connections for their weight', async () => {
      const { kernel, ipvs, serve, connect, counts } = await start();
      for (const scheduler of ['wrr', 'wlc'] as const) {
        await serve({ ...virtual, scheduler }, [3, 1, 0]);
        for (const _ of times(8)) connect();
        expect((await counts(virtual)).map(([active]) => active)).toEqual([6, 2, 0]);
        await ipvs.flush();
        kernel.advance(86_400_000);
      }
    });

    test('lc takes the one with the least', async () => {
      const { serve, connect } = await start();
      await serve({ ...virtual, scheduler: 'lc' });
      const [one] = times(3).map(() => connect());
      one?.close();
      expect(connect().server).toEqual(one?.server);
    });

    test('sh keeps a client on a server, and takes no other unless it may', async () => {
      const { kernel, serve, connect } = await start();
      const service = await serve({ ...virtual, scheduler: 'sh' });
      const client = '198.51.100.7';
      const { server } = connect({ client });
      expect(times(5).map(() => connect({ client }).server)).toEqual(times(5).map(() => server));
      await (await service.server(server)).update({ weight: 0 });
      expect(kernel.namespace().connect({ ...virtual, client })).toBeUndefined();
      await service.update({ schedulerFlags: ['sh-fallback'] });
      expect(connect({ client }).server.address).not.toBe(server.address);
      const clients = Array.from({ length: 100 }, (_, i) => `198.51.100.${i}`);
      expect(new Set(clients.map((address) => connect({ client: address }).server.address)).size).toBe(2);
    });

    test('rr goes on where it was when a server was removed', async () => {
      const { serve, connect } = await start();
      const service = await serve({ ...virtual, scheduler: 'rr' });
      expect(times(2).map(() => last(connect()))).toEqual(['3', '2']);
      await (await service.server({ address: '10.1.0.2', port: 8080 })).delete();
      expect(times(3).map(() => last(connect()))).toEqual(['1', '3', '1']);
    });

    test('nobody takes it: no service, no server, weight 0, above the threshold', async () => {
      const { kernel, ipvs, connect } = await start();
      const try_ = () => kernel.namespace().connect(virtual);
      expect(try_()).toBeUndefined();
      const service = await ipvs.addService({ ...virtual, scheduler: 'rr' });
      expect(try_()).toBeUndefined();
      const server = await service.addServer({ address: '10.1.0.1', weight: 0 });
      expect(try_()).toBeUndefined();
      await server.update({ weight: 1, upperThreshold: 4 });
      const four = times(4).map(() => connect());
      expect(try_()).toBeUndefined();
      // Again below three quarters of it, and what is inactive counts.
      four[0]?.close();
      expect(try_()).toBeUndefined();
      kernel.advance(121_000);
      expect(try_()).toBeUndefined();
      four[1]?.close();
      kernel.advance(121_000);
      expect(try_()).toBeDefined();
    });

    test('a service by mark comes first, and its port is that of the packet', async () => {
      const { kernel, ipvs, serve, connect } = await start();
      await serve({ ...virtual, scheduler: 'rr' });
      const marked = await ipvs.addService({ fwmark: 80, scheduler: 'rr' });
      await marked.addServer({ address: '10.1.0.9', forwarding: 'direct' });
      expect(connect({ fwmark: 80, port: 81 }).server).toEqual({ address: '10.1.0.9', port: 81 });
      expect(last(connect({ fwmark: 81 }))).toBe('3');
      expect(kernel.namespace().connect({ ...virtual, port: 81 })).toBeUndefined();
    });
  });
}
