import { checkInteger, show } from '../kernel/check.js';
import { Errno } from '../kernel/errno.js';
import { invalid, KernelFailure } from '../kernel/errors.js';
import type { CallOptions } from '../kernel/kernel.js';
import type { Context } from './context.js';
import { errorFor } from './errors.js';

const directory = '/proc/sys/net/ipv4/vs';

/**
 * The settings of IPVS in a namespace, `net.ipv4.vs.*` (Documentation/networking/ipvs-sysctl.rst).
 * Which of them there are depends on the kernel.
 */
export interface Sysctls {
  /** Percent of memory pressure at which defence strategies 1 and 2 work, and how they drop. */
  am_droprate: number;
  /** Free memory, in pages, below which the automatic defences begin. */
  amemthresh: number;
  /** Do not schedule while the backup daemon runs. */
  backup_only: boolean;
  /** Send to the original destination when no server is there (transparent caches). */
  cache_bypass: boolean;
  /** Load factor of the connection table, as a power of two; from 7.2. */
  conn_lfactor: number;
  /** The most connections; from 7.2. */
  conn_max: number;
  /**
   * What a new connection from a known port gets: 0 the old server (then a server of weight 0 may
   * never empty), 1 another one, 2 only if the old one is quiescing. From 5.9 use 1.
   */
  conn_reuse_mode: number;
  /** Keep conntrack entries for connections of IPVS: what NAT rules on its traffic need. */
  conntrack: boolean;
  /** 0 never, 1 when memory is short, 2 then and always after, 3 always: drop connection entries. */
  drop_entry: number;
  /** As drop_entry: drop packets at the rate of am_droprate. */
  drop_packet: number;
  /** Processors that keep rates, as `0-3`; empty for all; from 6.2. */
  est_cpulist: string;
  /** The nice value of the threads that keep rates; from 6.2. */
  est_nice: number;
  /** Cut a connection when its server was removed, instead of dropping its packets until it expires. */
  expire_nodest_conn: boolean;
  /** Forget persistence when the server has weight 0. */
  expire_quiescent_template: boolean;
  /** Leave tunnelled packets alone. */
  ignore_tunneled: boolean;
  /** Seconds that the scheduler lblc remembers an unused destination; there once it is loaded. */
  lblc_expiration: number;
  /** The same of lblcr. */
  lblcr_expiration: number;
  /** Send ICMP errors to servers reached by NAT. */
  nat_icmp_send: boolean;
  /** Path MTU discovery for tunnels. */
  pmtu_disc: boolean;
  /** Keep counters and rates; off, they freeze. */
  run_estimation: boolean;
  /** Schedule ICMP packets. */
  schedule_icmp: boolean;
  /** 0 to 3 as drop_entry: shorter timeouts under attack. */
  secure_tcp: number;
  /** Let SCTP connections begin in the middle (failover of a director). */
  sloppy_sctp: boolean;
  /** Let TCP connections begin in the middle (failover of a director). */
  sloppy_tcp: boolean;
  /** Look up the route of replies again after NAT. */
  snat_reroute: boolean;
  /** Load factor of the service table, as a power of two; from 7.2. */
  svc_lfactor: number;
  /** Synchronise persistence less often. */
  sync_persist_mode: number;
  /** How many threads synchronise; a power of two. */
  sync_ports: number;
  /** The most messages that wait to be sent. */
  sync_qlen_max: number;
  /** Seconds between two messages of one connection. */
  sync_refresh_period: number;
  sync_retries: number;
  /** Of the daemon's socket, in bytes; 0 for the system's. */
  sync_sock_size: number;
  /** Packets until a connection is first synchronised, and packets between two more times. */
  sync_threshold: readonly [number, number];
  /** 1 as of 2.6.39 and later, 0 older. */
  sync_version: number;
}

export type SysctlName = keyof Sysctls;

type Kind = 'boolean' | 'integer' | 'pair' | 'text';

