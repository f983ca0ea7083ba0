import { forEachInSlices } from '../../common/slices.js';
import { serverAgrees, serverDifferences, serviceAgrees, serviceDifferences } from '../../ipvs/differences.js';
import { decodeServer, encodeServer, encodeService, type ServerId, type ServiceId } from '../../kernel/ipvs/ids.js';
import type {
  IpvsChange,
  IpvsTableEntry,
  ServerEntry,
  ServerSettings,
  ServiceSettings,
} from '../../kernel/ipvs/types.js';
import { type Datagrams, datagramsOf } from '../document/datagrams.js';
import type { DrainPolicy } from '../document/drain-policy.js';
import type { WantedService, WantedTable } from '../document/target.js';
import type { Draining, Ledger, OwnedService } from '../record/ledger.js';
import { type OtherOwners, ownerOf } from '../record/owners.js';
import type { Reason } from './reasons.js';
import { Phase, type RowDetails, type StepList, TableStep } from './step.js';
import { isAsMade, namesOf, plainServer, plainService, serversOf, withPresentPorts } from './table-rows.js';

/** Rows of others that the owner adopts: none, the wanted ones, or all of the namespace. */
export type Adoption = 'none' | 'wanted' | 'all';

export interface TablePlanOptions {
  readonly adopt: Adoption;
  /** Rows that other owners made, to name these owners. */
  readonly others?: OtherOwners | undefined;
  /** Drain policy for servers whose service has none. */
  readonly drain?: DrainPolicy | undefined;
  /** Current time, in milliseconds of the kernel's clock. */
  readonly time: number;
  /** True if servers are deleted at once, without draining. */
  readonly atOnce?: boolean | undefined;
  /** True if the sysctl expire_nodest_conn is 0: senders of UDP stay with servers that are gone. */
  readonly holdsSenders?: boolean | undefined;
  /** True if the plan has a step for each object that is as wanted, too. */
  readonly keeps?: boolean | undefined;
  /** True if the plan has a step for each unwanted object that an earlier run of the owner may have left, too. */
  readonly leftOvers?: boolean | undefined;
  /** Ends the planning, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Adds the steps from the current table to the wanted one. Returns the number of rows that are as wanted.
 * @throws the reason of the signal
 */
export async function planTable(
  entries: readonly IpvsTableEntry[],
  wanted: WantedTable,
  ledger: Ledger,
  options: TablePlanOptions,
  steps: StepList,
): Promise<number> {
  const { signal } = options;
  const planner = new TablePlanner(ledger, options, steps);
  const seen = new Set<ServiceId>();
  const compare = (entry: IpvsTableEntry): void => {
    const name = encodeService(entry.service.key);
    seen.add(name);
    const service = wanted.get(name);
    if (service) planner.present(name, service, entry);
    else planner.unwanted(name, entry);
  };
  await forEachInSlices(entries, compare, signal);
  const makeMissing = ([name, service]: readonly [ServiceId, WantedService]): void => {
    if (!seen.has(name)) planner.missing(name, service);
  };
  await forEachInSlices(wanted, makeMissing, signal);
  // Rows that disappeared without this owner are only in the journal.
  const forget = ([name, owned]: readonly [ServiceId, OwnedService]): void => {
    if (seen.has(name) || wanted.has(name)) return;
    for (const server of owned.servers.keys()) planner.forget(name, server);
    if (owned.service) planner.forget(name);
  };
  await forEachInSlices(ledger.owned, forget, signal);
  return planner.unchanged;
}

class TablePlanner {
  unchanged = 0;
  readonly #steps: StepList;
  readonly #ledger: Ledger;
  readonly #options: TablePlanOptions;

  constructor(ledger: Ledger, options: TablePlanOptions, steps: StepList) {
    this.#steps = steps;
    this.#ledger = ledger;
    this.#options = options;
  }

