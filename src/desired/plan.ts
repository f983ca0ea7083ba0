import { interfaceOfSysctl, resolveInterface, sysctlOf } from '../kernel/network/main-names.js';
import { ownValue } from '../kernel/own.js';
import type { NetfilterState } from '../netfilter/changes.js';
import { checkMark, packetsKey } from '../netfilter/mark-options.js';
import { checkRule } from '../netfilter/rule-options.js';
import { handlerOf } from '../roles/handlers/index.js';
import type { Found, Item } from '../roles/items.js';
import type { Needs, Snapshot } from '../roles/snapshot.js';
import { isSameWanted, isShared, wantedValue } from './claims.js';
import { keyOf } from './item-checks.js';
import type { Entry, Ledger } from './ledger.js';
import { leftOvers } from './left-overs.js';
import { owedSteps } from './owed.js';
import { otherNameOf, renameLines } from './renames.js';
import { settingsForRoutes } from './router-routes.js';
import { type ItemStep, Phase, type PhaseNumber, type PlannedStep, type Step, StepList } from './step.js';
import { type Adoption, planTable, type TablePlanOptions } from './table-plan.js';
import { EXPIRE, type Target } from './target.js';

export type PlanOptions = Omit<TablePlanOptions, 'time' | 'others' | 'holdsSenders'>;

/** What is to be done, in order, and what is as it should be. */
export interface PlannedSteps {
  readonly steps: readonly PlannedStep[];
  /** How much is as it should be. */
  readonly unchanged: number;
}

/** What a plan has to know of the kernel. */
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

/** The steps to the target: of a snapshot and a ledger alone, on whatever machine. */
export function planSteps(target: Target, snapshot: Snapshot, recorded: Ledger, options: PlanOptions): PlannedSteps {
  const ledger = following(recorded, snapshot);
  const interfaces = interfacesOf(target, snapshot);
  const adopts = options.adopt !== 'none';
  const wanted = [...settingsForRoutes(target.items, snapshot, ledger), ...target.items];
  const items = wanted.map((item) => withPlace(planItem(item, snapshot, ledger, adopts), interfaces, snapshot));
  const names = new Set(items.map(({ name }) => name));
  // With another name of the same interface it is the same item: to take it back would take the wanted one away.
  const mainNames = new Set(wanted.map((item) => keyOf(withMainName(item, snapshot))));
  const stale = ledger.entries.filter(
    ({ name, item }) => !names.has(name) && !mainNames.has(keyOf(withMainName(item, snapshot))),
  );
  const due = options.keeps ? items : items.filter(({ action }) => action !== 'keep');
  const list = new StepList();
  for (const step of due.flatMap((step) => inTwo(step, ledger))) list.add(step);
  const unchangedRows = planTable(
    snapshot.table ?? [],
    target.table,
    ledger,
    { ...options, time: snapshot.time, others: snapshot.others, holdsSenders: items.some(holdsSenders) },
    list,
  );
  for (const step of takeBacks(stale)) list.add(inTheWayOf(step, due));
  if (options.leftOvers) for (const step of leftOvers(target, snapshot, ledger)) list.add(step);
  for (const step of owedSteps(ledger, snapshot))
    if (step.owed !== 'announcement' || names.has(step.key)) list.add(step);
  return {
    steps: list.steps,
    unchanged: unchangedRows + items.filter(({ action }) => action === 'keep').length,
  };
}

/** The item with the main name of its interface. */
function withMainName(item: Item, { links = [] }: Snapshot): Item {
  if (item.kind === 'address' || item.kind === 'up')
    return { ...item, interface: resolveInterface(item.interface, links) };
  const of = item.kind === 'sysctl' ? interfaceOfSysctl(item.name) : undefined;
  if (item.kind !== 'sysctl' || of === undefined) return item;
  return { ...item, name: sysctlOf(item.name, resolveInterface(of, links)) };
}

