import { parseService } from '../ipvs/describe.js';
import { IpvsError } from '../kernel/errors.js';
import type { ServerEntry, ServiceKey } from '../kernel/ipvs/types.js';
import { recordOf } from '../kernel/own.js';
import type { World } from '../roles/world.js';
import type { Journal } from './journal.js';
import type { Datagrams } from './target.js';

/**
 * Where servers of UDP came or went, which the journal says: connection tracking forgets flows that
 * lead to none of those that are there now. A sender that never pauses would keep them alive for ever.
 */
export async function deleteStaleFlows(world: World, journal: Journal): Promise<void> {
  const { stale } = journal.ledger;
  if (stale.size === 0) return;
  for (const [service, datagrams] of stale) await deleteThose(world, parseService(service), datagrams);
  await journal.write({ stale: recordOf([...stale.keys()].map((service) => [service, null] as const)) });
}

async function deleteThose(world: World, key: ServiceKey, datagrams: readonly Datagrams[]): Promise<void> {
  const entry = await (await world.ipvs).entry(key);
  const servers = (entry?.servers ?? []).filter(({ weight }) => weight > 0);
  const translated = servers.every(({ forwarding }) => forwarding === 'nat' || forwarding === 'local');
  try {
    const conntrack = await world.conntrack;
    for (const { address, port } of datagrams) {
      await conntrack.deleteStaleFlows({
        address,
        ...(port !== undefined && { port }),
        servers: servers.map(endpointOf),
        untranslated: translated ? 'stale' : 'keep',
      });
    }
  } catch (error) {
    // Without connection tracking there are no flows.
    if (!(error instanceof IpvsError) || error.code !== 'ERR_IPVS_NOT_AVAILABLE') throw error;
  }
}

/** Port 0 keeps the packet's. */
function endpointOf({ key: { address, port } }: ServerEntry): { address: string; port?: number } {
  return port === 0 ? { address } : { address, port };
}
