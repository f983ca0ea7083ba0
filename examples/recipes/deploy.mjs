// Deploys to the servers of a service one after another: each is drained, updated, and gets its share again.
//   node deploy.mjs 198.51.100.1:80 ./update-server.sh
// The command gets the address and the port of the server as arguments. It must end only when the server works.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Ipvs, savedServices } from 'ipvs';

/**
 * Takes every server out of the service once, and calls `update` meanwhile. Stops at the first failure: a server that
 * cannot be drained in time keeps its weight, and one whose update fails stays out of the service.
 * @param {import('ipvs').Ipvs} ipvs
 * @param {import('ipvs').ServiceSelector} selector
 * @param {(address: string, port: number) => Promise<unknown>} update
 */
export async function deploy(ipvs, selector, update, { timeLimit = 300_000, interval = 1000, print = console.log } = {}) {
  const service = await ipvs.service(selector);
  const table = await ipvs.table({ consistent: true });
  // All settings of the servers, as addServer() takes them.
  const [saved] = savedServices(table.filter((row) => String(row.service) === String(service)));
  const servers = (saved?.servers ?? []).filter(({ weight }) => weight !== 0);
  if (servers.length < 2) throw new Error(`${service} has no second server to take the connections meanwhile`);
  for (const options of servers) {
    const server = await service.server(options);
    const name = `${server.address}:${server.port}`;
    print(`${name} drains`);
    // At the time limit the server gets its weight back and drain() rejects: no connection was interrupted.
    await server.drain({ timeLimit, interval });
    print(`${name} is updated`);
    await update(server.address, server.port);
    await service.addServer(options);
    print(`${name} has weight ${server.weight} again`);
  }
}

if (process.argv[1] === import.meta.filename) {
  const [place = '', command] = process.argv.slice(2);
  const [, address, port] = /^(.+):(\d+)$/.exec(place) ?? [];
  if (!address || !command) throw new Error('usage: deploy.mjs ADDRESS:PORT COMMAND');
  const ipvs = await Ipvs.open();
  try {
    // Otherwise clients with persistence keep their server, and it never empties.
    await ipvs.setSysctl('expire_quiescent_template', true);
    await deploy(ipvs, { protocol: 'tcp', address, port: Number(port) }, (...server) =>
      promisify(execFile)(command, server.map(String)),
    );
  } finally {
    await ipvs.close();
  }
}
