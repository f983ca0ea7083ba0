import { announceAddress } from '../../items/addresses.js';
import type { Item } from '../../items/items.js';
import type { World } from '../../items/world.js';
import { owedSteps } from '../plan/owed.js';
import { type OwedStep, RECORD } from '../plan/step.js';
import type { Journal } from '../record/journal.js';
import type { Line } from '../record/ledger.js';
import type { Executor } from './execute.js';
import { deleteFound, type FlowSearch } from './flow-search.js';
import { staleSearches } from './stale-flows.js';
import { translatedSearches } from './translated-flows.js';

/** Does all owed work. A failure does not stop the rest. `known` lists the keys of steps that the plan had. */
export async function settleOwed(
  world: World,
  journal: Journal,
  executor: Executor,
  known: ReadonlySet<string>,
): Promise<void> {
  const { ledger } = journal;
  const steps = owedSteps(ledger, {}).map((step): OwedStep => {
    return step.owed === 'announcement' ? { ...step, action: 'make', reason: undefined } : step;
  });
  const settled: Line[] = [];
  const done = (step: OwedStep, line: Line): void => {
    settled.push(line);
    if (known.has(step.key)) executor.settled(step);
  };
  const searches = new Map<OwedStep, readonly FlowSearch[]>();
  for (const step of steps) {
    try {
      if (step.owed === 'service')
        searches.set(step, await staleSearches(world, step.key, ledger.stale.get(step.key) ?? []));
      else if (step.owed === 'table')
        searches.set(step, await translatedSearches(world, step.key, ledger.translated.get(step.key) ?? []));
      else if (await announced(world, step.item)) done(step, { announce: { [step.key]: null } });
    } catch (error) {
      executor.owes(step, error);
    }
  }
  try {
    await deleteFound(world, [...searches.values()].flat());
    for (const step of searches.keys())
      done(step, step.owed === 'table' ? { translated: { [step.key]: null } } : { stale: { [step.key]: null } });
  } catch (error) {
    for (const step of searches.keys()) executor.owes(step, error);
  }
  await journal.write(...settled).catch((error: unknown) => executor.owes(RECORD, error));
}

/** Returns false if the announcement has to wait. */
async function announced(world: World, item: Item | undefined): Promise<boolean> {
  return item?.kind !== 'address' || (await announceAddress(world, item));
}
