export type { FlowResult } from './conntrack/changes.js';
export {
  Conntrack,
  type ConntrackOptions,
  type FlowCallOptions,
  type GroupOptions,
  type Usage,
} from './conntrack/conntrack.js';
export { type EventOptions, EventStream } from './conntrack/events.js';
export type { ExpectationOptions, ExpectationSelector } from './conntrack/expectations.js';
export type { FlowFilter } from './conntrack/filter.js';
export type { FlowChanges, FlowOperation, FlowOptions, LabelChanges, NatOptions } from './conntrack/flow-options.js';
export { FlowStream } from './conntrack/flow-stream.js';
export type { ConntrackSettings } from './conntrack/settings.js';
export type { StaleOptions } from './conntrack/stale.js';
export {
  compareStatistics,
  type ExpectationStatistics,
  type ProcessorStatistics,
  type StatisticName,
  type Statistics as ConntrackStatistics,
  type StatisticsChange,
  sumStatistics,
} from './conntrack/statistics.js';
export type { FlowSelector, TupleOptions } from './conntrack/tuple.js';
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
export type { ConntrackPort, EventPort } from './kernel/conntrack/port.js';
export type * from './kernel/conntrack/types.js';
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
export type { NetfilterPort, RulesetListener } from './kernel/netfilter/port.js';
export type {
  Action,
  ChainEntry,
  ChainName,
  ChainPurpose,
  ChainRule,
  Counter,
  Hook,
  MapElement,
  MapEntry,
  MapKey,
  MapName,
  MapShape,
  MarkBits,
  MarkHook,
  Match,
  PortProtocol,
  PortRange,
  Rule,
  RuleEntry,
  RulesetEvent,
  TableChange as NetfilterTableChange,
  TableEntry as NetfilterTableEntry,
} from './kernel/netfilter/types.js';
export type { NetfilterChange, NetfilterState } from './netfilter/changes.js';
export type { Difference } from './netfilter/differences.js';
export { Fwmark } from './netfilter/fwmark.js';
export type { FwmarkOptions, FwmarkSelector, MarkRange } from './netfilter/mark-options.js';
export type { MatchOptions } from './netfilter/match.js';
export { Netfilter, type NetfilterOptions, type NetfilterRule } from './netfilter/netfilter.js';
export type { RuleMatchOptions, RuleOptions } from './netfilter/rule-options.js';
export { type NetfilterEvent, NetfilterWatch } from './netfilter/watch.js';
