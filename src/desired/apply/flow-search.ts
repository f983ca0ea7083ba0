import type { Family } from '../../common/address.js';
import { IpvsError } from '../../common/errors.js';
import { inPrefix } from '../../common/prefix.js';
import type { Conntrack } from '../../conntrack/conntrack.js';
import type { World } from '../../items/world.js';
import type { Flow } from '../../kernel/conntrack/types.js';

/** A search for UDP flows by their original direction, with a test for those to delete. */
export interface FlowSearch {
  readonly family: Family;
  /** An address or a prefix. Absent: every destination. */
  readonly destination?: string | undefined;
  readonly source?: string | undefined;
  readonly destinationPort?: number | undefined;
  readonly isStale: (flow: Flow) => boolean;
}

/** Maximum number of searches for which the kernel filters one dump each; more searches share one dump. */
const FEW = 4;

/** Deletes the flows that the searches find. Without connection tracking no flows exist. */
export async function deleteFound(world: World, searches: readonly FlowSearch[]): Promise<void> {
  if (searches.length === 0) return;
  const conntrack = await conntrackOf(world);
  if (!conntrack) return;
  for (const family of ['ipv4', 'ipv6'] as const) {
    const its = searches.filter((one) => one.family === family);
    if (its.length > FEW) {
      await conntrack.deleteWhere({ family, protocol: 'udp' }, anyOf(its));
      continue;
    }
    for (const { isStale, ...filter } of its) await conntrack.deleteWhere({ ...filter, protocol: 'udp' }, isStale);
  }
}

async function conntrackOf(world: World): Promise<Conntrack | undefined> {
  try {
    return await world.conntrack;
  } catch (error) {
    if (error instanceof IpvsError && error.code === 'ERR_IPVS_NOT_AVAILABLE') return undefined;
    throw error;
  }
}

/** Returns one test for all searches. Most searches name one address, so that only few of them test a flow. */
function anyOf(searches: readonly FlowSearch[]): (flow: Flow) => boolean {
  const byAddress = new Map<string, FlowSearch[]>();
  const others: FlowSearch[] = [];
  for (const one of searches) {
    if (one.destination === undefined || one.destination.includes('/')) others.push(one);
    else {
      const known = byAddress.get(one.destination);
      if (known) known.push(one);
      else byAddress.set(one.destination, [one]);
    }
  }
  const tests = new Map(searches.map((one) => [one, testOf(one)]));
  return (flow) => {
    const its = byAddress.get(flow.original.destination) ?? [];
    return [...its, ...others].some((one) => tests.get(one)?.(flow));
  };
}

function testOf({ destination, source, destinationPort, isStale }: FlowSearch): (flow: Flow) => boolean {
  const isDestination = inPrefix(destination);
  const isSource = inPrefix(source);
  return (flow) =>
    isDestination(flow.original.destination) &&
    isSource(flow.original.source) &&
    (destinationPort === undefined || flow.original.destinationPort === destinationPort) &&
    isStale(flow);
}
