import type { ServerOptions } from '../ipvs/server-options.js';
import type { ServiceChanges } from '../ipvs/service-options.js';
import type { Family } from '../kernel/address.js';
import { at, checkAddress, checkInteger, checkOneOf, checkOptions, show, valueOr } from '../kernel/check.js';
import { invalid } from '../kernel/errors.js';
import type { FwmarkOptions } from '../netfilter/mark-options.js';
import type { RuleOptions } from '../netfilter/rule-options.js';
import { checkNetwork, formatPrefix } from '../network/checks.js';
import type { Part } from './items.js';
import {
  checkInterfaceName,
  checkPort,
  distinctServices,
  hostAddress,
  interfaceSysctl,
  ipvsSysctls,
  list,
  netfilterItem,
  serviceItems,
  sysctlItem,
} from './parts.js';

/** A server of a service of a cluster. */
export interface NodeServer extends Pick<ServerOptions, 'weight'> {
  readonly address: string;
  readonly port: number;
  /** Whether it runs on this node: policies ask for it, and only such a server can be sent its own request. */
  readonly local?: boolean | undefined;
}

/** A service, in the words of Kubernetes. Everything of it is of one family, IPv4 or IPv6. */
export interface NodeService extends Pick<ServiceChanges, 'scheduler' | 'schedulerFlags'> {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly clusterAddress: string;
  readonly port: number;
  /** More addresses with that port, for clients outside: external ones, those of a load balancer. */
  readonly externalAddresses?: readonly string[] | undefined;
  /** On the addresses of the node, for clients outside. */
  readonly nodePort?: number | undefined;
  /** Seconds that a client stays on its server (`ClientIP`; 10 800 by default there). Default: none. */
  readonly sessionAffinity?: number | undefined;
  /**
   * `local`: external addresses and node ports lead to servers of this node only, which see the
   * client's address. Default `cluster`: to all; they see the node's.
   */
  readonly externalTrafficPolicy?: 'cluster' | 'local' | undefined;
  /** `local`: so does the cluster address. Default `cluster`. */
  readonly internalTrafficPolicy?: 'cluster' | 'local' | undefined;
  readonly servers: readonly NodeServer[];
}

/** A node of a cluster as kube-proxy's IPVS mode makes it. */
export interface Node {
  readonly role: 'node';
  /** The addresses of the node that have node ports. It has them already. */
  readonly nodeAddresses: readonly string[];
  /**
   * Where the addresses of pods are from, one prefix or one for each family: what they send to
   * cluster and external addresses is not masqueraded.
   */
  readonly clusterNetwork: string | readonly string[];
  readonly services: readonly NodeService[];
  /** The dummy interface that has the addresses of services. Default `ipvs0`. */
  readonly device?: string | undefined;
  /** The bit of the mark that says "masquerade this". Default 0x4000. */
  readonly masqueradeMark?: number | undefined;
  /**
   * Whether the node answers ARP only for addresses of the interface that was asked, and so for no
   * service's (`arp_ignore` 1 and `arp_announce` 2, for all interfaces). Default: false.
   */
  readonly strictArp?: boolean | undefined;
}

const names = ['role', 'nodeAddresses', 'clusterNetwork', 'services', 'device', 'masqueradeMark', 'strictArp'];
const serviceNames = [
  'protocol',
  'clusterAddress',
  'port',
  'externalAddresses',
  'nodePort',
  'sessionAffinity',
  'externalTrafficPolicy',
  'internalTrafficPolicy',
  'servers',
  'scheduler',
  'schedulerFlags',
];
const policies = ['cluster', 'local'] as const;

/** A service in its one form, with the addresses of the node that are of its family. */
interface CheckedService extends NodeService {
  readonly externalAddresses: readonly string[];
  /** Those that have its node port. */
  readonly nodeAddresses: readonly string[];
}

export function node(options: Node, owner: string): Part[] {
  checkOptions('a node', options, names);
  const device = options.device === undefined ? 'ipvs0' : checkInterfaceName('device', options.device, 15);
  const bit =
    options.masqueradeMark === undefined
      ? 0x4000
      : checkInteger('masqueradeMark', options.masqueradeMark, 1, 0xffffffff);
  if (options.strictArp !== undefined && typeof options.strictArp !== 'boolean')
    throw invalid(`strictArp is true or false, not ${show(options.strictArp)}`);
  const nodes = list('nodeAddresses', options.nodeAddresses).map((address) => checkAddress('nodeAddresses', address));
  const given =
    typeof options.clusterNetwork === 'string'
      ? [options.clusterNetwork]
      : list('clusterNetwork', options.clusterNetwork);
  if (given.length === 0) throw invalid('clusterNetwork is a prefix such as 10.2.0.0/16, or a list of at least one');
  const networks = given.map((network) => formatPrefix(checkNetwork('clusterNetwork', network)));
  const services = list('services', options.services).map((service, index) =>
    at(`services[${index}]`, () => checkService(service, nodes)),
  );
  const serviceAddresses = [
    ...new Set(services.flatMap(({ clusterAddress, externalAddresses }) => [clusterAddress, ...externalAddresses])),
  ];
  return [
    sysctlItem('net/ipv4/ip_forward', true),
    ...([...serviceAddresses, ...networks].some((address) => address.includes(':'))
      ? [sysctlItem('net/ipv6/conf/all/forwarding', true)]
      : []),
    ...(options.strictArp ? [interfaceSysctl('all', 'arp_ignore', 1), interfaceSysctl('all', 'arp_announce', 2)] : []),
    // NAT of netfilter sees what IPVS forwards only if IPVS tells connection tracking.
    ...ipvsSysctls({ conntrack: true, expire_nodest_conn: 1, expire_quiescent_template: 1 }),
    { kind: 'link', link: { kind: 'dummy', name: device } },
    { kind: 'up', interface: device },
    ...distinctServices(services.map((service, index) => at(`services[${index}]`, () => itemsOf(service)))),
    ...netfilterItem(owner, {
      marks: marksOf(services, nodes, networks, bit),
      rules: rulesOf(services, bit),
    }),
    ...serviceAddresses.map((address) => hostAddress(device, address)),
  ];
}

