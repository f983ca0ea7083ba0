// The demo (./run starts it). All results come from the kernel through the library, and are compared with the replies
// that the client received: if they differ, the demo ends with status 1.

import { release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ipvs } from '../../dist/index.js';
import { addDirector, Lab } from '../lab.mjs';
import { showConnections, showTable, showTraffic, since } from './report.mjs';

/** @import { ConnectionFilter, RealServer, VirtualService } from '../../dist/index.js' */
/** @import { Reply } from './client.mjs' */
/** @typedef {(paths: readonly string[]) => Promise<Reply[]>} Request sends one request per path */

const REQUESTS = 60; // ten rounds of the weights 1 + 2 + 3
const MORE_REQUESTS = 30;
const LONG = 4000; // duration of the long request, in milliseconds
const PATIENCE = 15_000; // milliseconds; the kernel updates its counters every 2 s

/** @param {Lab} lab */
async function demo(lab) {
  heading('1. A client, a director and three web servers, each a network namespace of its own');
  const { client, director, virtual, servers } = addDirector(lab);
  const [browser] = await Promise.all([
    client.start(new URL('client.mjs', import.meta.url)),
    ...servers.map(({ host, ipv4 }) => host.start(new URL('server.mjs', import.meta.url), ipv4)),
  ]);
  const address = virtual.ipv4;
  /** @type {Request} */
  const request = (paths) => browser.ask({ address, port: 80, paths, parallel: 3 });
  print(
    `client 10.1.0.2 --- 10.1.0.1 director 10.2.0.1 --- servers ${servers.map(({ ipv4 }) => ipv4).join(', ')}`,
    `The client knows only the virtual address, ${address}, which is the director's, too.`,
  );

  const ipvs = await Ipvs.open({ namespace: director.namespace });
  try {
    heading('2. The director becomes a load balancer');
    const service = await ipvs.addService({ protocol: 'tcp', address, port: 80, scheduler: 'wrr' });
    for (const [index, { ipv4 }] of servers.entries()) {
      await service.addServer({ address: ipv4, forwarding: 'nat', weight: 1 + index });
    }
    print(showTable(await ipvs.info(), await ipvs.table()));

    const before = await balance(ipvs, service, request);
    await drain(ipvs, service, request, before);

    heading('5. Everything is removed');
    await service.delete();
    check('the kernel has no virtual service there', (await ipvs.services()).length === 0);
  } finally {
    await ipvs.close();
  }
  const refusal = await ipvs.services().catch((error) => error.code);
  check('the handle on the director is closed', refusal === 'ERR_IPVS_CLOSED');
}

/**
 * @param {Ipvs} ipvs
 * @param {VirtualService} service
 * @param {Request} request
 */
async function balance(ipvs, service, request) {
  heading(`3. ${REQUESTS} requests, each over a new connection`);
  const servers = await counted(service, await request(pages(REQUESTS)));
  print(showTraffic(servers));
  const fair = servers.every((server) => since('connections', server) === (REQUESTS * server.weight) / 6);
  check('the shares are as the weights, exactly', fair);
  const connections = await list(ipvs, {});
  print(`The kernel remembers ${connections.length} connections, such as`, showConnections(connections.slice(0, 4)));
  return servers;
}

/**
 * @param {Ipvs} ipvs
 * @param {VirtualService} service
 * @param {Request} request
 * @param {readonly RealServer[]} before
 */
