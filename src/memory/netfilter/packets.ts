import { type Family, familyOf } from '../../common/address.js';
import { inPrefix } from '../../common/prefix.js';
import { matchesInterface } from '../../kernel/netfilter/interfaces.js';
import type {
  NftChainRule,
  NftCounter,
  NftHook,
  NftMapKey,
  NftMapShape,
  NftMatch,
  PortProtocol,
} from '../../kernel/netfilter/types.js';
import { type ChainState, keyText, type MapState, type TableState } from './tables.js';

/** The properties of a packet that rules can match. */
export interface MemoryPacket {
  /** Hook at which the packet is. */
  readonly hook: NftHook;
  /** Address family. Default: the family of `destination`. */
  readonly family?: Family | undefined;
  /** Interface by which the packet arrived. */
  readonly inputInterface?: string | undefined;
  /** Interface by which the packet leaves. */
  readonly outputInterface?: string | undefined;
  /** Source address. */
  readonly source?: string | undefined;
  /** Destination address. */
  readonly destination: string;
  /** Protocol. A port requires it. */
  readonly protocol?: PortProtocol | undefined;
  /** Destination port. */
  readonly port?: number | undefined;
  /** Mark of the packet before the rules. Default: 0. */
  readonly mark?: number | undefined;
  /** True if the destination is an address of this machine. Default: false. */
  readonly local?: boolean | undefined;
  /** Size in bytes. If given, the packet increments the counters of the matching rules and elements. */
  readonly bytes?: number | undefined;
}

const ALL = 0xffffffff;

/** Returns the mark of the packet after all marking chains of its hook. */
export function markPacket(tables: Iterable<TableState>, packet: MemoryPacket): number {
  const chains: { readonly table: TableState; readonly chain: ChainState }[] = [];
  for (const table of tables) {
    if (table.others.some(({ kind }) => kind === 'flag')) continue; // the table is dormant
    for (const chain of table.chains.values())
      if (chain.name.purpose === 'mark' && chain.name.hook === packet.hook && chain.intact)
        chains.push({ table, chain });
  }
  chains.sort((a, b) => b.chain.made - a.chain.made);
  let mark = packet.mark ?? 0;
  for (const { table, chain } of chains) {
    const counted = chain.rules.map((entry) => {
      if (!entry.rule) return entry;
      const next = afterRule(table, chain, entry.rule, packet, mark);
      if (next === undefined) return entry;
      mark = next;
      return packet.bytes === undefined ? entry : { ...entry, counter: more(entry.counter, packet.bytes) };
    });
    if (packet.bytes !== undefined) chain.rules = counted;
  }
  return mark;
}

/** Returns the mark after one rule; undefined if the rule does not match the packet. */
function afterRule(
  table: TableState,
  { name }: ChainState,
  rule: NftChainRule,
  packet: MemoryPacket,
  mark: number,
): number | undefined {
  if ('lookup' in rule) {
    const map = table.maps.get(`${name.hook}_${rule.lookup}`);
    return map && lookUp(map, rule.lookup, packet);
  }
  if (!matches(rule.match, packet, mark)) return undefined;
  const { action } = rule;
  if (action.type !== 'mark') return mark;
  return action.mask === ALL ? action.mark : ((mark & ~action.mask) ^ action.mark) >>> 0;
}

function lookUp(map: MapState, shape: NftMapShape, packet: MemoryPacket): number | undefined {
  const key = keyOf(shape, packet);
  const text = key && keyText(key);
  const element = text === undefined ? undefined : map.elements.get(text);
  if (text === undefined || !element) return undefined;
  if (packet.bytes !== undefined) map.elements.set(text, { ...element, counter: more(element.counter, packet.bytes) });
  return element.mark;
}

function keyOf(shape: NftMapShape, packet: MemoryPacket): NftMapKey | undefined {
  const { destination: address, protocol, port } = packet;
  const ported = protocol !== undefined && port !== undefined;
  if (shape === 'port') return ported ? { protocol, port } : undefined;
  if (familyOfPacket(packet) !== (shape.startsWith('ip6') ? 'ipv6' : 'ipv4')) return undefined;
  if (!shape.endsWith('port')) return { address };
  return ported ? { address, protocol, port } : undefined;
}

function familyOfPacket({ family, destination }: MemoryPacket): Family | undefined {
  return family ?? familyOf(destination);
}

function matches(match: NftMatch, packet: MemoryPacket, mark: number): boolean {
  const { family, packetMark, inputInterface, outputInterface, source, destination, local, protocol, port } = match;
  if (packetMark && (mark & packetMark.mask) >>> 0 !== packetMark.mark) return false;
  if (inputInterface !== undefined && !matchesInterface(packet.inputInterface, inputInterface)) return false;
  if (outputInterface !== undefined && !matchesInterface(packet.outputInterface, outputInterface)) return false;
  if (family !== undefined && family !== familyOfPacket(packet)) return false;
  if (source !== undefined && !(packet.source !== undefined && inPrefix(source)(packet.source))) return false;
  if (destination !== undefined && !inPrefix(destination)(packet.destination)) return false;
  if (local !== undefined && local !== (packet.local ?? false)) return false;
  if (protocol !== undefined && protocol !== packet.protocol) return false;
  if (port === undefined) return true;
  if (packet.port === undefined) return false;
  return typeof port === 'number' ? packet.port === port : packet.port >= port.from && packet.port <= port.to;
}

function more(counter: NftCounter | undefined, bytes: number): NftCounter {
  return { packets: (counter?.packets ?? 0n) + 1n, bytes: (counter?.bytes ?? 0n) + BigInt(bytes) };
}
