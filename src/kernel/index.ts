/**
 * The contract between the library and a kernel, for programs that implement or wrap a {@link Kernel}. The types that
 * users of the library meet too, such as `Flow`, `Link` and `ServiceKey`, are exported by `ipvs`.
 */
export { KernelFailure } from '../common/errors.js';
export type { ConntrackPort, EventPort, FlowTotal } from './conntrack/port.js';
export type {
  AddressPrefix,
  EventSettings,
  ExpectationSettings,
  FilterSettings,
  FlowChange,
  FlowKey,
  FlowSettings,
  MaskedNumber,
  NatSettings,
  NewFlowKey,
  ProcessorCounters,
  TupleFilter,
} from './conntrack/requests.js';
export type { IpvsPort } from './ipvs/port.js';
export type {
  DaemonSettings,
  IpvsChange,
  IpvsTableEntry,
  ServerEntry,
  ServerSettings,
  ServiceEntry,
  ServiceSettings,
} from './ipvs/types.js';
export { ServiceFlag } from './ipvs/types.js';
export type { JournalPath, JournalPort, JournalText, OpenJournal, ReadJournals } from './journal.js';
export { MAX_JOURNAL } from './journal.js';
export type { Clock, Kernel, OpenOptions } from './kernel.js';
export { namespacePath } from './namespace.js';
export type { NftBatchChange } from './netfilter/changes.js';
export type { NftElementList } from './netfilter/elements.js';
export type { NetfilterPort, NftRulesetListener } from './netfilter/port.js';
export { NftChangeFailure } from './netfilter/port.js';
export type {
  NftAction,
  NftChainEntry,
  NftChainName,
  NftChainPurpose,
  NftChainRule,
  NftHook,
  NftMapElement,
  NftMapEntry,
  NftMapKey,
  NftMapName,
  NftMapShape,
  NftRule,
  NftRuleEntry,
  NftRulesetEvent,
  NftTableChange,
  NftTableEntry,
} from './netfilter/types.js';
export type { NamespacePort, NetworkEventPort, NetworkPort } from './network/port.js';
export type {
  AddressKey,
  AddressSettings,
  ForwardingSettings,
  LinkChange,
  LinkDetails,
  LinkSettings,
  NeighbourKey,
  NeighbourSettings,
  NetworkOperation,
  NexthopSettings,
  OperationOutcome,
  RouteQuery,
  RouteSettings,
  RoutingRuleSettings,
} from './network/types.js';
