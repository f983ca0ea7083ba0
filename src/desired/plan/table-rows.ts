import { serverAgrees, serviceAgrees } from '../../ipvs/differences.js';
import { keepsPort } from '../../ipvs/server-options.js';
import { encodeServer, type ServerId } from '../../kernel/ipvs/ids.js';
import {
  type IpvsTableEntry,
  type ServerEntry,
  type ServerSettings,
  type ServiceSettings,
  settableFlags,
} from '../../kernel/ipvs/types.js';
import type { WantedService } from '../document/target.js';
import type { OwnedService } from '../record/ledger.js';

/**
 * Returns true if a service is as the owner has made it. Compares without the names of the kernel's rows, because
 * nearly all of thousands of services are unchanged. The kernel lists servers the last one first (__ip_vs_update_dest
 * adds to the head); in another order the result is false.
 */
export function isAsMade(
  service: WantedService,
  { service: is, servers }: IpvsTableEntry,
  owned: OwnedService,
): boolean {
  const wanted = serversOf(service);
  const ours = owned.servers;
  if (!owned.service || servers.length !== wanted.size || ours.size !== wanted.size) return false;
  if (!serviceAgrees(service.settings, is)) return false;
  let index = servers.length;
  for (const [name, settings] of wanted) {
    const entry = servers[--index];
    if (!entry || !ours.has(name) || ours.get(name) || !serverAgrees(settings, entry)) return false;
    const { address, port } = entry.key;
    if (port !== settings.key.port || address !== settings.key.address) return false;
  }
  return true;
}

/** Returns the ids of the servers. */
export function namesOf(servers: readonly ServerEntry[]): ReadonlySet<ServerId> {
  return new Set(servers.map(({ key }) => encodeServer(key)));
}

/** Returns the servers, with the sorry server if no other server takes connections. */
export function serversOf({ servers, sorry }: WantedService): ReadonlyMap<ServerId, ServerSettings> {
  if (!sorry || [...servers.values()].some(({ weight }) => weight > 0)) return servers;
  return new Map([...servers, [encodeServer(sorry.key), sorry]]);
}

/**
 * Returns the wanted servers by the names of existing rows. With direct routing and tunnels the port of a server has no
 * effect: a server that is wanted with another port than it has is the same one. A second row for it would double its
 * share. Rows that are wanted by their own name are not reused, and rows of the owner are taken first.
 */
export function withPresentPorts(
  wanted: ReadonlyMap<ServerId, ServerSettings>,
  servers: readonly ServerEntry[],
  owned: OwnedService | undefined,
): ReadonlyMap<ServerId, ServerSettings> {
  const free = new Map<string, ServerEntry[]>();
  for (const entry of servers) {
    const name = encodeServer(entry.key);
    if (!keepsPort(entry.forwarding) || wanted.has(name)) continue;
    const same = free.get(entry.key.address) ?? [];
    if (owned?.servers.has(name)) same.unshift(entry);
    else same.push(entry);
    free.set(entry.key.address, same);
  }
  if (free.size === 0) return wanted;
  const present = namesOf(servers);
  return new Map(
    [...wanted].map(([name, settings]) => {
      if (!keepsPort(settings.forwarding) || present.has(name)) return [name, settings];
      const entry = free.get(settings.key.address)?.shift();
      return entry ? [encodeServer(entry.key), { ...settings, key: entry.key }] : [name, settings];
    }),
  );
}

/** Returns the settings that define a service, for a change. */
export function plainService({ key, scheduler, flags, timeout, netmask, engine }: ServiceSettings): ServiceSettings {
  return { key, scheduler, flags: flags & settableFlags, timeout, netmask, engine };
}

/** Returns the settings that define a server, for a change. */
export function plainServer(server: ServerSettings): ServerSettings {
  const { key, forwarding, weight, upperThreshold, lowerThreshold, tunnelType, tunnelPort, tunnelChecksum } = server;
  return { key, forwarding, weight, upperThreshold, lowerThreshold, tunnelType, tunnelPort, tunnelChecksum };
}
