import { familyOf, writeAddress } from '../../common/address.js';
import { ownValue } from '../../common/own.js';
import { ServiceFlag } from '../../kernel/ipvs/types.js';
import type { MemoryServer, MemoryService } from './table.js';

/** The properties of a packet that a scheduler uses. */
export interface Arrival {
  readonly client: string;
  readonly clientPort: number;
  readonly address: string;
}

type Choose = (service: MemoryService, arrival: Arrival) => MemoryServer | undefined;

/** Number of buckets of the hashing schedulers (IP_VS_SH_TAB_BITS). */
const BUCKETS = 256;

/** Returns the server with the least `cost` per `share`; of equal ones, the first in the kernel's order. */
function least(
  servers: readonly MemoryServer[],
  cost: (server: MemoryServer) => number,
  share: (server: MemoryServer) => number = () => 1,
): MemoryServer | undefined {
  let best: MemoryServer | undefined;
  for (const server of servers) {
    if (!server.takesMore) continue;
    // The kernel compares without a division.
    if (!best || cost(best) * share(server) > cost(server) * share(best)) best = server;
  }
  return best;
}

/** Load of a server: an active connection counts as 256 inactive ones (ip_vs_dest_conn_overhead). */
const overhead = ({ active, inactive }: MemoryServer): number => active * 256 + inactive;
const weight = ({ settings }: MemoryServer): number => settings.weight;
const expectedDelay = ({ active }: MemoryServer): number => active + 1;

function roundRobin(service: MemoryService): MemoryServer | undefined {
  const servers = service.listed();
  const from = service.last ? servers.indexOf(service.last) + 1 : 0;
  for (let i = 0; i < servers.length; i++) {
    const server = servers[(from + i) % servers.length];
    if (!server?.takesMore) continue;
    service.last = server;
    return server;
  }
  return undefined;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Selects in rounds: a round takes the servers with at least the current weight, which decreases after each round. */
function weightedRoundRobin(service: MemoryService): MemoryServer | undefined {
  const servers = service.listed();
  const weights = servers.map(weight).filter((value) => value > 0);
  if (weights.length === 0 || !servers.some((server) => server.takesMore)) return undefined;
  const most = Math.max(...weights);
  const step = weights.reduce(gcd);
  let at = service.last ? servers.indexOf(service.last) : -1;
  if (service.currentWeight === 0) service.currentWeight = most;
  for (;;) {
    at++;
    if (at >= servers.length) {
      at = 0;
      service.currentWeight = service.currentWeight > step ? service.currentWeight - step : most;
    }
    const server = servers[at];
    if (!server?.takesMore || server.settings.weight < service.currentWeight) continue;
    service.last = server;
    return server;
  }
}

function hash(address: string, port: number): number {
  const bytes = new Uint8Array(16);
  writeAddress(bytes, 0, address, familyOf(address) ?? 'ipv4');
  const view = new DataView(bytes.buffer);
  const fold = view.getUint32(0) ^ view.getUint32(4) ^ view.getUint32(8) ^ view.getUint32(12);
  return (Math.imul(port + fold, 2654435761) >>> 0) % BUCKETS;
}

/** Returns the server of a bucket: each server in turn has as many consecutive buckets as its weight. */
function bucket(service: MemoryService, number: number): MemoryServer | undefined {
  const servers = service.listed();
  const shares = servers.map((server) => Math.max(1, weight(server)));
  const all = shares.reduce((sum, share) => sum + share, 0);
  let place = all === 0 ? 0 : number % all;
  for (const [index, server] of servers.entries()) {
    place -= shares[index] ?? 0;
    if (place < 0) return server;
  }
  return undefined;
}

/** Selects the same server for the same client. */
function sourceHashing(service: MemoryService, { client, clientPort }: Arrival): MemoryServer | undefined {
  const { flags } = service.settings;
  const number = hash(client, (flags & ServiceFlag.scheduler2) === 0 ? 0 : clientPort);
  const fallback = (flags & ServiceFlag.scheduler1) !== 0;
  for (let offset = 0; offset < (fallback ? BUCKETS : 1); offset++) {
    const server = bucket(service, number + offset);
    if (server?.takesMore) return server;
  }
  return undefined;
}

const weightedLeastConnection: Choose = (service) => least(service.listed(), overhead, weight);
const heaviest = (servers: readonly MemoryServer[]): MemoryServer | undefined => least(servers, () => 1, weight);

const schedulers: Readonly<Record<string, Choose>> = {
  rr: roundRobin,
  wrr: weightedRoundRobin,
  lc: (service) => least(service.listed(), overhead),
  wlc: weightedLeastConnection,
  lblc: weightedLeastConnection,
  lblcr: weightedLeastConnection,
  twos: weightedLeastConnection,
  sed: (service) => least(service.listed(), expectedDelay, weight),
  nq: (service) =>
    service.listed().find((server) => server.takesMore && server.active === 0) ??
    least(service.listed(), expectedDelay, weight),
  fo: (service) => heaviest(service.listed()),
  ovf: (service) => heaviest(service.listed().filter((server) => server.active <= server.settings.weight)),
  sh: sourceHashing,
  mh: sourceHashing,
  dh: (service, { address }) => {
    const server = bucket(service, hash(address, 0));
    return server?.takesMore ? server : undefined;
  },
  none: () => undefined,
};

/** Returns the server for a new connection. An unknown scheduler works like `rr`. */
export function schedule(service: MemoryService, arrival: Arrival): MemoryServer | undefined {
  const choose = ownValue(schedulers, service.settings.scheduler) ?? roundRobin;
  return choose(service, arrival);
}
