import { expect, test } from 'vitest';
import { Ipvs } from '../../src/index.js';
import { run } from './world.js';

/** ip_vs can be unloaded only where nobody uses it: in the virtual machine, with no table. */
const unloadable = process.env.IPVS_VM === '1';

test.runIf(unloadable)('a module that is unloaded, missing, and loaded again', async () => {
  const ipvs = await Ipvs.open();
  await ipvs.addService({ fwmark: 5, scheduler: 'rr' });
  await ipvs.flush();
  const remove = () =>
    run(
      'sh',
      '-c',
      'rmmod ip_vs_ftp 2>/dev/null; for m in $(lsmod | grep -o "^ip_vs_[a-z_]*"); do rmmod $m; done; rmmod ip_vs',
    );
  remove();
  // The family comes back under another number, with the first request that asks for it.
  expect((await ipvs.info()).version).toMatch(/^1\./);
  const service = await ipvs.addService({ fwmark: 6, scheduler: 'rr' });
  expect(service.fwmark).toBe(6);
  await ipvs.flush();

  remove();
  run('sh', '-c', 'echo "blacklist ip_vs\ninstall ip_vs /bin/false" >/etc/modprobe.d/ipvs-test.conf');
  await expect(ipvs.services()).rejects.toMatchObject({ code: 'ERR_IPVS_NOT_AVAILABLE' });
  await expect(Ipvs.open()).rejects.toMatchObject({
    code: 'ERR_IPVS_NOT_AVAILABLE',
    message: expect.stringContaining('modprobe ip_vs'),
  });
  run('rm', '/etc/modprobe.d/ipvs-test.conf');
  // Missing then is not missing for ever.
  expect(await ipvs.services()).toEqual([]);
  await (await Ipvs.open()).close();
  await ipvs.close();
});
