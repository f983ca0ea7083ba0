import { checkAddress, checkOneOf, checkOptions, checkRange, namesOf } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { checkInterfaceName } from '../common/interface-name.js';
import { ranges } from '../common/ranges.js';
import type { Part } from '../items/items.js';
import { addresses, checkPort, hostAddress, interfaceSysctl, netfilterItem } from './parts.js';

/** Tunnel by which packets from the director arrive. */
export interface RealServerTunnel {
  /** Encapsulation, as the director has it in `tunnel.type`. `gue` requires the module fou. */
  readonly type: 'ipip' | 'gre' | 'gue';
  /** Address of this server, to which the director sends. */
  readonly local: string;
  /** UDP port of GUE, as the director has it. */
  readonly port?: number | undefined;
  /** Name of the tunnel's interface. Default: `ipvs-tunnel`. */
  readonly name?: string | undefined;
}

/**
 * A server behind a director of direct routing or of tunnels: it has the virtual addresses itself, and does not answer
 * ARP for them.
 */
export interface RealServerRole {
  /** Kind of role. */
  readonly role: 'real-server';
  /** Virtual addresses. */
  readonly vip: string | readonly string[];
  /** Interface to clients and directors: on it the server must not answer ARP for the virtual addresses. */
  readonly interface: string;
  /**
   * Interface with the virtual addresses: `lo`, the default, or the name of a dummy interface that is made for them.
   */
  readonly device?: string | undefined;
  /** Tunnel from the director. Default: none, direct routing. */
  readonly tunnel?: RealServerTunnel | undefined;
  /**
   * Largest TCP segment to announce to clients, in bytes, from 88 to 65535: through a tunnel theirs must be smaller by
   * the outer headers. Default: the kernel's value.
   */
  readonly segmentSize?: number | undefined;
}

const names = namesOf<RealServerRole>({
  role: true,
  vip: true,
  interface: true,
  device: true,
  tunnel: true,
  segmentSize: true,
});

const tunnelNames = namesOf<RealServerTunnel>({ type: true, local: true, port: true, name: true });

export function realServer(options: RealServerRole, owner: string): Part[] {
  checkOptions('a real-server', options, names);
  const vips = addresses('vip', options.vip);
  const lan = checkInterfaceName('interface', options.interface);
  const device = options.device === undefined ? 'lo' : checkInterfaceName('device', options.device, 15);
  const rules =
    options.segmentSize === undefined
      ? []
      : vips.map(({ address }) => ({
          type: 'clamp-mss' as const,
          hook: 'output' as const,
          source: address,
          size: checkRange('segmentSize', options.segmentSize, ranges.segmentSize),
        }));
  // Set the sysctls before the address: otherwise the neighbours learn the address from this server, and keep using it.
  return [
    ...(vips.some(({ family }) => family === 'ipv4') ? silent(lan) : []),
    ...(device === 'lo' ? [] : [{ kind: 'link', link: { kind: 'dummy', name: device } } as const]),
    { kind: 'up', interface: device },
    ...(options.tunnel !== undefined ? tunnelItems(options.tunnel) : []),
    ...netfilterItem(owner, { rules }),
    ...vips.map(({ address }) => hostAddress(device, address)),
  ];
}

/**
 * Returns the settings that suppress ARP (Documentation/networking/ip-sysctl.rst): the server answers only for
 * addresses of the interface that was asked (arp_ignore 1), and never asks with the address of another (arp_announce
 * 2). The larger value of `all` and the interface counts.
 */
function silent(lan: string): Part[] {
  return ['all', lan].flatMap((name) => [
    // Larger numbers are stricter.
    { ...interfaceSysctl(name, 'arp_ignore', 1), orMore: true },
    interfaceSysctl(name, 'arp_announce', 2),
  ]);
}

function tunnelItems(tunnel: RealServerTunnel): Part[] {
  checkOptions('a tunnel', tunnel, tunnelNames);
  const type = checkOneOf('type', tunnel.type, ['ipip', 'gre', 'gue']);
  const name = tunnel.name === undefined ? 'ipvs-tunnel' : checkInterfaceName('name', tunnel.name, 15);
  const local = checkAddress('local', tunnel.local);
  if (local.family !== 'ipv4')
    throw invalid(`local must be an IPv4 address, as the outer packets are, not ${local.address}`);
  if (type !== 'gue' && tunnel.port !== undefined)
    throw invalid(`port is an option of a tunnel of type gue; one of type ${type} has none`);
  const gue: Part[] =
    type === 'gue'
      ? [{ kind: 'gue-port', port: checkPort('the port of a GUE tunnel', tunnel.port), family: 'ipv4' }]
      : [];
  return [
    // The port removes the GUE header; its payload is ipip.
    { kind: 'link', link: { kind: type === 'gre' ? 'gre' : 'ipip', name, local: local.address } },
    // Its packets come from clients, whose return path is another (the larger of both values counts).
    interfaceSysctl('all', 'rp_filter', 0),
    interfaceSysctl(name, 'rp_filter', 0),
    { kind: 'up', interface: name },
    ...gue,
  ];
}
