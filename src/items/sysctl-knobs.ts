/**
 * This module knows the files below /proc/sys that belong together: several names of one setting, and settings that the
 * kernel changes when another is written. Found by experiment on Linux 6.1 and 6.18, and in the functions named below.
 */

/** Names of one setting that take the same text. The first is the canonical one. */
const ALIASES: readonly (readonly [RegExp, string])[] = [
  [/^net\/ipv4\/conf\/all\/forwarding$/, 'net/ipv4/ip_forward'],
  [/^net\/nf_conntrack_max$/, 'net/netfilter/nf_conntrack_max'],
];

/** Names of one setting in two units: the second number of a pair is the same setting as the first. */
const UNITS: readonly (readonly [directory: RegExp, name: string, other: string])[] = [
  [/^net\/ipv[46]\/neigh\/[^/]+$/, 'base_reachable_time', 'base_reachable_time_ms'],
  [/^net\/ipv[46]\/neigh\/[^/]+$/, 'retrans_time', 'retrans_time_ms'],
  [/^net\/ipv[46]\/neigh\/[^/]+$/, 'unres_qlen', 'unres_qlen_bytes'],
  [/^net\/ipv[46]\/route$/, 'gc_min_interval', 'gc_min_interval_ms'],
  [/^net\/mptcp$/, 'pm_type', 'path_manager'],
];

/** Settings of all IPv6 interfaces that a write to `all` sets on each of them (net/ipv6/addrconf.c). */
const IPV6_ALL = ['forwarding', 'force_forwarding', 'disable_ipv6', 'addr_gen_mode', 'ignore_routes_with_linkdown'];

/** A setting that the kernel changes when another is written. */
export interface Reset {
  readonly path: string;
  /** Returns the text that a write of `value` leaves there. */
  readonly left: (value: string) => string;
}

/** A setting, whichever of its names was given. */
export interface Knob {
  /** Canonical path: the same for all names of the setting. */
  readonly key: string;
  /** Paths with the texts of this setting: the canonical one, and those in other units. */
  readonly paths: readonly string[];
  /** True if `key` takes the same text as the name that was given. */
  readonly sameText: boolean;
  /** True if a write changes the settings of other names: {@link resetsOf}. */
  readonly resets: boolean;
}

/** Returns the setting that has this path below /proc/sys. */
export function knobOf(path: string): Knob {
  const alias = ALIASES.find(([name]) => name.test(path))?.[1] ?? path;
  const slash = alias.lastIndexOf('/');
  const directory = alias.slice(0, slash);
  const name = alias.slice(slash + 1);
  const pair = UNITS.find(([where, ...names]) => where.test(directory) && names.includes(name));
  const resets = resetsOf(alias, []).length > 0 || isFollowed(alias);
  if (!pair) return { key: alias, paths: [alias], sameText: true, resets };
  const [key, other] = pair.slice(1).map((each) => `${directory}/${each}`) as [string, string];
  return { key, paths: [key, other], sameText: alias === key, resets };
}

function isFollowed(path: string): boolean {
  return resetsOf(path, ['lo']).length > 0;
}

/** Returns the settings that the kernel changes when the canonical `key` is written, for these interfaces. */
export function resetsOf(key: string, interfaces: readonly string[]): readonly Reset[] {
  const same = (value: string): string => value;
  if (key === 'net/ipv4/ip_forward')
    // inet_forward_change in net/ipv4/devinet.c
    return [
      ...['default', ...interfaces].map((name) => ({ path: `net/ipv4/conf/${name}/forwarding`, left: same })),
      { path: 'net/ipv4/conf/all/accept_redirects', left: (value) => (Number(value) === 0 ? '1' : '0') },
    ];
  const [, family, kind, place, name = ''] = /^net\/(ipv[46])\/(conf|neigh)\/([^/]+)\/(.+)$/.exec(key) ?? [];
  const each = (names: readonly string[], setting = name, left = same): Reset[] =>
    names.map((one) => ({ path: `net/${family}/${kind}/${one}/${setting}`, left }));
  if (kind === 'neigh') return place === 'default' ? each(interfaces) : []; // neigh_copy_dflt_parms
  if (family === 'ipv4') return place === 'default' && name !== 'forwarding' ? each(interfaces) : []; // devinet_copy_dflt_conf
  if (place === 'all' && IPV6_ALL.includes(name)) return each(['default', ...interfaces]);
  if (name === 'stable_secret' && place !== undefined && place !== 'all')
    return each(place === 'default' ? interfaces : [place], 'addr_gen_mode', () => '2'); // addrconf_sysctl_stable_secret
  return [];
}

/** Returns true if the kernel changes the setting of this path when some other setting is written. */
export function isFollower(path: string): boolean {
  const [, family, kind, place = '', name] = /^net\/(ipv[46])\/(conf|neigh)\/([^/]+)\/(.+)$/.exec(path) ?? [];
  if (name === undefined) return false;
  const beside = (other: string, setting = name): string => `net/${family}/${kind}/${other}/${setting}`;
  const secrets = ['default', place].map((other) => beside(other, 'stable_secret'));
  const others = ['net/ipv4/ip_forward', beside('all'), beside('default'), ...secrets];
  const interfaces = place === 'all' || place === 'default' ? [] : [place];
  return others.some((key) => key !== path && resetsOf(key, interfaces).some((reset) => reset.path === path));
}
