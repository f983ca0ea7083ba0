import type { CallOptions } from '../call.js';
import type {
  ConnectionEntry,
  Daemon,
  DaemonRole,
  DaemonSettings,
  Info,
  IpvsChange,
  IpvsTableEntry,
  ServerEntry,
  ServiceEntry,
  ServiceKey,
  Timeouts,
} from './types.js';

/** IPVS in one network namespace. */
export interface IpvsPort {
  /** Returns one errno per change, 0 for success, in order. A failed change does not stop the later ones. */
  apply(changes: readonly IpvsChange[], options?: CallOptions): Promise<ArrayLike<number>>;
  /** Reads one service. ESRCH if it does not exist. */
  service(key: ServiceKey, options?: CallOptions): Promise<ServiceEntry>;
  /** Lists the services, in the kernel's order. Some may be missing while the table changes. */
  services(options?: CallOptions): Promise<readonly ServiceEntry[]>;
  /** Lists the servers of a service. ESRCH if the service does not exist. */
  servers(key: ServiceKey, options?: CallOptions): Promise<readonly ServerEntry[]>;
  /** Lists the services with their servers. Not atomic: the kernel sends it in several messages. */
  table(options?: CallOptions): Promise<readonly IpvsTableEntry[]>;
  /** Reads the version of IPVS and the size of its connection table. */
  info(options?: CallOptions): Promise<Info>;
  /** Reads the timeouts, in seconds. */
  timeouts(options?: CallOptions): Promise<Timeouts>;
  /** Sets the timeouts. 0 leaves one unchanged. */
  setTimeouts(timeouts: Timeouts, options?: CallOptions): Promise<void>;
  /** Lists the running daemons: at most one of each role. */
  daemons(options?: CallOptions): Promise<readonly Daemon[]>;
  /** Starts a daemon. EEXIST if one of its role runs, ENODEV without the interface, EINVAL for a bad group. */
  startDaemon(settings: DaemonSettings, options?: CallOptions): Promise<void>;
  /** Stops a daemon. ESRCH if none of the role runs. */
  stopDaemon(role: DaemonRole, options?: CallOptions): Promise<void>;
  /** Reads /proc/net/ip_vs_conn in parts. Ending the generator closes the file. */
  connections(options?: CallOptions): AsyncGenerator<ConnectionEntry, void, void>;
  /** Reads files of /proc and /sys in this namespace. Returns the text of each, or an errno. */
  readFiles(paths: readonly string[], options?: CallOptions): Promise<readonly (string | number)[]>;
  /** Writes a file of /proc/sys in this namespace. ENOENT, EACCES, EROFS or EINVAL as write(2) returns them. */
  writeFile(path: string, text: string, options?: CallOptions): Promise<void>;
  /** Closes the port. Requests under way fail with EBADF. */
  close(): Promise<void>;
}
