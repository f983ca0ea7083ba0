import { IpvsError } from '../../common/errors.js';
import type { Item, ItemOf } from '../../items/items.js';
import type { World } from '../../items/world.js';
import { decodeService, type ServiceId } from '../../kernel/ipvs/ids.js';
import type { NetfilterState } from '../../netfilter/changes.js';
import { markText } from '../../netfilter/mark-options.js';
import { type Datagrams, datagramsMarked, marksIn, unionOf } from '../document/datagrams.js';
import type { Entry, Ledger, Line } from '../record/ledger.js';
import { translationChanges } from './translated-flows.js';

/** Returns the item as it is after it is taken back: a table has its earlier content then. */
export function stateBefore(item: Item, entry: Entry | undefined): Item {
  if (item.kind !== 'netfilter') return item;
  return { ...item, state: entry?.before?.kind === 'netfilter' ? entry.before.state : {} };
}

/** Returns the lines that record which UDP flows may be stale once a table has the state of `after`. */
export async function flowsAfter(world: World, ledger: Ledger, after: ItemOf<'netfilter'>): Promise<Line[]> {
  const { owner, state } = after;
  const byMark = [...ledger.owned.keys()].filter((id) => 'fwmark' in decodeService(id));
  const before = await readState(world, owner, byMark.length > 0);
  const changes = translationChanges(before, state);
  const lines: Line[] = [];
  if (changes.length > 0)
    lines.push({ translated: { [owner]: [...(ledger.translated.get(owner) ?? []), ...changes] } });
  if (byMark.length > 0) {
    const stale = staleMarks(ledger, byMark, before, state);
    if (Object.keys(stale).length > 0) lines.push({ stale });
  }
  return lines;
}

/** Returns the datagrams of marks that were added or removed, by service: their senders may still use an old flow. */
function staleMarks(
  ledger: Ledger,
  services: readonly ServiceId[],
  before: NetfilterState,
  after: NetfilterState,
): Record<string, readonly Datagrams[]> {
  const keyed = (state: NetfilterState) => new Map(marksIn(state).map((mark) => [markText(mark), mark]));
  const [old, wanted] = [keyed(before), keyed(after)];
  const changed = [...old, ...wanted].flatMap(([key, mark]) => (old.has(key) && wanted.has(key) ? [] : [mark]));
  if (changed.length === 0) return {};
  return Object.fromEntries(
    services.flatMap((name) => {
      const datagrams = datagramsMarked(decodeService(name), changed);
      return datagrams.length === 0 ? [] : [[name, unionOf(ledger.stale.get(name) ?? [], datagrams)]];
    }),
  );
}

async function readState(world: World, owner: string, hasMarks: boolean): Promise<NetfilterState> {
  try {
    const netfilter = await world.netfilter(owner);
    const rules = (await netfilter.rules()).map(({ rule }) => rule);
    const marks = hasMarks ? (await netfilter.marks()).map(({ selector, mark }) => ({ ...selector, mark })) : [];
    return { rules, marks };
  } catch (error) {
    if (error instanceof IpvsError && error.code === 'ERR_IPVS_FOREIGN') return {};
    throw error;
  }
}
