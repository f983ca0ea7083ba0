import { canonicalAddress, type Family } from '../common/address.js';
import { checkAddress, checkInteger, checkList, checkOneOf, checkOptions } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { Flow, FlowProtocol } from '../kernel/conntrack/types.js';
import { checkProtocol, checkZone } from './tuple.js';

/** A virtual address and its live servers. */
export interface StaleOptions {
  /** Virtual address: the original destination of the flows. */
  readonly address: string;
  /** Default: any port. */
  readonly port?: number | undefined;
  /** Default: `udp`. An orphaned TCP connection ends automatically; a UDP sender never notices. */
  readonly protocol?: FlowProtocol | undefined;
  /**
   * Servers that may answer. An empty list makes all flows stale. A server without a port may answer from any port.
   * NAT keeps the family, so a server of the other family is behind a tunnel and requires `untranslated: 'keep'`.
   */
  readonly servers: readonly (
    | string
    | {
        /** Address of the server. */
        readonly address: string;
        /** Port, 0 to 65535. Default: any port. */
        readonly port?: number | undefined;
      }
  )[];
  /**
   * Treatment of flows without translation, whose replies have the virtual address as source. `stale`, the
   * default, is for NAT: such flows began before the service existed and reach no server. `keep` is for
   * direct routing and tunnels, which never translate.
   */
  readonly untranslated?: 'stale' | 'keep' | undefined;
  /** Default: all zones. */
  readonly zone?: number | undefined;
}

export interface StaleQuery {
  readonly filter: {
    readonly family: Family;
    readonly protocol: FlowProtocol;
    readonly destination: string;
    readonly destinationPort?: number;
    readonly zone?: number;
  };
  readonly isStale: (flow: Flow) => boolean;
}

const names = Object.keys({
  address: true,
  port: true,
  protocol: true,
  servers: true,
  untranslated: true,
  zone: true,
} satisfies Record<keyof StaleOptions, true>);

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function staleQuery(options: StaleOptions): StaleQuery {
  checkOptions('the search for stale flows', options, names);
  const { address, family } = checkAddress('the virtual address', options.address);
  const { port, protocol = 'udp', untranslated = 'stale', zone } = options;
  checkOneOf('untranslated', untranslated, ['stale', 'keep']);
  const alive = new Map<string, Set<number> | 'any'>();
  for (const server of checkList('servers', options.servers)) addServer(alive, server, family, untranslated);
  const isAlive = (server: string, serverPort: number | undefined): boolean => {
    const ports = alive.get(server);
    return ports === 'any' || (ports !== undefined && serverPort !== undefined && ports.has(serverPort));
  };
  return {
    filter: {
      family,
      protocol: checkProtocol('protocol', protocol),
      destination: address,
      ...(port !== undefined && { destinationPort: checkInteger('port', port, 0, 65535) }),
      ...(zone !== undefined && { zone: checkZone('zone', zone) }),
    },
    isStale: ({ reply }) => {
      if (reply.source === address && !isAlive(address, reply.sourcePort)) return untranslated === 'stale';
      return !isAlive(reply.source, reply.sourcePort);
    },
  };
}

function addServer(
  alive: Map<string, Set<number> | 'any'>,
  server: unknown,
  expected: Family,
  untranslated: 'stale' | 'keep',
): void {
  if (typeof server !== 'string') checkOptions('a server', server, ['address', 'port']);
  const { address: text, port } =
    typeof server === 'string'
      ? { address: server, port: undefined }
      : (server as { address: unknown; port?: number | undefined });
  const { address, family } = checkAddress('a server', text);
  // No flow has this server as the source of its replies. With `stale`, all flows that it serves would be deleted.
  if (family !== expected && untranslated === 'keep') return;
  if (family !== expected)
    throw invalid(
      `the servers of an ${expected} address must be of that family, not ${address}: use untranslated: 'keep' for a server behind a tunnel`,
    );
  const key = canonicalAddress(address, family);
  const ports = alive.get(key);
  if (port === undefined) alive.set(key, 'any');
  else if (ports === undefined) alive.set(key, new Set([checkInteger('the port of a server', port, 0, 65535)]));
  else if (ports !== 'any') ports.add(checkInteger('the port of a server', port, 0, 65535));
}
