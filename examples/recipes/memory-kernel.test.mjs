// Tests of a program that uses this library, without root and without Linux: node --test memory-kernel.test.mjs
// With vitest only the first import changes: import { test } from 'vitest'.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { DesiredState, Ipvs, IpvsError } from 'ipvs';
import { MemoryKernel } from 'ipvs/testing';

/** The program under test: it adds a server, or raises the weight of the one that exists. */
async function enlist(ipvs, service, address) {
  const web = await ipvs.service(service);
  return web.setServer({ address, weight: 10 });
}

const service = { protocol: 'tcp', address: '198.51.100.1', port: 80 };

async function director() {
  const kernel = new MemoryKernel(); // a machine of its own for each test
  const ipvs = await Ipvs.open({ kernel });
  await ipvs.addService({ ...service, scheduler: 'rr' });
  return { kernel, ipvs };
}

test('a server that enlists gets connections', async () => {
  const { kernel, ipvs } = await director();
  await enlist(ipvs, service, '10.0.0.11');
  const connection = kernel.namespace().connect(service);
  assert.equal(connection?.server.address, '10.0.0.11');
  assert.equal((await (await ipvs.service(service)).servers())[0]?.activeConnections, 1);
});

test('a failure of the kernel reaches the caller as a typed error', async () => {
  const { kernel, ipvs } = await director();
  kernel.fail({ command: 'NEW_DEST', errno: 12 }); // ENOMEM; kernel.requests lists the names of commands
  await assert.rejects(enlist(ipvs, service, '10.0.0.11'), (error) => error instanceof IpvsError && error.errno === 12);
  kernel.permission = false; // from now on without CAP_NET_ADMIN
  await assert.rejects(enlist(ipvs, service, '10.0.0.11'), { code: 'ERR_IPVS_PERMISSION' });
});

test('a removed server is deleted when its last connection is over', async () => {
  const kernel = new MemoryKernel();
  const document = (...servers) => ({ owner: 'test', services: [{ ...service, servers }], drain: { timeout: 600 } });
  const state = await DesiredState.open(document('10.0.0.11', '10.0.0.12'), { kernel });
  await state.apply();
  const connections = [1, 2].map(() => kernel.namespace().connect(service));
  await state.apply(document('10.0.0.12'));
  const leaving = connections.find((one) => one?.server.address === '10.0.0.11');
  leaving?.close();

  let gone = false;
  const drained = (async () => {
    for await (const { state: now } of state.drain()) gone ||= now === 'gone';
  })();
  // The clock is manual: each step is a second, with a turn of the event loop for the program under test.
  for (let second = 0; second < 300 && !gone; second++) {
    kernel.advance(1000);
    await setImmediate();
  }
  await drained;
  assert.equal(gone, true);
});
