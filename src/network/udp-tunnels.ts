import type { Family } from '../common/address.js';
import { checkInteger, checkOneOf, checkOptions } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { UdpTunnel } from '../kernel/network/types.js';

/** A UDP port whose packets the kernel unwraps, as `ip fou add` makes it. */
export interface UdpTunnelOptions {
  /** `gue`: a header names the protocol of each inner packet. `fou`: all inner packets are of one protocol. */
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

export function checkUdpTunnel(options: UdpTunnelOptions): UdpTunnel {
  checkOptions('a UDP tunnel', options, ['type', 'port', 'family', 'protocol']);
  const type = checkOneOf('type', options.type, ['gue', 'fou']);
  const { port, family } = checkUdpTunnelKey({ port: options.port, family: options.family });
  if (type === 'gue' && options.protocol !== undefined) throw invalid('GUE says itself which protocol it holds');
  if (type === 'gue') return { type, port, family };
  return { type, port, family, protocol: checkInteger('protocol', options.protocol, 1, 255) };
}

export function checkUdpTunnelKey(options: UdpTunnelSelector): { readonly port: number; readonly family: Family } {
  checkOptions('a UDP tunnel', options, ['type', 'port', 'family', 'protocol']);
  const family = options.family === undefined ? 'ipv4' : checkOneOf('family', options.family, ['ipv4', 'ipv6']);
  return { port: checkInteger('port', options.port, 1, 0xffff), family };
}
