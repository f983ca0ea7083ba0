import type { ServerOptions } from '../ipvs/server-options.js';
import { checkAddress, checkInteger, checkOneOf, checkOptions } from '../kernel/check.js';
import type { FwmarkOptions } from '../netfilter/mark-options.js';
import type { Item } from './items.js';
import {
  addresses,
  at,
  checkInterfaceName,
  checkPort,
  hostAddress,
  ipvsSysctls,
  list,
  netfilterItem,
  serviceItems,
  sysctlItem,
} from './parts.js';

/** A service of an ingress: what comes to its published ports, or to its virtual address, goes to its tasks. */
export interface IngressService {
  /** Of packets, and of the service of IPVS. From 1. */
  readonly mark: number;
  /** Its address in the overlay. */
  readonly vip: string;
  /** As they come into the namespace; tasks get them as they are, and translate them themselves. */
  readonly ports: readonly { readonly protocol: 'tcp' | 'udp' | 'sctp'; readonly port: number }[];
  /** Default `rr`. */
  readonly scheduler?: string | undefined;
  /** Addresses of tasks, in the overlay. */
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
  /** The address of this namespace in the overlay. It has it already. */
  readonly source: string;
  readonly services: readonly IngressService[];
}

export function ingress(options: Ingress, owner: string): Item[] {
  checkOptions('an ingress', options, ['role', 'interface', 'network', 'source', 'services']);
  const device = checkInterfaceName('interface', options.interface);
  const { address: source } = checkAddress('source', options.source);
  const services = list('services', options.services).map((service, index) =>
    at(`services[${index}]`, () => checkService(service)),
  );
  const marks = services.flatMap(({ mark, vip, ports }): FwmarkOptions[] => [
    ...ports.map(({ protocol, port }) => ({ protocol, port, mark })),
    { hook: 'input', destination: vip, mark },
  ]);
  return [
    sysctlItem('net/ipv4/ip_forward', true),
    // As Docker sets them: NAT after IPVS, and no connection that goes on to a task that is gone.
    ...ipvsSysctls({ conntrack: true, conn_reuse_mode: 0, expire_nodest_conn: 1, expire_quiescent_template: 1 }),
    ...services.flatMap(({ mark, scheduler = 'rr', servers }) =>
      serviceItems({ service: { fwmark: mark, scheduler }, servers: servers.map(toServer) }),
    ),
    ...netfilterItem(owner, { marks, rules: [{ type: 'snat', destination: options.network, to: source }] }),
    ...services.map(({ vip }) => hostAddress(device, vip)),
  ];
}

function checkService(service: IngressService): IngressService {
  checkOptions('a service', service, ['mark', 'vip', 'ports', 'scheduler', 'servers']);
  checkInteger('mark', service.mark, 1, 0xffffffff);
  addresses('vip', service.vip);
  for (const { protocol, port } of list('ports', service.ports)) {
    checkOneOf('protocol', protocol, ['tcp', 'udp', 'sctp']);
    checkPort('port', port);
  }
  list('servers', service.servers);
  return service;
}

function toServer(server: IngressService['servers'][number]): ServerOptions {
  return { ...(typeof server === 'string' ? { address: server } : server), port: 0, forwarding: 'nat' };
}
