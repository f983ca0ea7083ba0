import { handlerOf } from './handlers/index.js';
import type { Found, Item } from './items.js';
import type { Entry, Record } from './record.js';
import type { Readings } from './world.js';

/** A step of a role. */
export interface RoleStep {
  /**
   * `keep`: it is as it should be. `make`, `change`: it is not. `take-back`: the role made it, and it
   * belongs to it no more. `conflict`: something else is there that the role did not make; as long
   * as there is one, nothing is done.
   */
  readonly action: 'keep' | 'make' | 'change' | 'take-back' | 'conflict';
  /** In words, as ip, nft and ipvsadm would name it. */
  readonly what: string;
  /** How it is now, where it is otherwise. */
  readonly is?: string | undefined;
}

/** A step with what it takes to do it. */
export interface PlannedStep extends RoleStep {
  readonly item: Item;
  /** Of the record. */
  readonly name: string;
}

/** What always has some value, or belongs to the role by its name: to change it is to make it. */
const changeable: readonly Item['kind'][] = ['sysctl', 'up', 'netfilter'];

export function wordsOf(item: Item): string {
  const handler = handlerOf(item);
  const wanted = handler.wanted?.(item);
  const name = handler.name(item);
  return wanted === undefined ? name : `${name}: ${wanted}`;
}

function keyOf(item: Item): string {
  const handler = handlerOf(item);
  return handler.key?.(item) ?? handler.name(item);
}

export async function planRole(items: readonly Item[], record: Record, readings: Readings): Promise<PlannedStep[]> {
  const steps: PlannedStep[] = [];
  for (const item of items) {
    const handler = handlerOf(item);
    const name = keyOf(item);
    const recorded = record.find(name)?.item;
    const found = await handler.inspect(item, readings, recorded);
    const action = actionFor(item, found, recorded !== undefined, handler.change !== undefined);
    steps.push({ action, what: wordsOf(item), item, name, ...('is' in found && { is: found.is }) });
  }
  const names = new Set(steps.map(({ name }) => name));
  const stale = record.entries.filter(({ name }) => !names.has(name));
  return [...steps, ...takeBacks(stale)];
}

function actionFor(item: Item, found: Found, ours: boolean, canChange: boolean): RoleStep['action'] {
  if (found.state === 'right') return 'keep';
  if (found.state === 'missing') return 'make';
  if (found.state === 'foreign') return 'conflict';
  return canChange && (ours || changeable.includes(item.kind)) ? 'change' : 'conflict';
}

/** The last that was made goes first. */
export function takeBacks(entries: readonly Entry[]): PlannedStep[] {
  return [...entries].reverse().map(({ name, item }) => ({ action: 'take-back', what: wordsOf(item), item, name }));
}
