import type { CallOptions } from '../kernel.js';
import type {
  Change,
  ConnectionEntry,
  Daemon,
  DaemonRole,
  DaemonSettings,
  Info,
  ServerEntry,
  ServiceEntry,
  ServiceKey,
  TableEntry,
  Timeouts,
} from './types.js';

/** IPVS in one network namespace. */
export interface IpvsPort {
  /** One errno per change, 0 for success, in order. A failed change does not stop those behind it. */
  apply(changes: readonly Change[], options?: CallOptions): Promise<ArrayLike<number>>;
  /** ESRCH if there is none. */
  service(key: ServiceKey, options?: CallOptions): Promise<ServiceEntry>;
  services(options?: CallOptions): Promise<readonly ServiceEntry[]>;
  /** ESRCH if the service is not there. */
  servers(key: ServiceKey, options?: CallOptions): Promise<readonly ServerEntry[]>;
  table(options?: CallOptions): Promise<readonly TableEntry[]>;
  info(options?: CallOptions): Promise<Info>;
  timeouts(options?: CallOptions): Promise<Timeouts>;
  /** 0 leaves a timeout as it is. */
  setTimeouts(timeouts: Timeouts, options?: CallOptions): Promise<void>;
  daemons(options?: CallOptions): Promise<readonly Daemon[]>;
  startDaemon(settings: DaemonSettings, options?: CallOptions): Promise<void>;
  stopDaemon(role: DaemonRole, options?: CallOptions): Promise<void>;
  connections(options?: CallOptions): AsyncGenerator<ConnectionEntry, void, void>;
  /** Files of /proc and /sys as this namespace sees them: the text, or an errno. */
  readFiles(paths: readonly string[], options?: CallOptions): Promise<readonly (string | number)[]>;
  writeFile(path: string, text: string, options?: CallOptions): Promise<void>;
  /** Requests under way end with EBADF. */
  close(): Promise<void>;
}
