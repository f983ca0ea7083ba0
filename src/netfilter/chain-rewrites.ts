import type { NftBatchChange } from '../kernel/netfilter/changes.js';
import { chainText } from '../kernel/netfilter/names.js';
import type {
  NftChainEntry,
  NftChainName,
  NftChainRule,
  NftCounter,
  NftTableEntry,
} from '../kernel/netfilter/types.js';

/**
 * Maximum number of rules that the kernel may step over to find the handles of one batch. nft_rule_lookup in
 * nf_tables_api.c walks the chain from its beginning, past rules that the same batch has deleted; this many steps take
 * about half a second.
 */
const MOST_STEPS = 20_000_000;

/** Number of rules from which a chain that loses all of them is flushed: one message instead of one for each rule. */
const MANY_RULES = 64;

interface Placed {
  readonly rule?: NftChainRule | undefined;
  readonly counter?: NftCounter | undefined;
}

/**
 * Replaces changes whose time would grow with the square of a chain's length, and those that delete all of its rules:
 * flushes the chain, and adds the remaining rules again, with the counters that were read. The counters miss packets
 * between the read and the commit. Leaves smaller changes, and chains in which rules of other programs remain, as they
 * are.
 */
export function rewriteLongChains(
  table: NftTableEntry | undefined,
  changes: NftBatchChange[],
  mostSteps: number = MOST_STEPS,
): NftBatchChange[] {
  const long = (table?.chains ?? []).filter((chain) => losesAll(chain, changes) || steps(chain, changes) > mostSteps);
  return long.length > 0 ? long.reduce(rewrite, changes) : changes;
}

function isOf(chain: string, change: NftBatchChange): boolean {
  if (change.change === 'add-rule') return chainText(change.chain) === chain;
  return change.change === 'delete-rule' && change.chain === chain;
}

/** Returns true if the changes delete all of many rules. The kernel rejects them if a rule is added meanwhile. */
function losesAll({ name, rules }: NftChainEntry, changes: readonly NftBatchChange[]): boolean {
  if (rules.length < MANY_RULES) return false;
  const chain = chainText(name);
  const deleted = new Set<bigint>();
  for (const change of changes)
    if (change.change === 'delete-rule' && change.chain === chain) deleted.add(change.handle);
  return rules.every(({ handle }) => deleted.has(handle));
}

function steps({ name, rules }: NftChainEntry, changes: readonly NftBatchChange[]): number {
  const places = new Map(rules.map(({ handle }, index) => [handle, index]));
  const chain = chainText(name);
  let sum = 0;
  for (const change of changes) {
    if (!isOf(chain, change)) continue;
    if (change.change === 'delete-rule') sum += places.get(change.handle) ?? 0;
    if (change.change === 'add-rule' && change.before !== undefined) sum += places.get(change.before) ?? 0;
  }
  return sum;
}

function rewrite(changes: NftBatchChange[], chain: NftChainEntry): NftBatchChange[] {
  const text = chainText(chain.name);
  const own = changes.filter((change) => isOf(text, change));
  const wanted = after(chain, own);
  if (own.length === 0) return changes;
  // A chain with rules of another program stays: they cannot be written again.
  if (wanted.some(({ rule }) => !rule)) return changes;
  const first = changes.findIndex((change) => isOf(text, change));
  const added = wanted.flatMap(({ rule, counter }) => addition(chain.name, rule, counter));
  return [
    ...changes.slice(0, first),
    { change: 'flush-chain', name: text },
    ...added,
    ...changes.slice(first).filter((change) => !isOf(text, change)),
  ];
}

function addition(
  chain: NftChainName,
  rule: NftChainRule | undefined,
  counter: NftCounter | undefined,
): NftBatchChange[] {
  return rule ? [{ change: 'add-rule', chain, rule, ...(counter && { counter }) }] : [];
}

function getOrAdd(map: Map<bigint, Placed[]>, key: bigint): Placed[] {
  const found = map.get(key) ?? [];
  map.set(key, found);
  return found;
}

/** Returns the rules of the chain after the changes. */
function after({ rules }: NftChainEntry, changes: readonly NftBatchChange[]): Placed[] {
  const deleted = new Set<bigint>();
  const before = new Map<bigint, Placed[]>();
  const last: Placed[] = [];
  for (const change of changes) {
    if (change.change === 'delete-rule') deleted.add(change.handle);
    if (change.change !== 'add-rule') continue;
    const added = { rule: change.rule };
    if (change.before === undefined) last.push(added);
    else getOrAdd(before, change.before).push(added);
  }
  const current = rules.flatMap((entry): Placed[] => [
    ...(before.get(entry.handle) ?? []),
    ...(deleted.has(entry.handle) ? [] : [entry]),
  ]);
  return [...current, ...last];
}
