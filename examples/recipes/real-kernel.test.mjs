// Integration tests on a real kernel, each in a network namespace of its own: as root,
//   node --test real-kernel.test.mjs
// Where the kernel has no IPVS, run them in a virtual machine: npx ipvs-with-kernel -- node --test real-kernel.test.mjs
// They do not touch the table of the machine: a new namespace has its own, which is deleted with it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { addNamespace, deleteNamespace, Ipvs, IpvsError, Network } from 'ipvs';

/** Reasons to skip, which are no failures of the program under test. */
const missing = new Set(['ERR_IPVS_NOT_AVAILABLE', 'ERR_IPVS_PERMISSION', 'ERR_IPVS_ADDON_NOT_LOADED']);

/** Runs a test with IPVS in a new namespace, and deletes the namespace afterwards, also after a failure. */
function testInNamespace(title, body) {
  test(title, async (context) => {
    const namespace = `test-${process.pid}-${randomBytes(3).toString('hex')}`;
    try {
      await addNamespace(namespace);
    } catch (error) {
      if (error instanceof IpvsError && missing.has(error.code)) return context.skip(error.message);
      throw error;
    }
    try {
      // In a new namespace lo is down, and the kernel rejects every server.
      const network = await Network.open({ namespace });
      await network.updateLink('lo', { up: true });
      await network.close();
      const ipvs = await Ipvs.open({ namespace }).catch((error) => {
        if (error instanceof IpvsError && missing.has(error.code)) return context.skip(error.message);
        throw error;
      });
      if (!ipvs) return;
      try {
        await body(ipvs, namespace);
      } finally {
        await ipvs.close();
      }
    } finally {
      await deleteNamespace(namespace);
    }
  });
}

testInNamespace('the kernel reports the settings of a server', async (ipvs) => {
  const web = await ipvs.addService({ protocol: 'tcp', address: '198.51.100.1', port: 80, scheduler: 'wrr' });
  await web.addServer({ address: '10.0.0.11', port: 8080, weight: 3 });
  const [server] = await web.servers();
  assert.equal(String(server), '  -> 10.0.0.11:8080               Masq    3      0          0');
});

testInNamespace('a second service at the same address is rejected', async (ipvs) => {
  const service = { protocol: 'udp', address: '198.51.100.1', port: 53 };
  await ipvs.addService(service);
  await assert.rejects(ipvs.addService(service), { code: 'ERR_IPVS_SERVICE_EXISTS' });
});
