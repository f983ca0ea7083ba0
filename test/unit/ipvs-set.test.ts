// setService and setServer while another program changes the same objects.
import { expect, test } from 'vitest';
import { Ipvs } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const web = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const;
const EEXIST = 17;
const ENOENT = 2;
const ESRCH = 3;

async function start() {
  const kernel = new MemoryKernel();
  const ipvs = await Ipvs.open({ kernel });
  const commands = () => kernel.requests.filter(({ command }) => /^[A-Z]/.test(command)).map(({ command }) => command);
  return { kernel, ipvs, commands };
}

test('setService adds the service again if another program deletes it between the two requests', async () => {
  const { kernel, ipvs, commands } = await start();
  kernel.fail({ command: 'NEW_SERVICE', errno: EEXIST, times: 2 });
  kernel.fail({ command: 'SET_SERVICE', errno: ESRCH, times: 2 });
  expect((await ipvs.setService({ ...web, scheduler: 'rr' })).scheduler).toBe('rr');
  expect(commands()).toEqual(['NEW_SERVICE', 'SET_SERVICE', 'NEW_SERVICE', 'SET_SERVICE', 'NEW_SERVICE']);
});

test('setServer adds the server again if another program deletes it between the two requests', async () => {
  const { kernel, ipvs, commands } = await start();
  const service = await ipvs.addService(web);
  kernel.clearRequests();
  kernel.fail({ command: 'NEW_DEST', errno: EEXIST });
  kernel.fail({ command: 'SET_DEST', errno: ENOENT });
  expect((await service.setServer({ address: '10.0.0.1', weight: 5 })).weight).toBe(5);
  expect(commands()).toEqual(['NEW_DEST', 'SET_DEST', 'NEW_DEST']);
});

test('setService and setServer give up after several attempts', async () => {
  const { kernel, ipvs, commands } = await start();
  const service = await ipvs.addService(web);
  kernel.fail({ command: 'NEW_DEST', errno: EEXIST, times: Number.POSITIVE_INFINITY });
  kernel.fail({ command: 'SET_DEST', errno: ENOENT, times: Number.POSITIVE_INFINITY });
  kernel.fail({ command: 'SET_SERVICE', errno: ESRCH, times: Number.POSITIVE_INFINITY });
  await expect(ipvs.setService(web)).rejects.toMatchObject({ code: 'ERR_IPVS_UNSTABLE' });
  kernel.clearRequests();
  await expect(service.setServer({ address: '10.0.0.1' })).rejects.toMatchObject({
    code: 'ERR_IPVS_UNSTABLE',
    message: expect.stringContaining('cannot set 10.0.0.1:80 of TCP 192.0.2.1:80'),
  });
  expect(commands()).toHaveLength(16);
});

test('setServer does not add a server again whose service is gone', async () => {
  const { kernel, ipvs, commands } = await start();
  const service = await ipvs.addService(web);
  await service.addServer({ address: '10.0.0.1' });
  kernel.clearRequests();
  kernel.fail({ command: 'SET_DEST', errno: ESRCH });
  await expect(service.setServer({ address: '10.0.0.1' })).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVICE' });
  expect(commands()).toEqual(['NEW_DEST', 'SET_DEST']);
});

test('setService and setServer reject bad and misspelt options before a request', async () => {
  const { kernel, ipvs } = await start();
  const service = await ipvs.addService(web);
  kernel.clearRequests();
  await expect(ipvs.setService({ ...web, sheduler: 'rr' } as never)).rejects.toThrow("did you mean 'scheduler'?");
  await expect(ipvs.setService(web, { ifUnchanged: true } as never)).rejects.toThrow('ifUnchanged');
  await expect(service.setServer({ address: '10.0.0.1', port: 81, forwarding: 'direct' })).rejects.toMatchObject({
    code: 'ERR_IPVS_INVALID_ARGUMENT',
  });
  expect(kernel.requests).toEqual([]);
});

test('setServer with weight 0 keeps the connections of the server and gives it no others', async () => {
  const { kernel, ipvs } = await start();
  const service = await ipvs.addService({ ...web, scheduler: 'rr' });
  for (const address of ['10.0.0.1', '10.0.0.2']) await service.addServer({ address });
  const connect = () => kernel.namespace().connect({ ...web });
  const addresses = [connect(), connect()].map((connection) => connection?.server.address);
  expect(addresses.toSorted()).toEqual(['10.0.0.1', '10.0.0.2']);
  expect(await service.setServer({ address: '10.0.0.1', weight: 0 })).toMatchObject({ activeConnections: 1 });
  expect([connect(), connect()].map((connection) => connection?.server.address)).toEqual(['10.0.0.2', '10.0.0.2']);
});
