// What `conntrack` prints, taken apart, and the same fields of the library's flows.

import { protocolNumber } from '../../src/common/protocols.js';
import type { Flow, Tuple } from '../../src/index.js';
import { runIn } from './world.js';

/** Words of a line as they are; what it does not say is absent. */
export interface ToolFlow {
  /** `NEW`, `UPDATE`, `DESTROY` of an event. */
  type?: string;
  family: string;
  protocol: number;
  timeout?: number;
  state?: string;
  original: Record<string, string>;
  reply: Record<string, string>;
  flags: string[];
  mark?: number;
  zone?: number;
  use?: number;
  id?: number;
  labels?: string;
  helper?: string;
  /** To the second: `Sat Nov 21 12:43:51 2026`. */
  start?: string;
  stop?: string;
}

const tupleWords = ['src', 'dst', 'sport', 'dport', 'type', 'code', 'id', 'srckey', 'dstkey', 'packets', 'bytes'];
const numbers = ['mark', 'zone', 'use'] as const;

export function parseLine(text: string): ToolFlow {
  // Of protocols that it knows and the kernel does not (any more) it prints ports that were not sent.
  const line = text.replaceAll('sport=0 dport=0 ', '');
  const [start, stop] = ['start', 'stop'].map((name) => new RegExp(`\\[${name}=([^\\]]*)\\]`).exec(line)?.[1]?.trim());
  const words = line.replace(/\[(start|stop)=[^\]]*\]/g, '').match(/\S+/g) ?? [];
  const type = /^\[(NEW|UPDATE|DESTROY)\]$/.exec(words[0] ?? '')?.[1];
  if (type !== undefined) words.shift();
  const [family = '', , , protocol, ...rest] = words;
  const flow: ToolFlow = { family, protocol: Number(protocol), original: {}, reply: {}, flags: [] };
  if (type !== undefined) flow.type = type;
  if (start !== undefined) flow.start = start;
  if (stop !== undefined) flow.stop = stop;
  let tuple: Record<string, string> | undefined;
  for (const word of rest) {
    const [name = '', value] = word.split('=');
    if (value === undefined) {
      if (word === '[USERSPACE]') continue; // who did it
      if (word.startsWith('[')) flow.flags.push(word);
      else if (/^\d+$/.test(word)) flow.timeout = Number(word);
      else flow.state = word;
      continue;
    }
    if (name === 'src') tuple = tuple === undefined ? flow.original : flow.reply;
    if (tuple && tupleWords.includes(name) && !(name in tuple) && (name !== 'id' || 'type' in tuple)) {
      tuple[name] = value;
    } else if (name === 'zone-orig') flow.original.zone = value;
    else if (name === 'zone-reply') flow.reply.zone = value;
    else if (name === 'id') flow.id = Number(value);
    else if (name === 'labels') flow.labels = value;
    else if (name === 'helper') flow.helper = value;
    else if (name === 'mark' || name === 'zone' || name === 'use') flow[name] = Number(value);
    else if (!['delta-time', 'portid', 'progname'].includes(name)) throw new Error(`what is ${word} in: ${line}`);
  }
  return flow;
}

function tupleFields(tuple: Tuple, counters: { packets: bigint; bytes: bigint } | undefined): Record<string, string> {
  const { icmp, sourcePort, destinationPort, zone } = tuple;
  const gre = tuple.protocol === 'gre';
  return {
    src: tuple.source,
    dst: tuple.destination,
    ...(icmp && { type: `${icmp.type}`, code: `${icmp.code}`, id: `${icmp.id}` }),
    ...(sourcePort !== undefined && (gre ? { srckey: `0x${sourcePort.toString(16)}` } : { sport: `${sourcePort}` })),
    ...(destinationPort !== undefined &&
      (gre ? { dstkey: `0x${destinationPort.toString(16)}` } : { dport: `${destinationPort}` })),
    ...(counters && { packets: `${counters.packets}`, bytes: `${counters.bytes}` }),
    ...(zone !== undefined && { zone: `${zone}` }),
  };
}

/** As `date` prints it. */
function timeText(nanoseconds: bigint): string {
  const [, weekday = '', day = '', month, year, time] =
    /^(\w+), (\d+) (\w+) (\d+) (\S+)/.exec(new Date(Number(nanoseconds / 1_000_000n)).toUTCString()) ?? [];
  return `${weekday} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`;
}

/** A flow of the library's, as {@link parseLine} would have it. */
export function fieldsOf(flow: Flow, type?: string): ToolFlow {
  const flags = [];
  if (!flow.status.includes('seen-reply')) flags.push('[UNREPLIED]');
  if (flow.status.includes('assured')) flags.push('[ASSURED]');
  const labels = flow.labels?.map((label) => `label${label}`).join(',');
  return {
    ...(type !== undefined && { type: type.toUpperCase() }),
    family: flow.family,
    protocol: protocolNumber(flow.protocol),
    ...(flow.timeout !== undefined && { timeout: flow.timeout }),
    ...(flow.state !== undefined && { state: flow.state }),
    original: tupleFields(flow.original, flow.counters?.original),
    reply: tupleFields(flow.reply, flow.counters?.reply),
    flags,
    ...(flow.zone !== 0 && { zone: flow.zone }),
    ...Object.fromEntries(
      numbers.flatMap((name) => (flow[name] === undefined || name === 'zone' ? [] : [[name, flow[name]]])),
    ),
    ...(flow.id !== undefined && { id: flow.id }),
    ...(labels !== undefined && labels !== '' && { labels }),
    ...(flow.helper !== undefined && { helper: flow.helper }),
    ...(flow.started !== undefined && { start: timeText(flow.started) }),
    ...(flow.stopped !== undefined && { stop: timeText(flow.stopped) }),
  };
}

/** It prints labels only by names that it finds in a file. */
const naming = [
  'mount -t tmpfs labels /etc && mkdir /etc/xtables &&',
  'for i in $(seq 0 127); do echo "$i label$i"; done >/etc/xtables/connlabel.conf &&',
  'exec conntrack "$@"',
].join(' ');

export function toolCommand(...args: readonly string[]): string[] {
  return ['unshare', '--mount', 'sh', '-c', naming, 'sh', ...args];
}

export function conntrackTool(namespace: string, ...args: string[]): string {
  return runIn(namespace, toolCommand(...args));
}

export function toolLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** `conntrack -L`, by id. */
export function toolList(namespace: string, ...args: string[]): ToolFlow[] {
  const text = conntrackTool(namespace, '-L', '-o', 'extended,id,ktimestamp,labels', ...args);
  return sortFields(toolLines(text).map(parseLine));
}

export function sortFields(flows: readonly ToolFlow[]): ToolFlow[] {
  return flows.toSorted((a, b) => (a.id ?? 0) - (b.id ?? 0));
}

/** Without what differs between two readings. */
export function steady(flow: ToolFlow): Omit<ToolFlow, 'timeout' | 'use'> {
  const { timeout: _, use: __, ...rest } = flow;
  return rest;
}
