import type { StaleOptions } from '../conntrack/stale.js';
import { describeServer, describeService } from '../ipvs/describe.js';
import { newServerSettings } from '../ipvs/server-options.js';
import { checkServiceKey, newServiceSettings } from '../ipvs/service-options.js';
import { show } from '../kernel/check.js';
import { invalid } from '../kernel/errors.js';
import type { ServerSettings, ServiceKey, ServiceSettings } from '../kernel/ipvs/types.js';
import { isSameSysctlValue } from '../kernel/sysctl-values.js';
import type { NetfilterState } from '../netfilter/changes.js';
import { knobOf } from '../roles/handlers/sysctl-knobs.js';
import type { Item, ItemOf, Part } from '../roles/items.js';
import type { DrainPolicy } from './drain-policy.js';
import { keyOf } from './item-checks.js';
import type { About } from './ledger.js';

/** A destination of UDP. */
export type Datagrams = Pick<StaleOptions, 'address' | 'port'>;

/** A service as it is to be, checked, in the kernel's terms. */
export interface WantedService {
  readonly settings: ServiceSettings;
  /** Others may have made it: then only own servers are added and removed. */
  readonly shared?: boolean | undefined;
  /** Of a shared service: the names of the settings that the document has. Default: all. */
  readonly stated?: ReadonlySet<string> | undefined;
  /** By {@link describeServer}. */
  readonly servers: ReadonlyMap<string, ServerSettings>;
  /** Is there as long as no other server takes connections. */
  readonly sorry?: ServerSettings | undefined;
  readonly drain?: DrainPolicy | undefined;
  /** Where clients send UDP for it: stale flows there are deleted when servers come or go. */
  readonly datagrams: readonly Datagrams[];
  /** All of it is UDP: there is nothing to wait for when a server goes. */
  readonly udp: boolean;
}

/** By {@link describeService}. */
export type WantedTable = ReadonlyMap<string, WantedService>;

/** All that an owner wants of a namespace. */
export interface Target {
  /** In the order in which they are made. */
  readonly items: readonly Item[];
  readonly table: WantedTable;
  /** The owner's table of nf_tables, whether it is wanted or not. */
  readonly netfilter?: string | undefined;
}

/** What of UDP goes to a service by address. */
export function datagramsOf(key: ServiceKey): Datagrams[] {
  if (!('address' in key) || key.protocol !== 'udp') return [];
  return [{ address: key.address, ...(key.port !== 0 && { port: key.port }) }];
}

/** What is to be remembered of a service; undefined: nothing out of the ordinary. */
export function aboutOf({ settings, drain, datagrams, udp }: WantedService): About | undefined {
  const byMark = 'fwmark' in settings.key && datagrams.length > 0;
  if (!drain && !byMark) return undefined;
  return { ...(drain && { drain }), ...(byMark && { datagrams, udp }) };
}

/** Collects what is wanted, part by part. */
export class TargetBuilder {
  readonly #items: Item[] = [];
  readonly #table = new Map<string, WantedService & { readonly servers: Map<string, ServerSettings> }>();
  readonly #netfilter = new Map<string, { marks: unknown[]; rules: unknown[] }>();

  add(part: Part): void {
    if (part.kind === 'service') this.addService(newServiceSettings(part.service));
    else if (part.kind === 'server') {
      const key = checkServiceKey(part.service);
      this.addServer(key, newServerSettings(part.server, key));
    } else if (part.kind === 'netfilter') this.#addNetfilter(part.owner, part.state);
    else this.#items.push(part);
  }

  addService(settings: ServiceSettings, more: Partial<Omit<WantedService, 'settings' | 'servers'>> = {}): void {
    const name = describeService(settings.key);
    if (this.#table.has(name)) throw invalid(`two services are ${name}`);
    const datagrams = datagramsOf(settings.key);
    this.#table.set(name, { settings, servers: new Map(), datagrams, udp: datagrams.length > 0, ...more });
  }

  /** Of a service that was added. */
  addServer(service: ServiceKey, settings: ServerSettings): void {
    const servers = this.#table.get(describeService(service))?.servers;
    const name = describeServer(settings.key);
    if (servers?.has(name)) throw invalid(`two servers of ${describeService(service)} are ${name}`);
    servers?.set(name, settings);
  }

  /** One table for all marks and rules of an owner. */
  #addNetfilter(owner: string, { marks = [], rules = [] }: NetfilterState): void {
    const known = this.#netfilter.get(owner);
    if (known) {
      known.marks.push(...marks);
      known.rules.push(...rules);
      return;
    }
    const state = { marks: [...marks], rules: [...rules] };
    this.#netfilter.set(owner, state);
    this.#items.push({ kind: 'netfilter', owner, state });
  }

  build(): Target {
    const items = distinct(this.#items);
    // Settings that reset others come before those.
    const first = items.filter(isReset);
    return {
      items: first.length === 0 ? items : [...first, ...items.filter((item) => !isReset(item))],
      table: this.#table,
    };
  }
}

function isReset(item: Item): boolean {
  return item.kind === 'sysctl' && knobOf(item.name).resets;
}

/** Two names of one setting are one setting. */
function checkSameSetting(one: ItemOf<'sysctl'>, other: ItemOf<'sysctl'>): void {
  if (one.name !== other.name && !(knobOf(one.name).sameText && knobOf(other.name).sameText))
    throw invalid(`${one.name} and ${other.name} are the same setting in two units: declare one of them`);
  if (isSameSysctlValue(one.value, other.value)) return;
  const what = one.name === other.name ? `${one.name} is` : `${one.name} and ${other.name}, the same setting, are`;
  throw invalid(`${what} declared twice, with different values: ${show(one.value)} and ${show(other.value)}`);
}

/** What is wanted twice is wanted once; two values of one setting are an error. */
function distinct(items: readonly Item[]): Item[] {
  const known = new Map<string, Item>();
  for (const item of items) {
    const name = keyOf(item);
    const other = known.get(name);
    if (!other) known.set(name, item);
    // One that is announced is an address like another.
    else if (item.kind === 'address') known.set(name, { ...other, ...item });
    else if (item.kind === 'sysctl' && other.kind === 'sysctl') checkSameSetting(other, item);
    else if (JSON.stringify(item) !== JSON.stringify(other)) throw invalid(`two are ${name}, and differ`);
  }
  return [...known.values()];
}
