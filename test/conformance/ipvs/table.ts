import { expect, test } from 'vitest';
import { Ipvs } from '../../../src/index.js';
import { failure } from '../place.js';
import { names, tcp, type World } from './world.js';

export function tableConformance(world: () => World): void {
  test('a batch goes on behind what fails', async () => {
    const { ipvs } = world();
    const results = await ipvs.apply([
      { change: 'add-service', service: tcp },
      { change: 'add-service', service: tcp },
      { change: 'add-server', service: tcp, server: { address: '10.1.0.1' } },
      { change: 'delete-server', service: tcp, server: { address: '10.1.0.2' } },
      { change: 'add-server', service: { fwmark: 9 }, server: { address: '10.1.0.2' } },
      { change: 'zero-service', service: tcp },
      { change: 'add-server', service: tcp, server: { address: '10.1.0.2', weight: 3 } },
    ]);
    expect(results.map((result) => (result.ok ? 0 : result.error.errno))).toEqual([0, 17, 0, 2, 3, 0, 0]);
    const [row] = await ipvs.table({ consistent: true });
    expect(names(row?.servers ?? [])).toEqual(['10.1.0.2 80', '10.1.0.1 80']);
  });

  test('with a service go its servers; flush takes all', async () => {
    const { ipvs } = world();
    const made = await ipvs.addService(tcp);
    await made.addServer({ address: '10.1.0.1' });
    await made.delete();
    expect(await (await ipvs.addService(tcp)).servers()).toEqual([]);
    await ipvs.addService({ fwmark: 3 });
    await ipvs.flush();
    expect(await ipvs.services()).toEqual([]);
    await ipvs.flush();
  });

  test('zero of one, of all, and of one that is not there', async () => {
    const { ipvs } = world();
    const made = await ipvs.addService(tcp);
    await made.zero();
    await ipvs.zero();
    expect(await ipvs.totals()).toMatchObject({ connections: 0n, incomingBytes: 0n });
    expect((await ipvs.totalsByProcessor())[0]).toMatchObject({ processor: 0 });
    expect(
      await failure(
        (await ipvs.addService({ fwmark: 5 }))
          .delete()
          .then(() => made.delete())
          .then(() => made.zero()),
      ),
    ).toMatchObject({ errno: 3 });
  });

  test('a namespace that is not there, and a handle that is closed', async () => {
    const { place, ipvs } = world();
    const { kernel, namespace } = place;
    expect(await failure(Ipvs.open({ kernel, namespace: 'no-such-name' }))).toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
      errno: 2,
    });
    const other = await Ipvs.open({ kernel, namespace });
    await other.close();
    await other.close();
    expect(await failure(other.services())).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
    const here = await Ipvs.open({ kernel });
    await ipvs.addService({ fwmark: 4711 });
    expect((await here.services()).map((read) => read.fwmark)).not.toContain(4711);
    await here.close();
  });

  test('a request that is given up before it was made', async () => {
    const { ipvs } = world();
    await expect(ipvs.services({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });

  test('a large table', async () => {
    const { ipvs } = world();
    const services = Array.from({ length: 200 }, (_, i) => ({ fwmark: i + 1, scheduler: 'rr' }));
    const servers = Array.from({ length: 500 }, (_, i) => ({ address: `10.3.${i >> 8}.${i & 255}` }));
    const results = await ipvs.apply([
      ...services.map((wanted) => ({ change: 'add-service', service: wanted }) as const),
      ...servers.map((wanted) => ({ change: 'add-server', service: { fwmark: 17 }, server: wanted }) as const),
    ]);
    // 10.3.0.0 is no broadcast address here: the route is of another prefix.
    expect(results.filter((result) => !result.ok)).toEqual([]);
    const table = await ipvs.table();
    expect(table).toHaveLength(200);
    expect(table.find((row) => row.service.fwmark === 17)?.servers).toHaveLength(500);
  });
}
