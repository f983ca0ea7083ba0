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
  services(options?: CallOptions): Promise<readonly ServiceEntry[]>;
  /** Lists the servers of a service. ESRCH if the service does not exist. */
  servers(key: ServiceKey, options?: CallOptions): Promise<readonly ServerEntry[]>;
  table(options?: CallOptions): Promise<readonly IpvsTableEntry[]>;
  info(options?: CallOptions): Promise<Info>;
  timeouts(options?: CallOptions): Promise<Timeouts>;
  /** Sets the timeouts. 0 leaves one unchanged. */
  setTimeouts(timeouts: Timeouts, options?: CallOptions): Promise<void>;
  daemons(options?: CallOptions): Promise<readonly Daemon[]>;
  startDaemon(settings: DaemonSettings, options?: CallOptions): Promise<void>;
  stopDaemon(role: DaemonRole, options?: CallOptions): Promise<void>;
  connections(options?: CallOptions): AsyncGenerator<ConnectionEntry, void, void>;
  /** Reads files of /proc and /sys in this namespace. Returns the text of each, or an errno. */
  readFiles(paths: readonly string[], options?: CallOptions): Promise<readonly (string | number)[]>;
  writeFile(path: string, text: string, options?: CallOptions): Promise<void>;
  /** Closes the port. Requests under way fail with EBADF. */
  close(): Promise<void>;
}
