// Reads the load balancer of a Docker Swarm node, and takes one task out of it without breaking its connections.
//   node swarm-node.mjs                          lists marks, tasks and their connections
//   node swarm-node.mjs drain 10.0.0.20          no new connections; ends when the last one is over
//   node swarm-node.mjs undo 10.0.0.20           the task gets connections again
// The first argument may be --namespace=PATH. The default is that of published ports; addresses of services inside an
// overlay network are balanced in namespaces of their own, /run/docker/netns/lb_*.
// Docker owns these services: the program changes only weights and deletes nothing. Each node has a table of its own:
// run it on every node that publishes the port.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Ipvs } from 'ipvs';

const INGRESS = '/run/docker/netns/ingress_sbox';

/** Returns the servers with this address, in all services. @param {Ipvs} ipvs @param {string} address */
async function serversAt(ipvs, address) {
  const rows = await ipvs.table({ consistent: true });
  const servers = rows.flatMap((row) => row.servers.filter((server) => server.address === address));
  if (servers.length === 0) throw new Error(`no service of this namespace has a server ${address}`);
  return servers;
}

/**
 * Sets the weight of a task to 0, and waits until it has no connections. The signal ends the wait, not the drain.
 * @param {Ipvs} ipvs @param {string} address
 * @param {{ interval?: number, signal?: AbortSignal, print?: (line: string) => void }} [options]
 */
export async function drainTask(ipvs, address, { interval = 1000, signal, print = console.log } = {}) {
  for (const server of await serversAt(ipvs, address)) await server.update({ weight: 0 });
  for (;;) {
    let connections = 0;
    for (const server of await serversAt(ipvs, address)) {
      if (server.weight > 0) throw new Error(`${address} got weight ${server.weight} from another program`);
      connections += server.activeConnections + server.inactiveConnections + server.persistentConnections;
    }
    print(`${address}: ${connections} connections`);
    if (connections === 0) return;
    await sleep(interval, undefined, { signal });
  }
}

/** Gives a drained task the weight of Docker's servers. @param {Ipvs} ipvs @param {string} address */
export async function undoDrain(ipvs, address) {
  for (const server of await serversAt(ipvs, address)) if (server.weight === 0) await server.update({ weight: 1 });
}

/** Prints the table, and the settings that decide how long a drain takes. @param {Ipvs} ipvs */
export async function show(ipvs, print = console.log) {
  for (const { service, servers } of await ipvs.table({ consistent: true })) {
    print(service.fwmark === undefined ? String(service) : `mark ${service.fwmark} (0x${service.fwmark.toString(16)})`);
    for (const { address, weight, activeConnections: active, inactiveConnections: inactive } of servers)
      print(`  task ${address}: weight ${weight}, ${active} active, ${inactive} inactive connections`);
  }
  const { conn_reuse_mode: reuse, expire_nodest_conn: expire } = await ipvs.sysctls();
  const { tcp, udp } = await ipvs.timeouts();
  print(`conn_reuse_mode ${reuse}, expire_nodest_conn ${expire}; idle connections end after ${tcp} s, UDP ${udp} s`);
}

if (process.argv[1] === import.meta.filename) {
  const { values, positionals } = parseArgs({
    options: { namespace: { type: 'string', default: INGRESS } },
    allowPositionals: true,
  });
  const [command = 'show', address] = positionals;
  const ipvs = await Ipvs.open({ namespace: values.namespace });
  try {
    if (command === 'show') await show(ipvs);
    else if (command === 'drain' && address) await drainTask(ipvs, address);
    else if (command === 'undo' && address) await undoDrain(ipvs, address);
    else throw new Error('usage: swarm-node.mjs [--namespace=PATH] [drain ADDRESS | undo ADDRESS]');
  } finally {
    await ipvs.close();
  }
}
