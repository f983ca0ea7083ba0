// Who answers when somebody asks the network for the virtual address: all that have it, until the
// real servers are told to keep silent about it.
import { setTimeout as sleep } from 'node:timers/promises';
import { Network, Role } from 'ipvs';
import { Lab } from '../scripts/lab.mjs';

const vip = '192.168.1.100';
const servers = ['101', '102', '103'].map((number) => ({ name: `server${number}`, address: `192.168.1.${number}` }));
const lab = new Lab();
const roles = [];

/** By its names, from the link-layer addresses that the client hears. */
async function whoAnswers() {
  const client = lab.host('client');
  client.run('nft', 'flush set arp heard who');
  client.ip(`neigh flush to ${vip} dev lan`);
  client.run('bash', '-c', `echo >/dev/udp/${vip}/9`);
  await sleep(500);
  const heard = client.run('nft', 'list set arp heard who');
  const answers = [];
  for (const name of ['director', ...servers.map(({ name }) => name)]) {
    const network = await Network.open({ namespace: lab.host(name).namespace });
    if (heard.includes((await network.link('lan')).address)) answers.push(name);
    await network.close();
  }
  return answers.join(', ');
}

try {
  lab.add({
    client: { networks: { lan: ['192.168.1.10/24'] } },
    director: { networks: { lan: ['192.168.1.2/24', `${vip}/32`] } },
    ...Object.fromEntries(servers.map(({ name, address }) => [name, { networks: { lan: [`${address}/24`] } }])),
  });
  lab.host('client').run(
    'nft',
    `table arp heard {
      set who { type ether_addr; flags dynamic; size 64; }
      chain input {
        type filter hook input priority 0;
        arp operation reply arp saddr ip ${vip} update @who { arp saddr ether }
      }
    }`,
  );
  for (const { name } of servers) lab.host(name).ip(`addr add ${vip}/32 dev lo`);
  console.log(`without the settings: ${await whoAnswers()}`);

  for (const { name } of servers) {
    const { namespace } = lab.host(name);
    const role = await Role.open({ role: 'real-server', vip, interface: 'lan' }, { namespace });
    for (const { action, what } of await role.plan()) console.log(`${name}: ${action} ${what}`);
    await role.apply();
    roles.push(role);
  }
  console.log(`with them: ${await whoAnswers()}`);
  for (const role of roles) await role.remove().then(() => role.close());
} finally {
  await lab.close();
}
