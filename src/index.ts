export { errorCodes } from './common/error-codes.js';
export { type ErrorRequest, IpvsError, type IpvsErrorCode, type IpvsErrorOptions } from './common/errors.js';
export type { Result } from './common/result.js';
export { Watch } from './common/watch.js';
export type { CreatedFlows } from './conntrack/changes.js';
export { Conntrack, type FlowCallOptions } from './conntrack/conntrack.js';
export type { ExpectationOptions, ExpectationSelector } from './conntrack/expectations.js';
export type { FlowFilter } from './conntrack/filter.js';
export type { GroupOptions } from './conntrack/flow-groups.js';
export type { ConntrackChange, FlowChanges, FlowOptions, LabelChanges, NatOptions } from './conntrack/flow-options.js';
export { FlowStream } from './conntrack/flow-stream.js';
export type { ConntrackOptions } from './conntrack/open.js';
export type { ConntrackSettings } from './conntrack/settings.js';
export type { StaleOptions } from './conntrack/stale.js';
export {
  type ConntrackStatisticName,
  type ConntrackStatistics,
  type ConntrackStatisticsChange,
  compareStatistics,
  type ExpectationStatistics,
  type ProcessorStatistics,
  sumStatistics,
} from './conntrack/statistics.js';
export type { FlowSelector, TupleOptions } from './conntrack/tuple.js';
export type { ConntrackUsage } from './conntrack/usage.js';
export { ConntrackWatch, type ConntrackWatchOptions } from './conntrack/watch.js';
export { ApplyError, ConflictError, type StepOutcome } from './desired/apply/apply-error.js';
export { applyDocument, DesiredState, planDocument } from './desired/desired-state.js';
export type { Difference } from './desired/difference.js';
export { CheckedDocument, type DocumentInput } from './desired/document/document.js';
export type { DrainPolicy } from './desired/document/drain-policy.js';
export type { DesiredAddress, DesiredDocument, DesiredService } from './desired/document/types.js';
export type {
  ApplyDocumentOptions,
  DesiredStateOptions,
  PlanDocumentOptions,
  WatchDocumentOptions,
} from './desired/document-options.js';
export type { DrainOptions, DrainProgress } from './desired/drain.js';
export { Plan } from './desired/plan/plan-view.js';
export { StateSnapshot } from './desired/plan/state-snapshot.js';
export type { Step } from './desired/plan/step.js';
export { Role, type RoleOptions } from './desired/role.js';
export type { DriftReport } from './desired/watch.js';
export type { IpvsTableChange } from './ipvs/changes.js';
export type { ConnectionFilter } from './ipvs/connections.js';
export type { DaemonOptions } from './ipvs/daemon.js';
export type { SettingDifference, SettingValue } from './ipvs/differences.js';
export { Ipvs, type IpvsOptions } from './ipvs/ipvs.js';
export { parseIpvsadm } from './ipvs/parse-ipvsadm.js';
export { RealServer, type ServerDrainOptions, type Tunnel, type UpdateOptions } from './ipvs/real-server.js';
export { formatIpvsadm, type SavedService, savedServices } from './ipvs/save.js';
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
  SchedulerFlag,
  SchedulerName,
  ServiceChanges,
  ServiceOptions,
  ServiceSelector,
} from './ipvs/service-options.js';
export type { HashTableStatus, IpvsStatus } from './ipvs/status.js';
export { type SysctlName, type Sysctls, sysctlNames } from './ipvs/sysctls.js';
export { type TableOptions, TableRow } from './ipvs/table.js';
export { tableHeading } from './ipvs/text.js';
export type { ProcessorTotals } from './ipvs/totals.js';
export { type Persistence, VirtualService } from './ipvs/virtual-service.js';
export type { CallOptions } from './kernel/call.js';
export type {
  ConntrackEvent,
  Counters,
  DccpDetails,
  Directions,
  Expectation,
  Flow,
  FlowGroup,
  FlowList,
  FlowProtocol,
  FlowStatus,
  GroupField,
  IcmpTuple,
  SequenceAdjustment,
  Synproxy,
  TcpDetails,
  Tuple,
} from './kernel/conntrack/types.js';
export type {
  AddressServiceKey,
  ConnectionEntry,
  Daemon,
  DaemonRole,
  Family,
  Forwarding,
  FwmarkServiceKey,
  Info,
  IpvsStatistics,
  Protocol,
  ServerKey,
  ServiceKey,
  Timeouts,
  TunnelChecksum,
  TunnelType,
} from './kernel/ipvs/types.js';
export type { NetworkNamespace } from './kernel/namespace.js';
export type {
  FwmarkHook,
  NftCounter,
  NftMarkBits,
  NftMatch,
  PortProtocol,
  PortRange,
} from './kernel/netfilter/types.js';
export type {
  ForwardingEntry,
  ForwardingState,
  InterfaceAddress,
  Link,
  LinkData,
  MacvlanMode,
  NamespaceEntry,
  Neighbour,
  NeighbourState,
  NetworkEvent,
  NetworkEventType,
  Nexthop,
  NumberRange,
  OperationalState,
  Route,
  RouteType,
  RoutingRule,
  RoutingRuleAction,
  Scope,
  UdpTunnel,
} from './kernel/network/types.js';
export type { NetfilterChange, NetfilterState } from './netfilter/changes.js';
export { describeDifference, type NetfilterDifference, type NetfilterObject } from './netfilter/differences.js';
export { Fwmark } from './netfilter/fwmark.js';
export type { FwmarkOptions, FwmarkRange, FwmarkSelector } from './netfilter/mark-options.js';
export type { PacketMatchOptions } from './netfilter/match.js';
export { Netfilter, type NetfilterOptions, type NetfilterRule } from './netfilter/netfilter.js';
export type { NetfilterRuleMatchOptions, NetfilterRuleOptions } from './netfilter/rule-options.js';
export type { NetfilterEvent } from './netfilter/watch.js';
export type { AddressOptions, AddressSelector } from './network/address-options.js';
export type { AnnounceOptions } from './network/announce.js';
export type { NetworkChange } from './network/changes.js';
export type { RoutingTable } from './network/checks.js';
export type { CommonLinkOptions, LinkChanges, LinkOptions, PeerOptions } from './network/link-options.js';
export { addNamespace, deleteNamespace, type NamespaceOptions, namespaces } from './network/namespaces.js';
export type {
  ForwardingEntryOptions,
  ForwardingEntrySelector,
  NeighbourOptions,
  NeighbourSelector,
} from './network/neighbour-options.js';
export { Network } from './network/network.js';
export type { NetworkOptions } from './network/open.js';
export type { AddressFilter, ForwardingEntryFilter, NeighbourFilter, RoutingRuleFilter } from './network/reads.js';
export type {
  NewRouteType,
  RouteFilter,
  RouteOptions,
  RouteSelector,
  RouteToOptions,
} from './network/route-options.js';
export type { RoutingRuleOptions, RoutingRuleSelector } from './network/rule-options.js';
export type { NetworkSysctl } from './network/sysctls.js';
export type { UdpTunnelOptions, UdpTunnelSelector } from './network/udp-tunnels.js';
export type { NetworkWatchOptions } from './network/watch.js';
export type { RoleDescription } from './roles/descriptions.js';
export type { DirectDirectorRole, DirectServer } from './roles/direct-director.js';
export type { IngressRole, IngressService } from './roles/ingress.js';
export type { NatDirectorRole } from './roles/nat-director.js';
export type { NodeRole, NodeServer, NodeService } from './roles/node.js';
export type { PublishedPort, ServiceWithServers } from './roles/parts.js';
export type { RealServerRole, RealServerTunnel } from './roles/real-server.js';
