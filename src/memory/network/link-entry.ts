import type { Link, LinkData } from '../../kernel/network/types.js';
import type { LinkState } from './state.js';

/** Returns an interface as the port shows it. */
export function toLink(link: LinkState): Link {
  const data = dataOf(link);
  return {
    index: link.index,
    name: link.name,
    alternativeNames: [...link.alternativeNames],
    kind: link.kind,
    ...(data && { data }),
    up: link.up,
    running: link.running,
    operationalState: link.operationalState,
    mtu: link.mtu,
    ...(link.address !== undefined && { address: link.address }),
    ...(link.master && { master: link.master.name }),
    ...(link.parent && link.kind !== 'vxlan' && link.parent.home === link.home && { parent: link.parent.name }),
  };
}

function dataOf(link: LinkState): LinkData | undefined {
  const { details, peer, home } = link;
  switch (details?.kind) {
    case 'veth':
      if (!peer) return undefined;
      if (peer.home === home) return { kind: 'veth', peerIndex: peer.index, peer: peer.name };
      // In the kernel, the id of a namespace depends on the observer. The in-memory kernel has one id per namespace.
      return { kind: 'veth', peerIndex: peer.index, peerNamespaceId: Number(peer.home.cookie & 0x7fffffffn) };
    case 'bridge': {
      const { stp = false, vlanFiltering = false, multicastSnooping = true } = details;
      return { kind: 'bridge', stp, vlanFiltering, multicastSnooping };
    }
    case 'vxlan': {
      const { id = 0, port, local, remote, device, learning = true, external } = details;
      const { proxy = false, l2miss = false, l3miss = false } = details;
      const ends = { ...(local !== undefined && { local }), ...(remote !== undefined && { remote }) };
      const parent = device !== undefined && { device };
      return { kind: 'vxlan', id, port, ...ends, ...parent, learning, proxy, l2miss, l3miss, external };
    }
    case 'ipip':
    case 'gre': {
      const { kind, local, remote, ttl, key, external } = details;
      const ends = { ...(local !== undefined && { local }), ...(remote !== undefined && { remote }) };
      const rest = { ...(ttl !== undefined && { ttl }), ...(key !== undefined && { key }), external };
      return { kind, ...ends, ...rest };
    }
    case 'macvlan':
      return { kind: 'macvlan', mode: details.mode };
    default:
      return undefined;
  }
}
