import { checkAddress, checkInteger, checkOneOf, checkOptions } from '../kernel/check.js';
import { invalid } from '../kernel/errors.js';
import type { Part } from './items.js';
import { addresses, checkInterfaceName, checkPort, hostAddress, interfaceSysctl, netfilterItem } from './parts.js';

/** How packets come through a tunnel. */
export interface RealServerTunnel {
  readonly type: 'ipip' | 'gre' | 'gue';
  /** This server's own address, to which the director sends. */
  readonly local: string;
  /** Of GUE: the UDP port, as the director has it. */
  readonly port?: number | undefined;
  /** The name of the tunnel's interface. Default `ipvs-tunnel`. */
  readonly name?: string | undefined;
}

/**
 * A server behind a director of direct routing or of tunnels: it has the virtual addresses itself,
 * and keeps silent about them.
 */
export interface RealServerRole {
  readonly role: 'real-server';
  /** The virtual addresses. */
  readonly vip: string | readonly string[];
  /** Where clients and directors are: there it must not answer for the virtual addresses. */
  readonly interface: string;
  /** Where it has them: `lo`, the default, or the name of a dummy interface that is made for them. */
  readonly device?: string | undefined;
  /** Default: none, direct routing. */
  readonly tunnel?: RealServerTunnel | undefined;
  /**
   * The largest TCP segment, in bytes, that clients are told: through a tunnel theirs must be smaller by
   * the outer headers. Default: not told.
   */
  readonly segmentSize?: number | undefined;
}

const names = ['role', 'vip', 'interface', 'device', 'tunnel', 'segmentSize'];

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
          size: checkInteger('segmentSize', options.segmentSize, 88, 0xffff),
        }));
  // The sysctls before the address: else the neighbours learn that it is here, and keep to it.
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
 * Documentation/networking/ip-sysctl.rst: answer only for addresses of the interface that was
 * asked (arp_ignore 1), and never ask in the name of another's (arp_announce 2). The larger of `all`
 * and the interface counts.
 */
function silent(lan: string): Part[] {
  return ['all', lan].flatMap((name) => [
    // Larger numbers are stricter.
    { ...interfaceSysctl(name, 'arp_ignore', 1), orMore: true },
    interfaceSysctl(name, 'arp_announce', 2),
  ]);
}

function tunnelItems(tunnel: RealServerTunnel): Part[] {
  checkOptions('a tunnel', tunnel, ['type', 'local', 'port', 'name']);
  const type = checkOneOf('type', tunnel.type, ['ipip', 'gre', 'gue']);
  const name = tunnel.name === undefined ? 'ipvs-tunnel' : checkInterfaceName('name', tunnel.name, 15);
  const local = checkAddress('local', tunnel.local);
  if (local.family !== 'ipv4')
    throw invalid(`local is an IPv4 address, as the outer packets are, not ${local.address}`);
  if (type !== 'gue' && tunnel.port !== undefined)
    throw invalid(`port is an option of a tunnel of type gue; one of type ${type} has none`);
  const gue: Part[] =
    type === 'gue'
      ? [{ kind: 'gue-port', port: checkPort('the port of a GUE tunnel', tunnel.port), family: 'ipv4' }]
      : [];
  return [
    // GUE is taken off by the port; what is in it is ipip.
    { kind: 'link', link: { kind: type === 'gre' ? 'gre' : 'ipip', name, local: local.address } },
    // What comes out of it is from clients, whose way back is another (the larger of both counts).
    interfaceSysctl('all', 'rp_filter', 0),
    interfaceSysctl(name, 'rp_filter', 0),
    { kind: 'up', interface: name },
    ...gue,
  ];
}
