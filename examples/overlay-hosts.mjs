// A network over three hosts: frames go from bridge to bridge in UDP packets (VXLAN), by forwarding
// entries that say behind which host a task is. What enters at one host is served by tasks on all.
import { Network, Role } from 'ipvs';
import { Lab } from '../scripts/lab.mjs';

const program = (name) => new URL(`programs/${name}.mjs`, import.meta.url);
const member = (name, number, mac) => ({ name, address: `10.0.0.${number}`, mac: `02:42:0a:00:00:${mac}` });
const hosts = [
  { name: 'host10', local: '10.211.55.10', members: [member('sandbox', 2, '02'), member('task17', 17, '11')] },
  { name: 'host18', local: '10.211.55.18', members: [member('task20', 20, '14')] },
  { name: 'host22', local: '10.211.55.22', members: [member('task21', 21, '15')] },
];
const members = hosts.flatMap((host) => host.members);
const tasks = members.slice(1);
const lab = new Lab();
const open = (name) => Network.open({ namespace: lab.host(name).namespace });
try {
  lab.add({
    client: { networks: { gwbridge: ['172.18.0.9/16'] } },
    sandbox: { networks: { gwbridge: ['172.18.0.2/16'] } },
    ...Object.fromEntries(hosts.map(({ name, local }) => [name, { networks: { lan: [`${local}/24`] } }])),
    ...Object.fromEntries(tasks.map(({ name }) => [name, {}])),
  });
  for (const { name, local, members: here } of hosts) {
    const network = await open(name);
    await network.addLink({ kind: 'bridge', name: 'br0', up: true });
    const vxlan = { kind: 'vxlan', name: 'vxlan0', id: 4096, port: 4789, local, learning: false };
    await network.addLink({ ...vxlan, mtu: 1450, master: 'br0', up: true });
    for (const { name, mac } of here) {
      const peer = { name: 'overlay', namespace: lab.host(name).namespace, mtu: 1450, address: mac, up: true };
      await network.addLink({ kind: 'veth', name, mtu: 1450, master: 'br0', up: true, peer });
    }
    for (const { local, members } of hosts.filter((host) => host.name !== name))
      for (const { mac: linkAddress } of members)
        await network.addForwardingEntry({ interface: 'vxlan0', linkAddress, destination: local });
    for (const { linkAddress, destination } of await network.forwardingEntries({ interface: 'vxlan0' }))
      if (destination) console.log(`${name}: ${linkAddress} is behind ${destination}`);
    await network.close();
  }
  for (const { name, address } of members) {
    const network = await open(name);
    await network.addAddress({ interface: 'overlay', address: `${address}/24` });
    for (const { address, mac: linkAddress } of members.filter((one) => one.name !== name))
      await network.setNeighbour({ interface: 'overlay', address, linkAddress });
    await network.close();
  }
  await Promise.all(tasks.map(({ name }) => lab.host(name).start(program('server'), name, 9090)));

  const services = [{ mark: 258, ports: [{ protocol: 'tcp', port: 9090 }], servers: tasks.map((one) => one.address) }];
  const ingress = { role: 'ingress', interface: 'overlay', network: '10.0.0.0/24', source: '10.0.0.2', services };
  const role = await Role.open(ingress, { namespace: lab.host('sandbox').namespace });
  await role.apply();
  const client = await lab.host('client').start(program('client'));
  for (const line of await client.ask({ kind: 'seen', address: '172.18.0.2', port: 9090, count: 3 })) console.log(line);
  console.log(lab.host('host18').run('ip', '-s', '-d', 'link', 'show', 'vxlan0'));
  await role.remove();
  await role.close();
} finally {
  await lab.close();
}
