// The virtual address of a service, for clients in the same network: whichever port they ask for,
// what is for the address is marked as it comes in (hook `input`), and the mark is balanced.
import { Netfilter, Role } from 'ipvs';
import { Lab } from '../scripts/lab.mjs';

const program = (name) => new URL(`programs/${name}.mjs`, import.meta.url);
const vip = '10.0.0.15';
const tasks = [17, 20].map((number) => ({ name: `task${number}`, address: `10.0.0.${number}` }));
const lab = new Lab();
try {
  lab.add({
    client: { networks: { overlay: ['10.0.0.5/24'] } },
    balancer: { networks: { overlay: ['10.0.0.2/24'] } },
    ...Object.fromEntries(tasks.map(({ name, address }) => [name, { networks: { overlay: [`${address}/24`] } }])),
  });
  await Promise.all(tasks.map(({ name }) => lab.host(name).start(program('server'), name, 80)));
  const client = await lab.host('client').start(program('client'));
  const { namespace } = lab.host('balancer');
  const network = { interface: 'overlay', network: '10.0.0.0/24', source: '10.0.0.2' };
  async function converge(...servers) {
    const description = { role: 'ingress', ...network, services: [{ mark: 0x102, vip, servers }] };
    const role = await Role.open(description, { namespace });
    console.log(`\ntasks: ${servers.map((server) => server.address ?? server).join(', ')}`);
    for (const { action, what } of await role.apply()) console.log(action, what);
    for (const line of await client.ask({ kind: 'seen', address: vip, port: 80, count: 4 })) console.log('  ', line);
    return role;
  }

  const [first, second] = tasks.map(({ address }) => address);
  const roles = [await converge(first)];
  // Each description is whole; what differs from the last is done.
  roles.push(await converge(first, second));
  // A task that goes gets no new connections first, and is taken out later.
  roles.push(await converge({ address: first, weight: 0 }, second), await converge(second));

  const netfilter = await Netfilter.open({ namespace, owner: 'ipvs-ingress' });
  console.log();
  for (const { hook, selector, mark, counter } of await netfilter.marks())
    console.log(`${hook}: ${selector.destination} has the mark 0x${mark.toString(16)}: ${counter.packets} packets`);
  await netfilter.deleteMark({ hook: 'input', destination: vip });
  await netfilter.close();
  console.log('problems:', await roles.at(-1).verify());
  await roles.at(-1).remove();
  for (const role of roles) await role.close();
} finally {
  await lab.close();
}
