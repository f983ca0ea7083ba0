import { describeService } from '../ipvs/describe.js';
import { IpvsError } from '../kernel/errors.js';
import type { ServiceKey } from '../kernel/ipvs/types.js';
import type { World } from '../roles/world.js';
import type { PlannedStep, TableStep } from './step.js';
import { type Datagrams, datagramsOf, type WantedTable } from './target.js';

/**
 * Where servers of UDP came or went: connection tracking forgets flows that lead to none of those
 * that are there now. A sender that never pauses would keep them alive for ever.
 */
export async function deleteStaleFlows(world: World, wanted: WantedTable, done: readonly PlannedStep[]): Promise<void> {
  const services = new Map<string, { readonly key: ServiceKey; readonly datagrams: readonly Datagrams[] }>();
  for (const step of done) {
    if (!('row' in step) || step.change === undefined) continue;
    const key = keyOf(step.change);
    if (!key) continue;
    const datagrams = wanted.get(step.row.service)?.datagrams ?? datagramsOf(key);
    if (datagrams.length > 0) services.set(describeService(key), { key, datagrams });
  }
  for (const { key, datagrams } of services.values()) await deleteThose(world, key, datagrams);
}

function keyOf(change: NonNullable<TableStep['change']>): ServiceKey | undefined {
  const service = 'service' in change ? change.service : undefined;
  return service && 'key' in service ? service.key : service;
}

async function deleteThose(world: World, key: ServiceKey, datagrams: readonly Datagrams[]): Promise<void> {
  const servers = await serversOf(world, key);
  const translated = servers.every(({ forwarding }) => forwarding === 'nat' || forwarding === 'local');
  try {
    const conntrack = await world.conntrack;
    for (const { address, port } of datagrams) {
      await conntrack.deleteStaleFlows({
        address,
        ...(port !== undefined && { port }),
        // Port 0 keeps the packet's.
        servers: servers.map((server) => ({
          address: server.address,
          ...(server.port !== 0 && { port: server.port }),
        })),
        untranslated: translated ? 'stale' : 'keep',
      });
    }
  } catch (error) {
    // Without connection tracking there are no flows.
    if (!(error instanceof IpvsError) || error.code !== 'ERR_IPVS_NOT_AVAILABLE') throw error;
  }
}

async function serversOf(world: World, key: ServiceKey) {
  try {
    const service = await (await world.ipvs).service(key);
    return (await service.servers()).filter(({ weight }) => weight > 0);
  } catch (error) {
    if (error instanceof IpvsError && error.code === 'ERR_IPVS_NO_SUCH_SERVICE') return [];
    throw error;
  }
}
