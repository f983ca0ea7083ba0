// A director in front of real servers that answer their clients themselves: what is for the virtual
// address is marked, the mark is balanced, and each server has the address, silently, on lo.
import { inspect } from 'node:util';
import { Ipvs, Role } from 'ipvs';
import { Lab } from '../scripts/lab.mjs';

const program = (name) => new URL(`programs/${name}.mjs`, import.meta.url);
const vip = '192.168.1.100';
const servers = ['101', '102', '103'].map((number) => ({ name: `server${number}`, address: `192.168.1.${number}` }));
const show = (name, steps) => steps.map(({ action, what }) => console.log(`${name}: ${action} ${what}`));
const lab = new Lab();
const roles = [];
try {
  lab.add({
    client: { networks: { lan: ['192.168.1.10/24'] } },
    director: { networks: { lan: ['192.168.1.2/24'] } },
    ...Object.fromEntries(servers.map(({ name, address }) => [name, { networks: { lan: [`${address}/24`] } }])),
  });
  await Promise.all(servers.map(({ name }) => lab.host(name).start(program('server'), name, 1883)));

  for (const { name } of servers) {
    const { namespace } = lab.host(name);
    const role = await Role.open({ role: 'real-server', vip, interface: 'lan' }, { namespace });
    show(name, await role.apply());
    roles.push(role);
  }
  const { namespace } = lab.host('director');
  const director = await Role.open(
    {
      role: 'direct-director',
      vip,
      mark: 80,
      scheduler: 'lc',
      interface: 'lan',
      servers: servers.map(({ address }) => ({ address })),
    },
    { namespace },
  );
  show('director', await director.apply());
  console.log('problems:', await director.verify());

  console.log('\nthe servers say who they are, and who the client is for them:');
  const client = await lab.host('client').start(program('client'));
  for (const line of await client.ask({ kind: 'seen', address: vip, port: 1883, count: 6 })) console.log(line);

  const ipvs = await Ipvs.open({ namespace });
  console.log();
  for (const { service, servers } of await ipvs.table()) console.log([service, ...servers].map(inspect).join('\n'));
  // The kernel takes counters from the packet path every 2 s.
  await new Promise((resolve) => setTimeout(resolve, 2500));
  const { incomingPackets, outgoingPackets } = await ipvs.totals();
  console.log(`\npackets through the director: ${incomingPackets} of requests, ${outgoingPackets} of answers\n`);
  await ipvs.close();

  show('director', await director.remove());
  for (const role of [director, ...roles]) await role.remove().then(() => role.close());
} finally {
  await lab.close();
}
