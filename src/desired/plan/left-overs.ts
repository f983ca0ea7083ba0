import { ownValue } from '../../common/own.js';
import { idOf } from '../../items/item-ids.js';
import type { Item } from '../../items/items.js';
import type { Snapshot } from '../../items/snapshot.js';
import type { Target } from '../document/target.js';
import type { Ledger } from '../record/ledger.js';
import { type ItemStep, Phase } from './step.js';

/** Routing tables that the kernel has: default, main, local. */
const usual: readonly number[] = [253, 254, 255];

/**
 * Returns a step `foreign` for each object that the document does not want, and that an earlier run of the owner may
 * have left near wanted ones: addresses of one host on its interfaces, routes and rules of its tables, its nf_tables
 * table.
 */
export function leftOvers(target: Target, snapshot: Snapshot, ledger: Ledger): ItemStep[] {
  const known = new Set([...target.items.map(idOf), ...ledger.entries.map(({ id }) => id)]);
  const places = new Set(target.items.flatMap((item) => (item.kind === 'address' ? [item.interface] : [])));
  const tables = new Set(target.items.flatMap(tableOf).filter((table) => !usual.includes(table)));
  const found = [
    ...addresses(snapshot, places),
    ...(snapshot.routes ?? []).filter(({ table }) => tables.has(table)).map(routeStep),
    ...(snapshot.rules ?? []).filter(({ table }) => table !== undefined && tables.has(table)).map(ruleStep),
    ...netfilter(target, snapshot),
  ];
  return found.filter(({ id }) => !known.has(id));
}

function tableOf(item: Item): number[] {
  const table = item.kind === 'route' ? item.route.table : item.kind === 'routing-rule' ? item.rule.table : undefined;
  return typeof table === 'number' ? [table] : [];
}

function step(item: Item): ItemStep {
  return { action: 'foreign', phase: Phase.unreach, item, id: idOf(item) };
}

function addresses({ addresses = [] }: Snapshot, places: ReadonlySet<string>): ItemStep[] {
  return addresses.flatMap(({ interface: name, address, peer }): ItemStep[] => {
    const isHost = address.endsWith(address.includes(':') ? '/128' : '/32');
    if (!places.has(name) || !isHost || peer !== undefined || address === '::1/128') return [];
    return [step({ kind: 'address', interface: name, address })];
  });
}

function routeStep({ family, type, destination, table }: NonNullable<Snapshot['routes']>[number]): ItemStep {
  const route = { family, type, destination, table } as Extract<Item, { kind: 'route' }>['route'];
  return step({ kind: 'route', route });
}

function ruleStep({ family, mark, table }: NonNullable<Snapshot['rules']>[number]): ItemStep {
  const rule = { family, mark, table } as Extract<Item, { kind: 'routing-rule' }>['rule'];
  return step({ kind: 'routing-rule', rule });
}

function netfilter({ netfilter: owner }: Target, snapshot: Snapshot): ItemStep[] {
  const table = owner === undefined ? undefined : ownValue(snapshot.netfilter, owner);
  if (owner === undefined || !table || table === 'foreign') return [];
  return [step({ kind: 'netfilter', owner, state: {} })];
}