/** Interfaces may have got other names since the ledger was written. */
function following(recorded: Ledger, { links }: Snapshot): Ledger {
  const lines = renameLines(recorded, links);
  if (lines.length === 0) return recorded;
  const ledger = recorded.copy();
  for (const line of lines) ledger.change(line);
  return ledger;
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

/** A name that is misspelt is told before anything is done. */
function withPlace(step: ItemStep, names: Interfaces, { sysctls }: Snapshot): ItemStep {
  const { item, action } = step;
  if (action !== 'make') return step;
  if (item.kind === 'sysctl') {
    const [, of = ''] = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//.exec(item.name) ?? [];
    if (ownValue(sysctls, item.name) !== null || names.made.has(of)) return step;
    if (item.implied) return { ...step, action: 'foreign', is: 'no such setting here' };
    return { ...step, action: 'conflict', is: 'no such setting', lacks: 'sysctl' };
  }
  const name = item.kind === 'address' || item.kind === 'up' ? item.interface : undefined;
  if (name === undefined || names.made.has(name) || names.there.has(name)) return step;
  return { ...step, action: 'conflict', is: `no interface ${name}`, lacks: 'interface' };
}

/**
 * Marks that go do so after the addresses that they are for: first the table gets what is new, at the
 * end it loses what is not wanted any more.
 */
function inTwo(step: ItemStep, ledger: Ledger): ItemStep[] {
  const { item, action, name } = step;
  const before = ledger.find(name)?.item;
  if (action !== 'change' || item.kind !== 'netfilter' || before?.kind !== 'netfilter') return [step];
  const both = union(before.state, item.state);
  const same = JSON.stringify(both) === JSON.stringify(union(item.state, item.state));
  if (same) return [step];
  const last = { ...step, phase: Phase.unrule };
  const adds = JSON.stringify(both) !== JSON.stringify(union(before.state, before.state));
  if (!adds) return [last];
  const parts = step.is?.split('; ') ?? [];
  const isOld = (part: string): boolean => part.startsWith('unknown: ');
  const wide = { ...item, state: both };
  return [
    { ...step, item: wide, what: wordsOf(wide), is: parts.filter((part) => !isOld(part)).join('; ') },
    { ...last, is: parts.filter(isOld).join('; ') },
  ];
}

/** What is wanted, and what there was besides. */
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

/** An interface has an IPv6 address with one prefix length only: the old one goes first. */
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

/** What always has some value, or belongs to the owner by its name: to change it is to make it. */
const changeable: readonly Item['kind'][] = ['sysctl', 'timeout', 'up', 'netfilter'];

function planItem(item: Item, snapshot: Snapshot, ledger: Ledger, adopt = false): ItemStep {
  const handler = handlerOf(item);
  const name = keyOf(item);
  const entry = ledger.find(name);
  const { item: recorded, tried = [] } = entry ?? {};
  let found = handler.inspect(item, snapshot, recorded);
  // A program that died may have left what the owner made of it earlier.
  for (const one of tried) if (found.state === 'foreign') found = handler.inspect(item, snapshot, one);
  const step = { what: wordsOf(item), phase: phaseOf(item, 'make'), item, name };
  const otherName = found.state === 'missing' ? otherNameOf(entry, snapshot.links) : undefined;
  if (otherName !== undefined) return { ...step, action: 'change', is: `named ${otherName}` };
  const owners = isShared(item) && snapshot.claims ? ownValue(snapshot.claims, name) : undefined;
  const [rival] = owners?.find(([, value]) => !isSameWanted(value, wantedValue(item))) ?? [];
  if (rival !== undefined && found.state === 'other')
    return { ...step, action: isImplied(item) ? 'foreign' : 'conflict', is: `${found.is}, as ${rival} wants it` };
  const adopts = adopt && recorded === undefined;
  const action = actionFor(item, found, recorded !== undefined || adopts, handler.change !== undefined);
  // A link that is up stays up when the owner goes: as it was when it was adopted.
  if (adopts && action === 'keep' && item.kind !== 'up') return { ...step, action: 'adopt', adopts };
  // Else it would go with the others.
  if (owners && action === 'keep' && !recorded) return { ...step, action: 'adopt' };
  // A program died between noting another value and setting it: to set it back, the right one has to be known.
  if (action === 'keep' && recorded && isShared(recorded) && !isSameWanted(wantedValue(recorded), wantedValue(item)))
    return { ...step, action: 'adopt' };
  const is = 'is' in found && { is: found.is };
  return { ...step, action, ...is, ...(adopts && action === 'change' && { adopts }) };
}

/** IPVS is to keep connections to servers that are gone. */
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

/** Returns the entries of which a change was not known to be complete, and is: the kernel has what is wanted. */
export function completed({ items }: Target, snapshot: Snapshot, ledger: Ledger): Entry[] {
  if (!ledger.entries.some(({ tried }) => tried)) return [];
  return items.flatMap((item): Entry[] => {
    const { name, tried, before, index } = ledger.find(keyOf(item)) ?? {};
    if (!tried || name === undefined || planItem(item, snapshot, ledger).action !== 'keep') return [];
    return [{ name, item, ...(before !== undefined && { before }), ...(index !== undefined && { index }) }];
  });
}

/** The last that was made goes first. */
function takeBacks(entries: readonly Entry[]): ItemStep[] {
  return [...entries].reverse().map(({ name, item }) => ({
    action: 'take-back',
    what: wordsOf(item),
    phase: phaseOf(item, 'take-back'),
    item,
    name,
  }));
}

function phaseOf({ kind }: Item, doing: 'make' | 'take-back'): PhaseNumber {
  if (kind === 'netfilter') return doing === 'make' ? Phase.rules : Phase.unrule;
  const reaches = kind === 'address' || kind === 'route' || kind === 'routing-rule';
  if (doing === 'make') return reaches ? Phase.reach : Phase.ground;
  return reaches ? Phase.unreach : Phase.unground;
}

export function wordsOf(item: Item): string {
  const handler = handlerOf(item);
  const wanted = handler.wanted?.(item);
  const name = handler.name(item);
  return wanted === undefined ? name : `${name}: ${wanted}`;
}
