import type { ServerOptions } from '../ipvs/server-options.js';
import type { ServiceChanges } from '../ipvs/service-options.js';
import { checkInteger, checkOneOf, checkOptions } from '../kernel/check.js';
import { invalid } from '../kernel/errors.js';
import type { FwmarkOptions } from '../netfilter/mark-options.js';
import type { RuleOptions } from '../netfilter/rule-options.js';
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

/** A server of a service of a cluster. */
export interface NodeServer extends Pick<ServerOptions, 'weight'> {
  readonly address: string;
  readonly port: number;
  /** Whether it runs on this node. */
  readonly local?: boolean | undefined;
}

export interface NodeService extends Pick<ServiceChanges, 'scheduler' | 'schedulerFlags'> {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly clusterAddress: string;
  readonly port: number;
  /** On the addresses of the node, for clients outside. */
  readonly nodePort?: number | undefined;
  /** Seconds that a client stays on its server (`sessionAffinity: ClientIP`, 10 800 there). */
  readonly affinity?: number | undefined;
  /**
   * `local`: the node port goes to servers of this node only, and they see the client's address.
   * Default `cluster`: to all; they see the node's.
   */
  readonly externalTrafficPolicy?: 'cluster' | 'local' | undefined;
  readonly servers: readonly NodeServer[];
}

/** A node of a cluster as kube-proxy's IPVS mode makes it. */
export interface Node {
  readonly role: 'node';
  /** The addresses of the node that have node ports. */
  readonly nodeAddresses: readonly string[];
  /** Where the addresses of pods are from: what they send to services is not masqueraded. */
  readonly clusterNetwork: string;
  readonly services: readonly NodeService[];
  /** The dummy interface that has the addresses of services. Default `ipvs0`. */
  readonly device?: string | undefined;
  /** The bit of the mark that says "masquerade this". Default 0x4000. */
  readonly masqueradeMark?: number | undefined;
}

const names = ['role', 'nodeAddresses', 'clusterNetwork', 'services', 'device', 'masqueradeMark'];
const serviceNames = [
  'protocol',
  'clusterAddress',
  'port',
  'nodePort',
  'affinity',
  'externalTrafficPolicy',
  'servers',
  'scheduler',
  'schedulerFlags',
];

export function node(options: Node, owner: string): Item[] {
  checkOptions('a node', options, names);
  const device = options.device === undefined ? 'ipvs0' : checkInterfaceName('device', options.device);
  const bit =
    options.masqueradeMark === undefined
      ? 0x4000
      : checkInteger('masqueradeMark', options.masqueradeMark, 1, 0xffffffff);
  const nodes = list('nodeAddresses', options.nodeAddresses).flatMap((address) => addresses('nodeAddresses', address));
  const services = list('services', options.services).map((service, index) =>
    at(`services[${index}]`, () => checkService(service)),
  );
  const clusterAddresses = [...new Set(services.map(({ clusterAddress }) => clusterAddress))];
  return [
    sysctlItem('net/ipv4/ip_forward', true),
    ...ipvsSysctls({ conntrack: true, expire_nodest_conn: 1, expire_quiescent_template: 1 }),
    { kind: 'link', link: { kind: 'dummy', name: device } },
    { kind: 'up', interface: device },
    ...services.flatMap((service) => serviceItemsOf(service, nodes)),
    ...netfilterItem(owner, {
      marks: marksOf(services, nodes, options.clusterNetwork, bit),
      rules: rulesOf(services, bit),
    }),
    ...clusterAddresses.map((address) => hostAddress(device, address)),
  ];
}

function checkService(service: NodeService): NodeService {
  checkOptions('a service', service, serviceNames);
  checkOneOf('protocol', service.protocol, ['tcp', 'udp', 'sctp']);
  const [clusterAddress] = addresses('clusterAddress', service.clusterAddress);
  if (!clusterAddress) throw invalid('a service has a clusterAddress');
  checkPort('port', service.port);
  if (service.nodePort !== undefined) checkPort('nodePort', service.nodePort);
  if (service.externalTrafficPolicy !== undefined)
    checkOneOf('externalTrafficPolicy', service.externalTrafficPolicy, ['cluster', 'local']);
  for (const server of list('servers', service.servers))
    checkOptions('a server', server, ['address', 'port', 'weight', 'local']);
  return { ...service, clusterAddress: clusterAddress.address };
}

function serviceItemsOf(service: NodeService, nodes: readonly { address: string }[]): Item[] {
  const { protocol, clusterAddress, port, nodePort, affinity, scheduler = 'rr', schedulerFlags } = service;
  const changes = {
    scheduler,
    ...(schedulerFlags && { schedulerFlags }),
    ...(affinity !== undefined && { persistence: affinity }),
  };
  const toServer = ({ local: _, ...server }: NodeServer): ServerOptions => ({ ...server, forwarding: 'nat' });
  const here = service.servers.filter(({ local }) => local === true);
  const outside = service.externalTrafficPolicy === 'local' ? here : service.servers;
  return [
    ...serviceItems({
      service: { protocol, address: clusterAddress, port, ...changes },
      servers: service.servers.map(toServer),
    }),
    ...nodes.flatMap(({ address }) =>
      nodePort === undefined
        ? []
        : serviceItems({ service: { protocol, address, port: nodePort, ...changes }, servers: outside.map(toServer) }),
    ),
  ];
}

/**
 * What is for an address of this node, and so perhaps for a service, is to be masqueraded, but not
 * what comes from pods, nor what a policy keeps as it is: narrower marks are set later.
 */
function marksOf(
  services: readonly NodeService[],
  nodes: readonly { address: string }[],
  clusterNetwork: string,
  bit: number,
): FwmarkOptions[] {
  const kept = services.filter(
    ({ nodePort, externalTrafficPolicy }) => nodePort !== undefined && externalTrafficPolicy === 'local',
  );
  return [
    { local: true, mark: bit, mask: bit },
    { local: true, source: clusterNetwork, mark: 0, mask: bit },
    { hook: 'output', local: true, mark: bit, mask: bit },
    ...kept.flatMap(({ protocol, nodePort }) =>
      nodes.map(
        ({ address }): FwmarkOptions => ({ destination: address, protocol, port: nodePort, mark: 0, mask: bit }),
      ),
    ),
  ];
}

function rulesOf(services: readonly NodeService[], bit: number): RuleOptions[] {
  const addressesOf = new Set(services.flatMap(({ servers }) => servers.map(({ address }) => address)));
  return [
    { type: 'masquerade', mark: { mark: bit, mask: bit }, local: false },
    // Hairpin: a server that is sent its own request would answer itself.
    ...[...addressesOf].map((address): RuleOptions => ({ type: 'masquerade', source: address, destination: address })),
  ];
}
