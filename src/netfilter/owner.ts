import { show } from '../common/check.js';
import { invalid } from '../common/errors.js';

/**
 * Words that nft's scanner does not accept as a name after `table inet`, in nft 0.9 to 1.1 (src/scanner.l): those of
 * every state, and those of `nft list`.
 */
const keywords = new Set(
  `accept add ah all and arp auto-merge bridge cgroup chain chains comment comp constant continue counter counters
  cpu create ct day dccp define delete describe destroy device devices dnat drop dst dup dynamic ecn element elements
  eq esp ether exists expires export exthdr fib flags flow flowtable flowtables flush frag fwd gc-interval ge geneve
  get goto gre gretap gt handle hbh hook hooks hour ibriport ibrname icmp icmpv6 igmp iif iifgroup iifname iiftype
  import include index inet insert interval ip ip6 ipsec jhash jump last le limit limits list log lshift lt map maps
  mark masquerade meta meter meters mh missing monitor ne netdev nftrace not notrack numgen obriport obrname offload
  oif oifgroup oifname oiftype or osf pkttype policy position priority queue quota quotas random redefine redirect
  reject rename replace reset return rshift rt rt0 rt2 rtclassid rule rules ruleset sctp secmark secmarks set sets
  size skgid skuid snat socket srh symhash synproxy synproxys table tables tcp th time timeout tproxy tunnel tunnels
  type typeof udp udplite undefine update vlan vmap vni vxlan xor xt`.split(/\s+/),
);

/** Checks the name of an owner, which is the name of its table: nft reads it as a name if it is no keyword. */
export function checkOwner(owner: string): string {
  if (typeof owner === 'string' && /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(owner)) return owner;
  throw invalid(
    `an owner must be a name of letters, digits, "_", "." and "-" that begins with a letter, not ${show(owner)}`,
  );
}

/**
 * Rejects a table that nft could list but not load again. Only calls that add to a table use it: an earlier version of
 * this library made such tables, which can still be read and deleted.
 */
export function checkLoadable(owner: string): void {
  if (keywords.has(owner))
    throw invalid(
      `cannot write table inet ${owner}: "${owner}" is a keyword of nft, which could not load its own listing of the table. Use another owner, for example "ipvs-${owner}"; a table of this name can still be read and deleted`,
    );
}
