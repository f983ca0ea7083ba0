import type { Snapshot } from '../../items/snapshot.js';
import type { Ledger } from '../record/ledger.js';
import { type OwedStep, Phase } from './step.js';

/**
 * Returns the work that follows from completed changes: stale flows to delete, addresses to announce. The record keeps
 * it until it succeeds. A failure undoes nothing: the next apply, or `watch({ repair: true })`, retries.
 */
export function owedSteps(ledger: Ledger, { links = [] }: Pick<Snapshot, 'links'>): OwedStep[] {
  const flows = { action: 'take-back', phase: Phase.unground } as const;
  const announcements = [...ledger.announcements].map((key): OwedStep => {
    const item = ledger.find(key)?.item;
    const name = item?.kind === 'address' ? item.interface : '';
    const link = links.find((one) => one.name === name || one.alternativeNames.includes(name));
    const step = { phase: Phase.unground, owed: 'announcement', key, item } as const;
    return link?.running
      ? { ...step, action: 'make' }
      : { ...step, action: 'wait', reason: { why: 'link-down', name } };
  });
  return [
    ...announcements,
    ...[...ledger.stale.keys()].map((key) => ({ ...flows, owed: 'service', key }) as const),
    ...[...ledger.translated.keys()].map((key) => ({ ...flows, owed: 'table', key }) as const),
  ];
}
