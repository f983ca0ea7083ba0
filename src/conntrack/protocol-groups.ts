import type { FlowKey, FlowSettings } from '../kernel/conntrack/requests.js';
import type { Flow, FlowProtocol } from '../kernel/conntrack/types.js';
import { stateNumber } from '../kernel/conntrack/vocabulary.js';

/**
 * The protocol groups that the kernel stores as a whole, and rejects with EINVAL when a member is
 * absent (nlattr_to_sctp and nlattr_to_dccp). All other groups of ctnetlink are patches:
 * nlattr_to_tcp keeps absent members, and each direction of a sequence adjustment is written separately.
 */
const groups: ReadonlyMap<FlowProtocol, 'sctp' | 'dccp'> = new Map([
  ['sctp', 'sctp'],
  ['dccp', 'dccp'],
]);

function groupOf({ original, reply }: FlowKey): 'sctp' | 'dccp' | undefined {
  const protocol = (original ?? reply)?.protocol;
  return protocol === undefined ? undefined : groups.get(protocol);
}

/** Returns true if an update names one member of a group and not the other. */
export function isPartOfGroup(key: FlowKey, settings: FlowSettings): boolean {
  const group = groupOf(key);
  return group !== undefined && (settings.state === undefined) !== (settings[group] === undefined);
}

/** Returns the members of a group that an update leaves out, with the flow's values. */
export function wholeGroup(flow: Flow, settings: FlowSettings): FlowSettings {
  if (!isPartOfGroup(flow, settings)) return {};
  const group = groupOf(flow);
  // A kernel that does not track the protocol reports neither member and ignores both.
  if (group === undefined || flow.state === undefined || flow[group] === undefined) return {};
  return settings.state === undefined ? { state: stateNumber(flow.protocol, flow.state) } : { [group]: flow[group] };
}
