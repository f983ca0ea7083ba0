import type { Family } from '../common/address.js';
import { at, checkAddress, checkOneOf, checkOptions, checkRange, namesOf, show, valueOr } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { checkInterfaceName } from '../common/interface-name.js';
import { checkNetwork, formatPrefix } from '../common/prefix.js';
import { ranges } from '../common/ranges.js';
import type { ServerOptions } from '../ipvs/server-options.js';
import type { ServiceChanges } from '../ipvs/service-options.js';
import type { Part } from '../items/items.js';
import type { FwmarkOptions } from '../netfilter/mark-options.js';
import type { NetfilterRuleOptions } from '../netfilter/rule-options.js';
import {
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

/** A server of a cluster service. */
export interface NodeServer extends Pick<ServerOptions, 'weight'> {
  /** IPv4 or IPv6 address of the pod, of the family of the service. */
  readonly address: string;
  /** Port of the pod, from 1 to 65535. */
  readonly port: number;
  /**
   * True if the server runs on this node: `local` policies use only such servers, and only such a server can get its
   * own request.
   */
  readonly local?: boolean | undefined;
}

/** A service, in the terms of Kubernetes. All its addresses are of one family, IPv4 or IPv6. */
export interface NodeService extends Pick<ServiceChanges, 'scheduler' | 'schedulerFlags'> {
  /** Transport protocol. */
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Virtual address inside the cluster (`clusterIP`). */
  readonly clusterAddress: string;
  /** Port of the cluster address and of the external addresses, from 1 to 65535. */
  readonly port: number;
  /** Further addresses with that port, for clients outside: external ones, those of a load balancer. */
  readonly externalAddresses?: readonly string[] | undefined;
  /** Port on the addresses of the node, for clients outside. */
  readonly nodePort?: number | undefined;
  /**
   * Time that a client stays on its server, in seconds (`ClientIP`, by default 10 800 in Kubernetes). Default: none.
   */
  readonly sessionAffinity?: number | undefined;
  /**
   * `local`: external addresses and node ports lead only to servers of this node, which see the client's address.
   * Default `cluster`: they lead to all servers, which see the node's address.
   */
  readonly externalTrafficPolicy?: 'cluster' | 'local' | undefined;
  /** `local`: the cluster address leads only to servers of this node. Default: `cluster`. */
  readonly internalTrafficPolicy?: 'cluster' | 'local' | undefined;
  /** Servers (endpoints) on all nodes. They are reached by `nat`. */
  readonly servers: readonly NodeServer[];
}

/** A node of a cluster, as kube-proxy's IPVS mode configures it. */
export interface NodeRole {
  /** Kind of role. */
  readonly role: 'node';
  /** Addresses of the node that have node ports. The node has them already. */
  readonly nodeAddresses: readonly string[];
  /**
   * Prefix of the pod addresses, or one for each family: packets from pods to cluster and external addresses are not
   * masqueraded.
   */
  readonly clusterNetwork: string | readonly string[];
  /** Services of the cluster. */
  readonly services: readonly NodeService[];
  /** Dummy interface that has the addresses of services. Default: `ipvs0`. */
  readonly device?: string | undefined;
  /** Bit of the mark that requests masquerading. Default: 0x4000. */
  readonly masqueradeMark?: number | undefined;
  /**
   * True if the node answers ARP only for addresses of the interface that was asked, and so for no service's
   * (`arp_ignore` 1 and `arp_announce` 2, for all interfaces). Default: false.
   */
  readonly strictArp?: boolean | undefined;
}

const names = namesOf<NodeRole>({
  role: true,
  nodeAddresses: true,
  clusterNetwork: true,
  services: true,
  device: true,
  masqueradeMark: true,
  strictArp: true,
});
const serviceNames = namesOf<NodeService>({
  protocol: true,
  clusterAddress: true,
  port: true,
  externalAddresses: true,
  nodePort: true,
  sessionAffinity: true,
  externalTrafficPolicy: true,
  internalTrafficPolicy: true,
  servers: true,
  scheduler: true,
  schedulerFlags: true,
});
const serverNames = namesOf<NodeServer>({ address: true, port: true, weight: true, local: true });
const policies = ['cluster', 'local'] as const;

/** A service in canonical form, with the addresses of the node that are of its family. */
interface CheckedService extends NodeService {
  readonly externalAddresses: readonly string[];
  /** Addresses of the node that have its node port. */
  readonly nodeAddresses: readonly string[];
}

export function node(options: NodeRole, owner: string): Part[] {
  checkOptions('a node', options, names);
  const device = options.device === undefined ? 'ipvs0' : checkInterfaceName('device', options.device, 15);
  const bit =
    options.masqueradeMark === undefined
      ? 0x4000
      : checkRange('masqueradeMark', options.masqueradeMark, ranges.serviceMark);
  if (options.strictArp !== undefined && typeof options.strictArp !== 'boolean')
    throw invalid(`strictArp must be true or false, not ${show(options.strictArp)}`);
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
    // Netfilter NAT sees packets that IPVS forwards only if IPVS updates connection tracking.
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
      checkOptions('a server', server, serverNames);
      if (server.local !== undefined && typeof server.local !== 'boolean')
        throw invalid(`local must be true or false, not ${show(server.local)}`);
      const { address } = checkAddress('address', server.address);
      if (server.weight !== undefined) checkRange('weight', server.weight, ranges.weight);
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
 * Returns the marks for masquerading. Packets to an address of this node, which may be a service's, are masqueraded.
 * Packets from pods, and those that a policy keeps as they are, are not: their narrower marks are set later. Packets
 * from pods to a node port are: a pod of another node would not recognise an answer that bypasses this node.
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
    // Requests of the node itself have the requested address as their source.
    { hook: 'output', local: true, ...set },
  ];
}

function rulesOf(services: readonly NodeService[], bit: number): NetfilterRuleOptions[] {
  const here = services.flatMap(({ servers }) => servers.filter(({ local }) => local).map(({ address }) => address));
  return [
    // Packets that IPVS does not forward are still for the node itself.
    { type: 'masquerade', mark: { mark: bit, mask: bit }, local: false },
    // Hairpin: a server that gets its own request would answer itself.
    ...[...new Set(here)].map(
      (address): NetfilterRuleOptions => ({ type: 'masquerade', source: address, destination: address }),
    ),
  ];
}
