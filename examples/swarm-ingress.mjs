// A published port, as Docker Swarm has it: the host sends what comes to it into the namespace of the
// ingress, which marks it, balances the mark over the tasks, and asks them as an address of their network.
import { inspect } from 'node:util';
import { Ipvs, Netfilter, Role } from 'ipvs';
import { Lab } from '../scripts/lab.mjs';

const program = (name) => new URL(`programs/${name}.mjs`, import.meta.url);
const tasks = [17, 20, 21].map((number) => ({ name: `task${number}`, address: `10.0.0.${number}` }));
const lab = new Lab();
async function translate(host, ...rules) {
  const netfilter = await Netfilter.open({ namespace: lab.host(host).namespace });
  await netfilter.set({ rules });
  await netfilter.close();
}
try {
  lab.add({
    client: { networks: { lan: ['10.211.55.2/24'] } },
    host: {
      networks: { lan: ['10.211.55.10/24'], gwbridge: ['172.18.0.1/16'] },
      sysctls: { 'net.ipv4.ip_forward': 1 },
    },
    sandbox: {
      networks: { gwbridge: ['172.18.0.2/16'], overlay: ['10.0.0.2/24'] },
      routes: ['default via 172.18.0.1'],
    },
    ...Object.fromEntries(tasks.map(({ name, address }) => [name, { networks: { overlay: [`${address}/24`] } }])),
  });
  await translate('host', { type: 'dnat', local: true, protocol: 'tcp', port: 9090, to: '172.18.0.2' });
  for (const { name, address } of tasks) {
    await lab.host(name).start(program('server'), name, 80);
    await translate(name, { type: 'redirect', destination: address, protocol: 'tcp', port: 9090, toPort: 80 });
  }

  // With Docker: /run/docker/netns/ingress_sbox
  const namespace = `/run/netns/${lab.host('sandbox').namespace}`;
  const service = { mark: 0x102, vip: '10.0.0.15', ports: [{ protocol: 'tcp', port: 9090 }] };
  const servers = tasks.map(({ address }) => address);
  const network = { interface: 'overlay', network: '10.0.0.0/24', source: '10.0.0.2' };
  const role = await Role.open({ role: 'ingress', ...network, services: [{ ...service, servers }] }, { namespace });
  for (const { action, what } of await role.apply()) console.log(action, what);

  console.log('\nthe tasks say who they are, and who the client is for them:');
  const client = await lab.host('client').start(program('client'));
  const seen = await client.ask({ kind: 'seen', address: '10.211.55.10', port: 9090, count: 3 });
  for (const line of seen) console.log(line);

  const ipvs = await Ipvs.open({ namespace });
  console.log();
  for (const { service, servers } of await ipvs.table()) console.log([service, ...servers].map(inspect).join('\n'));
  for await (const { clientAddress, virtualAddress, serverAddress } of ipvs.connections())
    console.log(`${clientAddress} asked ${virtualAddress}, and was sent to ${serverAddress}`);
  await ipvs.close();
  console.log();
  for (const { action, what } of await role.remove()) console.log(action, what);
  await role.close();
} finally {
  await lab.close();
}
