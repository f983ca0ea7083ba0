import type { Family } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { canonicalSysctlValue } from '../../common/sysctl-values.js';
import type { MemoryFiles } from '../files.js';
import type { NetworkState } from './state.js';

/** Initial settings of a new namespace: the value of `all`, and that of `default` if it differs. */
const initial: Readonly<Record<Family, Readonly<Record<string, number | readonly [number, number]>>>> = {
  ipv4: {
    accept_local: 0,
    accept_redirects: 1,
    accept_source_route: [0, 1],
    arp_accept: 0,
    arp_announce: 0,
    arp_evict_nocarrier: 1,
    arp_filter: 0,
    arp_ignore: 0,
    arp_notify: 0,
    bc_forwarding: 0,
    disable_policy: 0,
    disable_xfrm: 0,
    drop_gratuitous_arp: 0,
    forwarding: 0,
    ignore_routes_with_linkdown: 0,
    log_martians: 0,
    promote_secondaries: 0,
    proxy_arp: 0,
    proxy_arp_pvlan: 0,
    route_localnet: 0,
    rp_filter: 0,
    secure_redirects: 1,
    send_redirects: 1,
    shared_media: 1,
    src_valid_mark: 0,
  },
  ipv6: {
    accept_dad: [0, 1],
    accept_ra: 1,
    accept_redirects: 1,
    accept_source_route: 0,
    addr_gen_mode: 0,
    autoconf: 1,
    dad_transmits: 1,
    disable_ipv6: 0,
    disable_policy: 0,
    forwarding: 0,
    hop_limit: 64,
    ignore_routes_with_linkdown: 0,
    keep_addr_on_down: 0,
    ndisc_notify: 0,
    proxy_ndp: 0,
    use_tempaddr: 0,
  },
};

/** Initial settings of the namespace as a whole, below /proc/sys/net. */
const others: Readonly<Record<string, string>> = {
  'ipv4/fwmark_reflect': '0',
  'ipv4/ip_default_ttl': '64',
  'ipv4/ip_nonlocal_bind': '0',
  'ipv4/tcp_fwmark_accept': '0',
  'ipv4/tcp_tw_reuse': '2',
  'ipv6/fwmark_reflect': '0',
  'ipv6/ip_nonlocal_bind': '0',
  'core/somaxconn': '4096',
};

/** Normalises a list of ports, like proc_do_large_bitmap in kernel/sysctl.c; EINVAL if it is invalid. */
function ports(text: string): string | number {
  const written = text.replace(/\n$/, '');
  if (written === '') return '\n';
  if (!/^(0[0-7]*|0x[0-9a-f]+|[1-9]\d*)(-\d+)?(,(0[0-7]*|0x[0-9a-f]+|[1-9]\d*)(-\d+)?)*$/.test(written))
    return Errno.EINVAL;
  const list = canonicalSysctlValue(written);
  const ranges = list.split(',').map((range) => range.split('-').map(Number));
  const fine = ranges.every(([first = 0, last = first]) => first <= last && last <= 0xffff);
  return fine ? `${list}\n` : Errno.EINVAL;
}

const UNPRIVILEGED = '/proc/sys/net/ipv4/ip_unprivileged_port_start';
const LOCAL = '/proc/sys/net/ipv4/ip_local_port_range';

/** Adds the two settings of ports that bound each other, like net/ipv4/sysctl_net_ipv4.c. */
function definePorts(files: MemoryFiles): void {
  const numbers = (text: string): number[] | undefined => {
    const words = canonicalSysctlValue(text).split(' ');
    return words.every((word) => /^\d{1,5}$/.test(word) && Number(word) <= 0xffff) ? words.map(Number) : undefined;
  };
  files.set(UNPRIVILEGED, '1024\n', (text) => {
    const [first = 0, ...rest] = numbers(text) ?? [0, 0];
    return rest.length > 0 || files.number(LOCAL) < first ? Errno.EINVAL : `${first}\n`;
  });
  files.set(LOCAL, '32768\t60999\n', (text) => {
    const [first = 0, last = 0, ...rest] = numbers(text) ?? [];
    const fine = rest.length === 0 && first > 0 && first <= last && first >= files.number(UNPRIVILEGED);
    return fine ? `${first}\t${last}\n` : Errno.EINVAL;
  });
}

/** Settings that a write to `all` sets on every IPv6 interface (net/ipv6/addrconf.c). */
const ipv6All = ['forwarding', 'addr_gen_mode', 'ignore_routes_with_linkdown'];

