import type { NftElementList } from './elements.js';
import type { NftTableChange } from './types.js';

/** An entry of a batch: one change, or many elements of one map. */
export type NftBatchChange =
  | NftTableChange
  | {
      /** Adds, or deletes, each element like `add-element` and `delete-element`. A deletion ignores the marks. */
      readonly change: 'add-elements' | 'delete-elements';
      /** Elements of one map. */
      readonly elements: NftElementList;
    };

/** Returns the number of changes that an entry of a batch stands for. */
export function countOf(entry: NftBatchChange): number {
  return 'elements' in entry ? entry.elements.length : 1;
}

/** Yields the single changes of a batch, in their order. Their places are those of `NftChangeFailure`. */
export function* singleChanges(changes: readonly NftBatchChange[]): Generator<NftTableChange, void, void> {
  for (const entry of changes) {
    if (!('elements' in entry)) yield entry;
    else for (let index = 0; index < entry.elements.length; index++) yield single(entry, index);
  }
}

/** Returns the single change at a place of a batch. */
export function changeAt(changes: readonly NftBatchChange[], place: number): NftTableChange | undefined {
  let first = 0;
  for (const entry of changes) {
    const count = countOf(entry);
    if (place >= first && place < first + count) return 'elements' in entry ? single(entry, place - first) : entry;
    first += count;
  }
  return undefined;
}

function single({ change, elements }: Extract<NftBatchChange, { elements: unknown }>, index: number): NftTableChange {
  const { map } = elements;
  const element = elements.at(index) ?? { mark: 0 };
  if (change === 'add-elements') return { change: 'add-element', map, element };
  const { mark: _, ...key } = element;
  return { change: 'delete-element', map, key };
}
