// Real servers that are reached through tunnels, ipip and GUE, and answer their clients themselves.
// Segments are made smaller, so that they fit into the packets around them.
import { inspect } from 'node:util';
import { Ipvs, Role } from 'ipvs';
import { Lab } from '../scripts/lab.mjs';

const program = (name) => new URL(`programs/${name}.mjs`, import.meta.url);
const vip = '192.168.1.100';
const tunnels = [
  { type: 'ipip', segmentSize: 1440 }, // 1500, less 20 of the outer header and 40 of IP and TCP
  { type: 'gue', port: 6080, segmentSize: 1428 }, // less 12 of UDP and GUE, too
];
const servers = ['101', '102'].map((number) => ({ name: `server${number}`, address: `192.168.1.${number}` }));
const lab = new Lab();
try {
  lab.add({
    client: { networks: { lan: ['192.168.1.10/24'] } },
    director: { networks: { lan: ['192.168.1.2/24'] } },
    ...Object.fromEntries(servers.map(({ name, address }) => [name, { networks: { lan: [`${address}/24`] } }])),
  });
  const [client] = await Promise.all([
    lab.host('client').start(program('client')),
    ...servers.map(({ name }) => lab.host(name).start(program('server'), name, 1883)),
  ]);
  lab.host('director').run('modprobe', 'fou'); // of GUE; not every kernel loads it by itself
  for (const { segmentSize, ...tunnel } of tunnels) {
    const descriptions = [
      ...servers.map(({ name, address }) => ({
        name,
        role: { role: 'real-server', vip, interface: 'lan', tunnel: { ...tunnel, local: address }, segmentSize },
      })),
      {
        name: 'director',
        role: {
          role: 'direct-director',
          vip,
          mark: 80,
          scheduler: 'rr',
          interface: 'lan',
          servers: servers.map(({ address }) => ({ address, tunnel })),
        },
      },
    ];
    const roles = await Promise.all(descriptions.map((one) => Role.open(one.role, { namespace: lab.host(one.name).namespace })));
    for (const role of roles) for (const { what } of await role.apply()) console.log(`${role.name}: ${what}`);

    const ipvs = await Ipvs.open({ namespace: lab.host('director').namespace });
    for (const row of await ipvs.table()) console.log([row.service, ...row.servers].map(inspect).join('\n'));
    await ipvs.close();
    for (const line of await client.ask({ kind: 'seen', address: vip, port: 1883, count: 4 })) console.log(line);
    await client.ask({ kind: 'hold', address: vip, port: 1883 });
    const [size] = lab.host('client').run('ss', '-tinH', 'dst', vip).match(/\bmss:\d+/) ?? [];
    console.log(`the client's segments: ${size}, of ${segmentSize} with 12 bytes of options\n`);
    await client.ask({ kind: 'drop' });
    for (const role of roles) await role.remove().then(() => role.close());
  }
} finally {
  await lab.close();
}
