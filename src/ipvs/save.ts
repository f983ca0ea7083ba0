import { at, checkList, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { RealServer, Tunnel } from './real-server.js';
import { heldServerSettings, type ServerOptions, type TunnelOptions } from './server-options.js';
import { heldServiceSettings, type ServiceOptions } from './service-options.js';
import { TableRow } from './table.js';
import { serverRule, serviceRule } from './text.js';
import type { VirtualService } from './virtual-service.js';

/**
 * A service with its servers. A document can restore it, as can `ipvsadm -R` with the output of
 * {@link formatIpvsadm}. `addService` and `addServer` are stricter: they reject a server port that has no effect.
 */
export type SavedService = ServiceOptions & {
  /** Its servers, in the kernel's order or that of the text. */
  readonly servers: readonly ServerOptions[];
};

/** Returns the settings of a table that was read, without counters, in the kernel's order: the newest first. */
export function savedServices(rows: readonly TableRow[]): SavedService[] {
  for (const row of checkList('rows', rows))
    if (!(row instanceof TableRow)) throw invalid(`rows must be those that table() returned, not ${show(row)}`);
  return rows.map(({ service, servers }) => ({ ...savedService(service), servers: servers.map(savedServer) }));
}

function savedService(service: VirtualService): ServiceOptions {
  const { key, scheduler, schedulerFlags, persistence, onePacket } = service;
  const identity =
    'fwmark' in key
      ? { fwmark: key.fwmark, ...(key.family === 'ipv6' && { family: key.family }) }
      : { protocol: key.protocol, address: key.address, port: key.port };
  return {
    ...identity,
    scheduler,
    ...(schedulerFlags.length > 0 && { schedulerFlags }),
    ...(persistence && { persistence }),
    ...(onePacket && { onePacket }),
  };
}

function savedServer(server: RealServer): ServerOptions {
  const { address, port, tunnel, weight, upperThreshold, lowerThreshold } = server;
  return {
    address,
    port,
    forwarding: savedForwarding(server),
    weight,
    ...(tunnel && { tunnel: savedTunnel(tunnel) }),
    ...(upperThreshold !== 0 && { upperThreshold }),
    ...(lowerThreshold !== 0 && { lowerThreshold }),
  };
}

/** Returns a method that a request can set. `local` and `bypass` cannot be set; ipvsadm writes `local` as direct. */
function savedForwarding({ forwarding }: RealServer): 'nat' | 'direct' | 'tunnel' {
  return forwarding === 'local' ? 'direct' : forwarding === 'bypass' ? 'nat' : forwarding;
}

/** Drops the settings that have no effect for this type. Another program may have set them. */
function savedTunnel({ type, port, checksum }: Tunnel): TunnelOptions {
  if (type === 'ipip') return { type };
  if (type === 'gue') return { type, checksum, port };
  return { type, checksum: checksum === 'remote' ? 'none' : checksum };
}

/**
 * Formats services as `ipvsadm -Sn` does, as input of `ipvsadm -R`. Adds the thresholds, which ipvsadm omits. Accepts
 * every result of {@link savedServices} and {@link parseIpvsadm}.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function formatIpvsadm(services: readonly SavedService[]): string {
  return checkList('services', services)
    .map((service, index) => at(`services[${index}]`, () => rulesOf(service)).join(''))
    .join('');
}

function rulesOf(service: SavedService): string[] {
  if (typeof service !== 'object' || service === null)
    throw invalid(`a service must be an object, not ${show(service)}`);
  const { servers = [], ...options } = service;
  const settings = heldServiceSettings(options);
  const rules = checkList('servers', servers).map((server) =>
    serverRule(settings.key, heldServerSettings(server, settings.key)),
  );
  return [serviceRule(settings), ...rules].map((rule) => `${rule}\n`);
}
