import { familyOf, writeAddress } from '../../common/address.js';
import { withJson } from '../../common/json.js';
import type { FilterSettings, TupleFilter } from '../../kernel/conntrack/requests.js';
import type { Flow, FlowGroup, GroupField, Tuple } from '../../kernel/conntrack/types.js';
import { statesOf } from '../../kernel/conntrack/vocabulary.js';

type Test<T> = (value: T) => boolean;

function bytesOf(address: string): Uint8Array {
  const bytes = new Uint8Array(16);
  writeAddress(bytes, 0, address, familyOf(address) ?? 'ipv4');
  return bytes;
}

function addressTest({ address, prefix }: { readonly address: string; readonly prefix: number }): Test<string> {
  const family = familyOf(address);
  if (prefix === (family === 'ipv4' ? 32 : 128)) return (other) => other === address;
  const wanted = bytesOf(address);
  return (other) => {
    if (familyOf(other) !== family) return false;
    const bytes = bytesOf(other);
    for (let i = 0; i * 8 < prefix; i++) {
      const mask = prefix >= i * 8 + 8 ? 0xff : (0xff00 >> (prefix - i * 8)) & 0xff;
      if ((((bytes[i] ?? 0) ^ (wanted[i] ?? 0)) & mask) !== 0) return false;
    }
    return true;
  };
}

function tupleTests({ source, destination, sourcePort, destinationPort }: TupleFilter): Test<Tuple>[] {
  const tests: Test<Tuple>[] = [];
  if (source) {
    const test = addressTest(source);
    tests.push((tuple) => test(tuple.source));
  }
  if (destination) {
    const test = addressTest(destination);
    tests.push((tuple) => test(tuple.destination));
  }
  if (sourcePort !== undefined) tests.push((tuple) => tuple.sourcePort === sourcePort);
  if (destinationPort !== undefined) tests.push((tuple) => tuple.destinationPort === destinationPort);
  return tests;
}

/** Returns a test for the flows that match the filter. */
export function flowTest(filter: FilterSettings): Test<Flow> {
  const { family, protocol, mark, status, zone, state } = filter;
  const [original, reply] = [tupleTests(filter.original), tupleTests(filter.reply)];
  return (flow) =>
    (family === undefined || flow.family === family) &&
    (protocol === undefined || flow.protocol === protocol) &&
    (zone === undefined || flow.zone === zone) &&
    (!mark || ((flow.mark ?? 0) & mask(mark.mask)) >>> 0 === mark.value) &&
    (!status || (flow.statusBits & status.mask) === status.value) &&
    (state === undefined || (flow.state !== undefined && statesOf(flow.protocol)[state] === flow.state)) &&
    original.every((test) => test(flow.original)) &&
    reply.every((test) => test(flow.reply));
}

function mask(value: number): number {
  return value | 0;
}

const fields: Readonly<Record<GroupField, (flow: Flow) => string | number | undefined>> = {
  family: (flow) => flow.family,
  protocol: (flow) => flow.protocol,
  source: ({ original }) => original.source,
  destination: ({ original }) => original.destination,
  sourcePort: ({ original }) => original.sourcePort ?? 0,
  destinationPort: ({ original }) => original.destinationPort ?? 0,
  replySource: ({ reply }) => reply.source,
  replySourcePort: ({ reply }) => reply.sourcePort ?? 0,
  mark: (flow) => flow.mark ?? 0,
  zone: (flow) => flow.zone,
  state: (flow) => flow.state,
};

interface Sum {
  readonly fields: Record<string, string | number | undefined>;
  flows: number;
  counted: number;
  readonly counters: { original: { packets: bigint; bytes: bigint }; reply: { packets: bigint; bytes: bigint } };
}

/** Returns totals of the flows, grouped by some of their fields. Grouping by state includes the protocol. */
export function groupsOf(
  flows: Iterable<Flow>,
  by: readonly GroupField[],
  largest?: { readonly count: number; readonly order: 'bytes' | 'packets' | 'flows' },
): FlowGroup[] {
  const names = Object.keys(fields) as GroupField[];
  const wanted = names.filter((name) => by.includes(name) || (name === 'protocol' && by.includes('state')));
  const sums = new Map<string, Sum>();
  for (const flow of flows) {
    const values = wanted.map((name) => fields[name](flow));
    const name = values.join(' ');
    let sum = sums.get(name);
    if (!sum) {
      const present = wanted.map((field, index) => [field, values[index]] as const);
      const none = { packets: 0n, bytes: 0n };
      sum = {
        fields: Object.fromEntries(present.filter(([, value]) => value !== undefined)),
        flows: 0,
        counted: 0,
        counters: { original: { ...none }, reply: { ...none } },
      };
      sums.set(name, sum);
    }
    sum.flows++;
    if (!flow.counters) continue;
    sum.counted++;
    for (const direction of ['original', 'reply'] as const) {
      sum.counters[direction].packets += flow.counters[direction].packets;
      sum.counters[direction].bytes += flow.counters[direction].bytes;
    }
  }
  const groups = [...sums.values()];
  if (largest) {
    const { order } = largest;
    const size = ({ flows: count, counters: { original, reply } }: Sum): number =>
      order === 'flows' ? count : Number(original[order] + reply[order]);
    groups.sort((a, b) => size(b) - size(a)).splice(largest.count);
  }
  return groups.map(({ fields: values, flows: count, counted, counters }) =>
    withJson({ ...values, flows: count, counted, counters }),
  );
}
