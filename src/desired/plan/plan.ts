import { ownValue } from '../../common/own.js';
import { pauseIfDue } from '../../common/slices.js';
import { handlerOf } from '../../items/handlers.js';
import { idOf } from '../../items/item-ids.js';
import type { Found, Item } from '../../items/items.js';
import type { Needs, Snapshot } from '../../items/snapshot.js';
import { isFollower, knobOf } from '../../items/sysctl-knobs.js';
import type { NetfilterState } from '../../netfilter/changes.js';
import { checkMark, packetsKey } from '../../netfilter/mark-options.js';
import { checkRule } from '../../netfilter/rule-options.js';
import { EXPIRE, type Target } from '../document/target.js';
import type { Entry, Ledger } from '../record/ledger.js';
import { isSameWanted, isShared, wantedOf } from '../record/wanted.js';
import { leftOvers } from './left-overs.js';
import { owedSteps } from './owed.js';
import type { Reason } from './reasons.js';
import { following, otherNameOf, withMainNames } from './renames.js';
import { settingsForRoutes } from './router-routes.js';
import { type ItemStep, Phase, type PhaseNumber, type PlannedStep, type Step, StepList } from './step.js';
import { type Adoption, planTable, type TablePlanOptions } from './table-plan.js';

export type PlanOptions = Omit<TablePlanOptions, 'time' | 'others' | 'holdsSenders'>;

/** Steps to do, in order, and the number of objects that need none. */
export interface PlannedSteps {
  readonly steps: readonly PlannedStep[];
  /** Number of objects that are as wanted. */
  readonly unchanged: number;
}

/** Returns the state that a plan needs to read from the kernel. */
export function needsOf(target: Target, ledger: Ledger, adopt: Adoption): Omit<Needs, 'everything'> {
  const own: Item[] =
    adopt === 'none' || target.netfilter === undefined
      ? []
      : [{ kind: 'netfilter', owner: target.netfilter, state: {} }];
  return {
    table: target.table.size > 0 || ledger.owned.size > 0 || adopt === 'all',
    items: [...target.items, ...ledger.entries.map(({ item }) => item), ...own],
  };
}

/**
 * Returns the steps to the target, from a snapshot and a ledger alone: on any machine. The caller does not change these
 * before the promise settles: large tables are compared in several turns of the event loop.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` if a setting has two values under two names of its interface
 */
export async function planSteps(
  given: Target,
  snapshot: Snapshot,
  recorded: Ledger,
  options: PlanOptions,
): Promise<PlannedSteps> {
  const target = withMainNames(given, snapshot.links);
  const ledger = following(recorded, snapshot);
  const interfaces = interfacesOf(target, snapshot);
  const adopts = options.adopt !== 'none';
  const wanted = [...settingsForRoutes(target.items, snapshot, ledger), ...target.items];
  const items = wanted.map((item) => withPlace(planItem(item, snapshot, ledger, adopts), interfaces, snapshot));
  const ids = new Set(items.map(({ id }) => id));
  const stale = ledger.entries.filter(({ id }) => !ids.has(id));
  const due = options.keeps ? items : items.filter(({ action }) => action !== 'keep');
  const list = new StepList();
  for (const step of due.flatMap((step) => inTwo(step, ledger))) list.add(step);
  const unchangedRows = await planTable(
    snapshot.table ?? [],
    target.table,
    ledger,
    { ...options, time: snapshot.time, others: snapshot.others, holdsSenders: items.some(holdsSenders) },
    list,
  );
  await pauseIfDue(target.table.size, options.signal);
  for (const step of takeBacks(stale)) list.add(inTheWayOf(step, due));
  if (options.leftOvers) for (const step of leftOvers(target, snapshot, ledger)) list.add(step);
  for (const step of owedSteps(ledger, snapshot)) if (step.owed !== 'announcement' || ids.has(step.key)) list.add(step);
  return {
    steps: list.steps,
    unchanged: unchangedRows + items.filter(({ action }) => action === 'keep').length,
  };
}

interface Interfaces {
  readonly made: ReadonlySet<string>;
  readonly there: ReadonlySet<string>;
}

