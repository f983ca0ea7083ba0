import { show } from '../../common/check.js';
import { invalid } from '../../common/errors.js';
import { isSameSysctlValue } from '../../common/sysctl-values.js';
import { newServerSettings } from '../../ipvs/server-options.js';
import { checkServiceKey, newServiceSettings } from '../../ipvs/service-options.js';
import { handlerOf } from '../../items/handlers.js';
import { type ItemId, idOf } from '../../items/item-ids.js';
import type { Item, ItemOf, Part } from '../../items/items.js';
import { knobOf } from '../../items/sysctl-knobs.js';
import { describeServer, describeService } from '../../kernel/ipvs/describe.js';
import { encodeServer, encodeService, type ServerId, type ServiceId } from '../../kernel/ipvs/ids.js';
import type { ServerSettings, ServiceKey, ServiceSettings } from '../../kernel/ipvs/types.js';
import type { NetfilterState } from '../../netfilter/changes.js';
import type { MarkSettings } from '../../netfilter/mark-options.js';
import type { About } from '../record/ledger.js';
import { checkDisabledIPv6 } from './contradictions.js';
import { type Datagrams, datagramsMarked, datagramsOf, marksIn } from './datagrams.js';
import type { DrainPolicy } from './drain-policy.js';

/** A wanted service, checked, in the kernel's terms. */
export interface WantedService {
  readonly settings: ServiceSettings;
  /** True if others may have made it: then only own servers are added and removed. */
  readonly shared?: boolean | undefined;
  /** Names of the settings that the document has, for a shared service. Default: all. */
  readonly stated?: ReadonlySet<string> | undefined;
  readonly servers: ReadonlyMap<ServerId, ServerSettings>;
  /** Server that exists while no other server takes connections. */
  readonly sorry?: ServerSettings | undefined;
  readonly drain?: DrainPolicy | undefined;
  /** Datagrams that clients send to it: their stale flows are deleted when servers are added or removed. */
  readonly datagrams: readonly Datagrams[];
  /** True if all its traffic is UDP: the removal of a server need not wait. */
  readonly udp: boolean;
}

export type WantedTable = ReadonlyMap<ServiceId, WantedService>;

/** Everything that an owner wants of a namespace. */
export interface Target {
  /** Items in the order in which they are made. */
  readonly items: readonly Item[];
  readonly table: WantedTable;
  /** Name of the owner's nf_tables table, also if no table is wanted. */
  readonly netfilter?: string | undefined;
}

/** Returns the facts about a service that the journal has to remember; undefined if there are none. */
export function aboutOf({ settings, drain, datagrams, udp }: WantedService): About | undefined {
  const byMark = 'fwmark' in settings.key && datagrams.length > 0;
  if (!drain && !byMark) return undefined;
  return { ...(drain && { drain }), ...(byMark && { datagrams, udp }) };
}

/** Collects the parts of a target. */
export class TargetBuilder {
  readonly #items: Item[] = [];
  readonly #table = new Map<ServiceId, WantedService & { readonly servers: Map<ServerId, ServerSettings> }>();
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
    const id = encodeService(settings.key);
    if (this.#table.has(id)) throw invalid(`two services are ${describeService(settings.key)}`);
    const datagrams = datagramsOf(settings.key);
    this.#table.set(id, { settings, servers: new Map(), datagrams, udp: datagrams.length > 0, ...more });
  }

  /** Adds a server to a service that was added before. */
  addServer(service: ServiceKey, settings: ServerSettings): void {
    const servers = this.#table.get(encodeService(service))?.servers;
    const id = encodeServer(settings.key);
    if (servers?.has(id))
      throw invalid(`two servers of ${describeService(service)} are ${describeServer(settings.key)}`);
    servers?.set(id, settings);
  }

  /** Merges all marks and rules of an owner into one table. */
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
    checkDisabledIPv6(items);
    const marks = items.flatMap((item) => (item.kind === 'netfilter' ? marksIn(item.state) : []));
    const table = marks.length === 0 ? this.#table : withMarks(this.#table, marks);
    const all = takesUdp(table, marks) ? withExpiry(items) : items;
    // Settings that reset others are made first.
    const first = all.filter(isReset);
    return { items: first.length === 0 ? all : [...first, ...all.filter((item) => !isReset(item))], table };
  }
}

