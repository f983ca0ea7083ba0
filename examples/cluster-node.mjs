// A node of a cluster, as kube-proxy's IPVS mode makes one: services have addresses on a dummy
// interface and ports on the node, and clients outside are masqueraded.
import { inspect } from 'node:util';
import { Ipvs, Role } from 'ipvs';
import { Lab } from '../scripts/lab.mjs';

const program = (name) => new URL(`programs/${name}.mjs`, import.meta.url);
const lab = new Lab();
try {
  // What a pod sends to another goes through the node.
  const pod = (address) => ({
    networks: { pods: [`${address}/32`] },
    routes: ['10.2.0.1 dev pods', 'default via 10.2.0.1'],
    sysctls: { 'net.ipv4.conf.all.accept_redirects': 0 },
  });
  lab.add({
    outside: { networks: { lan: ['192.168.5.10/24'] } },
    node: { networks: { lan: ['192.168.5.1/24'], pods: ['10.2.0.1/24'] } },
    pod1: pod('10.2.0.11'),
    pod2: pod('10.2.0.12'),
  });
  const servers = [1, 2].map((number) => ({ address: `10.2.0.1${number}`, port: 8080, local: true }));
  const { namespace } = lab.host('node');
  const role = await Role.open(
    {
      role: 'node',
      nodeAddresses: ['192.168.5.1'],
      clusterNetwork: '10.2.0.0/16',
      services: [
        { protocol: 'tcp', clusterAddress: '10.96.0.10', port: 80, nodePort: 30080, servers },
        { protocol: 'tcp', clusterAddress: '10.96.0.11', port: 80, sessionAffinity: 10_800, servers: [servers[0]] },
      ],
    },
    { namespace },
  );
  for (const { action, what } of await role.apply()) console.log(`node: ${action} ${what}`);

  const [, , outside, pod1] = await Promise.all([
    lab.host('pod1').start(program('server'), 'pod1', 8080),
    lab.host('pod2').start(program('server'), 'pod2', 8080),
    lab.host('outside').start(program('client')),
    lab.host('pod1').start(program('client')),
  ]);
  const show = async (who, client, address, port, count) => {
    const seen = await client.ask({ kind: 'seen', address, port, count });
    for (const line of seen) console.log(`${who} asks ${address}:${port}: ${line.replace('::ffff:', 'sees ')}`);
  };
  await show('outside', outside, '192.168.5.1', 30080, 4);
  await show('pod1', pod1, '10.96.0.10', 80, 2);
  await show('pod1, of itself,', pod1, '10.96.0.11', 80, 1);

  const ipvs = await Ipvs.open({ namespace });
  for (const row of await ipvs.table()) console.log(inspect(row));
  await ipvs.close();
  console.log('problems:', await role.verify());
  await role.remove();
  await role.close();
} finally {
  await lab.close();
}
