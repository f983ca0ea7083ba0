import { show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { Item } from './items.js';
import { knobOf } from './sysctl-knobs.js';

/** The identity of an item: equal for the same object, whatever its wanted state is. */
export type ItemKey =
  /** `setting`: the path below /proc/sys of its canonical name. */
  | { readonly kind: 'sysctl'; readonly setting: string }
  | { readonly kind: 'timeout'; readonly name: string }
  | { readonly kind: 'link'; readonly name: string }
  | { readonly kind: 'up'; readonly interface: string }
  | { readonly kind: 'address'; readonly interface: string; readonly address: string }
  | {
      readonly kind: 'route';
      readonly family: string;
      readonly type: string;
      readonly destination: string;
      readonly table: string | number;
    }
  | {
      readonly kind: 'routing-rule';
      readonly family: string | null;
      readonly mark: number | null;
      readonly table: string | number | null;
    }
  | { readonly kind: 'gue-port'; readonly family: string; readonly port: number }
  | { readonly kind: 'netfilter'; readonly owner: string };

export type ItemKeyOf<Kind extends ItemKey['kind']> = Extract<ItemKey, { readonly kind: Kind }>;

declare const kind: unique symbol;

/**
 * The encoded key of an item: a JSON array of its kind and fields. Records keep it: its form does not change within a
 * version of the records, whatever messages say.
 */
export type ItemId = string & { readonly [kind]: 'item' };

type FieldsOf<Kind extends ItemKey['kind']> = readonly Exclude<keyof ItemKeyOf<Kind>, 'kind'>[];

/** Fields of each kind, in the order in which they are encoded. */
const fields: { readonly [Kind in ItemKey['kind']]: FieldsOf<Kind> } = {
  sysctl: ['setting'],
  timeout: ['name'],
  link: ['name'],
  up: ['interface'],
  address: ['interface', 'address'],
  route: ['family', 'type', 'destination', 'table'],
  'routing-rule': ['family', 'mark', 'table'],
  'gue-port': ['family', 'port'],
  netfilter: ['owner'],
};

/** Returns the identity of an item. */
export function keyOf(item: Item): ItemKey {
  switch (item.kind) {
    case 'sysctl':
      return { kind: 'sysctl', setting: knobOf(item.name).key };
    case 'timeout':
      return { kind: 'timeout', name: item.name };
    case 'link':
      return { kind: 'link', name: item.link.name };
    case 'up':
      return { kind: 'up', interface: item.interface };
    case 'address':
      return { kind: 'address', interface: item.interface, address: item.address };
    case 'route': {
      const { family = 'ipv4', type = 'unicast', destination, table = 254 } = item.route;
      return { kind: 'route', family, type, destination, table };
    }
    case 'routing-rule': {
      const { family = null, mark = null, table = null } = item.rule;
      return { kind: 'routing-rule', family, mark, table };
    }
    case 'gue-port':
      return { kind: 'gue-port', family: item.family, port: item.port };
    case 'netfilter':
      return { kind: 'netfilter', owner: item.owner };
  }
}

/** Returns the encoded identity of an item. */
export function idOf(item: Item): ItemId {
  return encodeItem(keyOf(item));
}

export function encodeItem(key: ItemKey): ItemId {
  const values = key as Readonly<Record<string, unknown>>;
  return JSON.stringify([key.kind, ...fields[key.kind].map((name) => values[name])]) as ItemId;
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` if the text is not what {@link encodeItem} returns for a key */
export function decodeItem(id: string): ItemKey {
  const [kind, ...values] = arrayOf(id);
  const names = typeof kind === 'string' && Object.hasOwn(fields, kind) ? fields[kind as ItemKey['kind']] : undefined;
  const isField = (value: unknown): boolean =>
    value === null || (typeof value === 'string' && value !== '') || Number.isSafeInteger(value);
  if (names && names.length === values.length && values.every(isField)) {
    const key = { kind, ...Object.fromEntries(names.map((name, index) => [name, values[index]])) } as ItemKey;
    if (encodeItem(key) === id) return key;
  }
  throw invalid(`the id of an item must be such as ["link","eth0"], not ${show(id)}`);
}

function arrayOf(id: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(id);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
