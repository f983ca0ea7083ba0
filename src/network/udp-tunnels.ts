import type { Family } from '../common/address.js';
import { checkInteger, checkOneOf, checkOptions, namesOf } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import type { UdpTunnel } from '../kernel/network/types.js';
import type { Context } from './context.js';

const optionNames = namesOf<UdpTunnelOptions>({ type: true, port: true, family: true, protocol: true });

/** A UDP port whose packets the kernel unwraps, as `ip fou add` makes it. */
export interface UdpTunnelOptions {
  /** Encapsulation. `gue`: a header names the protocol of each inner packet. `fou`: all inner packets are of one protocol. */
  readonly type: 'gue' | 'fou';
  /** UDP port, from 1 to 65535. */
  readonly port: number;
  /** Family of the outer packets. Default: `ipv4`. */
  readonly family?: Family | undefined;
  /** Number of the inner IP protocol of `fou`, from 1 to 255, such as 4 (ipip) or 47 (gre). */
  readonly protocol?: number | undefined;
}

/** Selects one UDP tunnel. */
export type UdpTunnelSelector = Pick<UdpTunnelOptions, 'port' | 'family'>;

function checkUdpTunnel(options: UdpTunnelOptions): UdpTunnel {
  checkOptions('a UDP tunnel', options, optionNames);
  const type = checkOneOf('type', options.type, ['gue', 'fou']);
  const { port, family } = checkUdpTunnelKey({ port: options.port, family: options.family });
  if (type === 'gue' && options.protocol !== undefined)
    throw invalid('protocol requires the type fou: each packet of gue names its own protocol');
  if (type === 'gue') return { type, port, family };
  return { type, port, family, protocol: checkInteger('protocol', options.protocol, 1, 255) };
}

function checkUdpTunnelKey(options: UdpTunnelSelector): { readonly port: number; readonly family: Family } {
  checkOptions('a UDP tunnel', options, optionNames);
  const family = options.family === undefined ? 'ipv4' : checkOneOf('family', options.family, ['ipv4', 'ipv6']);
  return { port: checkInteger('port', options.port, 1, 0xffff), family };
}

export async function addUdpTunnel(
  context: Context,
  options: UdpTunnelOptions,
  call: CallOptions | undefined,
): Promise<void> {
  const tunnel = checkUdpTunnel(options);
  const request = { command: 'add-udp-tunnel', action: 'add', object: describeTunnel(tunnel) } as const;
  await context.ask({ ...request, options: call }, () => context.port.addUdpTunnel(tunnel, call));
}

export async function deleteUdpTunnel(
  context: Context,
  selector: UdpTunnelSelector,
  call: CallOptions | undefined,
): Promise<void> {
  const key = checkUdpTunnelKey(selector);
  const request = { command: 'delete-udp-tunnel', action: 'delete', object: describeTunnel(key) } as const;
  await context.ask({ ...request, options: call }, () => context.port.deleteUdpTunnel(key, call));
}

function describeTunnel({ type, port }: { readonly type?: UdpTunnel['type']; readonly port: number }): string {
  return type === undefined ? `the tunnel on UDP port ${port}` : `${type} on UDP port ${port}`;
}
