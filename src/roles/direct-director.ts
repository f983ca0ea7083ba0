import type { ServerOptions } from '../ipvs/server-options.js';
import type { ServiceChanges } from '../ipvs/service-options.js';
import type { Family } from '../kernel/address.js';
import { checkAddress, checkInteger, checkOneOf, checkOptions } from '../kernel/check.js';
import { invalid } from '../kernel/errors.js';
import type { FwmarkOptions } from '../netfilter/mark-options.js';
import type { Item } from './items.js';
import {
  addresses,
  at,
  checkInterfaceName,
  checkPort,
  checkPortKey,
  hostAddress,
  list,
  netfilterItem,
  serviceItems,
} from './parts.js';

/** A real server, reached as it is, or through a tunnel. The port is that of the packet. */
export type DirectServer = Omit<ServerOptions, 'port' | 'forwarding'> & {
  readonly forwarding?: 'direct' | 'tunnel' | undefined;
};

/**
 * A director whose real servers answer the clients themselves (`ipvsadm -g`, `-i`): what is for the
 * virtual addresses is marked, and the mark is what the service goes by. The real servers take the
 * role `real-server`.
 */
export interface DirectDirector extends Pick<ServiceChanges, 'scheduler' | 'schedulerFlags' | 'persistence'> {
  readonly role: 'direct-director';
  /** The virtual addresses. */
  readonly vip: string | readonly string[];
  /** Of packets, and of the service. From 1. */
  readonly mark: number;
  /** Only these ports. Default: everything that is for the virtual addresses. */
  readonly ports?: readonly { readonly protocol: 'tcp' | 'udp' | 'sctp'; readonly port: number }[] | undefined;
  /** Where the director has the virtual addresses, and tells the neighbours so. */
  readonly interface?: string | undefined;
  /**
   * Instead of an interface: packets are routed here, and the director takes them by a rule for the
   * mark and a `local` route in this table, without having the addresses. From 1; not 253 to 255, the kernel's own.
   */
  readonly table?: number | undefined;
  readonly servers: readonly (string | DirectServer)[];
}

const names = [
  'role',
  'vip',
  'mark',
  'ports',
  'interface',
  'table',
  'servers',
  'scheduler',
  'schedulerFlags',
  'persistence',
];

export function directDirector(options: DirectDirector, owner: string): Item[] {
  checkOptions('a direct-director', options, names);
  const { mark, table, ports, servers, scheduler, schedulerFlags, persistence } = options;
  const vips = addresses('vip', options.vip);
  checkInteger('mark', mark, 1, 0xffffffff);
  if ((options.interface === undefined) === (table === undefined))
    throw invalid(
      'a direct-director has its addresses on an interface, or takes packets through a routing table: one of both',
    );
  const families = (['ipv4', 'ipv6'] as const).filter((family) => vips.some((vip) => vip.family === family));
  const changes = { scheduler, schedulerFlags, persistence };
  const services = families.flatMap((family) =>
    serviceItems({
      service: { fwmark: mark, family, ...defined(changes) },
      servers: list('servers', servers)
        .map((server, index) => at(`servers[${index}]`, () => toServer(server)))
        .filter((server) => server.tunnel !== undefined || server.forwarding === 'tunnel' || isOf(server, family))
        .map((server, index) => at(`servers[${index}]`, () => serverOptions(server))),
    }),
  );
  const marks = vips.flatMap(({ address }): FwmarkOptions[] =>
    ports === undefined
      ? [{ destination: address, mark }]
      : list('ports', ports)
          .map(checkPortKey)
          .map(({ protocol, port }) => ({
            destination: address,
            protocol: checkOneOf('protocol', protocol, ['tcp', 'udp', 'sctp'] as const),
            port: checkPort('port', port),
            mark,
          })),
  );
  // The address comes last: before it nobody sends anything here.
  return [
    ...services,
    ...netfilterItem(owner, { marks }),
    ...families.flatMap((family) => (table === undefined ? [] : policyRouting(family, mark, checkTable(table)))),
    ...vips.flatMap(({ address }) =>
      options.interface === undefined
        ? []
        : [hostAddress(checkInterfaceName('interface', options.interface), address, true)],
    ),
  ];
}

function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

/** An address alone, or what it is to be like. */
function toServer(server: string | DirectServer): DirectServer {
  const options = typeof server === 'string' ? { address: server } : server;
  checkAddress('a server', options?.address);
  return options;
}

function isOf({ address }: DirectServer, family: Family): boolean {
  return address.includes(':') === (family === 'ipv6');
}

function serverOptions({ forwarding, ...server }: DirectServer): ServerOptions {
  const method = forwarding ?? (server.tunnel === undefined ? 'direct' : 'tunnel');
  return { ...server, port: 0, forwarding: checkOneOf('forwarding', method, ['direct', 'tunnel'] as const) };
}

function checkTable(table: number): number {
  if (table >= 253 && table <= 255) throw invalid(`table ${table} is the kernel's own`);
  return checkInteger('table', table, 1, 0xffffffff);
}

/** `ip rule add fwmark MARK lookup TABLE; ip route add local default dev lo table TABLE` */
function policyRouting(family: Family, mark: number, table: number): Item[] {
  return [
    { kind: 'route', route: { family, type: 'local', destination: 'default', interface: 'lo', table } },
    { kind: 'routing-rule', rule: { family, mark, table } },
  ];
}