function interfacesOf({ items }: Target, { links = [] }: Snapshot): Interfaces {
  const made = items.flatMap((item) => {
    if (item.kind !== 'link') return [];
    return item.link.kind === 'veth' ? [item.link.name, item.link.peer.name] : [item.link.name];
  });
  const there = links.flatMap(({ name, alternativeNames }) => [name, ...alternativeNames]);
  return { made: new Set(made), there: new Set(there) };
}

/** Makes a missing interface or setting a conflict, so that a misspelt name is reported before any change. */
function withPlace(step: ItemStep, names: Interfaces, { sysctls }: Snapshot): ItemStep {
  const { item, action } = step;
  if (action !== 'make') return step;
  if (item.kind === 'sysctl') {
    const [, of = ''] = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//.exec(item.name) ?? [];
    if (ownValue(sysctls, item.name) !== null || names.made.has(of)) return step;
    const optional = item.implied === true;
    const isOfInterface = of !== '' && of !== 'all' && of !== 'default';
    if (isOfInterface && !optional && !names.there.has(of))
      return { ...step, action: 'conflict', reason: { why: 'no-interface', name: of } };
    return { ...step, action: optional ? 'foreign' : 'conflict', reason: { why: 'no-setting', optional } };
  }
  const name = item.kind === 'address' || item.kind === 'up' ? item.interface : undefined;
  if (name === undefined || names.made.has(name) || names.there.has(name)) return step;
  return { ...step, action: 'conflict', reason: { why: 'no-interface', name } };
}

/**
 * Splits the change of a table in two: the first adds the new marks and rules; the second, after unwanted addresses are
 * deleted, removes the unwanted marks and rules.
 */
function inTwo(step: ItemStep, ledger: Ledger): ItemStep[] {
  const { item, action, id, reason } = step;
  const before = ledger.find(id)?.item;
  if (action !== 'change' || item.kind !== 'netfilter' || before?.kind !== 'netfilter') return [step];
  const both = union(before.state, item.state);
  const same = JSON.stringify(both) === JSON.stringify(union(item.state, item.state));
  if (same) return [step];
  const last = { ...step, phase: Phase.unrule };
  const adds = JSON.stringify(both) !== JSON.stringify(union(before.state, before.state));
  if (!adds) return [last];
  const differences = reason?.why === 'content' ? reason.differences : [];
  const part = (isUnwanted: boolean): Reason => ({
    why: 'content',
    differences: differences.filter(({ problem }) => (problem === 'unknown') === isUnwanted),
  });
  return [
    { ...step, item: { ...item, state: both }, reason: part(false) },
    { ...last, reason: part(true) },
  ];
}

/** Returns the wanted state together with the other marks and rules of the state before. */
function union(before: NetfilterState, { marks = [], rules = [] }: NetfilterState): NetfilterState {
  const packets = new Set(marks.map((mark) => packetsKey(checkMark(mark))));
  const known = new Set(rules.map((rule) => JSON.stringify(checkRule(rule))));
  const sorted = <T>(list: readonly T[]): T[] =>
    list.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return {
    marks: sorted([...marks, ...(before.marks ?? []).filter((mark) => !packets.has(packetsKey(checkMark(mark))))]),
    rules: sorted([...rules, ...(before.rules ?? []).filter((rule) => !known.has(JSON.stringify(checkRule(rule))))]),
  };
}

/**
 * Moves the removal of an address before its replacement: an interface has an IPv6 address with one prefix length only.
 */
function inTheWayOf(step: ItemStep, due: readonly ItemStep[]): ItemStep {
  const { item } = step;
  if (item.kind !== 'address') return step;
  const [plain] = item.address.split('/');
  const same = due.some(
    ({ action, item: other }) =>
      action === 'make' &&
      other.kind === 'address' &&
      other.interface === item.interface &&
      other.address.split('/')[0] === plain,
  );
  return same ? { ...step, phase: Phase.replace } : step;
}

/** Kinds that the owner may change without a record: they always have a value, or belong to the owner by name. */
const changeable: readonly Item['kind'][] = ['sysctl', 'timeout', 'up', 'netfilter'];

