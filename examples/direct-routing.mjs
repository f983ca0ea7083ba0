// A director in front of real servers that answer their clients themselves: what is for the virtual
// address is marked, the mark is balanced, and each server has the address, silently, on lo.
import { inspect } from 'node:util';
import { Ipvs, Role } from 'ipvs';
import { Lab } from '../scripts/lab.mjs';

const program = (name) => new URL(`programs/${name}.mjs`, import.meta.url);
const vip = '192.168.1.100';
const servers = ['101', '102', '103'].map((number) => ({ name: number, address: `192.168.1.${number}` }));
const lab = new Lab();
try {
  lab.add({
    client: { networks: { lan: ['192.168.1.10/24'] } },
    director: { networks: { lan: ['192.168.1.2/24'] } },
    ...Object.fromEntries(servers.map(({ name, address }) => [name, { networks: { lan: [`${address}/24`] } }])),
  });
  for (const { name } of servers) {
    await lab.host(name).start(program('server'), name, 1883);
    const role = await Role.open({ role: 'real-server', vip, interface: 'lan' }, { namespace: lab.host(name).namespace });
    for (const { action, what } of await role.apply()) console.log(`${name}: ${action} ${what}`);
    await role.close();
  }

  const director = await Role.open(
    {
      role: 'direct-director',
      vip,
      mark: 80,
      scheduler: 'lc',
      interface: 'lan',
      servers: servers.map(({ address }) => ({ address })),
    },
    { namespace: lab.host('director').namespace },
  );
  for (const { action, what } of await director.apply()) console.log(`director: ${action} ${what}`);

  const client = await lab.host('client').start(program('client'));
  for (const line of await client.ask({ kind: 'seen', address: vip, port: 1883, count: 6 })) console.log(line);

  const ipvs = await Ipvs.open({ namespace: lab.host('director').namespace });
  for (const { service, servers } of await ipvs.table()) console.log([service, ...servers].map(inspect).join('\n'));
  await ipvs.close();

  console.log('problems:', await director.verify());
  for (const { action, what } of await director.remove()) console.log(`director: ${action} ${what}`);
  await director.close();
} finally {
  await lab.close();
}
