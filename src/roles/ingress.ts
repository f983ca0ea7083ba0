import type { ServerOptions } from '../ipvs/server-options.js';
import { at, checkAddress, checkInteger, checkOptions, show } from '../kernel/check.js';
import { invalid } from '../kernel/errors.js';
import type { FwmarkOptions } from '../netfilter/mark-options.js';
import { checkNetwork } from '../network/checks.js';
import type { Part } from './items.js';
import {
  checkInterfaceName,
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

/** A service of an ingress: what comes to its published ports, or to its virtual address, goes to its tasks. */
export interface IngressService {
  /** Of packets, and of the service of IPVS: from 1, and another for each service. */
  readonly mark: number;
  /** Its address in the overlay, for clients there, with all ports. Default: only its published ports are served. */
  readonly vip?: string | undefined;
  /**
   * Published ports, as they come into the namespace, to whichever address; tasks get them as they
   * are, and translate them themselves. Default: none, it is for the overlay only.
   */
  readonly ports?: readonly PublishedPort[] | undefined;
  /** Default `rr`. */
  readonly scheduler?: string | undefined;
  /** Addresses of tasks, in the overlay. One that is to go gets the weight 0 first, and keeps its connections. */
  readonly servers: readonly (string | Omit<ServerOptions, 'port' | 'forwarding'>)[];
}

/**
 * The namespace between a host and an overlay network, as Docker Swarm's `ingress_sbox`: published
 * ports are marked, IPVS spreads them over the tasks, and the tasks see an address of the overlay.
 */
export interface Ingress {
  readonly role: 'ingress';
  /** The interface in the overlay. */
  readonly interface: string;
  /** The prefix of the overlay: what is forwarded there gets `source` as its source. */
  readonly network: string;
  /** The address of this namespace in the overlay, IPv4. It has it already. */
  readonly source: string;
  readonly services: readonly IngressService[];
}

export function ingress(options: Ingress, owner: string): Part[] {
  checkOptions('an ingress', options, ['role', 'interface', 'network', 'source', 'services']);
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
    // As Docker sets them: NAT after IPVS, and no connection that goes on to a task that is gone.
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
  checkOptions('a service', service, ['mark', 'vip', 'ports', 'scheduler', 'servers']);
  const { mark, vip, ports = [], servers } = service;
  checkInteger('mark', mark, 1, 0xffffffff);
  const published = checkPorts(ports);
  if (vip === undefined && published.length === 0)
    throw invalid('a service has ports, a vip, or both; this one has neither');
  const checked = { ...service, ports: published, servers: list('servers', servers) };
  return vip === undefined ? checked : { ...checked, vip: checkIPv4('vip', vip) };
}

/** A packet has one mark: what one service has, no other can. */
function checkDistinct(services: readonly IngressService[]): void {
  const published = new Distinct((text) => `publish ${text}`);
  const vips = new Distinct((text) => `have the vip ${text}`);
  for (const [index, { ports = [], vip }] of services.entries()) {
    for (const { protocol, port } of ports) published.add(`${protocol} port ${port}`, index);
    if (vip !== undefined) vips.add(vip, index);
  }
}

/** Swarm's ingress network is of IPv4. */
function checkIPv4(what: string, value: string): string {
  const { address, family } = checkAddress(what, value);
  if (family === 'ipv4') return address;
  throw invalid(`${what} is an IPv4 address, not ${address}`);
}

function checkIPv4Network(what: string, value: string): string {
  const { family, address, prefixLength } = checkNetwork(what, value);
  if (family === 'ipv4' && prefixLength > 0) return `${address}/${prefixLength}`;
  throw invalid(`${what} is an IPv4 prefix such as 10.0.0.0/24, not ${value}`);
}

function toServer(server: IngressService['servers'][number]): ServerOptions {
  const options = typeof server === 'string' ? { address: server } : server;
  if (typeof options !== 'object' || options === null)
    throw invalid(`a server is an address, or an object with one, not ${show(server)}`);
  for (const name of ['port', 'forwarding'])
    if (name in options) throw invalid(`a server of an ingress has no ${name}: it gets packets by nat, at their port`);
  return { ...options, port: 0, forwarding: 'nat' };
}