/** The settings of interfaces: files that exist as long as their interface. */
export class MemorySysctls {
  readonly #core: NetworkState;
  readonly #files: MemoryFiles;
  readonly #values: Readonly<Record<Family, Map<string, Record<string, number>>>> = {
    ipv4: new Map(),
    ipv6: new Map(),
  };
  /** IPv4: settings that were written for an interface; the others follow `default` (devinet_copy_dflt_conf). */
  readonly #own = new Map<string, Set<string> | 'all'>();

  constructor(core: NetworkState, files: MemoryFiles) {
    this.#core = core;
    this.#files = files;
    for (const family of ['ipv4', 'ipv6'] as const) {
      const names = Object.entries(initial[family]);
      const values = (place: 0 | 1): Record<string, number> =>
        Object.fromEntries(names.map(([name, value]) => [name, typeof value === 'number' ? value : value[place]]));
      this.#define(family, 'all', values(0));
      this.#define(family, 'default', values(1));
    }
    for (const [path, text] of Object.entries(others)) files.set(`/proc/sys/net/${path}`, `${text}\n`);
    files.set('/proc/sys/net/ipv4/ip_local_reserved_ports', '\n', ports);
    definePorts(files);
    files.define('/proc/sys/net/ipv4/ip_forward', {
      read: () => `${this.get('ipv4', 'all', 'forwarding')}\n`,
      write: (text) => this.#write('ipv4', 'all', 'forwarding', text),
    });
  }

  /** Returns a setting of an interface; 0 if there is no such interface. */
  get(family: Family, name: string, setting: string): number {
    return this.#values[family].get(name)?.[setting] ?? 0;
  }

  /** Returns true if a setting is on, for the interface or for `all`. */
  either(family: Family, name: string, setting: string): boolean {
    return this.get(family, 'all', setting) !== 0 || this.get(family, name, setting) !== 0;
  }

  add(name: string): void {
    for (const family of ['ipv4', 'ipv6'] as const) {
      const values = { ...this.#values[family].get('default') };
      if (name === 'lo' && family === 'ipv4') Object.assign(values, { disable_policy: 1, disable_xfrm: 1 });
      if (name === 'lo' && family === 'ipv6') Object.assign(values, { accept_dad: -1, use_tempaddr: -1 });
      this.#define(family, name, values);
    }
  }

  delete(name: string): void {
    for (const family of ['ipv4', 'ipv6'] as const) {
      for (const setting of Object.keys(initial[family])) this.#files.delete(path(family, name, setting));
      this.#values[family].delete(name);
    }
    this.#own.delete(name);
  }

  rename(before: string, name: string): void {
    const kept = (['ipv4', 'ipv6'] as const).map((family) => [family, this.#values[family].get(before)] as const);
    const own = this.#own.get(before);
    this.delete(before);
    for (const [family, values] of kept) this.#define(family, name, values ?? {});
    if (own) this.#own.set(name, own);
  }

  /** Makes the settings of an interface independent of `default`, after its first address (ipv4_devconf_setall). */
  settle(name: string): void {
    this.#own.set(name, 'all');
  }

  #define(family: Family, name: string, values: Record<string, number>): void {
    this.#values[family].set(name, values);
    for (const setting of Object.keys(initial[family]))
      this.#files.define(path(family, name, setting), {
        read: () => `${this.get(family, name, setting)}\n`,
        write: (text) => this.#write(family, name, setting, text),
      });
  }

  #write(family: Family, name: string, setting: string, text: string): number {
    const written = text.trim();
    const number = Number(canonicalSysctlValue(written));
    if (
      !Number.isInteger(number) ||
      !/^-?(0[0-7]*|0x[0-9a-f]+|[1-9]\d*)$/i.test(written) ||
      number < -0x80000000 ||
      number > 0x7fffffff
    )
      return Errno.EINVAL;
    const before = this.get(family, name, setting);
    this.#set(family, name, setting, number);
    if (family === 'ipv4') {
      if (setting === 'forwarding') this.#forward4(name, before, number);
      else if (name === 'default') this.#follow(setting, number);
      else if (name !== 'all') this.#mark(name, setting);
    } else if (name === 'all' && ipv6All.includes(setting)) {
      for (const each of this.#values.ipv6.keys()) this.#set('ipv6', each, setting, number);
    } else if (setting === 'disable_ipv6' && name !== 'default') {
      const names = name === 'all' ? [...this.#values.ipv6.keys()] : [name];
      for (const each of names) {
        this.#set('ipv6', each, setting, number);
        const link = this.#core.links.named(each);
        if (link) this.#core.addresses.switchIPv6(link, number === 0);
      }
    }
    return 0;
  }

  #set(family: Family, name: string, setting: string, value: number): void {
    const values = this.#values[family].get(name);
    if (values) values[setting] = value;
  }

  /** Copies `forwarding` of `all` to all interfaces, and inverts `accept_redirects` of `all` (inet_forward_change). */
  #forward4(name: string, before: number, value: number): void {
    if (name !== 'all' || before === value) return;
    for (const each of this.#values.ipv4.keys()) this.#set('ipv4', each, 'forwarding', value);
    this.#set('ipv4', 'all', 'accept_redirects', value === 0 ? 1 : 0);
  }

  #follow(setting: string, value: number): void {
    for (const name of this.#values.ipv4.keys()) {
      const own = this.#own.get(name);
      if (name !== 'all' && own !== 'all' && !own?.has(setting)) this.#set('ipv4', name, setting, value);
    }
  }

  #mark(name: string, setting: string): void {
    const own = this.#own.get(name);
    if (own !== 'all') this.#own.set(name, (own ?? new Set<string>()).add(setting));
  }
}

function path(family: Family, name: string, setting: string): string {
  return `/proc/sys/net/${family}/conf/${name}/${setting}`;
}
