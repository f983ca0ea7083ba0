// Sends UDP to one server by a rule of NAT, and replaces the server: clients that never pause move at once.
//   node udp-backends.mjs 198.51.100.1:53 10.0.0.11
// The kernel decides about a flow by its first packet. A client that goes on sending keeps the flow alive, and its
// datagrams would go to the old server forever: the flows that lead there are deleted. With IPVS instead of a rule the
// sysctl net.ipv4.vs.expire_nodest_conn does this; a document with UDP services sets it.
import { Conntrack, Netfilter } from 'ipvs';

/**
 * Makes `server` the only one behind a virtual address, and deletes the flows that lead to others.
 * @param {{ address: string, port: number }} virtual
 * @param {string | undefined} server address, or `undefined`: there is none now
 * @param {import('ipvs').NetfilterOptions & import('ipvs').ConntrackOptions} [options]
 * @returns {Promise<number>} number of flows that were deleted
 */
export async function replaceServer(virtual, server, options = {}) {
  const { address, port } = virtual;
  const netfilter = await Netfilter.open({ ...options, owner: 'udp-backends' });
  try {
    // First the rule: a flow that is deleted earlier would come back with the old server. With no server left the old
    // rule goes, too: packets then end at the director.
    await netfilter.set({
      rules: server === undefined ? [] : [{ type: 'dnat', destination: address, protocol: 'udp', port, to: server }],
    });
  } finally {
    await netfilter.close();
  }
  const conntrack = await Conntrack.open(options);
  try {
    return await conntrack.deleteStaleFlows({ address, port, servers: server === undefined ? [] : [server] });
  } finally {
    await conntrack.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  const [place = '', server] = process.argv.slice(2);
  const [, address, port] = /^(.+):(\d+)$/.exec(place) ?? [];
  if (!address) throw new Error('usage: udp-backends.mjs ADDRESS:PORT [SERVER]');
  const deleted = await replaceServer({ address, port: Number(port) }, server);
  console.log(`${place} leads to ${server ?? 'no server'}; ${deleted} flows led elsewhere and were deleted`);
}
