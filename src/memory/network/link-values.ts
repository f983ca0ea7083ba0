import { Errno } from '../../common/errno.js';
import type { LinkDetails } from '../../kernel/network/types.js';
import { isMulticast, isUnicastLinkAddress } from './prefix.js';
import { type LinkState, refused } from './state.js';

const LARGEST_MTU = 65_535;
/** Smallest MTU (of IPv4), in bytes; dummies and loopbacks accept any MTU. */
const SMALLEST_MTU = 68;

export function parentOf(details: LinkDetails): string | undefined {
  if (details.kind === 'macvlan') return details.parent;
  return 'device' in details ? details.device : undefined;
}

export function usualMtu(
  kind: LinkState['kind'],
  details: LinkDetails | undefined,
  parent: LinkState | undefined,
): number {
  if (kind === 'ipip') return 1480;
  if (kind === 'gre') return details?.kind === 'gre' && details.key !== undefined ? 1472 : 1476;
  if (kind === 'macvlan') return parent?.mtu ?? 1500;
  const around = details?.kind === 'vxlan' && (details.local ?? details.remote)?.includes(':') ? 70 : 50;
  return kind === 'vxlan' && parent ? parent.mtu - around : 1500;
}

/** Returns a locally administered address, unique for each index of each namespace. */
export function drawnAddress(cookie: bigint, index: number): string {
  const number = ((cookie & 0xffffn) << 16n) | BigInt(index & 0xffff);
  const digits = number.toString(16).padStart(8, '0');
  return `02:4d:${digits.match(/../g)?.join(':')}`;
}

export function checkValues(
  kind: LinkState['kind'],
  { mtu, address }: { readonly mtu?: number | undefined; readonly address?: string | undefined },
): void {
  const bounded = kind !== 'dummy' && kind !== 'loopback';
  if (mtu !== undefined && bounded && (mtu < SMALLEST_MTU || mtu > LARGEST_MTU)) refused(Errno.EINVAL);
  if (address !== undefined && !isUnicastLinkAddress(address)) refused(Errno.EADDRNOTAVAIL);
}

/** Rejects a tunnel that equals an existing one: the kernel could not assign a packet to one of them. */
export function checkDouble(details: LinkDetails, links: Iterable<LinkState>): void {
  if (details.kind === 'vxlan') {
    if (details.remote !== undefined && isMulticast(details.remote) && details.device === undefined)
      refused(Errno.EINVAL);
    for (const { details: other } of links)
      if (other?.kind === 'vxlan' && other.port === details.port && (other.id ?? 0) === (details.id ?? 0))
        refused(Errno.EEXIST, 'A VXLAN device with the specified VNI already exists');
  }
  if (details.kind !== 'ipip' && details.kind !== 'gre') return;
  const ends = JSON.stringify([details.local, details.remote, details.key, details.external]);
  // tunl0 and gre0, which their modules create, have no properties.
  if (ends === JSON.stringify([undefined, undefined, undefined, false])) refused(Errno.EEXIST);
  for (const { details: other } of links)
    if (other?.kind === details.kind && JSON.stringify([other.local, other.remote, other.key, other.external]) === ends)
      refused(Errno.EEXIST);
}
