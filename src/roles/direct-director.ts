import type { Family } from '../common/address.js';
import { at, checkAddress, checkOneOf, checkOptions, checkRange, namesOf, show, valueOr } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { checkInterfaceName } from '../common/interface-name.js';
import { ranges } from '../common/ranges.js';
import type { ServerOptions } from '../ipvs/server-options.js';
import type { ServiceChanges } from '../ipvs/service-options.js';
import type { Part } from '../items/items.js';
import type { FwmarkOptions } from '../netfilter/mark-options.js';
import { addresses, checkPorts, hostAddress, list, netfilterItem, type PublishedPort, serviceItems } from './parts.js';

/** A real server, reached directly or through a tunnel. It gets packets at the port that they have. */
export type DirectServer = Omit<ServerOptions, 'port' | 'forwarding'> & {
  /** Forwarding method. Default: `tunnel` if `tunnel` is given, otherwise `direct`. */
  readonly forwarding?: 'direct' | 'tunnel' | undefined;
};

/**
 * A director whose real servers answer the clients themselves (`ipvsadm -g`, `-i`). Packets for the virtual addresses
 * get a mark, by which the service selects them. The real servers take the role `real-server`.
 */
export interface DirectDirectorRole extends Pick<ServiceChanges, 'scheduler' | 'schedulerFlags' | 'persistence'> {
  /** Kind of role. */
  readonly role: 'direct-director';
  /** Virtual addresses. */
  readonly vip: string | readonly string[];
  /** Mark of the packets and of the service, from 1 to 0xffffffff. */
  readonly mark: number;
  /** Ports to serve. Default: all packets for the virtual addresses. */
  readonly ports?: readonly PublishedPort[] | undefined;
  /** Interface on which the director has the virtual addresses, and announces them to the neighbours. */
  readonly interface?: string | undefined;
  /**
   * Routing table, instead of an interface, for packets that are routed to the director. It takes them by a rule for
   * the mark and a `local` route in this table, without having the addresses. From 1; not 253 to 255, the kernel's own.
   */
  readonly table?: number | undefined;
  /** Real servers. An address alone has the defaults of `ServerOptions`, with forwarding `direct`. */
  readonly servers: readonly (string | DirectServer)[];
}

const names = namesOf<DirectDirectorRole>({
  role: true,
  vip: true,
  mark: true,
  ports: true,
  interface: true,
  table: true,
  servers: true,
  scheduler: true,
  schedulerFlags: true,
  persistence: true,
});

export function directDirector(options: DirectDirectorRole, owner: string): Part[] {
  checkOptions('a direct-director', options, names);
  const { mark, table, scheduler, schedulerFlags, persistence } = options;
  const vips = addresses('vip', options.vip);
  checkRange('mark', mark, ranges.serviceMark);
  if ((options.interface === undefined) === (table === undefined))
    throw invalid(
      'a direct-director is told where it has its addresses (interface), or else which routing table takes their ' +
        `packets (table); ${table === undefined ? 'neither is named' : 'both are named'}`,
    );
  if (options.ports?.length === 0) throw invalid('ports is a list of at least one; left out: everything for the vip');
  const ports = options.ports === undefined ? undefined : checkPorts(options.ports);
  const families = (['ipv4', 'ipv6'] as const).filter((family) => vips.some((vip) => vip.family === family));
  const changes = { scheduler, schedulerFlags, persistence };
  const servers = list('servers', options.servers).map((server, index) => {
    const place = `servers[${index}]`;
    return { place, server: at(place, () => checkServer(server, families)) };
  });
  const services = families.flatMap((family) => {
    const own = servers.filter(({ server }) => server.forwarding === 'tunnel' || isOf(server, family));
    return serviceItems(
      { service: { fwmark: mark, family, ...defined(changes) }, servers: own.map(({ server }) => server) },
      (index) => own[index]?.place ?? '',
    );
  });
  const marks = vips.flatMap(({ address }): FwmarkOptions[] =>
    ports === undefined
      ? [{ destination: address, mark }]
      : ports.map(({ protocol, port }) => ({ destination: address, protocol, port, mark })),
  );
  // Add the addresses last: only they attract traffic.
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

/**
 * Checks a server. `families` has those of the virtual addresses; only a server behind a tunnel may have another one.
 */
function checkServer(given: string | DirectServer, families: readonly Family[]): ServerOptions {
  const options = typeof given === 'string' ? { address: given } : given;
  if (typeof options !== 'object' || options === null)
    throw invalid(`a server must be an address, or an object with one, not ${show(given)}`);
  if ('port' in options)
    throw invalid('a server of a direct-director has no port: packets keep the one that they have');
  const { address, family } = checkAddress('the address of a server', options.address);
  const method = valueOr(options.forwarding, options.tunnel === undefined ? 'direct' : 'tunnel');
  const forwarding = checkOneOf('forwarding', method, ['direct', 'tunnel'] as const);
  if (forwarding === 'direct' && !families.includes(family))
    throw invalid(`the server ${address} is ${family}, and vip has no ${family} address: no packet would reach it`);
  return { ...options, port: 0, forwarding };
}

function isOf({ address }: ServerOptions, family: Family): boolean {
  return address.includes(':') === (family === 'ipv6');
}

function checkTable(table: number): number {
  checkRange('table', table, ranges.table);
  if (table >= 253 && table <= 255)
    throw invalid(`table is not 253 to 255, which are the kernel's own (default, main, local): ${table}`);
  return table;
}

/** Equivalent to `ip rule add fwmark MARK lookup TABLE; ip route add local default dev lo table TABLE`. */
function policyRouting(family: Family, mark: number, table: number): Part[] {
  return [
    { kind: 'route', route: { family, type: 'local', destination: 'default', interface: 'lo', table } },
    { kind: 'routing-rule', rule: { family, mark, table } },
  ];
}