  missing(name: ServiceId, service: WantedService): void {
    const { settings } = service;
    this.#add('make', Phase.raise, name, undefined, settings, { command: 'NEW_SERVICE', service: settings });
    const wanted = serversOf(service);
    wanted.forEach((one, server) => {
      this.#make(name, service, server, one);
    });
    for (const server of this.#ledger.owned.get(name)?.servers.keys() ?? [])
      if (!wanted.has(server)) this.forget(name, server);
  }

  present(name: ServiceId, service: WantedService, entry: IpvsTableEntry): void {
    const { service: is, servers } = entry;
    const owned = this.#ledger.owned.get(name);
    if (owned && !this.#options.keeps && isAsMade(service, entry, owned)) {
      this.unchanged += 1 + servers.length;
      return;
    }
    const adopt = this.#adoptionOf(service);
    const wanted = withPresentPorts(serversOf(service), servers, owned);
    const usable = this.#service(name, service, is, owned?.service ?? false, adopt);
    let found = 0;
    let ours = 0;
    for (const entry of servers) {
      const server = encodeServer(entry.key);
      const settings = wanted.get(server);
      const isOurs = owned?.servers.has(server) ?? false;
      if (settings) {
        found++;
        if (isOurs) ours++;
        if (usable) this.#server(name, service, server, settings, entry, isOurs, owned?.servers.get(server), adopt);
      } else if (usable || isOurs) this.#leave(name, service.settings, server, entry, service);
    }
    const owns = owned?.servers ?? new Map<ServerId, undefined>();
    if (!usable || (found === wanted.size && ours === owns.size)) return; // the usual case
    const present = namesOf(servers);
    for (const [server, settings] of wanted) if (!present.has(server)) this.#make(name, service, server, settings);
    for (const server of owns.keys()) if (!wanted.has(server) && !present.has(server)) this.forget(name, server);
  }

  /** Plans a service that the document does not want: deletes it if it is the owner's, with the owner's servers. */
  unwanted(name: ServiceId, { service, servers }: IpvsTableEntry): void {
    const owned = this.#ledger.owned.get(name);
    const all = this.#options.adopt === 'all';
    if (!owned && !all) {
      if (this.#options.leftOvers) this.#add('foreign', Phase.lower, name, undefined, service);
      return;
    }
    const datagrams = owned?.about?.datagrams ?? datagramsOf(service.key);
    const { drain, udp = datagramsOf(service.key).length > 0 } = owned?.about ?? {};
    const of = { drain, udp, datagrams };
    const foreign: ServerId[] = [];
    let drains = false;
    for (const entry of servers) {
      const server = encodeServer(entry.key);
      const left = this.#leave(name, service, server, entry, of);
      if (left === 'foreign') foreign.push(server);
      else if (left === 'draining') drains = true;
    }
    const present = namesOf(servers);
    for (const server of owned?.servers.keys() ?? []) if (!present.has(server)) this.forget(name, server);
    if (!owned?.service && !all) return;
    if (foreign.length > 0) {
      this.#wait(name, service, { why: 'servers-of-others', servers: foreign.map(decodeServer) });
      return;
    }
    if (drains) {
      // Adopt it, so that it is deleted after its servers.
      if (!owned?.service) this.#add('adopt', Phase.raise, name, undefined, service);
      this.#wait(name, service, { why: 'servers-drain' });
      return;
    }
    const change = { command: 'DEL_SERVICE', service: service.key } as const;
    const undo = { command: 'NEW_SERVICE', service: plainService(service) } as const;
    this.#add('take-back', Phase.lower, name, undefined, service, change, { undo, stale: staleAfter(datagrams) });
  }

  /** Plans a row that only the journal has. */
  forget(service: ServiceId, server?: ServerId): void {
    this.#add('take-back', Phase.lower, service, server, undefined, undefined, { reason: { why: 'gone' } });
  }

  #add(
    action: TableStep['action'],
    phase: TableStep['phase'],
    service: ServiceId,
    server: ServerId | undefined,
    settings: TableStep['settings'],
    change?: IpvsChange,
    details?: RowDetails,
  ): void {
    this.#steps.add(new TableStep(action, phase, service, server, settings, change, details));
  }

  /**
   * Returns the adoption of a service. A shared service stays with its owner, and so do the servers that others made in
   * it.
   */
  #adoptionOf({ shared }: WantedService): Adoption {
    const { adopt } = this.#options;
    return shared && adopt === 'wanted' ? 'none' : adopt;
  }

