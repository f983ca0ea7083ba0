import { checkInteger, show } from '../common/check.js';
import { didYouMean } from '../common/did-you-mean.js';
import { Errno } from '../common/errno.js';
import { invalid, KernelFailure } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import type { Context } from './context.js';
import { errorFor } from './errors.js';

const directory = '/proc/sys/net/ipv4/vs';

/**
 * The settings of IPVS in a namespace, `net.ipv4.vs.*` (Documentation/networking/ipvs-sysctl.rst).
 * The kernel version determines which of them exist.
 */
export interface Sysctls {
  /** Drop rate of `drop_packet` in mode 3: IPVS drops one of this many packets. Default: 10. */
  am_droprate: number;
  /** Free memory, in pages, below which the automatic modes (1 and 2) of the defences take effect. */
  amemthresh: number;
  /** True if IPVS schedules nothing while the backup daemon runs. */
  backup_only: boolean;
  /** True if IPVS forwards to the original destination when no server is available (transparent caches). */
  cache_bypass: boolean;
  /** Load factor of the connection table, as a power of two. Requires Linux 7.2. */
  conn_lfactor: number;
  /** Maximum number of connections. Requires Linux 7.2. */
  conn_max: number;
  /**
   * Scheduling of a new connection from a client port that is still known. 0 keeps the old server, so a server of
   * weight 0 may never lose its last connection. 1 schedules again if the old connection has ended (TIME_WAIT). 2 does
   * so in FIN_WAIT, too, the last state that direct routing shows. Use 1 from Linux 5.9.
   */
  conn_reuse_mode: number;
  /** True if connections of IPVS have conntrack entries. NAT rules for its traffic require them. */
  conntrack: boolean;
  /**
   * Mode of the defence that drops random connection entries: 0 never, 1 while memory is short, 3 always. The kernel
   * changes 1 to 2 while memory is short, and back.
   */
  drop_entry: number;
  /** Mode of the defence that drops packets, as for `drop_entry`. Mode 3 uses the rate of `am_droprate`. */
  drop_packet: number;
  /** Processors for the threads that compute rates, for example `0-3`; an empty list stops them. Requires Linux 6.2. */
  est_cpulist: string;
  /** Nice value of the threads that compute rates, -20 to 19. Requires Linux 6.2. */
  est_nice: number;
  /** True if IPVS ends a connection to a removed server at its next packet. Otherwise it drops the packets. */
  expire_nodest_conn: boolean;
  /** True if persistence ends when the server has weight 0. */
  expire_quiescent_template: boolean;
  /** True if IPVS ignores packets of unknown protocols, such as tunnelled ones. */
  ignore_tunneled: boolean;
  /** Seconds that the scheduler lblc keeps an unused destination. Exists while the scheduler is loaded. */
  lblc_expiration: number;
  /** Seconds that the scheduler lblcr keeps an unused destination. Exists while the scheduler is loaded. */
  lblcr_expiration: number;
  /** True if IPVS answers packets of NAT servers that belong to no connection with an ICMP error. */
  nat_icmp_send: boolean;
  /** True if IPVS rejects packets above the path MTU with DF set; false fragments them for tunnels. */
  pmtu_disc: boolean;
  /** True if IPVS updates counters and rates. Otherwise they freeze. */
  run_estimation: boolean;
  /** True if IPVS schedules ICMP packets. */
  schedule_icmp: boolean;
  /** Mode of the defence that shortens TCP timeouts, 0 to 3 as for `drop_entry`. */
  secure_tcp: number;
  /** True if IPVS accepts SCTP connections without their first packets (failover of a director). */
  sloppy_sctp: boolean;
  /** True if IPVS accepts TCP connections without their first packets (failover of a director). */
  sloppy_tcp: boolean;
  /** True if IPVS looks up the route of replies again after NAT. */
  snat_reroute: boolean;
  /** Load factor of the service table, as a power of two. Requires Linux 7.2. */
  svc_lfactor: number;
  /** 1: synchronises only the templates of persistent services. 0: synchronises all their connections. */
  sync_persist_mode: number;
  /** Number of threads and UDP ports that synchronise; a power of two. */
  sync_ports: number;
  /** Maximum number of synchronisation messages in the send queue. */
  sync_qlen_max: number;
  /** Minimum time between two messages about an unchanged connection, in seconds; 0 for no minimum. */
  sync_refresh_period: number;
  /** Number of times that a message is repeated, 0 to 3, every eighth of `sync_refresh_period`. */
  sync_retries: number;
  /** Buffer size of the daemon's socket, in bytes; 0 for the system's default. */
  sync_sock_size: number;
  /** Number of packets before the first synchronisation of a connection, and between later ones. */
  sync_threshold: readonly [number, number];
  /** Version of the protocol: 1, or 0 for receivers before Linux 2.6.39. */
  sync_version: number;
}

/** Name of a setting below `net.ipv4.vs`, such as `conntrack`. */
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

/** Names of all settings that the library knows, of Linux 6.1 to 7.2. */
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

/** Returns the text to write for a value. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function formatSysctl(name: SysctlName, value: unknown): string {
  checkName(name);
  const integer = (number: unknown): number => checkInteger(name, number, -0x80000000, 0x7fffffff);
  switch (kinds[name]) {
    case 'boolean':
      if (typeof value === 'boolean') return value ? '1' : '0';
      throw invalid(`${name} must be true or false, not ${show(value)}`);
    case 'integer':
      return String(integer(value));
    case 'pair':
      if (Array.isArray(value) && value.length === 2) return Array.from(value, integer).join(' ');
      throw invalid(`${name} must be a pair of integers, not ${show(value)}`);
    case 'text':
      // bitmap_parselist in lib/bitmap-str.c
      if (typeof value === 'string' && /^(?:all(?::\d+\/\d+)?|[0-9N,:/-]*)$/.test(value)) return `${value}\n`;
      throw invalid(`${name} must be "all" or a list of processors such as 0-3,5 or 0-N:1/2, not ${show(value)}`);
  }
}

function checkName(name: unknown): asserts name is SysctlName {
  if (typeof name === 'string' && Object.hasOwn(kinds, name)) return;
  throw invalid(
    `net.ipv4.vs has no sysctl ${show(name)}; it has ${sysctlNames.join(', ')}${typeof name === 'string' ? didYouMean(name, sysctlNames) : ''}`,
  );
}

export async function readSysctls(context: Context, options?: CallOptions): Promise<Partial<Sysctls>> {
  const paths = sysctlNames.map((name) => `${directory}/${name}`);
  const texts = await context.ask({ command: 'READ_FILE', action: 'read', object: directory, options }, () =>
    context.port.readFiles(paths, options),
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
  const [text] = await context.ask({ command: 'READ_FILE', action: 'read', object: path, options }, () =>
    context.port.readFiles([path], options),
  );
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
  await context.ask({ command: 'WRITE_FILE', action: 'write', object: path, options }, () =>
    context.port.writeFile(path, text, options),
  );
}

/** Reads a file that every kernel with IPVS has. @internal */
export async function readFile(context: Context, path: string, options?: CallOptions): Promise<string> {
  return context.ask({ command: 'READ_FILE', action: 'read', object: path, options }, async () => {
    const [text] = await context.port.readFiles([path], options);
    if (typeof text === 'string') return text;
    throw new KernelFailure(text ?? Errno.EIO, 'open');
  });
}