function checkService(service: NodeService, nodes: readonly { address: string; family: Family }[]): CheckedService {
  checkOptions('a service', service, serviceNames);
  const { nodePort, servers, externalTrafficPolicy, internalTrafficPolicy } = service;
  checkOneOf('protocol', service.protocol, ['tcp', 'udp', 'sctp']);
  const cluster = checkAddress('clusterAddress', service.clusterAddress);
  checkPort('port', service.port);
  const external = list('externalAddresses', valueOr(service.externalAddresses, [])).map((address) =>
    checkAddress('externalAddresses', address),
  );
  const nodeAddresses =
    nodePort === undefined ? [] : nodes.filter(({ family }) => family === cluster.family).map(({ address }) => address);
  const stranger = external.find(({ family }) => family !== cluster.family);
  if (stranger)
    throw invalid(
      `clusterAddress and externalAddresses are of one family: ${cluster.address} is ${cluster.family}, ` +
        `${stranger.address} is not; make another service for it`,
    );
  if (nodePort !== undefined) checkPort('nodePort', nodePort);
  if (nodePort !== undefined && nodeAddresses.length === 0)
    throw invalid(
      `the node has no ${cluster.family} address for the node port ${nodePort}: nodeAddresses is to name one`,
    );
  if (externalTrafficPolicy !== undefined) checkOneOf('externalTrafficPolicy', externalTrafficPolicy, policies);
  if (internalTrafficPolicy !== undefined) checkOneOf('internalTrafficPolicy', internalTrafficPolicy, policies);
  const canonical = list('servers', servers).map((server, index) =>
    at(`servers[${index}]`, () => {
      checkOptions('a server', server, ['address', 'port', 'weight', 'local']);
      if (server.local !== undefined && typeof server.local !== 'boolean')
        throw invalid(`local is true or false, not ${show(server.local)}`);
      const { address } = checkAddress('address', server.address);
      return { ...server, address, port: checkPort('port', server.port) };
    }),
  );
  return {
    ...service,
    clusterAddress: cluster.address,
    externalAddresses: external.map(({ address }) => address),
    nodeAddresses,
    servers: canonical,
  };
}

function itemsOf(service: CheckedService): Part[] {
  const { protocol, clusterAddress, port, externalAddresses, nodeAddresses, nodePort } = service;
  const { sessionAffinity, scheduler = 'rr', schedulerFlags } = service;
  const changes = {
    scheduler,
    ...(schedulerFlags && { schedulerFlags }),
    ...(sessionAffinity !== undefined && { persistence: sessionAffinity }),
  };
  const toServer = ({ local: _, ...server }: NodeServer): ServerOptions => ({ ...server, forwarding: 'nat' });
  const ofPolicy = (policy: 'cluster' | 'local' = 'cluster'): ServerOptions[] =>
    service.servers.filter(({ local }) => policy === 'cluster' || local).map(toServer);
  const inside = ofPolicy(service.internalTrafficPolicy);
  const outside = ofPolicy(service.externalTrafficPolicy);
  const items = (address: string, port: number, servers: readonly ServerOptions[]): Part[] =>
    serviceItems({ service: { protocol, address, port, ...changes }, servers });
  return [
    ...items(clusterAddress, port, inside),
    ...externalAddresses.flatMap((address) => items(address, port, outside)),
    ...(nodePort === undefined ? [] : nodeAddresses.flatMap((address) => items(address, nodePort, outside))),
  ];
}

/**
 * What is for an address of this node, and so perhaps for a service, is to be masqueraded, but not
 * what comes from pods, nor what a policy keeps as it is: narrower marks are set later. What pods send
 * to a node port is: a pod of another node would not know an answer that does not come from here.
 */
function marksOf(
  services: readonly CheckedService[],
  nodes: readonly { address: string }[],
  networks: readonly string[],
  bit: number,
): FwmarkOptions[] {
  const set = { mark: bit, mask: bit };
  const clear = { mark: 0, mask: bit };
  return [
    { local: true, ...set },
    ...networks.map((source): FwmarkOptions => ({ local: true, source, ...clear })),
    ...[...new Set(nodes.map(({ address }) => address))].map((destination) => ({ destination, ...set })),
    ...services
      .filter(({ externalTrafficPolicy }) => externalTrafficPolicy === 'local')
      .flatMap(({ protocol, port, externalAddresses, nodePort, nodeAddresses }): FwmarkOptions[] => [
        ...externalAddresses.map((destination) => ({ destination, protocol, port, ...clear })),
        ...nodeAddresses.map((destination) => ({ destination, protocol, port: nodePort, ...clear })),
      ]),
    // The node itself asks in the name of the very address that it asks.
    { hook: 'output', local: true, ...set },
  ];
}

function rulesOf(services: readonly NodeService[], bit: number): RuleOptions[] {
  const here = services.flatMap(({ servers }) => servers.filter(({ local }) => local).map(({ address }) => address));
  return [
    // What IPVS does not forward is still for the node itself.
    { type: 'masquerade', mark: { mark: bit, mask: bit }, local: false },
    // Hairpin: a server that is sent its own request would answer itself.
    ...[...new Set(here)].map(
      (address): RuleOptions => ({ type: 'masquerade', source: address, destination: address }),
    ),
  ];
}
