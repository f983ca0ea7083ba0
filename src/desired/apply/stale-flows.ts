import type { World } from '../../items/world.js';
import type { Flow } from '../../kernel/conntrack/types.js';
import { decodeService, type ServiceId } from '../../kernel/ipvs/ids.js';
import type { ServerEntry } from '../../kernel/ipvs/types.js';
import type { Datagrams } from '../document/datagrams.js';
import { familyOfAny, inPorts } from './flow-matches.js';
import type { FlowSearch } from './flow-search.js';

/**
 * Returns the searches for UDP flows that lead to none of the current servers of a service. A sender that never pauses
 * would keep such a flow, and its server, forever.
 */
export async function staleSearches(
  world: World,
  service: ServiceId,
  datagrams: readonly Datagrams[],
): Promise<FlowSearch[]> {
  const key = decodeService(service);
  const entry = await (await world.ipvs).entry(key);
  const isStale = staleWith((entry?.servers ?? []).filter(({ weight }) => weight > 0));
  return datagrams.flatMap(({ address, port, source, family, partly }): FlowSearch[] => {
    // A service takes packets of its own family only: flows of the other one are not its.
    if ((familyOfAny(address, source) ?? family) !== key.family) return [];
    const hasPort = inPorts(port);
    // Forwarded flows may have the same ports: keep those that are not translated.
    const keeps = address === undefined || partly === true;
    return [
      {
        family: key.family,
        ...(address !== undefined && { destination: address }),
        ...(source !== undefined && { source }),
        ...(typeof port === 'number' && { destinationPort: port }),
        isStale: (flow) => hasPort(flow.original.destinationPort) && isStale(flow, keeps),
      },
    ];
  });
}

/** Returns the test for flows to a service that has these servers. */
function staleWith(servers: readonly ServerEntry[]): (flow: Flow, keepsUntranslated: boolean) => boolean {
  // NAT keeps the family. Behind direct routing and tunnels, servers of either family answer as the virtual address.
  const translated = servers.every(({ forwarding }) => forwarding === 'nat' || forwarding === 'local');
  const alive = new Map<string, Set<number>>();
  for (const { key } of servers) alive.set(key.address, (alive.get(key.address) ?? new Set()).add(key.port));
  const isAlive = (address: string, port: number | undefined): boolean => {
    const ports = alive.get(address);
    // Port 0 keeps the packet's port.
    return ports !== undefined && (ports.has(0) || (port !== undefined && ports.has(port)));
  };
  return ({ original, reply }, keepsUntranslated) => {
    if (isAlive(reply.source, reply.sourcePort)) return false;
    return reply.source === original.destination ? translated && !keepsUntranslated : true;
  };
}
