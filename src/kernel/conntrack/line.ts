import { formatEndpoint } from '../../common/address.js';
import { protocolNumber } from '../../common/protocols.js';
import type { FlowKey } from './requests.js';
import type { Counters, Flow, Tuple } from './types.js';

/** Formats a flow as `conntrack -L -o extended,id,labels` does. */
export function flowLine(flow: Flow): string {
  const assured = flow.status.includes('assured');
  const offload = flow.status.includes('hardware-offload')
    ? '[HW_OFFLOAD]'
    : flow.status.includes('offload')
      ? '[OFFLOAD]'
      : assured && '[ASSURED]';
  const words = [
    `${flow.family.padEnd(8)} ${flow.family === 'ipv6' ? 10 : 2}`,
    `${protocolWord(flow).padEnd(8)} ${protocolNumber(flow.protocol)}`,
    flow.timeout,
    flow.state,
    ...tupleWords(flow.original),
    flow.original.zone !== undefined && `zone-orig=${flow.original.zone}`,
    ...counterWords(flow.counters?.original),
    !flow.status.includes('seen-reply') && '[UNREPLIED]',
    ...tupleWords(flow.reply),
    flow.reply.zone !== undefined && `zone-reply=${flow.reply.zone}`,
    ...counterWords(flow.counters?.reply),
    offload,
    flow.mark !== undefined && `mark=${flow.mark}`,
    flow.securityContext !== undefined && `secctx=${flow.securityContext}`,
    flow.zone !== 0 && `zone=${flow.zone}`,
    flow.helper !== undefined && `helper=${flow.helper}`,
    flow.use !== undefined && `use=${flow.use}`,
    flow.id !== undefined && `id=${flow.id}`,
    flow.labels !== undefined && flow.labels.length > 0 && `labels=${flow.labels.join(',')}`,
  ];
  return words.filter((word) => word !== undefined && word !== false).join(' ');
}

function protocolWord(flow: Flow): string {
  return typeof flow.protocol === 'number' ? 'unknown' : flow.protocol;
}

function tupleWords(tuple: Tuple): string[] {
  const words = [`src=${tuple.source}`, `dst=${tuple.destination}`];
  const { icmp, sourcePort, destinationPort } = tuple;
  if (icmp) words.push(`type=${icmp.type}`, `code=${icmp.code}`, `id=${icmp.id}`);
  if (sourcePort === undefined || destinationPort === undefined) return words;
  if (tuple.protocol !== 'gre') return [...words, `sport=${sourcePort}`, `dport=${destinationPort}`];
  return [...words, `srckey=0x${sourcePort.toString(16)}`, `dstkey=0x${destinationPort.toString(16)}`];
}

function counterWords(counters: Counters | undefined): string[] {
  return counters ? [`packets=${counters.packets}`, `bytes=${counters.bytes}`] : [];
}

/** Formats a tuple, for example `tcp 10.0.0.1:40000 -> 10.0.0.2:80`. */
export function describeTuple(tuple: Tuple): string {
  const { source, destination, sourcePort, destinationPort, protocol } = tuple;
  const name = typeof protocol === 'number' ? `protocol ${protocol}` : protocol;
  if (sourcePort === undefined || destinationPort === undefined) return `${name} ${source} -> ${destination}`;
  return `${name} ${formatEndpoint(source, sourcePort)} -> ${formatEndpoint(destination, destinationPort)}`;
}

/** Formats the key of a flow, for example `tcp 10.0.0.1:40000 -> 10.0.0.2:80 in zone 3`. */
export function describeFlow(key: FlowKey): string {
  const zone = key.zone ? ` in zone ${key.zone}` : '';
  if (key.original) return `${describeTuple(key.original)}${zone}`;
  return key.reply ? `${describeTuple(key.reply)} (reply)${zone}` : 'a flow';
}
