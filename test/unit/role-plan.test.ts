// Roles on the kernel in memory: what is as good as wanted, and by whichever name.
import { expect, test } from 'vitest';
import { Network, Role } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const VIP = '192.168.1.100';

async function machine() {
  const kernel = new MemoryKernel();
  const network = await Network.open({ kernel });
  await network.addLink({ kind: 'dummy', name: 'eth0', up: true });
  await network.updateLink('lo', { up: true });
  return { kernel, network };
}

test('a stricter setting is left as it is', async () => {
  const { kernel, network } = await machine();
  await network.setSysctl('net.ipv4.conf.all.arp_ignore', 2);
  const role = await Role.open({ role: 'real-server', vip: VIP, interface: 'eth0' }, { kernel });
  const kept = (await role.plan()).filter(({ action }) => action === 'keep').map(({ what }) => what);
  expect(kept).toEqual(['sysctl net/ipv4/conf/all/arp_ignore: 1', 'link lo up']);
  await role.apply();
  expect(await role.verify()).toEqual([]);
  expect(await network.sysctl('net.ipv4.conf.all.arp_ignore')).toBe('2');
  await role.remove();
  expect(await network.sysctl('net.ipv4.conf.all.arp_ignore')).toBe('2');
  expect(await network.sysctl('net.ipv4.conf.eth0.arp_ignore')).toBe('0');
});

test('an interface by another of its names', async () => {
  const { kernel } = await machine();
  kernel.namespace().network.addAlternativeName('eth0', 'uplink');
  const role = await Role.open(
    { role: 'direct-director', vip: VIP, mark: 80, interface: 'uplink', servers: ['192.168.1.101'] },
    { kernel },
  );
  await role.apply();
  expect(await role.verify()).toEqual([]);
  expect(await role.apply()).toEqual([]);
  expect(await role.remove()).toHaveLength(4);
});

test('a role and a document of one name are one owner; of two names they share settings', async () => {
  const { kernel, network } = await machine();
  const services = [
    { mark: 258, vip: '10.0.0.15', ports: [{ protocol: 'tcp', port: 9090 }], servers: ['10.0.0.17'] },
  ] as const;
  const ingress = { role: 'ingress', interface: 'eth0', network: '10.0.0.0/24', source: '10.0.0.2', services } as const;
  const role = await Role.open(ingress, { kernel, name: 'one' });
  const other = await Role.open(
    { ...ingress, services: [{ ...services[0], mark: 259, vip: '10.0.0.16', ports: [] }] },
    { kernel, name: 'two' },
  );
  await role.apply();
  await other.apply();
  await role.remove();
  expect(await other.verify()).toEqual([]);
  expect(await network.sysctl('net.ipv4.ip_forward')).toBe('1');
  await other.remove();
  expect(await network.sysctl('net.ipv4.ip_forward')).toBe('0');
});
