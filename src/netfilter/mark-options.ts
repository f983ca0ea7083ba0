import { checkInteger, checkOneOf, checkOptions, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';
import { mapText } from '../kernel/netfilter/names.js';
import type { FwmarkHook, NftMapKey, NftMapName, NftMapShape, NftMatch, NftRule } from '../kernel/netfilter/types.js';
import {
  checkInMask,
  checkMatch,
  hex,
  markValueText,
  matchNames,
  matchText,
  type PacketMatchOptions,
} from './match.js';

const hooks = ['prerouting', 'input', 'output'] as const;
const ALL = 0xffffffff;

/** Packets that a mark is for. */
export interface FwmarkSelector extends PacketMatchOptions {
  /**
   * Hook at which packets get the mark: as they arrive (`prerouting`, the default), after routing, if they are for this
   * machine (`input`), or as this machine sends them (`output`). IPVS reads marks after each of them.
   */
  readonly hook?: FwmarkHook | undefined;
  /** Bits of the mark that are set, from 1 to 0xffffffff; the others stay. Default: all. */
  readonly mask?: number | undefined;
}

/** A mark for packets. */
export interface FwmarkOptions extends FwmarkSelector {
  /** Mark from 0 to 0xffffffff, within the mask. An IPVS service cannot have the mark 0. */
  readonly mark: number;
}

/** Range of marks: the least one from `from` to `to` that is free in the table is taken. */
export interface FwmarkRange {
  /** First mark, from 1 to 0xffffffff. */
  readonly from: number;
  /** Last mark, from `from` to 0xffffffff. */
  readonly to: number;
  /** Marks that are used elsewhere, such as those of IPVS services; at most 1 048 576. */
  readonly taken?: Iterable<number> | undefined;
}

/** A mark in canonical form. */
export interface MarkSettings {
  readonly hook: FwmarkHook;
  readonly match: NftMatch;
  readonly mark: number;
  readonly mask: number;
}

const selectorOnly = { hook: true, mask: true } as const satisfies Record<
  Exclude<keyof FwmarkSelector, keyof PacketMatchOptions>,
  true
>;
const selectorNames = [...Object.keys(selectorOnly), ...matchNames];
const markNames = ['mark', ...selectorNames];

export function checkMark(given: FwmarkOptions): MarkSettings {
  const selected = selectorOf(given);
  if (selected !== given) checkOptions('a mark', selected, selectorNames);
  const options = selected === given ? given : { ...selected, mark: given.mark };
  checkOptions('a mark', options, markNames);
  const settings = selectMark(options, checkInteger('mark', options.mark, 0, ALL));
  checkInMask(settings.mark, settings.mask);
  return settings;
}

/** Returns the selector. Accepts a mark that was read, too: a `Fwmark` has its selector. */
export function selectorOf(given: FwmarkSelector): FwmarkSelector {
  if (typeof given !== 'object' || given === null || !('selector' in given)) return given;
  return given.selector as FwmarkSelector;
}

/** Checks a selector. The mark of the result is 0. */
export function checkMarkSelector(given: FwmarkSelector): MarkSettings {
  const selector = selectorOf(given);
  checkOptions('a mark', selector, selectorNames);
  return selectMark(selector, 0);
}

function selectMark(selector: FwmarkSelector, mark: number): MarkSettings {
  const hook = selector.hook === undefined ? 'prerouting' : checkOneOf('the hook of a mark', selector.hook, hooks);
  const mask = selector.mask === undefined ? ALL : checkInteger('mask', selector.mask, 1, ALL);
  const match = checkMatch('a mark', selector, hook);
  if (Object.keys(match).length === 0)
    throw invalid(`a mark must name its packets with at least one of ${matchNames.join(', ')}`);
  return { hook, match, mark, mask };
}

export function checkMarkRange(range: FwmarkRange): {
  from: number;
  to: number;
  taken: ReadonlySet<number>;
} {
  checkOptions('a range of marks', range, ['from', 'to', 'taken']);
  const { from, to, taken } = range;
  const least = checkInteger('from of a range of marks', from, 1, ALL);
  if (
    typeof taken === 'string' ||
    (taken !== undefined && typeof (taken as Partial<Iterable<number>> | null)?.[Symbol.iterator] !== 'function')
  )
    throw invalid(`taken must be a list of marks, not ${show(taken)}`);
  return { from: least, to: checkInteger(`to of a range from ${least}`, to, least, ALL), taken: takenMarks(taken) };
}

/** Reads no further than the limit: an iterable may be endless. */
function takenMarks(taken: Iterable<number> = []): ReadonlySet<number> {
  const marks = new Set<number>();
  let count = 0;
  for (const mark of taken) {
    if (++count > limits.entries) throw invalid(`taken has at most ${limits.entries} marks`);
    marks.add(checkInteger('a mark that is taken', mark, 0, ALL));
  }
  return marks;
}

/**
 * Returns the shape of the map for a mark that a map can hold: one for one address, one port or both, that sets all
 * bits.
 */
export function shapeOf({ match, mask }: MarkSettings): NftMapShape | undefined {
  const { family, destination, protocol, port } = match;
  const others = match.source ?? match.inputInterface ?? match.outputInterface ?? match.packetMark ?? match.local;
  const bounded = destination?.includes('/') || typeof port === 'object' || others !== undefined;
  if (bounded || mask !== ALL) return undefined;
  if ((protocol === undefined) !== (port === undefined)) return undefined;
  if (destination === undefined) return family ? undefined : 'port';
  if (family === 'ipv6') return protocol === undefined ? 'ip6' : 'ip6_port';
  return protocol === undefined ? 'ip' : 'ip_port';
}

/** Returns the map and the key of a mark that a map can hold. */
export function mapOf(settings: MarkSettings): { map: NftMapName; key: NftMapKey } | undefined {
  const shape = shapeOf(settings);
  return shape && { map: { hook: settings.hook, shape }, key: keyOf(settings.match) };
}

/** Returns the key of a mark that a map can hold. */
export function keyOf({ destination, protocol, port }: NftMatch): NftMapKey {
  return { address: destination, protocol, port: port as number | undefined };
}

/** Returns the mark of an element of a map. */
export function markOf(
  { hook, shape }: NftMapName,
  { address, protocol, port }: NftMapKey,
  mark: number,
): MarkSettings {
  const family = shape.startsWith('ip6') ? 'ipv6' : 'ipv4';
  const match = {
    ...(address !== undefined && ({ family, destination: address } as const)),
    ...(protocol && { protocol, port }),
  };
  return { hook, match, mark, mask: ALL };
}

export function ruleOf({ hook, match, mark, mask }: MarkSettings): NftRule {
  return { hook, match, action: { type: 'mark', mark, mask } };
}

/** Returns the mark that a rule sets; undefined for a rule that does something other. */
export function settingsOf({ hook, match, action }: NftRule): MarkSettings | undefined {
  if (action.type !== 'mark') return undefined;
  return { hook: hook as FwmarkHook, match, mark: action.mark, mask: action.mask };
}

/** Returns the selector of a mark, in the form in which callers write it. */
export function selectorOptions({ hook, match, mask }: Pick<MarkSettings, 'hook' | 'match' | 'mask'>): FwmarkSelector {
  const { packetMark: _, ...rest } = match;
  return { hook, mask, ...rest };
}

/** Returns a key that is equal for the same packets and bits, whatever the mark is. */
export function markKey(settings: Pick<MarkSettings, 'hook' | 'match' | 'mask'>): string {
  return `${packetsText(settings)} mask ${hex(settings.mask)}`;
}

export function elementKey(map: NftMapName, { address, protocol, port }: NftMapKey): string {
  return `${mapText(map)} ${address} ${protocol} ${port}`;
}

/** Returns a key like {@link markKey}, for comparison only. */
export function packetsKey({ hook, match, mask }: Pick<MarkSettings, 'hook' | 'match' | 'mask'>): string {
  const { family, source, destination, protocol, port, inputInterface, outputInterface, packetMark, local } = match;
  const ports = typeof port === 'object' ? `${port.from}-${port.to}` : port;
  const bits = packetMark && `${packetMark.mark}/${packetMark.mask}`;
  return `${hook} ${mask} ${family} ${source} ${destination} ${protocol} ${ports} ${inputInterface} ${outputInterface} ${bits} ${local}`;
}

/** Returns the mark as nft would write it. */
export function markText(settings: MarkSettings): string {
  return `${packetsText(settings)} mark set ${markValueText(settings.mark, settings.mask)}`;
}

/** Returns the text for an existing mark that prevents another one. */
export function hasMark(settings: Pick<MarkSettings, 'hook' | 'match' | 'mask'>, mark: number): string {
  const bits = settings.mask === ALL ? '' : ` in the bits ${hex(settings.mask)}`;
  return `${packetsText(settings)} has the mark ${mark} (${hex(mark)})${bits} already`;
}

export function packetsText({ hook, match }: Pick<MarkSettings, 'hook' | 'match'>): string {
  return `${hook} ${matchText(match)}`;
}