/** Sysctl that gives senders of UDP another server as soon as theirs is removed. */
export const EXPIRE = 'net/ipv4/vs/expire_nodest_conn';

/**
 * Returns true if a service, or a mark of one, names UDP. A mark without a protocol does not: its traffic is unknown.
 */
function takesUdp(table: WantedTable, marks: readonly MarkSettings[]): boolean {
  const named = new Set(marks.flatMap(({ mark, match }) => (match.protocol === 'udp' ? [mark] : [])));
  return [...table.values()].some(({ settings: { key }, datagrams }) => {
    return datagrams.length > 0 && (!('fwmark' in key) || named.has(key.fwmark));
  });
}

/**
 * Adds the setting {@link EXPIRE}, unless the target has a value for it. Without it IPVS drops the datagrams of a
 * sender whose server is removed until the sender pauses for the UDP timeout (300 s): ip_vs_in_hook in
 * net/netfilter/ipvs/ip_vs_core.c.
 */
function withExpiry(items: readonly Item[]): readonly Item[] {
  if (items.some((item) => item.kind === 'sysctl' && item.name === EXPIRE)) return items;
  return [{ kind: 'sysctl', name: EXPIRE, value: '1', implied: true }, ...items];
}

/** Gives services by mark the datagrams of the marks of this target, whichever part declares the marks. */
function withMarks(table: WantedTable, marks: readonly MarkSettings[]): WantedTable {
  const byMark = new Map<number, MarkSettings[]>();
  for (const one of marks) {
    const known = byMark.get(one.mark);
    if (known) known.push(one);
    else byMark.set(one.mark, [one]);
  }
  return new Map(
    [...table].map(([name, service]) => {
      const { key } = service.settings;
      const its = 'fwmark' in key ? (byMark.get(key.fwmark) ?? []) : [];
      if (its.length === 0) return [name, service];
      const udp = its.every(({ match }) => match.protocol === 'udp');
      return [name, { ...service, datagrams: datagramsMarked(key, its), udp }];
    }),
  );
}

function isReset(item: Item): boolean {
  return item.kind === 'sysctl' && knobOf(item.name).resets;
}

/** A setting, with its name as the document has it. */
interface GivenSetting {
  readonly item: ItemOf<'sysctl'>;
  readonly given: string;
}

/** Rejects two values of one setting, also under two names of it. */
function checkSameSetting({ item: one, given }: GivenSetting, { item: other, given: otherGiven }: GivenSetting): void {
  if (one.name !== other.name && !(knobOf(one.name).sameText && knobOf(other.name).sameText))
    throw invalid(`${given} and ${otherGiven} are the same setting in two units: declare one of them`);
  if (isSameSysctlValue(one.value, other.value)) return;
  const what = given === otherGiven ? `${given} is` : `${given} and ${otherGiven}, the same setting, are`;
  throw invalid(`${what} declared twice, with different values: ${show(one.value)} and ${show(other.value)}`);
}

/**
 * Returns the items without repetitions, each with the name that `mainOf` gives it.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` if one setting has two values
 */
export function distinct(items: readonly Item[], mainOf: (item: Item) => Item = (item) => item): Item[] {
  const known = new Map<ItemId, { readonly item: Item; readonly given: Item }>();
  for (const given of items) {
    const item = mainOf(given);
    const id = idOf(item);
    const other = known.get(id);
    if (!other) known.set(id, { item, given });
    // An announced address is the same address.
    else if (item.kind === 'address') known.set(id, { item: { ...other.item, ...item }, given });
    else if (item.kind === 'sysctl' && other.item.kind === 'sysctl')
      checkSameSetting({ item: other.item, given: nameIn(other.given) }, { item, given: nameIn(given) });
    else if (JSON.stringify(item) !== JSON.stringify(other.item)) throw invalid(`two are ${nameIn(item)}, and differ`);
  }
  return [...known.values()].map(({ item }) => item);
}

function nameIn(item: Item): string {
  return item.kind === 'sysctl' ? item.name : handlerOf(item).name(item);
}
