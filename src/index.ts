export type { ChangeResult, TableChange } from './ipvs/changes.js';
export type { ConnectionFilter } from './ipvs/connections.js';
export type { DaemonOptions } from './ipvs/daemon.js';
export { Ipvs, type IpvsOptions } from './ipvs/ipvs.js';
export { RealServer, type Tunnel, type UpdateOptions } from './ipvs/real-server.js';
export type {
  NewServerKey,
  ServerChanges,
  ServerOptions,
  ServerSelector,
  TunnelOptions,
} from './ipvs/server-options.js';
export type {
  NewServiceKey,
  PersistenceOptions,
  Scheduler,
  SchedulerFlag,
  ServiceChanges,
  ServiceOptions,
  ServiceSelector,
} from './ipvs/service-options.js';
export { type SysctlName, type Sysctls, sysctlNames } from './ipvs/sysctls.js';
export { type TableOptions, TableRow } from './ipvs/table.js';
export { tableHeading } from './ipvs/text.js';
export type { ProcessorTotals } from './ipvs/totals.js';
export { type Persistence, VirtualService } from './ipvs/virtual-service.js';
export {
  type ErrorRequest,
  IpvsError,
  type IpvsErrorCode,
  type IpvsErrorOptions,
  KernelFailure,
} from './kernel/errors.js';
export type { IpvsPort } from './kernel/ipvs/port.js';
export type {
  AddressServiceKey,
  Change,
  ConnectionEntry,
  Daemon,
  DaemonRole,
  DaemonSettings,
  Family,
  Forwarding,
  FwmarkServiceKey,
  Info,
  Protocol,
  ServerEntry,
  ServerKey,
  ServerSettings,
  ServiceEntry,
  ServiceKey,
  ServiceSettings,
  Statistics,
  TableEntry,
  Timeouts,
  TunnelChecksum,
  TunnelType,
} from './kernel/ipvs/types.js';
export { ServiceFlag } from './kernel/ipvs/types.js';
export type { CallOptions, Kernel, OpenOptions } from './kernel/kernel.js';
export { type NetworkNamespace, namespacePath } from './kernel/namespace.js';