const kinds: Readonly<Record<SysctlName, Kind>> = {
  am_droprate: 'integer',
  amemthresh: 'integer',
  backup_only: 'boolean',
  cache_bypass: 'boolean',
  conn_lfactor: 'integer',
  conn_max: 'integer',
  conn_reuse_mode: 'integer',
  conntrack: 'boolean',
  drop_entry: 'integer',
  drop_packet: 'integer',
  est_cpulist: 'text',
  est_nice: 'integer',
  expire_nodest_conn: 'boolean',
  expire_quiescent_template: 'boolean',
  ignore_tunneled: 'boolean',
  lblc_expiration: 'integer',
  lblcr_expiration: 'integer',
  nat_icmp_send: 'boolean',
  pmtu_disc: 'boolean',
  run_estimation: 'boolean',
  schedule_icmp: 'boolean',
  secure_tcp: 'integer',
  sloppy_sctp: 'boolean',
  sloppy_tcp: 'boolean',
  snat_reroute: 'boolean',
  svc_lfactor: 'integer',
  sync_persist_mode: 'integer',
  sync_ports: 'integer',
  sync_qlen_max: 'integer',
  sync_refresh_period: 'integer',
  sync_retries: 'integer',
  sync_sock_size: 'integer',
  sync_threshold: 'pair',
  sync_version: 'integer',
};

export const sysctlNames = Object.keys(kinds) as readonly SysctlName[];

export function parseSysctl(name: SysctlName, text: string): boolean | number | string | readonly number[] {
  const trimmed = text.trim();
  switch (kinds[name]) {
    case 'boolean':
      return trimmed !== '0';
    case 'integer':
      return Number(trimmed);
    case 'pair':
      return trimmed.split(/\s+/).map(Number);
    case 'text':
      return trimmed;
  }
}

/** What is to be written. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function formatSysctl(name: SysctlName, value: unknown): string {
  checkName(name);
  const integer = (number: unknown): number => checkInteger(name, number, -0x80000000, 0x7fffffff);
  switch (kinds[name]) {
    case 'boolean':
      if (typeof value === 'boolean') return value ? '1' : '0';
      throw invalid(`${name} is true or false, not ${show(value)}`);
    case 'integer':
      return String(integer(value));
    case 'pair':
      if (Array.isArray(value) && value.length === 2) return Array.from(value, integer).join(' ');
      throw invalid(`${name} is a pair of integers, not ${show(value)}`);
    case 'text':
      if (typeof value === 'string' && /^[0-9,-]*$/.test(value)) return `${value}\n`;
      throw invalid(`${name} is a list of processors such as 0-3,5, not ${show(value)}`);
  }
}

function checkName(name: unknown): asserts name is SysctlName {
  if (typeof name === 'string' && Object.hasOwn(kinds, name)) return;
  throw invalid(`net.ipv4.vs has no ${show(name)}; there are ${sysctlNames.join(', ')}`);
}

export async function readSysctls(context: Context, options?: CallOptions): Promise<Partial<Sysctls>> {
  const paths = sysctlNames.map((name) => `${directory}/${name}`);
  const texts = await context.ask(
    'READ_FILE',
    'read',
    directory,
    () => context.port.readFiles(paths, options),
    options,
  );
  const present = sysctlNames.flatMap((name, index) => {
    const text = texts[index];
    return typeof text === 'string' ? [[name, parseSysctl(name, text)] as const] : [];
  });
  return Object.fromEntries(present) as Partial<Sysctls>;
}

export async function readSysctl<N extends SysctlName>(
  context: Context,
  name: N,
  options?: CallOptions,
): Promise<Sysctls[N]> {
  checkName(name);
  const path = `${directory}/${name}`;
  const [text] = await context.ask('READ_FILE', 'read', path, () => context.port.readFiles([path], options), options);
  if (typeof text === 'string') return parseSysctl(name, text) as Sysctls[N];
  throw errorFor({ command: 'READ_FILE', action: 'read', object: path }, text ?? Errno.EIO);
}

export async function writeSysctl<N extends SysctlName>(
  context: Context,
  name: N,
  value: Sysctls[N],
  options?: CallOptions,
): Promise<void> {
  const text = formatSysctl(name, value);
  const path = `${directory}/${name}`;
  await context.ask('WRITE_FILE', 'write', path, () => context.port.writeFile(path, text, options), options);
}

/** For files that are there on every kernel with IPVS. @internal */
export async function readFile(context: Context, path: string, options?: CallOptions): Promise<string> {
  return context.ask(
    'READ_FILE',
    'read',
    path,
    async () => {
      const [text] = await context.port.readFiles([path], options);
      if (typeof text === 'string') return text;
      throw new KernelFailure(text ?? Errno.EIO, 'open');
    },
    options,
  );
}