function planItem(item: Item, snapshot: Snapshot, ledger: Ledger, adopt = false): ItemStep {
  const handler = handlerOf(item);
  const id = idOf(item);
  const entry = ledger.find(id);
  const { item: recorded, tried = [] } = entry ?? {};
  let found = handler.inspect(item, snapshot, recorded);
  // A program that died may have left an earlier version of the owner.
  for (const one of tried) if (found.state === 'foreign') found = handler.inspect(item, snapshot, one);
  const step = { phase: phaseOf(item, 'make'), item, id };
  const otherName = found.state === 'missing' ? otherNameOf(entry, snapshot.links) : undefined;
  if (otherName !== undefined) return { ...step, action: 'change', reason: { why: 'renamed', name: otherName } };
  const wanted = isShared(item) ? wantedOf(item) : undefined;
  const owners = wanted && snapshot.claims ? ownValue(snapshot.claims, id) : undefined;
  const [rival] = owners?.find(([, theirs]) => wanted && !isSameWanted(theirs, wanted)) ?? [];
  if (rival !== undefined && found.state === 'other')
    return {
      ...step,
      action: isImplied(item) ? 'foreign' : 'conflict',
      reason: { why: 'differs', differences: found.differences, rival },
    };
  const adopts = adopt && recorded === undefined;
  const action = actionFor(item, found, recorded !== undefined || adopts, handler.change !== undefined);
  // A link that is up is not adopted, so that it stays up when the owner is removed.
  if (adopts && action === 'keep' && item.kind !== 'up') return { ...step, action: 'adopt', adopts };
  // Without a claim of this owner, the setting would be restored with the last claim of the others.
  if (owners && action === 'keep' && !recorded) return { ...step, action: 'adopt' };
  // Without a claim, a write of another setting, by this owner or another one, would change it.
  if (action === 'keep' && !recorded && item.kind === 'sysctl' && isFollower(knobOf(item.name).key))
    return { ...step, action: 'adopt' };
  // A program died after it recorded another value and before it set that. To restore it, the record needs the right
  // value.
  if (action === 'keep' && wanted && recorded && isShared(recorded) && !isSameWanted(wantedOf(recorded), wanted))
    return { ...step, action: 'adopt' };
  const reason = reasonFor(found);
  return { ...step, action, ...(reason && { reason }), ...(adopts && action === 'change' && { adopts }) };
}

function reasonFor(found: Found): Reason | undefined {
  if (!('differences' in found)) return undefined;
  const { differences } = found;
  if (found.state === 'other' && found.content) return { why: 'content', differences: found.content };
  return differences.length === 0 ? { why: 'of-others' } : { why: 'differs', differences };
}

/** Returns true if the item makes IPVS keep connections to servers that are gone. */
function holdsSenders({ item, action }: ItemStep): boolean {
  return item.kind === 'sysctl' && item.name === EXPIRE && (Number(item.value) === 0 || action === 'foreign');
}

function isImplied(item: Item): boolean {
  return item.kind === 'sysctl' && item.implied === true;
}

function actionFor(item: Item, found: Found, ours: boolean, canChange: boolean): Step['action'] {
  if (found.state === 'right') return 'keep';
  if (found.state === 'missing') return 'make';
  if (found.state === 'foreign') return 'conflict';
  return canChange && (ours || changeable.includes(item.kind)) ? 'change' : 'conflict';
}

/** Returns the entries whose change was not known to be complete, and is: the kernel has the wanted state. */
export function completed(target: Target, snapshot: Snapshot, ledger: Ledger): Entry[] {
  if (!ledger.entries.some(({ tried }) => tried)) return [];
  return withMainNames(target, snapshot.links).items.flatMap((item): Entry[] => {
    const { id, tried, before, index } = ledger.find(idOf(item)) ?? {};
    if (!tried || id === undefined || planItem(item, snapshot, ledger).action !== 'keep') return [];
    return [{ id, item, ...(before !== undefined && { before }), ...(index !== undefined && { index }) }];
  });
}

/** Returns the steps that take entries back, the last made first. */
function takeBacks(entries: readonly Entry[]): ItemStep[] {
  return [...entries].reverse().map(({ id, item }) => ({
    action: 'take-back',
    phase: phaseOf(item, 'take-back'),
    item,
    id,
  }));
}

function phaseOf({ kind }: Item, doing: 'make' | 'take-back'): PhaseNumber {
  if (kind === 'netfilter') return doing === 'make' ? Phase.rules : Phase.unrule;
  const reaches = kind === 'address' || kind === 'route' || kind === 'routing-rule';
  if (doing === 'make') return reaches ? Phase.reach : Phase.ground;
  return reaches ? Phase.unreach : Phase.unground;
}
