import { at, checkAddress, checkOptions, checkRange, namesOf, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { checkInterfaceName } from '../common/interface-name.js';
import { checkNetwork } from '../common/prefix.js';
import { ranges } from '../common/ranges.js';
import type { ServerOptions } from '../ipvs/server-options.js';
import type { Part } from '../items/items.js';
import type { FwmarkOptions } from '../netfilter/mark-options.js';
import {
  checkPorts,
  Distinct,
  distinctServices,
  hostAddress,
  ipvsSysctls,
  list,
  netfilterItem,
  type PublishedPort,
  serviceItems,
  sysctlItem,
} from './parts.js';

/** A service of an ingress: its tasks get the traffic to its published ports, or to its virtual address. */
export interface IngressService {
  /** Mark of the packets and of the IPVS service: from 1 to 0xffffffff, and a different one for each service. */
  readonly mark: number;
  /**
   * Virtual address in the overlay, with all ports, for clients of the overlay. Default: none, only published ports.
   */
  readonly vip?: string | undefined;
  /**
   * Ports that are published on every address of the namespace. Tasks get packets at these ports, and translate them
   * themselves. Default: none, the service is for the overlay only.
   */
  readonly ports?: readonly PublishedPort[] | undefined;
  /** Scheduler. Default: `rr`. */
  readonly scheduler?: string | undefined;
  /**
   * Addresses of tasks, in the overlay. Give a task the weight 0 before you remove it, so that it keeps its
   * connections.
   */
  readonly servers: readonly (string | Omit<ServerOptions, 'port' | 'forwarding' | 'tunnel'>)[];
}

/**
 * The namespace between a host and an overlay network, like Docker Swarm's `ingress_sbox`: published ports get marks,
 * IPVS distributes their traffic over the tasks, and the tasks see an address of the overlay.
 */
export interface IngressRole {
  /** Kind of role. */
  readonly role: 'ingress';
  /** Interface in the overlay. */
  readonly interface: string;
  /** Prefix of the overlay: packets that are forwarded to it get `source` as their source. */
  readonly network: string;
  /** IPv4 address of this namespace in the overlay. The namespace has it already. */
  readonly source: string;
  /** Services; each port and each virtual address belongs to one of them. */
  readonly services: readonly IngressService[];
}

const names = namesOf<IngressRole>({ role: true, interface: true, network: true, source: true, services: true });
const serviceNames = namesOf<IngressService>({ mark: true, vip: true, ports: true, scheduler: true, servers: true });

export function ingress(options: IngressRole, owner: string): Part[] {
  checkOptions('an ingress', options, names);
  const device = checkInterfaceName('interface', options.interface);
  const source = checkIPv4('source', options.source);
  const network = checkIPv4Network('network', options.network);
  const services = list('services', options.services).map((service, index) =>
    at(`services[${index}]`, () => checkService(service)),
  );
  checkDistinct(services);
  const marks = services.flatMap(({ mark, vip, ports = [] }): FwmarkOptions[] => [
    ...ports.map(({ protocol, port }) => ({ protocol, port, mark })),
    ...(vip === undefined ? [] : [{ hook: 'input', destination: vip, mark } as const]),
  ]);
  return [
    sysctlItem('net/ipv4/ip_forward', true),
    // Docker's values: NAT after IPVS, and no connection stays with a task that is gone.
    ...ipvsSysctls({ conntrack: true, conn_reuse_mode: 0, expire_nodest_conn: 1, expire_quiescent_template: 1 }),
    ...distinctServices(
      services.map(({ mark, scheduler = 'rr', servers }, index) =>
        at(`services[${index}]`, () =>
          serviceItems({
            service: { fwmark: mark, scheduler },
            servers: servers.map((server, place) => at(`servers[${place}]`, () => toServer(server))),
          }),
        ),
      ),
    ),
    ...netfilterItem(owner, { marks, rules: [{ type: 'snat', destination: network, to: source }] }),
    ...services.flatMap(({ vip }) => (vip === undefined ? [] : [hostAddress(device, vip)])),
  ];
}

function checkService(service: IngressService): IngressService {
  checkOptions('a service', service, serviceNames);
  const { mark, vip, ports = [], servers } = service;
  checkRange('mark', mark, ranges.serviceMark);
  const published = checkPorts(ports);
  if (vip === undefined && published.length === 0)
    throw invalid('a service has ports, a vip, or both; this one has neither');
  const checked = { ...service, ports: published, servers: list('servers', servers) };
  return vip === undefined ? checked : { ...checked, vip: checkIPv4('vip', vip) };
}

/** Rejects a port or a virtual address that two services have: a packet has only one mark. */
function checkDistinct(services: readonly IngressService[]): void {
  const published = new Distinct((text) => `publish ${text}`);
  const vips = new Distinct((text) => `have the vip ${text}`);
  for (const [index, { ports = [], vip }] of services.entries()) {
    for (const { protocol, port } of ports) published.add(`${protocol} port ${port}`, index);
    if (vip !== undefined) vips.add(vip, index);
  }
}

/** Checks an IPv4 address: Swarm's ingress network has no IPv6. */
function checkIPv4(what: string, value: string): string {
  const { address, family } = checkAddress(what, value);
  if (family === 'ipv4') return address;
  throw invalid(`${what} must be an IPv4 address, not ${address}`);
}

function checkIPv4Network(what: string, value: string): string {
  const { family, address, prefixLength } = checkNetwork(what, value);
  if (family === 'ipv4' && prefixLength > 0) return `${address}/${prefixLength}`;
  throw invalid(`${what} must be an IPv4 prefix such as 10.0.0.0/24, not ${value}`);
}

function toServer(server: IngressService['servers'][number]): ServerOptions {
  const options = typeof server === 'string' ? { address: server } : server;
  if (typeof options !== 'object' || options === null)
    throw invalid(`a server must be an address, or an object with one, not ${show(server)}`);
  for (const name of ['port', 'forwarding'])
    if (name in options) throw invalid(`a server of an ingress has no ${name}: it gets packets by nat, at their port`);
  return { ...options, port: 0, forwarding: 'nat' };
}