  /** Plans a service. Returns false if it is a conflict, so that its servers must not change either. */
  #service(
    name: ServiceId,
    { settings: wanted, shared, stated }: WantedService,
    is: ServiceSettings,
    owned: boolean,
    adopt: Adoption,
  ): boolean {
    const agrees = serviceAgrees(wanted, is);
    if (owned || adopt !== 'none') {
      if (agrees) this.#right(name, undefined, wanted, owned, adopt);
      else {
        const change = { command: 'SET_SERVICE', service: wanted } as const;
        const undo = { command: 'SET_SERVICE', service: plainService(is) } as const;
        const differences = serviceDifferences(wanted, is);
        const reason = { why: 'row', settings: is } as const;
        this.#add('change', Phase.raise, name, undefined, wanted, change, { reason, differences, undo });
      }
      return true;
    }
    const differences = agrees ? [] : serviceDifferences(wanted, is);
    if (shared && !differences.some(({ path }) => stated?.has(path.split('.')[0] ?? '') ?? true)) {
      this.#right(name, undefined, wanted, owned, adopt);
      return true;
    }
    const owner = ownerOf(this.#options.others, name);
    this.#add('conflict', Phase.raise, name, undefined, wanted, undefined, {
      reason: { why: 'row', settings: is },
      differences,
      owner,
    });
    return false;
  }

  #right(
    name: ServiceId,
    server: ServerId | undefined,
    settings: TableStep['settings'],
    owned: boolean,
    adopt: Adoption,
  ): void {
    const action = owned || adopt === 'none' ? 'keep' : 'adopt';
    if (action === 'keep') this.unchanged++;
    if (action === 'adopt' || this.#options.keeps) this.#add(action, Phase.raise, name, server, settings);
  }

  #make(
    name: ServiceId,
    { settings: service, datagrams }: WantedService,
    server: ServerId,
    settings: ServerSettings,
  ): void {
    const stale = staleAfter(datagrams);
    this.#add(
      'make',
      Phase.raise,
      name,
      server,
      settings,
      { command: 'NEW_DEST', service: service.key, server: settings },
      stale && { stale },
    );
  }

  #server(
    name: ServiceId,
    service: WantedService,
    server: ServerId,
    wanted: ServerSettings,
    is: ServerEntry,
    ours: boolean,
    draining: Draining | undefined,
    adopt: Adoption,
  ): void {
    if (serverAgrees(wanted, is) && !draining) {
      this.#right(name, server, wanted, ours, adopt);
      return;
    }
    const details = { reason: { why: 'row', settings: is } as const, differences: serverDifferences(wanted, is) };
    if (!ours && adopt === 'none') {
      const owner = ownerOf(this.#options.others, name, server);
      this.#add('conflict', Phase.raise, name, server, wanted, undefined, { ...details, owner });
      return;
    }
    const { key } = service.settings;
    const change = { command: 'SET_DEST', service: key, server: wanted } as const;
    const undo = { command: 'SET_DEST', service: key, server: plainServer(is) } as const;
    const phase = wanted.weight < is.weight ? Phase.lower : Phase.raise;
    const stale = staleAfter(service.datagrams);
    this.#add('change', phase, name, server, wanted, change, { ...details, undo, stale });
  }

  /** Plans a server that is not wanted. Returns its state after these steps. */
  #leave(
    name: ServiceId,
    service: ServiceSettings,
    server: ServerId,
    is: ServerEntry,
    of: Pick<WantedService, 'drain' | 'udp' | 'datagrams'>,
  ): 'foreign' | 'gone' | 'draining' {
    const owned = this.#ledger.owned.get(name);
    if (!owned?.servers.has(server) && this.#options.adopt !== 'all') {
      this.#add('foreign', Phase.lower, name, server, is);
      return 'foreign';
    }
    const { key } = service;
    const connections = is.activeConnections + is.inactiveConnections + is.persistentConnections;
    const draining = owned?.servers.get(server);
    const { time, atOnce } = this.#options;
    const { timeout = 0 } = of.drain ?? this.#options.drain ?? {};
    // A UDP client does not notice a drain: its packets belong to the old connection. A server with a weight is not
    // idle: it may get another connection before it is deleted.
    const idle = connections === 0 && is.weight === 0;
    const over = idle || of.udp || timeout === 0 || atOnce || (draining !== undefined && time >= draining.until);
    const undo = { command: 'SET_DEST', service: key, server: plainServer(is) } as const;
    if (over) {
      const change = { command: 'DEL_DEST', service: key, server: is.key } as const;
      const again = { command: 'NEW_DEST', service: key, server: plainServer(is) } as const;
      const held = of.datagrams.length > 0 && this.#options.holdsSenders;
      this.#add('take-back', Phase.lower, name, server, is, change, {
        ...(held && { reason: { why: 'senders-held' } as const }),
        undo: again,
        stale: staleAfter(of.datagrams),
      });
      return 'gone';
    }
    const quiet = { command: 'SET_DEST', service: key, server: { ...plainServer(is), weight: 0 } } as const;
    const reason = {
      why: 'connections',
      active: is.activeConnections,
      inactive: is.inactiveConnections,
      persistent: is.persistentConnections,
    } as const;
    if (!draining) {
      const begun = { weight: is.weight, until: time + timeout * 1000 };
      const change = is.weight !== 0 ? quiet : undefined;
      this.#add('drain', Phase.lower, name, server, is, change, { reason, draining: begun, undo: change && undo });
    } else if (is.weight !== 0) {
      // Another program gave it a weight, or this one died before it set the weight to 0.
      this.#add('change', Phase.lower, name, server, is, quiet, { reason, undo, draining });
    } else this.#add('wait', Phase.lower, name, server, is, undefined, { reason });
    return 'draining';
  }

  #wait(name: ServiceId, service: ServiceSettings, reason: Reason): void {
    this.#add('wait', Phase.lower, name, undefined, service, undefined, { reason });
  }
}

function staleAfter(datagrams: readonly Datagrams[]): readonly Datagrams[] | undefined {
  return datagrams.length === 0 ? undefined : datagrams;
}
