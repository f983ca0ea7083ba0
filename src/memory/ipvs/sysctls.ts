import { Errno } from '../../common/errno.js';
import { integers, type MemoryFiles } from '../files.js';

const directory = '/proc/sys/net/ipv4/vs';

/** Sysctls with any integer, with the kernel's defaults (ip_vs_control_net_init_sysctl in ip_vs_ctl.c). */
const plain: Readonly<Record<string, number>> = {
  am_droprate: 10,
  amemthresh: 1024,
  backup_only: 0,
  cache_bypass: 0,
  conn_reuse_mode: 1,
  conntrack: 0,
  est_nice: 0,
  expire_nodest_conn: 0,
  expire_quiescent_template: 0,
  ignore_tunneled: 0,
  nat_icmp_send: 0,
  pmtu_disc: 1,
  schedule_icmp: 0,
  sloppy_sctp: 0,
  sloppy_tcp: 0,
  snat_reroute: 1,
  sync_persist_mode: 0,
  sync_qlen_max: 16384,
  sync_refresh_period: 0,
  sync_sock_size: 0,
};

export type MemorySysctl =
  | 'conn_reuse_mode'
  | 'conntrack'
  | 'expire_nodest_conn'
  | 'expire_quiescent_template'
  | 'run_estimation'
  | 'sloppy_tcp';

/** Adds the files `net.ipv4.vs.*` of a namespace, with their defaults. */
export function setIpvsSysctls(files: MemoryFiles): void {
  for (const [name, value] of Object.entries(plain)) files.set(`${directory}/${name}`, `${value}\n`, integers());
  for (const name of ['drop_entry', 'drop_packet', 'secure_tcp'])
    files.set(`${directory}/${name}`, '0\n', integers(1, 0, 3));
  files.set(`${directory}/run_estimation`, '1\n', integers(1, 0, 1));
  files.set(`${directory}/sync_retries`, '0\n', integers(1, 0, 3));
  files.set(`${directory}/sync_version`, '1\n', integers(1, 0, 1));
  // All processors, of which this machine has one.
  files.set(`${directory}/est_cpulist`, '0\n', (text) => {
    const list = text.trim();
    if (list === 'all' || list === '0-N') return '0\n';
    return /^(\d+(-\d+)?(,\d+(-\d+)?)*)?$/.test(list) ? `${list}\n` : Errno.EINVAL;
  });
  files.set(`${directory}/sync_ports`, '1\n', (text) => {
    const accepted = integers(1, 1)(text);
    if (typeof accepted === 'number') return accepted;
    const ports = Number(accepted);
    return (ports & (ports - 1)) === 0 ? accepted : Errno.EINVAL;
  });
  files.set(`${directory}/sync_threshold`, '3\t50\n', (text) => {
    const accepted = integers(2, 0)(text);
    if (typeof accepted === 'number') return accepted;
    const [first = 0, period = 0] = accepted.split('\t').map(Number);
    return first >= period && period !== 0 ? Errno.EINVAL : accepted;
  });
}

export function ipvsSysctl(files: MemoryFiles, name: MemorySysctl): number {
  return files.number(`${directory}/${name}`);
}
