import { chainText, mapText } from '../kernel/netfilter/names.js';
import type { TableChange, TableEntry } from '../kernel/netfilter/types.js';
import { chainRuleText } from './layout.js';
import { elementKey, markOf, markText, packetsText } from './mark-options.js';

/** A difference of a table from its wanted state. */
export interface Difference {
  /** `missing`: has to be added; `changed`: a mark with the wrong number; `unknown`: has to be removed. */
  readonly problem: 'missing' | 'changed' | 'unknown';
  /** The object, as nft would write it. */
  readonly what: string;
}

/** Returns the differences that these changes repair. */
export function differences(table: TableEntry | undefined, changes: readonly TableChange[]): Difference[] {
  const removed = new Set(
    changes.flatMap((change) => (change.change === 'delete-element' ? [elementKey(change.map, change.key)] : [])),
  );
  const added = new Set(
    changes.flatMap((change) => (change.change === 'add-element' ? [elementKey(change.map, change.element)] : [])),
  );
  const tell = (change: TableChange): Difference[] => {
    switch (change.change) {
      case 'add-table':
        return [{ problem: 'missing', what: 'the table' }];
      case 'delete-table':
        return [{ problem: 'unknown', what: damage(table) }];
      case 'add-chain':
        return [{ problem: 'missing', what: `chain ${chainText(change.chain)}` }];
      case 'flush-chain': // only a way to make other changes, which are reported
        return [];
      case 'delete-chain':
        return [{ problem: 'unknown', what: `chain ${change.name}` }];
      case 'add-map':
        return [{ problem: 'missing', what: `map ${mapText(change.map)}` }];
      case 'delete-map':
        return [{ problem: 'unknown', what: `map ${change.name}` }];
      case 'add-rule':
        return [{ problem: 'missing', what: chainRuleText(change.chain.hook, change.rule) }];
      case 'delete-rule':
        return [{ problem: 'unknown', what: ruleWords(table, change.chain, change.handle) }];
      case 'add-element': {
        const problem = removed.has(elementKey(change.map, change.element)) ? 'changed' : 'missing';
        return [{ problem, what: markText(markOf(change.map, change.element, change.element.mark)) }];
      }
      case 'delete-element':
        if (added.has(elementKey(change.map, change.key))) return []; // reported as changed
        return [{ problem: 'unknown', what: `mark of ${packetsText(markOf(change.map, change.key, 0))}` }];
    }
  };
  return changes.flatMap(tell);
}

function damage(table: TableEntry | undefined): string {
  if (!table) return 'the table';
  const others = table.others.map(({ kind, name }) => `${kind} ${name}`);
  const broken = [
    ...table.chains.flatMap(({ name, intact }) => (intact ? [] : [`chain ${chainText(name)}`])),
    ...table.maps.flatMap(({ name, intact }) => (intact ? [] : [`map ${mapText(name)}`])),
  ];
  return [...others, ...broken].join(', ') || 'the table';
}

function ruleWords(table: TableEntry | undefined, chain: string, handle: bigint): string {
  const entries = table?.chains.find(({ name }) => chainText(name) === chain);
  const rule = entries?.rules.find((entry) => entry.handle === handle)?.rule;
  return rule && entries ? chainRuleText(entries.name.hook, rule) : `a rule in ${chain} (handle ${handle})`;
}
