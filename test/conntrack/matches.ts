// A filter of flows as its documentation has it, worked out in the plainest way.
import { BlockList } from 'node:net';
import { protocolNumber } from '../../src/common/protocols.js';
import type { Flow, FlowFilter, Tuple } from '../../src/index.js';

function within(range: string | undefined, address: string, family: 'ipv4' | 'ipv6'): boolean {
  if (range === undefined) return true;
  const [network = '', length] = range.split('/');
  const other = network.includes(':') ? 'ipv6' : 'ipv4';
  if (other !== family) return false;
  if (length === '0') return true;
  const list = new BlockList();
  if (length === undefined) list.addAddress(network, family);
  else list.addSubnet(network, Number(length), family);
  return list.check(address, family);
}

function same<T>(wanted: T | undefined, value: T | undefined): boolean {
  return wanted === undefined || wanted === value;
}

function tupleMatches(
  tuple: Tuple,
  [source, destination]: readonly [string | undefined, string | undefined],
  [sourcePort, destinationPort]: readonly [number | undefined, number | undefined],
): boolean {
  return (
    within(source, tuple.source, tuple.family) &&
    within(destination, tuple.destination, tuple.family) &&
    same(sourcePort, tuple.sourcePort) &&
    same(destinationPort, tuple.destinationPort)
  );
}

export function matches(filter: FlowFilter, flow: Flow): boolean {
  const { mark, markMask = 0xffffffff, status = [], notStatus = [] } = filter;
  return (
    same(filter.family, flow.family) &&
    (filter.protocol === undefined || protocolNumber(filter.protocol) === protocolNumber(flow.protocol)) &&
    tupleMatches(flow.original, [filter.source, filter.destination], [filter.sourcePort, filter.destinationPort]) &&
    tupleMatches(
      flow.reply,
      [filter.replySource, filter.replyDestination],
      [filter.replySourcePort, filter.replyDestinationPort],
    ) &&
    (mark === undefined || (((flow.mark ?? 0) ^ mark) & markMask) === 0) &&
    same(filter.zone, flow.zone) &&
    status.every((name) => flow.status.includes(name)) &&
    !notStatus.some((name) => flow.status.includes(name)) &&
    same(filter.state?.toUpperCase(), flow.state)
  );
}
