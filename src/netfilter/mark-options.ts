import { checkInteger, checkOneOf, checkOptions, show } from '../kernel/check.js';
import { invalid } from '../kernel/errors.js';
import { limits } from '../kernel/limits.js';
import { mapText } from '../kernel/netfilter/names.js';
import type { MapKey, MapName, MarkHook, Match, Rule } from '../kernel/netfilter/types.js';
import { checkInMask, checkMatch, hex, type MatchOptions, markValueText, matchNames, matchText } from './match.js';

const hooks = ['prerouting', 'input', 'output'] as const;
const ALL = 0xffffffff;

/** Which packets a mark is for. */
export interface FwmarkSelector extends MatchOptions {
  /**
   * Where packets are marked: as they come in (`prerouting`, the default), once they turn out to be
   * for this machine (`input`), or as this machine sends them (`output`). In this order IPVS
   * looks at marks after each of them.
   */
  readonly hook?: MarkHook | undefined;
  /** The bits of the mark that are set; the others stay. Default: all. From 1 to 0xffffffff. */
  readonly mask?: number | undefined;
}

export interface FwmarkOptions extends FwmarkSelector {
  /** From 0 to 0xffffffff, and within the mask. A service of IPVS cannot have the mark 0. */
  readonly mark: number;
}

/** A mark that is free in this table, the least from `from` to `to`, is taken. */
export interface MarkRange {
  readonly from: number;
  readonly to: number;
  /** Marks that are used elsewhere, such as those of IPVS's services; at most 1 048 576. */
  readonly taken?: Iterable<number> | undefined;
}

/** A mark in its one form. */
export interface MarkSettings {
  readonly hook: MarkHook;
  readonly match: Match;
  readonly mark: number;
  readonly mask: number;
}

const selectorNames = ['hook', 'mask', ...matchNames];

export function checkMark(given: FwmarkOptions): MarkSettings {
  const selected = selectorOf(given);
  if (selected !== given) checkOptions('a mark', selected, selectorNames);
  const options = selected === given ? given : { ...selected, mark: given.mark };
  checkOptions('a mark', options, ['mark', ...selectorNames]);
  const { mark, ...selector } = options;
  const settings = selectMark(selector, checkInteger('mark', mark, 0, ALL));
  checkInMask(settings.mark, settings.mask);
  return settings;
}

/** One that was read will do: a `Fwmark` has its selector. */
export function selectorOf(given: FwmarkSelector): FwmarkSelector {
  if (typeof given !== 'object' || given === null || !('selector' in given)) return given;
  return given.selector as FwmarkSelector;
}

/** The packets alone. */
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
    throw invalid(`a mark names the packets that it is for, by at least one of ${matchNames.join(', ')}`);
  return { hook, match, mark, mask };
}

export function checkMarkRange(range: MarkRange): {
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
    throw invalid(`taken is a list of marks, not ${show(taken)}`);
  return { from: least, to: checkInteger(`to of a range from ${least}`, to, least, ALL), taken: takenMarks(taken) };
}

/** Walks no further than the limit: an iterable may be endless. */
function takenMarks(taken: Iterable<number> = []): ReadonlySet<number> {
  const marks = new Set<number>();
  let count = 0;
  for (const mark of taken) {
    if (++count > limits.entries) throw invalid(`taken has at most ${limits.entries} marks`);
    marks.add(checkInteger('a mark that is taken', mark, 0, ALL));
  }
  return marks;
}

/** Where such a mark lives, if a map has place for it: it is for one address, one port or both, and sets all bits. */
export function mapOf({ hook, match, mask }: MarkSettings): { map: MapName; key: MapKey } | undefined {
  const { family, destination, protocol, port } = match;
  const others = match.source ?? match.inputInterface ?? match.outputInterface ?? match.packetMark ?? match.local;
  const bounded = destination?.includes('/') || typeof port === 'object' || others !== undefined;
  if (bounded || mask !== ALL) return undefined;
  if ((protocol === undefined) !== (port === undefined)) return undefined;
  if (destination === undefined) return family ? undefined : { map: { hook, shape: 'port' }, key: { protocol, port } };
  const ip = family === 'ipv6' ? 'ip6' : 'ip';
  const shape = protocol === undefined ? ip : (`${ip}_port` as const);
  return { map: { hook, shape }, key: { address: destination, protocol, port } };
}

/** What is known of an element of a map. */
export function markOf({ hook, shape }: MapName, { address, protocol, port }: MapKey, mark: number): MarkSettings {
  const family = shape.startsWith('ip6') ? 'ipv6' : 'ipv4';
  const match = {
    ...(address !== undefined && ({ family, destination: address } as const)),
    ...(protocol && { protocol, port }),
  };
  return { hook, match, mark, mask: ALL };
}

export function ruleOf({ hook, match, mark, mask }: MarkSettings): Rule {
  return { hook, match, action: { type: 'mark', mark, mask } };
}

/** The same packets and bits, whatever the mark. */
export function markKey(settings: Pick<MarkSettings, 'hook' | 'match' | 'mask'>): string {
  return `${packetsText(settings)} mask ${hex(settings.mask)}`;
}

export function elementKey(map: MapName, { address, protocol, port }: MapKey): string {
  return `${mapText(map)} ${address} ${protocol} ${port}`;
}

/** As {@link markKey}, but only to be compared. */
export function packetsKey({ hook, match, mask }: Pick<MarkSettings, 'hook' | 'match' | 'mask'>): string {
  const { family, source, destination, protocol, port, inputInterface, outputInterface, packetMark, local } = match;
  const ports = typeof port === 'object' ? `${port.from}-${port.to}` : port;
  const bits = packetMark && `${packetMark.mark}/${packetMark.mask}`;
  return `${hook} ${mask} ${family} ${source} ${destination} ${protocol} ${ports} ${inputInterface} ${outputInterface} ${bits} ${local}`;
}

/** As nft would write it. */
export function markText(settings: MarkSettings): string {
  return `${packetsText(settings)} mark set ${markValueText(settings.mark, settings.mask)}`;
}

/** What stands in the way of another mark. */
export function hasMark(settings: Pick<MarkSettings, 'hook' | 'match' | 'mask'>, mark: number): string {
  const bits = settings.mask === ALL ? '' : ` in the bits ${hex(settings.mask)}`;
  return `${packetsText(settings)} has the mark ${mark} (${hex(mark)})${bits} already`;
}

export function packetsText({ hook, match }: Pick<MarkSettings, 'hook' | 'match'>): string {
  return `${hook} ${matchText(match)}`;
}