async function drain(ipvs, service, request, before) {
  heading('4. A server is taken out of service while it works');
  const active = () => list(ipvs, { state: 'established' });
  await until('the connections of before are at their end', async () => (await active()).length === 0);
  const long = request([`/slow/${LONG}`]);
  long.catch(() => {}); // awaited below, unless another step fails first
  const connection = await until('a connection is established', async () => (await active())[0]);
  print(`A request of ${LONG / 1000} s has begun:`, showConnections([connection]));
  const { serverAddress, serverPort, clientPort } = connection;
  const busy = await service.server({ address: serverAddress, port: serverPort });
  await busy.update({ weight: 0 });
  print(`Its server, ${serverAddress}, gets weight 0:`, showTable(await ipvs.info(), await ipvs.table()));
  check('the connection goes on', (await list(ipvs, { clientPort, serverAddress, state: 'established' })).length === 1);

  const replies = await request(pages(MORE_REQUESTS));
  print(`${MORE_REQUESTS} more requests are made, and the long one comes to its end.`);
  const [last] = await long;
  if (!last) throw new Error('the long request has no reply');
  const servers = await counted(service, [last, ...replies], before);
  print('Added since the counters above:', showTraffic(servers, before));
  const drained = servers.filter(({ address }) => address === serverAddress);
  const connections = drained.map((server) => since('connections', server, before));
  check(`${serverAddress} has got no connection but the long one`, connections.join() === '1');
  check(`the long reply is whole, it ends with "${last.end}"`, last.end === `${serverAddress} is done`);
}

/**
 * Returns the servers as soon as the kernel's counters agree with the replies.
 * @param {VirtualService} service
 * @param {readonly Reply[]} replies
 * @param {readonly RealServer[]} [before]
 */
async function counted(service, replies, before) {
  const servers = await until('the kernel has counted what the client got', async () => {
    const now = await service.servers();
    const agree = now.every((server) => {
      const own = replies.filter((reply) => reply.server === server.address);
      const bytes = own.reduce((sum, reply) => sum + reply.bytes, 0);
      return since('connections', server, before) === own.length && since('outgoingBytes', server, before) >= bytes;
    });
    return agree && now;
  });
  check(
    `the kernel counted ${replies.length} connections, as many at each server as the client had replies from it`,
    true,
  );
  return servers;
}

/**
 * Returns paths of pages of different sizes.
 * @param {number} count
 */
function pages(count) {
  return Array.from({ length: count }, (_, index) => `/bytes/${1000 * (1 + (index % 7) * 5)}`);
}

/**
 * @param {Ipvs} ipvs
 * @param {ConnectionFilter} filter
 */
async function list(ipvs, filter) {
  const connections = [];
  for await (const connection of ipvs.connections(filter)) connections.push(connection);
  return connections;
}

/**
 * Repeats `read` until it returns something.
 * @template T
 * @param {string} what
 * @param {() => Promise<T | false | undefined>} read
 */
async function until(what, read) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await sleep(100)) {
    const found = await read();
    if (found) return found;
  }
  throw new Error(`this should have come about in ${PATIENCE / 1000} s: ${what}`);
}

/**
 * @param {string} claim
 * @param {boolean} holds
 */
function check(claim, holds) {
  if (!holds) throw new Error(`this does not hold: ${claim}`);
  print(`ok: ${claim}`);
}

/** @param {string} text */
function heading(text) {
  print('', process.stdout.isTTY && !process.env.NO_COLOR ? `\x1b[1m${text}\x1b[0m` : text);
}

/** @param {...string} lines */
function print(...lines) {
  console.log(lines.join('\n'));
}

const lab = new Lab();
/** @type {Promise<NodeJS.Signals>} */
const interrupted = new Promise((resolve) => {
  process.on('SIGINT', resolve).on('SIGTERM', resolve);
});
let status = 0;
const place = process.env.IPVS_VM ? ' in a virtual machine' : '';
print(`IPVS, the load balancer of Linux (${release()}${place}), controlled from Node.js (${process.version})`);
try {
  const signal = await Promise.race([demo(lab), interrupted]);
  if (signal) {
    print(`Interrupted by ${signal}.`);
    status = 1;
  }
} catch (error) {
  console.error(error);
  status = 1;
} finally {
  const made = lab.namespaces.length;
  await lab.close();
  const left = lab.namespaces.length;
  print(`${made} network namespaces were deleted, ${left} are left.`);
  process.exit(left > 0 ? 1 : status); // exit() ends an interrupted demo that still waits for something
}
